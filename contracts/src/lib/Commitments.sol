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
    uint256 internal constant RUN_BYTES = 36;
    /// @dev So that whole evidence fits a transaction with room to spare.
    uint256 internal constant MAX_RUNS = 8192;

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
        // `n + 1` cannot overflow: there are at most 2^54 leaves, 2^64 bytes in chunks of 2^10. Siblings beyond the path are
        // read as whatever follows in calldata; the length is checked below, before the root is used.
        unchecked {
            for (; n > 1; n = (n + 1) >> 1) {
                if ((place ^ 1) < n) {
                    bytes32 sibling;
                    assembly ("memory-safe") {
                        sibling := calldataload(add(path.offset, shl(5, used)))
                    }
                    ++used;
                    node = (place & 1) == 1 ? _node(sibling, node) : _node(node, sibling);
                }
                place >>= 1;
            }
        }
        require(used == path.length, PathInvalid(index, leaves, path.length));
    }

    /// @notice The root over all leaves, of which there must be one; overwrites them.
    function rootOf(bytes32[] memory leaves) internal pure returns (bytes32 top) {
        // Level by level in place: node i is written over leaf i after leaves 2i and 2i + 1 have been read, and i <= 2i. The
        // preimage `01 ‖ left ‖ right` stands at 0x1f to 0x60; the free memory pointer at 0x40 is put back. Written out
        // because a batch has as many nodes as rows.
        assembly ("memory-safe") {
            let first := add(leaves, 0x20)
            let pointer := mload(0x40)
            for { let n := mload(leaves) } gt(n, 1) { n := shr(1, add(n, 1)) } {
                let half := shr(1, n)
                mstore8(0x1f, 0x01)
                for { let i := 0 } lt(i, half) { i := add(i, 1) } {
                    let pair := add(first, shl(6, i))
                    mstore(0x20, mload(pair))
                    mstore(0x40, mload(add(pair, 0x20)))
                    mstore(add(first, shl(5, i)), keccak256(0x1f, 0x41))
                }
                if and(n, 1) { mstore(add(first, shl(5, half)), mload(add(first, shl(5, sub(n, 1))))) }
            }
            mstore(0x40, pointer)
            top := mload(first)
        }
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
        uint256 skip = position % CHUNK;
        // Both ends must be opened; a chunk between them there is none.
        byteAt(opening, position);
        byteAt(opening, position + 31);
        window = _word(_chunkAt(opening, position), skip);
        if (skip > CHUNK - 32) {
            // The first chunk has 1024 - skip < 32 bytes of the window, the next chunk begins with the rest.
            uint256 bits = 8 * (CHUNK - skip);
            window = (window >> (256 - bits) << (256 - bits)) | (_word(_chunkAt(opening, position + 31), 0) >> bits);
        }
    }

    function _chunkAt(IChallenges.TextOpening calldata opening, uint256 position)
        private
        pure
        returns (bytes calldata)
    {
        return opening.chunks[opening.chunks[0].index == position / CHUNK ? 0 : 1].data;
    }

    /// @dev 32 bytes from `skip` on; what lies beyond the end of `data` is for the caller to know.
    function _word(bytes calldata data, uint256 skip) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(add(data.offset, skip))
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
        return
            keccak256(abi.encodePacked(uint8(0x06), opening.runs, spanRoot, opening.contextHash, opening.influenceHash));
    }

    /// @notice The evidence hash (tag 06) of packed runs; 0 if they are no whole number of runs, none, or too many.
    function evidenceHash(IChallenges.Evidence calldata evidence_) internal pure returns (bytes32) {
        bytes calldata runs = evidence_.runs;
        uint256 count = runs.length / RUN_BYTES;
        if (count == 0 || count > MAX_RUNS || count * RUN_BYTES != runs.length) return 0;
        bytes32[] memory leaves = new bytes32[](count);
        // The preimage `08 ‖ run` stands at 0x1b to 0x40, below the free memory pointer.
        assembly ("memory-safe") {
            mstore8(0x1b, 0x08)
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                calldatacopy(0x1c, add(runs.offset, mul(i, 36)), 36)
                mstore(add(add(leaves, 0x20), shl(5, i)), keccak256(0x1b, 37))
            }
        }
        return keccak256(
            abi.encodePacked(uint8(0x06), uint32(count), rootOf(leaves), evidence_.contextHash, evidence_.influenceHash)
        );
    }

    /// @notice Bytes that packed runs give to `source`, and whether the runs partition `[0, answerBytes)` in order.
    function tally(bytes calldata runs, uint64 source, uint256 answerBytes)
        internal
        pure
        returns (uint256 credited, bool partition)
    {
        uint256 expected;
        partition = true;
        // Starts and ends are below 2^32, and there are at most 2^13 runs: no sum overflows.
        unchecked {
            for (uint256 pos; pos < runs.length; pos += RUN_BYTES) {
                uint256 word = uint256(_word(runs, pos));
                uint256 start = word >> 224;
                uint256 end = uint32(word >> 192);
                if (start != expected || end <= start) return (0, false);
                if (uint64(word >> 128) == source) credited += end - start;
                expected = end;
            }
        }
        if (expected != answerBytes) return (0, false);
    }

    function _chunkRoot(uint64 length, IChallenges.Chunk calldata chunk) private pure returns (bytes32) {
        // An empty text has one leaf with an empty chunk.
        uint256 leaves = leavesOf(length);
        uint256 start = uint256(chunk.index) * CHUNK;
        uint256 expected =
            uint256(chunk.index) + 1 < leaves ? CHUNK : uint256(length) - (start < length ? start : length);
        require(chunk.data.length == expected, ChunkLength(chunk.index, chunk.data.length));
        return root(_leaf(chunk.salt, chunk.data), chunk.index, leaves, chunk.path);
    }

    /// @notice Number of chunks of a text.
    function leavesOf(uint64 length) internal pure returns (uint256) {
        return length == 0 ? 1 : (uint256(length) + CHUNK - 1) / CHUNK;
    }

    /// @dev keccak256(00 ‖ salt ‖ chunk), copied once, into free memory that is not reserved.
    function _leaf(bytes32 salt, bytes calldata data) private pure returns (bytes32 leaf) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore8(buffer, 0x00)
            mstore(add(buffer, 0x01), salt)
            calldatacopy(add(buffer, 0x21), data.offset, data.length)
            leaf := keccak256(buffer, add(data.length, 0x21))
        }
    }

    /// @dev keccak256(01 ‖ left ‖ right), in free memory that is not reserved.
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
