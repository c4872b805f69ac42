// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Shares
/// @notice The arithmetic of shares and fees (docs/spec/shares.md). Every division says which way it rounds.
library Shares {
    uint256 internal constant ONE = 1e6;

    /// @notice A part of an amount, rounded down. Nothing overflows for amounts below 2^128 and ppm below 2^128.
    function part(uint256 amount, uint256 ppm) internal pure returns (uint256) {
        return amount * ppm / ONE;
    }

    /// @notice The share of `credited` of `answerBytes` bytes in ppm, rounded down, in favour of the commons.
    function ppmOf(uint256 credited, uint256 answerBytes) internal pure returns (uint256) {
        return answerBytes == 0 ? 0 : credited * ONE / answerBytes;
    }

    /// @notice Whether share `a` stands before share `b`: larger first, then the smaller id.
    function precedes(uint256 ppmA, uint256 idA, uint256 ppmB, uint256 idB) internal pure returns (bool) {
        return ppmA > ppmB || (ppmA == ppmB && idA < idB);
    }

    /// @notice A fee: prices are wei per 1,000 tokens; rounded up to a wei, in favour of the payees.
    function fee(uint256 inputTokens, uint256 outputTokens, uint256 priceIn, uint256 priceOut)
        internal
        pure
        returns (uint256)
    {
        // Tokens are below 2^32 and prices below 2^128: the sum is below 2^161.
        return (inputTokens * priceIn + outputTokens * priceOut + 999) / 1000;
    }
}
