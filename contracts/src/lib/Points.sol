// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Bytes} from "@openzeppelin/contracts/utils/Bytes.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Points
/// @notice Whether bytes are a point of a curve. A key that no node can read must not get a seat: the set is one for all
/// nodes, and a seat that some read and others refuse would part them.
library Points {
    /// @dev (P + 1) / 4 of secp256r1: as P is 3 modulo 4, a square's root is its power to this.
    uint256 private constant P256_ROOT = (P256.P + 1) / 4;
    /// @dev The field of edwards25519, 2^255 - 19 (RFC 8032, section 5.1).
    uint256 private constant ED_P = 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed;
    /// @dev -121665 / 121666 in that field.
    uint256 private constant ED_D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3;

    /// @notice The coordinates of a compressed point of secp256r1 (SEC 1, section 2.3.4); (0, 0), which is not on the
    /// curve, if there is none.
    function decompress(bytes memory key) internal view returns (bytes32, bytes32) {
        if (key.length != 33 || (key[0] != 0x02 && key[0] != 0x03)) return (0, 0);
        uint256 x;
        assembly ("memory-safe") {
            // Bytes 1 to 32 of `key`, whose length is 33 as checked above.
            x := mload(add(key, 0x21))
        }
        if (x >= P256.P) return (0, 0);
        uint256 square = addmod(mulmod(addmod(mulmod(x, x, P256.P), P256.A, P256.P), x, P256.P), P256.B, P256.P);
        uint256 y = Math.modExp(square, P256_ROOT, P256.P);
        if (mulmod(y, y, P256.P) != square) return (0, 0);
        // The curve's order is odd, so no point has y = 0, and P - y is the other root.
        if (y & 1 != uint8(key[0]) & 1) y = P256.P - y;
        return (bytes32(x), bytes32(y));
    }

    /// @notice The compressed form of a point of secp256r1.
    function compress(bytes32 x, bytes32 y) internal pure returns (bytes memory) {
        return abi.encodePacked(bytes1(uint8(2 + (uint256(y) & 1))), x);
    }

    /// @notice Whether `key` is the canonical encoding of a point of edwards25519 other than those with x = 0. From
    /// x^2 = (y^2 - 1) / (d y^2 + 1): there is such an x when the product of both sides is a square, and the quotient's
    /// denominator is never 0.
    function isEdwards(bytes32 key) internal view returns (bool) {
        uint256 y = uint256(Bytes.reverseBytes32(key)) & (type(uint256).max >> 1);
        if (y >= ED_P) return false;
        uint256 y2 = mulmod(y, y, ED_P);
        uint256 product = mulmod(addmod(y2, ED_P - 1, ED_P), addmod(mulmod(ED_D, y2, ED_P), 1, ED_P), ED_P);
        // Euler's criterion; 0 stays 0 and is refused.
        return Math.modExp(product, (ED_P - 1) / 2, ED_P) == 1;
    }
}
