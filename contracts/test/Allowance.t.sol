// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Allowance} from "../src/Allowance.sol";
import {IAllowance} from "../src/interfaces/IAllowance.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Batches} from "./lib/Batches.sol";
import {Refuser} from "./lib/Doubles.sol";
import {GovernedWorld} from "./lib/GovernedWorld.sol";

/// @notice Gateways that serve from the commons' allowance.
abstract contract AllowanceWorld is GovernedWorld {
    uint256 internal constant SESSION_KEY = 0x5E55;
    address internal session = vm.addr(SESSION_KEY);
    uint128 internal constant BUDGET = 5 ether;
    uint64 internal constant BUDGET_PERIOD = 1 days;

    function setUp() public virtual override {
        super.setUp();
        fund(1 ether, 500 ether);
        // Given, not dealt: forge takes back what was dealt when a step of an invariant reverts.
        vm.deal(address(this), 100 ether);
        give(address(allowance), 100 ether);
        vm.prank(address(timelock));
        allowance.setBudget(gateway, session, BUDGET, BUDGET_PERIOD);
        ISettlement.Row[] memory rows = new ISettlement.Row[](1);
        rows[0] = plainRow(1);
        tables = Batches.tables(rows);
    }

    /// @dev What plain rows name.
    ISettlement.Tables internal tables;

    function tabFor(address from, uint256 key, address to, uint128 fee)
        internal
        view
        returns (ISettlement.Tab[] memory tabs)
    {
        tabs = new ISettlement.Tab[](1);
        tabs[0].payer = from;
        ISettlement.Row[] memory rows = new ISettlement.Row[](1);
        rows[0] = plainRow(fee);
        tabs[0].count = 1;
        tabs[0].rows = Batches.pack(Batches.tables(rows), rows);
        tabs[0].total = settlement.spent(from, to) + fee;
        tabs[0].signature = sign(key, settlement.voucherDigest(from, to, tabs[0].total, 0));
    }

    /// @dev `to` settles a free answer of `fee`.
    function serve(address to, uint256 key, uint128 fee) internal returns (uint64) {
        ISettlement.Tab[] memory tabs = tabFor(address(allowance), key, to, fee);
        vm.prank(to);
        return settlement.settle(tables, tabs);
    }

    function capOf(address key) internal view returns (uint128) {
        return settlement.limitOf(address(allowance), gateway, key).cap;
    }

    function deposited() internal view returns (uint128) {
        return settlement.depositOf(address(allowance));
    }
}

