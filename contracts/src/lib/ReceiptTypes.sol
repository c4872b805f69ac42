// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "../interfaces/IChallenges.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";

/// @title ReceiptTypes
/// @notice EIP-712 struct hashes and the row leaf (docs/spec/receipt.md, sections 1 and 3).
library ReceiptTypes {
    bytes32 internal constant RECEIPT_TYPEHASH = keccak256(
        "AnswerReceipt(bytes32 requestId,address payer,address gateway,uint64 nonce,address worker,uint32 model,bytes32 modelHash,bytes32 adapterHash,uint8 engineClass,uint8 visibility,DatanetVersion[] versions,bytes32 promptRoot,bytes32 answerRoot,uint32 answerBytes,uint32 inputTokens,uint32 outputTokens,uint64 seed,uint128 fee,uint32 methodVersion,Share[] shares,bytes32 evidenceHash,uint64 issuedAt)DatanetVersion(uint32 datanet,uint32 version)Share(uint64 contribution,uint32 ppm)"
    );
    bytes32 internal constant VERSION_TYPEHASH = keccak256("DatanetVersion(uint32 datanet,uint32 version)");
    bytes32 internal constant SHARE_TYPEHASH = keccak256("Share(uint64 contribution,uint32 ppm)");
    bytes32 internal constant VOUCHER_TYPEHASH =
        keccak256("Voucher(address payer,address gateway,uint128 total,uint64 nonce)");
    bytes32 internal constant COUNTERSIGNATURE_TYPEHASH =
        keccak256("Countersignature(bytes32 receipt,bytes32 answerRoot,uint128 fee,uint64 countersignedAt)");

    /// @notice A share word has bits above the 96th.
    error ShareInvalid(uint256 share);

    /// @notice Struct hash of a receipt.
    function hash(IChallenges.AnswerReceipt calldata r) internal pure returns (bytes32) {
        // In four parts, because the compiler cannot encode 23 values at once; all are static words.
        bytes memory who = abi.encode(RECEIPT_TYPEHASH, r.requestId, r.payer, r.gateway, r.nonce, r.worker);
        bytes memory how =
            abi.encode(r.model, r.modelHash, r.adapterHash, r.engineClass, r.visibility, _hashVersions(r.versions));
        bytes memory what = abi.encode(r.promptRoot, r.answerRoot, r.answerBytes, r.inputTokens, r.outputTokens, r.seed);
        bytes memory pay = abi.encode(r.fee, r.methodVersion, _hashShares(r.shares), r.evidenceHash, r.issuedAt);
        return keccak256(bytes.concat(who, how, what, pay));
    }

    /// @notice Struct hash of a voucher.
    function hashVoucher(address payer, address gateway, uint128 total, uint64 nonce) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOUCHER_TYPEHASH, payer, gateway, total, nonce));
    }

    /// @notice H(1901 ‖ domain ‖ struct), which every signature signs.
    function digest(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// @notice Leaf of a row in its batch (tag 07): keccak256 of the head that `putHead` writes, then per version `u32 datanet ‖
    /// u32 version`, then per share `u64 contribution ‖ u32 ppm` (docs/spec/settlement.md).
    function rowLeaf(address payer, ISettlement.Row calldata row) internal pure returns (bytes32 leaf) {
        uint64[] calldata versions = row.versions;
        uint256[] calldata shares = row.shares;
        // Free memory is used and not reserved: nothing of it is needed after the hash.
        uint256 buffer = freeMemory();
        uint256 counts = uint256(uint8(versions.length)) << 8 | uint8(shares.length);
        uint256 head = uint256(row.fee) << 16 | counts;
        uint256 out = putHead(buffer, payer, row.receipt, row.model, row.worker, head);
        for (uint256 i; i < versions.length; ++i) {
            out = put(out, uint256(versions[i]) << 192, 8);
        }
        for (uint256 i; i < shares.length; ++i) {
            // A word with more bits would be another opening of the same row.
            require(shares[i] >> 96 == 0, ShareInvalid(shares[i]));
            out = put(out, shares[i] << 160, 12);
        }
        assembly ("memory-safe") {
            leaf := keccak256(buffer, sub(out, buffer))
        }
    }

    /// @notice Writes `07 ‖ payer[20] ‖ receipt[32] ‖ u32 model ‖ worker[20] ‖ u128 fee ‖ u8 versions ‖ u8 shares` at `out` and
    /// returns where it ends. `head` is `fee << 16 | versions << 8 | shares`. Each word that is written covers what follows
    /// it with zeros, up to 31 bytes beyond the end.
    function putHead(uint256 out, address payer, bytes32 receipt, uint256 model, address worker, uint256 head)
        internal
        pure
        returns (uint256)
    {
        out = put(out, uint256(0x07) << 248 | uint256(uint160(payer)) << 88, 21);
        out = put(out, uint256(receipt), 32);
        out = put(out, model << 224 | uint256(uint160(worker)) << 64, 24);
        return put(out, head << 112, 18);
    }

    /// @notice Writes the upper `size` bytes of `word` (and zeros after them) and returns where they end.
    function put(uint256 out, uint256 word, uint256 size) internal pure returns (uint256) {
        assembly ("memory-safe") {
            mstore(out, word)
            out := add(out, size)
        }
        return out;
    }

    /// @notice Where free memory begins.
    function freeMemory() internal pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := mload(0x40)
        }
    }

    function _hashVersions(IChallenges.DatanetVersion[] calldata versions) private pure returns (bytes32) {
        bytes32[] memory words = new bytes32[](versions.length);
        for (uint256 i; i < versions.length; ++i) {
            words[i] = keccak256(abi.encode(VERSION_TYPEHASH, versions[i].datanet, versions[i].version));
        }
        return keccak256(abi.encodePacked(words));
    }

    function _hashShares(IChallenges.Share[] calldata shares) private pure returns (bytes32) {
        bytes32[] memory words = new bytes32[](shares.length);
        for (uint256 i; i < shares.length; ++i) {
            words[i] = keccak256(abi.encode(SHARE_TYPEHASH, shares[i].contribution, shares[i].ppm));
        }
        return keccak256(abi.encodePacked(words));
    }
}
