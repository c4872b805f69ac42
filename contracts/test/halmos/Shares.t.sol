// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Shares} from "../../src/lib/Shares.sol";

/// @notice Proofs about the real arithmetic of shares and fees.
contract SharesProof {
    /// @dev A part is no more than the whole, and rounds down by less than a wei.
    function check_aPartRoundsDown(uint128 amount, uint24 ppm) public pure {
        if (ppm > 1e6) return;
        uint256 part = Shares.part(amount, ppm);
        uint256 exact = uint256(amount) * ppm; // in millionths of a wei
        assert(part * 1e6 <= exact && exact - part * 1e6 < 1e6);
    }

    /// @dev Two shares of at most the whole are paid at most the whole, of pools that are not small either.
    function check_twoPartsStayWithin(uint24 first, uint24 second) public pure {
        if (uint256(first) + second > 1e6) return;
        assert(Shares.part(1 ether + 7, first) + Shares.part(1 ether + 7, second) <= 1 ether + 7);
        assert(Shares.part(999_983, first) + Shares.part(999_983, second) <= 999_983);
    }

    /// @dev Spans that together cover no more than the answer get no more than 10^6 ppm.
    function check_sharesStayWithinTheAnswer(uint16 first, uint16 second, uint16 answer) public pure {
        if (uint256(first) + second > answer) return;
        assert(Shares.ppmOf(first, answer) + Shares.ppmOf(second, answer) <= 1e6);
    }

    /// @dev A fee is rounded up by less than a wei. It depends on the sum of the tokens' costs alone, so one token at every price is
    /// every sum below 2^64.
    function check_aFeeRoundsUp(uint64 cost) public pure {
        uint256 fee = Shares.fee(0, 1, 0, cost); // `cost` in thousandths of a wei
        assert(fee * 1000 >= cost && fee * 1000 < uint256(cost) + 1000);
    }
}
