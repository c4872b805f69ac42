// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Models} from "../src/Models.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IModels} from "../src/interfaces/IModels.sol";
import {ModelWorld} from "./lib/ModelWorld.sol";

/// @notice Registering, terms, licences and withdrawals.
contract ModelsTest is ModelWorld {
    function testModelIsKept() public {
        IModels.ModelInput memory input = inputOf(IModels.Kind.Adapter, BASE, ADAPTER);
        input.terms.acceptableUse = keccak256("be kind");
        input.terms.acceptableUseUri = "https://example.org/use";
        input.terms.minRoyaltyPpm = 7;
        vm.prank(developer);
        uint32 id = models.register(input);
        IModels.Model memory m = models.model(id);
        vm.assertEq(m.name, "m");
        vm.assertEq(uint256(m.kind), uint256(IModels.Kind.Adapter));
        vm.assertEq(m.artifact, BASE);
        vm.assertEq(m.adapter, ADAPTER);
        vm.assertEq(m.owner, developer);
        vm.assertEq(m.termsVersion, 1);
        vm.assertEq(uint256(m.state), uint256(IModels.State.Independent));
        vm.assertEq(abi.encode(m.terms), abi.encode(input.terms));
        (IModels.Terms memory terms, uint64 since) = models.termsOf(id, 1);
        vm.assertEq(abi.encode(terms), abi.encode(input.terms));
        vm.assertEq(since, block.timestamp);
        vm.assertEq(models.modelCount(), 2);
        vm.assertEq(uint256(models.model(model).state), uint256(IModels.State.Registered));
        vm.assertEq(uint256(models.stateOf(9)), uint256(IModels.State.None));
    }

    function testEventsTell() public {
        IModels.ModelInput memory input = proposal();
        input.kind = IModels.Kind.Base;
        input.artifact = BASE;
        contribute(trainNet, worker, one("a"));
        input.trained = list(pair(trainNet, 1));
        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.Registered(2, address(this), IModels.Kind.Base, BASE, 0, "m");
        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.BuiltOn(2, 0, 0, input.trained);
        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.TermsSet(2, 1, uint64(block.timestamp), input.terms);
        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.StateChanged(2, IModels.State.Independent, 0);
        models.register(input);
    }

    function testKindsAndHashes() public {
        models.register(inputOf(IModels.Kind.Quote, 0, 0));
        models.register(inputOf(IModels.Kind.Base, BASE, 0));
        IModels.Kind[4] memory kinds = [IModels.Kind.Quote, IModels.Kind.Base, IModels.Kind.Base, IModels.Kind.Adapter];
        bytes32[4] memory artifacts = [bytes32(0), bytes32(0), BASE, bytes32(0)];
        bytes32[4] memory adapters = [ADAPTER, bytes32(0), ADAPTER, ADAPTER];
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IModels.HashMismatch.selector, kinds[i], artifacts[i], adapters[i]));
            models.register(inputOf(kinds[i], artifacts[i], adapters[i]));
        }
    }

    function testPartsMustSum() public {
        IModels.ModelInput memory bad = inputOf(IModels.Kind.Quote, 0, 0);
        bad.terms.splits.workerPpm += 1;
        vm.expectRevert(abi.encodeWithSelector(IModels.PartsMismatch.selector, 1_000_001));
        models.register(bad);
        bad = inputOf(IModels.Kind.Quote, 0, 0);
        // A sum that wraps round 2^32 is no 1,000,000.
        bad.terms.splits.workerPpm = type(uint32).max - 1e6 + 1;
        bad.terms.splits.dataPpm = 1.8e6;
        vm.expectPartialRevert(IModels.PartsMismatch.selector);
        models.register(bad);
        bad = inputOf(IModels.Kind.Quote, 0, 0);
        bad.terms.contextPpm = 1;
        vm.expectRevert(abi.encodeWithSelector(IModels.PartsMismatch.selector, 1_000_001));
        models.register(bad);
        bad = inputOf(IModels.Kind.Quote, 0, 0);
        bad.terms.minRoyaltyPpm = 1_000_001;
        vm.expectRevert(abi.encodeWithSelector(IModels.RoyaltiesExceed.selector, 1_000_001, 1e6));
        models.register(bad);
    }

    function testTermsErrors() public {
        IModels.ModelInput memory bad = inputOf(IModels.Kind.Quote, 0, 0);
        bad.terms.splits.developer = address(0);
        vm.expectRevert(IModels.NoDeveloper.selector);
        models.register(bad);
        bad = inputOf(IModels.Kind.Quote, 0, 0);
        bad.terms.datanets[0] = 7;
        vm.expectRevert(abi.encodeWithSelector(IDatanets.UnknownDatanet.selector, 7));
        models.register(bad);
        bad.terms.datanets = new uint32[](17);
        vm.expectRevert(abi.encodeWithSelector(IModels.TooManyDatanets.selector, 17));
        models.register(bad);
        bad = inputOf(IModels.Kind.Base, BASE, 0);
        bad.trained = new uint64[](17);
        vm.expectRevert(abi.encodeWithSelector(IModels.TooManyDatanets.selector, 17));
        models.register(bad);
        vm.expectRevert(IModels.NoNotice.selector);
        new Models(datanets, modelReviews, governance, 0, GRACE, STEP);
        vm.expectRevert(IModels.NoNotice.selector);
        new Models(datanets, modelReviews, governance, NOTICE, GRACE, 0);
    }

    function testTermsApplyAfterTheNotice() public {
        uint64 start = uint64(block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(IModels.NotOwner.selector, model, address(this)));
        models.setTerms(model, termsOf(0, 0, 0, 1e6));
        vm.prank(developer);
        vm.assertEq(models.setTerms(model, termsOf(0, 0, 0, 1e6)), 2);
        vm.assertEq(models.payouts(model).dataPpm, 6e5);
        vm.assertEq(models.model(model).termsVersion, 1);
        vm.prank(developer);
        vm.expectRevert(abi.encodeWithSelector(IModels.TermsPending.selector, start + NOTICE));
        models.setTerms(model, termsOf(1e6, 0, 0, 0));

        vm.warp(start + NOTICE - 1);
        vm.assertEq(models.payouts(model).dataPpm, 6e5);
        vm.warp(start + NOTICE);
        vm.assertEq(models.payouts(model).dataPpm, 1e6);
        vm.assertEq(models.model(model).termsVersion, 2);
        vm.prank(developer);
        models.setTerms(model, termsOf(1e6, 0, 0, 0));
        vm.assertEq(models.termsCount(model), 3);
        vm.warp(start + 3 * NOTICE);
        // The past stays as it was.
        vm.assertEq(models.payoutsAt(model, start).dataPpm, 6e5);
        vm.assertEq(models.payoutsAt(model, start + NOTICE - 1).dataPpm, 6e5);
        vm.assertEq(models.payoutsAt(model, start + NOTICE).dataPpm, 1e6);
        vm.assertEq(models.payoutsAt(model, start + 2 * NOTICE).dataPpm, 0);
        (IModels.Terms memory terms, uint64 since) = models.termsOf(model, 2);
        vm.assertEq(terms.splits.dataPpm, 1e6);
        vm.assertEq(since, start + NOTICE);
    }

    /// @dev Against a walk over all versions, at every edge.
    function testTheVersionOfAnyTime() public {
        uint64 start = uint64(block.timestamp);
        for (uint32 i = 1; i <= 20; ++i) {
            vm.prank(developer);
            models.setTerms(model, termsOf(i, 0, 0, 1e6 - i));
            skip(1, NOTICE + i);
        }
        for (uint32 v = 1; v <= 21; ++v) {
            (IModels.Terms memory terms, uint64 since) = models.termsOf(model, v);
            vm.assertEq(models.payoutsAt(model, since).dataPpm, terms.splits.dataPpm);
            if (v == 1) continue;
            (terms,) = models.termsOf(model, v - 1);
            vm.assertEq(models.payoutsAt(model, since - 1).dataPpm, terms.splits.dataPpm);
        }
        // Before there was a model its first terms are told.
        vm.assertEq(models.payoutsAt(model, start - 1).dataPpm, 6e5);
    }

    function testADeveloperStays() public {
        IModels.Terms memory none = termsOf(0, 0, 0, 1e6);
        none.splits.developer = address(0);
        vm.prank(developer);
        vm.expectRevert(IModels.NoDeveloper.selector);
        models.setTerms(model, none);
        // Who never had one may stay without, and get one.
        IModels.ModelInput memory input = inputOf(IModels.Kind.Quote, 0, 0);
        input.terms = none;
        uint32 id = models.register(input);
        models.setTerms(id, none);
        skip(1, NOTICE);
        models.setTerms(id, termsOf(0, 0, 1, 1e6 - 1));
        skip(1, NOTICE);
        vm.assertEq(models.payouts(id).developers[0].payee, developer);
    }

    function testUnknownModels() public {
        bytes memory unknown = abi.encodeWithSelector(IModels.UnknownModel.selector, 9);
        vm.expectRevert(unknown);
        models.model(9);
        vm.expectRevert(unknown);
        models.life(9);
        vm.expectRevert(unknown);
        models.payouts(9);
        vm.expectRevert(unknown);
        models.payoutsAt(9, 0);
        vm.expectRevert(unknown);
        models.termsOf(9, 1);
        vm.expectRevert(unknown);
        models.setTerms(9, termsOf(1e6, 0, 0, 0));
        vm.expectRevert(unknown);
        models.expire(9);
        vm.expectRevert(unknown);
        models.retire(9);
        vm.expectRevert(unknown);
        models.markWithdrawn(9, 1);
        checkServable(9, IModels.Reason.Unknown, 0);
        vm.assertEq(models.ancestorsOf(9, 1).length, 0);
    }

    function testFuzzSplitsArePackedFaithfully(uint32 a, uint32 b, uint32 c) public {
        a = uint32(bound(a, 0, 1e6));
        b = uint32(bound(b, 0, 1e6 - a));
        c = uint32(bound(c, 0, 1e6 - a - b));
        uint32 id = registerModel(a, b, c, 1e6 - a - b - c);
        IModels.Payouts memory p = models.payouts(id);
        vm.assertEq(p.workerPpm, b);
        vm.assertEq(p.dataPpm, 1e6 - a - b - c);
        vm.assertEq(p.developers.length, c == 0 ? 0 : 1);
        if (c == 0) return;
        vm.assertEq(p.developers[0].ppm, c);
        vm.assertEq(p.developers[0].payee, developer);
    }

    // ---------------------------------------------------------------- licences

    function testQuotingNeedsIndexAndQuote() public {
        IModels.ModelInput memory input = inputOf(IModels.Kind.Quote, 0, 0);
        uint8[4] memory flags = [uint8(0), 1, 4, 10];
        uint8[4] memory missing = [uint8(5), 4, 1, 5];
        for (uint256 i; i < 4; ++i) {
            uint32 poor = createNet(flags[i], 0);
            input.terms.datanets[0] = poor;
            vm.expectRevert(abi.encodeWithSelector(IModels.LicenceForbids.selector, poor, missing[i]));
            models.register(input);
        }
        input.terms.datanets[0] = createNet(5, 0);
        models.register(input);
    }

    function testTrainingNeedsTheLicence() public {
        uint32 poor = createNet(1 + 4 + 8 + 16, 0);
        contribute(poor, worker, one("a"));
        contribute(trainNet, worker, one("b"));
        IModels.ModelInput memory input = inputOf(IModels.Kind.Base, BASE, 0);
        input.trained = list(pair(trainNet, 1), pair(poor, 1));
        bytes memory forbidden = abi.encodeWithSelector(IModels.LicenceForbids.selector, poor, 2);
        vm.expectRevert(forbidden);
        models.register(input);
        input.artifact = 0;
        vm.expectRevert(forbidden);
        models.propose(input, RECIPE, criteria());
        input.trained = list(pair(trainNet, 1));
        models.propose(input, RECIPE, criteria());
    }

    /// What gateways and workers ask before an answer (docs/spec/wire.md) is asked here, so that no model registers in vain.
    function testAnsweringNeedsIndexAndQuoteForEveryKind() public {
        uint32 poor = createNet(2, 0); // may be trained on, neither indexed nor quoted
        contribute(poor, worker, one("a"));
        IModels.ModelInput memory input = inputOf(IModels.Kind.Base, BASE, 0);
        input.trained = list(pair(poor, 1));
        uint32 id = models.register(input);
        input.terms.datanets[0] = poor;
        bytes memory forbidden = abi.encodeWithSelector(IModels.LicenceForbids.selector, poor, 5);
        vm.expectRevert(forbidden);
        models.register(input);
        // Later terms pass the same gate.
        vm.expectRevert(forbidden);
        models.setTerms(id, input.terms);
        poor = createNet(3, 0); // may be indexed, not quoted
        input = inputOf(IModels.Kind.Adapter, BASE, ADAPTER);
        input.terms.datanets[0] = poor;
        vm.expectRevert(abi.encodeWithSelector(IModels.LicenceForbids.selector, poor, 4));
        models.register(input);
        input.terms.datanets[0] = createNet(5, 0);
        models.register(input);
    }

    function testPriceFloor() public {
        uint32 dear = createNet(15, 2e13 + 1);
        IModels.ModelInput memory input = inputOf(IModels.Kind.Quote, 0, 0);
        input.terms.datanets[0] = dear;
        bytes memory low = abi.encodeWithSelector(IModels.PriceBelowFloor.selector, dear, 2e13 + 1, 2e13);
        vm.expectRevert(low);
        models.register(input);
        input.terms.priceOut += 1;
        uint32 id = models.register(input);
        input.terms.priceOut -= 1;
        vm.expectRevert(low);
        models.setTerms(id, input.terms);
        // The floor holds for what was trained on too, whatever the terms name.
        contribute(dear, worker, one("a"));
        input = inputOf(IModels.Kind.Base, BASE, 0);
        input.trained = list(pair(dear, 1));
        vm.expectRevert(low);
        models.register(input);
    }

    function testTrainedVersionsExistAndAscend() public {
        contribute(trainNet, worker, one("a"));
        contribute(trainNet, worker, one("b"));
        IModels.ModelInput memory input = inputOf(IModels.Kind.Base, BASE, 0);
        uint64[4] memory bad = [pair(trainNet, 3), pair(trainNet, 0), 0, pair(trainNet, 1)];
        for (uint256 i; i < 3; ++i) {
            input.trained = list(bad[i]);
            if (bad[i] == 0) vm.expectRevert(abi.encodeWithSelector(IModels.InvalidVersion.selector, 0));
            else vm.expectRevert(abi.encodeWithSelector(IModels.InvalidVersion.selector, bad[i]));
            models.register(input);
        }
        input.trained = list(pair(trainNet, 1), pair(trainNet, 1));
        vm.expectRevert(abi.encodeWithSelector(IModels.InvalidVersion.selector, bad[3]));
        models.register(input);
        input.trained = list(pair(trainNet, 2), pair(trainNet, 1));
        vm.expectRevert(abi.encodeWithSelector(IModels.InvalidVersion.selector, bad[3]));
        models.register(input);
        input.trained = list(pair(88, 1));
        vm.expectRevert(abi.encodeWithSelector(IDatanets.UnknownDatanet.selector, 88));
        models.register(input);
        input.trained = list(pair(trainNet, 1), pair(trainNet, 2));
        uint32 id = models.register(input);
        vm.assertEq(abi.encode(models.life(id).trained), abi.encode(input.trained));
        // Two versions of one datanet make one dependent.
        vm.assertEq(models.dependents(trainNet, 0, 0, 10).length, 1);
    }

    function testQuotesAreNotTrained() public {
        contribute(trainNet, worker, one("a"));
        IModels.ModelInput memory input = inputOf(IModels.Kind.Quote, 0, 0);
        input.trained = list(pair(trainNet, 1));
        vm.expectRevert(IModels.NothingToTrain.selector);
        models.register(input);
        input = inputOf(IModels.Kind.Quote, 0, 0);
        input.base = model;
        vm.expectRevert(IModels.NothingToTrain.selector);
        models.register(input);
        vm.expectRevert(IModels.NothingToTrain.selector);
        models.propose(inputOf(IModels.Kind.Quote, 0, 0), RECIPE, criteria());
    }

    // ---------------------------------------------------------------- withdrawals

    function trainOn(uint64 version) private returns (uint32) {
        IModels.ModelInput memory input = inputOf(IModels.Kind.Base, BASE, 0);
        input.trained = list(version);
        vm.prank(developer);
        return models.register(input);
    }

    function testWithdrawalStopsAfterTheGrace() public {
        uint64 kept = contribute(trainNet, worker, one("a"));
        uint64 taken = contribute(trainNet, curator, one("b"));
        uint64 later = contribute(trainNet, curator, one("c"));
        uint32 before = trainOn(pair(trainNet, 1));
        uint32 id = trainOn(pair(trainNet, 2));
        vm.expectRevert(abi.encodeWithSelector(IModels.NotAffected.selector, id, taken));
        models.markWithdrawn(id, taken);

        vm.prank(curator);
        datanets.withdraw(taken);
        vm.prank(curator);
        datanets.withdraw(later);
        uint32 after_ = trainOn(pair(trainNet, datanets.version(trainNet)));
        uint64[4] memory strangers = [kept, later, taken, taken];
        uint32[4] memory unhurt = [id, id, before, after_];
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IModels.NotAffected.selector, unhurt[i], strangers[i]));
            models.markWithdrawn(unhurt[i], strangers[i]);
        }
        checkServable(id, IModels.Reason.None, 0);

        // The grace runs from the withdrawal, not from its mark.
        uint64 stopsAt = uint64(block.timestamp) + GRACE;
        skip(1, 5);
        vm.expectEmit(true, true, true, true, address(models));
        emit IModels.WithdrawalMarked(id, taken, trainNet, stopsAt);
        vm.prank(challenger); // anyone
        models.markWithdrawn(id, taken);
        IModels.Life memory life = models.life(id);
        vm.assertEq(life.stopsAt, stopsAt);
        vm.assertEq(life.stoppedBy, trainNet);
        vm.expectRevert(abi.encodeWithSelector(IModels.AlreadyMarked.selector, id, stopsAt));
        models.markWithdrawn(id, taken);

        vm.warp(stopsAt - 1);
        checkServable(id, IModels.Reason.None, 0);
        vm.warp(stopsAt);
        checkServable(id, IModels.Reason.Withdrawn, trainNet);
        checkServable(after_, IModels.Reason.None, 0);
        // What was answered before is paid: the splits never depend on the state.
        vm.assertEq(models.payouts(id).dataPpm, 6e5);
    }

    function testTheEarliestWithdrawalCounts() public {
        uint64 first = contribute(trainNet, curator, one("a"));
        uint64 second = contribute(trainNet, curator, one("b"));
        uint32 id = trainOn(pair(trainNet, 2));
        uint64 start = uint64(block.timestamp);
        vm.prank(curator);
        datanets.withdraw(first);
        skip(1, 10);
        vm.prank(curator);
        datanets.withdraw(second);
        models.markWithdrawn(id, second);
        vm.assertEq(models.life(id).stopsAt, start + 10 + GRACE);
        models.markWithdrawn(id, first);
        vm.assertEq(models.life(id).stopsAt, start + GRACE);
        vm.expectRevert(abi.encodeWithSelector(IModels.AlreadyMarked.selector, id, start + GRACE));
        models.markWithdrawn(id, second);
    }

    function testALicenceThatKeepsArtifacts() public {
        uint32 keeps = createNet(15 + 16, 0);
        uint64 taken = contribute(keeps, curator, one("a"));
        uint32 id = trainOn(pair(keeps, 1));
        vm.prank(curator);
        datanets.withdraw(taken);
        vm.expectRevert(abi.encodeWithSelector(IModels.LicenceKeeps.selector, keeps));
        models.markWithdrawn(id, taken);
        checkServable(id, IModels.Reason.None, 0);
        vm.assertEq(models.dependents(keeps, taken, 0, 10)[0], id);
    }

    function testAPendingContributionWasNeverTrainedOn() public {
        vm.prank(curator);
        uint32 reviewed = datanets.create(
            "net", IDatanets.Policy("CC-BY-4.0", 15, IDatanets.ReviewRule.Curator, 0, 0, 0, 0, new bytes2[](0))
        );
        uint64 member = contribute(reviewed, worker, one("a"));
        vm.prank(curator);
        datanets.accept(member);
        uint64 pending = contribute(reviewed, worker, one("b"));
        uint32 id = trainOn(pair(reviewed, 1));
        vm.prank(worker);
        datanets.withdraw(pending);
        uint64 refused = contribute(reviewed, worker, one("c"));
        vm.prank(curator);
        datanets.reject(refused);
        vm.expectRevert(abi.encodeWithSelector(IModels.NotAffected.selector, id, pending));
        models.markWithdrawn(id, pending);
        vm.expectRevert(abi.encodeWithSelector(IModels.NotAffected.selector, id, refused));
        models.markWithdrawn(id, refused);
        vm.expectRevert(abi.encodeWithSelector(IModels.NotAffected.selector, id, 77));
        models.markWithdrawn(id, 77);
    }

    function testDependentsArePaged() public {
        uint64 first = contribute(trainNet, worker, one("a"));
        uint64 second = contribute(trainNet, worker, one("b"));
        uint32 a = trainOn(pair(trainNet, 1));
        uint32 b = trainOn(pair(trainNet, 2));
        uint32 c = trainOn(pair(trainNet, 1));
        uint32[] memory all = models.dependents(trainNet, 0, 0, 10);
        vm.assertEq(all.length, 3);
        vm.assertEq(all[0], a);
        vm.assertEq(all[2], c);
        all = models.dependents(trainNet, first, 0, type(uint256).max);
        vm.assertEq(all.length, 3);
        vm.assertEq(all[1], b);
        all = models.dependents(trainNet, second, 0, 10);
        vm.assertEq(all[0], 0);
        vm.assertEq(all[1], b);
        vm.assertEq(all[2], 0);
        all = models.dependents(trainNet, second, 1, 1);
        vm.assertEq(all.length, 1);
        vm.assertEq(all[0], b);
        vm.assertEq(models.dependents(trainNet, 0, 3, 10).length, 0);
        vm.assertEq(models.dependents(net, 0, 0, 10).length, 0);
        for (uint256 i; i < 260; ++i) {
            trainOn(pair(trainNet, 1));
        }
        vm.assertEq(models.dependents(trainNet, 0, 0, 1000).length, 256);
    }

    // ---------------------------------------------------------------- bases

    function adapterOn(uint32 base, bytes32 artifact, uint64[] memory parents) private returns (uint32) {
        IModels.ModelInput memory input = inputOf(IModels.Kind.Adapter, artifact, ADAPTER);
        input.base = base;
        input.terms.parents = parents;
        return models.register(input);
    }

    function testABaseIsABaseAndAParent() public {
        uint32 base = independent();
        bytes memory mismatch = abi.encodeWithSelector(IModels.BaseMismatch.selector, base);
        vm.expectRevert(mismatch);
        adapterOn(base, BASE, new uint64[](0));
        vm.expectRevert(mismatch);
        adapterOn(base, keccak256("other"), list(pair(base, 0)));
        uint32 id = adapterOn(base, BASE, list(pair(base, 0)));
        vm.assertEq(models.life(id).base, base);
        vm.expectRevert(abi.encodeWithSelector(IModels.BaseMismatch.selector, id));
        adapterOn(id, BASE, list(pair(id, 0)));
        // A fine-tuned base has weights of its own.
        IModels.ModelInput memory input = inputOf(IModels.Kind.Base, keccak256("tuned"), 0);
        input.base = base;
        input.terms.parents = list(pair(base, 0));
        models.register(input);
        input.base = 99;
        vm.expectRevert(abi.encodeWithSelector(IModels.BaseMismatch.selector, 99));
        models.register(input);
    }

    function testWhatStopsABaseStopsWhatBuildsOnIt() public {
        uint64 taken = contribute(trainNet, curator, one("a"));
        uint32 base = trainOn(pair(trainNet, 1));
        IModels.ModelInput memory input = inputOf(IModels.Kind.Base, BASE, 0);
        input.base = base;
        input.terms.parents = list(pair(base, 0));
        uint32 tuned = models.register(input);
        uint32 adapter = adapterOn(tuned, BASE, list(pair(tuned, 0)));
        checkServable(adapter, IModels.Reason.None, 0);

        vm.prank(modelReviews);
        models.setSuspended(base, true);
        checkServable(base, IModels.Reason.Suspended, 0);
        checkServable(tuned, IModels.Reason.BaseSuspended, 0);
        checkServable(adapter, IModels.Reason.BaseSuspended, 0);
        vm.prank(governance);
        models.reinstate(base);
        checkServable(adapter, IModels.Reason.None, 0);

        vm.prank(curator);
        datanets.withdraw(taken);
        models.markWithdrawn(base, taken);
        skip(1, GRACE);
        checkServable(base, IModels.Reason.Withdrawn, trainNet);
        checkServable(tuned, IModels.Reason.BaseWithdrawn, trainNet);
        checkServable(adapter, IModels.Reason.BaseWithdrawn, trainNet);
        // A base that is merely retired stops nobody: its children hold its weights lawfully.
        uint32 other = independent();
        uint32 child = adapterOn(other, BASE, list(pair(other, 0)));
        vm.prank(developer);
        models.retire(other);
        checkServable(other, IModels.Reason.Retired, 0);
        checkServable(child, IModels.Reason.None, 0);
    }
}
