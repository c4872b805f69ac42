// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IReviewed} from "./IReviews.sol";

/// @title IDatanets
/// @notice Datanets, their append-only versions, and the contributions in them (docs/spec/datanets.md). Text never comes
/// here: a contribution is a Merkle root (docs/spec/receipt.md, section 1).
///
/// Precedence is the order of commits: a contribution's id is drawn when it is committed, so a smaller id is an earlier
/// one. An id whose commit is never revealed stays void. Neither id nor commitment says what was committed.
interface IDatanets is IReviewed {
    /// @notice How a revealed contribution becomes a member. Later rules append to this list.
    enum ReviewRule {
        Open, // at its reveal
        Curator, // when the curator accepts it
        Reviewers // when k of n staked reviewers approve it; while no panel can decide, when the curator accepts it
    }

    /// @notice Where a contribution stands.
    enum Status {
        Unrevealed, // committed, expired or never drawn
        Pending, // waits for the curator or the reviewers
        Accepted, // a member from `added` on
        Withdrawn, // a member until `withdrawn`, or taken back before it was one
        Rejected // refused; an appeal can still reverse the reviewers' refusal
    }

    /// @notice Terms under which a datanet's texts may be used. Gateways and workers obey them before they answer.
    /// @param licence SPDX licence id.
    /// @param flags Sum of FLAG_INDEX (1), FLAG_TRAIN (2), FLAG_QUOTE (4), FLAG_PRIVATE (8: private requests may use it) and
    /// FLAG_KEEP (16: the licence keeps lawful what was trained before a withdrawal).
    /// @param review How contributions become members.
    /// @param reviewers Seats of a panel, n: 1 to 15; zero without the rule Reviewers.
    /// @param approvals Approvals that admit, k: 1 to n; zero without the rule Reviewers.
    /// @param curatorPpm The curator's cut of what the datanet's contributions are credited.
    /// @param priceFloor Least price of 1,000 output tokens, in wei, of a model that may use the datanet.
    /// @param jurisdictions ISO 3166-1 alpha-2 codes that the datanet declares; none: undeclared.
    struct Policy {
        string licence;
        uint8 flags;
        ReviewRule review;
        uint8 reviewers;
        uint8 approvals;
        uint32 curatorPpm;
        uint128 priceFloor;
        bytes2[] jurisdictions;
    }

    /// @notice A datanet as read by clients. `version` counts the changes of its membership.
    struct Datanet {
        string name;
        address curator;
        uint32 version;
        Policy policy;
    }

    /// @notice What a reveal opens. `blind` hides the rest until then; `deadline` (seconds) bounds the signature's life and
    /// is not part of the commitment.
    struct Reveal {
        uint32 datanet;
        bytes32 root;
        uint32 documents;
        uint64 textBytes;
        address contributor;
        address payee;
        bytes32 blind;
        uint64 deadline;
    }

    /// @notice Membership and payee, in one storage slot. Member of version v if `added != 0 && added <= v < withdrawn`.
    struct Membership {
        uint32 datanet;
        uint32 added;
        uint32 withdrawn;
        address payee;
    }

    /// @notice A contribution as read by clients.
    struct Contribution {
        uint64 id;
        Status status;
        uint32 datanet;
        uint32 added;
        uint32 withdrawn;
        address contributor;
        address payee;
        bytes32 root;
        uint32 documents;
        uint64 textBytes;
    }

    /// @notice A datanet was created. Its policy never changes.
    event Created(uint32 indexed datanet, address indexed curator, string name, Policy policy);
    /// @notice `id` was drawn for `commitment`; it must be revealed up to and including block `revealBy`.
    event Committed(uint64 indexed contribution, bytes32 indexed commitment, uint64 revealBy);
    /// @notice A contribution was opened.
    event Revealed(
        uint64 indexed contribution,
        uint32 indexed datanet,
        address indexed contributor,
        address payee,
        bytes32 root,
        uint32 documents,
        uint64 textBytes
    );
    /// @notice A contribution is a member of its datanet from `version` on.
    event Accepted(uint64 indexed contribution, uint32 indexed datanet, uint32 version);
    /// @notice Reviewers were asked about a revealed contribution; fees for them can be added to the case.
    event ReviewOpened(uint64 indexed contribution, uint32 indexed datanet, uint64 indexed caseId);
    /// @notice The curator, or the reviewers, refused a contribution.
    event Rejected(uint64 indexed contribution, uint32 indexed datanet);
    /// @notice A contribution is no member of its datanet from `version` on: its contributor took it back, the curator of an
    /// open datanet took it out, or an appeal reversed its admission. Who may still use what was trained on it follows from
    /// FLAG_KEEP and `withdrawnAt`.
    event Withdrawn(uint64 indexed contribution, uint32 indexed datanet, uint32 version);
    /// @notice Credits from now on go to `payee`.
    event PayeeSet(uint64 indexed contribution, address indexed payee, address indexed previous);

