// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice For the coverage alone, in the place of OpenZeppelin's P256: that one does not compile without the optimizer
/// ("stack too deep" in its assembly). Verifies by the precompile of Osaka (EIP-7951).
library P256 {
    uint256 internal constant P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF;
    uint256 internal constant N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;
    uint256 internal constant A = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC;
    uint256 internal constant B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B;

    function verify(bytes32 h, bytes32 r, bytes32 s, bytes32 qx, bytes32 qy) internal view returns (bool) {
        if (uint256(s) > N / 2) return false;
        (bool ok, bytes memory answer) = address(0x100).staticcall(abi.encode(h, r, s, qx, qy));
        return ok && answer.length == 32 && abi.decode(answer, (uint256)) == 1;
    }

    function isValidPublicKey(bytes32 qx, bytes32 qy) internal pure returns (bool) {
        (uint256 x, uint256 y) = (uint256(qx), uint256(qy));
        return x < P && y < P
            && mulmod(y, y, P) == addmod(mulmod(addmod(mulmod(x, x, P), A, P), x, P), B, P);
    }
}
