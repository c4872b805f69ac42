// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IModels
/// @notice What can answer, on which terms, and how it came to be (docs/spec/models.md).
///
/// Two doors lead in. `register` takes what needs no training or was made elsewhere: a quote model is usable at once,
/// weights only for requests that name them. `propose` begins the voted record Proposed, Approved, Training, Evaluating,
/// Evaluated, Deployed; only its end may be a network default.
///
/// Terms are append-only versions that only change forward: a version applies from `since` on, at least `noticeSeconds`
/// after it was set, so that a batch is settled and challenged under the terms that everyone could read when its answers
/// were given. No state ever keeps a receipt from settling: `payouts` answers for every model, always.
interface IModels {
    // ---------------------------------------------------------------- what a model is

    /// @notice What a model is made of.
    enum Kind {
        Quote, // verbatim quotes, no weights
        Base,
        Adapter
    }

    /// @notice Where a model stands. Of the states with a deadline, each ends in `Expired` when that passes.
    enum State {
        None, // no such model
        Registered, // a quote model: no weights, nothing to evaluate, usable at once
        Independent, // weights registered without a vote: for requests that name it, never a network default
        Proposed, // waits for the vote; deadline
        Approved, // voted, criteria and evaluation commitment fixed; waits for its owner to begin; deadline
        Training, // waits for the artifact; deadline
        Evaluating, // artifact on record; waits for the evaluation set, then for the evaluators; deadline
        Evaluated, // score on record; waits for the vote to deploy; deadline
        Deployed, // met its criteria and was voted in
        Suspended, // reviewers found a breach of its acceptable use
        Retired, // for good
        Expired // a deadline passed; for good
    }

    /// @notice Why new requests are refused.
    enum Reason {
        None, // they are not
        Unknown, // no such model
        NotDeployed, // a proposal on its way
        Expired, // a proposal that missed a deadline
        Suspended, // a breach of its acceptable use
        Retired, // retired by its owner or by vote
        Withdrawn, // trained on a contribution that was withdrawn, grace is over, the licence does not keep artifacts
        BaseSuspended, // its base model, or a base of that, is suspended
        BaseWithdrawn // its base model, or a base of that, is stopped by a withdrawal
    }

    /// @notice How a score is held against the threshold.
    enum Direction {
        AtLeast,
        AtMost
    }

    /// @notice How a fee is divided, in ppm that sum to 1,000,000.
    /// @param developer Payee of the developer's part. A model that once had one keeps having one: its children pay it.
    struct Splits {
        uint32 protocolPpm;
        uint32 workerPpm;
        uint32 developerPpm;
        uint32 dataPpm;
        address developer;
    }

    /// @notice Terms of use.
    /// @param priceIn Wei per 1,000 input tokens.
    /// @param priceOut Wei per 1,000 output tokens; no less than the floor of any datanet named or trained on.
    /// @param splits How a fee is divided.
    /// @param datanets Datanets that the model answers from; each one's licence must allow to index and to quote.
    /// @param maxStaleness How many versions behind the latest a named version may be.
    /// @param spanPpm Weight of the span channel in the data pool; with the next two it sums to 1,000,000.
    /// @param minRoyaltyPpm Least royalty, in ppm of the fee, that a child must grant when it first names this model.
    /// @param parents Each `model << 32 | royaltyPpm` (ppm of the fee), by ascending model, every one registered before
    /// this model. Royalties sum to at most `developerPpm`. A later version keeps every parent, at no less. A parent shares
    /// its royalty with its own parents as its terms of the day say on which this model first names it.
    /// @param acceptableUse Content hash of the acceptable-use terms; zero for none.
    /// @param acceptableUseUri Where to read them.
    struct Terms {
        uint128 priceIn;
        uint128 priceOut;
        Splits splits;
        uint32[] datanets;
        uint32 maxStaleness;
        uint32 spanPpm;
        uint32 contextPpm;
        uint32 influencePpm;
        uint32 minRoyaltyPpm;
        uint64[] parents;
        bytes32 acceptableUse;
        string acceptableUseUri;
    }

