// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAllowance} from "../src/interfaces/IAllowance.sol";
import {AllowanceWorld} from "./Allowance.t.sol";
import {Steps} from "./lib/Steps.sol";
import {Test} from "./lib/Vm.sol";

/// @notice Three gateways, a government that changes its mind, and strangers who press every button.
contract Commons is AllowanceWorld, Steps {
    address[3] private gateways = [address(0x6001), address(0x6002), address(0x6003)];
    uint256[3] private keys = [uint256(0xD1), 0xD2, 0xD3];
    uint256 private constant BOND = 10_000 ether;
    uint128[3] public largest; // budget of each gateway
    uint256 public given = 100 ether; // to the fund, at the start

    function start() external {
        AllowanceWorld.setUp();
        vm.prank(address(timelock));
        allowance.revoke(gateway); // not one of the three
        allowance.forget(gateway);
        for (uint256 i; i < 3; ++i) {
            vm.deal(gateways[i], BOND);
            vm.prank(gateways[i]);
            settlement.bond{value: BOND}();
            this.budget(i, i, 1 ether * (i + 1), 1000);
        }
    }

    // ---------------------------------------------------------------- steps

    function budget(uint256 which, uint256 key, uint256 amount, uint64 period) external counted("budget") {
        uint128 perPeriod = uint128(bound(amount, 1, 6 ether));
        vm.prank(address(timelock));
        allowance.setBudget(gateways[which % 3], vm.addr(keys[key % 3]), perPeriod, uint64(bound(period, 100, 5000)));
        if (perPeriod > largest[which % 3]) largest[which % 3] = perPeriod;
    }

    function revoke(uint256 which) external counted("revoke") {
        vm.prank(address(timelock));
        allowance.revoke(gateways[which % 3]);
    }

    function defund(uint256 amount) external counted("defund") {
        amount = bound(amount, 0, address(allowance).balance / 8);
        vm.prank(address(timelock));
        allowance.defund(amount);
    }

    function rotate(uint256 which, uint256 key) external counted("rotate") {
        vm.prank(gateways[which % 3]);
        allowance.setSessionKey(vm.addr(keys[key % 3]));
    }

    function refill(uint256 which) external counted("refill") {
        allowance.refill(gateways[which % 3]);
    }

    /// @dev Any of the keys, any fee: Settlement refuses what a cap does not cover.
    function serveSome(uint256 which, uint256 key, uint256 fee) external counted("serve") {
        address to = gateways[which % 3];
        uint128 left = allowance.outstandingOf(to);
        serve(to, keys[key % 3], uint128(bound(fee, 1, uint256(left) + left / 8 + 1)));
    }

    function forget(uint256 which) external counted("forget") {
        allowance.forget(gateways[which % 3]);
    }

    function reclaim() external counted("reclaim") {
        allowance.reclaim();
    }

    function collect() external counted("collect") {
        vm.prank(address(0x57A)); // who could take a coin
        allowance.collect();
    }

    function donate(uint256 amount, bool toTheDeposit) external counted("give") {
        amount = bound(amount, 1, 1 ether);
        vm.deal(address(this), amount);
        given += amount;
        if (toTheDeposit) {
            settlement.depositFor{value: amount}(address(allowance));
        } else {
            give(address(allowance), amount);
        }
    }

    function pass(uint256 secs) external counted("pass") {
        skip(5, secs % 4 == 0 ? NOTICE : bound(secs, 1, 1500));
    }

    // ---------------------------------------------------------------- sums

    function spentByAll() public view returns (uint256 sum) {
        for (uint256 i; i < 3; ++i) {
            sum += settlement.spent(address(allowance), gateways[i]);
        }
    }

    function backing() external view returns (uint256 deposit, uint256 promised, uint256 byKey) {
        // Whichever of its keys a gateway uses, it spends no more than the largest cap.
        for (uint256 i; i < 3; ++i) {
            uint128 most;
            for (uint256 k; k < 3; ++k) {
                uint128 cap = settlement.limitOf(address(allowance), gateways[i], vm.addr(keys[k])).cap;
                if (cap > most) most = cap;
            }
            uint128 spent = settlement.spent(address(allowance), gateways[i]);
            if (most > spent) byKey += most - spent;
        }
        (uint128 waiting,) = settlement.withdrawalOf(address(allowance));
        return (deposited() - waiting, allowance.outstanding(), byKey);
    }

    function leftOf(uint256 i) external view returns (uint256 left, uint256 most) {
        return (allowance.outstandingOf(gateways[i]), largest[i]);
    }

    function bonds() external view returns (uint256 sum) {
        for (uint256 i; i < 3; ++i) {
            sum += settlement.bondOf(gateways[i]);
        }
    }

    function accounted() external view returns (uint256) {
        return address(allowance).balance + deposited() + spentByAll() + address(timelock).balance;
    }
}

