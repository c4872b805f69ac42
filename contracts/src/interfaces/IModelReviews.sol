// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IModels} from "./IModels.sol";

/// @title IModelReviews
/// @notice What staked reviewers judge about models: the score of a trained one, and reports of abuse (docs/spec/models.md).
///
/// An evaluation goes in rounds, at most three that are drawn: `open` pays the evaluators before anybody can know them,
/// `draw` seats them by the hash of a later block, they commit and then reveal a score and the hash of their report,
/// `close` takes the median. A round stands if a quorum of seats lies within the tolerance of the median; then who agreed
/// is paid, and who did not, or committed and kept silent, can be made to lose stake. A round that does not stand blames
/// nobody.
interface IModelReviews {
    /// @notice Where a round stands.
    enum Phase {
        None, // there is no such round
        Opened, // paid, waits for the draw
        Committing, // until `commitUntil`
        Revealing, // until `revealUntil`
        Counting, // everything is in, waits for `close`
        Stood, // its median is the model's score
        Failed // not drawn in time, or no quorum
    }

    /// @notice A round as read by clients.
    /// @param drawBlock Block whose hash seats the evaluators; they must be drawn within the 256 blocks after it.
    /// @param payer Who paid, and gets back what is not earned.
    /// @param fee Wei for each seat.
    struct Round {
        Phase phase;
        uint64 drawBlock;
        uint64 commitUntil;
        uint64 revealUntil;
        address payer;
        uint128 fee;
        int128 median;
        address[] seats;
    }

    /// @notice What a seat said.
    struct Vote {
        bytes32 commitment;
        bytes32 report;
        int128 score;
        bool revealed;
        bool penalized;
    }

    /// @notice A report of abuse.
    /// @param upheld The reviewers' decision stands, so far.
    /// @param finished The deposit was returned or kept.
    struct Report {
        uint32 model;
        address reporter;
        bool upheld;
        bool finished;
        bytes32 reason;
    }

    // ---------------------------------------------------------------- events

    /// @notice A round was paid for; the hash of `drawBlock` will seat its evaluators.
    event Opened(uint32 indexed model, uint32 indexed round, address indexed payer, uint64 drawBlock, uint256 paid);
    /// @notice The evaluators of a round.
    event Drawn(uint32 indexed model, uint32 indexed round, address[] seats, uint64 commitUntil, uint64 revealUntil);
    /// @notice An evaluator committed to a score.
    event ScoreCommitted(uint32 indexed model, uint32 indexed round, address indexed evaluator, bytes32 commitment);
    /// @notice An evaluator revealed a score, and the hash of the report that explains it.
    event ScoreRevealed(
        uint32 indexed model, uint32 indexed round, address indexed evaluator, int128 score, bytes32 report
    );
    /// @notice A round is over; `agreeing` seats were within the tolerance of the median.
    event Closed(uint32 indexed model, uint32 indexed round, bool stands, int128 median, uint256 agreeing);
    /// @notice An evaluator was made to lose stake.
    event Penalized(uint32 indexed model, uint32 indexed round, address indexed evaluator, uint256 amount);
    /// @notice A model was reported; reviewers decide the case.
    event Reported(uint32 indexed model, uint64 indexed caseId, address indexed reporter, bytes32 reason);
    /// @notice A report was decided, or its decision reversed; `changed` says whether that suspended the model, or lifted it.
    event ReportDecided(uint32 indexed model, uint64 indexed caseId, bool upheld, bool changed);
    /// @notice A report's decision is final: `upheld`, and the deposit goes back, or it goes to the treasury.
    event ReportFinished(uint32 indexed model, uint64 indexed caseId, bool upheld);
    /// @notice A credit was paid.
    event Claimed(address indexed account, uint256 amount);

    // ---------------------------------------------------------------- errors