    /// @notice No datanet has this id.
    error UnknownDatanet(uint32 datanet);
    /// @notice No contribution with this id has been revealed.
    error UnknownContribution(uint64 contribution);
    /// @notice `account` may not do this.
    error NotAllowed(address account);
    /// @notice Flags beyond those that are defined, or a cut above 1,000,000 ppm.
    error InvalidPolicy(uint8 flags, uint32 curatorPpm);
    /// @notice The rule Reviewers needs 1 to 15 reviewers and 1 approval up to all of them; other rules need none.
    error InvalidPanel(uint8 reviewers, uint8 approvals);
    /// @notice What an origin's vault earns is its author's: the contributor cannot move it.
    error PayeeHeld(uint64 contribution, address vault);
    /// @notice A contribution needs a root, documents, a contributor and a payee.
    error EmptyContribution();
    /// @notice What was revealed hashes to a commitment that nobody has committed.
    error NotCommitted(bytes32 commitment);
    /// @notice This commitment is held by another, earlier id.
    error CommittedAs(bytes32 commitment, uint64 contribution);
    /// @notice The reveal came after block `revealBy`.
    error RevealExpired(uint64 contribution, uint64 revealBy);
    /// @notice The contribution has been revealed already.
    error AlreadyRevealed(uint64 contribution);
    /// @notice The signature's deadline has passed.
    error SignatureExpired(uint64 deadline);
    /// @notice The signature is not the contributor's.
    error InvalidSignature(address contributor);
    /// @notice The contribution is not in the state that the call needs.
    error WrongStatus(uint64 contribution, Status status);
    /// @notice `reveals` and `signatures` differ in length, or a batch is empty.
    error BatchMismatch(uint256 reveals, uint256 signatures);

    /// @notice Creates a datanet; the caller becomes its curator.
    function create(string calldata name, Policy calldata policy) external returns (uint32 datanet);

    /// @notice Draws the next id for `commitment` = keccak256(abi.encode(datanet, root, documents, textBytes, contributor,
    /// payee, blind)). Anyone may send it: the commitment names the contributor. A commitment that is held by an earlier
    /// unexpired id stays with that id, and the new id is void.
    function commit(bytes32 commitment) external returns (uint64 contribution);

    /// @notice Draws one id per commitment, in order, from `first` on.
    function commitBatch(bytes32[] calldata commitments) external returns (uint64 first);

    /// @notice Opens a commitment. The contributor sends it, or signed the EIP-712 type `Contribution` (ERC-1271 accounts
    /// too). In an open datanet the contribution is a member at once; in a reviewed one this opens a case (`caseOf`).
    function reveal(uint64 contribution, Reveal calldata opening, bytes calldata signature) external;

    /// @notice Opens many commitments; all or none, but for those that have been opened before, which are left out.
    function revealBatch(uint64[] calldata contributions, Reveal[] calldata openings, bytes[] calldata signatures)
        external;

    /// @notice The curator admits a pending contribution; in a datanet of reviewers only if no panel could decide.
    function accept(uint64 contribution) external;

    /// @notice The curator admits many pending contributions, each in a version of its own; all or none, but for those that
    /// are no longer pending, which are left out.
    function acceptBatch(uint64[] calldata contributions) external;

    /// @notice The curator refuses a pending contribution; in a datanet of reviewers only if no panel could decide.
    function reject(uint64 contribution) external;

    /// @notice The contributor takes a contribution back: it is no member of any later version. Receipts that named an
    /// earlier version still settle. In an open datanet the curator may do the same, but for what the registrar registered.
    function withdraw(uint64 contribution) external;

