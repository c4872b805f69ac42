// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IReviewed
/// @notice A contract that asks reviewers.
interface IReviewed {
    /// @notice The reviewers' decision on a case of this contract; `IReviews` alone calls it. Called once when a panel, or
    /// the fallback, decides, and once more if an appeal reverses that. Whoever must not act before nothing can be
    /// reversed any more asks `IReviews.outcome`.
    function onDecision(uint64 caseId, bool approved) external;
}

/// @title IReviews
/// @notice Staked reviewers, and the panels of them that decide cases (docs/spec/datanets.md, section 3).
///
/// A case goes: `request` by a consumer contract -> `seat` draws a panel by the hash of the block after the request, from
/// the reviewers registered at the end of the request's block -> `commit` -> `reveal` -> `close`. k approvals of n seats
/// approve; more than n - k rejections reject; anything else decides nothing, and another panel is drawn, three at most.
/// Then, or when there are too few reviewers, the fallback decides: the consumer's own rule or the governance.
/// A decision can be appealed once, within a period, to a panel of 2n + 1 others that needs 2k approvals.
///
/// Wei that are held: stakes, fees of open cases, deposits of open appeals, and what is claimable. Nothing
/// else comes in, nothing else goes out.
interface IReviews {
    /// @notice Where a case stands.
    enum Stage {
        Unknown, // there is no such case
        Seating, // a panel waits to be drawn, once `seedBlock` is past
        Voting, // a panel commits, then reveals
        Decided, // may be appealed until `deadline`
        Failed, // no panel could decide: the fallback does
        Final // nothing moves any more
    }

    /// @notice What a seat has done.
    enum Vote {
        None, // no seat
        Seated,
        Committed,
        Approved,
        Rejected
    }

    /// @notice A registered reviewer.
    /// @param stake Wei at stake: `minimumStake` to enter the pool, half of it to stay.
    /// @param leavesAt From this second on the stake can be taken out; zero while not leaving.
    /// @param seats Seats in cases that are not final.
    /// @param place Place in the pool from 1; zero while not in it.
    struct Reviewer {
        uint128 stake;
        uint64 leavesAt;
        uint32 seats;
        uint32 place;
    }

    /// @notice A case as read by clients.
    /// @param consumer The contract that asked.
    /// @param subject What the consumer calls it.
    /// @param excluded The interested party, never drawn.
    /// @param reviewers Seats of the first panel, n; the appeal's has 2n + 1.
    /// @param approvals Approvals the first panel needs, k; the appeal's 2k.
    /// @param draws Panels drawn in vain since the request or the appeal.
    /// @param approved The decision; without meaning before stage Decided.
    /// @param undelivered The consumer failed to take the decision; `deliver` tries again.
    /// @param seedBlock Its hash draws the next panel; zero: not named yet, because the time to appeal still runs.
    /// @param deadline Last second to appeal (Decided), or from which the first decision stands (Failed after an appeal).
    /// @param panel The panel that votes or voted last; zero: none.
    /// @param firstPanel The panel that an appeal is against; zero: not decided yet.
    /// @param fees Wei not yet paid to reviewers.
    /// @param appellant Who appealed; zero: nobody.
    /// @param deposit The appellant's wei.
    struct Case {
        address consumer;
        Stage stage;
        uint8 reviewers;
        uint8 approvals;
        uint8 draws;
        bool approved;
        bool undelivered;
        bytes32 subject;
        address excluded;
        uint64 seedBlock;
        uint64 deadline;
        uint64 panel;
        uint64 firstPanel;
        uint128 fees;
        uint128 deposit;
        address appellant;
    }

    /// @notice A panel as read by clients.
    /// @param caseId The case it decides.
    /// @param commitBy Last second to commit.
    /// @param revealBy Last second to reveal; both end early once every seat has done its part.
    /// @param approvals How many it needs.
    /// @param committed How many seats have committed.
    /// @param approving Revealed approvals.
    /// @param rejecting Revealed rejections.
    /// @param penalty What a seat without a revealed vote loses: a third of what a vote earns, at most of `seatFee`.
    /// @param members The seats.
    struct Panel {
        uint64 caseId;
        uint64 commitBy;
        uint64 revealBy;
        uint8 approvals;
        uint8 committed;
        uint8 approving;
        uint8 rejecting;
        uint128 penalty;
        address[] members;
    }

    // ---------------------------------------------------------------- events

