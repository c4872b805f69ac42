// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {IReviewed, IReviews} from "./interfaces/IReviews.sol";

/// @title Reviews
/// @notice See IReviews. Has no owner; the governance may decide what no panel could, and nothing else.
contract Reviews is IReviews {
    using Checkpoints for Checkpoints.Trace160;
    using SafeCast for uint256;

    /// @notice Seats of a first panel at most; an appeal's has up to 31.
    uint256 public constant MAX_REVIEWERS = 15;
    /// @notice Panels that may fail to decide before the fallback does.
    uint256 public constant MAX_DRAWS = 3;
    /// @notice Gas that a consumer gets to take a decision.
    uint256 public constant DELIVERY_GAS = 500_000;
    uint256 public constant MAX_LIST = 256;
    /// @dev For how many blocks the EVM remembers a hash.
    uint256 private constant SEED_LIFE = 256;

    struct Ballot {
        Vote vote;
        bytes32 commitment;
    }

    /// @inheritdoc IReviews
    address public immutable governance;
    /// @inheritdoc IReviews
    address public immutable treasury;
    /// @notice The consumers. The last one evaluates models, and may slash who did it badly.
    address public immutable datanets;
    address public immutable origins;
    address public immutable evaluations;
    /// @inheritdoc IReviews
    uint128 public immutable minimumStake;
    /// @inheritdoc IReviews
    uint64 public immutable periodSeconds;
    /// @inheritdoc IReviews
    uint64 public immutable patienceSeconds;
    /// @inheritdoc IReviews
    uint64 public immutable unbondingSeconds;

    /// @inheritdoc IReviews
    uint64 public caseCount;
    /// @notice Panels so far; their numbers run from 1.
    uint64 public panelCount;
    /// @inheritdoc IReviews
    mapping(address account => uint256) public claimable;

    mapping(uint64 id => Case) private _cases;
    mapping(uint64 number => Panel) private _panels;
    mapping(uint64 panel => mapping(address reviewer => Ballot)) private _ballots;
    mapping(address account => Reviewer) private _reviewers;
    /// @dev The pool with its history, by block: whoever enters or leaves once a seed is known changes no draw by it.
    mapping(uint256 place => Checkpoints.Trace160) private _places;
    Checkpoints.Trace160 private _size;

    constructor(
        address governance_,
        address treasury_,
        address datanets_,
        address origins_,
        address evaluations_,
        uint128 minimumStake_,
        uint64 periodSeconds_,
        uint64 patienceSeconds_,
        uint64 unbondingSeconds_
    ) {
        // A case holds a seat for at most nine periods (commit, reveal and appeal; three draws of the appeal) and the
        // patience for the governance, if everybody does in time what anybody may do.
        require(
            governance_ != address(0) && treasury_ != address(0) && minimumStake_ >= 200 && periodSeconds_ != 0
                && unbondingSeconds_ > 9 * uint256(periodSeconds_) + patienceSeconds_,
            InvalidParameter()
        );
        governance = governance_;
        treasury = treasury_;
        datanets = datanets_;
        origins = origins_;
        evaluations = evaluations_;
        minimumStake = minimumStake_;
        periodSeconds = periodSeconds_;
        patienceSeconds = patienceSeconds_;
        unbondingSeconds = unbondingSeconds_;
    }

    // ---------------------------------------------------------------- reviewers

    /// @inheritdoc IReviews
    function register() external payable {
        Reviewer storage reviewer = _reviewers[msg.sender];
        uint128 stake = reviewer.stake + msg.value.toUint128();
        require(stake >= minimumStake, StakeTooLow(stake, minimumStake));
        reviewer.stake = stake;
        reviewer.leavesAt = 0;
        if (reviewer.place == 0) _enter(msg.sender, reviewer);
        emit Registered(msg.sender, msg.value, stake);
    }

    /// @inheritdoc IReviews
    function unregister() external {
        Reviewer storage reviewer = _reviewers[msg.sender];
        require(reviewer.stake != 0 && reviewer.leavesAt == 0, NotRegistered(msg.sender));
        // One who lost too much is out of the pool already.
        if (reviewer.place != 0) _exit(reviewer);
        uint64 leavesAt = uint64(block.timestamp) + unbondingSeconds;
        reviewer.leavesAt = leavesAt;
        emit Leaving(msg.sender, leavesAt);
    }

    /// @inheritdoc IReviews
    function unstake() external {
        Reviewer storage reviewer = _reviewers[msg.sender];
        uint64 leavesAt = reviewer.leavesAt;
        require(leavesAt != 0 && leavesAt <= block.timestamp && reviewer.seats == 0, NotYet(leavesAt, reviewer.seats));
        uint128 amount = reviewer.stake;
        reviewer.stake = 0;
        reviewer.leavesAt = 0;
        emit Unstaked(msg.sender, amount);
        _send(msg.sender, amount);
    }

    /// @inheritdoc IReviews
    function claimFor(address account) external {
        uint256 amount = claimable[account];
        require(amount != 0, NothingToDo());
        claimable[account] = 0;
        emit Claimed(account, amount);
        _send(account, amount);
    }

    /// @inheritdoc IReviews
    function slash(address reviewer, uint256 amount) external returns (uint256 taken) {
        require(msg.sender == evaluations, NotAllowed(msg.sender));
        taken = _slash(reviewer, 0, amount);
        claimable[treasury] += taken;
    }

    function _enter(address account, Reviewer storage reviewer) private {
        uint256 place = _size.latest() + 1;
        reviewer.place = place.toUint32();
        _places[place].push(uint96(block.number), uint160(account));
        _size.push(uint96(block.number), uint160(place));
    }

    /// @dev The last of the pool takes the place that becomes free.
    function _exit(Reviewer storage reviewer) private {
        uint32 place = reviewer.place;
        uint160 last = _size.latest();
        if (place != last) {
            uint160 moved = _places[last].latest();
            _places[place].push(uint96(block.number), moved);
            _reviewers[address(moved)].place = place;
        }
        reviewer.place = 0;
        _size.push(uint96(block.number), last - 1);
    }

    /// @dev Takes what there is, up to `amount`; the caller says whose it becomes.
    function _slash(address account, uint64 id, uint256 amount) private returns (uint256 taken) {
        Reviewer storage reviewer = _reviewers[account];
        uint128 stake = reviewer.stake;
        taken = amount < stake ? amount : stake;
        if (taken == 0) return 0;
        reviewer.stake = stake - uint128(taken);
        if (reviewer.place != 0 && stake - taken < minimumStake / 2) _exit(reviewer);
        emit Slashed(account, id, taken);
    }

    // ---------------------------------------------------------------- request, seat

    /// @inheritdoc IReviews
    function request(bytes32 subject, uint8 n, uint8 k, address excluded) external payable returns (uint64 id) {
        require(msg.sender == datanets || msg.sender == origins || msg.sender == evaluations, NotAllowed(msg.sender));
        require(1 <= k && k <= n && n <= MAX_REVIEWERS, InvalidPanel(n, k));
        id = ++caseCount;
        Case storage held = _cases[id];
        held.consumer = msg.sender;
        held.stage = Stage.Seating;
        (held.reviewers, held.approvals) = (n, k);
        held.subject = subject;
        held.excluded = excluded;
        held.seedBlock = uint64(block.number) + 1;
        emit Requested(id, msg.sender, subject, n, k, excluded, held.seedBlock);
        if (msg.value != 0) _fund(id, held);
    }

    /// @inheritdoc IReviews
    function fund(uint64 id) external payable {
        Case storage held = _cases[id];
        require(
            (held.stage == Stage.Seating || held.stage == Stage.Voting) && held.appellant == address(0),
            WrongStage(id, held.stage)
        );
        require(msg.value != 0, NothingToDo());
        _fund(id, held);
    }

    function _fund(uint64 id, Case storage held) private {
        uint256 fees = held.fees + msg.value;
        uint256 most = uint256(held.reviewers) * minimumStake;
        require(fees <= most, FeesTooHigh(fees, most));
        held.fees = fees.toUint128();
        emit Funded(id, msg.sender, msg.value);
    }

    /// @inheritdoc IReviews
    function seat(uint64 id) external {
        Case storage held = _inStage(id, Stage.Seating);
        uint64 seedBlock = held.seedBlock;
        require(block.number > seedBlock, TooEarly(seedBlock));
        // An appeal: see there.
        require(seedBlock != 0 || block.timestamp > held.deadline, TooSoon(held.deadline));
        if (seedBlock == 0 || block.number - seedBlock > SEED_LIFE) return _reseed(id, held);

        bool appealed = held.appellant != address(0);
        (uint256 size, uint256 needed) = _sizeOf(held);
        bytes32 seed = keccak256(abi.encode(blockhash(seedBlock), id, held.draws, appealed));
        address[] memory members = _draw(seed, size, _excludedFrom(held), seedBlock - 1);
        if (members.length < size) return _fail(id, held);

        uint64 number = ++panelCount;
        held.stage = Stage.Voting;
        held.panel = number;
        Panel storage seated = _panels[number];
        seated.caseId = id;
        seated.commitBy = uint64(block.timestamp) + periodSeconds;
        seated.revealBy = seated.commitBy + periodSeconds;
        seated.approvals = uint8(needed);
        // Nobody can be made to work for nothing: in all the draws of a case missing votes cost together at most what votes
        // would have earned. Rounds down, in favour of the reviewer.
        uint256 offered = appealed ? seatFee() : held.fees / size;
        seated.penalty = ((offered < seatFee() ? offered : seatFee()) / MAX_DRAWS).toUint128();
        seated.members = members;
        for (uint256 i; i < size; ++i) {
            _ballots[number][members[i]].vote = Vote.Seated;
            ++_reviewers[members[i]].seats;
        }
        emit Seated(id, number, seated.commitBy, seated.revealBy, seated.penalty, members);
    }

    function _reseed(uint64 id, Case storage held) private {
        held.stage = Stage.Seating;
        held.seedBlock = uint64(block.number) + 1;
        emit Reseeded(id, held.seedBlock);
    }

    function _fail(uint64 id, Case storage held) private {
        held.stage = Stage.Failed;
        if (held.appellant != address(0)) held.deadline = uint64(block.timestamp) + patienceSeconds;
        emit Failed(id, held.appellant == address(0) ? 0 : held.deadline);
    }

    /// @dev An appeal's panel is a little more than twice the first one, and needs twice its approvals: the same part.
    function _sizeOf(Case storage held) private view returns (uint256 size, uint256 needed) {
        (size, needed) = (held.reviewers, held.approvals);
        if (held.appellant != address(0)) (size, needed) = (2 * size + 1, 2 * needed);
    }

    /// @dev The interested party; in an appeal also the first panel, which would judge itself.
    function _excludedFrom(Case storage held) private view returns (address[] memory excluded) {
        address[] storage first = _panels[held.firstPanel].members;
        uint256 count = first.length;
        excluded = new address[](count + 1);
        for (uint256 i; i < count; ++i) {
            excluded[i] = first[i];
        }
        excluded[count] = held.excluded;
    }

    /// @dev The first steps of a Fisher-Yates shuffle of the places 0..n-1 (Durstenfeld, Algorithm 235, CACM 1964), without
    /// those excluded. Only the moved places are written down, so the cost follows from `count`, not from the pool. The
    /// remainder favours low places by less than 2^-200.
    function _draw(bytes32 seed, uint256 count, address[] memory excluded, uint256 atBlock)
        private
        view
        returns (address[] memory drawn)
    {
        uint256 n = _size.upperLookupRecent(uint96(atBlock));
        // An excluded address stands at one place at most.
        uint256 steps = count + excluded.length < n ? count + excluded.length : n;
        drawn = new address[](count < n ? count : n);
        uint256[] memory vacated = new uint256[](steps);
        uint256[] memory filledBy = new uint256[](steps);
        uint256 found;
        for (uint256 i; i < steps && found < drawn.length; ++i) {
            uint256 pick = i + uint256(keccak256(abi.encode(seed, i))) % (n - i);
            address account =
                address(_places[_standing(vacated, filledBy, i, pick) + 1].upperLookupRecent(uint96(atBlock)));
            filledBy[i] = _standing(vacated, filledBy, i, i);
            vacated[i] = pick;
            if (!_contains(excluded, account)) drawn[found++] = account;
        }
        // `found` is at most the length that was allocated; the words given up stay unused.
        assembly ("memory-safe") {
            mstore(drawn, found)
        }
    }

    /// @dev Who stands at position `p` after `steps` swaps: the last swap that vacated it says so.
    function _standing(uint256[] memory vacated, uint256[] memory filledBy, uint256 steps, uint256 p)
        private
        pure
        returns (uint256)
    {
        for (uint256 i = steps; i != 0; --i) {
            if (vacated[i - 1] == p) return filledBy[i - 1];
        }
        return p;
    }

    function _contains(address[] memory list, address account) private pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == account) return true;
        }
        return false;
    }

    // ---------------------------------------------------------------- commit, reveal, close

    /// @inheritdoc IReviews
    function commit(uint64 id, bytes32 commitment) external {
        Case storage held = _inStage(id, Stage.Voting);
        Panel storage seated = _panels[held.panel];
        Ballot storage ballot = _ballots[held.panel][msg.sender];
        require(ballot.vote == Vote.Seated, WrongVote(msg.sender, ballot.vote));
        require(block.timestamp <= seated.commitBy, TooLate(seated.commitBy));
        ballot.vote = Vote.Committed;
        ballot.commitment = commitment;
        ++seated.committed;
        emit VoteCommitted(id, msg.sender, commitment);
    }

    /// @inheritdoc IReviews
    function reveal(uint64 id, bool approve, bytes32 salt) external {
        Case storage held = _inStage(id, Stage.Voting);
        Panel storage seated = _panels[held.panel];
        Ballot storage ballot = _ballots[held.panel][msg.sender];
        require(ballot.vote == Vote.Committed, WrongVote(msg.sender, ballot.vote));
        require(_committingIsOver(seated), TooSoon(seated.commitBy));
        require(block.timestamp <= seated.revealBy, TooLate(seated.revealBy));
        bytes32 opened = commitmentHash(id, msg.sender, approve, salt);
        require(opened == ballot.commitment, CommitmentMismatch(ballot.commitment, opened));
        ballot.vote = approve ? Vote.Approved : Vote.Rejected;
        if (approve) ++seated.approving;
        else ++seated.rejecting;
        emit VoteRevealed(id, msg.sender, approve);
    }

    /// @inheritdoc IReviews
    function close(uint64 id) external {
        Case storage held = _inStage(id, Stage.Voting);
        uint64 number = held.panel;
        Panel storage seated = _panels[number];
        (uint256 approving, uint256 rejecting) = (seated.approving, seated.rejecting);
        require(
            _committingIsOver(seated)
                && (approving + rejecting == seated.committed || block.timestamp > seated.revealBy),
            TooSoon(_committingIsOver(seated) ? seated.revealBy : seated.commitBy)
        );
        bool appealed = held.appellant != address(0);
        (uint256 size, uint256 needed) = _sizeOf(held);
        _penalize(id, number);
        if (!appealed) _payFees(held, number, size);

        bool approved = approving >= needed;
        if (!approved && rejecting <= size - needed) {
            // Neither approved nor beyond approval.
            _release(number);
            emit Undecided(id, number);
            if (++held.draws == MAX_DRAWS) _fail(id, held);
            else _reseed(id, held);
        } else if (appealed) {
            _closeAppeal(id, held, approved);
        } else {
            held.stage = Stage.Decided;
            held.approved = approved;
            held.firstPanel = number;
            held.deadline = uint64(block.timestamp) + periodSeconds;
            _leaveFees(held);
            emit Decided(id, approved, held.deadline);
            _deliver(id, held);
        }
    }

    function _committingIsOver(Panel storage seated) private view returns (bool) {
        return seated.committed == seated.members.length || block.timestamp > seated.commitBy;
    }

    /// @dev Seats without a revealed vote pay the treasury, not each other: silence of others must not be worth anything.
    function _penalize(uint64 id, uint64 number) private {
        Panel storage seated = _panels[number];
        uint256 penalty = seated.penalty;
        if (penalty == 0) return;
        address[] memory members = seated.members;
        uint256 taken;
        for (uint256 i; i < members.length; ++i) {
            if (_ballots[number][members[i]].vote < Vote.Approved) taken += _slash(members[i], id, penalty);
        }
        if (taken != 0) claimable[treasury] += taken;
    }

    /// @dev Rounds down; what is left pays the next panel, or goes to the treasury.
    function _payFees(Case storage held, uint64 number, uint256 size) private {
        uint256 fee = held.fees / size;
        if (fee == 0) return;
        held.fees -= (fee * _payRevealed(number, fee)).toUint128();
    }

    function _payRevealed(uint64 number, uint256 fee) private returns (uint256 paid) {
        address[] memory members = _panels[number].members;
        for (uint256 i; i < members.length; ++i) {
            if (_ballots[number][members[i]].vote < Vote.Approved) continue;
            claimable[members[i]] += fee;
            ++paid;
        }
    }

    function _leaveFees(Case storage held) private {
        uint128 left = held.fees;
        if (left == 0) return;
        held.fees = 0;
        claimable[treasury] += left;
    }

    function _release(uint64 number) private {
        address[] memory members = _panels[number].members;
        for (uint256 i; i < members.length; ++i) {
            --_reviewers[members[i]].seats;
        }
    }

    // ---------------------------------------------------------------- appeal, end

    /// @inheritdoc IReviews
    function appeal(uint64 id) external payable {
        Case storage held = _inStage(id, Stage.Decided);
        require(block.timestamp <= held.deadline, TooLate(held.deadline));
        uint128 deposit = appealDeposit(id);
        require(msg.value == deposit, WrongPayment(msg.value, deposit));
        held.appellant = msg.sender;
        held.deposit = deposit;
        held.draws = 0;
        held.stage = Stage.Seating;
        // Whoever appeals must not choose the block that draws the panel: leaders are known ahead, and one of them could draw
        // the appeal as it drew the first panel. `seat` names the block once the time to appeal is over.
        held.seedBlock = 0;
        emit Appealed(id, msg.sender, deposit);
    }

    /// @dev The appeal's panel earns the same whatever it decides: of the slashed stakes, or of the deposit.
    function _closeAppeal(uint64 id, Case storage held, bool approved) private {
        uint64 number = held.panel;
        bool reversed = approved != held.approved;
        uint256 purse = reversed ? _slashSide(id, held) : held.deposit;
        uint256 revealed = uint256(_panels[number].approving) + _panels[number].rejecting;
        // A decision needs a revealed vote, so this divides by one at least. Rounds down; the rest is shared below.
        uint256 fee = purse / revealed < seatFee() ? purse / revealed : seatFee();
        purse -= fee * _payRevealed(number, fee);
        if (reversed) {
            // Half, rounded down, for whoever was right to appeal.
            claimable[held.appellant] += held.deposit + purse / 2;
            purse -= purse / 2;
        }
        claimable[treasury] += purse;
        held.deposit = 0;
        held.approved = approved;
        _release(number);
        emit Decided(id, approved, 0);
        _finish(id, held);
        if (reversed) _deliver(id, held);
    }

    /// @dev Those of the first panel who voted as it decided.
    function _slashSide(uint64 id, Case storage held) private returns (uint256 taken) {
        uint64 first = held.firstPanel;
        Vote side = held.approved ? Vote.Approved : Vote.Rejected;
        address[] memory members = _panels[first].members;
        for (uint256 i; i < members.length; ++i) {
            if (_ballots[first][members[i]].vote == side) taken += _slash(members[i], id, reversalPenalty());
        }
    }

    /// @inheritdoc IReviews
    function finish(uint64 id) external {
        Case storage held = _cases[id];
        require(
            held.stage == Stage.Decided || (held.stage == Stage.Failed && held.appellant != address(0)),
            WrongStage(id, held.stage)
        );
        require(block.timestamp > held.deadline, TooSoon(held.deadline));
        _returnDeposit(held);
        _finish(id, held);
    }

    /// @inheritdoc IReviews
    function decide(uint64 id, bool approved) external {
        Case storage held = _inStage(id, Stage.Failed);
        bool appealed = held.appellant != address(0);
        require(msg.sender == governance || (msg.sender == held.consumer && !appealed), NotAllowed(msg.sender));
        bool changed = !appealed || approved != held.approved;
        held.approved = approved;
        _leaveFees(held);
        _returnDeposit(held);
        emit Decided(id, approved, 0);
        _finish(id, held);
        if (changed) _deliver(id, held);
    }

    function _returnDeposit(Case storage held) private {
        uint128 deposit = held.deposit;
        if (deposit == 0) return;
        held.deposit = 0;
        claimable[held.appellant] += deposit;
    }

    function _finish(uint64 id, Case storage held) private {
        held.stage = Stage.Final;
        if (held.firstPanel != 0) _release(held.firstPanel);
        emit Finished(id, held.approved);
    }

    /// @inheritdoc IReviews
    function deliver(uint64 id) external {
        Case storage held = _cases[id];
        require(held.undelivered, NothingToDo());
        held.undelivered = false;
        IReviewed(held.consumer).onDecision(id, held.approved);
    }

    /// @dev Always the last thing done. A consumer that fails must not keep reviewers' stakes locked, and who calls must not
    /// make it fail by sending too little gas: a call holds back a 64th, and 50,000 cover what follows.
    function _deliver(uint64 id, Case storage held) private {
        uint256 needed = DELIVERY_GAS + DELIVERY_GAS / 63 + 50_000;
        require(gasleft() >= needed, GasTooLow(gasleft(), needed));
        try IReviewed(held.consumer).onDecision{gas: DELIVERY_GAS}(id, held.approved) {
            held.undelivered = false;
        } catch {
            held.undelivered = true;
            emit Undelivered(id);
        }
    }

    function _send(address to, uint256 amount) private {
        (bool sent,) = to.call{value: amount}("");
        require(sent, TransferRefused(to, amount));
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IReviews
    function drawAt(bytes32 seed, uint256 count, address[] calldata excluded, uint64 atBlock)
        external
        view
        returns (address[] memory)
    {
        return _draw(seed, count, excluded, atBlock);
    }

    /// @inheritdoc IReviews
    function caseOf(uint64 id) external view returns (Case memory) {
        return _cases[id];
    }

    /// @inheritdoc IReviews
    function outcome(uint64 id) external view returns (bool isFinal, bool approved) {
        Case storage held = _cases[id];
        isFinal = held.stage == Stage.Final || (held.stage == Stage.Decided && block.timestamp > held.deadline);
        return (isFinal, held.approved);
    }

    /// @inheritdoc IReviews
    function stageOf(uint64 id) external view returns (Stage) {
        return _cases[id].stage;
    }

    /// @inheritdoc IReviews
    function panel(uint64 number) external view returns (Panel memory) {
        return _panels[number];
    }

    /// @inheritdoc IReviews
    function voteOf(uint64 number, address account) external view returns (Vote vote, bytes32 commitment) {
        Ballot storage ballot = _ballots[number][account];
        return (ballot.vote, ballot.commitment);
    }

    /// @inheritdoc IReviews
    function commitmentHash(uint64 id, address account, bool approve, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(id, _cases[id].panel, account, approve, salt));
    }

    /// @inheritdoc IReviews
    function reviewerOf(address account) external view returns (Reviewer memory) {
        return _reviewers[account];
    }

    /// @inheritdoc IReviews
    function reviewerCount() external view returns (uint256) {
        return _size.latest();
    }

    /// @inheritdoc IReviews
    function reviewers(uint256 first, uint256 limit) external view returns (address[] memory list) {
        if (first == 0) first = 1;
        if (limit > MAX_LIST) limit = MAX_LIST;
        uint256 count = _size.latest();
        uint256 left = first > count ? 0 : count - first + 1;
        list = new address[](left < limit ? left : limit);
        for (uint256 i; i < list.length; ++i) {
            list[i] = address(_places[first + i].latest());
        }
    }

    /// @inheritdoc IReviews
    function appealDeposit(uint64 id) public view returns (uint128) {
        return (2 * uint128(_cases[id].reviewers) + 1) * seatFee();
    }

    /// @inheritdoc IReviews
    function seatFee() public view returns (uint128) {
        return minimumStake / 200;
    }

    /// @inheritdoc IReviews
    function reversalPenalty() public view returns (uint128) {
        return minimumStake / 5;
    }

    function _inStage(uint64 id, Stage stage) private view returns (Case storage held) {
        held = _cases[id];
        require(held.stage == stage, WrongStage(id, held.stage));
    }
}