    /// @notice A model to register or to propose.
    /// @param artifact Content hash of the base weights or recipe (zero for none; zero in a proposal).
    /// @param adapter Content hash of the adapter (zero for none; zero in a proposal).
    /// @param terms The first terms; they apply at once.
    /// @param base Model that the weights build on, a base model and named among the parents; zero for none. An adapter's
    /// artifact is that of its base.
    /// @param trained Datanet versions trained on, each `datanet << 32 | version`, at most 16; the licences must allow
    /// to train.
    struct ModelInput {
        string name;
        Kind kind;
        bytes32 artifact;
        bytes32 adapter;
        Terms terms;
        uint32 base;
        uint64[] trained;
    }

    /// @notice What a proposal must reach. Voted with it, never changed.
    /// @param metric Id of the metric and of the unit of its scores.
    /// @param direction Whether the score must be at least or at most the threshold.
    /// @param threshold Fixed point, in the metric's unit.
    /// @param tolerance Scores further than this from the median are outliers.
    /// @param evaluators Seats to draw, at most 15.
    /// @param quorum Scores within the tolerance that make a result: more than half of the seats.
    /// @param trainingSeconds Time to train, at most 366 days.
    struct Criteria {
        bytes32 metric;
        Direction direction;
        int128 threshold;
        uint128 tolerance;
        uint8 evaluators;
        uint8 quorum;
        uint64 trainingSeconds;
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
        State state;
    }

    /// @notice The record of how a model came to be. What has not happened yet is zero.
    /// @param deadline Last second of the state; zero for none.
    /// @param recipe Content hash of the training recipe.
    /// @param evaluationCommitment Hides the evaluation set: keccak256(abi.encode(evaluationSet, salt)).
    /// @param evaluationSet Content hash of the evaluation set.
    /// @param evaluation Hash of the evaluation on record (seats, scores, reports).
    /// @param score Median on record.
    /// @param stopsAt From this second on new requests are refused because of a withdrawal; zero for never.
    /// @param stoppedBy Datanet of that withdrawal.
    struct Life {
        State state;
        uint64 deadline;
        uint32 base;
        bytes32 recipe;
        uint64[] trained;
        Criteria criteria;
        bytes32 evaluationCommitment;
        bytes32 evaluationSet;
        bytes32 evaluation;
        int128 score;
        uint64 stopsAt;
        uint32 stoppedBy;
    }

    /// @notice One payee of the developer's part, in ppm of the fee.
    struct Payout {
        address payee;
        uint32 ppm;
    }

    /// @notice What `Settlement` divides a fee by; the protocol takes the rest. `developers` holds the model's own
    /// developer first, then its ancestors, at most 8, no zero among them; they sum to the terms' `developerPpm`.
    struct Payouts {
        uint32 workerPpm;
        uint32 dataPpm;
        Payout[] developers;
    }

    // ---------------------------------------------------------------- events

    /// @notice A model was registered or proposed.
    event Registered(
        uint32 indexed model, address indexed owner, Kind kind, bytes32 artifact, bytes32 adapter, string name
    );
    /// @notice Version `version` of a model's terms applies from `since` (seconds) on.
    event TermsSet(uint32 indexed model, uint32 version, uint64 since, Terms terms);
    /// @notice Whom a version of a model's terms pays royalties: each `model << 32 | ppm of the fee`.
    event LineageSet(uint32 indexed model, uint32 version, uint64[] ancestors);
    /// @notice What a model builds on: base model (zero for none), recipe (zero for none) and datanet versions.
    event BuiltOn(uint32 indexed model, uint32 indexed base, bytes32 recipe, uint64[] trained);
    /// @notice A proposal's criteria.
    event Proposed(uint32 indexed model, Criteria criteria);
    /// @notice A model entered `state`, which ends at `deadline` (zero: it does not).
    event StateChanged(uint32 indexed model, State indexed state, uint64 deadline);
    /// @notice The vote fixed the commitment to the evaluation set.
    event EvaluationCommitted(uint32 indexed model, bytes32 commitment);
    /// @notice The trained weights are on record.
    event ArtifactSubmitted(uint32 indexed model, bytes32 artifact, bytes32 adapter);
    /// @notice The evaluation set is open.
    event EvaluationRevealed(uint32 indexed model, bytes32 evaluationSet, string uri);
    /// @notice An evaluation is on record.
    event EvaluationRecorded(uint32 indexed model, int128 score, bytes32 evaluation, bool met);
    /// @notice A contribution that the model was trained on was withdrawn; new requests stop at `stopsAt` (seconds).
    event WithdrawalMarked(uint32 indexed model, uint64 indexed contribution, uint32 indexed datanet, uint64 stopsAt);

    // ---------------------------------------------------------------- errors

