// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {ITimelock} from "./interfaces/ITimelock.sol";

/// @title Timelock
/// @notice See ITimelock. Roles: the governor proposes, the guardian cancels, anybody executes, this contract administers.
contract Timelock is ITimelock, TimelockController {
    /// @notice Longest delay in seconds: a mistaken vote must not put every later one out of reach.
    uint256 public constant MOST_DELAY = 30 days;

    /// @inheritdoc ITimelock
    uint256 public immutable leastDelay;

    /// @inheritdoc ITimelock
    address public guardian;
    /// @inheritdoc ITimelock
    mapping(bytes32 operation => bool) public isProtected;

    constructor(uint256 minDelay, address governor, address guardian_)
        TimelockController(minDelay, new address[](0), new address[](0), address(0))
    {
        require(minDelay != 0 && minDelay <= MOST_DELAY, DelayOutOfRange(minDelay, 1, MOST_DELAY));
        require(governor != address(0), NoGovernor());
        leastDelay = minDelay;
        _grantRole(PROPOSER_ROLE, governor);
        _grantRole(EXECUTOR_ROLE, address(0)); // anybody
        _seat(guardian_);
    }

    // ---------------------------------------------------------------- guardian

    /// @inheritdoc ITimelock
    function setGuardian(address next) external {
        require(msg.sender == address(this), TimelockUnauthorizedCaller(msg.sender));
        _seat(next);
    }

    /// @notice Cancels what waits; by the guardian. Its own replacement goes on.
    function cancel(bytes32 id) public override {
        require(!isProtected[id], NotCancellable(id));
        super.cancel(id);
    }

    /// @notice Grants a role other than CANCELLER_ROLE; by this contract.
    function grantRole(bytes32 role, address account) public override {
        require(role != CANCELLER_ROLE, OneGuardian());
        super.grantRole(role, account);
    }

    function _seat(address next) private {
        address previous = guardian;
        _revokeRole(CANCELLER_ROLE, previous);
        guardian = next;
        if (next != address(0)) _grantRole(CANCELLER_ROLE, next);
        emit GuardianSet(next, previous);
    }

    /// @dev Only the guardian ever holds CANCELLER_ROLE: without the role (it may renounce it) the seat is empty.
    function _revokeRole(bytes32 role, address account) internal override returns (bool revoked) {
        revoked = super._revokeRole(role, account);
        if (revoked && role == CANCELLER_ROLE) guardian = address(0);
    }

    // ---------------------------------------------------------------- schedule, delay

    /// @notice Schedules one call; by the governor.
    function schedule(
        address target,
        uint256 value,
        bytes calldata data,
        bytes32 predecessor,
        bytes32 salt,
        uint256 delay
    ) public override {
        super.schedule(target, value, data, predecessor, salt, delay);
        if (_replacesGuardian(target, data)) isProtected[hashOperation(target, value, data, predecessor, salt)] = true;
    }

    /// @notice Schedules calls; by the governor.
    function scheduleBatch(
        address[] calldata targets,
        uint256[] calldata values,
        bytes[] calldata payloads,
        bytes32 predecessor,
        bytes32 salt,
        uint256 delay
    ) public override {
        super.scheduleBatch(targets, values, payloads, predecessor, salt, delay);
        if (targets.length == 1 && _replacesGuardian(targets[0], payloads[0])) {
            isProtected[hashOperationBatch(targets, values, payloads, predecessor, salt)] = true;
        }
    }

    /// @notice Changes the delay of later operations, within bounds; by this contract.
    function updateDelay(uint256 newDelay) public override {
        super.updateDelay(newDelay);
        require(newDelay >= leastDelay && newDelay <= MOST_DELAY, DelayOutOfRange(newDelay, leastDelay, MOST_DELAY));
    }

    function _replacesGuardian(address target, bytes calldata data) private view returns (bool) {
        return target == address(this) && bytes4(data) == this.setGuardian.selector;
    }
}
