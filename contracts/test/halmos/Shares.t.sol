// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Shares} from "../../src/lib/Shares.sol";

/// @notice Proofs about the real arithmetic of shares and fees, for every amount that a row can carry. Nothing in the unchecked
/// blocks overflows: their symbols have less than 168 bits and their factors less than 21.
/// @custom:halmos --solver-command "python3 cvc5_solver.py"
contract SharesProof {
    /// @dev A part depends on the product alone. The lemmas below are about that, because a solver that divides by a constant at
    /// once does not end on the product of two symbols.
    function check_aPartIsTheProductDivided(uint128 amount, uint24 ppm) public pure {
        unchecked {
            assert(Shares.part(amount, ppm) == Shares.part(uint256(amount) * ppm, 1));
        }
    }

    /// @dev It rounds down by less than a wei. `exact` is in millionths of a wei.
    function check_aPartRoundsDown(uint152 exact) public pure {
        unchecked {
            uint256 part = Shares.part(exact, 1);
            assert(part * 1e6 <= exact && exact < part * 1e6 + 1e6);
        }
    }

    /// @dev So parts that are no more than an amount before they are rounded are no more than it afterwards: of a fee, the worker's,
    /// the developers' and the pool; of a pool, the shares.
    function check_partsStayWithin(uint152 first, uint152 second, uint152 third, uint128 amount) public pure {
        unchecked {
            if (uint256(first) + second + third > uint256(amount) * 1e6) return;
            assert(Shares.part(first, 1) + Shares.part(second, 1) + Shares.part(third, 1) <= amount);
        }
    }

    /// @dev Spans that together cover no more than the answer get no more than 10^6 ppm; of answers of three lengths, because a
    /// solver does not end on a division by a symbol.
    function check_sharesStayWithinTheAnswer(uint32 first, uint32 second) public pure {
        unchecked {
            uint256 sum = uint256(first) + second;
            assert(sum > 999 || Shares.ppmOf(first, 999) + Shares.ppmOf(second, 999) <= 1e6);
            assert(sum > 8191 || Shares.ppmOf(first, 8191) + Shares.ppmOf(second, 8191) <= 1e6);
            uint256 most = type(uint32).max;
            assert(sum > most || Shares.ppmOf(first, most) + Shares.ppmOf(second, most) <= 1e6);
        }
    }

    /// @dev A fee is rounded up by less than a wei. It depends on the sum of the tokens' costs alone, so one token at every price is
    /// every sum. `cost` is in thousandths of a wei.
    function check_aFeeRoundsUp(uint160 cost) public pure {
        unchecked {
            uint256 fee = Shares.fee(0, 1, 0, cost);
            assert(fee * 1000 >= cost && fee * 1000 < uint256(cost) + 1000);
        }
    }
}