contract AllowanceTest is AllowanceWorld {
    address private stranger = address(0x57A);
    address private other = address(0x6A7F);
    uint256 private constant OTHER_KEY = 0x5E56;

    // ---------------------------------------------------------------- a budget by vote

    function testFromTheTreasuryToAnAnswer() public {
        Allowance fresh = new Allowance(settlement, address(timelock));
        vm.deal(address(timelock), 40 ether);
        Proposal memory p;
        (p.targets, p.values, p.calldatas) = (new address[](2), new uint256[](2), new bytes[](2));
        (p.targets[0], p.targets[1]) = (address(fresh), address(fresh));
        p.values[0] = 40 ether;
        p.calldatas[1] = abi.encodeCall(fresh.setBudget, (gateway, session, 2 ether, 1 days));
        p.description = "Free answers for everybody";
        enact(p);
        vm.assertEq(address(fresh).balance, 40 ether);

        vm.prank(stranger);
        vm.assertEq(fresh.refill(gateway), 2 ether);
        vm.assertEq(settlement.depositOf(address(fresh)), 2 ether);
        ISettlement.Tab[] memory tabs = tabFor(address(fresh), SESSION_KEY, gateway, 1.5 ether);
        vm.prank(gateway);
        uint64 batch = settlement.settle(tables, tabs);
        vm.assertEq(settlement.depositOf(address(fresh)), 0.5 ether);
        vm.assertEq(fresh.outstandingOf(gateway), 0.5 ether);
        vm.assertEq(settlement.pendingOf(batch, worker), 0.3 ether);
    }

    function testBudgetsAreGovernances() public view {
        vm.assertEq(allowance.governance(), address(timelock));
        vm.assertEq(address(allowance.settlement()), address(settlement));
        IAllowance.Budget memory budget = allowance.budgetOf(gateway);
        vm.assertEq(budget.sessionKey, session);
        vm.assertEq(budget.perPeriod, BUDGET);
        vm.assertEq(budget.period, BUDGET_PERIOD);
        vm.assertEq(budget.since, block.timestamp);
        vm.assertEq(budget.granted, 0);
        vm.assertEq(allowance.gateways().length, 1);
        vm.assertEq(allowance.gateways()[0], gateway);
    }

    function testFuzzNobodyElseGoverns(address who) public {
        vm.assume(who != address(timelock));
        vm.startPrank(who);
        vm.expectRevert(abi.encodeWithSelector(IAllowance.NotGovernance.selector, who));
        allowance.setBudget(who, who, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IAllowance.NotGovernance.selector, who));
        allowance.revoke(gateway);
        vm.expectRevert(abi.encodeWithSelector(IAllowance.NotGovernance.selector, who));
        allowance.defund(1);
    }

    function testInvalidBudgets() public {
        vm.startPrank(address(timelock));
        vm.expectRevert(IAllowance.InvalidBudget.selector);
        allowance.setBudget(address(0), session, 1, 1);
        vm.expectRevert(IAllowance.InvalidBudget.selector);
        allowance.setBudget(gateway, address(0), 1, 1);
        vm.expectRevert(IAllowance.InvalidBudget.selector);
        allowance.setBudget(gateway, session, 0, 1);
        vm.expectRevert(IAllowance.InvalidBudget.selector);
        allowance.setBudget(gateway, session, 1, 0);
        vm.expectRevert(IAllowance.InvalidBudget.selector);
        allowance.setBudget(gateway, session, 1, (1 << 40) + 1);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IAllowance.NotGovernance.selector, address(0)));
        new Allowance(settlement, address(0));
    }

    function testTheListIsBounded() public {
        vm.startPrank(address(timelock));
        for (uint160 i = 1; i < allowance.MAX_GATEWAYS(); ++i) {
            allowance.setBudget(address(i), session, 1, 1);
        }
        vm.expectRevert(abi.encodeWithSelector(IAllowance.TooManyGateways.selector, 64));
        allowance.setBudget(stranger, session, 1, 1);
        allowance.setBudget(gateway, session, 2, 1); // who is on the list stays changeable
        vm.stopPrank();
        vm.assertEq(allowance.outstanding(), 0);
    }

    // ---------------------------------------------------------------- refill

    function testRefillRaisesCapAndDepositAlike() public {
        vm.assertEq(allowance.refillable(gateway), BUDGET);
        vm.expectEmit(true, true, true, true, address(allowance));
        emit IAllowance.Refilled(gateway, BUDGET, BUDGET);
        allowance.refill(gateway);
        vm.assertEq(capOf(session), BUDGET);
        vm.assertEq(deposited(), BUDGET);
        vm.assertEq(allowance.outstandingOf(gateway), BUDGET);
        vm.expectRevert(IAllowance.NothingToDo.selector);
        allowance.refill(gateway);
    }

    function testOneBudgetInOnePeriod() public {
        allowance.refill(gateway);
        serve(gateway, SESSION_KEY, 3 ether);
        vm.expectRevert(IAllowance.NothingToDo.selector);
        allowance.refill(gateway);
        skip(1, BUDGET_PERIOD - 1);
        vm.expectRevert(IAllowance.NothingToDo.selector);
        allowance.refill(gateway);
        skip(1, 1);
        vm.assertEq(allowance.refill(gateway), 3 ether);
        vm.assertEq(allowance.outstandingOf(gateway), BUDGET);
        // What was left of the budget may follow when more has been spent, in the same period.
        serve(gateway, SESSION_KEY, 4 ether);
        vm.assertEq(allowance.refill(gateway), 2 ether);
        vm.assertEq(allowance.outstandingOf(gateway), 3 ether);
        vm.assertEq(allowance.budgetOf(gateway).granted, BUDGET);
    }

    function testAnEarlyRefillTakesNothingAway() public {
        // A stranger refills at the first second of a period, before the gateway has settled: the budget is not lost.
        allowance.refill(gateway);
        skip(1, BUDGET_PERIOD);
        vm.expectRevert(IAllowance.NothingToDo.selector);
        allowance.refill(gateway);
        serve(gateway, SESSION_KEY, 5 ether);
        vm.assertEq(allowance.refill(gateway), BUDGET);
    }

    function testNothingAccumulates() public {
        allowance.refill(gateway);
        skip(1, 30 * uint256(BUDGET_PERIOD) + 7);
        vm.assertEq(allowance.refillable(gateway), 0);
        serve(gateway, SESSION_KEY, 1 ether);
        vm.assertEq(allowance.refill(gateway), 1 ether);
        vm.assertEq(allowance.budgetOf(gateway).since, block.timestamp - 7);
        vm.assertEq(allowance.outstandingOf(gateway), BUDGET);
    }

    function testTheSessionKeySpendsNoMoreThanItsCap() public {
        allowance.refill(gateway);
        ISettlement.Tab[] memory tabs = tabFor(address(allowance), SESSION_KEY, gateway, BUDGET + 1);
        vm.prank(gateway);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.VoucherInvalid.selector, address(allowance), session, BUDGET + 1, BUDGET)
        );
        settlement.settle(tables, tabs);
        // Nor does it sign for another gateway.
        tabs = tabFor(address(allowance), SESSION_KEY, other, 1);
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.VoucherInvalid.selector, address(allowance), session, 1, 0));
        settlement.settle(tables, tabs);
    }

    function testAnEmptyFundRefillsWhatItHas() public {
        vm.prank(address(timelock));
        allowance.defund(98 ether);
        vm.assertEq(address(timelock).balance, 98 ether);
        vm.assertEq(allowance.refill(gateway), 2 ether);
        vm.expectRevert(IAllowance.NothingToDo.selector);
        allowance.refill(gateway);
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        vm.expectEmit(true, true, true, true, address(allowance));
        emit IAllowance.Funded(stranger, 1 ether);
        (bool ok,) = address(allowance).call{value: 1 ether}("");
        vm.assertTrue(ok);
        vm.assertEq(allowance.refill(gateway), 1 ether);
    }

    function testNoBudgetNoRefill() public {
        vm.expectRevert(abi.encodeWithSelector(IAllowance.NoBudget.selector, other));
        allowance.refill(other);
        vm.assertEq(allowance.refillable(other), 0);
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(IAllowance.NoBudget.selector, other));
        allowance.setSessionKey(session);
        vm.expectRevert(abi.encodeWithSelector(IAllowance.NoBudget.selector, other));
        allowance.forget(other);
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(IAllowance.NoBudget.selector, other));
        allowance.revoke(other);
    }

    function testALowerBudgetTakesNothingBack() public {
        allowance.refill(gateway);
        vm.prank(address(timelock));
        allowance.setBudget(gateway, session, 2 ether, BUDGET_PERIOD);
        vm.assertEq(allowance.outstandingOf(gateway), BUDGET);
        vm.assertEq(allowance.refillable(gateway), 0);
        serve(gateway, SESSION_KEY, 4 ether);
        vm.assertEq(allowance.refill(gateway), 1 ether);
        vm.assertEq(allowance.outstandingOf(gateway), 2 ether);
    }

    function testFuzzSpendingIsBounded(uint256 seed, uint8 periods) public {
        periods = uint8(bound(periods, 1, 12));
        uint256 spent;
        vm.deal(address(allowance), 1000 ether);
        for (uint256 i; i < periods; ++i) {
            for (uint256 j; j < 4; ++j) {
                seed = uint256(keccak256(abi.encode(seed)));
                if (allowance.refillable(gateway) != 0) allowance.refill(gateway);
                uint128 left = allowance.outstandingOf(gateway);
                vm.assertLe(left, BUDGET);
                uint128 fee = uint128(bound(seed, 0, left));
                if (seed % 3 == 0) fee = left;
                if (fee != 0) serve(gateway, SESSION_KEY, fee);
                spent += fee;
                skip(1, BUDGET_PERIOD / 4);
            }
        }
        vm.assertLe(spent, (uint256(periods) + 1) * BUDGET);
        vm.assertEq(spent, settlement.spent(address(allowance), gateway));
        vm.assertEq(uint256(deposited()), allowance.outstanding());
    }

    // ---------------------------------------------------------------- session keys

    function testAGatewayChangesItsKey() public {
        allowance.refill(gateway);
        serve(gateway, SESSION_KEY, 1 ether);
        vm.prank(gateway);
        vm.expectEmit(true, true, true, true, address(allowance));
        emit IAllowance.SessionKeySet(gateway, vm.addr(OTHER_KEY), session);
        allowance.setSessionKey(vm.addr(OTHER_KEY));
        vm.assertEq(capOf(vm.addr(OTHER_KEY)), BUDGET);
        vm.assertEq(allowance.outstanding(), 4 ether);
        // Both sign while the notice runs, and together no more than the one could.
        serve(gateway, SESSION_KEY, 1 ether);
        serve(gateway, OTHER_KEY, 3 ether);
        ISettlement.Tab[] memory tabs = tabFor(address(allowance), SESSION_KEY, gateway, 1);
        vm.prank(gateway);
        vm.expectPartialRevert(ISettlement.VoucherInvalid.selector);
        settlement.settle(tables, tabs);
        skip(1, BUDGET_PERIOD);
        allowance.refill(gateway);
        vm.assertEq(capOf(session), 0);
        serve(gateway, OTHER_KEY, BUDGET);
    }

    function testAChangeOfKeyChecks() public {
        vm.startPrank(gateway);
        vm.expectRevert(IAllowance.NothingToDo.selector);
        allowance.setSessionKey(session);
        vm.expectRevert(IAllowance.NothingToDo.selector);
        allowance.setSessionKey(address(0));
        allowance.setSessionKey(vm.addr(OTHER_KEY));
        allowance.setSessionKey(session); // and back at once
        vm.stopPrank();
        allowance.refill(gateway);
        serve(gateway, SESSION_KEY, BUDGET);
    }

    function testAVoteChangesTheKeyToo() public {
        allowance.refill(gateway);
        vm.prank(address(timelock));
        allowance.setBudget(gateway, vm.addr(OTHER_KEY), BUDGET, BUDGET_PERIOD);
        serve(gateway, OTHER_KEY, BUDGET);
        vm.assertEq(allowance.refill(gateway), BUDGET);
        vm.assertEq(allowance.gateways().length, 1);
    }

    // ---------------------------------------------------------------- revocation, the way back

    function testRevokedAfterTheNotice() public {
        allowance.refill(gateway);
        vm.prank(address(timelock));
        allowance.revoke(gateway);
        vm.expectRevert(abi.encodeWithSelector(IAllowance.NoBudget.selector, gateway));
        allowance.refill(gateway);
        vm.prank(gateway);
        vm.expectRevert(abi.encodeWithSelector(IAllowance.NoBudget.selector, gateway));
        allowance.setSessionKey(address(1));
        // What it served before still settles.
        serve(gateway, SESSION_KEY, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(IAllowance.StillSpending.selector, gateway, 3 ether));
        allowance.forget(gateway);
        vm.expectRevert(IAllowance.NothingToDo.selector);
        allowance.reclaim();

        skip(1, NOTICE);
        ISettlement.Tab[] memory tabs = tabFor(address(allowance), SESSION_KEY, gateway, 1);
        vm.prank(gateway);
        vm.expectPartialRevert(ISettlement.VoucherInvalid.selector);
        settlement.settle(tables, tabs);
        vm.assertEq(allowance.reclaim(), 3 ether);
        vm.expectRevert(
            abi.encodeWithSelector(IAllowance.ReclaimRunning.selector, 3 ether, uint64(block.timestamp + NOTICE))
        );
        allowance.reclaim();
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoticeRunning.selector, block.timestamp + NOTICE));
        allowance.collect();
        skip(1, NOTICE);
        vm.expectEmit(true, true, true, true, address(allowance));
        emit IAllowance.Returned(3 ether);
        allowance.collect();
        vm.assertEq(address(timelock).balance, 3 ether);
        vm.assertEq(deposited(), 0);
        allowance.forget(gateway);
        vm.assertEq(allowance.gateways().length, 0);
        vm.assertEq(allowance.budgetOf(gateway).sessionKey, address(0));
        vm.expectRevert(ISettlement.NothingToDo.selector);
        allowance.collect();
    }

    function testTheWayBackTakesNothingFromOthers() public {
        vm.prank(address(timelock));
        allowance.setBudget(other, vm.addr(OTHER_KEY), 7 ether, BUDGET_PERIOD);
        allowance.refill(gateway);
        allowance.refill(other);
        vm.prank(address(timelock));
        allowance.revoke(gateway);
        skip(1, NOTICE);
        allowance.reclaim();
        skip(1, NOTICE);
        allowance.collect();
        vm.assertEq(deposited(), 7 ether);
        vm.assertEq(allowance.outstandingOf(other), 7 ether);
        vm.deal(other, 50 ether);
        vm.prank(other);
        settlement.bond{value: 50 ether}();
        serve(other, OTHER_KEY, 7 ether);
        vm.assertEq(settlement.bondOf(other), 50 ether); // no shortfall
    }

    function testARenewedBudgetCountsFromWhatWasSpent() public {
        allowance.refill(gateway);
        serve(gateway, SESSION_KEY, 2 ether);
        vm.prank(address(timelock));
        allowance.revoke(gateway);
        skip(1, NOTICE);
        vm.prank(address(timelock));
        allowance.setBudget(gateway, session, 1 ether, BUDGET_PERIOD);
        vm.assertEq(allowance.refill(gateway), 1 ether);
        vm.assertEq(capOf(session), 3 ether);
        serve(gateway, SESSION_KEY, 1 ether);
        vm.assertEq(allowance.outstanding(), 0);
        vm.assertEq(allowance.reclaim(), 3 ether);
    }

    function testABudgetRenewedInTimeKeepsItsCap() public {
        allowance.refill(gateway);
        vm.startPrank(address(timelock));
        allowance.revoke(gateway);
        allowance.setBudget(gateway, session, 6 ether, BUDGET_PERIOD);
        vm.stopPrank();
        vm.assertEq(allowance.refill(gateway), 1 ether);
        skip(1, NOTICE);
        vm.assertEq(capOf(session), 6 ether);
        vm.assertEq(allowance.outstanding(), 6 ether);
    }

    function testGiftsToTheDepositCanBeReclaimed() public {
        allowance.refill(gateway);
        vm.deal(stranger, 2 ether);
        vm.prank(stranger);
        settlement.depositFor{value: 2 ether}(address(allowance));
        vm.assertEq(allowance.reclaim(), 2 ether);
        serve(gateway, SESSION_KEY, BUDGET);
        skip(1, NOTICE);
        vm.assertEq(allowance.collect(), 2 ether);
    }

    function testDefundChecks() public {
        vm.startPrank(address(timelock));
        vm.expectRevert(IAllowance.NothingToDo.selector);
        allowance.defund(0);
        vm.expectRevert(abi.encodeWithSelector(IAllowance.TransferRefused.selector, 101 ether));
        allowance.defund(101 ether);
        allowance.defund(100 ether);
        vm.assertEq(address(timelock).balance, 100 ether);
    }

    function testATreasuryThatRefuses() public {
        Refuser refuser = new Refuser();
        Allowance fresh = new Allowance(settlement, address(refuser));
        vm.deal(address(fresh), 1 ether);
        vm.prank(address(refuser));
        vm.expectRevert(abi.encodeWithSelector(IAllowance.TransferRefused.selector, 1 ether));
        fresh.defund(1 ether);
    }
}
