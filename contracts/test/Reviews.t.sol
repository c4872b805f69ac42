// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Reviews} from "../src/Reviews.sol";
import {IReviews} from "../src/interfaces/IReviews.sol";
import {Refuser} from "./lib/Doubles.sol";
import {Panels} from "./lib/Panels.sol";

contract ReviewsTest is Panels {
    address private eva = address(0xE7A);

    function wrongStage(uint64 id, IReviews.Stage stage) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IReviews.WrongStage.selector, id, stage);
    }

    // ---------------------------------------------------------------- reviewers

    function testConstructorBounds() public {
        for (uint256 i; i < 5; ++i) {
            vm.expectRevert(IReviews.InvalidParameter.selector);
            new Reviews(
                i == 0 ? address(0) : governance,
                i == 1 ? address(0) : treasury,
                address(datanets),
                address(origins),
                evaluations,
                i == 2 ? 199 : STAKE,
                i == 3 ? 0 : REVIEW_PERIOD,
                REVIEW_PATIENCE,
                i == 4 ? 9 * REVIEW_PERIOD + REVIEW_PATIENCE : UNBONDING
            );
        }
    }

    function testRegistering() public {
        vm.deal(eva, 100 ether);
        vm.startPrank(eva);
        vm.expectRevert(abi.encodeWithSelector(IReviews.StakeTooLow.selector, STAKE - 1, STAKE));
        reviews.register{value: STAKE - 1}();
        reviews.register{value: STAKE}();
        reviews.register{value: 1}();
        vm.stopPrank();
        vm.assertEq(stakeOf(eva), STAKE + 1);
        vm.assertEq(reviews.reviewerCount(), 1);
        vm.assertEq(reviews.reviewers(0, 10)[0], eva);
        vm.assertEq(reviews.reviewers(2, 10).length, 0);
        vm.assertEq(reviews.reviewers(1, 1000).length, 1);
        vm.assertEq(uint256(reviews.reversalPenalty()), STAKE / 5);
        vm.assertEq(reviews.reviewers(1, 0).length, 0);
    }

    function testLeavingTakesTheUnbonding() public {
        enlist(3);
        address who = pool[0];
        vm.expectRevert(abi.encodeWithSelector(IReviews.NotRegistered.selector, eva));
        vm.prank(eva);
        reviews.unregister();
        vm.startPrank(who);
        vm.expectRevert(abi.encodeWithSelector(IReviews.NotYet.selector, 0, 0));
        reviews.unstake();
        reviews.unregister();
        uint64 leavesAt = uint64(vm.getBlockTimestamp()) + UNBONDING;
        vm.expectRevert(abi.encodeWithSelector(IReviews.NotRegistered.selector, who));
        reviews.unregister();
        vm.assertEq(reviews.reviewerCount(), 2);
        vm.assertEq(reviews.reviewers(1, 2)[0], pool[2]);
        vm.assertEq(uint256(reviews.reviewerOf(pool[2]).place), 1);
        vm.warp(leavesAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IReviews.NotYet.selector, leavesAt, 0));
        reviews.unstake();
        vm.warp(leavesAt);
        reviews.unstake();
        vm.stopPrank();
        vm.assertEq(who.balance, STAKE);
        vm.assertEq(stakeOf(who), 0);
    }

    function testRegisteringAgainEndsTheLeave() public {
        enlist(1);
        vm.startPrank(pool[0]);
        reviews.unregister();
        reviews.register();
        vm.assertEq(reviews.reviewerCount(), 1);
        vm.warp(vm.getBlockTimestamp() + UNBONDING + 1);
        vm.expectRevert(abi.encodeWithSelector(IReviews.NotYet.selector, 0, 0));
        reviews.unstake();
        vm.stopPrank();
    }

    function testSeatsKeepTheStake() public {
        enlist(3);
        uint64 id = open(3, 2);
        seat(id);
        vm.prank(pool[1]);
        reviews.unregister();
        vm.warp(vm.getBlockTimestamp() + UNBONDING + 1);
        uint64 leavesAt = reviews.reviewerOf(pool[1]).leavesAt;
        vm.prank(pool[1]);
        vm.expectRevert(abi.encodeWithSelector(IReviews.NotYet.selector, leavesAt, 1));
        reviews.unstake();
        reviews.close(id);
        vm.prank(pool[1]);
        reviews.unstake();
        vm.assertEq(pool[1].balance, STAKE);
    }

    function testRefusedStakeStays() public {
        Refuser refuser = new Refuser();
        enlist(address(refuser));
        vm.prank(address(refuser));
        reviews.unregister();
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        vm.prank(address(refuser));
        vm.expectRevert(abi.encodeWithSelector(IReviews.TransferRefused.selector, address(refuser), STAKE));
        reviews.unstake();
        vm.assertEq(stakeOf(address(refuser)), STAKE);
    }

    function testOnlyTheEvaluationsSlash() public {
        enlist(2);
        vm.expectRevert(abi.encodeWithSelector(IReviews.NotAllowed.selector, address(this)));
        reviews.slash(pool[0], 1);
        vm.startPrank(evaluations);
        vm.assertEq(reviews.slash(pool[0], 3 ether), 3 ether);
        vm.assertEq(reviews.slash(pool[0], 2 ether), 2 ether);
        vm.assertEq(reviews.reviewerCount(), 2);
        vm.assertEq(reviews.slash(pool[0], 1), 1);
        vm.assertEq(reviews.reviewerCount(), 1); // below half of the minimum: out of the pool
        vm.assertEq(reviews.slash(pool[0], 100 ether), STAKE - 5 ether - 1);
        vm.assertEq(reviews.slash(pool[0], 1), 0);
        vm.assertEq(reviews.slash(eva, 1), 0);
        vm.stopPrank();
        vm.assertEq(reviews.claimable(treasury), STAKE);
        reviews.claimFor(treasury);
        vm.assertEq(treasury.balance, STAKE);
        vm.expectRevert(IReviews.NothingToDo.selector);
        reviews.claimFor(treasury);
        // One who lost everything has nothing to take out, and comes back with a whole stake.
        vm.deal(pool[0], STAKE);
        vm.startPrank(pool[0]);
        vm.expectRevert(abi.encodeWithSelector(IReviews.NotRegistered.selector, pool[0]));
        reviews.unregister();
        reviews.register{value: STAKE}();
        vm.stopPrank();
        vm.assertEq(reviews.reviewerCount(), 2);
    }

    function testOneBelowTheMinimumCanLeave() public {
        enlist(1);
        vm.prank(evaluations);
        reviews.slash(pool[0], STAKE - 1);
        vm.startPrank(pool[0]);
        reviews.unregister();
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        reviews.unstake();
        vm.stopPrank();
        vm.assertEq(pool[0].balance, 1);
    }

    // ---------------------------------------------------------------- request, fund, seat

    function testRequestsAreForConsumers() public {
        vm.expectRevert(abi.encodeWithSelector(IReviews.NotAllowed.selector, address(this)));
        reviews.request(0, 3, 2, address(0));
        uint8[2][4] memory wrong = [[uint8(0), 0], [uint8(3), 0], [uint8(3), 4], [uint8(16), 9]];
        for (uint256 i; i < 4; ++i) {
            vm.prank(evaluations);
            vm.expectRevert(abi.encodeWithSelector(IReviews.InvalidPanel.selector, wrong[i][0], wrong[i][1]));
            reviews.request(0, wrong[i][0], wrong[i][1], address(0));
        }
        vm.expectRevert(wrongStage(1, IReviews.Stage.Unknown));
        reviews.seat(1);
    }

    function testFeesAreBounded() public {
        enlist(3);
        uint64 id = open(3, 2, address(0), 1 ether);
        vm.deal(eva, 100 ether);
        vm.startPrank(eva);
        vm.expectRevert(IReviews.NothingToDo.selector);
        reviews.fund(id);
        vm.expectRevert(abi.encodeWithSelector(IReviews.FeesTooHigh.selector, 3 * STAKE + 1, 3 * STAKE));
        reviews.fund{value: 3 * STAKE + 1 - 1 ether}(id);
        reviews.fund{value: 3 * STAKE - 1 ether}(id);
        vm.stopPrank();
        vm.assertEq(reviews.caseOf(id).fees, 3 * STAKE);
        seat(id);
        vote(id, 3, 0);
        vm.prank(eva);
        vm.expectRevert(wrongStage(id, IReviews.Stage.Decided));
        reviews.fund{value: 1}(id);
        vm.assertEq(reviews.claimable(pool[0]), STAKE);
    }

    function testSeatNeedsTheBlockAfterTheSeed() public {
        enlist(5);
        uint64 id = open(3, 2);
        uint64 seedBlock = reviews.caseOf(id).seedBlock;
        vm.assertEq(seedBlock, vm.getBlockNumber() + 1);
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IReviews.TooEarly.selector, seedBlock));
            reviews.seat(id);
            skip(1, 1);
        }
        reviews.seat(id);
        expectStage(id, IReviews.Stage.Voting);
        vm.expectRevert(wrongStage(id, IReviews.Stage.Voting));
        reviews.seat(id);
        vm.assertEq(seated(id).length, 3);
        vm.assertEq(uint256(reviews.reviewerOf(seated(id)[0]).seats), 1);
    }

    /// @dev A hash that the EVM has forgotten is zero, and so known beforehand: another block is named instead.
    function testForgottenSeedIsReplaced() public {
        enlist(5);
        uint64 id = open(3, 2);
        uint64 seedBlock = reviews.caseOf(id).seedBlock;
        vm.roll(seedBlock + 257);
        reviews.seat(id);
        expectStage(id, IReviews.Stage.Seating);
        vm.assertEq(reviews.caseOf(id).seedBlock, seedBlock + 258);
        vm.roll(seedBlock + 258 + 256);
        reviews.seat(id);
        expectStage(id, IReviews.Stage.Voting);
    }

    function testTooFewReviewersFailTheCase() public {
        enlist(3);
        uint64 id = open(3, 2, pool[1], 1 ether);
        skip(2, 2);
        reviews.seat(id);
        expectStage(id, IReviews.Stage.Failed);
        (bool isFinal,) = reviews.outcome(id);
        vm.assertFalse(isFinal);
        vm.expectRevert(wrongStage(id, IReviews.Stage.Failed));
        reviews.finish(id);
        vm.expectRevert(abi.encodeWithSelector(IReviews.NotAllowed.selector, address(this)));
        reviews.decide(id, true);
        vm.prank(governance);
        reviews.decide(id, true);
        (bool final_, bool approved) = reviews.outcome(id);
        vm.assertTrue(final_ && approved);
        vm.assertEq(consumer.lastCase(), id);
        vm.assertTrue(consumer.lastApproved());
        vm.assertEq(reviews.claimable(treasury), 1 ether); // nobody earned it
        vm.prank(governance);
        vm.expectRevert(wrongStage(id, IReviews.Stage.Final));
        reviews.decide(id, false);
    }

    function testTheConsumerMayBeTheFallback() public {
        uint64 id = open(3, 2);
        skip(2, 2);
        reviews.seat(id);
        vm.prank(evaluations);
        reviews.decide(id, false);
        (bool isFinal, bool approved) = reviews.outcome(id);
        vm.assertTrue(isFinal && !approved);
        vm.assertEq(consumer.decisions(), 1);
    }

    /// @dev The seed is known after the next block; whoever then enters, leaves or is slashed must not change the draw.
    function testPoolIsThatOfTheRequest() public {
        enlist(12);
        uint64 id = open(5, 3);
        skip(2, 2);
        address[] memory none;
        bytes32 seed = keccak256(abi.encode(blockhash(vm.getBlockNumber() - 1), id, uint8(0), false));
        address[] memory expected = reviews.drawAt(seed, 5, none, uint64(vm.getBlockNumber() - 2));
        enlist(7);
        vm.prank(expected[0]);
        reviews.unregister();
        vm.prank(pool[3]);
        reviews.unregister();
        vm.prank(evaluations);
        reviews.slash(pool[11], STAKE);
        reviews.seat(id);
        vm.assertEq(abi.encode(seated(id)), abi.encode(expected));
        // Drawn after leaving: the seat holds the stake.
        vm.assertEq(uint256(reviews.reviewerOf(expected[0]).seats), 1);
    }

    function testExcludedIsNeverSeated() public {
        enlist(4);
        for (uint256 i; i < 12; ++i) {
            uint64 id = open(3, 2, pool[i % 4], 0);
            address[] memory members = seat(id);
            vm.assertEq(members.length, 3);
            vm.assertFalse(contains(members, pool[i % 4]));
        }
    }

    // ---------------------------------------------------------------- draw

    /// @dev The draw against the shuffle it abbreviates, written out over the whole pool.
    function testFuzzDrawIsAShuffle(bytes32 seed, uint256 size, uint256 count, uint256 without) public {
        size = bound(size, 0, 40);
        count = bound(count, 0, 45);
        without = bound(without, 0, 16);
        enlist(size);
        address[] memory excluded = new address[](without);
        for (uint256 i; i < without; ++i) {
            // Some in the pool, some strangers, some twice.
            excluded[i] = address(uint160(0xE0000 + uint256(keccak256(abi.encode(seed, "x", i))) % (2 * size + 1)));
        }
        address[] memory deck = reviews.reviewers(1, 256);
        address[] memory expected = new address[](count);
        uint256 found;
        for (uint256 i; i < size && found < count; ++i) {
            uint256 pick = i + uint256(keccak256(abi.encode(seed, i))) % (size - i);
            (deck[i], deck[pick]) = (deck[pick], deck[i]);
            if (!contains(excluded, deck[i])) expected[found++] = deck[i];
        }
        address[] memory drawn = reviews.drawAt(seed, count, excluded, uint64(vm.getBlockNumber()));
        vm.assertEq(drawn.length, found);
        for (uint256 i; i < found; ++i) {
            vm.assertEq(drawn[i], expected[i]);
        }
    }

    function testDrawSeatsEverybodyAboutAsOften() public {
        enlist(10);
        address[] memory excluded = new address[](1);
        excluded[0] = pool[0];
        uint64 now_ = uint64(vm.getBlockNumber());
        uint256[10] memory times;
        for (uint256 i; i < 1000; ++i) {
            address[] memory drawn = reviews.drawAt(keccak256(abi.encode(i)), 3, excluded, now_);
            vm.assertEq(drawn.length, 3);
            for (uint256 j; j < 3; ++j) {
                ++times[uint160(drawn[j]) - 0xE0000];
            }
        }
        vm.assertEq(times[0], 0);
        for (uint256 i = 1; i < 10; ++i) {
            // 3000 seats over 9: 333 each, standard deviation below 15.
            vm.assertGe(times[i], 270);
            vm.assertLe(times[i], 400);
        }
    }

    function testDrawFromThePast() public {
        address[] memory none;
        vm.assertEq(reviews.drawAt("s", 3, none, uint64(vm.getBlockNumber())).length, 0);
        enlist(2);
        uint64 then = uint64(vm.getBlockNumber());
        skip(5, 5);
        enlist(3);
        vm.prank(pool[0]);
        reviews.unregister();
        vm.assertEq(reviews.drawAt("s", 9, none, then - 1).length, 0);
        address[] memory both = reviews.drawAt("s", 9, none, then);
        vm.assertEq(both.length, 2);
        vm.assertTrue(contains(both, pool[0]) && contains(both, pool[1]));
        vm.assertEq(reviews.drawAt("s", 9, none, then + 5).length, 4);
    }

    // ---------------------------------------------------------------- votes

    function testCommitAndReveal() public {
        enlist(3);
        uint64 id = open(3, 2);
        address[] memory m = seat(id);
        vm.prank(eva);
        vm.expectRevert(abi.encodeWithSelector(IReviews.WrongVote.selector, eva, IReviews.Vote.None));
        reviews.commit(id, "x");
        commit(id, m[0], true);
        vm.prank(m[0]);
        vm.expectRevert(abi.encodeWithSelector(IReviews.WrongVote.selector, m[0], IReviews.Vote.Committed));
        reviews.commit(id, "x");
        uint64 commitBy = reviews.panel(1).commitBy;
        vm.assertEq(commitBy, vm.getBlockTimestamp() + REVIEW_PERIOD);
        // Nobody reveals while somebody can still commit.
        vm.prank(m[0]);
        vm.expectRevert(abi.encodeWithSelector(IReviews.TooSoon.selector, commitBy));
        reviews.reveal(id, true, keccak256(abi.encode(m[0], id)));
        vm.expectRevert(abi.encodeWithSelector(IReviews.TooSoon.selector, commitBy));
        reviews.close(id);
        vm.warp(commitBy);
        commit(id, m[1], false);
        vm.warp(commitBy + 1);
        vm.prank(m[2]);
        vm.expectRevert(abi.encodeWithSelector(IReviews.TooLate.selector, commitBy));
        reviews.commit(id, "x");
        vm.expectRevert(abi.encodeWithSelector(IReviews.TooSoon.selector, commitBy + REVIEW_PERIOD));
        reviews.close(id);

        vm.prank(m[2]);
        vm.expectRevert(abi.encodeWithSelector(IReviews.WrongVote.selector, m[2], IReviews.Vote.Seated));
        reviews.reveal(id, true, 0);
        vm.prank(m[0]);
        vm.expectPartialRevert(IReviews.CommitmentMismatch.selector);
        reviews.reveal(id, false, keccak256(abi.encode(m[0], id)));
        reveal(id, m[0], true);
        vm.prank(m[0]);
        vm.expectRevert(abi.encodeWithSelector(IReviews.WrongVote.selector, m[0], IReviews.Vote.Approved));
        reviews.reveal(id, true, keccak256(abi.encode(m[0], id)));
        vm.warp(commitBy + REVIEW_PERIOD + 1);
        vm.prank(m[1]);
        vm.expectRevert(abi.encodeWithSelector(IReviews.TooLate.selector, commitBy + REVIEW_PERIOD));
        reviews.reveal(id, false, keccak256(abi.encode(m[1], id)));
        reviews.close(id);
        expectStage(id, IReviews.Stage.Seating);
        (IReviews.Vote v, bytes32 c) = reviews.voteOf(1, m[1]);
        vm.assertEq(uint256(v), uint256(IReviews.Vote.Committed));
        vm.assertNotEq(c, 0);
    }

    /// @dev A copied commitment opens for its author alone.
    function testCopiedCommitmentIsWorthless() public {
        enlist(3);
        uint64 id = open(3, 2);
        address[] memory m = seat(id);
        commit(id, m[0], true);
        (, bytes32 copied) = reviews.voteOf(1, m[0]);
        vm.prank(m[1]);
        reviews.commit(id, copied);
        commit(id, m[2], true);
        reveal(id, m[0], true);
        vm.prank(m[1]);
        vm.expectPartialRevert(IReviews.CommitmentMismatch.selector);
        reviews.reveal(id, true, keccak256(abi.encode(m[0], id)));
    }

    function testThresholds() public {
        enlist(5);
        // n, k, approvals, rejections, stage
        uint8[5][9] memory all = [
            [uint8(3), 2, 2, 1, 3],
            [uint8(3), 2, 1, 2, 3],
            [uint8(3), 2, 1, 1, 1],
            [uint8(3), 2, 0, 0, 1],
            [uint8(4), 2, 2, 2, 3],
            [uint8(4), 2, 1, 2, 1],
            [uint8(4), 2, 1, 3, 3],
            [uint8(5), 5, 4, 1, 3],
            [uint8(1), 1, 0, 1, 3]
        ];
        for (uint256 i; i < all.length; ++i) {
            uint64 id = open(all[i][0], all[i][1]);
            seat(id);
            if (all[i][2] + all[i][3] == 0) {
                skip(1, REVIEW_PERIOD + 1); // nobody committed: nothing to wait for
                reviews.close(id);
            } else {
                vote(id, all[i][2], all[i][3]);
            }
            vm.assertEq(uint256(reviews.stageOf(id)), all[i][4]);
            if (all[i][4] == 3) vm.assertEq(reviews.caseOf(id).approved, all[i][2] >= all[i][1]);
        }
    }

    function testThreePanelsThenTheFallback() public {
        enlist(3);
        uint64 id = open(3, 2, address(0), 9 ether);
        for (uint256 i; i < 3; ++i) {
            expectStage(id, IReviews.Stage.Seating);
            seat(id);
            // One of three seats is paid a third each time; the rest stays for the next panel.
            vote(id, 1, 0);
        }
        expectStage(id, IReviews.Stage.Failed);
        // 3, 2 and 4/3 ether were paid.
        uint256 left = 9 ether - 3 ether - 2 ether - uint256(4 ether) / 3;
        vm.assertEq(reviews.caseOf(id).fees, left);
        uint256 paid;
        uint256 stakes;
        for (uint256 i; i < 3; ++i) {
            paid += reviews.claimable(pool[i]);
            stakes += stakeOf(pool[i]);
            vm.assertEq(uint256(reviews.reviewerOf(pool[i]).seats), 0);
        }
        vm.assertEq(paid, 9 ether - left);
        vm.assertEq(reviews.seatFee(), 0.05 ether);
        uint256 silence = 6 * (uint256(0.05 ether) / 3); // two silent seats, three times
        vm.assertEq(stakes, 3 * STAKE - silence);
        vm.assertEq(reviews.claimable(treasury), silence);
    }

    /// @dev Three silent panels lose together no more than was offered: whoever asks for nothing bleeds nobody by more than it
    /// pays itself.
    function testThreeSilentPanelsCostWhatWasOffered() public {
        enlist(3);
        uint64 id = open(3, 2, address(0), 0.1 ether);
        for (uint256 i; i < 3; ++i) {
            seat(id);
            endPeriod();
            reviews.close(id);
        }
        expectStage(id, IReviews.Stage.Failed);
        uint256 lost = 3 * STAKE - stakeOf(pool[0]) - stakeOf(pool[1]) - stakeOf(pool[2]);
        vm.assertGe(0.1 ether, lost);
        vm.assertGe(lost, 0.1 ether - 12); // rounded down for each seat, and for each draw
        vm.prank(governance);
        reviews.decide(id, true);
        vm.assertEq(reviews.claimable(treasury), 0.1 ether + lost);
    }

    /// @dev Otherwise whoever asks for nothing could bleed the reviewers.
    function testSilenceInAnUnpaidCaseCostsNothing() public {
        enlist(3);
        uint64 id = open(3, 2);
        seat(id);
        // Fees that come after the seats are taken do not make silence dearer.
        vm.deal(eva, 3 ether);
        vm.prank(eva);
        reviews.fund{value: 3 ether}(id);
        endPeriod();
        reviews.close(id);
        vm.assertEq(stakeOf(pool[0]) + stakeOf(pool[1]) + stakeOf(pool[2]), 3 * STAKE);
        // Less than the standard fee: silence costs a third of what was offered, in each of three draws.
        id = open(3, 2, address(0), 30);
        seat(id);
        endPeriod();
        reviews.close(id);
        vm.assertEq(stakeOf(pool[0]) + stakeOf(pool[1]) + stakeOf(pool[2]), 3 * STAKE - 9);
    }

    function testUnappealedDecisionBecomesFinal() public {
        enlist(3);
        uint64 id = open(3, 2, address(0), 10);
        seat(id);
        vote(id, 2, 1);
        uint64 deadline = reviews.caseOf(id).deadline;
        vm.assertEq(deadline, vm.getBlockTimestamp() + REVIEW_PERIOD);
        vm.assertEq(consumer.decisions(), 1);
        (bool isFinal, bool approved) = reviews.outcome(id);
        vm.assertTrue(approved && !isFinal);
        vm.expectRevert(abi.encodeWithSelector(IReviews.TooSoon.selector, deadline));
        reviews.finish(id);
        vm.warp(deadline + 1);
        (isFinal,) = reviews.outcome(id);
        vm.assertTrue(isFinal);
        vm.assertEq(uint256(reviews.reviewerOf(pool[0]).seats), 1);
        reviews.finish(id);
        vm.assertEq(uint256(reviews.reviewerOf(pool[0]).seats), 0);
        expectStage(id, IReviews.Stage.Final);
        vm.assertEq(reviews.claimable(pool[0]), 3);
        vm.assertEq(reviews.claimable(treasury), 1); // what did not divide
        vm.assertEq(consumer.decisions(), 1);
        vm.expectRevert(wrongStage(id, IReviews.Stage.Final));
        reviews.finish(id);
    }

    // ---------------------------------------------------------------- appeal

    function decided(bool approve) private returns (uint64 id, address[] memory first) {
        enlist(12);
        id = open(3, 2, eva, 0);
        first = seat(id);
        if (approve) vote(id, 2, 1);
        else vote(id, 0, 3);
    }

    function testAppealNeedsItsDepositInTime() public {
        (uint64 id,) = decided(true);
        vm.assertEq(reviews.appealDeposit(id), 7 * 0.05 ether);
        vm.deal(eva, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IReviews.WrongPayment.selector, 1, 0.35 ether));
        vm.prank(eva);
        reviews.appeal{value: 1}(id);
        vm.warp(reviews.caseOf(id).deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IReviews.TooLate.selector, reviews.caseOf(id).deadline));
        vm.prank(eva);
        reviews.appeal{value: 0.35 ether}(id);
    }

    /// @dev Leaders are known ahead: an appellant that could choose the block would have its own validator draw the panel.
    function testTheAppellantDoesNotChooseTheBlock() public {
        (uint64 id,) = decided(true);
        uint64 deadline = reviews.caseOf(id).deadline;
        appeal(id, eva);
        vm.assertEq(reviews.caseOf(id).seedBlock, 0);
        vm.assertEq(reviews.caseOf(id).deadline, deadline);
        skip(300, 0);
        vm.expectRevert(abi.encodeWithSelector(IReviews.TooSoon.selector, deadline));
        reviews.seat(id);
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IReviews.TooSoon.selector, deadline));
        reviews.seat(id);
        vm.warp(deadline + 1);
        uint64 seedBlock = uint64(vm.getBlockNumber()) + 1;
        vm.expectEmit(true, true, true, true, address(reviews));
        emit IReviews.Reseeded(id, seedBlock);
        reviews.seat(id);
        expectStage(id, IReviews.Stage.Seating);
        vm.expectRevert(abi.encodeWithSelector(IReviews.TooEarly.selector, seedBlock));
        reviews.seat(id);
        (bool isFinal,) = reviews.outcome(id);
        vm.assertFalse(isFinal);
        skip(2, 2);
        reviews.seat(id);
        vm.assertEq(seated(id).length, 7);
    }

    function testReversalSlashesItsSide() public {
        (uint64 id, address[] memory first) = decided(true);
        appeal(id, eva);
        expectStage(id, IReviews.Stage.Seating);
        vm.prank(eva);
        vm.expectRevert(wrongStage(id, IReviews.Stage.Seating));
        reviews.appeal(id);
        vm.expectRevert(wrongStage(id, IReviews.Stage.Seating));
        reviews.fund{value: 1}(id);
        address[] memory second = seat(id);
        vm.assertEq(second.length, 7);
        vm.assertEq(uint256(reviews.panel(2).approvals), 4);
        for (uint256 i; i < 3; ++i) {
            vm.assertFalse(contains(second, first[i]));
        }
        vote(id, 3, 4);
        expectStage(id, IReviews.Stage.Final);
        (bool isFinal, bool approved) = reviews.outcome(id);
        vm.assertTrue(isFinal && !approved);
        vm.assertEq(consumer.decisions(), 2);
        vm.assertFalse(consumer.lastApproved());
        // Two approved: a fifth of the stake each; seven seats earn 0.05 each, the appellant half of the rest.
        vm.assertEq(stakeOf(first[0]), STAKE - 2 ether);
        vm.assertEq(stakeOf(first[1]), STAKE - 2 ether);
        vm.assertEq(stakeOf(first[2]), STAKE);
        vm.assertEq(reviews.reviewerCount(), 12);
        for (uint256 i; i < 7; ++i) {
            vm.assertEq(reviews.claimable(second[i]), 0.05 ether);
            vm.assertEq(uint256(reviews.reviewerOf(second[i]).seats), 0);
        }
        vm.assertEq(reviews.claimable(eva), 0.35 ether + (4 ether - 0.35 ether) / 2);
        vm.assertEq(reviews.claimable(treasury), (4 ether - 0.35 ether) / 2);
        vm.assertEq(uint256(reviews.reviewerOf(first[0]).seats), 0);
        reviews.claimFor(eva);
        vm.assertEq(eva.balance, 2.175 ether);
    }

    function testReversalOfARejection() public {
        (uint64 id, address[] memory first) = decided(false);
        appeal(id, eva);
        seat(id);
        vote(id, 4, 3);
        vm.assertTrue(consumer.lastApproved());
        vm.assertEq(stakeOf(first[0]) + stakeOf(first[1]) + stakeOf(first[2]), 3 * STAKE - 6 ether);
    }

    function testConfirmationForfeitsTheDeposit() public {
        (uint64 id, address[] memory first) = decided(true);
        appeal(id, eva);
        address[] memory second = seat(id);
        vote(id, 4, 1); // two silent
        uint256 silence = uint256(0.05 ether) / 3;
        vm.assertEq(consumer.decisions(), 1);
        vm.assertEq(reviews.claimable(eva), 0);
        for (uint256 i; i < 3; ++i) {
            vm.assertEq(stakeOf(first[i]), STAKE);
        }
        for (uint256 i; i < 7; ++i) {
            vm.assertEq(reviews.claimable(second[i]), i < 5 ? 0.05 ether : 0);
            vm.assertEq(stakeOf(second[i]), i < 5 ? STAKE : STAKE - silence);
        }
        vm.assertEq(reviews.claimable(treasury), 2 * 0.05 ether + 2 * silence);
        expectStage(id, IReviews.Stage.Final);
    }

    /// @dev Where little is left to slash, the panel shares that.
    function testReversalOfReviewersWithoutStake() public {
        (uint64 id, address[] memory first) = decided(true);
        vm.startPrank(evaluations);
        reviews.slash(first[0], STAKE);
        reviews.slash(first[1], STAKE - 70);
        vm.stopPrank();
        uint256 before = reviews.claimable(treasury);
        appeal(id, eva);
        address[] memory second = seat(id);
        vote(id, 0, 7);
        vm.assertEq(reviews.claimable(second[6]), 10);
        vm.assertEq(reviews.claimable(eva), 0.35 ether);
        vm.assertEq(reviews.claimable(treasury), before);
    }

    function testAppealWithoutPanelWaitsForTheGovernance() public {
        enlist(9); // three of them sat in the first panel: six are left for seven seats
        for (uint256 i; i < 3; ++i) {
            uint64 id = open(3, 2);
            seat(id);
            vote(id, 2, 1);
            appeal(id, eva);
            drawPanel(id);
            expectStage(id, IReviews.Stage.Failed);
            uint64 deadline = reviews.caseOf(id).deadline;
            vm.assertEq(deadline, vm.getBlockTimestamp() + REVIEW_PATIENCE);
            vm.prank(evaluations);
            vm.expectRevert(abi.encodeWithSelector(IReviews.NotAllowed.selector, evaluations));
            reviews.decide(id, false);
            uint256 decisions = consumer.decisions();
            if (i == 2) {
                vm.expectRevert(abi.encodeWithSelector(IReviews.TooSoon.selector, deadline));
                reviews.finish(id);
                vm.warp(deadline + 1);
                reviews.finish(id);
            } else {
                vm.prank(governance);
                reviews.decide(id, i == 0);
            }
            // The governance slashes nobody, and the deposit returns whatever it decides.
            vm.assertEq(reviews.claimable(eva), (i + 1) * 0.35 ether);
            vm.assertEq(consumer.decisions(), i == 1 ? decisions + 1 : decisions);
            (bool isFinal, bool approved) = reviews.outcome(id);
            vm.assertTrue(isFinal);
            vm.assertEq(approved, i != 1);
        }
        for (uint256 i; i < 9; ++i) {
            vm.assertEq(stakeOf(pool[i]), STAKE);
            vm.assertEq(uint256(reviews.reviewerOf(pool[i]).seats), 0);
        }
    }

    function testAppealIsDrawnThreeTimes() public {
        (uint64 id,) = decided(true);
        appeal(id, eva);
        for (uint256 i; i < 3; ++i) {
            seat(id);
            vote(id, 3, 3);
        }
        expectStage(id, IReviews.Stage.Failed);
        vm.assertEq(reviews.caseOf(id).deposit, 0.35 ether);
    }

    // ---------------------------------------------------------------- delivery

    function testABrokenConsumerKeepsNobodyLocked() public {
        enlist(3);
        uint64 id = open(3, 2);
        seat(id);
        consumer.set(true, false);
        vote(id, 3, 0);
        expectStage(id, IReviews.Stage.Decided);
        vm.assertTrue(reviews.caseOf(id).undelivered);
        vm.expectRevert(bytes("fails"));
        reviews.deliver(id);
        consumer.set(false, true);
        uint64 other = open(3, 2);
        seat(other);
        vote(other, 3, 0);
        vm.assertTrue(reviews.caseOf(other).undelivered);
        consumer.set(false, false);
        reviews.deliver(id);
        vm.assertEq(consumer.lastCase(), id);
        vm.expectRevert(IReviews.NothingToDo.selector);
        reviews.deliver(id);
        endPeriod();
        reviews.finish(id);
        reviews.finish(other);
        vm.assertEq(uint256(reviews.reviewerOf(pool[0]).seats), 0);
    }

    /// @dev Whatever gas a caller gives, `close` fails whole or the decision arrives.
    function testStarvingTheDelivery() public {
        enlist(3);
        uint64 id = open(3, 2);
        address[] memory m = seat(id);
        for (uint256 i; i < 3; ++i) {
            commit(id, m[i], true);
        }
        for (uint256 i; i < 3; ++i) {
            reveal(id, m[i], true);
        }
        uint256 failures;
        for (uint256 gas_ = 100_000; consumer.decisions() == 0; gas_ += 20_000) {
            (bool ok,) = address(reviews).call{gas: gas_}(abi.encodeCall(reviews.close, (id)));
            if (!ok) ++failures;
        }
        vm.assertTrue(failures > 10);
        vm.assertFalse(reviews.caseOf(id).undelivered);
    }

    function testReenteringConsumer() public {
        enlist(3);
        bytes[4] memory calls = [
            abi.encodeCall(reviews.close, (1)),
            abi.encodeCall(reviews.decide, (1, false)),
            abi.encodeCall(reviews.finish, (1)),
            abi.encodeCall(reviews.deliver, (1))
        ];
        for (uint64 i; i < 4; ++i) {
            uint64 id = open(3, 2);
            bytes memory data = calls[i];
            assembly ("memory-safe") {
                mstore(add(data, 36), id)
            }
            consumer.callBackWith(data);
            seat(id);
            vote(id, 3, 0);
            vm.assertTrue(consumer.backFailed());
            vm.assertFalse(reviews.caseOf(id).undelivered);
            expectStage(id, IReviews.Stage.Decided);
        }
    }

    function testRefusedBalanceStays() public {
        Refuser refuser = new Refuser();
        enlist(address(refuser));
        uint64 id = open(1, 1, address(0), 5);
        seat(id);
        vote(id, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(IReviews.TransferRefused.selector, address(refuser), 5));
        reviews.claimFor(address(refuser));
        refuser.accept();
        reviews.claimFor(address(refuser));
        vm.assertEq(address(refuser).balance, 5);
    }
}

/// @notice A reviewer that claims again while it is being paid.
contract GreedyReviewer {
    Reviews private immutable _reviews;
    uint256 public again;

    constructor(Reviews reviews) payable {
        _reviews = reviews;
    }

    function join() external {
        _reviews.register{value: address(this).balance}();
        _reviews.unregister();
    }

    function takeOut() external {
        _reviews.unstake();
    }

    receive() external payable {
        ++again;
        try _reviews.unstake() {} catch {}
        try _reviews.claimFor(address(this)) {} catch {}
    }
}

contract ReviewsReentrancyTest is Panels {
    function testNobodyIsPaidTwice() public {
        enlist(5);
        GreedyReviewer greedy = new GreedyReviewer{value: STAKE}(reviews);
        greedy.join();
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        greedy.takeOut();
        vm.assertEq(greedy.again(), 1);
        vm.assertEq(address(greedy).balance, STAKE);
        vm.assertEq(address(reviews).balance, 5 * STAKE);
    }
}
