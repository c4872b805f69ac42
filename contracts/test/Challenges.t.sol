// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Settlement} from "../src/Settlement.sol";
import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Commitments} from "../src/lib/Commitments.sol";
import {Batches} from "./lib/Batches.sol";
import {Refuser} from "./lib/Doubles.sol";
import {Openings} from "./lib/Openings.sol";
import {Stories} from "./lib/Stories.sol";

contract ChallengesTest is Stories {
    using Openings for Openings.Text;

    // ---------------------------------------------------------------- not there

    function testNotThere() public {
        uint64 batch = settle(rowOf(invented()));
        uint256 anaBefore = settlement.pendingOf(batch, ana);
        uint256 treasuryBefore = settlement.pendingOf(batch, treasury);
        uint256 before = held();
        notThere(batch, invented(), 0, 3);

        // 66 of 129 bytes: harm 6 ether * 66 / 129; the penalty is 2 fees, half to the challenger, half burnt.
        uint256 harm = POOL * 66 / 129;
        uint256 credit = POOL * 511_627 / 1e6;
        vm.assertEq(challenger.balance, FEE);
        vm.assertEq(address(0).balance, FEE);
        vm.assertEq(treasury.balance, harm);
        vm.assertEq(before - held(), harm + 2 * FEE);
        vm.assertEq(anaBefore, credit - cut(credit));
        // The run's worth rounds to more than the credit: all of it is moved.
        vm.assertEq(settlement.pendingOf(batch, ana), 0);
        vm.assertEq(settlement.pendingOf(batch, treasury), treasuryBefore + credit);
        vm.assertEq(settlement.bondOf(gateway), 1000 ether - harm - 2 * FEE);
        vm.assertEq(settlement.lockedOf(gateway), FEE - harm);
        vm.assertEq(settlement.batch(batch).exposure, FEE - harm);
        vm.assertTrue(challenges.runChallenged(batch, 0, 0));
        IChallenges.RowState memory state = challenges.rowState(batch, 0);
        vm.assertEq(state.harmed, harm);
        vm.assertTrue(state.penalised);
        vm.assertFalse(state.reversed);
    }

    function testNotThereBeyondTheDocument() public {
        Story memory story = honest();
        story.runs[1].offset = 60; // Bia's text has 134 bytes: from byte 74 of the match on there is none
        uint64 batch = settle(rowOf(story));
        IChallenges.SourceOpening memory any = source(second, 0, 0, 1);
        IChallenges.RowOpening memory opening = row(batch, story);
        challenges.challengeNotThere(opening, run(story, 1), 128, answerText(story).open(128, 1), any);
        vm.assertEq(treasury.balance, POOL * 63 / 129);
    }

    function testNotThereInThePrompt() public {
        uint64 batch = settle(rowOf(echoed(false)));
        notThere(batch, echoed(false), 0, 0);
        vm.assertEq(treasury.balance, POOL * 66 / 129);
        vm.assertEq(challenger.balance, FEE);
    }

    /// @dev Runs that no text can make true need no text.
    function testImpossibleRuns() public {
        for (uint256 i; i < 14; ++i) {
            Story memory story = honest();
            story.nonce = uint64(100 + i);
            IChallenges.Run memory r = story.runs[0];
            if (i == 0) r.end = r.start;
            if (i == 1) r.end = 130;
            if (i == 2) (r.start, r.matchStart) = (3, 4);
            if (i == 3) r.matchEnd = 65;
            if (i == 4) (r.start, r.end, r.matchStart, r.matchEnd) = (0, 31, 0, 31);
            if (i == 5) r.contribution = 77;
            if (i == 6) r.document = 3;
            if (i == 7) (r.contribution, r.document) = (0, 0);
            if (i == 8) (r.contribution, r.document) = (PROMPT, 1);
            if (i == 9) (r.matchEnd) = 130;
            if (i == 10) (r.contribution, r.document, r.matchEnd, r.offset) = (0, 0, 0, 1);
            // Beyond the last chunk that can be opened: in part, and as far as it goes.
            if (i == 11) r.offset = (1 << 42) - 65;
            if (i == 12) r.offset = type(uint64).max;
            if (i == 13) (r.contribution, r.document, r.offset) = (PROMPT, 0, 1 << 42);
            uint64 batch = settle(rowOf(story));
            IChallenges.TextOpening memory nothing;
            IChallenges.SourceOpening memory nowhere;
            challenges.challengeNotThere(row(batch, story), run(story, 0), 0, nothing, nowhere);
            vm.assertTrue(challenges.runChallenged(batch, 0, 0));
        }
    }

    /// @dev The last bytes that a chunk can hold may be quoted: there only the text can show a lie.
    function testTheLastByteThatCanBeOpened() public {
        Story memory story = honest();
        story.runs[0].offset = (1 << 42) - 66;
        uint64 batch = settle(rowOf(story));
        IChallenges.RowOpening memory opening = row(batch, story);
        IChallenges.RunOpening memory opened = run(story, 0);
        IChallenges.TextOpening memory nothing;
        IChallenges.SourceOpening memory nowhere;
        vm.expectRevert(abi.encodeWithSelector(IChallenges.SourceMismatch.selector, 0, 0));
        challenges.challengeNotThere(opening, opened, 0, nothing, nowhere);
        // Ana's document is shorter, and her gateway can be asked for it.
        uint64 demanded = demands.demandSource{value: 1 ether}(opening, opened, type(uint32).max);
        vm.assertEq(uint256(demands.demandOf(demanded).chunk), type(uint32).max);
    }

    function testLaterMembersAreNotThere() public {
        Story memory story = honest();
        uint64 third = contribute(address(0xC1A), SENTENCE); // after the named version
        story.runs[0] = IChallenges.Run(0, 66, third, 0, 0, 66, 0);
        uint64 batch = settle(rowOf(story));
        IChallenges.TextOpening memory nothing;
        IChallenges.SourceOpening memory nowhere;
        challenges.challengeNotThere(row(batch, story), run(story, 0), 0, nothing, nowhere);
        vm.assertEq(treasury.balance, POOL * 66 / 129);
    }

    function testTheByteIsThere() public {
        Story memory story = honest();
        uint64 batch = settle(rowOf(story));
        vm.expectRevert(abi.encodeWithSelector(IChallenges.ByteIsThere.selector, 3));
        this.tryNotThere(batch, story, 0, 3);
        Story memory echo = echoed(true);
        echo.nonce = 2;
        batch = settle(rowOf(echo));
        vm.expectRevert(abi.encodeWithSelector(IChallenges.ByteIsThere.selector, 65));
        this.tryNotThere(batch, echo, 0, 65);
    }

    function tryNotThere(uint64 batch, Story memory story, uint32 index, uint32 position) external {
        notThere(batch, story, index, position);
    }

    function testNotThereNeedsTheCreditedSource() public {
        uint64 batch = settle(rowOf(invented()));
        IChallenges.RowOpening memory opening = row(batch, invented());
        IChallenges.RunOpening memory opened = run(invented(), 0);
        IChallenges.TextOpening memory answer = answerText(invented()).open(3, 1);
        IChallenges.SourceOpening memory from = source(second, 0, 3, 1);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.SourceMismatch.selector, second, 0));
        challenges.challengeNotThere(opening, opened, 3, answer, from);
        from = source(first, 0, 3, 1);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.SourceMismatch.selector, first, 0));
        challenges.challengeNotThere(opening, opened, 3, answer, from);
        from = source(first, 1, 903, 1);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.OutsideRun.selector, 66));
        challenges.challengeNotThere(opening, opened, 66, answer, from);
        // Another chunk of the right text does not hold the byte.
        from = source(first, 1, 1100, 1);
        vm.expectRevert(abi.encodeWithSelector(Commitments.ByteNotOpened.selector, 903));
        challenges.challengeNotThere(opening, opened, 3, answer, from);
    }

    function testNobodysRunCreditsNobody() public {
        uint64 batch = settle(rowOf(hidden()));
        IChallenges.RowOpening memory opening = row(batch, hidden());
        IChallenges.RunOpening memory opened = run(hidden(), 0);
        IChallenges.TextOpening memory nothing;
        IChallenges.SourceOpening memory nowhere;
        vm.expectRevert(IChallenges.NothingCredited.selector);
        challenges.challengeNotThere(opening, opened, 0, nothing, nowhere);
    }

    // ---------------------------------------------------------------- earlier

    function testEarlierThanACopy() public {
        uint64 batch = settle(rowOf(copied()));
        vm.assertEq(settlement.pendingOf(batch, bia), POOL - cut(POOL));
        vm.assertEq(settlement.pendingOf(batch, curator), cut(POOL));
        earlierByAna(batch, copied(), 0);
        // One run covers the whole answer: all of the pool moves, of Bia and of the curator, and is paid to Ana and to the
        // curator.
        vm.assertEq(ana.balance, POOL - cut(POOL));
        vm.assertEq(curator.balance, cut(POOL));
        vm.assertEq(settlement.pendingOf(batch, curator), 0);
        vm.assertEq(settlement.pendingOf(batch, bia), 0);
        vm.assertEq(challenger.balance, FEE);
        vm.assertEq(address(0).balance, FEE);
        vm.assertEq(settlement.bondOf(gateway), 1000 ether - POOL - 2 * FEE);
    }

    function testEarlierThanNobody() public {
        uint64 batch = settle(rowOf(hidden()));
        uint256 biaBefore = settlement.pendingOf(batch, bia);
        earlierByAna(batch, hidden(), 0);
        vm.assertEq(ana.balance, POOL * 66 / 129 - cut(POOL * 66 / 129));
        vm.assertEq(settlement.pendingOf(batch, bia), biaBefore);
    }

    function testTheWindowMayCrossAChunk() public {
        // Ana's sentence lies at 1000..1066 of her text: the window at 1000 takes bytes of chunks 0 and 1.
        uint64 batch = settle(rowOf(hidden()));
        earlier(batch, hidden(), 0, 0, source(first, 1, 1000, 32), 1000);
        vm.assertEq(ana.balance, POOL * 66 / 129 - cut(POOL * 66 / 129));
    }

    function testThePromptPrecedesEveryone() public {
        Story memory story = copied();
        story.prompt = bytes.concat("Repeat: ", SENTENCE);
        uint64 batch = settle(rowOf(story));
        earlier(batch, story, 0, 5, promptSource(story, 13, 32), 13);
        vm.assertEq(treasury.balance, POOL);
        vm.assertEq(settlement.pendingOf(batch, bia), 0);
    }

    function testNobodyPrecedesThePrompt() public {
        Story memory story = echoed(true);
        uint64 batch = settle(rowOf(story));
        vm.expectRevert(abi.encodeWithSelector(IChallenges.NotEarlier.selector, PROMPT, first));
        this.tryEarlierByAna(batch, story, 0);
        IChallenges.RowOpening memory opening = row(batch, story);
        IChallenges.RunOpening memory opened = run(story, 0);
        IChallenges.TextOpening memory answer = answerText(story).open(0, 32);
        IChallenges.SourceOpening memory from = promptSource(story, 8, 32);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.NotEarlier.selector, PROMPT, PROMPT));
        challenges.challengeEarlier(opening, opened, 0, 8, answer, from);
    }

    function tryEarlierByAna(uint64 batch, Story memory story, uint32 index) external {
        earlierByAna(batch, story, index);
    }

    function testLaterIsNotEarlier() public {
        uint64 batch = settle(rowOf(honest()));
        Story memory story = honest();
        IChallenges.RowOpening memory opening = row(batch, story);
        IChallenges.RunOpening memory opened = run(story, 0);
        IChallenges.TextOpening memory answer = answerText(story).open(0, 32);
        IChallenges.SourceOpening memory from = source(second, 0, 5, 32);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.NotEarlier.selector, first, second));
        challenges.challengeEarlier(opening, opened, 0, 5, answer, from);
        from = source(first, 1, 1000, 32);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.NotEarlier.selector, first, first));
        challenges.challengeEarlier(opening, opened, 0, 1000, answer, from);
        from.contribution = 0;
        vm.expectRevert(abi.encodeWithSelector(IChallenges.NotEarlier.selector, first, 0));
        challenges.challengeEarlier(opening, opened, 0, 1000, answer, from);
    }

    /// @dev Ana's window ends where Bia's run begins; it has to touch the run.
    function testTheWindowMustTouchTheRun() public {
        uint64 batch = settle(rowOf(honest()));
        Story memory story = honest();
        IChallenges.RowOpening memory opening = row(batch, story);
        IChallenges.RunOpening memory opened = run(story, 1);
        IChallenges.TextOpening memory answer = answerText(story).open(34, 32);
        IChallenges.SourceOpening memory from = source(first, 1, 1034, 32);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.OutsideRun.selector, 34));
        challenges.challengeEarlier(opening, opened, 34, 1034, answer, from);
        // One byte further the windows differ, because Ana's text goes on otherwise.
        vm.expectPartialRevert(IChallenges.WindowsDiffer.selector);
        challenges.challengeEarlier(opening, opened, 35, 1035, answer, from);
    }

    function testEarlierMustBeNamed() public {
        Story memory story = copied();
        uint32 elsewhere = createDatanet(IDatanets.ReviewRule.Open);
        // Only the other datanet's version is named: Ana is not in it, nor is Bia, so nobody may be credited.
        story.versions = new uint64[](1);
        story.versions[0] = uint64(elsewhere) << 32;
        story.shares = new IChallenges.Share[](0);
        story.runs[0] = IChallenges.Run(0, 129, 0, 0, 0, 0, 0);
        uint64 batch = settle(rowOf(story));
        vm.expectRevert(abi.encodeWithSelector(IChallenges.NotNamed.selector, first));
        this.tryEarlierByAna(batch, story, 0);
    }

    function testHoardedCommitIsNotEarlier() public {
        // Committed before everyone's answer, revealed after: a smaller id does not help, the version does not hold it.
        bytes[] memory documents = one(bytes.concat(SENTENCE, OTHER));
        uint64 hoard =
            datanets.commit(datanets.commitmentHash(openingOf(net, address(0x40A), address(0x40A), documents)));
        uint64 third = contribute(address(0xC1A), bytes.concat("x", OTHER));
        Story memory story = honest();
        story.versions = named(net);
        story.runs[1] = IChallenges.Run(66, 129, third, 0, 66, 129, 1);
        story.shares[1].contribution = third;
        uint64 batch = settle(rowOf(story));
        datanetsReveal(hoard, documents);
        vm.assertTrue(hoard < third);
        IChallenges.RowOpening memory opening = row(batch, story);
        IChallenges.RunOpening memory opened = run(story, 1);
        IChallenges.TextOpening memory answer = answerText(story).open(70, 32);
        texts[hoard] = documents;
        IChallenges.SourceOpening memory from = source(hoard, 0, 70, 32);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.NotNamed.selector, hoard));
        challenges.challengeEarlier(opening, opened, 70, 70, answer, from);
    }

    function datanetsReveal(uint64 id, bytes[] memory documents) private {
        vm.startPrank(address(0x40A));
        datanets.reveal(id, openingOf(net, address(0x40A), address(0x40A), documents), "");
        vm.stopPrank();
    }

    // ---------------------------------------------------------------- double settle

    function settleTwice() private returns (uint64 one_, uint64 two, Story memory a, Story memory b) {
        (a, b) = (honest(), honest());
        b.answer = bytes.concat("Other words, then: ", SENTENCE, OTHER);
        one_ = settle(rowOf(a));
        two = settle(rowOf(b));
    }

    function testDoubleSettle() public {
        (uint64 one_, uint64 two, Story memory a, Story memory b) = settleTwice();
        uint256 deposit = settlement.depositOf(payer);
        IChallenges.RowOpening memory firstRow = row(one_, a);
        IChallenges.RowOpening memory secondRow = row(two, b);
        bytes memory data =
            abi.encodeCall(IChallenges.challengeDoubleSettle, (firstRow, receiptOf(a), secondRow, receiptOf(b)));
        announced(address(challenges), challenger, data);

        vm.assertEq(settlement.depositOf(payer), deposit + FEE);
        vm.assertEq(challenger.balance, FEE);
        vm.assertEq(address(0).balance, FEE);
        address[6] memory all = [ana, bia, worker, developer, treasury, curator];
        for (uint256 i; i < 6; ++i) {
            vm.assertEq(settlement.pendingOf(two, all[i]), 0);
            vm.assertTrue(settlement.pendingOf(one_, all[i]) != 0);
        }
        vm.assertTrue(challenges.rowState(two, 0).reversed);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.RowReversed.selector, two, 0));
        challenges.challengeDoubleSettle(firstRow, receiptOf(a), secondRow, receiptOf(b));
    }

    function testDoubleSettleInOneBatchAndAfterTheFirstWindow() public {
        Story memory a = honest();
        ISettlement.Row[] memory rows = new ISettlement.Row[](3);
        (rows[0], rows[1], rows[2]) = (rowOf(a), rowOf(a), rowOf(a));
        uint64 batch = settle(rows);
        challenges.challengeDoubleSettle(openRow(batch, rows, 0), receiptOf(a), openRow(batch, rows, 2), receiptOf(a));
        vm.assertEq(settlement.pendingOf(batch, worker), 4 ether);
        closeWindow();
        uint64 later = settle(rowOf(a));
        challenges.challengeDoubleSettle(openRow(batch, rows, 0), receiptOf(a), row(later, a), receiptOf(a));
        vm.assertEq(settlement.pendingOf(later, worker), 0);
    }

    /// @dev A run that was moved before the row is reversed is not taken back twice.
    function testDoubleSettleAfterAChallenge() public {
        Story memory a = copied();
        uint64 one_ = settle(rowOf(a));
        uint64 two = settle(rowOf(a));
        earlierByAna(two, a, 0);
        uint256 paid = challenger.balance;
        vm.prank(bia);
        datanets.setPayee(second, address(0x999));
        IChallenges.RowOpening memory firstRow = row(one_, a);
        IChallenges.RowOpening memory secondRow = row(two, a);
        vm.prank(challenger);
        challenges.challengeDoubleSettle(firstRow, receiptOf(a), secondRow, receiptOf(a));
        vm.assertEq(settlement.pendingOf(two, treasury), 0);
        vm.assertEq(settlement.pendingOf(two, bia), 0);
        vm.assertEq(challenger.balance, paid); // one penalty per row
        vm.assertEq(settlement.depositOf(payer), 100 ether - FEE);
        closeWindow();
        settlement.push(two, only(ana));
        vm.assertEq(settlement.lockedOf(gateway), 3 * FEE); // the first batch's, not yet pushed
    }

    function testOneRowIsNoDouble() public {
        Story memory a = honest();
        uint64 batch = settle(rowOf(a));
        IChallenges.RowOpening memory opening = row(batch, a);
        vm.expectRevert(IChallenges.DifferentRequests.selector);
        challenges.challengeDoubleSettle(opening, receiptOf(a), opening, receiptOf(a));

        Story memory b = honest();
        b.nonce = 2;
        uint64 next = settle(rowOf(b));
        IChallenges.RowOpening memory other = row(next, b);
        vm.expectRevert(IChallenges.DifferentRequests.selector);
        challenges.challengeDoubleSettle(opening, receiptOf(a), other, receiptOf(b));
    }

    /// @dev The first row cannot be accused by the second, nor an honest gateway by one that copies its receipt.
    function testDoubleSettleFrames() public {
        (uint64 one_, uint64 two, Story memory a, Story memory b) = settleTwice();
        IChallenges.RowOpening memory firstRow = row(one_, a);
        IChallenges.RowOpening memory secondRow = row(two, b);
        vm.expectRevert(IChallenges.DifferentRequests.selector);
        challenges.challengeDoubleSettle(secondRow, receiptOf(b), firstRow, receiptOf(a));

        Story memory c = honest();
        c.nonce = 50;
        ISettlement.Row memory stolen = rowOf(c);
        address thief = address(0x7417F);
        vm.deal(thief, 100 ether);
        vm.startPrank(thief);
        settlement.bond{value: 90 ether}();
        settlement.depositFor{value: FEE}(payer);
        vm.stopPrank();
        ISettlement.Tab[] memory tabs = tabsOf(rows1(stolen));
        ISettlement.Tables memory tables = Batches.tables(rows1(stolen));
        tabs[0].total = FEE;
        tabs[0].signature = sign(PAYER_KEY, settlement.voucherDigest(payer, thief, FEE, 1));
        vm.prank(thief);
        uint64 copy = settlement.settle(tables, tabs);
        uint64 real = settle(stolen);
        IChallenges.RowOpening memory copyRow = row(copy, c);
        IChallenges.RowOpening memory realRow = row(real, c);
        vm.expectRevert(IChallenges.DifferentRequests.selector);
        challenges.challengeDoubleSettle(copyRow, receiptOf(c), realRow, receiptOf(c));
    }

    function rows1(ISettlement.Row memory r) private pure returns (ISettlement.Row[] memory rows) {
        rows = new ISettlement.Row[](1);
        rows[0] = r;
    }

    // ---------------------------------------------------------------- what every challenge refuses

    function testEachRunOnce() public {
        Story memory story = copied();
        uint64 batch = settle(rowOf(story));
        earlierByAna(batch, story, 0);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.AlreadyChallenged.selector, batch, 0, 0));
        this.tryEarlierByAna(batch, story, 0);
    }

    function testOnePenaltyPerRow() public {
        Story memory story = invented();
        story.runs[1].offset = 60;
        uint64 batch = settle(rowOf(story));
        notThere(batch, story, 0, 3);
        uint256 bond = settlement.bondOf(gateway);
        notThere(batch, story, 1, 70);
        vm.assertEq(challenger.balance, FEE);
        vm.assertEq(bond - settlement.bondOf(gateway), POOL * 63 / 129);
    }

    /// @dev Evidence whose runs overlap cannot cost more than the pool, nor touch what other batches lock.
    function testOverlappingRunsAreCapped() public {
        Story memory story = base();
        story.runs = new IChallenges.Run[](3);
        for (uint256 i; i < 3; ++i) {
            story.runs[i] = IChallenges.Run(0, 129, second, 0, 0, 129, 6);
        }
        story.shares = new IChallenges.Share[](1);
        story.shares[0] = IChallenges.Share(second, 900_000);
        uint64 other = settle(rowOf(honest()));
        uint64 batch = settle(rowOf(story));
        for (uint32 i; i < 3; ++i) {
            notThere(batch, story, i, 0);
        }
        vm.assertEq(treasury.balance, POOL);
        vm.assertEq(settlement.pendingOf(batch, bia), 0);
        vm.assertEq(settlement.bondOf(gateway), 1000 ether - POOL - 2 * FEE);
        vm.assertEq(settlement.batch(batch).exposure, FEE - POOL);
        vm.assertEq(settlement.batch(other).exposure, 3 * FEE);
    }

    function testPayeeChangeDoesNotSaveTheAccused() public {
        uint64 batch = settle(rowOf(copied()));
        // Bia moves her payee to an innocent one with credits of its own.
        vm.prank(bia);
        datanets.setPayee(second, worker);
        uint256 innocent = settlement.pendingOf(batch, worker);
        earlierByAna(batch, copied(), 0);
        vm.assertEq(settlement.pendingOf(batch, bia), 0);
        vm.assertEq(settlement.pendingOf(batch, worker), innocent);
    }

    function testTheWindowCloses() public {
        Story memory story = copied();
        uint64 batch = settle(rowOf(story));
        closeWindow();
        vm.expectRevert(abi.encodeWithSelector(IChallenges.WindowOver.selector, batch));
        this.tryEarlierByAna(batch, story, 0);
    }

    function testForgedOpenings() public {
        Story memory story = copied();
        uint64 batch = settle(rowOf(story));
        IChallenges.RowOpening memory opening = row(batch, story);
        IChallenges.RunOpening memory opened = run(story, 0);
        IChallenges.TextOpening memory answer = answerText(story).open(10, 32);
        IChallenges.SourceOpening memory from = source(first, 1, 1010, 32);

        opening.row.fee += 1;
        vm.expectRevert(abi.encodeWithSelector(IChallenges.RowMismatch.selector, batch, 0));
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
        opening.row.fee -= 1;
        opening.payer = ana;
        vm.expectRevert(abi.encodeWithSelector(IChallenges.RowMismatch.selector, batch, 0));
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
        opening.payer = payer;
        opened.receipt.seed += 1;
        vm.expectPartialRevert(IChallenges.ReceiptMismatch.selector);
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
        opened.receipt.seed -= 1;
        opened.run.contribution = 0;
        vm.expectPartialRevert(IChallenges.EvidenceMismatch.selector);
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
        opened.run.contribution = second;
        opened.contextHash = bytes32(uint256(1));
        vm.expectPartialRevert(IChallenges.EvidenceMismatch.selector);
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
        opened.contextHash = 0;
        answer.chunks[0].data[11] = "X";
        vm.expectPartialRevert(IChallenges.TextMismatch.selector);
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
        answer = answerText(story).open(10, 32);
        answer.length += 1;
        vm.expectRevert(abi.encodeWithSelector(Commitments.ChunkLength.selector, 0, 129));
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
        answer.length -= 1;
        from.text.chunks[1].data[5] = "X";
        vm.expectRevert(Commitments.ChunksDiffer.selector);
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
        from = source(first, 1, 1010, 32);
        from.text.metadataHash = 0;
        vm.expectPartialRevert(IChallenges.TextMismatch.selector);
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
        from = source(first, 1, 1010, 32);
        from.document = 0;
        vm.expectRevert();
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
        from = source(first, 1, 1010, 32);
        from.text.chunks = new IChallenges.Chunk[](0);
        vm.expectRevert(abi.encodeWithSelector(Commitments.ChunkCount.selector, 0));
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
        from = source(first, 1, 1010, 32);
        // Untouched, it succeeds.
        challenges.challengeEarlier(opening, opened, 10, 1010, answer, from);
    }

    function testChallengeOfAnotherNetworkIsRefused() public {
        Story memory story = copied();
        ISettlement.Row memory here = rowOf(story);
        IChallenges.RunOpening memory opened = run(story, 0);
        // The same addresses on the same chain id, under another network id.
        genesis(
            address(settlement),
            type(Settlement).creationCode,
            abi.encode(keccak256("a fork"), datanets, models, challenges, demands, treasury, 3, 60, 60, K)
        );
        uint64 batch = settle(here);
        IChallenges.TextOpening memory answer = answerText(story).open(10, 32);
        IChallenges.SourceOpening memory from = source(first, 1, 1010, 32);
        vm.expectPartialRevert(IChallenges.ReceiptMismatch.selector);
        challenges.challengeEarlier(openRow(batch, here), opened, 10, 1010, answer, from);
    }

    // ---------------------------------------------------------------- who gains

    /// @dev The submitter, the accused, the harmed and the challenger in one hand: still a loss of at least a fee's burn.
    function testSelfChallengeLoses() public {
        vm.startPrank(ana);
        datanets.setPayee(first, gateway);
        vm.stopPrank();
        vm.prank(bia);
        datanets.setPayee(second, gateway);
        uint256 before = gateway.balance + settlement.bondOf(gateway);
        uint64 batch = settle(rowOf(copied()));
        uint256 expected = settlement.pendingOf(batch, gateway);
        Story memory story = copied();
        IChallenges.RowOpening memory opening = row(batch, story);
        IChallenges.RunOpening memory opened = run(story, 0);
        IChallenges.TextOpening memory answer = answerText(story).open(10, 32);
        IChallenges.SourceOpening memory from = source(first, 1, 1010, 32);
        bytes memory data = abi.encodeCall(IChallenges.challengeEarlier, (opening, opened, 10, 1010, answer, from));
        announced(address(challenges), gateway, data);
        closeWindow();
        settlement.push(batch, only(gateway));
        uint256 afterwards = gateway.balance + settlement.bondOf(gateway);
        // It also lost the credit: the burnt fee and the pool.
        vm.assertEq(before + expected - afterwards, FEE + POOL);
    }

    function testRefusingHarmedAndChallengerMayClaim() public {
        Refuser refuser = new Refuser();
        vm.prank(ana);
        datanets.setPayee(first, address(refuser));
        uint64 batch = settle(rowOf(copied()));
        earlierByAna(batch, copied(), 0);
        vm.assertEq(settlement.claimable(address(refuser)), POOL - cut(POOL));
        vm.assertEq(challenger.balance, FEE);
        refuser.accept();
        settlement.claimFor(address(refuser));
        vm.assertEq(address(refuser).balance, POOL - cut(POOL));
        vm.assertTrue(batch != 0);
    }

    /// forge-config: default.fuzz.runs = 64
    /// forge-config: long.fuzz.runs = 2000
    function testFuzzPenaltiesStayWithinTheExposure(uint128 fee, uint32 ppm, uint8 which) public {
        Story memory story = which % 2 == 0 ? copied() : invented();
        story.fee = uint128(bound(fee, 0, 30 ether));
        story.shares = new IChallenges.Share[](1);
        story.shares[0] = IChallenges.Share(which % 2 == 0 ? second : first, uint32(bound(ppm, 0, 1e6)));
        uint64 batch = settle(rowOf(story));
        uint256 bond = settlement.bondOf(gateway);
        if (which % 2 == 0) earlierByAna(batch, story, 0);
        else notThere(batch, story, 0, 3);
        uint256 taken = bond - settlement.bondOf(gateway);
        vm.assertLe(taken, uint256(story.fee) * (1 + K));
        vm.assertEq(settlement.lockedOf(gateway), uint256(story.fee) * (1 + K) - taken);
        uint256 pending = settlement.pendingOf(batch, worker) + settlement.pendingOf(batch, developer)
            + settlement.pendingOf(batch, treasury) + settlement.pendingOf(batch, ana)
            + settlement.pendingOf(batch, bia) + settlement.pendingOf(batch, curator);
        vm.assertEq(pending, story.fee);
    }
}
