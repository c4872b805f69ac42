// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "../../src/interfaces/IChallenges.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";

/// @notice Builds commitments and opens them: the other side of src/lib/Commitments.sol, written from
/// docs/spec/receipt.md and not from that library, level by level instead of by index.
library Openings {
    struct Text {
        uint8 tag;
        bytes data;
        bytes32 metadataHash;
        bytes32 salt;
    }

    function path(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory siblings) {
        bytes32[] memory found = new bytes32[](64);
        uint256 count;
        bytes32[] memory level = leaves;
        while (level.length > 1) {
            if (index % 2 == 1) found[count++] = level[index - 1];
            else if (index + 1 < level.length) found[count++] = level[index + 1];
            level = above(level);
            index /= 2;
        }
        siblings = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            siblings[i] = found[i];
        }
    }

    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        bytes32[] memory level = leaves;
        while (level.length > 1) {
            level = above(level);
        }
        return level[0];
    }

    function above(bytes32[] memory level) internal pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i; i < next.length; ++i) {
            next[i] = 2 * i + 1 < level.length
                ? keccak256(bytes.concat(hex"01", level[2 * i], level[2 * i + 1]))
                : level[2 * i];
        }
    }

    function chunk(Text memory text, uint256 index) internal pure returns (bytes memory part) {
        uint256 end = (index + 1) * 1024 < text.data.length ? (index + 1) * 1024 : text.data.length;
        part = slice(text.data, index * 1024, end);
    }

    function leafSalt(Text memory text, uint32 index) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(text.salt, index));
    }

    function leavesOf(Text memory text) internal pure returns (bytes32[] memory leaves) {
        uint256 n = text.data.length == 0 ? 1 : (text.data.length + 1023) / 1024;
        leaves = new bytes32[](n);
        for (uint32 i; i < n; ++i) {
            leaves[i] = keccak256(bytes.concat(hex"00", leafSalt(text, i), chunk(text, i)));
        }
    }

    function commitment(Text memory text) internal pure returns (bytes32) {
        return keccak256(
            bytes.concat(bytes1(text.tag), bytes8(uint64(text.data.length)), text.metadataHash, root(leavesOf(text)))
        );
    }

    /// @notice Opens the chunk with byte `position`, and the next if `position + bytes - 1` lies in it.
    function open(Text memory text, uint256 position, uint256 size)
        internal
        pure
        returns (IChallenges.TextOpening memory opening)
    {
        uint256 first = position / 1024;
        uint256 last = (position + size - 1) / 1024;
        opening.length = uint64(text.data.length);
        opening.metadataHash = text.metadataHash;
        opening.chunks = new IChallenges.Chunk[](last - first + 1);
        for (uint256 i; i < opening.chunks.length; ++i) {
            opening.chunks[i] = openChunk(text, uint32(first + i));
        }
    }

    function openChunk(Text memory text, uint32 index) internal pure returns (IChallenges.Chunk memory) {
        return IChallenges.Chunk(index, leafSalt(text, index), chunk(text, index), path(leavesOf(text), index));
    }

    function contributionRoot(bytes32[] memory documents) internal pure returns (bytes32) {
        return keccak256(bytes.concat(hex"03", bytes4(uint32(documents.length)), root(documents)));
    }

    function runLeaf(IChallenges.Run memory run) internal pure returns (bytes32) {
        return keccak256(
            bytes.concat(
                hex"08",
                bytes4(run.start),
                bytes4(run.end),
                bytes8(run.contribution),
                bytes4(run.document),
                bytes4(run.matchStart),
                bytes4(run.matchEnd),
                bytes8(run.offset)
            )
        );
    }

    function runLeaves(IChallenges.Run[] memory runs) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](runs.length);
        for (uint256 i; i < runs.length; ++i) {
            leaves[i] = runLeaf(runs[i]);
        }
    }

    function evidenceHash(IChallenges.Run[] memory runs) internal pure returns (bytes32) {
        return
            keccak256(bytes.concat(hex"06", bytes4(uint32(runs.length)), root(runLeaves(runs)), bytes32(0), bytes32(0)));
    }

    function evidence(IChallenges.Run[] memory runs) internal pure returns (IChallenges.Evidence memory all) {
        for (uint256 i; i < runs.length; ++i) {
            IChallenges.Run memory run = runs[i];
            all.runs = bytes.concat(
                all.runs,
                bytes4(run.start),
                bytes4(run.end),
                bytes8(run.contribution),
                bytes4(run.document),
                bytes4(run.matchStart),
                bytes4(run.matchEnd),
                bytes8(run.offset)
            );
        }
    }

    function openRun(IChallenges.AnswerReceipt memory receipt, IChallenges.Run[] memory runs, uint32 index)
        internal
        pure
        returns (IChallenges.RunOpening memory)
    {
        return IChallenges.RunOpening(
            receipt, uint32(runs.length), 0, 0, index, runs[index], path(runLeaves(runs), index)
        );
    }

    function rowLeaf(address payer, ISettlement.Row memory row) internal pure returns (bytes32) {
        bytes memory leaf = bytes.concat(
            hex"07",
            bytes20(payer),
            row.receipt,
            bytes4(row.model),
            bytes20(row.worker),
            bytes16(row.fee),
            bytes1(uint8(row.versions.length)),
            bytes1(uint8(row.shares.length))
        );
        for (uint256 i; i < row.versions.length; ++i) {
            leaf = bytes.concat(leaf, bytes8(row.versions[i]));
        }
        for (uint256 i; i < row.shares.length; ++i) {
            leaf = bytes.concat(leaf, bytes8(uint64(row.shares[i] >> 32)), bytes4(uint32(row.shares[i])));
        }
        return keccak256(leaf);
    }

    function slice(bytes memory data, uint256 start, uint256 end) internal pure returns (bytes memory part) {
        part = new bytes(end - start);
        for (uint256 i; i < part.length; ++i) {
            part[i] = data[start + i];
        }
    }
}
