// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IConcentration} from "./interfaces/IConcentration.sol";
import {IValidators} from "./interfaces/IValidators.sol";

/// @title Concentration
/// @notice See IConcentration. Holds nothing and changes nothing.
contract Concentration is IConcentration {
    uint256 private constant PPM = 1e6;
    /// @dev Parts are taken with 18 digits before they are squared.
    uint256 private constant WAD = 1e18;

    IValidators public immutable validators;
    /// @notice FonteToken: votes, and their supply.
    address public immutable token;

    /// @dev Neither need exist yet: nothing is asked of them here.
    constructor(IValidators validators_, address token_) {
        validators = validators_;
        token = token_;
    }

    /// @inheritdoc IConcentration
    function seatCosts() external view returns (SeatCosts memory costs) {
        IValidators.Parameters memory p = validators.parameters();
        IValidators.Candidate[] memory candidates = validators.candidates();
        uint256[] memory stakes = new uint256[](candidates.length);
        uint256 standing;
        for (uint256 i; i < candidates.length; ++i) {
            if (candidates[i].eligible) stakes[standing++] = candidates[i].bonded;
        }
        stakes = _ascending(stakes, standing);
        uint256[] memory elected = _stakes();
        costs.seats = elected.length;
        if (elected.length != 0) costs.lowestStake = elected[0];
        uint256 least = validators.MIN_SEATS();
        (costs.thirdSeats, costs.thirdCost) = _cost(stakes, p.maxSeats, least, p.minimumStake, 1);
        (costs.twoThirdsSeats, costs.twoThirdsCost) = _cost(stakes, p.maxSeats, least, p.minimumStake, 2);
    }

    /// @inheritdoc IConcentration
    function stake() external view returns (Figures memory) {
        return _figures(_stakes());
    }

    /// @inheritdoc IConcentration
    function votes(address[] calldata delegates) external view returns (VoteFigures memory figures) {
        uint256[] memory held = new uint256[](delegates.length);
        for (uint256 i; i < held.length; ++i) {
            require(i == 0 || delegates[i - 1] < delegates[i], NotAscending(delegates[i]));
            held[i] = IVotes(token).getVotes(delegates[i]);
        }
        uint256 supply = IERC20(token).totalSupply();
        figures.listed = _figures(held);
        figures.supply = supply;
        if (supply == 0) return figures;
        uint256 rest = Math.mulDiv(supply - figures.listed.sum, WAD, supply);
        uint256 squares = _squares(held, supply);
        figures.herfindahlLow = squares / (WAD * WAD / PPM);
        figures.herfindahlHigh = (squares + rest * rest) / (WAD * WAD / PPM);
        figures.nakamotoThird = _nakamoto(held, supply, 1, 3);
        figures.nakamotoHalf = _nakamoto(held, supply, 1, 2);
    }

    /// @inheritdoc IConcentration
    function herfindahl(uint256[] memory amounts) public pure returns (uint256) {
        uint256 total = _sum(amounts);
        return total == 0 ? 0 : _squares(amounts, total) / (WAD * WAD / PPM);
    }

    /// @inheritdoc IConcentration
    function nakamoto(uint256[] memory amounts, uint256 numerator, uint256 denominator) public pure returns (uint256) {
        Arrays.sort(amounts);
        return _nakamoto(amounts, _sum(amounts), numerator, denominator);
    }

    /// @dev The fewest seats that are more than `thirds` thirds of the set once they are in it, and their cost. With k new
    /// seats against m candidates, the set has min(maxSeats, m + k), and to be in it each must have more than the
    /// candidate that would otherwise take the last of these seats, since equals go by age. That bar rises with k, so
    /// the fewest seats are also the cheapest.
    function _cost(uint256[] memory stakes, uint256 maxSeats, uint256 least, uint256 minimum, uint256 thirds)
        private
        pure
        returns (uint256 k, uint256 cost)
    {
        uint256 set;
        do {
            ++k;
            set = stakes.length + k < maxSeats ? stakes.length + k : maxSeats;
        } while (3 * k <= thirds * set || set < least);
        uint256 left = set - k; // best candidates that keep a seat
        uint256 bar = stakes.length > left ? stakes[stakes.length - 1 - left] + 1 : minimum;
        cost = k * bar;
    }

    /// @dev Stakes behind the present seats, in ascending order.
    function _stakes() private view returns (uint256[] memory) {
        address[] memory operators = validators.operatorsOf(validators.epoch());
        uint256[] memory stakes = new uint256[](operators.length);
        for (uint256 i; i < stakes.length; ++i) {
            stakes[i] = validators.validator(operators[i]).bonded;
        }
        return Arrays.sort(stakes);
    }

    /// @dev Sorts `amounts` in place.
    function _figures(uint256[] memory amounts) private pure returns (Figures memory figures) {
        Arrays.sort(amounts);
        uint256 total = _sum(amounts);
        return Figures(
            amounts.length, total, herfindahl(amounts), _nakamoto(amounts, total, 1, 3), _nakamoto(amounts, total, 2, 3)
        );
    }

    /// @dev The first `count` amounts in ascending order.
    function _ascending(uint256[] memory amounts, uint256 count) private pure returns (uint256[] memory sorted) {
        sorted = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            sorted[i] = amounts[i];
        }
        Arrays.sort(sorted);
    }

    /// @dev Sum of the squared parts of `total`, with 36 digits; each part is rounded down.
    function _squares(uint256[] memory amounts, uint256 total) private pure returns (uint256 sum) {
        for (uint256 i; i < amounts.length; ++i) {
            uint256 part = Math.mulDiv(amounts[i], WAD, total);
            sum += part * part;
        }
    }

    /// @dev `amounts` in ascending order. mulDiv rounds down, and an integer is more than the exact part just when it is
    /// more than the part rounded down.
    function _nakamoto(uint256[] memory amounts, uint256 total, uint256 numerator, uint256 denominator)
        private
        pure
        returns (uint256)
    {
        uint256 needed = Math.mulDiv(total, numerator, denominator);
        uint256 sum;
        for (uint256 i = amounts.length; i > 0; --i) {
            sum += amounts[i - 1];
            if (sum > needed) return amounts.length - i + 1;
        }
        return 0;
    }

    function _sum(uint256[] memory amounts) private pure returns (uint256 sum) {
        for (uint256 i; i < amounts.length; ++i) {
            sum += amounts[i];
        }
    }
}
