// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Election} from "../src/lib/Election.sol";
import {Test} from "./lib/Vm.sol";

/// @notice The election against what its rules promise, for random people.
contract ElectionTest is Test {
    /// @dev Few different stakes, so that there are equals.
    function people(uint256 seed, uint256 count, uint256 seats)
        private
        pure
        returns (Election.Person[] memory list, bool[] memory before)
    {
        list = new Election.Person[](count);
        before = new bool[](count);
        for (uint256 i; i < count; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            uint256 kind = draw % 8;
            list[i].standing = kind == 0
                ? Election.Standing.Jailed
                : kind < 3 ? Election.Standing.Ineligible : Election.Standing.Eligible;
            list[i].stake = uint128(draw >> 8) % (draw >> 200 & 1 == 0 ? 5 : type(uint128).max);
            // An odd factor permutes: numbers differ, and do not follow the places.
            list[i].number = uint32(i * (uint128(seed) | 1) % 2 ** 31) + 1;
        }
        // Seats are given at random places.
        uint256 given;
        for (uint256 draw; given < seats; ++draw) {
            uint256 place = uint256(keccak256(abi.encode(seed, "seat", draw))) % count;
            if (list[place].seated) continue;
            list[place].seated = before[place] = true;
            ++given;
        }
    }

    function better(Election.Person memory a, Election.Person memory b) private pure returns (bool) {
        if (a.standing != b.standing) return uint8(a.standing) > uint8(b.standing);
        if (a.stake != b.stake) return a.stake > b.stake;
        return a.number < b.number;
    }

    /// @dev Winners by counting who is better: no sorting, and nothing in common with the library.
    function wins(Election.Person[] memory list, uint256 i, uint256 maxSeats) private pure returns (bool) {
        if (list[i].standing != Election.Standing.Eligible) return false;
        uint256 above;
        for (uint256 j; j < list.length; ++j) {
            if (j != i && better(list[j], list[i])) ++above;
        }
        return above < maxSeats;
    }

    struct Count {
        uint256 before;
        uint256 afterwards;
        uint256 joins;
        uint256 leaves;
        uint256 eligible;
        uint256 wanting;
        uint256 owing;
    }

    function testFuzzElection(uint256 seed, uint256 size, uint256 seats, uint256 maxSeats) public pure {
        maxSeats = bound(maxSeats, 4, 64);
        size = bound(size, 1, 100);
        seats = bound(seats, 0, size < maxSeats ? size : maxSeats);
        (Election.Person[] memory list, bool[] memory before) = people(seed, size, seats);
        (uint256 eligible, uint256 joins, uint256 leaves) = Election.elect(list, maxSeats, 4);
        Count memory c;
        for (uint256 i; i < size; ++i) {
            bool winner = wins(list, i, maxSeats);
            if (before[i]) ++c.before;
            if (list[i].seated) ++c.afterwards;
            if (list[i].standing == Election.Standing.Eligible) ++c.eligible;
            if (list[i].seated && !before[i]) {
                ++c.joins;
                vm.assertTrue(winner);
            }
            if (!list[i].seated && before[i]) {
                ++c.leaves;
                vm.assertFalse(winner);
            }
            if (winner && !list[i].seated) ++c.wanting;
            if (!winner && list[i].seated && list[i].standing != Election.Standing.Eligible) ++c.owing;
        }
        vm.assertEq(eligible, c.eligible);
        vm.assertEq(joins, c.joins);
        vm.assertEq(leaves, c.leaves);
        vm.assertLe(c.afterwards, maxSeats);
        if (eligible < 4) {
            vm.assertEq(joins + leaves, 0);
            return;
        }
        // Fewer than a third, of the set before and of the set after.
        uint256 changes = joins > leaves ? joins : leaves;
        if (changes != 0) {
            vm.assertLt(3 * changes, c.before);
            vm.assertLt(3 * joins, c.afterwards);
            vm.assertGe(c.afterwards, 4);
        }
        // And as many as allowed: who is still waiting, or still to go, waits because of the limit alone.
        uint256 most = c.before == 0 ? 0 : (c.before - 1) / 3;
        if (c.wanting != 0) vm.assertEq(joins, most);
        if (c.owing != 0) vm.assertEq(leaves, most);
        // The outbid lose no seat that nobody needs.
        order(list, before, c.afterwards == maxSeats);
    }

    /// @dev Nobody joins before a better one, nobody stays who is worse than one that left.
    function order(Election.Person[] memory list, bool[] memory before, bool full) private pure {
        for (uint256 i; i < list.length; ++i) {
            bool joined = list[i].seated && !before[i];
            bool left = !list[i].seated && before[i];
            if (left && list[i].standing == Election.Standing.Eligible) vm.assertTrue(full);
            for (uint256 j; j < list.length; ++j) {
                if (joined && !list[j].seated && !before[j]) vm.assertTrue(better(list[i], list[j]));
                if (left && list[j].seated && before[j]) vm.assertTrue(better(list[j], list[i]));
            }
        }
    }

    /// Elections without news come to rest at the winners, in as many steps as the limit needs.
    function testFuzzElectionsSettle(uint256 seed, uint256 size, uint256 maxSeats) public pure {
        maxSeats = bound(maxSeats, 4, 64);
        size = bound(size, 8, 100);
        (Election.Person[] memory list,) = people(seed, size, 4);
        uint256 eligible;
        for (uint256 round; round < 100; ++round) {
            uint256 joins;
            uint256 leaves;
            (eligible, joins, leaves) = Election.elect(list, maxSeats, 4);
            if (joins + leaves == 0) break;
            vm.assertLt(round, 99);
        }
        if (eligible < 4) return;
        for (uint256 i; i < size; ++i) {
            vm.assertEq(list[i].seated, wins(list, i, maxSeats));
        }
    }
}
