// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FonteToken} from "../src/FonteToken.sol";
import {Validators} from "../src/Validators.sol";
import {IConcentration} from "../src/interfaces/IConcentration.sol";
import {IValidators} from "../src/interfaces/IValidators.sol";
import {NodeKeys} from "./lib/NodeKeys.sol";
import {Nodes} from "./lib/Nodes.sol";

contract ConcentrationTest is Nodes {
    FonteToken private token;

    function setUp() public {
        vm.roll(1000);
        vm.warp(1_790_000_000);
        token = new FonteToken();
        deployNodes(keccak256("a network"), address(this), address(token));
    }

    function list(uint256 a, uint256 b, uint256 c) private pure returns (uint256[] memory amounts) {
        amounts = new uint256[](3);
        (amounts[0], amounts[1], amounts[2]) = (a, b, c);
    }

    // ---------------------------------------------------------------- indices

    function testIndicesOfKnownLists() public view {
        vm.assertEq(concentration.herfindahl(new uint256[](0)), 0);
        vm.assertEq(concentration.herfindahl(list(0, 0, 0)), 0);
        vm.assertEq(concentration.herfindahl(list(7, 0, 0)), 1_000_000);
        vm.assertEq(concentration.herfindahl(list(5, 5, 5)), 333_333);
        vm.assertEq(concentration.herfindahl(list(1, 1, 2)), 375_000);
        vm.assertEq(concentration.herfindahl(list(2 ** 254, 2 ** 254, 0)), 500_000);
        vm.assertEq(concentration.nakamoto(new uint256[](0), 1, 3), 0);
        vm.assertEq(concentration.nakamoto(list(0, 0, 0), 1, 3), 0);
        // Exactly a third is not more than a third.
        vm.assertEq(concentration.nakamoto(list(5, 5, 5), 1, 3), 2);
        vm.assertEq(concentration.nakamoto(list(5, 5, 5), 2, 3), 3);
        vm.assertEq(concentration.nakamoto(list(1, 6, 3), 1, 3), 1);
        vm.assertEq(concentration.nakamoto(list(1, 6, 3), 2, 3), 2);
        vm.assertEq(concentration.nakamoto(list(1, 6, 3), 1, 1), 0);
    }

    function testFuzzIndices(uint128[6] memory amounts, uint8 third) public view {
        uint256[] memory all = new uint256[](6);
        uint256 total;
        for (uint256 i; i < 6; ++i) {
            all[i] = amounts[i];
            total += amounts[i];
        }
        uint256 index = concentration.herfindahl(all);
        if (total == 0) {
            vm.assertEq(index, 0);
            return;
        }
        vm.assertLe(index, 1_000_000);
        vm.assertGe(index + 1, uint256(1_000_000) / 6);
        // The fewest: no subset of one fewer holder has more than the part. All subsets are tried.
        uint256 num = third % 3 + 1; // quarters
        uint256 k = concentration.nakamoto(all, num, 4);
        uint256 fewest = 7;
        for (uint256 subset = 1; subset < 64; ++subset) {
            uint256 sum;
            uint256 count;
            for (uint256 i; i < 6; ++i) {
                if (subset >> i & 1 == 0) continue;
                sum += all[i];
                ++count;
            }
            if (4 * sum > num * total && count < fewest) fewest = count;
        }
        vm.assertEq(k, fewest);
    }

    // ---------------------------------------------------------------- seats

    function testStakeOfTheSeats() public {
        delegate(address(1), NodeKeys.operator(2), 600 ether);
        IConcentration.Figures memory f = concentration.stake();
        vm.assertEq(f.holders, 4);
        vm.assertEq(f.sum, 1000 ether);
        vm.assertEq(f.herfindahl, 520_000); // 0.7^2 + 3 * 0.1^2
        vm.assertEq(f.nakamotoThird, 1);
        vm.assertEq(f.nakamotoTwoThirds, 1);
    }

    function testCostsAgainstFewCandidates() public view {
        IConcentration.SeatCosts memory c = concentration.seatCosts();
        vm.assertEq(c.seats, 4);
        vm.assertEq(c.lowestStake, 100 ether);
        // Three more than four make 3 of 7: more than a third, and nobody is displaced.
        vm.assertEq(c.thirdSeats, 3);
        vm.assertEq(c.thirdCost, 300 ether);
        // 5 of 7: two of four must have less than each of them.
        vm.assertEq(c.twoThirdsSeats, 5);
        vm.assertEq(c.twoThirdsCost, 5 * (100 ether + 1));
    }

    function testCostsAgainstNobody() public {
        for (uint256 i; i < 4; ++i) {
            vm.prank(NodeKeys.operator(i));
            validators.resign();
        }
        IConcentration.SeatCosts memory c = concentration.seatCosts();
        // An election needs four; all are the attacker's.
        vm.assertEq(c.thirdSeats, 4);
        vm.assertEq(c.thirdCost, 400 ether);
        vm.assertEq(c.twoThirdsSeats, 4);
    }

    function testEqualStakes() public view {
        IConcentration.Figures memory f = concentration.stake();
        vm.assertEq(f.nakamotoThird, 2);
        vm.assertEq(f.nakamotoTwoThirds, 3);
        vm.assertEq(f.herfindahl, 250_000);
    }

    /// What the view says is what it costs: with that much stake the attacker is elected to these seats, with a wei less
    /// on each it is not.
    /// forge-config: default.fuzz.runs = 24
    function testFuzzTheCostIsTheCost(uint256 seed, uint256 honest, bool two) public {
        honest = bound(honest, 0, 5);
        for (uint256 i; i < 4; ++i) {
            delegate(address(1), NodeKeys.operator(i), uint256(keccak256(abi.encode(seed, i))) % 50 + 1);
        }
        for (uint256 i; i < honest; ++i) {
            register(10 + i, 100 ether + uint256(keccak256(abi.encode(seed, 10 + i))) % 50);
        }
        for (uint256 i; i < 9; ++i) {
            endEpoch();
        }
        IConcentration.SeatCosts memory c = concentration.seatCosts();
        (uint256 k, uint256 cost) = two ? (c.twoThirdsSeats, c.twoThirdsCost) : (c.thirdSeats, c.thirdCost);
        uint256 each = cost / k;
        vm.assertEq(each * k, cost);
        uint256 less = seed >> 255;
        if (each - less < 100 ether) less = 0;
        // The list has ten places, of which only unseated ones give way: attackers come one epoch after another.
        for (uint256 i; i < k; ++i) {
            register(30 + i, each - less);
        }
        for (uint256 round; round < 12; ++round) {
            for (uint256 i; i < k; ++i) {
                address who = NodeKeys.operator(30 + i);
                if (validators.validator(who).listed) continue;
                vm.prank(who);
                try validators.enlist() {} catch {}
            }
            endEpoch();
        }
        address[] memory set = validators.operatorsOf(validators.epoch());
        uint256 taken;
        for (uint256 i; i < set.length; ++i) {
            if (uint160(set[i]) >= 0xB000 + 30) ++taken;
        }
        bool enough = 3 * taken > (two ? 2 : 1) * set.length;
        vm.assertEq(enough, less == 0);
        if (less == 0) vm.assertEq(taken, k);
    }

    // ---------------------------------------------------------------- votes

    function hold(address who, uint256 amount) private {
        vm.deal(who, amount);
        vm.startPrank(who);
        token.deposit{value: amount}();
        token.delegate(who);
        vm.stopPrank();
    }

    function testVotes() public {
        address[] memory delegates = new address[](3);
        (delegates[0], delegates[1], delegates[2]) = (address(0x11), address(0x12), address(0x13));
        IConcentration.VoteFigures memory v = concentration.votes(delegates);
        vm.assertEq(v.supply, 0);
        vm.assertEq(v.herfindahlHigh, 0);
        hold(address(0x11), 1 ether);
        hold(address(0x12), 6 ether);
        hold(address(0x14), 3 ether); // not listed
        v = concentration.votes(delegates);
        vm.assertEq(v.supply, 10 ether);
        vm.assertEq(v.listed.holders, 3);
        vm.assertEq(v.listed.sum, 7 ether);
        vm.assertEq(v.listed.herfindahl, 755_102);
        vm.assertEq(v.listed.nakamotoTwoThirds, 1);
        vm.assertEq(v.herfindahlLow, 370_000);
        vm.assertEq(v.herfindahlHigh, 460_000);
        vm.assertEq(v.nakamotoThird, 1);
        vm.assertEq(v.nakamotoHalf, 1);
        // Undelegated coins count in the supply: then these delegates may not reach a half together.
        vm.deal(address(0x15), 10 ether);
        vm.prank(address(0x15));
        token.deposit{value: 10 ether}();
        v = concentration.votes(delegates);
        vm.assertEq(v.nakamotoThird, 2);
        vm.assertEq(v.nakamotoHalf, 0);
    }

    function testADelegateIsNotCountedTwice() public {
        address[] memory twice = new address[](2);
        (twice[0], twice[1]) = (address(0x12), address(0x12));
        vm.expectRevert(abi.encodeWithSelector(IConcentration.NotAscending.selector, address(0x12)));
        concentration.votes(twice);
        (twice[0], twice[1]) = (address(0x12), address(0x11));
        vm.expectRevert(abi.encodeWithSelector(IConcentration.NotAscending.selector, address(0x11)));
        concentration.votes(twice);
    }
}
