// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IConcentration
/// @notice How concentrated power is, and what it would cost to take it. Only views, computed from what is on chain; the
/// payouts of data and compute are not (they are Settlement's `Paid` events), so a client sums these and uses the same
/// `herfindahl` and `nakamoto` (docs/spec/validators.md).
///
/// Indices are in parts per million of 1: 1,000,000 is one holder of everything, 1,000,000 / n is n equal holders.
/// Coefficients count holders: the fewest whose sum is more than a given part of the whole; 0 if there is nothing.
/// Accounts are counted, and nobody can tell how many accounts are one person: every figure is the best case.
interface IConcentration {
    /// @notice What the seats would cost somebody who has none, against the present candidates.
    /// @param seats Seats of the present set.
    /// @param lowestStake Stake of the lowest elected candidate, in wei: the least that a seat is worth now.
    /// @param thirdSeats Seats that are more than a third of the set they would then be in: these can stop the chain.
    /// @param thirdCost Wei that must be staked to be elected to them.
    /// @param twoThirdsSeats Seats that are more than two thirds: these decide alone.
    /// @param twoThirdsCost Wei that must be staked to be elected to them.
    struct SeatCosts {
        uint256 seats;
        uint256 lowestStake;
        uint256 thirdSeats;
        uint256 thirdCost;
        uint256 twoThirdsSeats;
        uint256 twoThirdsCost;
    }

    /// @notice Concentration of one quantity.
    struct Figures {
        uint256 holders;
        uint256 sum;
        uint256 herfindahl;
        uint256 nakamotoThird;
        uint256 nakamotoTwoThirds;
    }

    /// @notice Concentration of the votes that the named delegates hold, and what follows for all votes.
    /// @param listed Of the listed delegates among themselves.
    /// @param supply Votes that there could be: all wrapped coins, delegated or not.
    /// @param herfindahlLow Index if all that is not listed lay with infinitely many.
    /// @param herfindahlHigh Index if all that is not listed lay with one.
    /// @param nakamotoThird Listed delegates that hold more than a third of the supply; 0 if all together do not.
    /// @param nakamotoHalf Listed delegates that hold more than half of the supply; 0 if all together do not.
    struct VoteFigures {
        Figures listed;
        uint256 supply;
        uint256 herfindahlLow;
        uint256 herfindahlHigh;
        uint256 nakamotoThird;
        uint256 nakamotoHalf;
    }

    /// @notice Delegates must be in strictly ascending order, so that none is counted twice; `delegate` is not.
    error NotAscending(address delegate);

    /// @notice The cost of a third and of two thirds of the seats.
    function seatCosts() external view returns (SeatCosts memory);

    /// @notice Concentration of the stake behind the present set's seats.
    function stake() external view returns (Figures memory);

    /// @notice Concentration of FNT votes among `delegates`, in ascending order. The token cannot enumerate its delegates,
    /// so the caller lists them (from its events) and the votes are read here. A list that leaves delegates out can only
    /// make the coefficients larger; the index of all votes lies between the two bounds.
    function votes(address[] calldata delegates) external view returns (VoteFigures memory);

    /// @notice Sum of the squares of the parts, in ppm, rounded down. 0 if the sum is 0.
    function herfindahl(uint256[] memory amounts) external pure returns (uint256 ppm);

    /// @notice The fewest amounts whose sum is more than numerator / denominator of all. 0 if the sum is 0 or no number of
    /// them suffices.
    function nakamoto(uint256[] memory amounts, uint256 numerator, uint256 denominator)
        external
        pure
        returns (uint256 holders);
}
