// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IModels} from "../src/interfaces/IModels.sol";
import {ModelWorld} from "./lib/ModelWorld.sol";

/// @notice The voted record: every allowed step, and every other.
contract ModelLifeTest is ModelWorld {
    function testTheWholeRecord() public {
        contribute(trainNet, worker, one("text to train on"));
        uint32 base = independent();
        IModels.ModelInput memory input = proposal();
        input.base = base;
        input.terms.parents = list(pair(base, 10_000));
        uint64 start = uint64(block.timestamp);
        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.Proposed(base + 1, criteria());
        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.StateChanged(base + 1, IModels.State.Proposed, start + STEP);
        vm.prank(challenger); // anyone
        uint32 id = models.propose(input, RECIPE, criteria());
        vm.assertEq(models.model(id).owner, challenger);
        checkServable(id, IModels.Reason.NotDeployed, 0);

        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.EvaluationCommitted(id, commitment(id));
        vm.prank(governance);
        models.approve(id, commitment(id));
        check(id, IModels.State.Approved);
        checkServable(id, IModels.Reason.NotDeployed, 0);

        vm.prank(challenger);
        models.train(id);
        vm.assertEq(models.life(id).deadline, start + 30 days);
        skip(10, 29 days);

        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.ArtifactSubmitted(id, BASE, ADAPTER);
        vm.prank(challenger);
        models.submitArtifact(id, BASE, ADAPTER);
        checkServable(id, IModels.Reason.NotDeployed, 0);

        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.EvaluationRevealed(id, setOf(id), "ipfs://set");
        models.revealEvaluation(id, setOf(id), SALT, "ipfs://set");
        vm.assertEq(models.life(id).deadline, block.timestamp + 4 * STEP);

        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.EvaluationRecorded(id, 700_000, REPORT, true);
        vm.prank(modelReviews);
        models.recordEvaluation(id, 700_000, REPORT);
        checkServable(id, IModels.Reason.NotDeployed, 0);

        vm.prank(governance);
        models.deploy(id);
        check(id, IModels.State.Deployed);
        checkServable(id, IModels.Reason.None, 0);

        IModels.Life memory life = models.life(id);
        vm.assertEq(life.deadline, 0);
        vm.assertEq(life.base, base);
        vm.assertEq(life.recipe, RECIPE);
        vm.assertEq(abi.encode(life.trained), abi.encode(input.trained));
        vm.assertEq(abi.encode(life.criteria), abi.encode(criteria()));
        vm.assertEq(life.evaluationCommitment, commitment(id));
        vm.assertEq(life.evaluationSet, setOf(id));
        vm.assertEq(life.evaluation, REPORT);
        vm.assertTrue(life.score == 700_000);
        vm.assertEq(models.model(id).artifact, BASE);
        vm.assertEq(models.model(id).adapter, ADAPTER);
        vm.assertEq(models.payouts(id).developers.length, 2);

        vm.prank(challenger);
        models.retire(id);
        check(id, IModels.State.Retired);
        checkServable(id, IModels.Reason.Retired, 0);
        vm.assertEq(models.payouts(id).developers.length, 2);
    }

    // ---------------------------------------------------------------- every step from every state

    /// @dev The steps that change a state, and from which states they may.
    enum Step {
        Approve,
        Train,
        Submit,
        Reveal,
        Record,
        Deploy,
        Expire,
        Suspend,
        Reinstate,
        Retire
    }

    function act(Step step, uint32 id) private returns (bool ok, bytes memory result) {
        bytes memory data;
        address sender = developer;
        if (step == Step.Approve) (sender, data) = (governance, abi.encodeCall(models.approve, (id, commitment(id))));
        if (step == Step.Train) data = abi.encodeCall(models.train, (id));
        if (step == Step.Submit) data = abi.encodeCall(models.submitArtifact, (id, BASE, ADAPTER));
        if (step == Step.Reveal) data = abi.encodeCall(models.revealEvaluation, (id, setOf(id), SALT, ""));
        if (step == Step.Record) {
            (sender, data) = (modelReviews, abi.encodeCall(models.recordEvaluation, (id, 1, REPORT)));
        }
        if (step == Step.Deploy) (sender, data) = (governance, abi.encodeCall(models.deploy, (id)));
        if (step == Step.Expire) data = abi.encodeCall(models.expire, (id));
        if (step == Step.Suspend) (sender, data) = (modelReviews, abi.encodeCall(models.setSuspended, (id, true)));
        if (step == Step.Reinstate) (sender, data) = (governance, abi.encodeCall(models.reinstate, (id)));
        if (step == Step.Retire) data = abi.encodeCall(models.retire, (id));
        vm.prank(sender);
        (ok, result) = address(models).call(data);
    }

    /// @dev The state after a step, `None` where the step is forbidden.
    function after_(Step step, IModels.State s) private pure returns (IModels.State) {
        if (step == Step.Approve && s == IModels.State.Proposed) return IModels.State.Approved;
        if (step == Step.Train && s == IModels.State.Approved) return IModels.State.Training;
        if (step == Step.Submit && s == IModels.State.Training) return IModels.State.Evaluating;
        if (step == Step.Record && s == IModels.State.Evaluating) return IModels.State.Evaluated;
        if (step == Step.Deploy && s == IModels.State.Evaluated) return IModels.State.Deployed;
        bool used = s == IModels.State.Registered || s == IModels.State.Independent || s == IModels.State.Deployed;
        if (step == Step.Suspend && used) return IModels.State.Suspended;
        if (step == Step.Reinstate && s == IModels.State.Suspended) return IModels.State.Deployed;
        if (step == Step.Retire && s != IModels.State.Retired && s != IModels.State.Expired) {
            return IModels.State.Retired;
        }
        return IModels.State.None;
    }

    function testEveryStepFromEveryState() public {
        for (uint8 s = 1; s <= uint8(type(IModels.State).max); ++s) {
            for (uint8 step; step <= uint8(type(Step).max); ++step) {
                IModels.State state = IModels.State(s);
                uint32 id = inState(state);
                check(id, state);
                (bool ok, bytes memory result) = act(Step(step), id);
                IModels.State next = after_(Step(step), state);
                if (next != IModels.State.None) {
                    vm.assertTrue(ok, "an allowed step was refused");
                    check(id, next);
                    continue;
                }
                check(id, state);
                if (Step(step) == Step.Suspend) {
                    // The reviewers' decision must not fail because a model is gone: it does nothing.
                    vm.assertTrue(ok);
                    vm.assertFalse(abi.decode(result, (bool)));
                } else {
                    vm.assertFalse(ok, "a forbidden step was taken");
                    if (Step(step) == Step.Expire) {
                        vm.assertEq(bytes32(bytes4(result)), bytes32(IModels.DeadlineRunning.selector));
                    } else if (Step(step) == Step.Reveal && state == IModels.State.Evaluating) {
                        vm.assertEq(result, abi.encodeWithSelector(IModels.AlreadyRevealed.selector, id));
                    } else {
                        vm.assertEq(result, wrongState(id, state));
                    }
                }
            }
        }
    }

    /// @dev Every state with a deadline ends with it: no step works any more, and anyone can expire it.
    function testEveryDeadlineEnds() public {
        for (uint8 s = uint8(IModels.State.Proposed); s <= uint8(IModels.State.Evaluated); ++s) {
            uint32 id = inState(IModels.State(s));
            uint64 deadline = models.life(id).deadline;
            vm.assertTrue(deadline > block.timestamp);
            vm.warp(deadline);
            vm.expectRevert(abi.encodeWithSelector(IModels.DeadlineRunning.selector, id, deadline));
            models.expire(id);
            vm.warp(deadline + 1);
            for (uint8 step; step <= uint8(Step.Deploy); ++step) {
                if (after_(Step(step), IModels.State(s)) == IModels.State.None) continue;
                (bool ok, bytes memory result) = act(Step(step), id);
                vm.assertFalse(ok);
                vm.assertEq(result, abi.encodeWithSelector(IModels.DeadlinePassed.selector, id, deadline));
            }
            vm.prank(challenger);
            models.expire(id);
            check(id, IModels.State.Expired);
            checkServable(id, IModels.Reason.Expired, 0);
            vm.assertEq(models.life(id).deadline, 0);
        }
    }

    function testAnUnrevealedSetExpires() public {
        uint32 id = submitted();
        uint64 deadline = models.life(id).deadline;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IModels.DeadlinePassed.selector, id, deadline));
        models.revealEvaluation(id, setOf(id), SALT, "");
        models.expire(id);
        check(id, IModels.State.Expired);
    }

    // ---------------------------------------------------------------- who

    function testWhoMayDoWhat() public {
        uint32 id = proposed();
        bytes memory notAllowed = abi.encodeWithSelector(IModels.NotAllowed.selector, developer);
        vm.startPrank(developer);
        vm.expectRevert(notAllowed);
        models.approve(id, commitment(id));
        vm.expectRevert(notAllowed);
        models.recordEvaluation(id, 1e6, REPORT);
        vm.expectRevert(notAllowed);
        models.deploy(id);
        vm.expectRevert(notAllowed);
        models.setSuspended(id, true);
        vm.expectRevert(notAllowed);
        models.reinstate(id);
        vm.stopPrank();

        bytes memory notOwner = abi.encodeWithSelector(IModels.NotOwner.selector, id, challenger);
        vm.startPrank(challenger);
        vm.expectRevert(notOwner);
        models.train(id);
        vm.expectRevert(notOwner);
        models.submitArtifact(id, BASE, ADAPTER);
        vm.expectRevert(abi.encodeWithSelector(IModels.NotAllowed.selector, challenger));
        models.retire(id);
        vm.stopPrank();
        vm.prank(governance);
        models.retire(id);
        check(id, IModels.State.Retired);
    }

    // ---------------------------------------------------------------- proposals

    function testProposalsHaveNoWeightsYet() public {
        IModels.ModelInput memory input = inputOf(IModels.Kind.Base, BASE, 0);
        vm.expectRevert(abi.encodeWithSelector(IModels.HashMismatch.selector, IModels.Kind.Base, BASE, 0));
        models.propose(input, RECIPE, criteria());
        input = inputOf(IModels.Kind.Adapter, 0, ADAPTER);
        vm.expectRevert(abi.encodeWithSelector(IModels.HashMismatch.selector, IModels.Kind.Adapter, 0, ADAPTER));
        models.propose(input, RECIPE, criteria());
    }

    function testCriteriaMakeSense() public {
        IModels.ModelInput memory input = inputOf(IModels.Kind.Base, 0, 0);
        uint8[6] memory n = [uint8(0), 16, 5, 4, 5, 5];
        uint8[6] memory k = [uint8(0), 9, 2, 2, 6, 3];
        for (uint256 i; i < 6; ++i) {
            IModels.Criteria memory c = criteria();
            (c.evaluators, c.quorum) = (n[i], k[i]);
            if (i == 5) c.trainingSeconds = 0;
            vm.expectRevert(abi.encodeWithSelector(IModels.InvalidCriteria.selector, n[i], k[i], c.trainingSeconds));
            models.propose(input, RECIPE, c);
        }
        IModels.Criteria memory long = criteria();
        long.trainingSeconds = 366 days + 1;
        vm.expectRevert(abi.encodeWithSelector(IModels.InvalidCriteria.selector, 5, 3, 366 days + 1));
        models.propose(input, RECIPE, long);
        (long.trainingSeconds, long.evaluators, long.quorum) = (366 days, 15, 8);
        models.propose(input, RECIPE, long);
        (long.trainingSeconds, long.evaluators, long.quorum) = (1, 1, 1);
        models.propose(input, RECIPE, long);
    }

    function testVotedTermsStay() public {
        for (uint8 s = 1; s <= uint8(type(IModels.State).max); ++s) {
            uint32 id = inState(IModels.State(s));
            IModels.Terms memory terms = termsOf(0, 0, 0, 1e6);
            vm.prank(developer);
            if (s >= uint8(IModels.State.Proposed) && s <= uint8(IModels.State.Evaluated)) {
                vm.expectRevert(wrongState(id, IModels.State(s)));
            }
            models.setTerms(id, terms);
        }
    }

    // ---------------------------------------------------------------- evaluation set

    function testTheSetIsOpenedAfterTheArtifact() public {
        uint32 id = approved();
        vm.expectRevert(wrongState(id, IModels.State.Approved));
        models.revealEvaluation(id, setOf(id), SALT, "");
        vm.prank(developer);
        models.train(id);
        vm.expectRevert(wrongState(id, IModels.State.Training));
        models.revealEvaluation(id, setOf(id), SALT, "");
        vm.prank(developer);
        models.submitArtifact(id, BASE, ADAPTER);

        bytes32[3] memory sets = [keccak256("easier"), setOf(id), bytes32(0)];
        bytes32[3] memory salts = [SALT, keccak256("guess"), SALT];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IModels.CommitmentMismatch.selector, commitment(id), keccak256(abi.encode(sets[i], salts[i]))
                )
            );
            models.revealEvaluation(id, sets[i], salts[i], "");
        }
        vm.assertEq(models.life(id).evaluationSet, 0);
        // No score without an open set.
        vm.prank(modelReviews);
        vm.expectRevert(wrongState(id, IModels.State.Evaluating));
        models.recordEvaluation(id, 1e6, REPORT);
        vm.prank(challenger);
        models.revealEvaluation(id, setOf(id), SALT, "");
        vm.assertEq(models.life(id).evaluationSet, setOf(id));
        // The weights are fixed by now.
        vm.prank(developer);
        vm.expectRevert(wrongState(id, IModels.State.Evaluating));
        models.submitArtifact(id, BASE, keccak256("another adapter"));
    }

    function testApprovalNeedsACommitmentOfItsOwn() public {
        uint32 other = approved();
        uint32 id = proposed();
        vm.prank(governance);
        vm.expectRevert(abi.encodeWithSelector(IModels.CommitmentUsed.selector, 0));
        models.approve(id, 0);
        // One that another model opens first would hide nothing.
        bytes32 used = commitment(other);
        vm.prank(governance);
        vm.expectRevert(abi.encodeWithSelector(IModels.CommitmentUsed.selector, used));
        models.approve(id, used);
        vm.prank(governance);
        models.approve(id, commitment(id));
    }

    function testTheArtifactFitsItsKindAndBase() public {
        uint32 id = training();
        vm.startPrank(developer);
        vm.expectRevert(abi.encodeWithSelector(IModels.HashMismatch.selector, IModels.Kind.Adapter, BASE, 0));
        models.submitArtifact(id, BASE, 0);
        vm.expectRevert(abi.encodeWithSelector(IModels.HashMismatch.selector, IModels.Kind.Adapter, 0, ADAPTER));
        models.submitArtifact(id, 0, ADAPTER);
        vm.stopPrank();

        uint32 base = independent();
        IModels.ModelInput memory input = proposal();
        input.base = base;
        input.terms.parents = list(pair(base, 0));
        vm.prank(developer);
        id = models.propose(input, RECIPE, criteria());
        vm.prank(governance);
        models.approve(id, commitment(id));
        vm.startPrank(developer);
        models.train(id);
        vm.expectRevert(abi.encodeWithSelector(IModels.BaseMismatch.selector, base));
        models.submitArtifact(id, keccak256("other weights"), ADAPTER);
        models.submitArtifact(id, BASE, ADAPTER);
        vm.stopPrank();
    }

    // ---------------------------------------------------------------- deployment

    function testDeploymentNeedsTheVotedScore() public {
        uint32 id = evaluated(699_999);
        vm.prank(governance);
        vm.expectRevert(
            abi.encodeWithSelector(
                IModels.CriteriaMissed.selector, id, int128(699_999), IModels.Direction.AtLeast, int128(700_000)
            )
        );
        models.deploy(id);
        skip(1, STEP + 1);
        models.expire(id);
        check(id, IModels.State.Expired);
    }

    function testFuzzCriteria(int128 score, int128 threshold, bool most) public {
        IModels.Criteria memory c = criteria();
        c.threshold = threshold;
        c.direction = most ? IModels.Direction.AtMost : IModels.Direction.AtLeast;
        uint32 id = evaluatingOf(developer, c);
        bool met = most ? score <= threshold : score >= threshold;
        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.EvaluationRecorded(id, score, REPORT, met);
        vm.prank(modelReviews);
        models.recordEvaluation(id, score, REPORT);
        vm.prank(governance);
        if (!met) vm.expectPartialRevert(IModels.CriteriaMissed.selector);
        models.deploy(id);
        check(id, met ? IModels.State.Deployed : IModels.State.Evaluated);
    }

    // ---------------------------------------------------------------- suspension

    function testASuspensionReturnsToWhereItWas() public {
        IModels.State[3] memory used = [IModels.State.Registered, IModels.State.Independent, IModels.State.Deployed];
        for (uint256 i; i < 3; ++i) {
            uint32 id = inState(used[i]);
            vm.prank(modelReviews);
            vm.assertTrue(models.setSuspended(id, true));
            checkServable(id, IModels.Reason.Suspended, 0);
            vm.prank(modelReviews);
            vm.assertFalse(models.setSuspended(id, true));
            vm.prank(governance);
            models.reinstate(id);
            check(id, used[i]);
            vm.prank(modelReviews);
            vm.assertFalse(models.setSuspended(id, false)); // nothing to lift
            vm.prank(modelReviews);
            models.setSuspended(id, true);
            vm.prank(modelReviews);
            vm.assertTrue(models.setSuspended(id, false));
            check(id, used[i]);
            checkServable(id, IModels.Reason.None, 0);
        }
        vm.prank(modelReviews);
        vm.assertFalse(models.setSuspended(99, true));
        vm.prank(modelReviews);
        vm.assertFalse(models.setSuspended(99, false));
        check(99, IModels.State.None);
    }
}
