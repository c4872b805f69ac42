// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IValidators
/// @notice Who votes on blocks: delegated stake elects a bounded set of seats, epoch by epoch (docs/spec/validators.md).
///
/// Every seat has one vote whatever its stake, and every registered key has at most one seat; nobody can tell how many
/// operators are one person, so Concentration shows what a third of the seats costs. Fewer than a third of the seats
/// change per epoch, and an election that cannot fill MIN_SEATS keeps the old set. No reward is paid beyond the fees
/// that a block's proposer earns, and there is no commission: a delegator supports a validator, and shares its risk.
///
/// A validator that signs two conflicting votes loses `slashPpm` of all that is staked on it, its delegators' part
/// included, and is jailed for ever. It answers for its votes while it has a seat and for `evidenceSeconds` after.
/// There is no owner and no parameter that a vote could change.
interface IValidators {
    /// @notice What two votes prove together.
    enum Fault {
        ConflictingNotarize, // two notarize votes for different proposals
        ConflictingFinalize, // two finalize votes for different proposals
        NullifyFinalize // a nullify vote first, a finalize vote second
    }

    /// @notice What a vote says.
    enum VoteKind {
        Notarize,
        Nullify,
        Finalize
    }

    /// @notice Parameters, fixed for ever.
    /// @param maxSeats Seats at most: MIN_SEATS to MAX_SEATS.
    /// @param maxCandidates Candidates at most: more than `maxSeats`, at most MAX_CANDIDATES.
    /// @param minimumStake Wei that a candidate needs in all.
    /// @param minimumOwnStake Wei that a candidate needs of its operator's own.
    /// @param epochBlocks Blocks that an epoch lasts at least.
    /// @param epochSeconds Seconds that an epoch lasts at least.
    /// @param evidenceSeconds How long a key answers for its votes after it lost its seat.
    /// @param unbondingSeconds How long stake waits after the epoch in which it was undelegated; more than the above.
    /// @param slashPpm Part of the stake that a double sign costs.
    /// @param rewardPpm Part of what the operator itself loses that the reporter gets; at most a half. So nobody gains by
    /// reporting a validator of its own. The rest is burnt.
    struct Parameters {
        uint32 maxSeats;
        uint32 maxCandidates;
        uint128 minimumStake;
        uint128 minimumOwnStake;
        uint64 epochBlocks;
        uint64 epochSeconds;
        uint64 evidenceSeconds;
        uint64 unbondingSeconds;
        uint32 slashPpm;
        uint32 rewardPpm;
    }

    /// @notice A member of the first set, which no election chose. Its keys are not proved: genesis is trusted.
    struct GenesisSeat {
        address operator;
        uint128 stake;
        bytes consensusKey;
        bytes32 networkKey;
        string networkAddress;
    }

    /// @notice A member of a set, as a node needs it.
    /// @param consensusKey secp256r1, compressed: 33 bytes.
    /// @param networkKey ed25519.
    /// @param networkAddress As the operator declares it now, `host:port`; may be nonsense.
    struct Seat {
        address operator;
        bytes consensusKey;
        bytes32 networkKey;
        string networkAddress;
    }

    /// @notice A validator as read by clients. Amounts are what would be paid back: after a slash, less.
    /// @param bonded Wei that count in elections.
    /// @param exiting Wei that have been undelegated and not yet claimed.
    /// @param ownStake The operator's part of `bonded`.
    /// @param seated Whether it has a seat in the present set.
    /// @param listed Whether it is a candidate.
    /// @param jailed Whether it signed conflicting votes.
    /// @param unseatedAt When it last lost its seat, in seconds; 0 if it never did.
    struct Validator {
        bytes consensusKey;
        bytes32 networkKey;
        string networkAddress;
        uint128 bonded;
        uint128 exiting;
        uint128 ownStake;
        bool seated;
        bool listed;
        bool jailed;
        uint64 unseatedAt;
    }

    /// @notice A candidate as the next election would see it.
    /// @param eligible Whether both minima are met.
    struct Candidate {
        address operator;
        uint128 bonded;
        bool eligible;
        bool seated;
    }

    /// @notice One delegator's stake on one validator, as it would be paid back.
    /// @param claimableAt When `exiting` may be claimed, in seconds; 0 while that is not known yet, or nothing is exiting.
    struct Delegation {
        uint128 bonded;
        uint128 exiting;
        uint64 claimableAt;
    }

    /// @notice When an epoch began, and the place of its set among the distinct sets.
    struct Epoch {
        uint64 startedAt;
        uint64 startedBlock;
        uint32 set;
    }

