// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IWorkers} from "./interfaces/IWorkers.sol";

/// @title Workers
/// @notice See IWorkers. Holds the workers' stakes and no other money; nothing here slashes.
contract Workers is IWorkers {
    using SafeCast for uint256;

    uint32 public constant MAX_SLOTS = 1024;
    uint256 public constant MAX_HARDWARE = 64;
    uint256 public constant MAX_ENDPOINT = 256;
    uint256 public constant MAX_PAGE = 256;
    uint256 private constant LONGEST = 3650 days;

    /// @inheritdoc IWorkers
    address public immutable governance;
    /// @inheritdoc IWorkers
    uint64 public immutable unbondingSeconds;
    /// @inheritdoc IWorkers
    uint128 public stakePerSlot;

    mapping(address account => Worker) private _workers;
    address[] private _active;
    /// @dev Index in `_active` plus 1; 0 for who is not active.
    mapping(address account => uint256) private _place;

    /// @dev The timelock need not exist yet: nothing is asked of it here.
    constructor(address governance_, uint128 stakePerSlot_, uint64 unbondingSeconds_) {
        require(
            governance_ != address(0) && stakePerSlot_ != 0 && unbondingSeconds_ != 0 && unbondingSeconds_ <= LONGEST,
            InvalidParameter()
        );
        governance = governance_;
        stakePerSlot = stakePerSlot_;
        unbondingSeconds = unbondingSeconds_;
        emit StakePerSlotSet(stakePerSlot_);
    }

    /// @inheritdoc IWorkers
    function register(Info calldata info) external payable {
        Worker storage record = _workers[msg.sender];
        require(record.status == Status.None, WrongStatus(msg.sender, record.status));
        uint128 stake = msg.value.toUint128();
        _check(info, stake);
        record.status = Status.Active;
        record.stake = stake;
        record.since = uint64(block.timestamp);
        record.info = info;
        _enter(msg.sender);
        emit Registered(msg.sender, stake, info);
    }

    /// @inheritdoc IWorkers
    function update(Info calldata info) external payable {
        Worker storage record = _registered();
        if (msg.value != 0) _add(record);
        _check(info, record.stake);
        record.info = info;
        emit Updated(msg.sender, info);
    }

    /// @inheritdoc IWorkers
    function addStake() external payable {
        require(msg.value != 0, NothingSent());
        _add(_registered());
    }

    /// @inheritdoc IWorkers
    function setStatus(Status status) external {
        Worker storage record = _registered();
        require(
            status != record.status && (status == Status.Active || status == Status.Paused),
            WrongStatus(msg.sender, record.status)
        );
        record.status = status;
        if (status == Status.Active) _enter(msg.sender);
        else _exit(msg.sender);
        emit StatusSet(msg.sender, status);
    }

    /// @inheritdoc IWorkers
    function unregister() external {
        Worker storage record = _registered();
        if (record.status == Status.Active) _exit(msg.sender);
        uint64 withdrawableAt = uint64(block.timestamp + unbondingSeconds);
        record.status = Status.Leaving;
        record.withdrawableAt = withdrawableAt;
        emit Leaving(msg.sender, record.stake, withdrawableAt);
    }

    /// @inheritdoc IWorkers
    function withdraw() external {
        Worker storage record = _workers[msg.sender];
        require(record.status == Status.Leaving, WrongStatus(msg.sender, record.status));
        require(block.timestamp >= record.withdrawableAt, TooEarly(record.withdrawableAt));
        uint128 amount = record.stake;
        delete _workers[msg.sender];
        emit Withdrawn(msg.sender, amount);
        (bool sent,) = msg.sender.call{value: amount}("");
        require(sent, TransferRefused(msg.sender, amount));
    }

    /// @inheritdoc IWorkers
    function setStakePerSlot(uint128 amount) external {
        require(msg.sender == governance, NotGovernance(msg.sender));
        require(amount != 0, InvalidParameter());
        stakePerSlot = amount;
        emit StakePerSlotSet(amount);
    }

    // ---------------------------------------------------------------- shared

    /// @dev The caller's record, if it is registered and not leaving.
    function _registered() private view returns (Worker storage record) {
        record = _workers[msg.sender];
        require(
            record.status == Status.Active || record.status == Status.Paused, WrongStatus(msg.sender, record.status)
        );
    }

    function _add(Worker storage record) private {
        uint128 added = msg.value.toUint128();
        record.stake += added;
        emit StakeAdded(msg.sender, added, record.stake);
    }

    function _check(Info calldata info, uint128 stake) private view {
        require(info.slots != 0 && info.slots <= MAX_SLOTS, InvalidSlots(info.slots));
        uint256 needed = uint256(info.slots) * stakePerSlot;
        require(stake >= needed, StakeTooSmall(needed, stake));
        require(
            _isCapital(info.jurisdiction[0]) && _isCapital(info.jurisdiction[1]), InvalidJurisdiction(info.jurisdiction)
        );
        require(bytes(info.hardware).length <= MAX_HARDWARE, TextTooLong(bytes(info.hardware).length, MAX_HARDWARE));
        require(bytes(info.endpoint).length <= MAX_ENDPOINT, TextTooLong(bytes(info.endpoint).length, MAX_ENDPOINT));
    }

    function _isCapital(bytes1 letter) private pure returns (bool) {
        return letter >= "A" && letter <= "Z";
    }

    function _enter(address account) private {
        _active.push(account);
        _place[account] = _active.length;
    }

    function _exit(address account) private {
        uint256 place = _place[account];
        address moved = _active[_active.length - 1];
        _active[place - 1] = moved;
        _place[moved] = place;
        delete _place[account]; // after the line above: `moved` may be `account`
        _active.pop();
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IWorkers
    function worker(address account) external view returns (Worker memory) {
        return _workers[account];
    }

    /// @inheritdoc IWorkers
    function isActive(address account) external view returns (bool) {
        return _place[account] != 0;
    }

    /// @inheritdoc IWorkers
    function slotsOf(address account) external view returns (uint32) {
        return _place[account] == 0 ? 0 : _workers[account].info.slots;
    }

    /// @inheritdoc IWorkers
    function activeCount() external view returns (uint256) {
        return _active.length;
    }

    /// @inheritdoc IWorkers
    function active(uint256 first, uint256 limit) external view returns (address[] memory page) {
        require(limit <= MAX_PAGE, PageTooLarge(limit));
        uint256 count = _active.length;
        if (first >= count) return page;
        if (limit > count - first) limit = count - first;
        page = new address[](limit);
        for (uint256 i; i < limit; ++i) {
            page[i] = _active[first + i];
        }
    }
}