    /// @notice No model has this id.
    error UnknownModel(uint32 model);
    /// @notice Only the model's owner may do this.
    error NotOwner(uint32 model, address account);
    /// @notice Only the governance, or the contract of the model reviews, may do this.
    error NotAllowed(address account);
    /// @notice The model's state does not allow this.
    error WrongState(uint32 model, State state);
    /// @notice The state ended at `deadline`.
    error DeadlinePassed(uint32 model, uint64 deadline);
    /// @notice The state lasts until `deadline`, which has not passed (zero: it has none).
    error DeadlineRunning(uint32 model, uint64 deadline);
    /// @notice The parts sum to `sum`, not to 1,000,000.
    error PartsMismatch(uint256 sum);
    /// @notice A developer's part needs a payee, and who once had one keeps having one.
    error NoDeveloper();
    /// @notice More datanets than a model may name or train on.
    error TooManyDatanets(uint256 count);
    /// @notice The versions trained on must ascend, without a repetition, and exist.
    error InvalidVersion(uint64 version);
    /// @notice The kind does not go with these hashes: a base model has an artifact only, an adapter both, a
    /// quote model no adapter; a proposal has none yet.
    error HashMismatch(Kind kind, bytes32 artifact, bytes32 adapter);
    /// @notice `base` is no base model, is not among the parents, or has another artifact than the adapter names.
    error BaseMismatch(uint32 base);
    /// @notice A quote model is not trained, evaluated or built on a base.
    error NothingToTrain();
    /// @notice Earlier announced terms come into force at `since`; newer ones cannot overtake them.
    error TermsPending(uint64 since);
    /// @notice Notice and step must be at least a second.
    error NoNotice();
    /// @notice The seats are not 1 to 15, the quorum is not more than half of them, or the time to train is
    /// not 1 second to 366 days.
    error InvalidCriteria(uint8 evaluators, uint8 quorum, uint64 trainingSeconds);
    /// @notice The datanet's licence lacks these flags.
    error LicenceForbids(uint32 datanet, uint8 flags);
    /// @notice The price of 1,000 output tokens is below the datanet's floor.
    error PriceBelowFloor(uint32 datanet, uint128 floor, uint128 price);
    /// @notice The parent was not registered before the model, is not in ascending order, or has no developer to pay.
    error InvalidParent(uint32 model, uint32 parent);
    /// @notice A parent asks for `least`, its minimum or what it was granted before (`granted` is zero where it was left
    /// out).
    error RoyaltyTooLow(uint32 parent, uint32 granted, uint32 least);
    /// @notice The royalties exceed the developer's part, or a minimum royalty 1,000,000 ppm.
    error RoyaltiesExceed(uint256 royaltyPpm, uint256 limitPpm);
    /// @notice More generations than 4, or more ancestors to pay than 7.
    error LineageTooLarge(uint256 generations, uint256 ancestors);
    /// @notice The commitment is empty, or another model was approved with it.
    error CommitmentUsed(bytes32 commitment);
    /// @notice Set and salt do not open the commitment.
    error CommitmentMismatch(bytes32 commitment, bytes32 opened);
    /// @notice The evaluation set is open already.
    error AlreadyRevealed(uint32 model);
    /// @notice The score on record misses what was voted.
    error CriteriaMissed(uint32 model, int128 score, Direction direction, int128 threshold);
    /// @notice The model was not trained on this contribution, or that is not withdrawn.
    error NotAffected(uint32 model, uint64 contribution);
    /// @notice The datanet's licence keeps trained artifacts lawful.
    error LicenceKeeps(uint32 datanet);
    /// @notice A withdrawal as early has been marked; the model stops at `stopsAt`.
    error AlreadyMarked(uint32 model, uint64 stopsAt);

    // ---------------------------------------------------------------- register, terms

    /// @notice Registers a model without a vote; its first terms apply at once. The caller becomes its owner. A quote model
    /// is `Registered`, weights are `Independent`.
    function register(ModelInput calldata input) external returns (uint32 model);

    /// @notice Announces terms that apply `noticeSeconds` from now. One announcement at a time; none between a proposal and
    /// its deployment, because the terms are voted too.
    function setTerms(uint32 model, Terms calldata terms) external returns (uint32 version);

    // ---------------------------------------------------------------- the voted record

    /// @notice Proposes weights to be trained. The caller becomes the owner.
    function propose(ModelInput calldata input, bytes32 recipe, Criteria calldata criteria)
        external
        returns (uint32 model);

