// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IValidators} from "./interfaces/IValidators.sol";
import {Election} from "./lib/Election.sol";
import {Points} from "./lib/Points.sol";
import {VoteBytes} from "./lib/VoteBytes.sol";

/// @title Validators
/// @notice See IValidators. Holds the stake of all delegators and no other money; has no owner.
///
/// A validator is slashed at most once, because that also jails it for ever. So amounts are kept as they were staked,
/// and what a slash took is taken off when they are paid: no share prices, and nothing that an attacker could inflate.
contract Validators is IValidators {
    using SafeCast for uint256;

    /// @inheritdoc IValidators
    uint256 public constant MIN_SEATS = 4;
    uint256 public constant MAX_SEATS = 64;
    uint256 public constant MAX_CANDIDATES = 128;
    uint256 public constant MAX_ADDRESS = 128;
    uint256 private constant ONE = 1e6;
    /// @dev Keeps every sum of a time and a duration within 64 bits.
    uint256 private constant LONGEST = 3650 days;

    /// @dev `number` counts registrations from 1; `place` is the index among the candidates plus 1, or 0. Both amounts
    /// are as staked, before any slash.
    struct Record {
        uint128 bonded;
        uint64 unseatedAt;
        uint32 number;
        uint8 place;
        bool seated;
        bool jailed;
        uint128 exiting;
        bytes32 keyX;
        bytes32 keyY;
        bytes32 networkKey;
        string networkAddress;
    }

    /// @dev As staked. `epoch` is that of the last undelegation.
    struct Stake {
        uint128 bonded;
        uint128 exiting;
        uint64 epoch;
    }

    /// @inheritdoc IValidators
    bytes32 public immutable networkId;
    uint256 private immutable _maxSeats;
    uint256 private immutable _maxCandidates;
    uint256 private immutable _minimumStake;
    uint256 private immutable _minimumOwnStake;
    uint256 private immutable _epochBlocks;
    uint256 private immutable _epochSeconds;
    uint256 private immutable _evidenceSeconds;
    uint256 private immutable _unbondingSeconds;
    uint256 private immutable _slashPpm;
    uint256 private immutable _rewardPpm;

    mapping(address operator => Record) private _records;
    mapping(address operator => mapping(address delegator => Stake)) private _stakes;
    mapping(bytes32 hashOfKey => address) private _consensusKeys;
    mapping(bytes32 key => address) private _networkKeys;
    uint32 private _registered;
    address[] private _candidates;
    Epoch[] private _epochs;
    /// @dev Distinct sets, in the order of their election; an epoch names the last.
    address[][] private _sets;

    /// @dev The attached wei are the stakes of the first set. It needs at least one seat; an election needs MIN_SEATS.
    constructor(bytes32 networkId_, Parameters memory p, GenesisSeat[] memory seats) payable {
        require(
            p.maxSeats >= MIN_SEATS && p.maxSeats <= MAX_SEATS && p.maxCandidates > p.maxSeats
                && p.maxCandidates <= MAX_CANDIDATES && p.minimumOwnStake != 0 && p.minimumStake >= p.minimumOwnStake
                && p.epochBlocks != 0 && p.epochSeconds != 0 && p.evidenceSeconds != 0
                && p.unbondingSeconds > p.evidenceSeconds && p.unbondingSeconds <= LONGEST && p.slashPpm != 0
                && p.slashPpm <= ONE && p.rewardPpm <= ONE / 2 && networkId_ != 0 && seats.length != 0
                && seats.length <= p.maxSeats,
            InvalidParameter()
        );
        networkId = networkId_;
        _maxSeats = p.maxSeats;
        _maxCandidates = p.maxCandidates;
        _minimumStake = p.minimumStake;
        _minimumOwnStake = p.minimumOwnStake;
        _epochBlocks = p.epochBlocks;
        _epochSeconds = p.epochSeconds;
        _evidenceSeconds = p.evidenceSeconds;
        _unbondingSeconds = p.unbondingSeconds;
        _slashPpm = p.slashPpm;
        _rewardPpm = p.rewardPpm;

        address[] memory operators = new address[](seats.length);
        uint256 staked;
        for (uint256 i; i < seats.length; ++i) {
            GenesisSeat memory seat = seats[i];
            operators[i] = seat.operator;
            staked += seat.stake;
            _register(seat.operator, seat.consensusKey, seat.networkKey, seat.networkAddress);
            Record storage record = _records[seat.operator];
            record.seated = true;
            if (seat.stake != 0) _bond(seat.operator, record, seat.operator, seat.stake);
            // Immutables cannot be read here: the same test as _isEligible's.
            if (seat.stake >= p.minimumStake) {
                _candidates.push(seat.operator);
                record.place = uint8(_candidates.length); // at most MAX_CANDIDATES
                emit Listed(seat.operator);
            }
        }
        require(staked == msg.value, InvalidParameter());
        _epochs.push(Epoch(uint64(block.timestamp), uint64(block.number), 0));
        _sets.push(operators);
        emit Elected(0, operators, operators.length, 0);
    }

    // ---------------------------------------------------------------- validators

    /// @inheritdoc IValidators
    function register(
        bytes calldata consensusKey,
        bytes32 networkKey,
        string calldata networkAddress,
        bytes32 r,
        bytes32 s
    ) external payable {
        _register(msg.sender, consensusKey, networkKey, networkAddress);
        Record storage record = _records[msg.sender];
        require(
            P256.verify(VoteBytes.registration(networkId, msg.sender, networkKey), r, s, record.keyX, record.keyY),
            NotProved()
        );
        if (msg.value != 0) _bond(msg.sender, record, msg.sender, msg.value.toUint128());
        (bool listed,) = _tryEnlist(msg.sender, record);
        if (listed) emit Listed(msg.sender);
    }

    /// @inheritdoc IValidators
    function setNetworkAddress(string calldata networkAddress) external {
        Record storage record = _record(msg.sender);
        _checkAddress(networkAddress);
        record.networkAddress = networkAddress;
        emit NetworkAddressSet(msg.sender, networkAddress);
    }

    /// @inheritdoc IValidators
    function enlist() external {
        Record storage record = _record(msg.sender);
        require(!record.jailed, IsJailed(msg.sender));
        require(record.place == 0, AlreadyListed(msg.sender));
        uint256 own = _stakes[msg.sender][msg.sender].bonded;
        require(own >= _minimumOwnStake, StakeTooSmall(_minimumOwnStake, own));
        require(record.bonded >= _minimumStake, StakeTooSmall(_minimumStake, record.bonded));
        (bool listed, uint256 lowest) = _tryEnlist(msg.sender, record);
        require(listed, ListFull(lowest));
        emit Listed(msg.sender);
    }

    /// @inheritdoc IValidators
    function resign() external {
        Record storage record = _record(msg.sender);
        require(record.place != 0, NotListed(msg.sender));
        _unlist(msg.sender, record);
    }

    // ---------------------------------------------------------------- stake

    /// @inheritdoc IValidators
    function delegate(address operator) external payable {
        Record storage record = _record(operator);
        require(!record.jailed, IsJailed(operator));
        require(msg.value != 0, NothingToDo());
        _bond(operator, record, msg.sender, msg.value.toUint128());
    }

    /// @inheritdoc IValidators
    function undelegate(address operator, uint128 amount) external {
        Record storage record = _record(operator);
        Stake storage staked = _stakes[operator][msg.sender];
        require(amount != 0, NothingToDo());
        require(amount <= staked.bonded, NotBonded(amount, staked.bonded));
        uint64 now_ = epoch();
        staked.bonded -= amount;
        staked.exiting += amount;
        staked.epoch = now_;
        record.bonded -= amount;
        record.exiting += amount;
        emit Undelegated(operator, msg.sender, amount, now_);
    }

    /// @inheritdoc IValidators
    function claim(address operator) external {
        Record storage record = _record(operator);
        Stake storage staked = _stakes[operator][msg.sender];
        uint128 amount = staked.exiting;
        require(amount != 0, NothingToDo());
        uint64 claimableAt = _claimableAt(operator, record, msg.sender, staked);
        // An operator that kept its seat in failed elections still votes, so its own stake still answers for it.
        require(msg.sender != operator || !record.seated || record.jailed, StillSeated(operator));
        require(claimableAt != 0 && block.timestamp >= claimableAt, TooEarly(claimableAt));
        uint128 paid = _net(record, amount);
        staked.exiting = 0;
        record.exiting -= amount;
        emit Claimed(operator, msg.sender, amount, paid);
        if (paid != 0) _send(msg.sender, paid);
    }

    // ---------------------------------------------------------------- elections

    /// @inheritdoc IValidators
    function endEpoch() external {
        (uint256 untilBlock, uint256 untilTime) = epochEnd();
        require(block.number >= untilBlock && block.timestamp >= untilTime, EpochNotOver(untilBlock, untilTime));
        uint64 next = uint64(_epochs.length); // as many as epochs were ended
        (Election.Person[] memory people, address[] memory operators) = _people();
        (uint256 eligible, uint256 joins, uint256 leaves) = Election.elect(people, _maxSeats, MIN_SEATS);
        if (joins + leaves != 0) _seat(people, operators);
        uint256 last = _sets.length - 1;
        _epochs.push(Epoch(uint64(block.timestamp), uint64(block.number), last.toUint32()));
        if (eligible < MIN_SEATS) emit ElectionFailed(next, eligible, MIN_SEATS);
        else emit Elected(next, _sets[last], joins, leaves);
    }

    /// @dev Everybody who stands or holds a seat: at most MAX_CANDIDATES + MAX_SEATS.
    function _people() private view returns (Election.Person[] memory people, address[] memory operators) {
        address[] storage present = _sets[_sets.length - 1];
        uint256 listed = _candidates.length;
        uint256 count = listed;
        operators = new address[](listed + present.length);
        for (uint256 i; i < listed; ++i) {
            operators[i] = _candidates[i];
        }
        for (uint256 i; i < present.length; ++i) {
            address operator = present[i];
            if (_records[operator].place == 0) operators[count++] = operator;
        }
        people = new Election.Person[](count);
        for (uint256 i; i < count; ++i) {
            Record storage record = _records[operators[i]];
            Election.Standing standing = record.jailed
                ? Election.Standing.Jailed
                : record.place != 0 && _isEligible(operators[i], record)
                    ? Election.Standing.Eligible
                    : Election.Standing.Ineligible;
            people[i] = Election.Person(standing, record.bonded, record.number, record.seated);
        }
    }

    /// @dev Records who gained and who lost a seat, and the new set.
    function _seat(Election.Person[] memory people, address[] memory operators) private {
        _sets.push();
        address[] storage set = _sets[_sets.length - 1];
        for (uint256 i; i < people.length; ++i) {
            bool seated = people[i].seated;
            if (seated) set.push(operators[i]);
            Record storage record = _records[operators[i]];
            if (record.seated == seated) continue;
            record.seated = seated;
            if (!seated) record.unseatedAt = uint64(block.timestamp);
        }
    }

    // ---------------------------------------------------------------- evidence

    /// @inheritdoc IValidators
    function report(
        address operator,
        Fault fault,
        uint64 epoch_,
        uint64 view_,
        Vote calldata first,
        Vote calldata second
    ) external {
        Record storage record = _record(operator);
        require(!record.jailed, IsJailed(operator));
        require(_isLiable(record), EvidenceTooOld(operator, record.unseatedAt));
        bool sameProposal = first.parent == second.parent && first.payload == second.payload;
        require(fault == Fault.NullifyFinalize || !sameProposal, NoConflict());
        (VoteKind kindOfFirst, VoteKind kindOfSecond) = _kinds(fault);
        require(_signed(record, kindOfFirst, epoch_, view_, first), BadVote(operator, 0));
        require(_signed(record, kindOfSecond, epoch_, view_, second), BadVote(operator, 1));

        record.jailed = true;
        if (record.place != 0) _unlist(operator, record);
        uint256 staked = uint256(record.bonded) + record.exiting;
        // Rounded like what will be paid back, so that all payments together fit into what is kept.
        uint256 slashed = staked - _net(record, staked.toUint128());
        Stake storage own = _stakes[operator][operator];
        // Rounded down: not even a wei more than a half of what the operator itself loses.
        uint256 reward = (uint256(own.bonded) + own.exiting) * _slashPpm / ONE * _rewardPpm / ONE;
        emit Slashed(operator, msg.sender, fault, epoch_, view_, slashed, reward);

        if (reward != 0) _send(msg.sender, reward);
        // Burning is a transfer to address 0, which runs no code.
        if (slashed != reward) _send(address(0), slashed - reward);
    }

    function _kinds(Fault fault) private pure returns (VoteKind, VoteKind) {
        if (fault == Fault.ConflictingNotarize) return (VoteKind.Notarize, VoteKind.Notarize);
        if (fault == Fault.ConflictingFinalize) return (VoteKind.Finalize, VoteKind.Finalize);
        return (VoteKind.Nullify, VoteKind.Finalize);
    }

    function _signed(Record storage record, VoteKind kind, uint64 epoch_, uint64 view_, Vote calldata vote)
        private
        view
        returns (bool)
    {
        if (kind == VoteKind.Nullify) require(vote.parent == 0 && vote.payload == 0, NotANullify());
        bytes32 digest = voteDigest(kind, epoch_, view_, vote.parent, vote.payload);
        return P256.verify(digest, vote.r, vote.s, record.keyX, record.keyY);
    }

    // ---------------------------------------------------------------- shared

    function _register(address operator, bytes memory consensusKey, bytes32 networkKey, string memory networkAddress)
        private
    {
        Record storage record = _records[operator];
        require(record.number == 0, AlreadyRegistered(operator));
        (bytes32 x, bytes32 y) = Points.decompress(consensusKey);
        require(P256.isValidPublicKey(x, y), InvalidConsensusKey(consensusKey));
        require(Points.isEdwards(networkKey), InvalidNetworkKey(networkKey));
        _checkAddress(networkAddress);
        bytes32 hash = keccak256(consensusKey);
        require(_consensusKeys[hash] == address(0), KeyTaken(_consensusKeys[hash]));
        require(_networkKeys[networkKey] == address(0), KeyTaken(_networkKeys[networkKey]));
        _consensusKeys[hash] = operator;
        _networkKeys[networkKey] = operator;
        record.number = ++_registered;
        record.keyX = x;
        record.keyY = y;
        record.networkKey = networkKey;
        record.networkAddress = networkAddress;
        emit Registered(operator, consensusKey, networkKey, networkAddress);
    }

    function _checkAddress(string memory networkAddress) private pure {
        uint256 length = bytes(networkAddress).length;
        require(length != 0 && length <= MAX_ADDRESS, InvalidNetworkAddress(length));
    }

    function _bond(address operator, Record storage record, address delegator, uint128 amount) private {
        _stakes[operator][delegator].bonded += amount;
        record.bonded += amount;
        emit Delegated(operator, delegator, amount);
    }

    /// @dev Puts an eligible operator on the list. Where that is full, the lowest unseated candidate gives way if it has
    /// less; there is one, because the list is longer than the set. `lowest` is what it has: nothing if it is not eligible.
    function _tryEnlist(address operator, Record storage record) private returns (bool listed, uint256 lowest) {
        if (!_isEligible(operator, record)) return (false, 0);
        if (_candidates.length < _maxCandidates) {
            _candidates.push(operator);
            record.place = uint8(_candidates.length); // at most MAX_CANDIDATES
            return (true, 0);
        }
        uint256 place;
        lowest = type(uint256).max;
        for (uint256 i; i < _candidates.length; ++i) {
            Record storage other = _records[_candidates[i]];
            if (other.seated) continue;
            uint256 strength = _isEligible(_candidates[i], other) ? other.bonded : 0;
            if (strength < lowest) (lowest, place) = (strength, i);
        }
        if (record.bonded <= lowest) return (false, lowest);
        address evicted = _candidates[place];
        _records[evicted].place = 0;
        _candidates[place] = operator;
        record.place = uint8(place + 1);
        emit Unlisted(evicted);
        return (true, lowest);
    }

    function _unlist(address operator, Record storage record) private {
        uint256 place = record.place;
        address moved = _candidates[_candidates.length - 1];
        _candidates[place - 1] = moved;
        _records[moved].place = uint8(place);
        record.place = 0; // after the line above: `moved` may be `operator`
        _candidates.pop();
        emit Unlisted(operator);
    }

    function _isEligible(address operator, Record storage record) private view returns (bool) {
        return record.bonded >= _minimumStake && _stakes[operator][operator].bonded >= _minimumOwnStake;
    }

    function _isLiable(Record storage record) private view returns (bool) {
        if (record.seated) return true;
        return record.unseatedAt != 0 && block.timestamp <= record.unseatedAt + _evidenceSeconds;
    }

    /// @dev When the exit may be claimed; 0 while its epoch lasts. An operator that lost its seat later waits from then.
    function _claimableAt(address operator, Record storage record, address delegator, Stake storage staked)
        private
        view
        returns (uint64)
    {
        if (staked.exiting == 0 || staked.epoch == epoch()) return 0;
        uint256 from = _epochs[staked.epoch + 1].startedAt;
        if (delegator == operator && record.unseatedAt > from) from = record.unseatedAt;
        return (from + _unbondingSeconds).toUint64();
    }

    /// @dev What of `amount` is paid back: after a slash less, rounded down, so the contract always has enough.
    function _net(Record storage record, uint128 amount) private view returns (uint128) {
        if (!record.jailed) return amount;
        return uint128(uint256(amount) * (ONE - _slashPpm) / ONE); // at most `amount`
    }

    function _record(address operator) private view returns (Record storage record) {
        record = _records[operator];
        require(record.number != 0, UnknownValidator(operator));
    }

    function _send(address to, uint256 amount) private {
        (bool sent,) = to.call{value: amount}("");
        require(sent, TransferRefused(to, amount));
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IValidators
    function registrationDigest(address operator, bytes32 networkKey) external view returns (bytes32) {
        return VoteBytes.registration(networkId, operator, networkKey);
    }

    /// @inheritdoc IValidators
    function voteDigest(VoteKind kind, uint64 epoch_, uint64 view_, uint64 parent, bytes32 payload)
        public
        view
        returns (bytes32)
    {
        if (kind == VoteKind.Notarize) return VoteBytes.notarize(networkId, epoch_, view_, parent, payload);
        if (kind == VoteKind.Finalize) return VoteBytes.finalize(networkId, epoch_, view_, parent, payload);
        return VoteBytes.nullify(networkId, epoch_, view_);
    }

    /// @inheritdoc IValidators
    function epoch() public view returns (uint64) {
        return uint64(_epochs.length - 1); // one per call of endEpoch
    }

    /// @inheritdoc IValidators
    function epochAt(uint64 number) public view returns (Epoch memory) {
        require(number < _epochs.length, UnknownEpoch(number));
        return _epochs[number];
    }

    /// @inheritdoc IValidators
    function epochAtBlock(uint64 number) external view returns (uint64) {
        uint256 low; // begun by then, or 0
        uint256 high = _epochs.length; // not begun by then
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            if (_epochs[middle].startedBlock <= number) low = middle;
            else high = middle;
        }
        return uint64(low); // an index of `_epochs`
    }

    /// @inheritdoc IValidators
    function setOf(uint64 number) external view returns (Seat[] memory seats) {
        address[] memory operators = operatorsOf(number);
        seats = new Seat[](operators.length);
        for (uint256 i; i < seats.length; ++i) {
            Record storage record = _records[operators[i]];
            seats[i] =
                Seat(operators[i], Points.compress(record.keyX, record.keyY), record.networkKey, record.networkAddress);
        }
    }

    /// @inheritdoc IValidators
    function operatorsOf(uint64 number) public view returns (address[] memory) {
        return _sets[epochAt(number).set];
    }

    /// @inheritdoc IValidators
    function epochEnd() public view returns (uint256 untilBlock, uint256 untilTime) {
        Epoch storage present = _epochs[_epochs.length - 1];
        return (present.startedBlock + _epochBlocks, present.startedAt + _epochSeconds);
    }

    /// @inheritdoc IValidators
    function candidates() external view returns (Candidate[] memory list) {
        list = new Candidate[](_candidates.length);
        for (uint256 i; i < list.length; ++i) {
            address operator = _candidates[i];
            Record storage record = _records[operator];
            list[i] = Candidate(operator, record.bonded, _isEligible(operator, record), record.seated);
        }
    }

    /// @inheritdoc IValidators
    function validator(address operator) external view returns (Validator memory) {
        Record storage record = _record(operator);
        return Validator(
            Points.compress(record.keyX, record.keyY),
            record.networkKey,
            record.networkAddress,
            _net(record, record.bonded),
            _net(record, record.exiting),
            _net(record, _stakes[operator][operator].bonded),
            record.seated,
            record.place != 0,
            record.jailed,
            record.unseatedAt
        );
    }

    /// @inheritdoc IValidators
    function delegation(address operator, address delegator) external view returns (Delegation memory) {
        Record storage record = _record(operator);
        Stake storage staked = _stakes[operator][delegator];
        return Delegation(
            _net(record, staked.bonded), _net(record, staked.exiting), _claimableAt(operator, record, delegator, staked)
        );
    }

    /// @inheritdoc IValidators
    function operatorOf(bytes calldata consensusKey) external view returns (address) {
        return _consensusKeys[keccak256(consensusKey)];
    }

    /// @inheritdoc IValidators
    function isLiable(address operator) external view returns (bool) {
        Record storage record = _record(operator);
        return !record.jailed && _isLiable(record);
    }

    /// @inheritdoc IValidators
    function parameters() external view returns (Parameters memory) {
        // Each came from its own type in the constructor.
        return Parameters(
            uint32(_maxSeats),
            uint32(_maxCandidates),
            uint128(_minimumStake),
            uint128(_minimumOwnStake),
            uint64(_epochBlocks),
            uint64(_epochSeconds),
            uint64(_evidenceSeconds),
            uint64(_unbondingSeconds),
            uint32(_slashPpm),
            uint32(_rewardPpm)
        );
    }
}