    /// @notice The same, relayed under the contributor's signature over `Withdrawal`.
    function withdrawFor(uint64 contribution, uint64 deadline, bytes calldata signature) external;

    /// @notice The contributor redirects credits of later batches. Away from an origin's vault nobody can.
    function setPayee(uint64 contribution, address payee) external;

    /// @notice The same, relayed under the contributor's signature over `Payee(uint64 contribution,address payee,uint64
    /// nonce,uint64 deadline)` with nonce = `payeeNonce`.
    function setPayeeFor(uint64 contribution, address payee, uint64 deadline, bytes calldata signature) external;

    /// @notice The registrar of the constructor adds a contribution that belongs to everyone: contributor and payee are the
    /// treasury, and there is nothing to reveal.
    function registerCommons(uint32 datanet, bytes32 root, uint32 documents, uint64 textBytes)
        external
        returns (uint64 contribution);

    /// @notice Number of datanets; ids run from 1.
    function datanetCount() external view returns (uint32);

    /// @notice Largest contribution id drawn so far; ids run from 1.
    function contributionCount() external view returns (uint64);

    /// @notice A datanet and its policy.
    function datanet(uint32 id) external view returns (Datanet memory);

    /// @notice What Models asks of a datanet's policy.
    function licenceOf(uint32 id) external view returns (uint8 flags, uint128 priceFloor);

    /// @notice The latest version of a datanet.
    function version(uint32 id) external view returns (uint32);

    /// @notice A contribution; status `Unrevealed` where there is nothing to read.
    function contribution(uint64 id) external view returns (Contribution memory);

    /// @notice Up to `limit` (at most 256) contributions from id `first` on, of every datanet and status.
    function contributions(uint64 first, uint256 limit) external view returns (Contribution[] memory);

    /// @notice Who holds a commitment, and until which block it may be revealed (2^64-1 once it has been); zeros: nobody.
    function commitmentOf(bytes32 commitment) external view returns (uint64 contribution, uint64 revealBy);

    /// @notice The commitment that `reveal` expects for an opening.
    function commitmentHash(Reveal calldata opening) external pure returns (bytes32);

    /// @notice When a contribution was withdrawn, in seconds; zero: it was not.
    function withdrawnAt(uint64 contribution) external view returns (uint64);

    /// @notice The reviewers' case on a contribution; zero: none.
    function caseOf(uint64 contribution) external view returns (uint64 caseId);

    /// @notice The contribution that a case is about; zero: none.
    function contributionOf(uint64 caseId) external view returns (uint64 contribution);

    /// @notice The membership slot.
    function membership(uint64 contribution) external view returns (Membership memory);

    /// @notice Whether a contribution belongs to version `v` of its datanet.
    function isMember(uint64 contribution, uint32 v) external view returns (bool);

    /// @notice Whether a contribution is a member of one of `versions`, each `datanet << 32 | version`.
    function isMemberOfAny(uint64 contribution, uint64[] calldata versions) external view returns (bool);

    /// @notice One membership slot each, raw: datanet in bits 0-31, added 32-63, withdrawn 64-95, payee from 96 on; zero if
    /// nothing was revealed under the id.
    function membershipsOf(uint64[] calldata contributions) external view returns (uint256[] memory words);

    /// @notice For each datanet `curator << 96 | curatorPpm << 32 | version`; zero if there is none. The curator and its cut
    /// never change.
    function headsOf(uint32[] calldata datanets) external view returns (uint256[] memory heads);

    /// @notice Number of payee changes so far. A batch notes it, so that a challenge finds the payee that was credited.
    function payeeClock() external view returns (uint96);

    /// @notice The payee of a contribution at a past reading of `payeeClock`.
    function payeeAt(uint64 contribution, uint96 clock) external view returns (address);

    /// @notice Number of payee changes of a contribution, as a signature for `setPayeeFor` must name it.
    function payeeNonce(uint64 contribution) external view returns (uint64);

    /// @notice Blocks within which a commit must be revealed.
    function revealBlocks() external view returns (uint64);

    /// @notice Who may register commons contributions.
    function registrar() external view returns (address);

    /// @notice The staked reviewers (`IReviews`).
    function reviews() external view returns (address);

    /// @notice The origins and their vaults (`IOrigins`).
    function origins() external view returns (address);

    /// @notice Who is paid for commons contributions.
    function treasury() external view returns (address);
}
