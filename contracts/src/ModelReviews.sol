// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IModelReviews} from "./interfaces/IModelReviews.sol";
import {IModels} from "./interfaces/IModels.sol";
import {IReviewed, IReviews} from "./interfaces/IReviews.sol";

/// @title ModelReviews
/// @notice See IModelReviews. Holds the fees of open rounds and the deposits of open reports; has no owner.
contract ModelReviews is IModelReviews, IReviewed {
    uint32 public constant MAX_ROUNDS = 3;
    uint64 private constant HASH_BLOCKS = 256; // how far back blockhash reaches

    /// @dev `tolerance`, `quorum` and `least` (AtLeast: the lower middle is the median) are the voted criteria.
    struct Stored {
        address payer;
        uint64 drawBlock;
        uint8 commits;
        uint8 reveals;
        bool closed;
        bool stands;
        uint64 commitUntil;
        uint64 revealUntil;
        int128 median;
        uint128 tolerance;
        uint128 fee;
        uint8 evaluators;
        uint8 quorum;
        bool least;
        address[] seats;
    }

    /// @dev The suspensions of a model, and the upheld reports since the last one began: a model that is in use again was
    /// forgiven what went before, so only these keep it suspended.
    struct Standing {
        uint64 era;
        uint64 reports;
    }

    /// @notice Where models stand.
    IModels public immutable models;
    /// @notice The pool of staked reviewers.
    IReviews public immutable reviews;
    /// @notice Who gets the deposits of refused reports.
    address public immutable treasury;
    /// @inheritdoc IModelReviews
    uint64 public immutable commitSeconds;
    /// @inheritdoc IModelReviews
    uint64 public immutable revealSeconds;
    /// @inheritdoc IModelReviews
    uint128 public immutable evaluationFee;
    /// @inheritdoc IModelReviews
    uint128 public immutable penalty;
    /// @inheritdoc IModelReviews
    uint128 public immutable reportDeposit;
    /// @inheritdoc IModelReviews
    uint128 public immutable reportFee;
    /// @notice Reviewers who judge a report.
    uint8 public immutable reportReviewers;
    /// @notice How many of them uphold it.
    uint8 public immutable reportApprovals;

    /// @inheritdoc IModelReviews
    mapping(uint32 model => uint32) public roundCount;
    /// @inheritdoc IModelReviews
    mapping(uint32 model => uint32) public upheldCount;
    /// @inheritdoc IModelReviews
    mapping(address account => uint256) public claimable;

    mapping(uint32 model => mapping(uint32 round => Stored)) private _rounds;
    mapping(uint32 model => mapping(uint32 round => mapping(address evaluator => Vote))) private _votes;
    mapping(uint32 model => uint32 rounds) private _drawn;
    mapping(uint64 caseId => Report) private _reports;
    mapping(uint32 model => Standing) private _standing;
    mapping(uint64 caseId => uint64) private _eraOf;

    /// @notice What the constructor fixes for good.
    struct Parameters {
        uint64 commitSeconds;
        uint64 revealSeconds;
        uint128 evaluationFee;
        uint128 penalty;
        uint128 reportDeposit;
        uint128 reportFee;
        uint8 reportReviewers;
        uint8 reportApprovals;
    }

    constructor(IModels models_, IReviews reviews_, address treasury_, Parameters memory p) {
        require(
            treasury_ != address(0) && p.commitSeconds != 0 && p.revealSeconds != 0 && p.reportApprovals != 0
                && p.reportApprovals <= p.reportReviewers,
            InvalidParameter()
        );
        models = models_;
        reviews = reviews_;
        treasury = treasury_;
        commitSeconds = p.commitSeconds;
        revealSeconds = p.revealSeconds;
        evaluationFee = p.evaluationFee;
        penalty = p.penalty;
        reportDeposit = p.reportDeposit;
        reportFee = p.reportFee;
        reportReviewers = p.reportReviewers;
        reportApprovals = p.reportApprovals;
    }

    // ---------------------------------------------------------------- evaluation

    /// @inheritdoc IModelReviews
    function open(uint32 model) external payable returns (uint32 number) {
        IModels.Life memory life = _evaluating(model);
        number = roundCount[model];
        Phase before = _phase(_rounds[model][number]);
        require(before == Phase.None || before == Phase.Failed, WrongPhase(model, number, before));
        // A round that nobody could draw costs whoever opened it nothing, so it uses up none.
        require(_drawn[model] < MAX_ROUNDS, NoRoundLeft(model));
        uint256 asked = uint256(evaluationFee) * life.criteria.evaluators;
        require(msg.value == asked, WrongPayment(msg.value, asked));
        _checkTime(model, life.deadline);

        roundCount[model] = ++number;
        Stored storage r = _rounds[model][number];
        r.payer = msg.sender;
        r.drawBlock = uint64(block.number) + 1;
        r.fee = evaluationFee;
        r.tolerance = life.criteria.tolerance;
        r.evaluators = life.criteria.evaluators;
        r.quorum = life.criteria.quorum;
        r.least = life.criteria.direction == IModels.Direction.AtLeast;
        emit Opened(model, number, msg.sender, r.drawBlock, asked);
    }

    /// @inheritdoc IModelReviews
    function draw(uint32 model) external {
        (Stored storage r, uint32 number) = _in(model, Phase.Opened);
        require(block.number > r.drawBlock, TooEarly(r.drawBlock));
        _checkTime(model, _evaluating(model).deadline);
        IModels.Model memory subject = models.model(model);
        address[] memory excluded = new address[](2);
        (excluded[0], excluded[1]) = (subject.owner, subject.terms.splits.developer);
        bytes32 seed = keccak256(abi.encode(blockhash(r.drawBlock), model, number));
        // Of the pool as it stood when the round was opened: who knows the seed cannot steer it by entering or leaving.
        r.seats = reviews.drawAt(seed, r.evaluators, excluded, r.drawBlock - 1);
        require(r.seats.length >= r.quorum, TooFewEvaluators(r.seats.length, r.quorum));
        ++_drawn[model];

        r.commitUntil = uint64(block.timestamp) + commitSeconds;
        r.revealUntil = r.commitUntil + revealSeconds;
        emit Drawn(model, number, r.seats, r.commitUntil, r.revealUntil);
    }

    /// @inheritdoc IModelReviews
    function commitScore(uint32 model, bytes32 commitment) external {
        (Stored storage r, uint32 number) = _in(model, Phase.Committing);
        Vote storage vote = _votes[model][number][msg.sender];
        require(_seated(r.seats), NotEvaluator(model, number, msg.sender));
        require(commitment != 0 && vote.commitment == 0, InvalidCommitment(commitment));
        vote.commitment = commitment;
        ++r.commits;
        emit ScoreCommitted(model, number, msg.sender, commitment);
    }

    /// @inheritdoc IModelReviews
    function revealScore(uint32 model, int128 score, bytes32 report_, bytes32 salt) external {
        (Stored storage r, uint32 number) = _in(model, Phase.Revealing);
        Vote storage vote = _votes[model][number][msg.sender];
        require(vote.commitment != 0, NotEvaluator(model, number, msg.sender));
        require(!vote.revealed, InvalidCommitment(vote.commitment));
        bytes32 opened = keccak256(abi.encode(model, number, msg.sender, score, report_, salt));
        require(opened == vote.commitment, CommitmentMismatch(vote.commitment, opened));
        vote.report = report_;
        vote.score = score;
        vote.revealed = true;
        ++r.reveals;
        emit ScoreRevealed(model, number, msg.sender, score, report_);
    }

    /// @inheritdoc IModelReviews
    function close(uint32 model) external returns (bool stands) {
        (Stored storage r, uint32 number) = _in(model, Phase.Counting);
        (int128[] memory sorted, bytes32 evaluation) = _collect(model, number, r);
        uint256 agreeing;
        int128 median;
        if (sorted.length != 0) {
            // Of an even number, the middle one that favours the model less.
            median = sorted[r.least ? (sorted.length - 1) / 2 : sorted.length / 2];
            for (uint256 i; i < sorted.length; ++i) {
                if (_near(sorted[i], median, r.tolerance)) ++agreeing;
            }
        }
        stands = agreeing >= r.quorum;
        r.closed = true;
        r.stands = stands;
        r.median = median;
        _pay(model, number, r, stands ? agreeing : 0);
        emit Closed(model, number, stands, median, agreeing);
        // A model that expired or was retired meanwhile keeps no score; its evaluators are paid all the same.
        if (stands && _alive(models.life(model))) models.recordEvaluation(model, median, evaluation);
    }

    /// @inheritdoc IModelReviews
    function penalize(uint32 model, uint32 number, address evaluator) external {
        Stored storage r = _rounds[model][number];
        require(r.closed, WrongPhase(model, number, _phase(r)));
        Vote storage vote = _votes[model][number][evaluator];
        bool silent = vote.commitment != 0 && !vote.revealed;
        bool outlier = vote.revealed && r.stands && !_near(vote.score, r.median, r.tolerance);
        require((silent || outlier) && !vote.penalized, NothingToPenalize(evaluator));
        vote.penalized = true;
        emit Penalized(model, number, evaluator, penalty);
        reviews.slash(evaluator, penalty);
    }

    // ---------------------------------------------------------------- reports

    /// @inheritdoc IModelReviews
    function report(uint32 model, bytes32 reason) external payable returns (uint64 caseId) {
        IModels.State state = models.stateOf(model);
        require(_inUse(state), NotInUse(model, state));
        uint256 asked = uint256(reportDeposit) + reportFee;
        require(msg.value == asked, WrongPayment(msg.value, asked));
        bytes32 subject = keccak256(abi.encode(model, reason));
        address owner = models.model(model).owner;
        // The pool calls nobody here; its id is what the report is kept under.
        caseId = reviews.request{value: reportFee}(subject, reportReviewers, reportApprovals, owner);
        _reports[caseId] = Report(model, msg.sender, false, false, reason);
        emit Reported(model, caseId, msg.sender, reason);
    }

    /// @inheritdoc IReviewed
    function onDecision(uint64 caseId, bool approved) external {
        require(msg.sender == address(reviews), NotReviews(msg.sender));
        Report storage decided = _reports[caseId];
        require(decided.reporter != address(0), UnknownCase(caseId));
        uint32 model = decided.model;
        bool changed;
        if (approved != decided.upheld) {
            decided.upheld = approved;
            changed = approved ? _uphold(model, caseId) : _reverse(model, caseId);
        }
        emit ReportDecided(model, caseId, approved, changed);
    }

    function _uphold(uint32 model, uint64 caseId) private returns (bool) {
        ++upheldCount[model];
        Standing storage standing = _standing[model];
        if (_inUse(models.stateOf(model))) (standing.era, standing.reports) = (standing.era + 1, 0);
        ++standing.reports;
        _eraOf[caseId] = standing.era;
        return models.setSuspended(model, true);
    }

    /// @dev A reversal lifts a suspension unless another report stands.
    function _reverse(uint32 model, uint64 caseId) private returns (bool) {
        --upheldCount[model];
        Standing storage standing = _standing[model];
        if (_eraOf[caseId] != standing.era) return false;
        return --standing.reports == 0 && models.setSuspended(model, false);
    }

    /// @inheritdoc IModelReviews
    function finishReport(uint64 caseId) external {
        Report storage decided = _reports[caseId];
        (bool isFinal, bool approved) = reviews.outcome(caseId);
        require(decided.reporter != address(0) && !decided.finished && isFinal, UnknownCase(caseId));
        decided.finished = true;
        claimable[approved ? decided.reporter : treasury] += reportDeposit;
        emit ReportFinished(decided.model, caseId, approved);
    }

    /// @inheritdoc IModelReviews
    function claimFor(address account) external {
        uint256 amount = claimable[account];
        require(amount != 0, NothingToClaim(account));
        claimable[account] = 0;
        emit Claimed(account, amount);
        (bool ok,) = account.call{value: amount}("");
        require(ok, TransferRefused(account, amount));
    }

    // ---------------------------------------------------------------- how it is done

    /// @dev The revealed scores in ascending order, and the hash of all that was said.
    function _collect(uint32 model, uint32 number, Stored storage r)
        private
        view
        returns (int128[] memory sorted, bytes32 evaluation)
    {
        address[] memory seats = r.seats;
        Vote[] memory votes = new Vote[](seats.length);
        sorted = new int128[](r.reveals);
        uint256 count;
        for (uint256 i; i < seats.length; ++i) {
            votes[i] = _votes[model][number][seats[i]];
            if (!votes[i].revealed) continue;
            uint256 place = count++;
            for (; place > 0 && sorted[place - 1] > votes[i].score; --place) {
                sorted[place] = sorted[place - 1];
            }
            sorted[place] = votes[i].score;
        }
        evaluation = keccak256(abi.encode(model, number, seats, votes));
    }

    /// @dev Each agreeing seat earns its fee; the payer gets the rest back.
    function _pay(uint32 model, uint32 number, Stored storage r, uint256 agreeing) private {
        uint256 fee = r.fee;
        if (fee == 0) return;
        if (agreeing != 0) {
            for (uint256 i; i < r.seats.length; ++i) {
                Vote storage vote = _votes[model][number][r.seats[i]];
                if (vote.revealed && _near(vote.score, r.median, r.tolerance)) claimable[r.seats[i]] += fee;
            }
        }
        // Seats are at most `evaluators`, and who agrees sits on one.
        uint256 rest = fee * (r.evaluators - agreeing);
        if (rest != 0) claimable[r.payer] += rest;
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IModelReviews
    function round(uint32 model, uint32 number) external view returns (Round memory) {
        Stored storage r = _rounds[model][number];
        return Round(_phase(r), r.drawBlock, r.commitUntil, r.revealUntil, r.payer, r.fee, r.median, r.seats);
    }

    /// @inheritdoc IModelReviews
    function voteOf(uint32 model, uint32 number, address evaluator) external view returns (Vote memory) {
        return _votes[model][number][evaluator];
    }

    /// @inheritdoc IModelReviews
    function reportOf(uint64 caseId) external view returns (Report memory) {
        return _reports[caseId];
    }

    /// @dev A phase ends early when everybody has done their part.
    function _phase(Stored storage r) private view returns (Phase) {
        if (r.drawBlock == 0) return Phase.None;
        if (r.closed) return r.stands ? Phase.Stood : Phase.Failed;
        if (r.commitUntil == 0) return block.number > r.drawBlock + HASH_BLOCKS ? Phase.Counting : Phase.Opened;
        if (block.timestamp <= r.commitUntil && r.commits < r.seats.length) return Phase.Committing;
        return block.timestamp <= r.revealUntil && r.reveals < r.commits ? Phase.Revealing : Phase.Counting;
    }

    function _in(uint32 model, Phase phase) private view returns (Stored storage r, uint32 number) {
        number = roundCount[model];
        r = _rounds[model][number];
        Phase found = _phase(r);
        require(found == phase, WrongPhase(model, number, found));
    }

    function _evaluating(uint32 model) private view returns (IModels.Life memory life) {
        life = models.life(model);
        require(_alive(life), NotEvaluating(model));
    }

    function _alive(IModels.Life memory life) private view returns (bool) {
        return life.state == IModels.State.Evaluating && life.evaluationSet != 0 && block.timestamp <= life.deadline;
    }

    /// @dev A round must be over, and have as long as the reveal to be closed, before the model expires.
    function _checkTime(uint32 model, uint64 deadline) private view {
        require(block.timestamp + commitSeconds + 2 * uint256(revealSeconds) <= deadline, TooLate(model, deadline));
    }

    function _inUse(IModels.State state) private pure returns (bool) {
        return
            state == IModels.State.Registered || state == IModels.State.Independent || state == IModels.State.Deployed;
    }

    function _seated(address[] storage seats) private view returns (bool) {
        for (uint256 i; i < seats.length; ++i) {
            if (seats[i] == msg.sender) return true;
        }
        return false;
    }

    /// @dev In 256 bits the distance of two int128 cannot overflow.
    function _near(int128 a, int128 b, uint128 tolerance) private pure returns (bool) {
        int256 distance = int256(a) - b;
        return uint256(distance < 0 ? -distance : distance) <= tolerance;
    }
}
