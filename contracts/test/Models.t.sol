// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Models} from "../src/Models.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IModels} from "../src/interfaces/IModels.sol";
import {World} from "./lib/World.sol";

contract ModelsTest is World {
    bytes32 private constant BASE = keccak256("base");
    bytes32 private constant ADAPTER = keccak256("adapter");

    function input(IModels.Kind kind, bytes32 artifact, bytes32 adapter)
        private
        view
        returns (IModels.ModelInput memory)
    {
        return IModels.ModelInput("m", kind, artifact, adapter, termsOf(1e5, 2e5, 1e5, 6e5), 0, new uint64[](0));
    }

    function testModelIsKept() public {
        vm.prank(developer);
        uint32 id = models.register(input(IModels.Kind.Adapter, BASE, ADAPTER));
        IModels.Model memory m = models.model(id);
        vm.assertEq(m.name, "m");
        vm.assertEq(uint256(m.kind), uint256(IModels.Kind.Adapter));
        vm.assertEq(m.artifact, BASE);
        vm.assertEq(m.adapter, ADAPTER);
        vm.assertEq(m.owner, developer);
        vm.assertEq(m.termsVersion, 1);
        vm.assertEq(m.terms.priceOut, 2e12);
        vm.assertEq(m.terms.datanets.length, 1);
        vm.assertEq(m.terms.maxStaleness, 10);
        vm.assertEq(m.terms.spanPpm, 1e6);
        vm.assertEq(models.modelCount(), 2);
        IModels.Splits memory s = models.splits(id);
        vm.assertEq(keccak256(abi.encode(s)), keccak256(abi.encode(m.terms.splits)));
    }

    function testKindsAndHashes() public {
        models.register(input(IModels.Kind.Quote, 0, 0));
        models.register(input(IModels.Kind.Base, BASE, 0));
        IModels.Kind[4] memory kinds = [IModels.Kind.Quote, IModels.Kind.Base, IModels.Kind.Base, IModels.Kind.Adapter];
        bytes32[4] memory artifacts = [bytes32(0), bytes32(0), BASE, bytes32(0)];
        bytes32[4] memory adapters = [ADAPTER, bytes32(0), ADAPTER, ADAPTER];
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IModels.HashMismatch.selector, kinds[i], artifacts[i], adapters[i])
            );
            models.register(input(kinds[i], artifacts[i], adapters[i]));
        }
    }

    function testPartsMustSum() public {
        IModels.ModelInput memory bad = input(IModels.Kind.Quote, 0, 0);
        bad.terms.splits.workerPpm += 1;
        vm.expectRevert(abi.encodeWithSelector(IModels.PartsMismatch.selector, 1_000_001));
        models.register(bad);
        bad = input(IModels.Kind.Quote, 0, 0);
        // A sum that wraps round 2^32 is no 1,000,000.
        bad.terms.splits.workerPpm = type(uint32).max - 1e6 + 1;
        bad.terms.splits.dataPpm = 1.8e6;
        vm.expectPartialRevert(IModels.PartsMismatch.selector);
        models.register(bad);
        bad = input(IModels.Kind.Quote, 0, 0);
        bad.terms.contextPpm = 1;
        vm.expectRevert(abi.encodeWithSelector(IModels.PartsMismatch.selector, 1_000_001));
        models.register(bad);
    }

    function testTermsErrors() public {
        IModels.ModelInput memory bad = input(IModels.Kind.Quote, 0, 0);
        bad.terms.splits.developer = address(0);
        vm.expectRevert(IModels.NoDeveloper.selector);
        models.register(bad);
        bad = input(IModels.Kind.Quote, 0, 0);
        bad.terms.datanets[0] = 7;
        vm.expectRevert(abi.encodeWithSelector(IDatanets.UnknownDatanet.selector, 7));
        models.register(bad);
        bad.terms.datanets = new uint32[](17);
        vm.expectRevert(abi.encodeWithSelector(IModels.TooManyDatanets.selector, 17));
        models.register(bad);
        vm.expectRevert(IModels.NoNotice.selector);
        new Models(datanets, modelReviews, governance, 0, GRACE, STEP);
    }

    function testTermsApplyAfterTheNotice() public {
        uint64 start = uint64(block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(IModels.NotOwner.selector, model, address(this)));
        models.setTerms(model, termsOf(0, 0, 0, 1e6));
        vm.prank(developer);
        vm.assertEq(models.setTerms(model, termsOf(0, 0, 0, 1e6)), 2);
        vm.assertEq(models.splits(model).dataPpm, 6e5);
        vm.assertEq(models.model(model).termsVersion, 1);
        vm.prank(developer);
        vm.expectRevert(abi.encodeWithSelector(IModels.TermsPending.selector, start + NOTICE));
        models.setTerms(model, termsOf(1e6, 0, 0, 0));

        vm.warp(start + NOTICE - 1);
        vm.assertEq(models.splits(model).dataPpm, 6e5);
        vm.warp(start + NOTICE);
        vm.assertEq(models.splits(model).dataPpm, 1e6);
        vm.assertEq(models.model(model).termsVersion, 2);
        vm.prank(developer);
        models.setTerms(model, termsOf(1e6, 0, 0, 0));
        vm.assertEq(models.termsCount(model), 3);
        vm.warp(start + 3 * NOTICE);
        // The past stays as it was.
        vm.assertEq(models.splitsAt(model, start).dataPpm, 6e5);
        vm.assertEq(models.splitsAt(model, start + NOTICE - 1).dataPpm, 6e5);
        vm.assertEq(models.splitsAt(model, start + NOTICE).dataPpm, 1e6);
        vm.assertEq(models.splitsAt(model, start + 2 * NOTICE).protocolPpm, 1e6);
        (IModels.Terms memory terms, uint64 since) = models.termsOf(model, 2);
        vm.assertEq(terms.splits.dataPpm, 1e6);
        vm.assertEq(since, start + NOTICE);
    }

    function testUnknownModels() public {
        bytes memory unknown = abi.encodeWithSelector(IModels.UnknownModel.selector, 9);
        vm.expectRevert(unknown);
        models.model(9);
        vm.expectRevert(unknown);
        models.splits(9);
        vm.expectRevert(unknown);
        models.termsOf(9, 1);
        vm.expectRevert(unknown);
        models.setTerms(9, termsOf(1e6, 0, 0, 0));
    }

    function testFuzzSplitsArePackedFaithfully(uint32 a, uint32 b, uint32 c) public {
        a = uint32(bound(a, 0, 1e6));
        b = uint32(bound(b, 0, 1e6 - a));
        c = uint32(bound(c, 0, 1e6 - a - b));
        uint32 id = registerModel(a, b, c, 1e6 - a - b - c);
        IModels.Splits memory s = models.splits(id);
        vm.assertEq(s.protocolPpm, a);
        vm.assertEq(s.workerPpm, b);
        vm.assertEq(s.developerPpm, c);
        vm.assertEq(s.dataPpm, 1e6 - a - b - c);
        vm.assertEq(s.developer, developer);
    }
}