    /// @notice A reviewer added stake, and is in the pool.
    event Registered(address indexed reviewer, uint256 amount, uint256 stake);
    /// @notice A reviewer left the pool; the stake can be taken out from `leavesAt` on.
    event Leaving(address indexed reviewer, uint64 leavesAt);
    /// @notice A reviewer took the stake out.
    event Unstaked(address indexed reviewer, uint256 amount);
    /// @notice A reviewer lost stake in a case (zero: by the contract that evaluates models).
    event Slashed(address indexed reviewer, uint64 indexed caseId, uint256 amount);
    /// @notice What was claimable was paid.
    event Claimed(address indexed account, uint256 amount);
    /// @notice A consumer asked. The panel follows from the hash of `seedBlock`.
    event Requested(
        uint64 indexed caseId,
        address indexed consumer,
        bytes32 indexed subject,
        uint8 reviewers,
        uint8 approvals,
        address excluded,
        uint64 seedBlock
    );
    /// @notice Fees were added to a case.
    event Funded(uint64 indexed caseId, address indexed from, uint256 amount);
    /// @notice Another block will draw the panel: nobody drew it in time, the last panel decided nothing, or the time to appeal
    /// is over in an appealed case.
    event Reseeded(uint64 indexed caseId, uint64 seedBlock);
    /// @notice A panel was drawn.
    event Seated(
        uint64 indexed caseId,
        uint64 indexed panel,
        uint64 commitBy,
        uint64 revealBy,
        uint128 penalty,
        address[] members
    );
    /// @notice A seat committed to a vote.
    event VoteCommitted(uint64 indexed caseId, address indexed reviewer, bytes32 commitment);
    /// @notice A seat revealed its vote.
    event VoteRevealed(uint64 indexed caseId, address indexed reviewer, bool approve);
    /// @notice A panel ended without a decision.
    event Undecided(uint64 indexed caseId, uint64 indexed panel);
    /// @notice A panel, or the fallback, decided; it may be appealed until `appealBy` (zero: it is final).
    event Decided(uint64 indexed caseId, bool approved, uint64 appealBy);
    /// @notice No panel could decide; the fallback may. `deadline` is set after an appeal: then the first decision stands.
    event Failed(uint64 indexed caseId, uint64 deadline);
    /// @notice A decision was appealed.
    event Appealed(uint64 indexed caseId, address indexed appellant, uint256 deposit);
    /// @notice Nothing moves any more.
    event Finished(uint64 indexed caseId, bool approved);
    /// @notice The consumer failed to take a decision; `deliver` tries again.
    event Undelivered(uint64 indexed caseId);

    // ---------------------------------------------------------------- errors

    /// @notice A constructor parameter is out of range.
    error InvalidParameter();
    /// @notice `account` may not do this.
    error NotAllowed(address account);
    /// @notice The stake would be below the minimum.
    error StakeTooLow(uint256 stake, uint256 minimum);
    /// @notice The account is not in the pool.
    error NotRegistered(address account);
    /// @notice The stake cannot be taken out before `leavesAt` (zero: never asked to leave), nor with seats in open cases.
    error NotYet(uint64 leavesAt, uint32 seats);
    /// @notice A panel has 1 to 15 seats and needs 1 approval up to all of them.
    error InvalidPanel(uint8 reviewers, uint8 approvals);
    /// @notice The case is not in the stage that the call needs.
    error WrongStage(uint64 caseId, Stage stage);
    /// @notice The panel cannot be known before the block after `seedBlock`.
    error TooEarly(uint64 seedBlock);
    /// @notice The period ended at `deadline`.
    error TooLate(uint64 deadline);
    /// @notice The period runs until `deadline`.
    error TooSoon(uint64 deadline);
    /// @notice `account` has no seat that could do this now.
    error WrongVote(address account, Vote vote);
    /// @notice Vote and salt do not open the commitment.
    error CommitmentMismatch(bytes32 commitment, bytes32 opened);
    /// @notice The attached wei are not what is asked for.
    error WrongPayment(uint256 paid, uint256 asked);
    /// @notice Fees of a case may not exceed one stake for each seat.
    error FeesTooHigh(uint256 fees, uint256 most);
    /// @notice There is nothing to do.
    error NothingToDo();
    /// @notice `account` refused `amount` wei.
    error TransferRefused(address account, uint256 amount);
    /// @notice The transaction must carry enough gas for the consumer to take the decision.
    error GasTooLow(uint256 gasLeft, uint256 gasNeeded);

    // ---------------------------------------------------------------- reviewers

    /// @notice Adds the attached wei to the caller's stake and enters the pool; ends a leave that was under way. The stake
    /// must then be at least `minimumStake`.
    function register() external payable;

    /// @notice Leaves the pool. Panels of cases requested before can still seat the caller; the stake stays for
    /// `unbondingSeconds`.
    function unregister() external;

    /// @notice Takes the stake out, once the unbonding is over and no seat is open.
    function unstake() external;

    /// @notice Pays an account what it can claim: fees, deposits, rewards. Anyone may call it.
    function claimFor(address account) external;

    /// @notice Takes up to `amount` of a reviewer's stake, for the treasury; for the contract that evaluates models alone.
    /// @return taken What there was to take.
    function slash(address reviewer, uint256 amount) external returns (uint256 taken);

    // ---------------------------------------------------------------- cases

    /// @notice Opens a case; for the consumers of the constructor alone. Attached wei are fees for the reviewers.
    /// @param subject The consumer's name for it, for clients.
    /// @param reviewers Seats, n: 1 to 15.
    /// @param approvals Approvals that approve, k: 1 to n.
    /// @param excluded The interested party, who is not drawn; zero: nobody.
    function request(bytes32 subject, uint8 reviewers, uint8 approvals, address excluded)
        external
        payable
        returns (uint64 caseId);

