// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IModels
/// @notice What can answer, and on which terms. Terms are append-only versions that only change forward: a version
/// applies from `since` on, at least `noticeSeconds` after it was set, so that a batch is settled and challenged under
/// the terms that everyone could read when its answers were given.
interface IModels {
    /// @notice What a model is made of.
    enum Kind {
        Quote, // verbatim quotes, no weights
        Base,
        Adapter
    }

    /// @notice How a fee is divided, in ppm that sum to 1,000,000.
    /// @param developer Payee of the developer's part.
    struct Splits {
        uint32 protocolPpm;
        uint32 workerPpm;
        uint32 developerPpm;
        uint32 dataPpm;
        address developer;
    }

    /// @notice A part of the fee, in ppm.
    struct Payout {
        address payee;
        uint32 ppm;
    }

    /// @notice Who is paid what part of a fee, in ppm; the protocol's part is what is left. Developers: the own remainder
    /// first, then the ancestors' royalties; at most 8.
    struct Payouts {
        uint32 workerPpm;
        uint32 dataPpm;
        Payout[] developers;
    }

    /// @notice Terms of use.
    /// @param priceIn Wei per 1,000 input tokens.
    /// @param priceOut Wei per 1,000 output tokens.
    /// @param splits How a fee is divided.
    /// @param datanets Datanets that the model answers from.
    /// @param maxStaleness How many versions behind the latest a named version may be.
    /// @param spanPpm Weight of the span channel in the data pool; with the next two it sums to 1,000,000.
    struct Terms {
        uint128 priceIn;
        uint128 priceOut;
        Splits splits;
        uint32[] datanets;
        uint32 maxStaleness;
        uint32 spanPpm;
        uint32 contextPpm;
        uint32 influencePpm;
    }

    /// @notice A model to register.
    /// @param artifact Content hash of the base weights or recipe (zero for none).
    /// @param adapter Content hash of the adapter (zero for none).
    struct ModelInput {
        string name;
        Kind kind;
        bytes32 artifact;
        bytes32 adapter;
        Terms terms;
    }

    /// @notice A model as read by clients. `owner` may set terms; `terms` are those in force, version `termsVersion`.
    struct Model {
        string name;
        Kind kind;
        bytes32 artifact;
        bytes32 adapter;
        address owner;
        uint32 termsVersion;
        Terms terms;
    }

    /// @notice A model was registered.
    event Registered(
        uint32 indexed model, address indexed owner, Kind kind, bytes32 artifact, bytes32 adapter, string name
    );
    /// @notice Version `version` of a model's terms applies from `since` (seconds) on.
    event TermsSet(uint32 indexed model, uint32 version, uint64 since, Terms terms);

    /// @notice No model has this id.
    error UnknownModel(uint32 model);
    /// @notice Only the model's owner may do this.
    error NotOwner(uint32 model, address account);
    /// @notice The parts sum to `sum`, not to 1,000,000.
    error PartsMismatch(uint256 sum);
    /// @notice A developer's part needs a payee.
    error NoDeveloper();
    /// @notice More datanets than a model may name.
    error TooManyDatanets(uint256 count);
    /// @notice The kind does not go with these hashes: a base model has an artifact only, an adapter both, a
    /// quote model no adapter.
    error HashMismatch(Kind kind, bytes32 artifact, bytes32 adapter);
    /// @notice Earlier announced terms come into force at `since`; newer ones cannot overtake them.
    error TermsPending(uint64 since);
    /// @notice The notice must be at least a second.
    error NoNotice();

    /// @notice Registers a model; its first terms apply at once. The caller becomes its owner.
    function register(ModelInput calldata input) external returns (uint32 model);

    /// @notice Announces terms that apply `noticeSeconds` from now. One announcement at a time.
    function setTerms(uint32 model, Terms calldata terms) external returns (uint32 version);

    /// @notice Number of models; ids run from 1.
    function modelCount() external view returns (uint32);

    /// @notice A model with the terms in force.
    function model(uint32 id) external view returns (Model memory);

    /// @notice The splits in force.
    function splits(uint32 id) external view returns (Splits memory);

    /// @notice The splits that were in force at `timestamp`.
    function splitsAt(uint32 id, uint64 timestamp) external view returns (Splits memory);

    /// @notice The payouts in force.
    function payouts(uint32 id) external view returns (Payouts memory);

    /// @notice The payouts that were in force at `timestamp`.
    function payoutsAt(uint32 id, uint64 timestamp) external view returns (Payouts memory);

    /// @notice Number of term versions, the announced one included; versions run from 1.
    function termsCount(uint32 id) external view returns (uint32);

    /// @notice A version of a model's terms, and since when it applies.
    function termsOf(uint32 id, uint32 version) external view returns (Terms memory terms, uint64 since);

    /// @notice Seconds between announcing terms and their coming into force.
    function noticeSeconds() external view returns (uint64);
}
