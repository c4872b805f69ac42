// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Timelock} from "../../src/Timelock.sol";
import {Test} from "../lib/Vm.sol";

/// @notice Proofs about the real Timelock, for all callers and arguments.
contract TimelockProof is Test {
    Timelock private timelock;
    address private constant GOVERNOR = address(0x60);
    address private constant GUARDIAN = address(0x64);

    function setUp() public {
        timelock = new Timelock(1000, GOVERNOR, GUARDIAN);
    }

    function check_onlyTheGovernorSchedules(address caller, address target, uint256 value, bytes32 salt, uint256 delay)
        public
    {
        vm.assume(caller != GOVERNOR);
        vm.prank(caller);
        (bool ok,) =
            address(timelock).call(abi.encodeCall(Timelock.schedule, (target, value, "", 0, salt, delay)));
        assert(!ok);
    }

    /// @dev Whatever the governor schedules waits at least the least delay.
    function check_nothingWaitsLess(address target, uint256 value, bytes32 salt, uint256 delay, uint64 later) public {
        vm.prank(GOVERNOR);
        (bool ok,) =
            address(timelock).call(abi.encodeCall(Timelock.schedule, (target, value, "", 0, salt, delay)));
        vm.assume(ok);
        bytes32 id = timelock.hashOperation(target, value, "", 0, salt);
        vm.assume(later < 1000);
        vm.warp(block.timestamp + later);
        assert(!timelock.isOperationReady(id));
    }

    /// @dev Nobody gives or takes a role, sets the guardian or the delay by calling.
    function check_rolesAreItsOwn(address caller, bytes32 role, address account, uint256 delay) public {
        vm.assume(caller != address(timelock));
        vm.startPrank(caller);
        (bool ok,) = address(timelock).call(abi.encodeWithSignature("grantRole(bytes32,address)", role, account));
        assert(!ok);
        (ok,) = address(timelock).call(abi.encodeWithSignature("revokeRole(bytes32,address)", role, account));
        assert(!ok);
        (ok,) = address(timelock).call(abi.encodeCall(Timelock.setGuardian, (account)));
        assert(!ok);
        (ok,) = address(timelock).call(abi.encodeCall(Timelock.updateDelay, (delay)));
        assert(!ok);
        vm.stopPrank();
        assert(timelock.getMinDelay() == 1000 && timelock.guardian() == GUARDIAN);
    }

    /// @dev Only the guardian cancels, and never its own replacement.
    function check_theGuardianIsABrake(address caller, bytes32 salt, address next) public {
        bytes memory data = abi.encodeCall(Timelock.setGuardian, (next));
        vm.startPrank(GOVERNOR);
        timelock.schedule(address(timelock), 0, data, 0, salt, 1000);
        timelock.schedule(address(1), 0, data, 0, salt, 1000);
        vm.stopPrank();
        bytes32 replacement = timelock.hashOperation(address(timelock), 0, data, 0, salt);
        bytes32 other = timelock.hashOperation(address(1), 0, data, 0, salt);
        vm.startPrank(caller);
        (bool ok,) = address(timelock).call(abi.encodeCall(Timelock.cancel, (replacement)));
        assert(!ok);
        (ok,) = address(timelock).call(abi.encodeCall(Timelock.cancel, (other)));
        assert(ok == (caller == GUARDIAN));
    }
}