    /// @notice The vote: governance approves the proposal and fixes the commitment to an evaluation set, keccak256(
    /// abi.encode(evaluationSet, salt)). Who knows set and salt must not be who trains: the voters choose.
    function approve(uint32 model, bytes32 evaluationCommitment) external;

    /// @notice The owner begins to train; the criteria's `trainingSeconds` run.
    function train(uint32 model) external;

    /// @notice The owner puts the trained weights on record.
    function submitArtifact(uint32 model, bytes32 artifact, bytes32 adapter) external;

    /// @notice Whoever knows the salt opens the evaluation set: only once the artifact is on record.
    function revealEvaluation(uint32 model, bytes32 evaluationSet, bytes32 salt, string calldata uri) external;

    /// @notice Puts the evaluators' median on record; called by the contract of the model reviews alone.
    function recordEvaluation(uint32 model, int128 score, bytes32 evaluation) external;

    /// @notice The second vote: governance deploys a model whose score meets its criteria.
    function deploy(uint32 model) external;

    /// @notice Ends a state whose deadline has passed; anyone may.
    function expire(uint32 model) external;

    /// @notice The owner or governance ends a model, or takes a proposal back, for good.
    function retire(uint32 model) external;

    // ---------------------------------------------------------------- suspension, withdrawal

    /// @notice Suspends a usable model, or lifts a suspension; called by the contract of the model reviews alone. Does
    /// nothing, and says so, where there is nothing to suspend or to lift.
    function setSuspended(uint32 model, bool suspended) external returns (bool changed);

    /// @notice Governance lifts a suspension.
    function reinstate(uint32 model) external;

    /// @notice Anyone shows that `contribution` was in a version that the model was trained on and is withdrawn. From
    /// `graceSeconds` after the withdrawal on new requests are refused, for good. The earliest withdrawal counts. Reverts if
    /// the datanet's licence keeps trained artifacts.
    function markWithdrawn(uint32 model, uint64 contribution) external;

    // ---------------------------------------------------------------- views

    /// @notice Number of models; ids run from 1.
    function modelCount() external view returns (uint32);

    /// @notice A model with the terms in force.
    function model(uint32 id) external view returns (Model memory);

    /// @notice How a model came to be, and where it stands.
    function life(uint32 id) external view returns (Life memory);

    /// @notice Where a model stands; `None` for an unknown one.
    function stateOf(uint32 id) external view returns (State);

    /// @notice Whether new requests may be answered, and if not, why, and because of which datanet (zero: of none). What
    /// gateways and workers obey before they answer.
    function servable(uint32 id) external view returns (bool ok, Reason reason, uint32 datanet);

    /// @notice How a fee is divided under the terms in force.
    function payouts(uint32 id) external view returns (Payouts memory);

    /// @notice How a fee was divided at `timestamp`, to the developers of that time.
    function payoutsAt(uint32 id, uint64 timestamp) external view returns (Payouts memory);

    /// @notice Number of term versions, the announced one included; versions run from 1.
    function termsCount(uint32 id) external view returns (uint32);

    /// @notice A version of a model's terms, and since when it applies.
    function termsOf(uint32 id, uint32 version) external view returns (Terms memory terms, uint64 since);

    /// @notice Whom a version pays royalties: each `model << 32 | ppm of the fee`.
    function ancestorsOf(uint32 id, uint32 version) external view returns (uint64[] memory);

    /// @notice Up to `limit` (at most 256) of the models trained on a datanet, from index `first` on; with a contribution
    /// (not zero), only those trained on a version that held it, and zero in the place of the others.
    function dependents(uint32 datanet, uint64 contribution, uint256 first, uint256 limit)
        external
        view
        returns (uint32[] memory models);

    /// @notice Seconds between announcing terms and their coming into force.
    function noticeSeconds() external view returns (uint64);

    /// @notice Seconds between a withdrawal and the end of new requests.
    function graceSeconds() external view returns (uint64);

    /// @notice Seconds of the states Proposed, Approved, Evaluating (until the reveal) and Evaluated; after the reveal the
    /// evaluators have four times as long.
    function stepSeconds() external view returns (uint64);

    /// @notice Who votes: the address of the timelock.
    function governance() external view returns (address);

    /// @notice The contract whose evaluations and suspensions are obeyed.
    function modelReviews() external view returns (address);
}