    /// @notice A vote without its kind, epoch and view.
    /// @param parent View of the proposal's parent; 0 in a nullify vote.
    /// @param payload Block hash; 0 in a nullify vote.
    /// @param r First half of the signature.
    /// @param s Second half, at most half of the curve's order.
    struct Vote {
        uint64 parent;
        bytes32 payload;
        bytes32 r;
        bytes32 s;
    }

    /// @notice `operator` registered its keys, for ever.
    event Registered(address indexed operator, bytes consensusKey, bytes32 networkKey, string networkAddress);
    /// @notice `operator` is reached at `networkAddress`.
    event NetworkAddressSet(address indexed operator, string networkAddress);
    /// @notice `operator` became a candidate.
    event Listed(address indexed operator);
    /// @notice `operator` is a candidate no more: it resigned, was jailed, or gave way to one with more stake.
    event Unlisted(address indexed operator);
    /// @notice `delegator` staked `amount` wei on `operator`.
    event Delegated(address indexed operator, address indexed delegator, uint128 amount);
    /// @notice `delegator` took `amount` wei off `operator` in `epoch`; they wait until `unbondingSeconds` after its end.
    event Undelegated(address indexed operator, address indexed delegator, uint128 amount, uint64 epoch);
    /// @notice `delegator` was paid `paid` wei of `amount` that it had staked on `operator`.
    event Claimed(address indexed operator, address indexed delegator, uint128 amount, uint128 paid);
    /// @notice `operators` hold the seats from `epoch` on; `joins` of them are new, `leaves` seats were lost.
    event Elected(uint64 indexed epoch, address[] operators, uint256 joins, uint256 leaves);
    /// @notice `epoch` keeps the set before it, because only `eligible` candidates stood and `needed` are needed.
    event ElectionFailed(uint64 indexed epoch, uint256 eligible, uint256 needed);
    /// @notice `operator` signed conflicting votes in `epoch` and `view_` of consensus. Of the stake on it `slashed` wei are
    /// lost: `reward` to `reporter`, the rest burnt.
    event Slashed(
        address indexed operator,
        address indexed reporter,
        Fault fault,
        uint64 epoch,
        uint64 view_,
        uint256 slashed,
        uint256 reward
    );

    /// @notice The constructor was given a parameter out of its range.
    error InvalidParameter();
    /// @notice Not the compressed form of a point of secp256r1.
    error InvalidConsensusKey(bytes key);
    /// @notice Not a point of edwards25519.
    error InvalidNetworkKey(bytes32 key);
    /// @notice A network address of `length` bytes; 1 to MAX_ADDRESS are allowed.
    error InvalidNetworkAddress(uint256 length);
    /// @notice The key has been registered before, by `operator`.
    error KeyTaken(address operator);
    /// @notice `operator` has registered before; an operator has one pair of keys.
    error AlreadyRegistered(address operator);
    /// @notice Nobody registered as `operator`.
    error UnknownValidator(address operator);
    /// @notice The consensus key did not sign this registration.
    error NotProved();
    /// @notice `operator` signed conflicting votes, and is out for ever.
    error IsJailed(address operator);
    /// @notice Only `staked` wei of the `needed`.
    error StakeTooSmall(uint256 needed, uint256 staked);
    /// @notice The list is full, and its lowest unseated candidate has `lowest` wei: more are needed to take its place.
    error ListFull(uint256 lowest);
    /// @notice `operator` is a candidate already.
    error AlreadyListed(address operator);
    /// @notice `operator` is no candidate.
    error NotListed(address operator);
    /// @notice No amount.
    error NothingToDo();
    /// @notice `bonded` wei are there to be undelegated, and not `amount`.
    error NotBonded(uint256 amount, uint256 bonded);
    /// @notice The exit can be claimed at `claimableAt`; 0: not known before the epoch ends.
    error TooEarly(uint64 claimableAt);
    /// @notice An operator's own stake waits as long as it has a seat.
    error StillSeated(address operator);
    /// @notice The epoch lasts until `untilBlock` and `untilTime` are reached.
    error EpochNotOver(uint256 untilBlock, uint256 untilTime);
    /// @notice Epoch `epoch` has not begun.
    error UnknownEpoch(uint64 epoch);
    /// @notice The two votes do not contradict each other.
    error NoConflict();
    /// @notice A nullify vote has neither parent nor payload.
    error NotANullify();
    /// @notice `operator`'s key did not sign the first vote (`vote` 0) or the second (1) on this network.
    error BadVote(address operator, uint256 vote);
    /// @notice `operator` had no seat, or lost it at `unseatedAt`, longer ago than evidence counts.
    error EvidenceTooOld(address operator, uint64 unseatedAt);
    /// @notice `account` refused `amount` wei.
    error TransferRefused(address account, uint256 amount);

