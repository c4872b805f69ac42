// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title VoteBytes
/// @notice The bytes that a consensus key signs: commonware Simplex over secp256r1, as docs/spec/validators.md writes
/// them down and fixtures/double_sign.json pins them. Messages are encoded here from their fields, never parsed: so there
/// is one encoding of each vote and nothing to be ambiguous about.
library VoteBytes {
    /// @dev SHA-256 of `varint(56) ‖ "fonte-" ‖ network ‖ "consensus" ‖ "_NOTARIZE" ‖ proposal`.
    function notarize(bytes32 network, uint64 epoch, uint64 view_, uint64 parent, bytes32 payload)
        internal
        pure
        returns (bytes32)
    {
        return sha256(
            abi.encodePacked(
                uint8(56), "fonte-", network, "consensus_NOTARIZE", proposal(epoch, view_, parent, payload)
            )
        );
    }

    /// @dev SHA-256 of `varint(56) ‖ "fonte-" ‖ network ‖ "consensus" ‖ "_FINALIZE" ‖ proposal`.
    function finalize(bytes32 network, uint64 epoch, uint64 view_, uint64 parent, bytes32 payload)
        internal
        pure
        returns (bytes32)
    {
        return sha256(
            abi.encodePacked(
                uint8(56), "fonte-", network, "consensus_FINALIZE", proposal(epoch, view_, parent, payload)
            )
        );
    }

    /// @dev SHA-256 of `varint(55) ‖ "fonte-" ‖ network ‖ "consensus" ‖ "_NULLIFY" ‖ round`.
    function nullify(bytes32 network, uint64 epoch, uint64 view_) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(55), "fonte-", network, "consensus_NULLIFY", varint(epoch), varint(view_)));
    }

    /// @dev SHA-256 of `varint(47) ‖ "fonte-" ‖ network ‖ "validator" ‖ operator ‖ network key`.
    function registration(bytes32 network, address operator, bytes32 networkKey) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(47), "fonte-", network, "validator", operator, networkKey));
    }

    /// @dev `varint(epoch) ‖ varint(view) ‖ varint(parent) ‖ payload`.
    function proposal(uint64 epoch, uint64 view_, uint64 parent, bytes32 payload) private pure returns (bytes memory) {
        return abi.encodePacked(varint(epoch), varint(view_), varint(parent), payload);
    }

    /// @dev LEB128: seven bits a byte, lowest first, the high bit on all bytes but the last.
    function varint(uint64 value) internal pure returns (bytes memory encoded) {
        while (value >= 0x80) {
            encoded = abi.encodePacked(encoded, bytes1(uint8(value) | 0x80));
            value >>= 7;
        }
        encoded = abi.encodePacked(encoded, bytes1(uint8(value)));
    }
}