contract AllowanceInvariantTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Commons private commons;

    function setUp() public {
        commons = new Commons();
        commons.start();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(commons);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](13);
        selectors[0] = Commons.budget.selector;
        selectors[1] = Commons.revoke.selector;
        selectors[2] = Commons.defund.selector;
        selectors[3] = Commons.rotate.selector;
        selectors[4] = Commons.refill.selector;
        selectors[5] = Commons.refill.selector;
        selectors[6] = Commons.serveSome.selector;
        selectors[7] = Commons.serveSome.selector;
        selectors[8] = Commons.forget.selector;
        selectors[9] = Commons.reclaim.selector;
        selectors[10] = Commons.collect.selector;
        selectors[11] = Commons.donate.selector;
        selectors[12] = Commons.pass.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(commons), selectors);
    }

    /// @dev One campaign looks at everything after every step: docs/decisions/0044-one-campaign.md.
    function invariant_allowance() public view {
        theDepositCoversEveryCap();
        noBondPaysForTheCommons();
        nothingAccumulates();
        nothingIsLost();
    }

    /// @dev What waits to be withdrawn is not counted: even after it is gone, every cap is covered.
    function theDepositCoversEveryCap() private view {
        (uint256 deposit, uint256 promised, uint256 byKey) = commons.backing();
        vm.assertGe(deposit, promised, "theDepositCoversEveryCap");
        vm.assertGe(deposit, byKey, "theDepositCoversEveryCap");
    }

    function noBondPaysForTheCommons() private view {
        vm.assertEq(commons.bonds(), 30_000 ether, "noBondPaysForTheCommons");
    }

    function nothingAccumulates() private view {
        for (uint256 i; i < 3; ++i) {
            (uint256 left, uint256 most) = commons.leftOf(i);
            vm.assertLe(left, most, "nothingAccumulates");
        }
    }

    function nothingIsLost() private view {
        vm.assertEq(commons.accounted(), commons.given(), "nothingIsLost");
    }

    /// @dev The steps do work: without this the invariants could hold because nothing happens.
    function testTheStepsHappen() public {
        for (uint256 i; i < 60; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(i)));
            try commons.refill(draw) {} catch {}
            try commons.serveSome(draw, draw >> 8, draw >> 16) {} catch {}
            try commons.rotate(draw >> 24, draw >> 32) {} catch {}
            if (draw % 3 == 0) try commons.revoke(draw >> 40) {} catch {}
            if (draw % 5 == 0) commons.budget(draw, draw >> 8, draw >> 16, uint64(draw >> 24));
            if (draw % 2 == 0) commons.donate(draw, draw % 4 == 0);
            commons.pass(draw >> 48);
            try commons.reclaim() {} catch {}
            try commons.forget(draw >> 56) {} catch {}
            try commons.collect() {} catch {}
            theDepositCoversEveryCap();
            nothingAccumulates();
        }
        noBondPaysForTheCommons();
        nothingIsLost();
        string[9] memory steps =
            ["refill", "serve", "rotate", "revoke", "budget", "give", "reclaim", "forget", "collect"];
        for (uint256 i; i < steps.length; ++i) {
            vm.assertGe(commons.done(bytes32(bytes(steps[i]))), 2, steps[i]);
        }
    }
}