    /// @notice Adds fees to a case before its first decision; at most `minimumStake` for each seat in all. At `close` each
    /// revealed vote is paid `fees / n`, rounded down, whatever it says; what is left in the end goes to the treasury.
    function fund(uint64 caseId) external payable;

    /// @notice Draws the panel. Anyone may call it within the 256 blocks after `seedBlock`; later, it names another block. In an
    /// appealed case the first call, after `deadline`, names the block: neither appellant nor the time of the appeal does.
    /// With fewer eligible reviewers than seats the case has failed.
    function seat(uint64 caseId) external;

    /// @notice A seat commits to keccak256(abi.encode(caseId, panel, reviewer, approve, salt)).
    function commit(uint64 caseId, bytes32 commitment) external;

    /// @notice Opens the commitment, once nobody can commit any more.
    function reveal(uint64 caseId, bool approve, bytes32 salt) external;

    /// @notice Counts a panel's votes, once everybody revealed or the time is over. Seats without a revealed vote lose
    /// `penalty`: a third of what they would have earned, at most of `seatFee`, since a case draws three panels at most;
    /// nothing where nothing was offered.
    function close(uint64 caseId) external;

    /// @notice Appeals a decision to a larger panel of other reviewers. `appealDeposit` must be attached. If the decision is
    /// reversed the deposit comes back, with half of what is left of the slashed stakes after the panel's fees; if it is
    /// confirmed the deposit pays the panel. Either way each revealed vote earns `seatFee`, as far as that goes.
    function appeal(uint64 caseId) external payable;

    /// @notice Ends a case whose decision nobody appealed in time, or whose appeal failed and found no fallback in time:
    /// then the first decision stands and the deposit returns.
    function finish(uint64 caseId) external;

    /// @notice Decides a failed case, finally: the governance, or the consumer by its own rule if it was never appealed.
    /// Slashes nobody; an appellant's deposit returns.
    function decide(uint64 caseId, bool approved) external;

    /// @notice Delivers a decision again that the consumer failed to take.
    function deliver(uint64 caseId) external;

    // ---------------------------------------------------------------- views

    /// @notice Up to `count` distinct reviewers, in random order by `seed`, of the pool as it stood at the end of block
    /// `atBlock`, without any of `excluded`; fewer if there are not as many. Take a block before the seed was known: whoever
    /// knows it could enter or leave, and so steer the draw.
    function drawAt(bytes32 seed, uint256 count, address[] calldata excluded, uint64 atBlock)
        external
        view
        returns (address[] memory);

    /// @notice A case.
    function caseOf(uint64 caseId) external view returns (Case memory);

    /// @notice Whether a case is decided for good, and how.
    function outcome(uint64 caseId) external view returns (bool isFinal, bool approved);

    /// @notice Where a case stands.
    function stageOf(uint64 caseId) external view returns (Stage);

    /// @notice A panel, by its number in `Case.panel`.
    function panel(uint64 number) external view returns (Panel memory);

    /// @notice What a reviewer did in a panel.
    function voteOf(uint64 panel, address reviewer) external view returns (Vote vote, bytes32 commitment);

    /// @notice The commitment that `commit` expects for a vote in the case's present panel.
    function commitmentHash(uint64 caseId, address reviewer, bool approve, bytes32 salt) external view returns (bytes32);

    /// @notice A reviewer's record.
    function reviewerOf(address account) external view returns (Reviewer memory);

    /// @notice Reviewers in the pool.
    function reviewerCount() external view returns (uint256);

    /// @notice Up to `limit` (at most 256) reviewers of the pool from place `first` on (places run from 1).
    function reviewers(uint256 first, uint256 limit) external view returns (address[] memory);

    /// @notice What `claimFor` pays.
    function claimable(address account) external view returns (uint256);

    /// @notice Wei to attach to an appeal of a case: `seatFee` for each of the 2n + 1 seats.
    function appealDeposit(uint64 caseId) external view returns (uint128);

    /// @notice Cases so far; ids run from 1.
    function caseCount() external view returns (uint64);

    /// @notice Least stake to enter the pool; whom losses leave with less than half of it leaves the pool.
    function minimumStake() external view returns (uint128);

    /// @notice What a seat of an appeal earns: minimumStake / 200. A missing vote costs at most a third of it.
    function seatFee() external view returns (uint128);

    /// @notice What a reviewer on the side of a reversed decision loses: minimumStake / 5.
    function reversalPenalty() external view returns (uint128);

    /// @notice Seconds to commit, to reveal, and to appeal.
    function periodSeconds() external view returns (uint64);

    /// @notice Seconds that a failed appeal waits for the governance.
    function patienceSeconds() external view returns (uint64);

    /// @notice Seconds between leaving and taking the stake out.
    function unbondingSeconds() external view returns (uint64);

    /// @notice May decide what no panel could.
    function governance() external view returns (address);

    /// @notice Gets penalties and what is left of fees.
    function treasury() external view returns (address);
}
