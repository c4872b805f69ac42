// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ModelReviews} from "../src/ModelReviews.sol";
import {IModelReviews} from "../src/interfaces/IModelReviews.sol";
import {IModels} from "../src/interfaces/IModels.sol";
import {Refuser} from "./lib/Doubles.sol";
import {ModelWorld} from "./lib/ModelWorld.sol";

/// @notice Rounds of evaluation and reports, with a pool of reviewers that does as told.
contract ModelReviewsTest is ModelWorld {
    // ---------------------------------------------------------------- a round

    function opened() private returns (uint32 id) {
        id = evaluating();
        openRound(id);
    }

    function openRound(uint32 id) private {
        vm.prank(developer);
        judges.open{value: 5 * FEE}(id);
    }

    function drawn() private returns (uint32 id) {
        id = opened();
        drawRound(id);
    }

    function drawRound(uint32 id) private {
        vm.roll(vm.getBlockNumber() + 2);
        judges.draw(id);
    }

    function hashOf(uint32 id, address who, int128 score) private view returns (bytes32) {
        return keccak256(abi.encode(id, judges.roundCount(id), who, score, REPORT, SALT));
    }

    function commit(uint32 id, uint256 seat, int128 score) private {
        bytes32 hidden = hashOf(id, evaluators[seat], score);
        vm.prank(evaluators[seat]);
        judges.commitScore(id, hidden);
    }

    function reveal(uint32 id, uint256 seat, int128 score) private {
        vm.prank(evaluators[seat]);
        judges.revealScore(id, score, REPORT, SALT);
    }

    /// @dev The first seats say these scores; if not all are taken, time passes.
    function say(uint32 id, int128[] memory scores) private {
        for (uint256 i; i < scores.length; ++i) {
            commit(id, i, scores[i]);
        }
        if (scores.length < 5) vm.warp(vm.getBlockTimestamp() + COMMIT + 1);
        for (uint256 i; i < scores.length; ++i) {
            reveal(id, i, scores[i]);
        }
    }

    function scoresOf(int128 a, int128 b, int128 c) private pure returns (int128[] memory all) {
        all = new int128[](3);
        (all[0], all[1], all[2]) = (a, b, c);
    }

    function scoresOf(int128 a, int128 b, int128 c, int128 d) private pure returns (int128[] memory all) {
        all = new int128[](4);
        (all[0], all[1], all[2], all[3]) = (a, b, c, d);
    }

    function scoresOf(int128 a, int128 b, int128 c, int128 d, int128 e) private pure returns (int128[] memory all) {
        all = new int128[](5);
        (all[0], all[1], all[2], all[3], all[4]) = (a, b, c, d, e);
    }

    function expectPhase(uint32 id, IModelReviews.Phase phase) private view {
        vm.assertEq(uint256(judges.round(id, judges.roundCount(id)).phase), uint256(phase), "phase");
    }

    function wrongPhase(uint32 id, IModelReviews.Phase phase) private view returns (bytes memory) {
        return abi.encodeWithSelector(IModelReviews.WrongPhase.selector, id, judges.roundCount(id), phase);
    }

    function testAWholeRound() public {
        uint32 id = evaluating();
        uint64 block_ = uint64(block.number) + 1;
        vm.expectEmit(true, true, true, true, modelReviews);
        emit IModelReviews.Opened(id, 1, developer, block_, 5 * FEE);
        openRound(id);
        expectPhase(id, IModelReviews.Phase.Opened);
        drawRound(id);
        expectPhase(id, IModelReviews.Phase.Committing);
        IModelReviews.Round memory r = judges.round(id, 1);
        vm.assertEq(r.drawBlock, block_);
        vm.assertEq(r.payer, developer);
        vm.assertEq(r.fee, FEE);
        vm.assertEq(r.commitUntil, block.timestamp + COMMIT);
        vm.assertEq(r.revealUntil, block.timestamp + COMMIT + REVEAL);
        vm.assertEq(r.seats.length, 5);

        int128[5] memory scores = [int128(711_000), 705_000, 640_000, 700_000, 709_000];
        for (uint256 i; i < 5; ++i) {
            expectPhase(id, IModelReviews.Phase.Committing);
            commit(id, i, scores[i]);
        }
        expectPhase(id, IModelReviews.Phase.Revealing); // nobody is left to commit
        for (uint256 i; i < 5; ++i) {
            expectPhase(id, IModelReviews.Phase.Revealing);
            reveal(id, i, scores[i]);
        }
        expectPhase(id, IModelReviews.Phase.Counting);
        vm.expectEmit(true, true, true, true, modelReviews);
        emit IModelReviews.Closed(id, 1, true, 705_000, 4);
        vm.assertTrue(judges.close(id));
        expectPhase(id, IModelReviews.Phase.Stood);
        check(id, IModels.State.Evaluated);
        vm.assertTrue(models.life(id).score == 705_000);
        vm.assertNotEq(models.life(id).evaluation, 0);
        // Four agree and are paid; the outlier's fee goes back.
        for (uint256 i; i < 5; ++i) {
            vm.assertEq(judges.claimable(evaluators[i]), i == 2 ? 0 : FEE);
        }
        vm.assertEq(judges.claimable(developer), FEE);
        vm.assertEq(modelReviews.balance, 5 * FEE);
        uint256 before = developer.balance;
        judges.claimFor(developer);
        vm.assertEq(developer.balance, before + FEE);
        judges.claimFor(evaluators[0]);
        vm.assertEq(evaluators[0].balance, FEE);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.NothingToClaim.selector, evaluators[0]));
        judges.claimFor(evaluators[0]);

        vm.prank(governance);
        models.deploy(id);
        check(id, IModels.State.Deployed);
        // Nothing can be opened again.
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.NotEvaluating.selector, id));
        judges.open{value: 0}(id);
    }

    function testARoundWithoutAFee() public {
        ModelReviews.Parameters memory free = parameters();
        free.evaluationFee = 0;
        genesis(modelReviews, type(ModelReviews).creationCode, abi.encode(models, pool, governance, free));
        uint32 id = evaluating();
        vm.prank(developer);
        judges.open(id);
        drawRound(id);
        say(id, scoresOf(711_000, 705_000, 709_000));
        vm.assertTrue(judges.close(id));
        check(id, IModels.State.Evaluated);
        vm.assertEq(judges.claimable(evaluators[0]), 0);
        vm.assertEq(judges.claimable(developer), 0);
    }

    function testOpening() public {
        uint32 id = submitted();
        bytes memory not = abi.encodeWithSelector(IModelReviews.NotEvaluating.selector, id);
        vm.expectRevert(not);
        judges.open(id); // the set is not open
        models.revealEvaluation(id, setOf(id), SALT, "");
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.WrongPayment.selector, 5 * FEE - 1, 5 * FEE));
        judges.open{value: 5 * FEE - 1}(id);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.WrongPayment.selector, 5 * FEE + 1, 5 * FEE));
        judges.open{value: 5 * FEE + 1}(id);
        vm.assertEq(judges.open{value: 5 * FEE}(id), 1);
        vm.expectRevert(wrongPhase(id, IModelReviews.Phase.Opened));
        judges.open{value: 5 * FEE}(id);
        vm.expectRevert(abi.encodeWithSelector(IModels.UnknownModel.selector, 77));
        judges.open(77);
    }

    function testARoundNeedsTimeBeforeTheDeadline() public {
        uint32 id = evaluating();
        uint64 deadline = models.life(id).deadline;
        vm.warp(deadline - COMMIT - 2 * REVEAL + 1);
        bytes memory late = abi.encodeWithSelector(IModelReviews.TooLate.selector, id, deadline);
        vm.deal(address(this), 1 ether);
        vm.expectRevert(late);
        judges.open{value: 5 * FEE}(id);
        vm.warp(deadline - COMMIT - 2 * REVEAL);
        openRound(id);
        vm.roll(vm.getBlockNumber() + 2);
        vm.warp(vm.getBlockTimestamp() + 1);
        vm.expectRevert(late);
        judges.draw(id);
    }

    function testTheDrawWaitsForItsBlock() public {
        uint32 id = opened();
        uint64 block_ = judges.round(id, 1).drawBlock;
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.TooEarly.selector, block_));
        judges.draw(id);
        vm.roll(block_);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.TooEarly.selector, block_));
        judges.draw(id);
        vm.roll(block_ + 256);
        judges.draw(id);
        vm.expectRevert(wrongPhase(id, IModelReviews.Phase.Committing));
        judges.draw(id);
    }

    function testARoundNobodyDrewIsRefunded() public {
        uint32 id = opened();
        vm.roll(judges.round(id, 1).drawBlock + 257);
        expectPhase(id, IModelReviews.Phase.Counting);
        vm.expectRevert(wrongPhase(id, IModelReviews.Phase.Counting));
        judges.draw(id);
        vm.assertFalse(judges.close(id));
        expectPhase(id, IModelReviews.Phase.Failed);
        vm.assertEq(judges.claimable(developer), 5 * FEE);
        check(id, IModels.State.Evaluating);
    }

    /// @dev While there are too few evaluators, opening rounds costs nothing: it must not use them up either.
    function testARoundNobodyDrewIsNotCounted() public {
        uint32 id = evaluating();
        address[] memory none;
        pool.setPool(none);
        for (uint256 i; i < 5; ++i) {
            openRound(id);
            vm.assertEq(judges.roundCount(id), i + 1);
            vm.roll(judges.round(id, uint32(i) + 1).drawBlock + 257);
            vm.assertFalse(judges.close(id));
            expectPhase(id, IModelReviews.Phase.Failed);
            vm.assertEq(judges.claimable(developer), 5 * FEE * (i + 1));
        }
        pool.setPool(evaluators);
        // Those that are drawn count.
        for (uint256 i; i < 3; ++i) {
            openRound(id);
            drawRound(id);
            vm.warp(vm.getBlockTimestamp() + COMMIT + REVEAL + 2);
            judges.close(id);
        }
        vm.assertEq(judges.roundCount(id), 8);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.NoRoundLeft.selector, id));
        judges.open(id);
    }

    function testOwnerAndDeveloperAreNotSeated() public {
        address[] memory all = new address[](7);
        for (uint256 i; i < 5; ++i) {
            all[i + 2] = evaluators[i];
        }
        (all[0], all[1]) = (challenger, developer);
        pool.setPool(all);
        uint32 id = evaluatingOf(challenger, criteria());
        openRound(id);
        drawRound(id);
        address[] memory seats = judges.round(id, 1).seats;
        vm.assertEq(seats.length, 5);
        for (uint256 i; i < 5; ++i) {
            vm.assertEq(seats[i], evaluators[i]);
        }
        bytes memory not = abi.encodeWithSelector(IModelReviews.NotEvaluator.selector, id, 1, developer);
        vm.prank(developer);
        vm.expectRevert(not);
        judges.commitScore(id, SALT);
    }

    function testTooFewEvaluators() public {
        address[] memory two = new address[](2);
        (two[0], two[1]) = (evaluators[0], evaluators[1]);
        pool.setPool(two);
        uint32 id = opened();
        vm.roll(vm.getBlockNumber() + 2);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.TooFewEvaluators.selector, 2, 3));
        judges.draw(id);
    }

    function testFewerSeatsThanAskedForPayLess() public {
        address[] memory three = new address[](3);
        for (uint256 i; i < 3; ++i) {
            three[i] = evaluators[i];
        }
        pool.setPool(three);
        uint32 id = drawn();
        for (uint256 i; i < 3; ++i) {
            commit(id, i, 700_000);
        }
        for (uint256 i; i < 3; ++i) {
            reveal(id, i, 700_000);
        }
        vm.assertTrue(judges.close(id));
        vm.assertEq(judges.claimable(developer), 2 * FEE);
    }

    function testCommitments() public {
        uint32 id = drawn();
        vm.startPrank(evaluators[0]);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.InvalidCommitment.selector, 0));
        judges.commitScore(id, 0);
        judges.commitScore(id, SALT);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.InvalidCommitment.selector, SET));
        judges.commitScore(id, SET);
        vm.expectRevert(wrongPhase(id, IModelReviews.Phase.Committing));
        judges.revealScore(id, 1, REPORT, SALT);
        vm.stopPrank();
        commit(id, 1, 5);
        vm.warp(judges.round(id, 1).commitUntil + 1);
        vm.expectRevert(wrongPhase(id, IModelReviews.Phase.Revealing));
        judges.commitScore(id, SALT);
        vm.expectRevert(wrongPhase(id, IModelReviews.Phase.Revealing));
        judges.close(id);
        vm.expectRevert(
            abi.encodeWithSelector(IModelReviews.CommitmentMismatch.selector, SALT, hashOf(id, evaluators[0], 1))
        );
        vm.prank(evaluators[0]);
        judges.revealScore(id, 1, REPORT, SALT);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.NotEvaluator.selector, id, 1, evaluators[2]));
        vm.prank(evaluators[2]);
        judges.revealScore(id, 5, REPORT, SALT);
        reveal(id, 1, 5);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.InvalidCommitment.selector, hashOf(id, evaluators[1], 5)));
        vm.prank(evaluators[1]);
        judges.revealScore(id, 5, REPORT, SALT);
        IModelReviews.Vote memory vote = judges.voteOf(id, 1, evaluators[1]);
        vm.assertTrue(vote.revealed && vote.score == 5 && vote.report == REPORT);
        vm.warp(judges.round(id, 1).revealUntil + 1);
        vm.expectRevert(wrongPhase(id, IModelReviews.Phase.Counting));
        vm.prank(evaluators[0]);
        judges.revealScore(id, 1, REPORT, SALT);
    }

    /// @dev A copied commitment opens for nobody but its author.
    function testACopiedCommitmentIsWorthless() public {
        uint32 id = drawn();
        bytes32 hidden = hashOf(id, evaluators[0], 700_000);
        commit(id, 0, 700_000);
        vm.prank(evaluators[1]);
        judges.commitScore(id, hidden);
        vm.warp(vm.getBlockTimestamp() + COMMIT + 1);
        reveal(id, 0, 700_000);
        vm.expectPartialRevert(IModelReviews.CommitmentMismatch.selector);
        vm.prank(evaluators[1]);
        judges.revealScore(id, 700_000, REPORT, SALT);
    }

    // ---------------------------------------------------------------- results

    function testTheMedianOfAnEvenNumberIsTheLessFavourable() public {
        uint32 id = drawn();
        say(id, scoresOf(708_000, 700_000, 704_000, 702_000));
        vm.warp(vm.getBlockTimestamp() + REVEAL + 1);
        vm.assertTrue(judges.close(id));
        vm.assertTrue(models.life(id).score == 702_000);
    }

    function testTheMedianWhereLessIsBetter() public {
        IModels.Criteria memory c = criteria();
        c.direction = IModels.Direction.AtMost;
        uint32 id = evaluatingOf(developer, c);
        openRound(id);
        drawRound(id);
        say(id, scoresOf(-708_000, -700_000, -704_000, -702_000));
        vm.assertTrue(judges.close(id));
        vm.assertTrue(models.life(id).score == -702_000);
    }

    function testNoQuorumBlamesNobodyAndMayBeTriedAgain() public {
        uint32 id = drawn();
        say(id, scoresOf(100_000, 700_000, 900_000));
        vm.assertFalse(judges.close(id)); // three revealed, one within the tolerance
        check(id, IModels.State.Evaluating);
        vm.assertEq(judges.claimable(developer), 5 * FEE);
        for (uint256 i; i < 5; ++i) {
            vm.assertEq(judges.claimable(evaluators[i]), 0);
            vm.expectRevert(abi.encodeWithSelector(IModelReviews.NothingToPenalize.selector, evaluators[i]));
            judges.penalize(id, 1, evaluators[i]);
        }
        for (uint256 i; i < 2; ++i) {
            openRound(id);
            drawRound(id);
            vm.warp(vm.getBlockTimestamp() + COMMIT + 1); // nobody says anything
            expectPhase(id, IModelReviews.Phase.Counting);
            vm.assertFalse(judges.close(id));
        }
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.NoRoundLeft.selector, id));
        judges.open{value: 5 * FEE}(id);
    }

    function testASecondRoundCanStand() public {
        uint32 id = drawn();
        vm.warp(vm.getBlockTimestamp() + COMMIT + 1);
        judges.close(id);
        openRound(id);
        drawRound(id);
        say(id, scoresOf(700_000, 700_000, 700_000, 700_000, 700_000));
        vm.assertTrue(judges.close(id));
        check(id, IModels.State.Evaluated);
        vm.expectRevert(wrongPhase(id, IModelReviews.Phase.Stood));
        judges.close(id);
    }

    /// @dev Who worked is paid, even where the model is gone by the time of the count.
    function testAModelThatIsGoneKeepsNoScore() public {
        uint32 id = drawn();
        say(id, scoresOf(700_000, 700_000, 700_000, 700_000, 700_000));
        vm.prank(developer);
        models.retire(id);
        vm.assertTrue(judges.close(id));
        check(id, IModels.State.Retired);
        vm.assertEq(models.life(id).evaluation, 0);
        vm.assertEq(judges.claimable(evaluators[0]), FEE);
    }

    function testFuzzMedian(int128[5] memory scores, uint128 tolerance) public {
        IModels.Criteria memory c = criteria();
        c.tolerance = tolerance;
        uint32 id = evaluatingOf(developer, c);
        openRound(id);
        drawRound(id);
        say(id, scoresOf(scores[0], scores[1], scores[2], scores[3], scores[4]));
        bool stands = judges.close(id);
        int128 median = judges.round(id, 1).median;
        uint256 below;
        uint256 above;
        uint256 near;
        uint256 paid;
        for (uint256 i; i < 5; ++i) {
            if (scores[i] < median) ++below;
            if (scores[i] > median) ++above;
            bool within = int256(scores[i]) - median <= int256(uint256(tolerance))
                && int256(median) - scores[i] <= int256(uint256(tolerance));
            if (within) ++near;
            vm.assertEq(judges.claimable(evaluators[i]), within && stands ? FEE : 0);
            paid += judges.claimable(evaluators[i]);
        }
        vm.assertTrue(below <= 2 && above <= 2, "the middle one of five");
        vm.assertEq(stands, near >= 3);
        vm.assertEq(paid + judges.claimable(developer), 5 * FEE, "fees are paid or returned");
        check(id, stands ? IModels.State.Evaluated : IModels.State.Evaluating);
    }

    // ---------------------------------------------------------------- penalties

    function testOutliersAndTheSilentLoseStakeOnce() public {
        uint32 id = drawn();
        for (uint256 i; i < 4; ++i) {
            commit(id, i, i == 3 ? int128(710_001) : int128(700_000));
        }
        commit(id, 4, 700_000);
        for (uint256 i; i < 4; ++i) {
            reveal(id, i, i == 3 ? int128(710_001) : int128(700_000));
        }
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.WrongPhase.selector, id, 1, IModelReviews.Phase.Revealing));
        judges.penalize(id, 1, evaluators[3]);
        vm.warp(vm.getBlockTimestamp() + COMMIT + REVEAL + 1);
        judges.close(id);
        for (uint256 i; i < 7; ++i) {
            bool guilty = i == 3 || i == 4;
            if (guilty) {
                vm.expectEmit(true, true, true, true, modelReviews);
                emit IModelReviews.Penalized(id, 1, evaluators[i], PENALTY);
                judges.penalize(id, 1, evaluators[i]);
            }
            vm.expectRevert(abi.encodeWithSelector(IModelReviews.NothingToPenalize.selector, evaluators[i]));
            judges.penalize(id, 1, evaluators[i]);
            vm.assertEq(pool.slashed(evaluators[i]), guilty ? PENALTY : 0);
        }
    }

    function testAtTheToleranceNobodyIsAnOutlier() public {
        uint32 id = drawn();
        say(id, scoresOf(700_000, 700_000, 700_000, 710_000, 690_000));
        judges.close(id);
        vm.expectPartialRevert(IModelReviews.NothingToPenalize.selector);
        judges.penalize(id, 1, evaluators[3]);
        vm.expectPartialRevert(IModelReviews.NothingToPenalize.selector);
        judges.penalize(id, 1, evaluators[4]);
        vm.assertEq(judges.claimable(developer), 0);
    }

    function testWhoNeverCommittedIsNotPenalized() public {
        uint32 id = drawn();
        say(id, scoresOf(700_000, 700_000, 700_000));
        vm.assertTrue(judges.close(id));
        vm.expectPartialRevert(IModelReviews.NothingToPenalize.selector);
        judges.penalize(id, 1, evaluators[4]);
        vm.assertEq(judges.claimable(developer), 2 * FEE);
    }

    function testTheSilentLoseStakeInAFailedRoundToo() public {
        uint32 id = drawn();
        commit(id, 0, 700_000);
        vm.warp(vm.getBlockTimestamp() + COMMIT + REVEAL + 2);
        vm.assertFalse(judges.close(id));
        judges.penalize(id, 1, evaluators[0]);
        vm.assertEq(pool.slashed(evaluators[0]), PENALTY);
    }

    // ---------------------------------------------------------------- reports

    function reported(uint32 id) private returns (uint64) {
        vm.deal(challenger, challenger.balance + DEPOSIT + REPORT_FEE);
        vm.prank(challenger);
        return judges.report{value: DEPOSIT + REPORT_FEE}(id, REPORT);
    }

    function testAReportSuspends() public {
        uint32 id = deployed();
        vm.expectEmit(true, true, true, true, modelReviews);
        emit IModelReviews.Reported(id, 1, challenger, REPORT);
        uint64 caseId = reported(id);
        vm.assertEq(pool.subjectOf(caseId), keccak256(abi.encode(id, REPORT)));
        vm.assertEq(pool.excludedOf(caseId), developer);
        vm.assertEq(pool.fees(), REPORT_FEE);
        vm.assertEq(modelReviews.balance, DEPOSIT);
        checkServable(id, IModels.Reason.None, 0);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.UnknownCase.selector, caseId));
        judges.finishReport(caseId);

        vm.expectEmit(true, true, true, true, modelReviews);
        emit IModelReviews.ReportDecided(id, caseId, true, true);
        pool.decide(caseId, true);
        checkServable(id, IModels.Reason.Suspended, 0);
        vm.assertEq(models.payouts(id).dataPpm, 6e5); // receipts still settle
        vm.assertEq(judges.upheldCount(id), 1);
        pool.finish(caseId, true);
        judges.finishReport(caseId);
        vm.assertEq(judges.claimable(challenger), DEPOSIT);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.UnknownCase.selector, caseId));
        judges.finishReport(caseId);
        vm.prank(governance);
        models.reinstate(id);
        checkServable(id, IModels.Reason.None, 0);
    }

    function testARefusedReportPaysTheTreasury() public {
        uint32 id = deployed();
        uint64 caseId = reported(id);
        pool.decide(caseId, false);
        checkServable(id, IModels.Reason.None, 0);
        pool.finish(caseId, false);
        judges.finishReport(caseId);
        vm.assertEq(judges.claimable(governance), DEPOSIT);
        vm.assertEq(judges.claimable(challenger), 0);
        IModelReviews.Report memory r = judges.reportOf(caseId);
        vm.assertTrue(r.finished && !r.upheld && r.model == id && r.reporter == challenger && r.reason == REPORT);
    }

    function testAReversalLiftsUnlessAnotherReportStands() public {
        uint32 id = deployed();
        uint64 first = reported(id);
        uint64 second = reported(id);
        pool.decide(first, true);
        pool.decide(second, true);
        pool.decide(second, true); // told twice: counted once
        vm.assertEq(judges.upheldCount(id), 2);
        pool.decide(first, false);
        check(id, IModels.State.Suspended);
        pool.decide(second, false);
        check(id, IModels.State.Deployed);
        vm.assertEq(judges.upheldCount(id), 0);
    }

    /// @dev Governance forgives what was upheld before; a report that comes after is lifted by its own reversal alone.
    function testAReversalLiftsWhatCameAfterAReinstatement() public {
        uint32 id = deployed();
        uint64 forgiven = reported(id);
        uint64 later = reported(id);
        pool.decide(forgiven, true);
        vm.prank(governance);
        models.reinstate(id);
        pool.decide(later, true);
        check(id, IModels.State.Suspended);
        uint256 state = vm.snapshotState();
        pool.decide(later, false);
        check(id, IModels.State.Deployed);
        vm.assertEq(judges.upheldCount(id), 1);

        vm.revertToState(state);
        pool.decide(forgiven, false);
        check(id, IModels.State.Suspended);
        pool.decide(later, false);
        check(id, IModels.State.Deployed);
        vm.assertEq(judges.upheldCount(id), 0);
    }

    function testADecisionOnAModelThatIsGone() public {
        uint32 id = deployed();
        uint64 caseId = reported(id);
        vm.prank(developer);
        models.retire(id);
        pool.decide(caseId, true);
        check(id, IModels.State.Retired);
        pool.finish(caseId, true);
        judges.finishReport(caseId);
        vm.assertEq(judges.claimable(challenger), DEPOSIT);
    }

    function testReportErrors() public {
        uint32 id = proposed();
        vm.deal(address(this), 10 ether);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.NotInUse.selector, id, IModels.State.Proposed));
        judges.report{value: DEPOSIT + REPORT_FEE}(id, REPORT);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.NotInUse.selector, 77, IModels.State.None));
        judges.report{value: DEPOSIT + REPORT_FEE}(77, REPORT);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.WrongPayment.selector, DEPOSIT, DEPOSIT + REPORT_FEE));
        judges.report{value: DEPOSIT}(model, REPORT);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.NotReviews.selector, address(this)));
        judges.onDecision(1, true);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.UnknownCase.selector, 9));
        pool.decide(9, true);
        pool.finish(9, true);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.UnknownCase.selector, 9));
        judges.finishReport(9);
    }

    // ---------------------------------------------------------------- money

    function testARefuserKeepsItsClaim() public {
        Refuser refuser = new Refuser();
        vm.deal(address(refuser), 10 ether);
        uint64 caseId;
        vm.prank(address(refuser));
        caseId = judges.report{value: DEPOSIT + REPORT_FEE}(model, REPORT);
        pool.decide(caseId, true);
        pool.finish(caseId, true);
        judges.finishReport(caseId);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.TransferRefused.selector, address(refuser), DEPOSIT));
        judges.claimFor(address(refuser));
        vm.assertEq(judges.claimable(address(refuser)), DEPOSIT);
        refuser.accept();
        judges.claimFor(address(refuser));
        vm.assertEq(modelReviews.balance, 0);
    }

    function testConstructor() public {
        ModelReviews.Parameters memory p = parameters();
        vm.expectRevert(IModelReviews.InvalidParameter.selector);
        new ModelReviews(models, reviews, address(0), p);
        p.commitSeconds = 0;
        vm.expectRevert(IModelReviews.InvalidParameter.selector);
        new ModelReviews(models, reviews, treasury, p);
        p = parameters();
        p.revealSeconds = 0;
        vm.expectRevert(IModelReviews.InvalidParameter.selector);
        new ModelReviews(models, reviews, treasury, p);
        p = parameters();
        p.reportApprovals = 0;
        vm.expectRevert(IModelReviews.InvalidParameter.selector);
        new ModelReviews(models, reviews, treasury, p);
        p.reportApprovals = 6;
        vm.expectRevert(IModelReviews.InvalidParameter.selector);
        new ModelReviews(models, reviews, treasury, p);
        ModelReviews fine = new ModelReviews(models, reviews, treasury, parameters());
        vm.assertEq(fine.reportFee(), REPORT_FEE);
        vm.assertEq(fine.commitSeconds(), COMMIT);
    }
}

