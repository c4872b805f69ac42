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

    /// @notice Struct hash of a receipt.
    function hash(IChallenges.AnswerReceipt calldata r) internal pure returns (bytes32) {
        // In four parts, because the compiler cannot encode 23 values at once; all are static words.
        bytes memory who = abi.encode(RECEIPT_TYPEHASH, r.requestId, r.payer, r.gateway, r.nonce, r.worker);
        bytes memory how = abi.encode(
            r.model, r.modelHash, r.adapterHash, r.engineClass, r.visibility, _hashVersions(r.versions)
        );
        bytes memory what =
            abi.encode(r.promptRoot, r.answerRoot, r.answerBytes, r.inputTokens, r.outputTokens, r.seed);
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

    /// @notice Leaf of a row in its batch (tag 07): keccak256(07 ‖ abi.encode(payer, row)). Written out, because the
    /// compiler's encoder costs three times as much and keeps its memory, and a batch has many rows.
    function rowLeaf(address payer, ISettlement.Row calldata row) internal pure returns (bytes32 leaf) {
        uint64[] calldata versions = row.versions;
        uint256[] calldata shares = row.shares;
        uint256 buffer;
        // Free memory is used and not reserved: nothing of it is needed after the hash.
        assembly ("memory-safe") {
            buffer := mload(0x40)
            mstore8(buffer, 0x07)
            mstore(add(buffer, 0x01), shr(96, shl(96, payer)))
            mstore(add(buffer, 0x21), 0x40) // offset of the row
        }
        _put(buffer, 0x41, uint256(row.receipt));
        _put(buffer, 0x61, row.model);
        _put(buffer, 0x81, uint256(uint160(row.worker)));
        _put(buffer, 0xa1, row.fee);
        assembly ("memory-safe") {
            let versionsSize := shl(5, versions.length)
            let sharesSize := shl(5, shares.length)
            mstore(add(buffer, 0xc1), 0xc0) // offset of the versions in the row
            mstore(add(buffer, 0xe1), add(0xe0, versionsSize)) // offset of the shares in the row
            mstore(add(buffer, 0x101), versions.length)
            calldatacopy(add(buffer, 0x121), versions.offset, versionsSize)
            let tail := add(add(buffer, 0x121), versionsSize)
            mstore(tail, shares.length)
            calldatacopy(add(tail, 0x20), shares.offset, sharesSize)
            leaf := keccak256(buffer, add(add(0x141, versionsSize), sharesSize))
        }
    }

    function _put(uint256 buffer, uint256 offset, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(add(buffer, offset), word)
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
