// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IModels} from "../src/interfaces/IModels.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {ModelsDouble} from "./lib/Doubles.sol";
import {Openings} from "./lib/Openings.sol";
import {Stories} from "./lib/Stories.sol";

/// @notice Bad arithmetic: rows, fees and shares that do not follow.
contract ArithmeticTest is Stories {
    uint64 private constant NOW = 1_790_000_000;

    function challengeRow(IChallenges.RowOpening memory opening, IChallenges.AnswerReceipt memory r, uint32 version)
        private
    {
        announced(address(challenges), challenger, abi.encodeCall(IChallenges.challengeRow, (opening, r, version)));
    }

    function challengeShares(
        IChallenges.RowOpening memory opening,
        IChallenges.AnswerReceipt memory r,
        IChallenges.Run[] memory runs,
        uint64 contribution
    ) private {
        bytes memory data = abi.encodeCall(
            IChallenges.challengeShares, (opening, r, Openings.evidence(runs), contribution)
        );
        announced(address(challenges), challenger, data);
    }

    function assertReversed(uint64 batch) private view {
        vm.assertTrue(challenges.rowState(batch, 0).reversed);
        address[6] memory all = [ana, bia, worker, developer, treasury, curator];
        for (uint256 i; i < 6; ++i) {
            vm.assertEq(settlement.pendingOf(batch, all[i]), 0);
        }
    }

    // ---------------------------------------------------------------- the row and its fee

    function testAnHonestRowFollows() public {
        IChallenges.AnswerReceipt memory r = priced(honest());
        IChallenges.RowOpening memory opening = settled(honest(), r);
        vm.expectRevert(IChallenges.RowFollows.selector);
        challenges.challengeRow(opening, r, 1);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.WrongTerms.selector, 0, NOW));
        challenges.challengeRow(opening, r, 0);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.WrongTerms.selector, 2, NOW));
        challenges.challengeRow(opening, r, 2);
    }

    function testAFeeThatNoPriceGives() public {
        IChallenges.AnswerReceipt memory r = priced(honest());
        r.inputTokens -= 1;
        IChallenges.RowOpening memory opening = settled(honest(), r);
        uint256 deposit = settlement.depositOf(payer);
        challengeRow(opening, r, 1);
        assertReversed(opening.batch);
        vm.assertEq(settlement.depositOf(payer), deposit + FEE);
        vm.assertEq(challenger.balance, FEE);
        vm.assertEq(address(0).balance, FEE);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.RowReversed.selector, opening.batch, 0));
        challenges.challengeRow(opening, r, 1);
    }

    /// @dev Each field that the row repeats, each word that the receipt repeats, the order of the shares.
    function testEveryFieldFollows() public {
        for (uint256 i; i < 13; ++i) {
            IChallenges.AnswerReceipt memory r = priced(honest());
            if (i == 0) r.payer = ana;
            if (i == 1) r.gateway = ana;
            if (i == 2) r.requestId = 0;
            if (i == 3) r.nonce += 1;
            if (i == 4) r.worker = ana;
            if (i == 5) r.model += 1;
            if (i == 6) r.fee += 1;
            if (i == 7) r.versions[0].version -= 1;
            if (i == 8) r.versions[0].datanet += 1;
            if (i == 9) r.versions = new IChallenges.DatanetVersion[](0);
            if (i == 10) r.shares[1].ppm -= 1;
            if (i == 11) (r.shares[0], r.shares[1]) = (r.shares[1], r.shares[0]);
            if (i == 12) r.shares = new IChallenges.Share[](0);
            IChallenges.RowOpening memory opening = settled(honest(), r);
            challenges.challengeRow(opening, r, 1);
            assertReversed(opening.batch);
        }
        // The same words in row and receipt, in an order that shares never have; and a share of nothing.
        for (uint256 i; i < 2; ++i) {
            Story memory story = honest();
            if (i == 0) (story.shares[0], story.shares[1]) = (story.shares[1], story.shares[0]);
            if (i == 1) story.shares[1].ppm = 0;
            IChallenges.RowOpening memory opening = settled(story, priced(story));
            challenges.challengeRow(opening, priced(story), 1);
            assertReversed(opening.batch);
        }
    }

    /// @dev Bytes that nobody paid for would leave an author's part of them next to nothing: 66 of 2^32 instead of 66 of 129.
    function testBytesWithoutTokensDoNotFollow() public {
        IChallenges.AnswerReceipt memory r = priced(honest());
        r.answerBytes = type(uint32).max;
        IChallenges.RowOpening memory opening = settled(honest(), r);
        challengeRow(opening, r, 1);
        assertReversed(opening.batch);
        vm.assertEq(challenger.balance, FEE);
    }

    /// @dev Four bytes are a token, rounded up; at the same fee neither one more nor one less follows.
    function testTokensFollowTheBytes() public {
        IChallenges.AnswerReceipt memory r = priced(honest());
        for (uint32 length; length < 10; ++length) {
            r.answerBytes = length;
            uint32 right = length == 0 ? 0 : length < 5 ? 1 : length < 9 ? 2 : 3;
            for (uint32 tokens; tokens < 5; ++tokens) {
                uint256 state = vm.snapshotState();
                withTokens(r, tokens);
                IChallenges.RowOpening memory opening = settled(honest(), r);
                if (tokens == right) vm.expectRevert(IChallenges.RowFollows.selector);
                challenges.challengeRow(opening, r, 1);
                vm.assertEq(challenges.rowState(opening.batch, 0).reversed, tokens != right);
                vm.revertToState(state);
            }
        }
    }

    /// @dev Half the price from `since` on: within an hour of it, either is fair.
    function testPricesAroundAChange() public {
        IModels.Terms memory terms = termsOf(100_000, 200_000, 100_000, 600_000);
        (terms.priceIn, terms.priceOut) = (5e12, 1e13);
        vm.prank(developer);
        models.setTerms(model, terms);
        uint64 since = NOW + NOTICE;
        vm.warp(since + 10 * 3600);
        Story memory story = honest();
        IChallenges.AnswerReceipt memory dear = priced(story);
        Story memory half = honest();
        half.fee = FEE / 2;

        // The old price an hour after the change, and a second later.
        dear.issuedAt = since + 3599;
        IChallenges.RowOpening memory opening = settled(story, dear);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.WrongTerms.selector, 1, since + 7199));
        challenges.challengeRow(opening, dear, 1);
        vm.expectRevert(IChallenges.RowFollows.selector);
        challenges.challengeRow(opening, dear, 2);
        dear.issuedAt = since + 3600;
        opening = settled(story, dear);
        challenges.challengeRow(opening, dear, 2);
        assertReversed(opening.batch);

        // The new price an hour before the change, and a second earlier.
        IChallenges.AnswerReceipt memory cheap = priced(half);
        cheap.issuedAt = since - 3600;
        opening = settled(half, cheap);
        vm.expectRevert(IChallenges.RowFollows.selector);
        challenges.challengeRow(opening, cheap, 2);
        cheap.issuedAt -= 1;
        opening = settled(half, cheap);
        challenges.challengeRow(opening, cheap, 1);
        assertReversed(opening.batch);

        // A receipt of the far future is one of its batch's time; one from before the model, of its first terms.
        cheap.issuedAt = type(uint64).max;
        opening = settled(half, cheap);
        vm.expectRevert(IChallenges.RowFollows.selector);
        challenges.challengeRow(opening, cheap, 2);
        dear.issuedAt = type(uint64).max;
        opening = settled(story, dear);
        challenges.challengeRow(opening, dear, 2);
        assertReversed(opening.batch);
        dear.issuedAt = 1;
        opening = settled(story, dear);
        vm.expectRevert(IChallenges.RowFollows.selector);
        challenges.challengeRow(opening, dear, 1);
    }

    function naming(uint64 nonce, uint32 another) private view returns (Story memory story) {
        story = honest();
        story.nonce = nonce;
        story.versions = new uint64[](2);
        story.versions[0] = named(net)[0];
        story.versions[1] = uint64(another) << 32;
    }

    /// @dev A gateway answers from the datanets that the model's terms name, if they name any, and from the commons; not from one
    /// of its own, filled with what the answer would otherwise owe to nobody.
    function testDatanetsFollowTheTerms() public {
        uint32 another = createDatanet(IDatanets.ReviewRule.Open);
        Story memory story = naming(11, another);
        IChallenges.AnswerReceipt memory r = priced(story);
        IChallenges.RowOpening memory opening = settled(story, r);
        challengeRow(opening, r, 1);
        assertReversed(opening.batch);

        // What the treasury curates is commons.
        bytes2[] memory nowhere = new bytes2[](0);
        vm.prank(treasury);
        uint32 commons = datanets.create(
            "commons", IDatanets.Policy("CC0-1.0", 9, IDatanets.ReviewRule.Curator, 0, 0, 0, 0, nowhere)
        );
        story = naming(12, commons);
        r = priced(story);
        opening = settled(story, r);
        vm.expectRevert(IChallenges.RowFollows.selector);
        challenges.challengeRow(opening, r, 1);

        // Terms that allow it follow within the hour in which they begin, as prices do.
        IModels.Terms memory terms = termsOf(100_000, 200_000, 100_000, 600_000);
        terms.datanets = new uint32[](2);
        (terms.datanets[0], terms.datanets[1]) = (net, another);
        vm.prank(developer);
        models.setTerms(model, terms);
        vm.warp(NOW + NOTICE + 10 * 3600);
        story = naming(13, another);
        r = priced(story);
        r.issuedAt = NOW + NOTICE - 3600;
        opening = settled(story, r);
        vm.expectRevert(IChallenges.RowFollows.selector);
        challenges.challengeRow(opening, r, 2);
        r.issuedAt -= 1;
        opening = settled(story, r);
        challenges.challengeRow(opening, r, 1);
        assertReversed(opening.batch);

        // Terms without datanets allow all.
        terms.datanets = new uint32[](0);
        vm.prank(developer);
        model = models.register(IModels.ModelInput("any", IModels.Kind.Quote, 0, 0, terms, 0, new uint64[](0)));
        story = naming(14, another);
        r = priced(story);
        opening = settled(story, r);
        vm.expectRevert(IChallenges.RowFollows.selector);
        challenges.challengeRow(opening, r, 1);
    }

    /// @dev Terms that change every few minutes, which Models refuses: the fee is not judged rather than at any cost.
    function testTooManyTerms() public {
        ModelsDouble double = doubled(payoutsOf(200_000, 600_000, 1));
        for (uint64 i; i < 40; ++i) {
            double.set(NOW - 4000 + i * 100, 1);
        }
        IChallenges.AnswerReceipt memory r = priced(honest());
        IChallenges.RowOpening memory opening = settled(honest(), r);
        vm.expectRevert(IChallenges.TermsUndecided.selector);
        challenges.challengeRow(opening, r, 40);
    }

    // ---------------------------------------------------------------- shares

    function lying(uint32 forFirst, uint32 forSecond) private view returns (Story memory story) {
        story = honest();
        story.shares[0].ppm = forFirst;
        story.shares[1].ppm = forSecond;
    }

    function testHonestSharesFollow() public {
        Story memory story = honest();
        IChallenges.AnswerReceipt memory r = priced(story);
        IChallenges.RowOpening memory opening = settled(story, r);
        IChallenges.Evidence memory evidence = Openings.evidence(story.runs);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.ShareFollows.selector, first, 511_627));
        challenges.challengeShares(opening, r, evidence, first);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.ShareFollows.selector, second, 488_372));
        challenges.challengeShares(opening, r, evidence, second);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.NotNamed.selector, 99));
        challenges.challengeShares(opening, r, evidence, 99);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.NotNamed.selector, 0));
        challenges.challengeShares(opening, r, evidence, 0);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.NotNamed.selector, PROMPT));
        challenges.challengeShares(opening, r, evidence, PROMPT);
        // A member that the answer owes nothing.
        uint64 third = contribute(address(0xC1A), "something else");
        story.versions = named(net);
        r = priced(story);
        opening = settled(story, r);
        vm.expectRevert(abi.encodeWithSelector(IChallenges.ShareFollows.selector, third, 0));
        challenges.challengeShares(opening, r, evidence, third);
        evidence.contextHash = bytes32(uint256(1));
        vm.expectPartialRevert(IChallenges.EvidenceMismatch.selector);
        challenges.challengeShares(opening, r, evidence, first);
        evidence.contextHash = 0;
        evidence.runs = bytes.concat(evidence.runs, hex"00");
        vm.expectRevert(abi.encodeWithSelector(IChallenges.EvidenceMismatch.selector, r.evidenceHash, bytes32(0)));
        challenges.challengeShares(opening, r, evidence, first);
    }

    function testTooLargeAShare() public {
        Story memory story = lying(500_000, 500_000);
        IChallenges.AnswerReceipt memory r = priced(story);
        IChallenges.RowOpening memory opening = settled(story, r);
        uint64 batch = opening.batch;
        uint256 due = POOL * 488_372 / 1e6;
        uint256 excess = POOL / 2 - due;
        uint256 commons = settlement.pendingOf(batch, treasury);
        challengeShares(opening, r, story.runs, second);
        vm.assertEq(settlement.pendingOf(batch, bia), due - cut(due));
        vm.assertEq(settlement.pendingOf(batch, curator), cut(due) + cut(POOL / 2));
        vm.assertEq(settlement.pendingOf(batch, treasury), commons + excess);
        vm.assertEq(settlement.bondOf(gateway), 1000 ether - 2 * FEE);
        vm.assertEq(challenger.balance, FEE);
        vm.assertTrue(challenges.shareChallenged(batch, 0, second));
        vm.expectRevert(abi.encodeWithSelector(IChallenges.AlreadyJudged.selector, batch, 0, second));
        this.again(opening, r, story.runs, second);

        // The other share of the same lie: Ana is paid what she lacks, and no second penalty is taken.
        uint256 lack = POOL * 511_627 / 1e6 - POOL / 2;
        challengeShares(opening, r, story.runs, first);
        vm.assertEq(ana.balance, lack - cut(lack));
        vm.assertEq(curator.balance, cut(lack));
        vm.assertEq(settlement.bondOf(gateway), 1000 ether - 2 * FEE - lack);
        vm.assertEq(challenger.balance, FEE);
        vm.assertEq(challenges.rowState(batch, 0).harmed, lack);
    }

    function again(
        IChallenges.RowOpening calldata opening,
        IChallenges.AnswerReceipt calldata r,
        IChallenges.Run[] calldata runs,
        uint64 contribution
    ) external {
        challengeShares(opening, r, runs, contribution);
    }

    function testAShareLeftOut() public {
        Story memory story = honest();
        story.shares = new IChallenges.Share[](1);
        story.shares[0] = IChallenges.Share(second, 488_372);
        IChallenges.AnswerReceipt memory r = priced(story);
        IChallenges.RowOpening memory opening = settled(story, r);
        challengeShares(opening, r, story.runs, first);
        uint256 due = POOL * 511_627 / 1e6;
        vm.assertEq(ana.balance, due - cut(due));
    }

    /// @dev Gaps, overlaps, empty runs, a wrong end: such evidence gives nobody a share.
    function testEvidenceThatIsNoPartition() public {
        for (uint256 i; i < 6; ++i) {
            Story memory story = honest();
            if (i == 0) story.runs[1].start += 1;
            if (i == 1) story.runs[1].start -= 1;
            if (i == 2) story.runs[1].end -= 1;
            if (i == 3) story.runs[0].start += 1;
            if (i == 4) (story.runs[0].end, story.runs[1].start) = (0, 0);
            if (i == 5) story.runs[1].end += 1;
            IChallenges.AnswerReceipt memory r = priced(story);
            IChallenges.RowOpening memory opening = settled(story, r);
            challenges.challengeShares(opening, r, Openings.evidence(story.runs), first);
            assertReversed(opening.batch);
        }
    }

    /// @dev Seventeen sources of equal weight: the one with the largest id is left out, and only that one.
    function testTheSeventeenthIsCrowdedOut() public {
        Story memory story = base();
        story.answer = new bytes(1700);
        uint64[] memory ids = new uint64[](17);
        story.runs = new IChallenges.Run[](17);
        story.shares = new IChallenges.Share[](16);
        for (uint32 i; i < 17; ++i) {
            ids[i] = contribute(address(uint160(0x7000 + i)), bytes(vm.toString(i)));
            story.runs[i] = IChallenges.Run(100 * i, 100 * i + 100, ids[i], 0, 0, 1700, 0);
            if (i < 16) story.shares[i] = IChallenges.Share(ids[i], 58_823);
        }
        story.versions = named(net);
        IChallenges.AnswerReceipt memory r = priced(story);
        IChallenges.RowOpening memory opening = settled(story, r);
        IChallenges.Evidence memory evidence = Openings.evidence(story.runs);
        for (uint256 i; i < 17; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IChallenges.ShareFollows.selector, ids[i], 58_823));
            challenges.challengeShares(opening, r, evidence, ids[i]);
        }
        // The seventeenth in the place of the sixteenth.
        story.shares[15].contribution = ids[16];
        r = priced(story);
        opening = settled(story, r);
        challenges.challengeShares(opening, r, evidence, ids[15]);
        uint256 due = POOL * 58_823 / 1e6;
        vm.assertEq(address(uint160(0x7000 + 15)).balance, due - cut(due));
    }

    function testMoreRunsThanMayBeAreNotThere() public {
        Story memory story = honest();
        IChallenges.AnswerReceipt memory r = priced(story);
        IChallenges.RunOpening memory opened = Openings.openRun(r, story.runs, 0);
        opened.runs = uint32(challenges.MAX_RUNS()) + 1;
        // A path of one sibling fits no tree of 8,193 leaves: such evidence is built here leaf by leaf.
        bytes32[] memory path = new bytes32[](14);
        bytes32 node = Openings.runLeaf(story.runs[0]);
        for (uint256 i; i < 14; ++i) {
            path[i] = keccak256(abi.encode(i));
            node = keccak256(bytes.concat(hex"01", node, path[i]));
        }
        r.evidenceHash = keccak256(bytes.concat(hex"06", bytes4(opened.runs), node, bytes32(0), bytes32(0)));
        (opened.receipt, opened.path) = (r, path);
        IChallenges.RowOpening memory opening = settled(story, r);
        IChallenges.TextOpening memory nothing;
        IChallenges.SourceOpening memory nowhere;
        challenges.challengeNotThere(opening, opened, 0, nothing, nowhere);
        vm.assertTrue(challenges.runChallenged(opening.batch, 0, 0));
    }

    /// @dev Shares counted over fewer bytes than the answer has.
    function testAnAnswerOfAnotherLengthIsNotThere() public {
        Story memory story = honest();
        IChallenges.AnswerReceipt memory r = priced(story);
        r.answerBytes = 66;
        story.runs[0].matchEnd = 66;
        IChallenges.Run[] memory runs = new IChallenges.Run[](1);
        runs[0] = story.runs[0];
        r.evidenceHash = Openings.evidenceHash(runs);
        IChallenges.RowOpening memory opening = settled(story, r);
        IChallenges.RunOpening memory opened = Openings.openRun(r, runs, 0);
        IChallenges.SourceOpening memory from = source(first, 1, 1000, 1);
        IChallenges.TextOpening memory answer = Openings.open(answerText(story), 0, 1);
        challenges.challengeNotThere(opening, opened, 0, answer, from);
        vm.assertTrue(challenges.runChallenged(opening.batch, 0, 0));
    }

    // ---------------------------------------------------------------- many developers, every order of faults

    function payoutsOf(uint32 work, uint32 data, uint256 developers) private pure returns (IModels.Payouts memory p) {
        p = IModels.Payouts(work, data, new IModels.Payout[](developers));
        for (uint256 i; i < developers; ++i) {
            p.developers[i] = IModels.Payout(address(uint160(0xDE00 + i)), (1e6 - work - data) / uint32(developers + 1));
        }
    }

    function doubled(IModels.Payouts memory payouts) private returns (ModelsDouble double) {
        vm.etch(address(models), type(ModelsDouble).runtimeCode);
        double = ModelsDouble(address(models));
        double.clear();
        double.setPayouts(payouts);
    }

    /// @dev Whatever challenges do before a row is reversed, in any order: the reversal takes exactly the fee back, to the
    /// wei, through cuts and royalties.
    function testFuzzReversalTakesExactlyTheFee(uint128 fee, uint32 a, uint32 b, uint32 work, uint256 order) public {
        a = uint32(bound(a, 0, 1e6));
        b = uint32(bound(b, 0, 1e6 - a));
        work = uint32(bound(work, 0, 4e5));
        uint256 developers = order % 9;
        ModelsDouble double = doubled(payoutsOf(work, 6e5, developers));
        double.set(1, 7);
        Story memory story = lying(a, b);
        story.fee = uint128(bound(fee, 0, 30 ether));
        IChallenges.AnswerReceipt memory r = receiptOf(story);
        r.seed = uint64(order); // another receipt, the same row
        IChallenges.RowOpening memory opening = settled(story, r);
        uint64 batch = opening.batch;
        uint256 deposit = settlement.depositOf(payer);
        for (uint256 i; i < 4; ++i) {
            uint256 step = (order >> (8 * i)) % 5;
            if (step < 2) {
                try this.again(opening, r, story.runs, step == 0 ? first : second) {} catch {}
            } else if (step < 4) {
                IChallenges.RunOpening memory opened = Openings.openRun(r, story.runs, uint32(step - 2));
                IChallenges.SourceOpening memory from = promptSource(story, 0, 32);
                IChallenges.TextOpening memory answer = Openings.open(answerText(story), 0, 32);
                // No true challenge of an honest run: moved by the contract of the judgements' own hand instead.
                opened.run.start = opened.run.end;
                try challenges.challengeNotThere(opening, opened, 0, answer, from) {} catch {}
            }
        }
        uint256 sum = sumOf(batch, developers);
        vm.assertEq(sum, story.fee);
        vm.prank(address(demands));
        challenges.reverseWithheld(opening, challenger, order % 2 == 0);
        vm.assertEq(sumOf(batch, developers), 0);
        vm.assertEq(settlement.depositOf(payer), deposit + story.fee);
        vm.assertLe(1000 ether - settlement.bondOf(gateway), uint256(story.fee) * (1 + K));
    }

    function sumOf(uint64 batch, uint256 developers) private view returns (uint256 sum) {
        address[5] memory all = [ana, bia, worker, treasury, curator];
        for (uint256 i; i < 5; ++i) {
            sum += settlement.pendingOf(batch, all[i]);
        }
        for (uint256 i; i < developers; ++i) {
            sum += settlement.pendingOf(batch, address(uint160(0xDE00 + i)));
        }
    }

    function testOnlyDemandsMayReverse() public {
        IChallenges.RowOpening memory opening = settled(honest(), priced(honest()));
        vm.expectRevert(abi.encodeWithSelector(IChallenges.NotDemands.selector, address(this)));
        challenges.reverseWithheld(opening, challenger, true);
    }

    function testPartsOfOthersNeverExceedTheFee() public {
        ISettlement.Row memory row_ = rowFor(honest(), priced(honest()));
        doubled(payoutsOf(600_000, 400_001, 0));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.PartsExceed.selector, 1_000_001));
        this.settleIt(row_);
    }

    function settleIt(ISettlement.Row calldata row_) external {
        settle(row_);
    }

    // ---------------------------------------------------------------- seals

    function testOnlyAnAnnouncedChallengeIsRewarded() public {
        IChallenges.AnswerReceipt memory r = priced(honest());
        r.inputTokens += 1;
        IChallenges.RowOpening memory opening = settled(honest(), r);
        bytes memory data = abi.encodeCall(IChallenges.challengeRow, (opening, r, 1));
        bytes32 seal = keccak256(abi.encode(challenger, keccak256(data)));
        vm.prank(challenger);
        challenges.announce(seal);
        vm.assertEq(challenges.announcedAt(seal), block.number);
        uint256 state = vm.snapshotState();

        // In the same block: too early.
        vm.prank(challenger);
        challenges.challengeRow(opening, r, 1);
        vm.assertEq(challenger.balance, 0);
        vm.assertEq(address(0).balance, 2 * FEE);

        // Who copies it out of a mempool, even with a seal of its own made then, gains nothing: not the guilty gateway either.
        vm.revertToState(state);
        vm.roll(block.number + 1);
        state = vm.snapshotState();
        uint256 before = settlement.bondOf(gateway) + gateway.balance;
        vm.startPrank(gateway);
        challenges.announce(keccak256(abi.encode(gateway, keccak256(data))));
        challenges.challengeRow(opening, r, 1);
        vm.stopPrank();
        vm.assertEq(before - settlement.bondOf(gateway) - gateway.balance, 2 * FEE);

        // A seal of another's cannot be used, and announcing it again does not make it younger.
        vm.revertToState(state);
        challenges.announce(seal);
        vm.assertEq(challenges.announcedAt(seal), block.number - 1);
        vm.prank(challenger);
        challenges.challengeRow(opening, r, 1);
        vm.assertEq(challenger.balance, FEE);
        vm.assertEq(address(0).balance, FEE);
    }
}
