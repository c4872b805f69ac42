// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AllowanceWorld} from "./Allowance.t.sol";

/// @notice Gas of a vote and of the allowance, kept in snapshots/governance.json: whole transactions.
/// forge-config: default.isolate = true
contract GovernanceGasTest is AllowanceWorld {
    function testAVote() public {
        Proposal memory p = call(address(governor), abi.encodeCall(governor.setVotingDelay, (61)));
        uint256 id = propose(p);
        vm.snapshotGasLastCall("governance", "propose");
        skip(1, VOTING_DELAY + 1);
        cast(voter, id, 1);
        vm.snapshotGasLastCall("governance", "castVote");
        skip(1, VOTING_PERIOD);
        queue(p);
        vm.snapshotGasLastCall("governance", "queue");
        skip(1, DELAY);
        execute(p);
        vm.snapshotGasLastCall("governance", "execute");
    }

    function testAGuardian() public {
        Proposal memory p = call(address(1), "");
        carry(p);
        bytes32 id = operation(p);
        vm.prank(guardian);
        timelock.cancel(id);
        vm.snapshotGasLastCall("governance", "cancel");
    }

    function testAnAllowance() public {
        allowance.refill(gateway);
        vm.snapshotGasLastCall("governance", "refill");
        serve(gateway, SESSION_KEY, BUDGET);
        skip(1, BUDGET_PERIOD);
        allowance.refill(gateway);
        vm.snapshotGasLastCall("governance", "refill_again");
    }

    /// @dev The most that `outstanding` walks through.
    function testTheLongestList() public {
        vm.startPrank(address(timelock));
        for (uint160 i = 1; i < allowance.MAX_GATEWAYS(); ++i) {
            allowance.setBudget(address(i), session, 1 ether, BUDGET_PERIOD);
        }
        vm.stopPrank();
        vm.deal(address(this), 1 ether);
        settlement.depositFor{value: 1 ether}(address(allowance));
        allowance.reclaim();
        vm.snapshotGasLastCall("governance", "reclaim_64_gateways");
    }
}
