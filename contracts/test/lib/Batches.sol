// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISettlement} from "../../src/interfaces/ISettlement.sol";

/// @notice Tables and packed rows from rows, written from docs/spec/settlement.md.
library Batches {
    uint256 private constant NONE = type(uint256).max;

    function tables(ISettlement.Row[] memory rows) internal pure returns (ISettlement.Tables memory t) {
        uint256 shares;
        uint256 versions;
        for (uint256 i; i < rows.length; ++i) {
            shares += rows[i].shares.length;
            versions += rows[i].versions.length;
        }
        (t.sources, t.versions) = (new uint64[](shares), new uint64[](versions));
        (t.models, t.workers) = (new uint32[](rows.length), new address[](rows.length));
        (uint256 s, uint256 v, uint256 m, uint256 w) = (0, 0, 0, 0);
        for (uint256 i; i < rows.length; ++i) {
            for (uint256 j; j < rows[i].shares.length; ++j) {
                s = insert(t.sources, s, uint64(rows[i].shares[j] >> 32));
            }
            for (uint256 j; j < rows[i].versions.length; ++j) {
                uint64 version = rows[i].versions[j];
                uint256 k;
                while (k < v && t.versions[k] != version) ++k;
                if (k == v) t.versions[v++] = version;
            }
            uint256 found;
            while (found < m && t.models[found] != rows[i].model) ++found;
            if (found == m) t.models[m++] = rows[i].model;
            found = 0;
            while (found < w && t.workers[found] != rows[i].worker) ++found;
            if (found == w) t.workers[w++] = rows[i].worker;
        }
        (uint64[] memory a, uint64[] memory b, uint32[] memory c, address[] memory d) =
            (t.sources, t.versions, t.models, t.workers);
        assembly ("memory-safe") {
            mstore(a, s)
            mstore(b, v)
            mstore(c, m)
            mstore(d, w)
        }
    }

    /// @dev Into a sorted list without doubles.
    function insert(uint64[] memory list, uint256 count, uint64 value) private pure returns (uint256) {
        uint256 low = lower(list, count, value);
        if (low < count && list[low] == value) return count;
        for (uint256 i = count; i > low; --i) {
            list[i] = list[i - 1];
        }
        list[low] = value;
        return count + 1;
    }

    function lower(uint64[] memory list, uint256 count, uint64 value) private pure returns (uint256 low) {
        uint256 high = count;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (list[middle] < value) low = middle + 1;
            else high = middle;
        }
    }

    function pack(ISettlement.Tables memory t, ISettlement.Row memory row) internal pure returns (bytes memory packed) {
        uint256 model;
        while (t.models[model] != row.model) ++model;
        uint256 worker;
        while (t.workers[worker] != row.worker) ++worker;
        packed = abi.encodePacked(
            row.receipt, row.fee, uint16(model), uint16(worker), uint8(row.versions.length), uint8(row.shares.length)
        );
        for (uint256 i; i < row.versions.length; ++i) {
            uint256 v;
            while (t.versions[v] != row.versions[i]) ++v;
            packed = abi.encodePacked(packed, uint16(v));
        }
        for (uint256 i; i < row.shares.length; ++i) {
            uint256 s = lower(t.sources, t.sources.length, uint64(row.shares[i] >> 32));
            packed = abi.encodePacked(packed, uint16(s), uint24(row.shares[i]));
        }
    }

    function pack(ISettlement.Tables memory t, ISettlement.Row[] memory rows) internal pure returns (bytes memory all) {
        uint256 size;
        bytes[] memory parts = new bytes[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            parts[i] = pack(t, rows[i]);
            size += parts[i].length;
        }
        all = new bytes(size);
        uint256 to;
        assembly ("memory-safe") {
            to := add(all, 32)
        }
        for (uint256 i; i < rows.length; ++i) {
            bytes memory part = parts[i];
            assembly ("memory-safe") {
                mcopy(to, add(part, 32), mload(part))
                to := add(to, mload(part))
            }
        }
    }
}
