// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";

/// @title Election
/// @notice Who holds the seats next, decided from who holds them and who stands. Pure, so that it can be tested alone.
///
/// The winners are the eligible with the most stake, the earlier registered first among equals, as many as there are
/// seats. Then the present set moves towards them, by fewer than a third of its seats: best joiners in first, worst leavers
/// out first (jailed, then no longer eligible, then outbid; the outbid only as far as their seats are needed). A seat that
/// passes from one to another is one change, a seat that is added or lost is one too. So sets of fewer than four never
/// change: they tolerate no fault, and a change would hand over a third or more.
library Election {
    /// @notice How good a claim to a seat somebody has. A better one comes later in this list.
    enum Standing {
        Jailed,
        Ineligible,
        Eligible
    }

    /// @notice Somebody who holds a seat, or stands for one, or both.
    /// @param number Order of registration; no two share one.
    struct Person {
        Standing standing;
        uint128 stake;
        uint32 number;
        bool seated;
    }

    /// @notice Changes `people[i].seated` to what holds next; nothing if the election fails.
    /// @param people Fewer than 65,536.
    /// @return eligible How many stand; the election fails if they are fewer than `minSeats`.
    /// @return joins How many seats have a new holder.
    /// @return leaves How many holders lost theirs.
    function elect(Person[] memory people, uint256 maxSeats, uint256 minSeats)
        internal
        pure
        returns (uint256 eligible, uint256 joins, uint256 leaves)
    {
        uint256[] memory ranked = new uint256[](people.length);
        uint256 seats;
        for (uint256 i; i < ranked.length; ++i) {
            ranked[i] = _rank(people[i]) | i;
            if (people[i].standing == Standing.Eligible) ++eligible;
            if (people[i].seated) ++seats;
        }
        if (eligible < minSeats) return (eligible, 0, 0);

        Arrays.sort(ranked); // the worst comes first
        uint256 losers = ranked.length - (eligible < maxSeats ? eligible : maxSeats);
        // Fewer than a third of the present seats.
        uint256 most = seats == 0 ? 0 : (seats - 1) / 3;
        for (uint256 i = ranked.length; i > losers && joins < most; --i) {
            Person memory person = people[uint16(ranked[i - 1])];
            if (person.seated) continue;
            person.seated = true;
            ++joins;
        }
        for (uint256 i; i < losers && leaves < most; ++i) {
            Person memory person = people[uint16(ranked[i])];
            if (!person.seated) continue;
            // Who is merely outbid stays while there is room; all after it are eligible too.
            if (person.standing == Standing.Eligible && seats + joins - leaves <= maxSeats) break;
            person.seated = false;
            ++leaves;
        }
    }

    /// @dev Standing, then stake, then the earlier number; the low 16 bits are left for the place.
    function _rank(Person memory person) private pure returns (uint256) {
        return
            uint256(person.standing) << 176 | uint256(person.stake) << 48 | uint256(type(uint32).max - person.number)
                << 16;
    }
}