/// @notice The same with the real pool: stakes, panels, appeals.
contract ModelReviewsPoolTest is ModelWorld {
    function setUp() public override {
        super.setUp();
        genesis(modelReviews, type(ModelReviews).creationCode, abi.encode(models, reviews, governance, parameters()));
        delete evaluators;
        for (uint256 i; i < 16; ++i) {
            address who = address(uint160(0xE7A0 + i));
            vm.deal(who, STAKE);
            vm.prank(who);
            reviews.register{value: STAKE}();
        }
        skip(1, 1);
    }

    function testEvaluatorsOfThePool() public {
        vm.deal(developer, 100 ether);
        vm.prank(developer);
        reviews.register{value: STAKE}(); // the developer is a reviewer too, and never drawn
        uint32 id = evaluating();
        vm.prank(developer);
        judges.open{value: 5 * FEE}(id);
        // Who enters now is not in the pool of this round.
        vm.deal(challenger, STAKE);
        skip(1, 1);
        vm.prank(challenger);
        reviews.register{value: STAKE}();
        skip(1, 1);
        judges.draw(id);
        address[] memory seats = judges.round(id, 1).seats;
        vm.assertEq(seats.length, 5);
        for (uint256 i; i < 5; ++i) {
            vm.assertTrue(seats[i] != developer && seats[i] != challenger);
            for (uint256 j; j < i; ++j) {
                vm.assertTrue(seats[i] != seats[j]);
            }
            int128 score = i == 0 ? int128(0) : int128(800_000);
            vm.prank(seats[i]);
            judges.commitScore(id, keccak256(abi.encode(id, 1, seats[i], score, REPORT, SALT)));
        }
        // The liar leaves the pool; the stake does not.
        vm.prank(seats[0]);
        reviews.unregister();
        for (uint256 i; i < 5; ++i) {
            vm.prank(seats[i]);
            judges.revealScore(id, i == 0 ? int128(0) : int128(800_000), REPORT, SALT);
        }
        judges.close(id);
        vm.assertTrue(models.life(id).score == 800_000);
        uint256 stake = reviews.reviewerOf(seats[0]).stake;
        judges.penalize(id, 1, seats[0]);
        vm.assertEq(reviews.reviewerOf(seats[0]).stake, stake - PENALTY);
        vm.assertEq(reviews.claimable(treasury), PENALTY);
    }

    function vote(uint64 caseId, bool approve) private {
        address[] memory members = reviews.panel(reviews.caseOf(caseId).panel).members;
        for (uint256 i; i < members.length; ++i) {
            bytes32 hidden = reviews.commitmentHash(caseId, members[i], approve, SALT);
            vm.prank(members[i]);
            reviews.commit(caseId, hidden);
        }
        for (uint256 i; i < members.length; ++i) {
            vm.prank(members[i]);
            reviews.reveal(caseId, approve, SALT);
        }
        reviews.close(caseId);
    }

    function testAReportGoesThroughPanelAndAppeal() public {
        uint32 id = deployed();
        vm.deal(challenger, DEPOSIT + REPORT_FEE);
        vm.prank(challenger);
        uint64 caseId = judges.report{value: DEPOSIT + REPORT_FEE}(id, REPORT);
        skip(2, 2);
        reviews.seat(caseId);
        vote(caseId, true);
        check(id, IModels.State.Suspended);
        vm.expectRevert(abi.encodeWithSelector(IModelReviews.UnknownCase.selector, caseId));
        judges.finishReport(caseId); // an appeal is still open

        uint128 deposit = reviews.appealDeposit(caseId);
        vm.deal(developer, 10 ether);
        vm.prank(developer);
        reviews.appeal{value: deposit}(caseId);
        vm.warp(reviews.caseOf(caseId).deadline + 1);
        reviews.seat(caseId);
        skip(2, 2);
        reviews.seat(caseId);
        vote(caseId, false);
        check(id, IModels.State.Deployed);
        judges.finishReport(caseId);
        vm.assertEq(judges.claimable(governance), DEPOSIT);
    }
}