    /// @notice A constructor parameter is out of range.
    error InvalidParameter();
    /// @notice The model is not one whose evaluation set is open and whose score is missing.
    error NotEvaluating(uint32 model);
    /// @notice The round is not in the phase that the call needs.
    error WrongPhase(uint32 model, uint32 round, Phase phase);
    /// @notice Three rounds were drawn.
    error NoRoundLeft(uint32 model);
    /// @notice The attached wei are not what is asked for.
    error WrongPayment(uint256 paid, uint256 asked);
    /// @notice The evaluators cannot be known before the block after `drawBlock`.
    error TooEarly(uint256 drawBlock);
    /// @notice The model's deadline leaves no time for a round.
    error TooLate(uint32 model, uint64 deadline);
    /// @notice Fewer evaluators could be drawn than the quorum needs.
    error TooFewEvaluators(uint256 drawn, uint256 quorum);
    /// @notice `account` has no seat in the round.
    error NotEvaluator(uint32 model, uint32 round, address account);
    /// @notice A commitment was made already, or is empty.
    error InvalidCommitment(bytes32 commitment);
    /// @notice Score, report and salt do not open the commitment.
    error CommitmentMismatch(bytes32 commitment, bytes32 opened);
    /// @notice The evaluator agreed, said nothing, or was penalized already.
    error NothingToPenalize(address evaluator);
    /// @notice The model is not in use: there is nothing to suspend.
    error NotInUse(uint32 model, IModels.State state);
    /// @notice Only the pool of reviewers may do this.
    error NotReviews(address account);
    /// @notice No report with a final decision, and a deposit still here, has this case.
    error UnknownCase(uint64 caseId);
    /// @notice There is nothing to claim.
    error NothingToClaim(address account);
    /// @notice `account` refused `amount` wei.
    error TransferRefused(address account, uint256 amount);

    // ---------------------------------------------------------------- evaluation

    /// @notice Opens a round for a model whose evaluation set is open. The caller attaches `evaluationFee` for each seat,
    /// before the block is known whose hash seats them.
    function open(uint32 model) external payable returns (uint32 round);

    /// @notice Seats the evaluators: staked reviewers, neither the owner nor the developer of the model. Anyone may call it
    /// within the 256 blocks after the draw block; later the round has failed.
    function draw(uint32 model) external;

    /// @notice A seated evaluator commits to keccak256(abi.encode(model, round, evaluator, score, report, salt)).
    function commitScore(uint32 model, bytes32 commitment) external;

    /// @notice Opens the commitment once nobody can commit any more.
    function revealScore(uint32 model, int128 score, bytes32 report, bytes32 salt) external;

    /// @notice Ends a round; anyone may. If it stands the model's score is on record. The median of an even number is the
    /// one of the middle two that favours the model less.
    function close(uint32 model) external returns (bool stands);

    /// @notice Takes stake from an evaluator of a round that stood: of one whose score lies outside of the tolerance, or who
    /// committed and did not reveal. Anyone may call it.
    function penalize(uint32 model, uint32 round, address evaluator) external;

    // ---------------------------------------------------------------- reports

    /// @notice Reports a breach of a model's acceptable use. `reason` is the hash of the report's text. Attached are
    /// `reportDeposit`, which comes back if the report is upheld, and `reportFee`, which pays the reviewers. The model is
    /// suspended as soon as they uphold it; a reversal on appeal lifts that, unless another report stands that was upheld
    /// since the model was last in use.
    function report(uint32 model, bytes32 reason) external payable returns (uint64 caseId);

    /// @notice Returns the deposit of a report whose decision is final, or hands it to the treasury. Anyone may call it.
    function finishReport(uint64 caseId) external;

    /// @notice Pays `account` its fees, returned deposits and refunds.
    function claimFor(address account) external;

    // ---------------------------------------------------------------- views

    /// @notice Rounds opened for a model; they run from 1.
    function roundCount(uint32 model) external view returns (uint32);

    /// @notice A round.
    function round(uint32 model, uint32 number) external view returns (Round memory);

    /// @notice What an evaluator said in a round.
    function voteOf(uint32 model, uint32 number, address evaluator) external view returns (Vote memory);

    /// @notice A report; zeros: none.
    function reportOf(uint64 caseId) external view returns (Report memory);

    /// @notice Reports against a model that were upheld.
    function upheldCount(uint32 model) external view returns (uint32);

    /// @notice What `claimFor` pays.
    function claimable(address account) external view returns (uint256);

    /// @notice Wei for each seat of a round.
    function evaluationFee() external view returns (uint128);

    /// @notice Wei of stake that an outlier loses.
    function penalty() external view returns (uint128);

    /// @notice Wei of a report that come back if it is upheld.
    function reportDeposit() external view returns (uint128);

    /// @notice Wei of a report that pay the reviewers.
    function reportFee() external view returns (uint128);

    /// @notice Seconds to commit a score.
    function commitSeconds() external view returns (uint64);

    /// @notice Seconds to reveal it.
    function revealSeconds() external view returns (uint64);
}
