// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {Timelock} from "../src/Timelock.sol";
import {ITimelock} from "../src/interfaces/ITimelock.sol";
import {GovernedWorld} from "./lib/GovernedWorld.sol";

contract TimelockTest is GovernedWorld {
    address private stranger = address(0x57A);
    address private next = address(0x64A2E);
    bytes32 private proposer;
    bytes32 private executor;
    bytes32 private canceller;
    bytes32 private admin;

    function setUp() public override {
        super.setUp();
        proposer = timelock.PROPOSER_ROLE();
        executor = timelock.EXECUTOR_ROLE();
        canceller = timelock.CANCELLER_ROLE();
        admin = timelock.DEFAULT_ADMIN_ROLE();
    }

    function gift(string memory why) private returns (Proposal memory) {
        vm.deal(address(timelock), 1 ether);
        return call(stranger, 1 ether, "", why);
    }

    function cancel(address who, Proposal memory p) private {
        bytes32 id = operation(p);
        vm.prank(who);
        timelock.cancel(id);
    }

    // ---------------------------------------------------------------- roles

    function testRolesOfGenesis() public view {
        vm.assertTrue(timelock.hasRole(proposer, address(governor)));
        vm.assertTrue(timelock.hasRole(executor, address(0)));
        vm.assertTrue(timelock.hasRole(canceller, guardian));
        vm.assertTrue(timelock.hasRole(admin, address(timelock)));
        vm.assertEq(timelock.guardian(), guardian);
        vm.assertEq(timelock.getMinDelay(), DELAY);
        vm.assertEq(timelock.leastDelay(), DELAY);
    }

    function testFuzzNobodyElseHasARole(address who) public view {
        vm.assertEq(timelock.hasRole(proposer, who), who == address(governor));
        vm.assertEq(timelock.hasRole(executor, who), who == address(0));
        vm.assertEq(timelock.hasRole(canceller, who), who == guardian);
        vm.assertEq(timelock.hasRole(admin, who), who == address(timelock));
    }

    function testFuzzOnlyTheGovernorSchedules(address who, uint256 delay) public {
        vm.assume(who != address(governor));
        vm.startPrank(who);
        vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, who, proposer));
        timelock.schedule(stranger, 0, "", 0, 0, delay);
        Proposal memory p = call(stranger, "");
        vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, who, proposer));
        timelock.scheduleBatch(p.targets, p.values, p.calldatas, 0, 0, delay);
    }

    function testFuzzNothingIsExecutedUnscheduled(address who, address target, bytes32 salt) public {
        Proposal memory p = call(target, "");
        vm.startPrank(who);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        timelock.execute(target, 0, "", 0, salt);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        timelock.executeBatch(p.targets, p.values, p.calldatas, 0, salt);
    }

    function testFuzzRolesAreTheTimelocksOwn(address who, bytes32 role) public {
        vm.assume(who != address(timelock));
        vm.startPrank(who);
        if (role != canceller) {
            vm.expectRevert(
                abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, who, admin)
            );
            timelock.grantRole(role, who);
        }
        vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, who, admin));
        timelock.revokeRole(role, guardian);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, who));
        timelock.setGuardian(who);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, who));
        timelock.updateDelay(DELAY);
    }

    // ---------------------------------------------------------------- guardian

    function testTheGuardianCancelsWhatWaits() public {
        Proposal memory p = gift("a gift that nobody noticed in time");
        uint256 id = carry(p);
        cancel(guardian, p);
        expectState(id, IGovernor.ProposalState.Canceled);
        skip(1, DELAY);
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        execute(p);
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        queue(p);
        vm.assertEq(stranger.balance, 0);
    }

    function testTheGuardianCancelsEvenWhatIsReady() public {
        Proposal memory p = gift("ripe");
        carry(p);
        skip(1, DELAY + 1 days);
        cancel(guardian, p);
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        execute(p);
    }

    function testTheGuardianCannotCancelWhatDoesNotWait() public {
        Proposal memory p = gift("not yet, not any more");
        proposeAndOpen(p);
        bytes32 id = operation(p);
        vm.prank(guardian);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        timelock.cancel(id);
        cast(voter, governor.hashProposal(p.targets, p.values, p.calldatas, hash(p)), 1);
        skip(1, VOTING_PERIOD);
        queue(p);
        skip(1, DELAY);
        execute(p);
        vm.prank(guardian);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        timelock.cancel(id);
    }

    function testFuzzNobodyElseCancels(address who) public {
        vm.assume(who != guardian);
        Proposal memory p = gift("to stay");
        carry(p);
        bytes32 id = operation(p);
        vm.prank(who);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, who, canceller)
        );
        timelock.cancel(id);
    }

    function testTheGuardianCannotStopItsReplacement() public {
        Proposal memory p = call(address(timelock), abi.encodeCall(timelock.setGuardian, (next)));
        carry(p);
        bytes32 id = operation(p);
        vm.assertTrue(timelock.isProtected(id));
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(ITimelock.NotCancellable.selector, id));
        timelock.cancel(id);
        skip(1, DELAY);
        vm.expectEmit(true, true, true, true, address(timelock));
        emit ITimelock.GuardianSet(next, guardian);
        execute(p);
        vm.assertEq(timelock.guardian(), next);
        vm.assertTrue(timelock.hasRole(canceller, next));
        vm.assertFalse(timelock.hasRole(canceller, guardian));

        Proposal memory other = gift("after the change");
        carry(other);
        bytes32 waiting = operation(other);
        vm.prank(guardian);
        vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
        timelock.cancel(waiting);
        vm.prank(next);
        timelock.cancel(waiting);
    }

    function testNothingElseHidesBehindAReplacement() public {
        // A second call, or another target with the same bytes, can be cancelled.
        Proposal memory p;
        (p.targets, p.values, p.calldatas) = (new address[](2), new uint256[](2), new bytes[](2));
        (p.targets[0], p.targets[1]) = (address(timelock), stranger);
        p.calldatas[0] = abi.encodeCall(timelock.setGuardian, (next));
        p.description = "a new guardian, and a little thing";
        carry(p);
        vm.assertFalse(timelock.isProtected(operation(p)));
        cancel(guardian, p);

        Proposal memory q = call(stranger, p.calldatas[0]);
        carry(q);
        cancel(guardian, q);

        Proposal memory r = call(address(timelock), abi.encodeCall(timelock.updateDelay, (DELAY + 1)));
        carry(r);
        cancel(guardian, r);
    }

    function testASingleScheduledReplacementIsProtectedToo() public {
        bytes memory data = abi.encodeCall(timelock.setGuardian, (next));
        vm.startPrank(address(governor));
        timelock.schedule(address(timelock), 0, data, 0, 0, DELAY);
        timelock.schedule(stranger, 0, data, 0, 0, DELAY);
        vm.stopPrank();
        bytes32 id = timelock.hashOperation(address(timelock), 0, data, 0, 0);
        vm.assertTrue(timelock.isProtected(id));
        vm.assertFalse(timelock.isProtected(timelock.hashOperation(stranger, 0, data, 0, 0)));
        skip(1, DELAY);
        timelock.execute(address(timelock), 0, data, 0, 0);
        vm.assertEq(timelock.guardian(), next);
    }

    function testTheSeatMayBeEmpty() public {
        enact(call(address(timelock), abi.encodeCall(timelock.setGuardian, (address(0)))));
        vm.assertEq(timelock.guardian(), address(0));
        vm.assertFalse(timelock.hasRole(canceller, guardian));
        vm.assertFalse(timelock.hasRole(canceller, address(0)));
        enact(call(address(timelock), 0, abi.encodeCall(timelock.setGuardian, (next)), "and taken again"));
        vm.assertTrue(timelock.hasRole(canceller, next));
    }

    function testTheGuardianMayLeave() public {
        vm.prank(guardian);
        timelock.renounceRole(canceller, guardian);
        vm.assertEq(timelock.guardian(), address(0));
        vm.prank(guardian);
        timelock.renounceRole(canceller, guardian); // has no effect
        vm.assertFalse(timelock.hasRole(canceller, guardian));
    }

    function testOneGuardianOnly() public {
        Proposal memory p = call(address(timelock), abi.encodeCall(timelock.grantRole, (canceller, next)));
        carry(p);
        skip(1, DELAY);
        vm.expectRevert(ITimelock.OneGuardian.selector);
        execute(p);
    }

    function testAVoteMayMoveToAnotherGovernor() public {
        enact(call(address(timelock), abi.encodeCall(timelock.grantRole, (proposer, next))));
        vm.assertTrue(timelock.hasRole(proposer, next));
        enact(call(address(timelock), abi.encodeCall(timelock.revokeRole, (proposer, address(governor)))));
        vm.assertFalse(timelock.hasRole(proposer, address(governor)));
        vm.assertEq(timelock.guardian(), guardian);
    }

    // ---------------------------------------------------------------- delay

    function testTheDelayStaysWithinItsBounds() public {
        enact(call(address(timelock), abi.encodeCall(timelock.updateDelay, (DELAY + 5))));
        vm.assertEq(timelock.getMinDelay(), DELAY + 5);
        Proposal memory p = call(address(timelock), abi.encodeCall(timelock.updateDelay, (DELAY - 1)));
        carry(p);
        skip(1, DELAY + 5);
        vm.expectRevert(abi.encodeWithSelector(ITimelock.DelayOutOfRange.selector, DELAY - 1, DELAY, 30 days));
        execute(p);
        Proposal memory q = call(address(timelock), abi.encodeCall(timelock.updateDelay, (30 days + 1)));
        carry(q);
        skip(1, DELAY + 5);
        vm.expectRevert(abi.encodeWithSelector(ITimelock.DelayOutOfRange.selector, 30 days + 1, DELAY, 30 days));
        execute(q);
    }

    function testConstructorsRefuse() public {
        vm.expectRevert(abi.encodeWithSelector(ITimelock.DelayOutOfRange.selector, 0, 1, 30 days));
        new Timelock(0, address(governor), guardian);
        vm.expectRevert(abi.encodeWithSelector(ITimelock.DelayOutOfRange.selector, 31 days, 1, 30 days));
        new Timelock(31 days, address(governor), guardian);
        vm.expectRevert(ITimelock.NoGovernor.selector);
        new Timelock(1, address(0), guardian);
        vm.assertEq(new Timelock(1, address(governor), address(0)).guardian(), address(0));
    }

    // ---------------------------------------------------------------- treasury, registrar

    function testTheTreasuryIsPaidWithLittleGas() public {
        vm.deal(stranger, 2 ether);
        vm.startPrank(stranger);
        (bool ok,) = address(timelock).call{value: 1 ether, gas: 30_000}("");
        vm.assertTrue(ok);
        uint256 before = gasleft();
        (ok,) = address(timelock).call{value: 1 ether, gas: 30_000}("");
        vm.assertLt(before - gasleft(), 30_000);
        vm.assertEq(address(timelock).balance, 2 ether);
    }

    function testTheTreasuryIsPushedItsCredits() public {
        fund(10 ether, 10 ether);
        uint64 batch = settle(plainRow(1 ether));
        uint256 due = settlement.pendingOf(batch, address(timelock));
        closeWindow();
        settlement.push(batch, only(address(timelock)));
        vm.assertEq(address(timelock).balance, due);
        vm.assertEq(settlement.claimable(address(timelock)), 0);
    }

    function testTheRegistrarRegistersByVote() public {
        Proposal memory p =
            call(address(datanets), abi.encodeCall(datanets.registerCommons, (net, keccak256("the law"), 1, 1000)));
        vm.prank(stranger);
        vm.expectRevert();
        datanets.registerCommons(net, keccak256("the law"), 1, 1000);
        uint64 before = datanets.contributionCount();
        enact(p);
        vm.assertEq(datanets.contributionCount(), before + 1);
        vm.assertEq(datanets.contribution(before + 1).payee, address(timelock));
    }
}
