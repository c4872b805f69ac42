// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IDemands} from "../src/interfaces/IDemands.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Commitments} from "../src/lib/Commitments.sol";
import {Bookkeeper, Refuser} from "./lib/Doubles.sol";
import {Openings} from "./lib/Openings.sol";
import {Stories} from "./lib/Stories.sol";

/// @notice Evidence that is demanded, shown, and withheld.
contract DemandsTest is Stories {
    using Openings for Openings.Text;

    uint256 private constant PRICE = 2_000_000; // the least, at the base fee of 0 here
    uint256 private constant SHOW = 250_000 * PRICE;
    address private host = address(0x4057);

    function setUp() public override {
        super.setUp();
        vm.deal(challenger, 1 ether);
    }

    function opened(Story memory story)
        private
        returns (IChallenges.RowOpening memory, IChallenges.AnswerReceipt memory)
    {
        IChallenges.AnswerReceipt memory r = priced(story);
        return (settled(story, r), r);
    }

    function demandEvidence(IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r)
        private
        returns (uint64)
    {
        vm.prank(challenger);
        return demands.demand{value: 0.01 ether}(opening, r, IDemands.Wanted.Evidence, 0);
    }

    function tooLate() private {
        skip(WINDOW_BLOCKS + 1, WINDOW_SECONDS);
    }

    // ---------------------------------------------------------------- shown

    function testReceipt() public {
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(honest());
        vm.prank(challenger);
        uint64 id = demands.demandReceipt{value: SHOW}(opening);
        vm.assertEq(address(demands).balance, SHOW);
        r.seed += 1;
        vm.expectPartialRevert(IDemands.AnswerMismatch.selector);
        demands.showReceipt(id, r);
        r.seed -= 1;
        vm.prank(host);
        demands.showReceipt(id, r);
        vm.assertEq(host.balance, SHOW);
        vm.assertEq(uint256(demands.demandOf(id).status), uint256(IDemands.Status.Answered));
        vm.expectRevert(abi.encodeWithSelector(IDemands.NotOpen.selector, id, IDemands.Status.Answered));
        demands.showReceipt(id, r);
    }

    function testEvidence() public {
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(honest());
        uint64 id = demandEvidence(opening, r);
        IChallenges.Evidence memory evidence = Openings.evidence(honest().runs);
        evidence.influenceHash = bytes32(uint256(1));
        vm.expectPartialRevert(IDemands.AnswerMismatch.selector);
        demands.showEvidence(id, evidence);
        evidence.influenceHash = 0;
        vm.prank(host);
        demands.showEvidence(id, evidence);
        // The gas of two runs to the host, the rest back.
        uint256 paid = (250_000 + 2 * 1_600) * PRICE;
        vm.assertEq(host.balance, paid);
        vm.assertEq(challenger.balance, 1 ether - paid);
        vm.assertEq(address(demands).balance, 0);
    }

    function demandChunk(
        IChallenges.RowOpening memory opening,
        IChallenges.AnswerReceipt memory r,
        IDemands.Wanted wanted,
        uint32 chunk
    ) private returns (uint64) {
        vm.prank(challenger);
        return demands.demand{value: SHOW}(opening, r, wanted, chunk);
    }

    function show(uint64 id, bytes32[] memory path, IChallenges.TextOpening memory text) private {
        vm.prank(host);
        demands.showText(id, path, text);
    }

    function testChunksOfAnswerAndPrompt() public {
        Story memory story = honest();
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(story);
        uint64 id = demandChunk(opening, r, IDemands.Wanted.Answer, 0);
        show(id, new bytes32[](0), answerText(story).open(0, 1));
        // The prompt has one chunk: its opening shows that there is no sixth.
        id = demandChunk(opening, r, IDemands.Wanted.Prompt, 5);
        show(id, new bytes32[](0), promptText(story).open(0, 1));
        vm.assertEq(host.balance, 2 * SHOW);
    }

    function testChunksOfASource() public {
        Story memory story = honest();
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(story);
        IChallenges.RunOpening memory run_ = Openings.openRun(r, story.runs, 0);
        // The sentence lies at 1000..1066 of Ana's document: in chunks 0 and 1.
        vm.startPrank(challenger);
        uint64 id = demands.demandSource{value: SHOW}(opening, run_, 0);
        uint64 next = demands.demandSource{value: SHOW}(opening, run_, 1);
        vm.stopPrank();
        bytes32[] memory path = Openings.path(documentCommitments(texts[first]), 1);
        IChallenges.TextOpening memory chunk = documentText(texts[first][1], 1).open(1024, 1);
        vm.expectRevert(abi.encodeWithSelector(IDemands.NoSuchChunk.selector, 1));
        demands.showText(id, path, chunk);
        show(next, path, chunk);
        show(id, path, documentText(texts[first][1], 1).open(0, 1));
        vm.assertEq(host.balance, 2 * SHOW);
    }

    function testWhatIsNoChunk() public {
        Story memory story = honest();
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(story);
        vm.expectRevert(abi.encodeWithSelector(IDemands.NoSuchChunk.selector, 1));
        demands.demand{value: SHOW}(opening, r, IDemands.Wanted.Answer, 1);
        vm.expectRevert(abi.encodeWithSelector(IDemands.NoSuchChunk.selector, 1));
        demands.demand{value: SHOW}(opening, r, IDemands.Wanted.Evidence, 1);
        vm.expectRevert(abi.encodeWithSelector(IDemands.WrongKind.selector, IDemands.Wanted.Source));
        demands.demand{value: SHOW}(opening, r, IDemands.Wanted.Source, 0);
        vm.expectRevert(abi.encodeWithSelector(IDemands.WrongKind.selector, IDemands.Wanted.Receipt));
        demands.demand{value: SHOW}(opening, r, IDemands.Wanted.Receipt, 0);
        IChallenges.RunOpening memory run_ = Openings.openRun(r, story.runs, 0);
        vm.expectRevert(abi.encodeWithSelector(IDemands.NoSuchChunk.selector, 2));
        demands.demandSource{value: SHOW}(opening, run_, 2);
        run_ = Openings.openRun(r, story.runs, 1);
        run_.run.offset += 1;
        vm.expectPartialRevert(IChallenges.EvidenceMismatch.selector);
        demands.demandSource{value: SHOW}(opening, run_, 0);
        story = hidden();
        (opening, r) = opened(story);
        vm.expectRevert(abi.encodeWithSelector(IDemands.WrongKind.selector, IDemands.Wanted.Prompt));
        demands.demandSource{value: SHOW}(opening, Openings.openRun(r, story.runs, 0), 0);
    }

    /// @dev Only a chunk: not two, and of the right kind.
    function testWhatIsNoAnswer() public {
        Story memory story = hidden();
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(story);
        uint64 id = demandChunk(opening, r, IDemands.Wanted.Answer, 0);
        IChallenges.TextOpening memory answer = answerText(story).open(0, 1);
        answer.chunks = new IChallenges.Chunk[](2);
        vm.expectRevert(abi.encodeWithSelector(Commitments.ChunkCount.selector, 2));
        demands.showText(id, new bytes32[](0), answer);
        vm.expectRevert(abi.encodeWithSelector(IDemands.WrongKind.selector, IDemands.Wanted.Answer));
        demands.showReceipt(id, r);
        vm.expectRevert(abi.encodeWithSelector(IDemands.WrongKind.selector, IDemands.Wanted.Answer));
        demands.showEvidence(id, Openings.evidence(story.runs));
        vm.prank(challenger);
        id = demands.demandReceipt{value: SHOW}(opening);
        vm.expectRevert(abi.encodeWithSelector(IDemands.WrongKind.selector, IDemands.Wanted.Receipt));
        demands.showText(id, new bytes32[](0), answerText(story).open(0, 1));
    }

    function testWhoRefusesHasADeposit() public {
        Refuser refuser = new Refuser();
        vm.deal(address(refuser), 1 ether);
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(honest());
        vm.prank(address(refuser));
        uint64 id = demands.demand{value: 1 ether}(opening, r, IDemands.Wanted.Evidence, 0);
        IChallenges.Evidence memory evidence = Openings.evidence(honest().runs);
        vm.prank(address(refuser));
        demands.showEvidence(id, evidence);
        vm.assertEq(settlement.depositOf(address(refuser)), 1 ether);
    }

    function testAJudgeCannotStarveTheDemander() public {
        Bookkeeper payee = new Bookkeeper();
        vm.deal(address(payee), 1 ether);
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(honest());
        vm.prank(address(payee));
        uint64 id = demands.demand{value: 1 ether}(opening, r, IDemands.Wanted.Evidence, 0);
        tooLate();
        skip(WINDOW_BLOCKS, WINDOW_SECONDS);
        bool told;
        for (uint256 gas_ = 50_000; gas_ < 300_000; gas_ += 2_000) {
            try demands.judgeWithheld{gas: gas_}(id, opening) {
                vm.assertTrue(told, "never told");
                vm.assertEq(payee.received(), 1 ether);
                vm.assertEq(settlement.depositOf(address(payee)), 0);
                return;
            } catch (bytes memory reason) {
                if (bytes4(reason) == ISettlement.GasTooLow.selector) told = true;
            }
        }
        vm.assertTrue(false, "never paid");
    }

    function testTheDepositFollowsTheBaseFee() public {
        vm.assertEq(demands.depositFor(IDemands.Wanted.Answer, 0), SHOW);
        vm.fee(50 gwei);
        vm.assertEq(demands.depositFor(IDemands.Wanted.Receipt, 0), 250_000 * 100 gwei);
        vm.assertEq(demands.depositFor(IDemands.Wanted.Evidence, 129), (250_000 + 129 * 1_600) * 100 gwei);
        vm.assertEq(demands.depositFor(IDemands.Wanted.Evidence, 1 << 31), (250_000 + 8192 * 1_600) * 100 gwei);
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(honest());
        uint256 need = demands.depositFor(IDemands.Wanted.Evidence, 129);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DepositShort.selector, need - 1, need));
        demands.demand{value: need - 1}(opening, r, IDemands.Wanted.Evidence, 0);
        vm.prank(challenger);
        uint64 id = demands.demand{value: need}(opening, r, IDemands.Wanted.Evidence, 0);
        // The price is that of the demand, whatever the base fee does until it is answered.
        vm.fee(0);
        IChallenges.Evidence memory evidence = Openings.evidence(honest().runs);
        vm.prank(host);
        demands.showEvidence(id, evidence);
        vm.assertEq(host.balance, (250_000 + 2 * 1_600) * 100 gwei);
    }

    // ---------------------------------------------------------------- withheld

    function testWithheldEvidence() public {
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(honest());
        uint64 batch = opening.batch;
        uint256 deposit = settlement.depositOf(payer);
        bytes memory data = abi.encodeCall(IDemands.demand, (opening, r, IDemands.Wanted.Evidence, 0));
        vm.roll(block.number - 1);
        vm.prank(challenger);
        demands.announce(keccak256(abi.encode(challenger, keccak256(data))));
        vm.roll(block.number + 1);
        uint64 id = demandEvidence(opening, r);

        IDemands.Demand memory made = demands.demandOf(id);
        vm.assertEq(made.dueBlock, block.number + WINDOW_BLOCKS);
        vm.expectRevert(abi.encodeWithSelector(IDemands.ResponseTime.selector, id, made.dueBlock, made.dueTime));
        demands.judgeWithheld(id, opening);
        tooLate();
        IChallenges.Evidence memory evidence = Openings.evidence(honest().runs);
        vm.expectRevert(abi.encodeWithSelector(IDemands.ResponseTime.selector, id, made.dueBlock, made.dueTime));
        demands.showEvidence(id, evidence);
        // The window would be over without the demand.
        vm.expectPartialRevert(ISettlement.WindowOpen.selector);
        settlement.push(batch, only(ana));
        IChallenges.RowOpening memory other = opening;
        other.index = 1;
        vm.expectRevert(abi.encodeWithSelector(IChallenges.RowMismatch.selector, batch, 1));
        demands.judgeWithheld(id, other);
        opening.index = 0;
        demands.judgeWithheld(id, opening);

        vm.assertEq(settlement.depositOf(payer), deposit + FEE);
        vm.assertEq(challenger.balance, 1 ether + FEE);
        vm.assertEq(address(0).balance, FEE);
        vm.assertEq(settlement.bondOf(gateway), 1000 ether - 2 * FEE);
        address[6] memory all = [ana, bia, worker, developer, treasury, curator];
        for (uint256 i; i < 6; ++i) {
            vm.assertEq(settlement.pendingOf(batch, all[i]), 0);
        }
        vm.expectRevert(abi.encodeWithSelector(IDemands.NotOpen.selector, id, IDemands.Status.Judged));
        demands.judgeWithheld(id, opening);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.RowReversed.selector, batch, 0));
        demands.demandReceipt{value: SHOW}(opening);
    }

    function testAnUnannouncedDemandIsNotRewarded() public {
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(honest());
        uint64 id = demandEvidence(opening, r);
        tooLate();
        demands.judgeWithheld(id, opening);
        vm.assertEq(challenger.balance, 1 ether);
        vm.assertEq(address(0).balance, 2 * FEE);
    }

    /// @dev The guilty gateway demands its own receipt, unannounced, so that nobody else can. Who looks is rewarded all the same;
    /// who announced the demand comes before who judges it.
    function testAnAnnouncedJudgeIsRewarded() public {
        (IChallenges.RowOpening memory opening,) = opened(honest());
        vm.deal(gateway, 1 ether);
        vm.prank(gateway);
        uint64 id = demands.demandReceipt{value: SHOW}(opening);
        tooLate();
        announced(address(demands), challenger, abi.encodeCall(IDemands.judgeWithheld, (id, opening)));
        vm.assertEq(challenger.balance, 1 ether + FEE);
        vm.assertEq(address(0).balance, FEE);
        vm.assertEq(settlement.bondOf(gateway), 1000 ether - 2 * FEE);

        Story memory story = honest();
        story.nonce = 2;
        (opening,) = opened(story);
        vm.deal(host, SHOW);
        announcedWith(host, SHOW, abi.encodeCall(IDemands.demandReceipt, (opening)));
        id = demands.demandCount();
        tooLate();
        announced(address(demands), challenger, abi.encodeCall(IDemands.judgeWithheld, (id, opening)));
        vm.assertEq(challenger.balance, 1 ether + FEE);
        vm.assertEq(host.balance, SHOW + FEE);
    }

    function announcedWith(address who, uint256 value, bytes memory data) private {
        vm.roll(vm.getBlockNumber() - 1);
        vm.prank(who);
        demands.announce(keccak256(abi.encode(who, keccak256(data))));
        vm.roll(vm.getBlockNumber() + 1);
        vm.prank(who);
        (bool ok,) = address(demands).call{value: value}(data);
        vm.assertTrue(ok);
    }

    function testTwoDemandsInVainReverseOnce() public {
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(honest());
        uint64 one_ = demandEvidence(opening, r);
        vm.prank(challenger);
        uint64 two = demands.demandReceipt{value: SHOW}(opening);
        tooLate();
        demands.judgeWithheld(one_, opening);
        uint256 bond = settlement.bondOf(gateway);
        demands.judgeWithheld(two, opening);
        vm.assertEq(settlement.bondOf(gateway), bond);
        vm.assertEq(challenger.balance, 1 ether);
        vm.assertEq(address(demands).balance, 0);
    }

    function testAfterTheWindowOnlyTheDepositReturns() public {
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(honest());
        uint64 id = demandEvidence(opening, r);
        tooLate();
        skip(WINDOW_BLOCKS, WINDOW_SECONDS);
        vm.assertTrue(settlement.windowOver(opening.batch));
        settlement.push(opening.batch, only(worker));
        demands.judgeWithheld(id, opening);
        vm.assertFalse(challenges.rowState(opening.batch, 0).reversed);
        vm.assertEq(challenger.balance, 1 ether);
        vm.assertEq(worker.balance, 2 ether);
    }

    // ---------------------------------------------------------------- who may, how often, how long

    function testPrivateReceiptsAreForTheirPayer() public {
        IChallenges.AnswerReceipt memory r = priced(honest());
        r.visibility = 1;
        IChallenges.RowOpening memory opening = settled(honest(), r);
        vm.expectRevert(abi.encodeWithSelector(IDemands.PrivateReceipt.selector, payer));
        demands.demand{value: SHOW}(opening, r, IDemands.Wanted.Answer, 0);
        IChallenges.RunOpening memory run_ = Openings.openRun(r, honest().runs, 0);
        vm.expectRevert(abi.encodeWithSelector(IDemands.PrivateReceipt.selector, payer));
        demands.demandSource{value: SHOW}(opening, run_, 0);
        vm.deal(payer, 1 ether);
        vm.prank(payer);
        demands.demand{value: SHOW}(opening, r, IDemands.Wanted.Answer, 0);
        // The row does not say that it is private: its receipt does.
        vm.prank(challenger);
        uint64 id = demands.demandReceipt{value: SHOW}(opening);
        demands.showReceipt(id, r);
    }

    /// @dev A gateway cannot hide what authors earn where their datanet keeps out private requests, nor behind a datanet that
    /// does not exist.
    function testAWordInTheReceiptHidesNothing() public {
        bytes2[] memory nowhere = new bytes2[](0);
        IDatanets.Policy memory policy =
            IDatanets.Policy("CC-BY-4.0", 5, IDatanets.ReviewRule.Open, 0, 0, uint32(CUT), 7, nowhere);
        vm.prank(curator);
        uint32 open_ = datanets.create("public", policy);
        for (uint64 i; i < 3; ++i) {
            Story memory story = honest();
            story.nonce = 70 + i;
            // Alone it may be private; beside another it may not.
            story.versions = new uint64[](i == 0 ? 1 : 2);
            story.versions[0] = named(net)[0];
            if (i == 1) story.versions[1] = uint64(open_) << 32;
            if (i == 2) story.versions[1] = 999 << 32;
            IChallenges.AnswerReceipt memory r = priced(story);
            r.visibility = 1;
            IChallenges.RowOpening memory opening = settled(story, r);
            IChallenges.RunOpening memory run_ = Openings.openRun(r, story.runs, 0);
            vm.startPrank(challenger);
            if (i == 0) vm.expectRevert(abi.encodeWithSelector(IDemands.PrivateReceipt.selector, payer));
            demands.demand{value: 0.01 ether}(opening, r, IDemands.Wanted.Evidence, 0);
            if (i == 0) vm.expectRevert(abi.encodeWithSelector(IDemands.PrivateReceipt.selector, payer));
            demands.demandSource{value: SHOW}(opening, run_, 0);
            vm.stopPrank();
        }
        vm.assertEq(demands.demandCount(), 4);
    }

    function testOneDemandForOneThing() public {
        Story memory story = honest();
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(story);
        uint64 id = demandEvidence(opening, r);
        vm.expectRevert(abi.encodeWithSelector(IDemands.AlreadyDemanded.selector, id));
        demands.demand{value: 0.01 ether}(opening, r, IDemands.Wanted.Evidence, 0);
        demands.showEvidence(id, Openings.evidence(story.runs));
        vm.expectRevert(abi.encodeWithSelector(IDemands.AlreadyDemanded.selector, id));
        demands.demand{value: 0.01 ether}(opening, r, IDemands.Wanted.Evidence, 0);
        vm.assertEq(demands.demandCount(), 1);
    }

    /// @dev One demand after the other, each as late as it may be: six windows are the end.
    function testDemandsHoldABatchForSixWindowsAtMost() public {
        Story memory story = honest();
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(story);
        uint256 settledBlock = block.number;
        uint256 settledAt = block.timestamp;
        uint32 made;
        vm.startPrank(challenger);
        while (!settlement.windowOver(opening.batch)) {
            try demands.demand{value: SHOW}(opening, r, IDemands.Wanted.Prompt, made) {
                ++made;
            } catch (bytes memory reason) {
                vm.assertEq(bytes32(bytes4(reason)), bytes32(IDemands.TooLate.selector));
                break;
            }
            skip(1, 20);
        }
        vm.stopPrank();
        vm.assertEq(made, 13); // blocks 0 to 12 of the batch: four windows
        (uint256 untilBlock, uint256 untilTime) = settlement.windowOf(opening.batch);
        vm.assertEq(untilBlock, settledBlock + 6 * WINDOW_BLOCKS);
        vm.assertEq(untilTime, settledAt + 6 * WINDOW_SECONDS);
        vm.roll(untilBlock + 1);
        vm.warp(untilTime);
        settlement.push(opening.batch, only(worker));
        vm.assertEq(worker.balance, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(IDemands.TooLate.selector, opening.batch));
        demands.demandReceipt{value: SHOW}(opening);
    }

    /// @dev The window runs in blocks and in seconds, and is over when both have passed: so is the time for demands.
    function testDemandsOnAQuietChain() public {
        (IChallenges.RowOpening memory opening,) = opened(honest());
        skip(1, 100 * WINDOW_SECONDS);
        vm.prank(challenger);
        uint64 id = demands.demandReceipt{value: SHOW}(opening);
        tooLate();
        demands.judgeWithheld(id, opening);
        vm.assertTrue(challenges.rowState(opening.batch, 0).reversed);
    }

    /// @dev Who withholds cannot outrun a demand: seconds that ran far ahead of the blocks count anew from the demand, so blocks in
    /// a hurry do not close the window before the demand is due.
    function testBlocksInAHurryDoNotOutrunADemand() public {
        (IChallenges.RowOpening memory opening,) = opened(honest());
        skip(1, 100 * WINDOW_SECONDS);
        vm.prank(challenger);
        uint64 id = demands.demandReceipt{value: SHOW}(opening);
        skip(2 * WINDOW_BLOCKS + 1, WINDOW_SECONDS - 1);
        vm.expectPartialRevert(ISettlement.WindowOpen.selector);
        settlement.push(opening.batch, only(worker));
        skip(0, WINDOW_SECONDS);
        demands.judgeWithheld(id, opening);
        vm.assertTrue(challenges.rowState(opening.batch, 0).reversed);
    }

    /// @dev Nor does a pause after many blocks: they too count from the demand.
    function testAPauseDoesNotOutrunADemand() public {
        (IChallenges.RowOpening memory opening,) = opened(honest());
        skip(100 * WINDOW_BLOCKS, 1);
        vm.prank(challenger);
        uint64 id = demands.demandReceipt{value: SHOW}(opening);
        skip(1, 50 * WINDOW_SECONDS);
        vm.expectPartialRevert(ISettlement.WindowOpen.selector);
        settlement.push(opening.batch, only(worker));
        skip(WINDOW_BLOCKS, 0);
        demands.judgeWithheld(id, opening);
        vm.assertTrue(challenges.rowState(opening.batch, 0).reversed);
    }

    function testOnlyDemandsMayExtend() public {
        (IChallenges.RowOpening memory opening,) = opened(honest());
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotJudge.selector, address(this)));
        settlement.extend(opening.batch, 1, 1);
        (uint256 untilBlock, uint256 untilTime) = settlement.windowOf(opening.batch);
        // Neither shortened nor beyond two windows from now, whatever it asks.
        vm.prank(address(demands));
        settlement.extend(opening.batch, 1, 1);
        (uint256 block_, uint256 time) = settlement.windowOf(opening.batch);
        vm.assertEq(block_, untilBlock);
        vm.assertEq(time, untilTime);
        vm.prank(address(demands));
        settlement.extend(opening.batch, type(uint256).max, type(uint256).max);
        (block_, time) = settlement.windowOf(opening.batch);
        vm.assertEq(block_, vm.getBlockNumber() + 2 * WINDOW_BLOCKS);
        vm.assertEq(time, vm.getBlockTimestamp() + 2 * WINDOW_SECONDS);
        // As late as it may be, again and again: four windows in blocks and in seconds are the end, though the window is open.
        for (uint256 i; i < 2; ++i) {
            skip(2 * WINDOW_BLOCKS, 2 * WINDOW_SECONDS - (i == 0 ? 1 : 0));
            vm.prank(address(demands));
            settlement.extend(opening.batch, type(uint256).max, type(uint256).max);
        }
        skip(1, 1);
        vm.assertFalse(settlement.windowOver(opening.batch));
        vm.prank(address(demands));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.WindowOver.selector, opening.batch));
        settlement.extend(opening.batch, type(uint256).max, type(uint256).max);
        (block_, time) = settlement.windowOf(opening.batch);
        vm.roll(block_ + 1);
        vm.warp(time);
        vm.prank(address(demands));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.WindowOver.selector, opening.batch));
        settlement.extend(opening.batch, block_ + 5, time + 5);
    }

    // ---------------------------------------------------------------- adversaries

    /// @dev A source's text is withheld: its author never shows it, and the gateway credits it for what it does not hold.
    /// Nobody else can open it, so it is demanded; what is shown in time is used, what is not costs the row.
    function testWithheldTextOfASource() public {
        Story memory story = invented();
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(story);
        IChallenges.RunOpening memory run_ = Openings.openRun(r, story.runs, 0);
        vm.prank(challenger);
        uint64 id = demands.demandSource{value: SHOW}(opening, run_, 0);
        uint256 state = vm.snapshotState();
        tooLate();
        demands.judgeWithheld(id, opening);
        vm.assertTrue(challenges.rowState(opening.batch, 0).reversed);

        vm.revertToState(state);
        skip(WINDOW_BLOCKS, WINDOW_SECONDS); // the last moment
        bytes32[] memory path = Openings.path(documentCommitments(texts[first]), 1);
        demands.showText(id, path, documentText(texts[first][1], 1).open(900, 1));
        // Long after the batch's own window: the window to use what was shown.
        skip(WINDOW_BLOCKS, WINDOW_SECONDS);
        notThere(opening.batch, r, story, 3);
        vm.assertEq(treasury.balance, POOL * 66 / 129);
    }

    function notThere(uint64 batch, IChallenges.AnswerReceipt memory r, Story memory story, uint32 position) private {
        IChallenges.RowOpening memory opening = openRow(batch, rowFor(story, r));
        IChallenges.RunOpening memory opened_ = Openings.openRun(r, story.runs, 0);
        IChallenges.TextOpening memory answer = answerText(story).open(position, 1);
        IChallenges.SourceOpening memory from = source(first, 1, 900 + position, 1);
        challenges.challengeNotThere(opening, opened_, position, answer, from);
    }

    /// @dev A gateway that demands of itself gets its own deposit back and nothing more, and delays its own payees for six
    /// windows at most (above); one that lets its own demand run out loses half of the penalty.
    function testDemandingOfOneselfLoses() public {
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(honest());
        vm.deal(gateway, 1 ether);
        uint256 before = gateway.balance + settlement.bondOf(gateway);
        bytes memory data = abi.encodeCall(IDemands.demand, (opening, r, IDemands.Wanted.Evidence, 0));
        vm.roll(block.number - 1);
        vm.prank(gateway);
        demands.announce(keccak256(abi.encode(gateway, keccak256(data))));
        vm.roll(block.number + 1);
        vm.prank(gateway);
        uint64 id = demands.demand{value: 1 ether}(opening, r, IDemands.Wanted.Evidence, 0);
        tooLate();
        demands.judgeWithheld(id, opening);
        vm.assertEq(before - gateway.balance - settlement.bondOf(gateway), FEE);
    }

    /// @dev Spam: every demand of an honest row is answered, and the spammer pays for all of it.
    function testSpamPaysTheGateway() public {
        Story memory story = honest();
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(story);
        uint256 bond = settlement.bondOf(gateway);
        bytes32[] memory none = new bytes32[](0);
        for (uint32 i; i < 20; ++i) {
            vm.prank(challenger);
            uint64 id = demands.demand{value: SHOW}(opening, r, IDemands.Wanted.Prompt, i);
            vm.prank(gateway);
            demands.showText(id, none, promptText(story).open(0, 1));
        }
        vm.assertEq(gateway.balance, 20 * SHOW);
        vm.assertEq(challenger.balance, 1 ether - 20 * SHOW);
        vm.assertEq(settlement.bondOf(gateway), bond);
    }

    function testForgedRowsAreNotDemanded() public {
        (IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r) = opened(honest());
        opening.row.fee += 1;
        vm.expectRevert(abi.encodeWithSelector(IChallenges.RowMismatch.selector, opening.batch, 0));
        demands.demandReceipt{value: SHOW}(opening);
        opening.row.fee -= 1;
        r.seed += 1;
        vm.expectPartialRevert(IChallenges.ReceiptMismatch.selector);
        demands.demand{value: SHOW}(opening, r, IDemands.Wanted.Answer, 0);
    }
}
