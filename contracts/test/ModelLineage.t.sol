// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IModels} from "../src/interfaces/IModels.sol";
import {ModelWorld} from "./lib/ModelWorld.sol";

/// @notice Royalties through derivatives.
contract ModelLineageTest is ModelWorld {
    address private ada = address(0xADA);
    address private bea = address(0xBEA);
    address private cam = address(0xCA3);
    address private dan = address(0xDA4);

    function derived(address who, uint32 developPpm, uint32 parent, uint32 royalty) private returns (uint32) {
        return derive(who, developPpm, list(pair(parent, royalty)));
    }

    function root(address who, uint32 developPpm) private returns (uint32) {
        return derive(who, developPpm, new uint64[](0));
    }

    /// @dev The input of `derive`, for calls that are to revert.
    function child(address who, uint32 developPpm, uint64[] memory parents)
        private
        view
        returns (IModels.ModelInput memory input)
    {
        input = inputOf(IModels.Kind.Base, BASE, 0);
        input.terms = termsOf(0, 0, developPpm, 1e6 - developPpm);
        input.terms.splits.developer = who;
        input.terms.parents = parents;
    }

    function checkPayout(IModels.Payout memory payout, address payee, uint32 ppm) private pure {
        vm.assertEq(payout.payee, payee);
        vm.assertEq(payout.ppm, ppm);
    }

    function testTwoGenerations() public {
        uint32 a = root(ada, 300_000);
        uint32 b = derived(bea, 300_000, a, 100_000); // a third of what bea earns is ada's
        uint32 c = derived(cam, 200_000, b, 100_000);
        IModels.Payout[] memory p = models.payouts(c).developers;
        vm.assertEq(p.length, 3);
        checkPayout(p[0], cam, 100_000);
        checkPayout(p[1], ada, 33_333); // rounded down
        checkPayout(p[2], bea, 66_667); // the rest, to the nearer relative
        uint64[] memory flat = models.ancestorsOf(c, 1);
        vm.assertEq(flat.length, 2);
        vm.assertEq(flat[0], pair(a, 33_333));
        vm.assertEq(flat[1], pair(b, 66_667));
        vm.assertEq(models.payouts(c).dataPpm, 800_000);
    }

    function testFourGenerationsAndNoFifth() public {
        uint32 last = root(ada, 500_000);
        for (uint256 i; i < 4; ++i) {
            last = derived(address(uint160(0xB0 + i)), 500_000, last, 250_000);
        }
        IModels.Payout[] memory p = models.payouts(last).developers;
        vm.assertEq(p.length, 5);
        checkPayout(p[0], address(0xB3), 250_000);
        checkPayout(p[1], ada, 31_250);
        checkPayout(p[2], address(0xB0), 31_250);
        checkPayout(p[3], address(0xB1), 62_500);
        checkPayout(p[4], address(0xB2), 125_000);
        IModels.ModelInput memory input = child(bea, 500_000, list(pair(last, 0)));
        vm.expectRevert(abi.encodeWithSelector(IModels.LineageTooLarge.selector, 5, 0));
        models.register(input);
    }

    function testSevenAncestorsAndNoEighth() public {
        uint64[] memory parents = new uint64[](7);
        for (uint32 i; i < 7; ++i) {
            parents[i] = pair(root(address(uint160(0xA0 + i)), 10), 1000 + i);
        }
        uint32 id = derive(cam, 10_000, parents);
        IModels.Payout[] memory p = models.payouts(id).developers;
        vm.assertEq(p.length, 8);
        checkPayout(p[0], cam, 10_000 - 7_021);
        for (uint32 i; i < 7; ++i) {
            checkPayout(p[i + 1], address(uint160(0xA0 + i)), 1000 + i);
        }
        // One more parent, one more generation, either is too much.
        uint64[] memory eight = new uint64[](8);
        for (uint256 i; i < 7; ++i) {
            eight[i] = parents[i];
        }
        eight[7] = pair(id, 1);
        IModels.ModelInput memory input = child(bea, 20_000, eight);
        vm.expectRevert(abi.encodeWithSelector(IModels.LineageTooLarge.selector, 1, 8));
        models.register(input);
        input = child(bea, 20_000, list(pair(id, 20_000)));
        vm.expectRevert(abi.encodeWithSelector(IModels.LineageTooLarge.selector, 2, 8));
        models.register(input);
        // A royalty so small that only the parent's part is left pays the parent alone.
        vm.assertEq(models.payouts(derived(bea, 20_000, id, 1)).developers.length, 2);
        // Too many by way of the ancestors, too.
        uint32 x = root(ada, 10);
        input = child(bea, 30_000, list(pair(id, 10_000), pair(x, 5)));
        vm.expectRevert(abi.encodeWithSelector(IModels.LineageTooLarge.selector, 2, 8));
        models.register(input);
    }

    function testARoyaltyOfNothing() public {
        uint32 a = root(ada, 100);
        uint32 b = derived(bea, 100, a, 0);
        IModels.Payout[] memory p = models.payouts(b).developers;
        vm.assertEq(p.length, 1);
        checkPayout(p[0], bea, 100);
        // And one that takes everything leaves the developer no entry.
        uint32 c = derived(cam, 100, b, 100);
        p = models.payouts(c).developers;
        vm.assertEq(p.length, 1);
        checkPayout(p[0], bea, 100);
        // A parent that earns nothing of its own can be paid all the same: ada is its only beneficiary.
        uint32 free = root(ada, 0);
        p = models.payouts(derived(dan, 50, free, 20)).developers;
        checkPayout(p[1], ada, 20);
        // One of whose part nothing is left is paid nothing: all of bea's goes to ada.
        uint32 poor = derived(bea, 100, a, 100);
        p = models.payouts(derived(dan, 50, poor, 20)).developers;
        vm.assertEq(p.length, 2);
        checkPayout(p[1], ada, 20);
    }

    function testADiamondPaysBothWays() public {
        uint32 a = root(ada, 100_000);
        uint32 b = derived(bea, 100_000, a, 50_000);
        uint32 c = derived(cam, 100_000, a, 20_000);
        IModels.Payout[] memory p =
        models.payouts(derive(dan, 100_000, list(pair(b, 30_000), pair(c, 10_000)))).developers;
        vm.assertEq(p.length, 5);
        checkPayout(p[0], dan, 60_000);
        checkPayout(p[1], ada, 15_000);
        checkPayout(p[2], bea, 15_000);
        checkPayout(p[3], ada, 2_000);
        checkPayout(p[4], cam, 8_000);
    }

    function testParentsNeverExceedTheChildsPart() public {
        uint32 a = root(ada, 10);
        uint32 b = root(bea, 10);
        IModels.ModelInput memory input = child(cam, 999, list(pair(a, 500), pair(b, 500)));
        vm.expectRevert(abi.encodeWithSelector(IModels.RoyaltiesExceed.selector, 1000, 999));
        models.register(input);
        input = child(cam, 1, list(pair(a, type(uint32).max), pair(b, 2)));
        vm.expectRevert(abi.encodeWithSelector(IModels.RoyaltiesExceed.selector, uint256(type(uint32).max) + 2, 1));
        models.register(input);
    }

    /// @dev Cycles are impossible: whatever a model names has a smaller id, at its registration and ever after.
    function testNoCycles() public {
        uint32 a = root(ada, 1000);
        uint32 b = derived(bea, 1000, a, 500);
        uint32[3] memory wrong = [a, b, 77];
        for (uint256 i; i < 3; ++i) {
            IModels.Terms memory terms = child(ada, 1000, list(pair(wrong[i], 1))).terms;
            vm.prank(ada);
            vm.expectRevert(abi.encodeWithSelector(IModels.InvalidParent.selector, a, wrong[i]));
            models.setTerms(a, terms);
        }
        uint32 next = models.modelCount() + 1;
        IModels.ModelInput memory input = child(cam, 1000, list(pair(next, 1)));
        vm.expectRevert(abi.encodeWithSelector(IModels.InvalidParent.selector, next, next));
        models.register(input);
        input.terms.parents = list(pair(0, 1));
        vm.expectRevert(abi.encodeWithSelector(IModels.InvalidParent.selector, next, 0));
        models.register(input);
        input.terms.parents = list(pair(b, 1), pair(a, 1));
        vm.expectRevert(abi.encodeWithSelector(IModels.InvalidParent.selector, next, a));
        models.register(input);
        input.terms.parents = list(pair(b, 1), pair(b, 1));
        vm.expectRevert(abi.encodeWithSelector(IModels.InvalidParent.selector, next, b));
        models.register(input);
    }

    function testAParentNeedsADeveloper() public {
        IModels.ModelInput memory input = inputOf(IModels.Kind.Quote, 0, 0);
        input.terms = termsOf(0, 0, 0, 1e6);
        input.terms.splits.developer = address(0);
        uint32 none = models.register(input);
        // Announced, but not yet in force: still none.
        models.setTerms(none, termsOf(0, 0, 10, 1e6 - 10));
        IModels.ModelInput memory born = child(bea, 10, list(pair(none, 1)));
        vm.expectRevert(abi.encodeWithSelector(IModels.InvalidParent.selector, none + 1, none));
        models.register(born);
        skip(1, NOTICE);
        models.register(born);
    }

    function testTheLeastRoyalty() public {
        IModels.ModelInput memory input = child(ada, 1000, new uint64[](0));
        input.terms.minRoyaltyPpm = 300;
        vm.prank(ada);
        uint32 a = models.register(input);
        IModels.ModelInput memory low = child(bea, 1000, list(pair(a, 299)));
        vm.expectRevert(abi.encodeWithSelector(IModels.RoyaltyTooLow.selector, a, 299, 300));
        models.register(low);
        uint32 b = derived(bea, 1000, a, 300);

        // Raising it binds new children, from the notice's end on, and nobody who was there before.
        input.terms.minRoyaltyPpm = 400;
        vm.prank(ada);
        models.setTerms(a, input.terms);
        derived(cam, 1000, a, 300);
        skip(1, NOTICE);
        low = child(cam, 1000, list(pair(a, 300)));
        vm.expectRevert(abi.encodeWithSelector(IModels.RoyaltyTooLow.selector, a, 300, 400));
        models.register(low);
        IModels.Terms memory same = child(bea, 1000, list(pair(a, 300))).terms;
        vm.prank(bea);
        models.setTerms(b, same);
    }

    function testTermsNeverTakeBackARoyalty() public {
        uint32 a = root(ada, 1000);
        uint32 b = root(bea, 1000);
        uint32 c = derive(cam, 1000, list(pair(a, 100), pair(b, 200)));
        uint64[][4] memory less =
            [list(pair(a, 99), pair(b, 200)), list(pair(a, 100)), list(pair(b, 200)), new uint64[](0)];
        uint32[4] memory parent = [a, b, a, a];
        uint32[4] memory granted = [uint32(99), 0, 0, 0];
        uint32[4] memory least = [uint32(100), 200, 100, 100];
        for (uint256 i; i < 4; ++i) {
            IModels.Terms memory terms = child(cam, 1000, less[i]).terms;
            vm.prank(cam);
            vm.expectRevert(abi.encodeWithSelector(IModels.RoyaltyTooLow.selector, parent[i], granted[i], least[i]));
            models.setTerms(c, terms);
        }
        IModels.Terms memory shrunk = child(cam, 299, list(pair(a, 100), pair(b, 200))).terms;
        vm.prank(cam);
        vm.expectRevert(abi.encodeWithSelector(IModels.RoyaltiesExceed.selector, 300, 299));
        models.setTerms(c, shrunk);
        // More is welcome, and the developer's part may grow.
        IModels.Terms memory more = child(cam, 2000, list(pair(a, 101), pair(b, 200))).terms;
        vm.prank(cam);
        models.setTerms(c, more);
        skip(1, NOTICE);
        checkPayout(models.payouts(c).developers[0], cam, 1699);
    }

    function testNewParentsLater() public {
        uint32 a = root(ada, 1000);
        uint32 z = root(dan, 1000);
        uint32 c = derived(cam, 1000, z, 10);
        IModels.Terms memory more = child(cam, 1000, list(pair(a, 5), pair(z, 10))).terms;
        vm.prank(cam);
        models.setTerms(c, more);
        vm.assertEq(models.payouts(c).developers.length, 2);
        skip(1, NOTICE);
        vm.assertEq(models.payouts(c).developers.length, 3);
    }

    /// @dev The lineage is that of the day the terms begin; the address is that of the day of the batch.
    function testAParentsLaterTerms() public {
        uint32 a = root(ada, 1000);
        uint32 b = root(bea, 1000);
        uint32 c = derived(cam, 1000, b, 100);
        uint64 start = uint64(block.timestamp);
        IModels.Terms memory terms = child(dan, 1000, list(pair(a, 500))).terms; // bea sells to dan, who derives from a
        vm.prank(bea);
        models.setTerms(b, terms);
        skip(1, NOTICE);
        IModels.Payout[] memory p = models.payouts(c).developers;
        vm.assertEq(p.length, 2);
        checkPayout(p[1], dan, 100);
        checkPayout(models.payoutsAt(c, start).developers[1], bea, 100);
        checkPayout(models.payoutsAt(c, start + NOTICE - 1).developers[1], bea, 100);
        checkPayout(models.payoutsAt(c, start + NOTICE).developers[1], dan, 100);
        // The child was made of the parent as it was, whatever terms the child sets later.
        IModels.Terms memory same = child(cam, 1000, list(pair(b, 100))).terms;
        vm.prank(cam);
        models.setTerms(c, same);
        skip(1, NOTICE);
        p = models.payouts(c).developers;
        vm.assertEq(p.length, 2);
        checkPayout(p[1], dan, 100);
        // A model made later shares with ada.
        vm.assertEq(models.payouts(derived(cam, 1000, b, 100)).developers.length, 3);
    }

    /// @dev A parent that takes on ancestors without end must not keep its children from setting terms.
    function testAParentCannotLockItsChildren() public {
        uint64[] memory many = new uint64[](7);
        for (uint32 i; i < 7; ++i) {
            many[i] = pair(root(ada, 1000), 100);
        }
        uint32 b = root(bea, 1000);
        uint32 c = derived(cam, 1000, b, 700);
        IModels.Terms memory terms = child(bea, 1000, many).terms;
        vm.prank(bea);
        models.setTerms(b, terms);
        skip(1, NOTICE);
        IModels.Terms memory same = child(cam, 1000, list(pair(b, 700))).terms;
        vm.prank(cam);
        models.setTerms(c, same);
        vm.assertEq(models.ancestorsOf(c, 2).length, 1);
    }

    function testAnnouncedTermsOfAParentCountIfTheyBeginFirst() public {
        uint32 a = root(ada, 1000);
        uint32 b = root(bea, 1000);
        uint32 c = root(cam, 1000);
        IModels.Terms memory terms = child(bea, 1000, list(pair(a, 500))).terms;
        vm.prank(bea);
        models.setTerms(b, terms);
        IModels.Terms memory named = child(cam, 1000, list(pair(b, 100))).terms;
        vm.prank(cam);
        models.setTerms(c, named); // in the same second, begins no earlier
        vm.assertEq(models.ancestorsOf(c, 2).length, 2);
        uint32 now_ = derived(cam, 1000, b, 100); // begins now, under b's terms of now
        vm.assertEq(models.ancestorsOf(now_, 1).length, 1);
    }

    function testRoyaltiesOutliveTheParent() public {
        uint32 a = root(ada, 1000);
        uint32 b = derived(bea, 1000, a, 100);
        vm.prank(ada);
        models.retire(a);
        checkPayout(models.payouts(b).developers[1], ada, 100);
        // Its owner can still move the money.
        IModels.Terms memory terms = child(dan, 1000, new uint64[](0)).terms;
        vm.prank(ada);
        models.setTerms(a, terms);
        skip(1, NOTICE);
        checkPayout(models.payouts(b).developers[1], dan, 100);
    }

    // ---------------------------------------------------------------- fuzz

    /// @dev Random families. Against the rule, written the other way round: ancestor by ancestor from the parents' lists.
    function testFuzzRoyaltiesAreExact(uint256 seed) public {
        uint32 first = models.modelCount() + 1;
        for (uint256 i; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint32 develop = uint32(bound(seed >> 8, 0, 1e6));
            uint64[] memory parents = draw(seed, first, develop);
            IModels.ModelInput memory input = child(address(uint160(0x7000 + i)), develop, parents);
            try models.register(input) returns (uint32 id) {
                checkExact(id, develop, parents);
            } catch (bytes memory reason) {
                vm.assertEq(bytes32(bytes4(reason)), bytes32(IModels.LineageTooLarge.selector));
            }
        }
    }

    function draw(uint256 seed, uint32 first, uint32 develop) private view returns (uint64[] memory parents) {
        uint256 known = models.modelCount() + 1 - first;
        uint256 most = seed % 4 < known ? seed % 4 : known;
        parents = new uint64[](most);
        uint32 left = develop;
        uint32 next = first;
        for (uint256 j; j < most; ++j) {
            uint256 draw_ = uint256(keccak256(abi.encode(seed, j)));
            // Room for the parents still to come.
            uint256 room = models.modelCount() + 1 - next - (most - 1 - j);
            uint32 parent = next + uint32(draw_ % room);
            uint32 royalty = uint32(bound(draw_ >> 32, 0, draw_ >> 250 == 0 ? left : left / 2));
            left -= royalty;
            parents[j] = pair(parent, royalty);
            next = parent + 1;
        }
    }

    function checkExact(uint32 id, uint32 develop, uint64[] memory parents) private view {
        IModels.Payout[] memory p = models.payouts(id).developers;
        vm.assertLe(p.length, 8);
        uint256 sum;
        for (uint256 i; i < p.length; ++i) {
            vm.assertTrue(p[i].ppm != 0 && p[i].payee != address(0), "an empty payout");
            sum += p[i].ppm;
        }
        vm.assertEq(sum, develop, "payouts sum to the developer's part");

        uint64[] memory flat = models.ancestorsOf(id, 1);
        uint256 place;
        for (uint256 i; i < parents.length; ++i) {
            uint32 parent = uint32(parents[i] >> 32);
            uint256 royalty = uint32(parents[i]);
            uint256 given;
            uint64[] memory above = models.ancestorsOf(parent, 1);
            (IModels.Terms memory terms,) = models.termsOf(parent, 1);
            for (uint256 j; j < above.length; ++j) {
                uint256 part = royalty * uint32(above[j]) / terms.splits.developerPpm;
                if (part == 0) continue;
                vm.assertEq(flat[place++], pair(uint32(above[j] >> 32), uint32(part)));
                given += part;
            }
            vm.assertLe(given, royalty);
            if (given != royalty) vm.assertEq(flat[place++], pair(parent, uint32(royalty - given)));
        }
        vm.assertEq(place, flat.length);
    }

    /// @dev No royalty and no part can make a payout exceed what the terms give developers, whatever the numbers.
    function testFuzzNeverAboveTheDevelopersPart(uint32 d1, uint32 r1, uint32 d2, uint32 r2, uint32 d3) public {
        d1 = uint32(bound(d1, 0, 1e6));
        d2 = uint32(bound(d2, 0, 1e6));
        d3 = uint32(bound(d3, 0, 1e6));
        uint32 a = root(ada, d1);
        IModels.ModelInput memory input = child(bea, d2, list(pair(a, r1)));
        if (r1 > d2) vm.expectRevert(abi.encodeWithSelector(IModels.RoyaltiesExceed.selector, r1, d2));
        models.register(input);
        if (r1 > d2) return;
        input = child(cam, d3, list(pair(a + 1, r2)));
        if (r2 > d3) vm.expectRevert(abi.encodeWithSelector(IModels.RoyaltiesExceed.selector, r2, d3));
        models.register(input);
        if (r2 > d3) return;
        uint256 sum;
        IModels.Payout[] memory p = models.payouts(a + 2).developers;
        for (uint256 i; i < p.length; ++i) {
            sum += p[i].ppm;
        }
        vm.assertEq(sum, d3);
    }
}
