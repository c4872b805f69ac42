// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Challenges} from "../src/Challenges.sol";
import {Datanets} from "../src/Datanets.sol";
import {Settlement} from "../src/Settlement.sol";
import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Commitments} from "../src/lib/Commitments.sol";
import {ReceiptTypes} from "../src/lib/ReceiptTypes.sol";
import {Openings} from "./lib/Openings.sol";
import {World} from "./lib/World.sol";

/// @notice The libraries' internal functions, reachable with calldata.
contract Library {
    function text(uint8 tag, IChallenges.TextOpening calldata opening) external pure returns (bytes32) {
        return Commitments.text(tag, opening);
    }

    function contribution(bytes32 document, uint256 index, uint32 documents, bytes32[] calldata path)
        external
        pure
        returns (bytes32)
    {
        return Commitments.contribution(document, index, documents, path);
    }

    function evidence(IChallenges.RunOpening calldata opening) external pure returns (bytes32) {
        return Commitments.evidence(opening);
    }

    function root(bytes32 leaf, uint256 index, uint256 leaves, bytes32[] calldata path)
        external
        pure
        returns (bytes32)
    {
        return Commitments.root(leaf, index, leaves, path);
    }

    function rootOf(bytes32[] memory leaves) external pure returns (bytes32) {
        return Commitments.rootOf(leaves);
    }

    function hash(IChallenges.AnswerReceipt calldata receipt) external pure returns (bytes32) {
        return ReceiptTypes.hash(receipt);
    }

    function rowLeaf(address payer, ISettlement.Row calldata row) external pure returns (bytes32) {
        return ReceiptTypes.rowLeaf(payer, row);
    }
}

