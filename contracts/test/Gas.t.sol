// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {Batches} from "./lib/Batches.sol";
import {Openings} from "./lib/Openings.sol";
import {World} from "./lib/World.sol";

/// @notice Gas of the verbs that cost most, kept in snapshots/: whole transactions, calldata and cold storage included.
/// forge-config: default.isolate = true
contract GasTest is World {
    using Openings for Openings.Text;

    uint64[] private ids;

    function settleRows(uint256 count, uint256 payees) private returns (uint64 batch) {
        for (uint256 i; i < payees; ++i) {
            ids.push(contribute(address(uint160(0x10000 + i)), bytes(vm.toString(i))));
        }
        fund(10 ether, 100 ether);
        ISettlement.Row[] memory rows = new ISettlement.Row[](count);
        for (uint256 i; i < count; ++i) {
            uint256[] memory shares = new uint256[](8);
            for (uint256 j; j < 8; ++j) {
                shares[j] = uint256(ids[(i * 8 + j) % payees]) << 32 | (120_000 - j);
            }
            rows[i] = ISettlement.Row(
                keccak256(abi.encode(i)), model, worker, uint128(134_000_000_000_000 + i), named(net), shares
            );
        }
        ISettlement.Tables memory tables = Batches.tables(rows);
        ISettlement.Tab[] memory tabs = new ISettlement.Tab[](1);
        tabs[0] = tabOf(PAYER_KEY, tables, rows);
        string memory name = string.concat("rows_", vm.toString(count), "_payees_", vm.toString(payees));
        vm.startPrank(gateway);
        batch = settlement.settle(tables, tabs);
        vm.snapshotGasLastCall("settle", name);
        vm.stopPrank();
    }

    function testSettle1() public {
        settleRows(1, 20);
    }

    function testSettle10() public {
        settleRows(10, 20);
    }

    function testSettle100() public {
        settleRows(100, 20);
    }

    function testSettle1000() public {
        settleRows(1000, 200);
    }

    function testPush() public {
        uint64 batch = settleRows(10, 20);
        closeWindow();
        address[] memory payees = new address[](22);
        for (uint256 i; i < 20; ++i) {
            payees[i] = address(uint160(0x10000 + i));
        }
        (payees[20], payees[21]) = (worker, treasury);
        settlement.push(batch, payees);
        vm.snapshotGasLastCall("push", "payees_22");
    }

    function testContribute() public {
        uint256 n = 100;
        bytes32[] memory commitments = new bytes32[](n);
        IDatanets.Reveal[] memory openings = new IDatanets.Reveal[](n);
        uint64[] memory many = new uint64[](n);
        for (uint256 i; i < n; ++i) {
            openings[i] = openingOf(net, worker, worker, one(bytes(vm.toString(i))));
            commitments[i] = datanets.commitmentHash(openings[i]);
            many[i] = uint64(i + 1);
        }
        datanets.commitBatch(commitments);
        vm.snapshotGasLastCall("datanets", "commit_100");
        vm.prank(worker);
        datanets.revealBatch(many, openings, new bytes[](n));
        vm.snapshotGasLastCall("datanets", "reveal_100");
    }

    /// @dev Answer and source of several chunks, two of each opened; 100 runs, 100 rows.
    function testChallengeEarlier() public {
        fund(100 ether, 100 ether);
        bytes memory text = new bytes(5000);
        for (uint256 i; i < text.length; ++i) {
            text[i] = bytes1(uint8(uint256(keccak256(abi.encode(i / 32))) >> (8 * (i % 32))));
        }
        bytes[] memory documents = new bytes[](16);
        for (uint256 i; i < 16; ++i) {
            documents[i] = i == 9 ? text : bytes(vm.toString(i));
        }
        uint64 id = contribute(net, challenger, documents);
        Story memory story;
        (story.nonce, story.fee, story.versions) = (1, 1 ether, named(net));
        story.prompt = "?";
        story.answer = Openings.slice(text, 0, 3000);
        story.runs = new IChallenges.Run[](100);
        for (uint32 i; i < 100; ++i) {
            story.runs[i] = IChallenges.Run(i * 30, i * 30 + 30, 0, 0, 0, 0, 0);
        }
        ISettlement.Row[] memory rows = new ISettlement.Row[](100);
        for (uint256 i; i < 100; ++i) {
            story.fee = 0.1 ether;
            rows[i] = rowOf(story);
        }
        uint64 batch = settle(rows);
        IChallenges.RowOpening memory row = openRow(batch, rows, 40);
        IChallenges.RunOpening memory run = Openings.openRun(receiptOf(story), story.runs, 34);
        IChallenges.TextOpening memory answer = answerText(story).open(1010, 32);
        IChallenges.SourceOpening memory from;
        (from.contribution, from.document) = (id, 9);
        from.path = Openings.path(documentCommitments(documents), 9);
        from.text = documentText(text, 9).open(1010, 32);
        challenges.challengeEarlier(row, run, 1010, 1010, answer, from);
        vm.snapshotGasLastCall("challenge", "earlier_two_chunks_each");
    }
}
