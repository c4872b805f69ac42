// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "../interfaces/IChallenges.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";

/// @title Commitments
/// @notice Opens committed texts, contributions, evidence and batches (docs/spec/receipt.md, sections 1 and 2).
library Commitments {
    uint8 internal constant TAG_DOCUMENT = 0x02;
    uint8 internal constant TAG_ANSWER = 0x04;
    uint8 internal constant TAG_PROMPT = 0x05;
    uint256 internal constant CHUNK = 1024;

    /// @notice A path has too few or too many siblings, or the leaf's index is not below the number of leaves.
    error PathInvalid(uint256 index, uint256 leaves, uint256 siblings);
    /// @notice An opening holds no chunk or more than two.
    error ChunkCount(uint256 chunks);
    /// @notice A chunk's length does not follow from its place in the text.
    error ChunkLength(uint256 index, uint256 length);
    /// @notice The two chunks belong to different trees.
    error ChunksDiffer();
    /// @notice No opened chunk holds this byte.
    error ByteNotOpened(uint256 position);

    /// @notice The root over a path from leaf `index` of `leaves`. An odd last node moves up unchanged.
    function root(bytes32 leaf, uint256 index, uint256 leaves, bytes32[] calldata path)
        internal
        pure
        returns (bytes32 node)
    {
        require(index < leaves, PathInvalid(index, leaves, path.length));
        node = leaf;
        uint256 used;
        uint256 place = index;
        uint256 n = leaves;
        while (n > 1) {
            if ((place ^ 1) < n) {
                require(used < path.length, PathInvalid(index, leaves, path.length));
                bytes32 sibling = path[used++];
                node = (place & 1) == 1 ? _node(sibling, node) : _node(node, sibling);
            }
            place >>= 1;
            n = (n + 1) >> 1;
        }
        require(used == path.length, PathInvalid(index, leaves, path.length));
    }

    /// @notice The root over all leaves; overwrites them.
    function rootOf(bytes32[] memory leaves) internal pure returns (bytes32) {
        uint256 n = leaves.length;
        while (n > 1) {
            uint256 half = n >> 1;
            for (uint256 i; i < half; ++i) {
                leaves[i] = _node(leaves[2 * i], leaves[2 * i + 1]);
            }
            if ((n & 1) == 1) leaves[half++] = leaves[n - 1];
            n = half;
        }
        return leaves[0];
    }

    /// @notice The commitment that an opening of a text leads to.
    function text(uint8 tag, IChallenges.TextOpening calldata opening) internal pure returns (bytes32) {
        uint256 count = opening.chunks.length;
        require(count == 1 || count == 2, ChunkCount(count));
        bytes32 top = _chunkRoot(opening.length, opening.chunks[0]);
        require(count == 1 || _chunkRoot(opening.length, opening.chunks[1]) == top, ChunksDiffer());
        return keccak256(abi.encodePacked(tag, opening.length, opening.metadataHash, top));
    }

    /// @notice The byte at `position` of a verified opening.
    function byteAt(IChallenges.TextOpening calldata opening, uint256 position) internal pure returns (bytes1) {
        for (uint256 i; i < opening.chunks.length; ++i) {
            IChallenges.Chunk calldata chunk = opening.chunks[i];
            if (chunk.index == position / CHUNK && position % CHUNK < chunk.data.length) {
                return chunk.data[position % CHUNK];
            }
        }
        revert ByteNotOpened(position);
    }

    /// @notice The 32 bytes from `position` on of a verified opening.
    function windowAt(IChallenges.TextOpening calldata opening, uint256 position)
        internal
        pure
        returns (bytes32 window)
    {
        for (uint256 i; i < 32; ++i) {
            window |= bytes32(byteAt(opening, position + i)) >> (8 * i);
        }
    }

    /// @notice The commitment of a contribution over the commitments of its documents (tag 03).
    function contribution(bytes32 document, uint256 index, uint32 documents, bytes32[] calldata path)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(uint8(0x03), documents, root(document, index, documents, path)));
    }

    /// @notice The evidence hash (tag 06) that an opening of a run (tag 08) leads to.
    function evidence(IChallenges.RunOpening calldata opening) internal pure returns (bytes32) {
        IChallenges.Run calldata run = opening.run;
        bytes32 leaf = keccak256(
            abi.encodePacked(
                uint8(0x08),
                run.start,
                run.end,
                run.contribution,
                run.document,
                run.matchStart,
                run.matchEnd,
                run.offset
            )
        );
        bytes32 spanRoot = root(leaf, opening.index, opening.runs, opening.path);
        return keccak256(
            abi.encodePacked(uint8(0x06), opening.runs, spanRoot, opening.contextHash, opening.influenceHash)
        );
    }

    function _chunkRoot(uint64 length, IChallenges.Chunk calldata chunk) private pure returns (bytes32) {
        // An empty text has one leaf with an empty chunk.
        uint256 leaves = length == 0 ? 1 : (uint256(length) + CHUNK - 1) / CHUNK;
        uint256 start = uint256(chunk.index) * CHUNK;
        uint256 expected = uint256(chunk.index) + 1 < leaves ? CHUNK : uint256(length) - (start < length ? start : length);
        require(chunk.data.length == expected, ChunkLength(chunk.index, chunk.data.length));
        bytes32 leaf = keccak256(abi.encodePacked(uint8(0x00), chunk.salt, chunk.data));
        return root(leaf, chunk.index, leaves, chunk.path);
    }

    /// @dev keccak256(01 ‖ left ‖ right), in free memory that is not reserved: a batch has as many nodes as rows.
    function _node(bytes32 left, bytes32 right) private pure returns (bytes32 node) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore8(buffer, 0x01)
            mstore(add(buffer, 0x01), left)
            mstore(add(buffer, 0x21), right)
            node := keccak256(buffer, 0x41)
        }
    }
}
