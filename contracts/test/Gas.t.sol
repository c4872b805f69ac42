// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IDemands} from "../src/interfaces/IDemands.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Commitments} from "../src/lib/Commitments.sol";
import {Openings} from "./lib/Openings.sol";
import {World} from "./lib/World.sol";

/// @notice Verifies openings and nothing else, as a transaction.
contract Verifier {
    event Verified(bytes32 commitment);

    function verify(IChallenges.TextOpening calldata opening) external {
        emit Verified(Commitments.text(Commitments.TAG_DOCUMENT, opening));
    }
}

/// @notice Gas of the verbs that cost most, kept in snapshots/: whole transactions, calldata and cold storage included.
/// forge-config: default.isolate = true
contract GasTest is World {
    using Openings for Openings.Text;

    /// @dev The cap of a transaction (EIP-7825).
    uint256 private constant CAP = 1 << 24;
    uint256 private constant SHARES = 8;

    uint64[] private ids;

    function contributors(uint256 payees) private {
        for (uint256 i = ids.length; i < payees; ++i) {
            ids.push(contribute(address(uint160(0x10000 + i)), bytes(vm.toString(i))));
        }
        fund(10 ether, 100 ether);
    }

    /// @dev Rows of 8 shares over `payees` contributions, packed by hand (docs/spec/settlement.md): many rows are made here.
    /// `payers` have as many rows each.
    function batchOf(uint256 count, uint256 payees, uint256 payers)
        private
        view
        returns (ISettlement.Tables memory tables, ISettlement.Tab[] memory tabs)
    {
        tables.sources = new uint64[](payees);
        for (uint256 i; i < payees; ++i) {
            tables.sources[i] = ids[i];
        }
        tables.versions = named(net);
        (tables.models, tables.workers) = (new uint32[](1), only(worker));
        tables.models[0] = model;
        tabs = new ISettlement.Tab[](payers);
        for (uint256 i; i < payers; ++i) {
            tabs[i] = tabOf(PAYER_KEY + i, i * (count / payers), count / payers, payees);
        }
    }

    function tabOf(uint256 key, uint256 first, uint256 count, uint256 payees)
        private
        view
        returns (ISettlement.Tab memory tab)
    {
        tab.payer = vm.addr(key);
        tab.nonce = 1;
        tab.count = uint32(count);
        tab.total = settlement.spent(tab.payer, gateway);
        uint256 size = 54 + 2 + 5 * SHARES;
        bytes memory rows = new bytes(count * size);
        for (uint256 i = first; i < first + count; ++i) {
            uint128 fee = uint128(134_000_000_000_000 + i);
            tab.total += fee;
            bytes memory row = abi.encodePacked(
                keccak256(abi.encode(i)), fee, uint16(0), uint16(0), uint8(1), uint8(SHARES), uint16(0)
            );
            for (uint256 j; j < SHARES; ++j) {
                row = abi.encodePacked(row, uint16((i * SHARES + j) % payees), uint24(120_000 - j));
            }
            assembly ("memory-safe") {
                mcopy(add(add(rows, 32), mul(sub(i, first), size)), add(row, 32), size)
            }
        }
        tab.rows = rows;
        tab.signature = sign(key, settlement.voucherDigest(tab.payer, gateway, tab.total, 1));
    }

    function settleRows(uint256 count, uint256 payees) private returns (uint64 batch, uint256 gas_) {
        return settleRows(count, payees, 1);
    }

    function settleRows(uint256 count, uint256 payees, uint256 payers) private returns (uint64 batch, uint256 gas_) {
        (ISettlement.Tables memory tables, ISettlement.Tab[] memory tabs) = batchOf(count, payees, payers);
        string memory name = string.concat("rows_", vm.toString(count), "_payees_", vm.toString(payees));
        if (payers != 1) name = string.concat(name, "_payers_", vm.toString(payers));
        vm.startPrank(gateway);
        batch = settlement.settle(tables, tabs);
        gas_ = vm.snapshotGasLastCall("settle", name);
        vm.stopPrank();
    }

    function testSettle1() public {
        contributors(200);
        uint256 state = vm.snapshotState();
        settleRows(1, 20);
        vm.revertToState(state);
        settleRows(1, 200);
    }

    function testSettle10() public {
        contributors(200);
        uint256 state = vm.snapshotState();
        settleRows(10, 20);
        vm.revertToState(state);
        settleRows(10, 200);
    }

    function testSettle100() public {
        contributors(200);
        uint256 state = vm.snapshotState();
        settleRows(100, 20);
        vm.revertToState(state);
        settleRows(100, 200);
    }

    function testSettle1000() public {
        contributors(200);
        uint256 state = vm.snapshotState();
        settleRows(1000, 20);
        vm.revertToState(state);
        (, uint256 gas_) = settleRows(1000, 200);
        vm.assertLe(gas_, 15_000_000, "more than 15k gas per answer");
    }

    /// @dev Each payer costs a tab of its own: a voucher, a signature, a debit.
    function testSettle1000OfManyPayers() public {
        contributors(200);
        vm.deal(address(this), address(this).balance + 99 ether);
        for (uint256 i = 1; i < 100; ++i) {
            settlement.depositFor{value: 1 ether}(vm.addr(PAYER_KEY + i));
        }
        uint256 state = vm.snapshotState();
        settleRows(1000, 20, 100);
        vm.revertToState(state);
        settleRows(1000, 200, 100);
    }

    /// @dev The most rows over 200 payees that one transaction holds: this many fit, one more does not.
    function testLargestBatch() public {
        contributors(200);
        uint256 state = vm.snapshotState();
        (uint256 low, uint256 high) = (1000, 1000);
        uint256 used = gasOf(low, state);
        uint256 perRow = (used - gasOf(900, state)) / 100;
        low += (CAP - used) / perRow - 4;
        while (gasOf(low, state) > CAP) low -= 4;
        high = low + 1;
        while (gasOf(high, state) <= CAP) low = high++;
        vm.snapshotValue("settle", "largest_batch_payees_200", low);
        vm.assertGe(low, 1000);
    }

    /// @dev Measured from outside, without a snapshot of its own.
    function gasOf(uint256 count, uint256 state) private returns (uint256 gas_) {
        (ISettlement.Tables memory tables, ISettlement.Tab[] memory tabs) = batchOf(count, 200, 1);
        vm.startPrank(gateway);
        settlement.settle(tables, tabs);
        gas_ = vm.lastCallGas().gasTotalUsed;
        vm.stopPrank();
        vm.revertToState(state);
    }

    function testPush() public {
        contributors(20);
        (uint64 batch,) = settleRows(10, 20);
        closeWindow();
        address[] memory payees = new address[](23);
        for (uint256 i; i < 20; ++i) {
            payees[i] = address(uint160(0x10000 + i));
        }
        (payees[20], payees[21], payees[22]) = (worker, treasury, curator);
        settlement.push(batch, payees);
        vm.snapshotGasLastCall("push", "payees_23");
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

    // ---------------------------------------------------------------- challenges

    /// @dev A chunk of 1 KiB in a text of 1 MiB: a path of ten siblings.
    function testOpenOneChunk() public {
        Verifier verifier = new Verifier();
        IChallenges.TextOpening memory opening;
        opening.length = 1 << 20;
        opening.metadataHash = keccak256("metadata");
        opening.chunks = new IChallenges.Chunk[](1);
        bytes memory data = new bytes(1024);
        for (uint256 i; i < 1024; ++i) {
            data[i] = bytes1(uint8(33 + i * 7 % 90));
        }
        opening.chunks[0] = IChallenges.Chunk(517, keccak256("salt"), data, new bytes32[](10));
        bytes32 node = keccak256(bytes.concat(hex"00", keccak256("salt"), data));
        for (uint256 i; i < 10; ++i) {
            bytes32 sibling = keccak256(abi.encode(i));
            opening.chunks[0].path[i] = sibling;
            node = 517 >> i & 1 == 1
                ? keccak256(bytes.concat(hex"01", sibling, node))
                : keccak256(bytes.concat(hex"01", node, sibling));
        }
        bytes32 expected = keccak256(bytes.concat(hex"02", bytes8(opening.length), opening.metadataHash, node));
        vm.expectEmit(false, false, false, true, address(verifier));
        emit Verifier.Verified(expected);
        verifier.verify(opening);
        uint256 gas_ = vm.snapshotGasLastCall("challenge", "open_one_chunk_of_1_mib");
        vm.assertLe(gas_, 150_000, "opening one chunk");
    }

    bytes private text;
    bytes[] private documents;
    ISettlement.Row[] private settledRows;

    /// @dev Row 40 of 100, an answer of 3,000 bytes in 100 runs of nobody, 16 documents of which one holds it.
    function tell() private returns (Story memory story, uint64 batch, uint64 id) {
        fund(100 ether, 100 ether);
        bytes memory made = new bytes(5000);
        for (uint256 i; i < made.length; ++i) {
            made[i] = bytes1(uint8(uint256(keccak256(abi.encode(i / 32))) >> (8 * (i % 32))));
        }
        text = made;
        for (uint256 i; i < 16; ++i) {
            documents.push(i == 9 ? made : bytes(vm.toString(i)));
        }
        id = contribute(net, challenger, documents);
        (story.nonce, story.fee, story.versions) = (1, 0.1 ether, named(net));
        story.prompt = "?";
        story.answer = Openings.slice(made, 0, 3000);
        story.runs = new IChallenges.Run[](100);
        for (uint32 i; i < 100; ++i) {
            story.runs[i] = IChallenges.Run(i * 30, i * 30 + 30, 0, 0, 0, 0, 0);
        }
        story.shares = new IChallenges.Share[](1);
        story.shares[0] = IChallenges.Share(id, 10);
        ISettlement.Row[] memory list = new ISettlement.Row[](100);
        for (uint256 i; i < 100; ++i) {
            list[i] = rowOf(story);
            settledRows.push(list[i]);
        }
        batch = settle(list);
    }

    function sourceOf(uint64 id, uint256 position) private view returns (IChallenges.SourceOpening memory from) {
        (from.contribution, from.document) = (id, 9);
        from.path = Openings.path(documentCommitments(documents), 9);
        from.text = documentText(text, 9).open(position, 32);
    }

    function testChallengeEarlier() public {
        (Story memory story, uint64 batch, uint64 id) = tell();
        IChallenges.RowOpening memory row = openRow(batch, settledRows, 40);
        IChallenges.RunOpening memory run = Openings.openRun(receiptOf(story), story.runs, 34);
        IChallenges.TextOpening memory answer = answerText(story).open(1010, 32);
        IChallenges.SourceOpening memory from = sourceOf(id, 1010);
        challenges.challengeEarlier(row, run, 1010, 1010, answer, from);
        vm.snapshotGasLastCall("challenge", "earlier_two_chunks_each");
    }

    function testChallengeNotThere() public {
        (Story memory story, uint64 batch, uint64 id) = tell();
        story.nonce = 2;
        story.runs[34] = IChallenges.Run(1020, 1050, id, 9, 1000, 1060, 999);
        batch = settle(rowOf(story));
        IChallenges.RowOpening memory row = openRow(batch, rowOf(story));
        IChallenges.RunOpening memory run = Openings.openRun(receiptOf(story), story.runs, 34);
        IChallenges.TextOpening memory answer = answerText(story).open(1030, 1);
        IChallenges.SourceOpening memory from = sourceOf(id, 1029);
        challenges.challengeNotThere(row, run, 1030, answer, from);
        vm.snapshotGasLastCall("challenge", "not_there_one_chunk_each");
    }

    function testChallengeArithmetic() public {
        (Story memory story, uint64 batch, uint64 id) = tell();
        uint256 state = vm.snapshotState();
        challenges.challengeShares(openRow(batch, settledRows, 40), receiptOf(story), Openings.evidence(story.runs), id);
        vm.snapshotGasLastCall("challenge", "shares_100_runs");
        vm.revertToState(state);
        challenges.challengeRow(openRow(batch, settledRows, 40), receiptOf(story), 1);
        vm.snapshotGasLastCall("challenge", "row");
        vm.revertToState(state);
        challenges.challengeDoubleSettle(
            openRow(batch, settledRows, 39), receiptOf(story), openRow(batch, settledRows, 40), receiptOf(story)
        );
        vm.snapshotGasLastCall("challenge", "double_settle");
        vm.revertToState(state);
        challenges.announce(keccak256("seal"));
        vm.snapshotGasLastCall("challenge", "announce");
    }

    /// @dev Whatever is demanded, its answer is paid more gas than it takes (at the gas price of the deposit, which is twice
    /// the base fee).
    function testDemands() public {
        (Story memory story, uint64 batch, uint64 id) = tell();
        IChallenges.RowOpening memory row = openRow(batch, settledRows, 40);
        IChallenges.AnswerReceipt memory r = receiptOf(story);
        uint256 price = 2_000_000;
        demands.demandReceipt{value: 1 ether}(row);
        vm.snapshotGasLastCall("demand", "demand_receipt");
        demands.demand{value: 1 ether}(row, r, IDemands.Wanted.Evidence, 0);
        vm.snapshotGasLastCall("demand", "demand_evidence");
        demands.demand{value: 1 ether}(row, r, IDemands.Wanted.Answer, 1);
        uint256 before = worker.balance;
        vm.prank(worker);
        demands.showReceipt(1, r);
        uint256 gas_ = vm.snapshotGasLastCall("demand", "show_receipt");
        vm.assertLe(gas_ * price, worker.balance - before);
        before = worker.balance;
        vm.prank(worker);
        demands.showEvidence(2, Openings.evidence(story.runs));
        gas_ = vm.snapshotGasLastCall("demand", "show_evidence_100_runs");
        vm.assertLe(gas_ * price, worker.balance - before);
        before = worker.balance;
        vm.prank(worker);
        demands.showText(3, new bytes32[](0), answerText(story).open(1024, 1));
        gas_ = vm.snapshotGasLastCall("demand", "show_chunk");
        vm.assertLe(gas_ * price, worker.balance - before);
        vm.assertTrue(id != 0);
    }

    /// @dev The most runs that evidence may have, with calldata of few zeros: shown on chain, and its shares challenged.
    function testLargestEvidence() public {
        fund(1 ether, 1 ether);
        uint64 id = contribute(worker, "a text");
        Story memory story;
        (story.nonce, story.fee, story.versions) = (1, 0.1 ether, named(net));
        story.runs = new IChallenges.Run[](1); // replaced below
        story.shares = new IChallenges.Share[](1);
        story.shares[0] = IChallenges.Share(id, 999_999);
        uint32 count = uint32(challenges.MAX_RUNS());
        IChallenges.Evidence memory evidence;
        evidence.runs = new bytes(36 * count);
        bytes32[] memory leaves = new bytes32[](count);
        uint32 step = 70_001; // so that few bytes of start and end are zero
        for (uint32 i; i < count; ++i) {
            bytes memory run = abi.encodePacked(
                i * step,
                (i + 1) * step,
                id | 0x7777777777777700,
                uint32(0x77777777),
                i * step,
                (i + 1) * step,
                uint64(0x7777777777777777)
            );
            leaves[i] = keccak256(bytes.concat(hex"08", run));
            bytes memory all = evidence.runs;
            assembly ("memory-safe") {
                mcopy(add(add(all, 32), mul(i, 36)), add(run, 32), 36)
            }
        }
        IChallenges.AnswerReceipt memory r = receiptOf(story);
        r.answerBytes = count * step;
        r.evidenceHash =
            keccak256(bytes.concat(hex"06", bytes4(count), Commitments.rootOf(leaves), bytes32(0), bytes32(0)));
        ISettlement.Row memory row = rowOf(story);
        row.receipt = challenges.receiptId(r);
        uint64 batch = settle(row);
        uint256 state = vm.snapshotState();
        challenges.challengeShares(openRow(batch, row), r, evidence, id);
        vm.assertLe(vm.snapshotGasLastCall("challenge", "shares_8192_runs"), CAP);
        vm.revertToState(state);
        demands.demand{value: 1 ether}(openRow(batch, row), r, IDemands.Wanted.Evidence, 0);
        uint256 before = challenger.balance;
        vm.prank(challenger);
        demands.showEvidence(1, evidence);
        uint256 gas_ = vm.snapshotGasLastCall("demand", "show_evidence_8192_runs");
        vm.assertLe(gas_, CAP);
        vm.assertLe(gas_ * 2_000_000, challenger.balance - before);
    }
}