    /// @notice Registers the caller's keys, stakes the attached wei on it, and makes it a candidate if it can be one.
    /// @param consensusKey secp256r1, compressed: 33 bytes; 02 or 03 first. Kept for ever.
    /// @param networkKey ed25519. Kept for ever.
    /// @param networkAddress `host:port`, at most MAX_ADDRESS bytes.
    /// @param r First half of the consensus key's signature of `registrationDigest`.
    /// @param s Second half, at most half of the curve's order.
    function register(
        bytes calldata consensusKey,
        bytes32 networkKey,
        string calldata networkAddress,
        bytes32 r,
        bytes32 s
    ) external payable;

    /// @notice Changes where the caller's node is reached.
    function setNetworkAddress(string calldata networkAddress) external;

    /// @notice Makes the caller a candidate. If the list is full, the lowest unseated candidate gives way to more stake.
    function enlist() external;

    /// @notice Ends the caller's candidacy; its seat goes at an election. Its own stake is undelegated like any.
    function resign() external;

    /// @notice Stakes the attached wei on `operator`.
    function delegate(address operator) external payable;

    /// @notice Takes `amount` wei off `operator`. They count no more, but stay at risk until they are claimed. An exit that
    /// is already waiting is joined and waits anew.
    function undelegate(address operator, uint128 amount) external;

    /// @notice Pays the caller what it took off `operator`, less what was slashed (rounded down: dust stays here).
    function claim(address operator) external;

    /// @notice Ends the epoch if it has lasted long enough, and elects the next set. Anyone may call; the node does.
    function endEpoch() external;

    /// @notice Proves that `operator` signed two conflicting votes of one `epoch` and `view_` of consensus: slashes and jails
    /// it, and pays the caller. The epoch here is consensus's number, which may differ from this contract's.
    function report(
        address operator,
        Fault fault,
        uint64 epoch,
        uint64 view_,
        Vote calldata first,
        Vote calldata second
    ) external;

    /// @notice What a consensus key signs to be registered by `operator` with `networkKey`.
    function registrationDigest(address operator, bytes32 networkKey) external view returns (bytes32);

    /// @notice What a consensus key signs when it votes; `parent` and `payload` are ignored in a nullify vote.
    function voteDigest(VoteKind kind, uint64 epoch, uint64 view_, uint64 parent, bytes32 payload)
        external
        view
        returns (bytes32);

    /// @notice The present epoch's number; the first is 0.
    function epoch() external view returns (uint64);

    /// @notice An epoch that has begun.
    function epochAt(uint64 number) external view returns (Epoch memory);

    /// @notice The epoch whose set is in force after block `number`, as far as is known now: 0 before the first. Sets are
    /// append-only, so a node reads the set of any past block from the present state.
    function epochAtBlock(uint64 number) external view returns (uint64);

    /// @notice The seats of an epoch that has begun, with keys.
    function setOf(uint64 number) external view returns (Seat[] memory);

    /// @notice The operators of the seats of an epoch that has begun.
    function operatorsOf(uint64 number) external view returns (address[] memory);

    /// @notice Block and time that must both be reached for the present epoch to be ended.
    function epochEnd() external view returns (uint256 untilBlock, uint256 untilTime);

    /// @notice All candidates, in no order.
    function candidates() external view returns (Candidate[] memory);

    /// @notice Everything recorded of `operator`.
    function validator(address operator) external view returns (Validator memory);

    /// @notice What `delegator` has staked on `operator`.
    function delegation(address operator, address delegator) external view returns (Delegation memory);

    /// @notice Operator that registered the consensus key; 0 if none.
    function operatorOf(bytes calldata consensusKey) external view returns (address);

    /// @notice Whether `operator`'s key answers for its votes now.
    function isLiable(address operator) external view returns (bool);

    /// @notice The parameters.
    function parameters() external view returns (Parameters memory);

    /// @notice Identity of the network, part of every vote; the same as the receipts' (docs/spec/receipt.md, section 3).
    function networkId() external view returns (bytes32);

    /// @notice Seats without which an election fails: the least number of which one may fail.
    // solhint-disable-next-line func-name-mixedcase
    function MIN_SEATS() external view returns (uint256);
}