/// @notice The vectors that the Rust tests pin too: fixtures/receipt.json.
contract FixtureTest is World {
    using Openings for Openings.Text;

    string private json;
    Library private lib = new Library();
    bytes32 private domain;

    function setUp() public override {
        json = vm.readFile("../fixtures/receipt.json");
        vm.chainId(vm.parseJsonUint(json, ".network.chainId"));
        bytes32 network = vm.parseJsonBytes32(json, ".network.networkId");
        datanets = Datanets(vm.parseJsonAddress(json, ".network.datanets"));
        settlement = Settlement(vm.parseJsonAddress(json, ".network.settlement"));
        genesis(
            address(datanets), type(Datanets).creationCode, abi.encode(network, registrar, treasury, REVEAL_BLOCKS, reviews, origins)
        );
        genesis(
            address(settlement),
            type(Settlement).creationCode,
            abi.encode(network, datanets, models, challenges, demands, treasury, 3, 60, 60, K)
        );
        genesis(address(challenges), type(Challenges).creationCode, abi.encode(settlement, demands));
        domain = settlement.domainSeparator();
    }

    function item(string memory list, uint256 index, string memory rest) private pure returns (string memory) {
        return string.concat(list, "[", vm.toString(index), "]", rest);
    }

    function recovered(string memory what, bytes32 digest) private view returns (address) {
        return ECDSA.recover(digest, vm.parseJsonBytes(json, what));
    }

    function testTextsAndChunkOpenings() public view {
        uint256 texts;
        uint256 chunks;
        for (; vm.keyExistsJson(json, item(".texts", texts, "")); ++texts) {
            string memory entry = item(".texts", texts, "");
            bytes32 commitment = vm.parseJsonBytes32(json, string.concat(entry, ".commitment"));
            uint8 kind = uint8(vm.parseJsonUint(json, string.concat(entry, ".kind")));
            Openings.Text memory text = Openings.Text(
                kind,
                vm.parseJsonBytes(json, string.concat(entry, ".text")),
                0,
                vm.parseJsonBytes32(json, string.concat(entry, ".salt"))
            );
            string memory openings = string.concat(entry, ".openings");
            for (uint256 i; vm.keyExistsJson(json, item(openings, i, "")); ++i) {
                string memory part = item(openings, i, "");
                IChallenges.TextOpening memory opening;
                opening.length = uint64(vm.parseJsonUint(json, string.concat(part, ".length")));
                opening.metadataHash = vm.parseJsonBytes32(json, string.concat(part, ".extra"));
                opening.chunks = new IChallenges.Chunk[](1);
                opening.chunks[0] = IChallenges.Chunk(
                    uint32(vm.parseJsonUint(json, string.concat(part, ".index"))),
                    vm.parseJsonBytes32(json, string.concat(part, ".leafSalt")),
                    vm.parseJsonBytes(json, string.concat(part, ".chunk")),
                    vm.parseJsonBytes32Array(json, string.concat(part, ".path"))
                );
                vm.assertEq(lib.text(kind, opening), commitment);
                text.metadataHash = opening.metadataHash;
                IChallenges.Chunk memory mine = text.openChunk(opening.chunks[0].index);
                vm.assertEq(keccak256(abi.encode(mine)), keccak256(abi.encode(opening.chunks[0])));
                ++chunks;
            }
            vm.assertEq(text.commitment(), commitment);
        }
        vm.assertGe(texts, 3);
        vm.assertGe(chunks, texts);
    }

    function testContribution() public view {
        bytes32[] memory documents = vm.parseJsonBytes32Array(json, ".contribution.documents");
        bytes32 root = vm.parseJsonBytes32(json, ".contribution.root");
        vm.assertEq(Openings.contributionRoot(documents), root);
        for (uint256 i; i < documents.length; ++i) {
            bytes32[] memory path = vm.parseJsonBytes32Array(json, item(".contribution.paths", i, ""));
            vm.assertEq(lib.contribution(documents[i], i, uint32(documents.length), path), root);
        }
    }

    function testEvidence() public view {
        bytes32 expected = vm.parseJsonBytes32(json, ".evidence.hash");
        uint32 count;
        while (vm.keyExistsJson(json, item(".evidence.runs", count, ""))) ++count;
        IChallenges.Run[] memory runs = new IChallenges.Run[](count);
        for (uint32 i; i < count; ++i) {
            string memory entry = item(".evidence.runs", i, "");
            runs[i] = IChallenges.Run(
                uint32(vm.parseJsonUint(json, string.concat(entry, ".start"))),
                uint32(vm.parseJsonUint(json, string.concat(entry, ".end"))),
                uint64(vm.parseJsonUint(json, string.concat(entry, ".contribution"))),
                uint32(vm.parseJsonUint(json, string.concat(entry, ".document"))),
                uint32(vm.parseJsonUint(json, string.concat(entry, ".matchStart"))),
                uint32(vm.parseJsonUint(json, string.concat(entry, ".matchEnd"))),
                uint64(vm.parseJsonUint(json, string.concat(entry, ".offset")))
            );
            vm.assertEq(Openings.runLeaf(runs[i]), vm.parseJsonBytes32(json, string.concat(entry, ".leaf")));
            IChallenges.RunOpening memory opening;
            (opening.runs, opening.index, opening.run) = (count, i, runs[i]);
            opening.path = vm.parseJsonBytes32Array(json, string.concat(entry, ".path"));
            vm.assertEq(lib.evidence(opening), expected);
        }
        vm.assertEq(Openings.evidenceHash(runs), expected);
    }

    function testReceipt() public view {
        IChallenges.AnswerReceipt memory receipt =
            abi.decode(vm.parseJsonBytes(json, ".receipt.abi"), (IChallenges.AnswerReceipt));
        bytes32 id = vm.parseJsonBytes32(json, ".receipt.id");
        vm.assertEq(lib.hash(receipt), vm.parseJsonBytes32(json, ".receipt.structHash"));
        vm.assertEq(challenges.receiptId(receipt), id);
        vm.assertEq(recovered(".receipt.workerSignature", id), receipt.worker);
        vm.assertEq(receipt.requestId, keccak256(abi.encode(receipt.payer, receipt.gateway, receipt.nonce)));
        vm.assertEq(receipt.evidenceHash, vm.parseJsonBytes32(json, ".evidence.hash"));
    }

    function testCountersignature() public view {
        bytes32 structHash = keccak256(
            abi.encode(
                ReceiptTypes.COUNTERSIGNATURE_TYPEHASH,
                vm.parseJsonBytes32(json, ".countersignature.receipt"),
                vm.parseJsonBytes32(json, ".countersignature.answerRoot"),
                vm.parseJsonUint(json, ".countersignature.fee"),
                vm.parseJsonUint(json, ".countersignature.countersignedAt")
            )
        );
        bytes32 digest = ReceiptTypes.digest(domain, structHash);
        vm.assertEq(digest, vm.parseJsonBytes32(json, ".countersignature.digest"));
        vm.assertEq(
            recovered(".countersignature.signature", digest), vm.parseJsonAddress(json, ".addresses.gateway")
        );
    }

    function testVoucher() public view {
        address from = vm.parseJsonAddress(json, ".voucher.payer");
        bytes32 digest = settlement.voucherDigest(
            from,
            vm.parseJsonAddress(json, ".voucher.gateway"),
            uint128(vm.parseJsonUint(json, ".voucher.total")),
            uint64(vm.parseJsonUint(json, ".voucher.nonce"))
        );
        vm.assertEq(digest, vm.parseJsonBytes32(json, ".voucher.digest"));
        vm.assertEq(recovered(".voucher.signature", digest), from);
    }

    /// @dev The contract itself takes the fixture's signature, at the fixture's address, chain and network.
    function testContributionIsRevealedUnderItsSignature() public {
        (IDatanets.Reveal memory opening, bytes32 commitment) = terms();
        vm.assertEq(datanets.commitmentHash(opening), commitment);
        for (uint256 i; i < opening.datanet; ++i) {
            createDatanet(IDatanets.ReviewRule.Open);
        }
        vm.warp(opening.deadline);
        uint64 id = datanets.commit(commitment);
        datanets.reveal(id, opening, vm.parseJsonBytes(json, ".terms.signature"));
        vm.assertEq(datanets.contribution(id).root, opening.root);
    }

    function testContributionDigest() public view {
        (IDatanets.Reveal memory o,) = terms();
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Contribution(uint32 datanet,bytes32 root,uint32 documents,uint64 textBytes,address payee,bytes32 blind,uint64 deadline)"
                ),
                o.datanet,
                o.root,
                o.documents,
                o.textBytes,
                o.payee,
                o.blind,
                o.deadline
            )
        );
        bytes32 digest = ReceiptTypes.digest(datanets.domainSeparator(), structHash);
        vm.assertEq(digest, vm.parseJsonBytes32(json, ".terms.digest"));
        vm.assertEq(recovered(".terms.signature", digest), o.contributor);
    }

    function testWithdrawalDigest() public view {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Withdrawal(uint64 contribution,uint64 deadline)"),
                vm.parseJsonUint(json, ".withdrawal.contribution"),
                vm.parseJsonUint(json, ".withdrawal.deadline")
            )
        );
        vm.assertEq(
            ReceiptTypes.digest(datanets.domainSeparator(), structHash),
            vm.parseJsonBytes32(json, ".withdrawal.digest")
        );
    }

    function testRow() public view {
        (address from, ISettlement.Row memory row) =
            abi.decode(vm.parseJsonBytes(json, ".row.abi"), (address, ISettlement.Row));
        bytes32 leaf = vm.parseJsonBytes32(json, ".row.leaf");
        vm.assertEq(lib.rowLeaf(from, row), leaf);
        vm.assertEq(Openings.rowLeaf(from, row), leaf);
        vm.assertEq(row.receipt, vm.parseJsonBytes32(json, ".receipt.id"));
        bytes32[] memory path = vm.parseJsonBytes32Array(json, ".row.path");
        bytes32 rowsRoot = vm.parseJsonBytes32(json, ".row.rowsRoot");
        // The fixture says neither the place nor the number of rows: exactly one small tree must fit.
        uint256 fits;
        for (uint256 leaves = 1; leaves <= 8; ++leaves) {
            for (uint256 i; i < leaves; ++i) {
                try lib.root(leaf, i, leaves, path) returns (bytes32 found) {
                    if (found == rowsRoot) ++fits;
                } catch {}
            }
        }
        vm.assertGe(fits, 1);
    }

    function testFuzzPathsLeadToTheRoot(uint256 count, uint256 seed) public view {
        count = bound(count, 1, 70);
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            leaves[i] = keccak256(abi.encode(seed, i));
        }
        bytes32 root = Openings.root(leaves);
        vm.assertEq(lib.rootOf(leaves), root);
        uint256 index = seed % count;
        bytes32[] memory path = Openings.path(leaves, index);
        vm.assertEq(lib.root(leaves[index], index, count, path), root);
        if (count > 1) {
            path[seed % path.length] ^= bytes32(uint256(1));
            vm.assertNotEq(lib.root(leaves[index], index, count, path), root);
        }
    }

    function terms() private view returns (IDatanets.Reveal memory opening, bytes32 commitment) {
        opening = IDatanets.Reveal(
            uint32(vm.parseJsonUint(json, ".terms.datanet")),
            vm.parseJsonBytes32(json, ".terms.root"),
            uint32(vm.parseJsonUint(json, ".terms.documents")),
            uint64(vm.parseJsonUint(json, ".terms.textBytes")),
            vm.parseJsonAddress(json, ".addresses.contributor"),
            vm.parseJsonAddress(json, ".terms.payee"),
            vm.parseJsonBytes32(json, ".terms.blind"),
            uint64(vm.parseJsonUint(json, ".terms.deadline"))
        );
        commitment = vm.parseJsonBytes32(json, ".terms.commitment");
    }
}
