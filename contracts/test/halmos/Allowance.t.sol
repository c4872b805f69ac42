// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Allowance} from "../../src/Allowance.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Test} from "../lib/Vm.sol";

/// @notice What Allowance asks of Settlement, for one gateway and one key, with any state.
contract AnySettlement {
    uint128 public cap;
    uint128 private _spent;

    function set(uint128 spent_, uint128 cap_) external {
        (_spent, cap) = (spent_, cap_);
    }

    function spent(address, address) external view returns (uint128) {
        return _spent;
    }

    function limitOf(address, address, address) external view returns (ISettlement.Limit memory) {
        return ISettlement.Limit(cap, 0, 0);
    }

    function setLimit(address, address, uint128 cap_) external {
        cap = cap_;
    }

    function depositFor(address) external payable {}
}

/// @notice Proofs about the real Allowance, for all budgets, balances, times and states of Settlement.
contract AllowanceProof is Test {
    AnySettlement private settlement;
    Allowance private allowance;
    address private constant GATEWAY = address(0x6A7E);

    function setUp() public {
        settlement = new AnySettlement();
        allowance = new Allowance(ISettlement(address(settlement)), address(this));
    }

    /// @dev No refill raises the cap above what was spent and one budget, nor by more than a budget.
    function check_aRefillStaysWithinTheBudget(
        uint128 perPeriod,
        uint128 spent,
        uint128 cap,
        uint128 balance,
        uint64 later
    ) public {
        // Settlement's totals stay far below 2^127: there are not so many coins.
        vm.assume(perPeriod != 0 && spent < 1 << 126 && cap < 1 << 126 && perPeriod < 1 << 126);
        vm.assume(later < 1 << 40);
        allowance.setBudget(GATEWAY, address(1), perPeriod, 1000);
        settlement.set(spent, cap);
        vm.deal(address(allowance), balance);
        vm.warp(block.timestamp + later);
        try allowance.refill(GATEWAY) returns (uint128 amount) {
            uint128 base = cap > spent ? cap : spent;
            assert(amount <= perPeriod && amount <= balance);
            assert(settlement.cap() == base + amount);
            assert(settlement.cap() - spent <= perPeriod);
            assert(address(settlement).balance == amount);
            assert(address(allowance).balance == balance - amount);
        } catch {}
    }

    /// @dev Two refills in one period, whatever was spent in between, grant one budget together.
    function check_onePeriodOneBudget(uint128 perPeriod, uint128 cap, uint128 spentThen, uint64 later) public {
        vm.assume(perPeriod != 0 && perPeriod < 1 << 126 && cap < 1 << 126 && spentThen < 1 << 126);
        vm.assume(later < 1000);
        allowance.setBudget(GATEWAY, address(1), perPeriod, 1000);
        settlement.set(0, cap);
        vm.deal(address(allowance), type(uint128).max);
        uint256 granted;
        try allowance.refill(GATEWAY) returns (uint128 amount) {
            granted = amount;
        } catch {}
        settlement.set(spentThen, settlement.cap());
        vm.warp(block.timestamp + later);
        try allowance.refill(GATEWAY) returns (uint128 amount) {
            granted += amount;
        } catch {}
        assert(granted <= perPeriod);
    }

    /// @dev Nobody but governance sets, revokes or takes back.
    function check_onlyGovernance(address caller, address gateway, address key, uint128 perPeriod, uint64 period)
        public
    {
        vm.assume(caller != address(this));
        vm.deal(address(allowance), 1 ether);
        vm.prank(caller);
        (bool ok,) = address(allowance).call(abi.encodeCall(Allowance.setBudget, (gateway, key, perPeriod, period)));
        assert(!ok);
        vm.prank(caller);
        (ok,) = address(allowance).call(abi.encodeCall(Allowance.revoke, (gateway)));
        assert(!ok);
        vm.prank(caller);
        (ok,) = address(allowance).call(abi.encodeCall(Allowance.defund, (perPeriod)));
        assert(!ok);
    }

    receive() external payable {}
}
