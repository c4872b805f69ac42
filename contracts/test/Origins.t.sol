// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Origins} from "../src/Origins.sol";
import {Splitter} from "../src/Splitter.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IOrigins, ISplitter, IVault} from "../src/interfaces/IOrigins.sol";
import {IReviews} from "../src/interfaces/IReviews.sol";
import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {Refuser} from "./lib/Doubles.sol";
import {Panels} from "./lib/Panels.sol";

/// @notice An author that asks for its money again while it gets it.
contract GreedyAuthor {
    Origins private immutable _origins;
    bytes32 private _origin;
    uint256 public received;

    constructor(Origins origins) {
        _origins = origins;
    }

    function aim(bytes32 origin) external {
        _origin = origin;
    }

    receive() external payable {
        ++received;
        try _origins.release(_origin) {} catch {}
    }
}

contract OriginsTest is Panels {
    string private constant URL = "https://ana.example.org/";
    bytes32 private constant ORIGIN = keccak256(bytes(URL));
    address private ana = address(0xA0A);
    address private bia = address(0xB1A);
    address private thief = address(0xBAD);

    // ---------------------------------------------------------------- canonical form

    function expectFault(string memory url, uint256 position) private {
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotCanonical.selector, position));
        origins.checkUrl(url);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotCanonical.selector, position));
        origins.register(url);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotCanonical.selector, position));
        origins.vaultOf(url);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotCanonical.selector, position));
        origins.tokenOf(url, ana);
    }

    function testCanonicalUrls() public view {
        string[14] memory good = [
            "https://a.b/",
            "https://example.org/",
            "https://ana.substack.com/",
            "https://medium.com/@ana/",
            "https://example.org/~ana/essays/",
            "https://xn--caf-dma.example/",
            "https://example.org:8443/",
            "https://example.org:1/a/",
            "https://example.org:65535/",
            "https://example.org/Case-Is_Kept.~/",
            "https://example.org/.well-known/",
            "https://example.org/.../",
            "https://example.org/%C3%A1gua%20fria/",
            "https://0-1.2a.co/!$&'()*+,;=:@/"
        ];
        for (uint256 i; i < good.length; ++i) {
            origins.checkUrl(good[i]);
        }
    }

    function testUrlsThatAreNotCanonical() public {
        expectFault("", 0);
        expectFault("https://", 0);
        expectFault("http://example.org/", 0);
        expectFault("HTTPS://example.org/", 0);
        expectFault("https://Example.org/", 8);
        expectFault("https://exAmple.org/", 10);
        expectFault("https:///", 8);
        expectFault("https://localhost/", 17);
        expectFault("https://127.0.0.1/", 17);
        expectFault("https://[::1]/", 8);
        expectFault("https://example..org/", 16);
        expectFault("https://.example.org/", 8);
        expectFault("https://example.org./", 20);
        expectFault("https://-example.org/", 8);
        expectFault("https://example-.org/", 16);
        expectFault("https://ana@example.org/", 11);
        expectFault("https://exa_mple.org/", 11);
        expectFault("https://example.org", 19);
        expectFault("https://example.org:/", 20);
        expectFault("https://example.org:443/", 20);
        expectFault("https://example.org:0/", 20);
        expectFault("https://example.org:080/", 20);
        expectFault("https://example.org:65536/", 20);
        expectFault("https://example.org:123456/", 25);
        expectFault("https://example.org:1", 21);
        expectFault("https://example.org:1a/", 21);
        expectFault("https://example.org/a", 21);
        expectFault("https://example.org//", 20);
        expectFault("https://example.org/a//", 22);
        expectFault("https://example.org/./", 21);
        expectFault("https://example.org/../", 22);
        expectFault("https://example.org/a/../", 24);
        expectFault("https://example.org/?q/", 20);
        expectFault("https://example.org/#f/", 20);
        expectFault("https://example.org/a b/", 21);
        expectFault("https://example.org/%c3/", 21);
        expectFault("https://example.org/%41/", 20);
        expectFault("https://example.org/%7E/", 20);
        expectFault("https://example.org/%4/", 22);
        expectFault("https://example.org/%/", 21);
        expectFault(unicode"https://example.org/água/", 20);
        expectFault("https://example.org/\\/", 20);
        bytes memory label = new bytes(64);
        for (uint256 i; i < 64; ++i) {
            label[i] = "a";
        }
        expectFault(string.concat("https://", string(label), ".org/"), 72);
        bytes memory long = new bytes(257);
        expectFault(string(long), 256);
    }

    /// @dev The whole byte range in a path, against RFC 3986's pchar.
    function testEveryByteOfAPath() public {
        bytes memory allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@";
        for (uint256 c; c < 256; ++c) {
            bool ok;
            for (uint256 i; i < allowed.length; ++i) {
                if (uint8(allowed[i]) == c) ok = true;
            }
            string memory url = string(abi.encodePacked("https://a.b/x", bytes1(uint8(c)), "y/"));
            // "/" begins another segment.
            if (!ok && c != 0x2f) {
                vm.expectPartialRevert(IOrigins.NotCanonical.selector);
            }
            origins.checkUrl(url);
        }
    }

    // ---------------------------------------------------------------- vaults

    function testVaultsFollowFromTheUrl() public {
        address predicted = origins.vaultOf(URL);
        vm.assertFalse(origins.isVault(predicted));
        // Money may arrive before anybody registers the origin.
        vm.deal(predicted, 3);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.UnknownOrigin.selector, ORIGIN));
        origins.originOf(ORIGIN);
        vm.assertEq(origins.register(URL), predicted);
        vm.assertTrue(origins.isVault(predicted));
        vm.assertEq(predicted.balance, 3);
        vm.assertEq(origins.originOfVault(predicted), ORIGIN);
        vm.assertEq(origins.originOf(ORIGIN).url, URL);
        vm.assertEq(origins.originOf(ORIGIN).vault, predicted);
        vm.assertEq(origins.register(URL), predicted);
        address other = origins.register("https://ana.example.org/blog/");
        vm.assertTrue(other != predicted);
    }

    function testVaultTakesAPushAndObeysOrigins() public {
        address vault = origins.register(URL);
        (bool ok,) = vault.call{value: 1 ether, gas: 2300}("");
        vm.assertTrue(ok);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotOrigins.selector, thief));
        vm.prank(thief);
        IVault(vault).release(thief, 1);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NothingToRelease.selector, ORIGIN));
        origins.release(ORIGIN);
    }

    // ---------------------------------------------------------------- claims

    function claim(address author) private returns (uint64) {
        return claim(URL, author);
    }

    function claim(string memory url, address author) private returns (uint64) {
        (,, uint256 fee) = origins.claimTerms(url, author);
        vm.deal(address(this), address(this).balance + fee);
        return origins.claim{value: fee}(url, author);
    }

    function grant(uint64 caseId) private {
        uint256 n = seat(caseId).length;
        vote(caseId, n, 0);
        endPeriod();
        origins.conclude(caseId);
    }

    function testClaimReleasesWhatWasHeld() public {
        enlist(3);
        address vault = origins.register(URL);
        vm.deal(vault, 5 ether);
        uint64 id = claim(ana);
        IReviews.Case memory held = reviews.caseOf(id);
        vm.assertEq(held.consumer, address(origins));
        vm.assertEq(held.excluded, ana);
        vm.assertEq(uint256(held.reviewers), 3);
        vm.assertEq(uint256(held.approvals), 2);
        vm.assertEq(uint256(held.fees), 3 * 0.05 ether);
        vm.assertEq(origins.claimOf(id).origin, ORIGIN);
        vm.assertEq(origins.claimOf(id).author, ana);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotGranted.selector, id, false, false));
        origins.conclude(id);
        seat(id);
        vote(id, 2, 1);
        // Decided, and still appealable.
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotGranted.selector, id, false, true));
        origins.conclude(id);
        endPeriod();
        origins.conclude(id);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.UnknownClaim.selector, id));
        origins.conclude(id);
        vm.assertEq(origins.originOf(ORIGIN).author, ana);
        vm.prank(thief);
        origins.release(ORIGIN);
        vm.assertEq(ana.balance, 5 ether);
        vm.deal(vault, 1 ether);
        origins.release(ORIGIN);
        vm.assertEq(ana.balance, 6 ether);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NothingToRelease.selector, ORIGIN));
        origins.release(ORIGIN);
    }

    function testRejectedClaimGetsNothing() public {
        enlist(10);
        uint64 id = claim(thief);
        seat(id);
        vote(id, 1, 2);
        endPeriod();
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotGranted.selector, id, true, false));
        origins.conclude(id);
        // A false approval that an appeal reverses: the same.
        id = claim(thief);
        seat(id);
        vote(id, 3, 0);
        appeal(id, ana);
        vm.warp(vm.getBlockTimestamp() + REVIEW_PERIOD + 1);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotGranted.selector, id, false, true));
        origins.conclude(id);
        seat(id);
        vote(id, 0, 7);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotGranted.selector, id, true, false));
        origins.conclude(id);
        vm.assertEq(origins.originOf(ORIGIN).author, address(0));
    }

    function testClaimsPayTheirPanel() public {
        (uint8 n, uint8 k, uint256 fee) = origins.claimTerms(URL, ana);
        vm.assertEq(fee, 0); // nobody to pay
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.WrongPayment.selector, 1, 0));
        origins.claim{value: 1}(URL, ana);
        enlist(3);
        (n, k, fee) = origins.claimTerms(URL, pool[0]);
        vm.assertEq(fee, 0); // two reviewers besides the author
        (n, k, fee) = origins.claimTerms(URL, ana);
        vm.assertEq(uint256(n) << 8 | k, 3 << 8 | 2);
        vm.assertEq(fee, 0.15 ether);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.WrongPayment.selector, 0.15 ether - 1, 0.15 ether));
        origins.claim{value: 0.15 ether - 1}(URL, ana);
        uint64 id = origins.claim{value: 0.2 ether}(URL, ana);
        vm.assertEq(uint256(reviews.caseOf(id).fees), 0.2 ether);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.InvalidAuthor.selector, address(0)));
        origins.claim(URL, address(0));
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotAllowed.selector, address(this)));
        origins.onDecision(id, true);
    }

    function testGovernanceDecidesWithoutReviewers() public {
        vm.deal(origins.register(URL), 1 ether);
        uint64 id = claim(ana);
        skip(2, 2);
        reviews.seat(id);
        vm.prank(governance);
        reviews.decide(id, true);
        origins.conclude(id);
        origins.release(ORIGIN);
        vm.assertEq(ana.balance, 1 ether);
    }

    function testEachGrantMakesTheNextPanelLarger() public {
        enlist(16);
        uint256[5] memory sizes = [uint256(3), 7, 15, 15, 15];
        uint256[5] memory needed = [uint256(2), 5, 10, 10, 10];
        for (uint256 i; i < 5; ++i) {
            address author = i % 2 == 0 ? ana : bia;
            address owner = ownerNow();
            vm.expectRevert(abi.encodeWithSelector(IOrigins.InvalidAuthor.selector, owner));
            origins.claim(URL, owner);
            (uint8 n, uint8 k, uint256 fee) = origins.claimTerms(URL, author);
            vm.assertEq(uint256(n), sizes[i]);
            vm.assertEq(uint256(k), needed[i]);
            vm.assertEq(fee, sizes[i] * 0.05 ether);
            grant(claim(author));
            vm.assertEq(origins.originOf(ORIGIN).author, author);
        }
    }

    function ownerNow() private view returns (address) {
        return origins.originOfVault(origins.vaultOf(URL)) == 0 ? address(0) : origins.originOf(ORIGIN).author;
    }

    /// @dev A second claim before the small first panel must not outlive the grant of another.
    function testOvertakenClaimIsVoid() public {
        enlist(8);
        uint64 rival = claim(thief);
        uint64 id = claim(ana);
        seat(rival);
        vote(rival, 3, 0);
        grant(id);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.Overtaken.selector, rival, 1));
        origins.conclude(rival);
        vm.assertEq(origins.originOf(ORIGIN).author, ana);
        rival = claim(bia);
        vm.assertEq(uint256(reviews.caseOf(rival).reviewers), 7);
        grant(rival);
        vm.assertEq(origins.originOf(ORIGIN).author, bia);
    }

    function testAuthorMoves() public {
        enlist(3);
        grant(claim(ana));
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotAllowed.selector, thief));
        vm.prank(thief);
        origins.moveAuthor(ORIGIN, thief);
        vm.startPrank(ana);
        vm.expectRevert(abi.encodeWithSelector(IOrigins.InvalidAuthor.selector, address(0)));
        origins.moveAuthor(ORIGIN, address(0));
        vm.expectRevert(abi.encodeWithSelector(IOrigins.InvalidAuthor.selector, ana));
        origins.moveAuthor(ORIGIN, ana);
        origins.moveAuthor(ORIGIN, bia);
        vm.stopPrank();
        vm.deal(origins.vaultOf(URL), 1 ether);
        origins.release(ORIGIN);
        vm.assertEq(bia.balance, 1 ether);
        // An origin without an author belongs to nobody.
        origins.register("https://b.org/");
        vm.expectRevert(abi.encodeWithSelector(IOrigins.NotAllowed.selector, thief));
        vm.prank(thief);
        origins.moveAuthor(keccak256("https://b.org/"), thief);
    }

    function testAuthorThatRefuses() public {
        enlist(3);
        Refuser refuser = new Refuser();
        grant(claim(address(refuser)));
        address vault = origins.vaultOf(URL);
        vm.deal(vault, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IVault.TransferRefused.selector, address(refuser), 1 ether));
        origins.release(ORIGIN);
        vm.assertEq(vault.balance, 1 ether);
        refuser.accept();
        origins.release(ORIGIN);
        vm.assertEq(address(refuser).balance, 1 ether);
    }

    function testReenteringAuthor() public {
        enlist(3);
        GreedyAuthor greedy = new GreedyAuthor(origins);
        greedy.aim(ORIGIN);
        grant(claim(address(greedy)));
        vm.deal(origins.vaultOf(URL), 1 ether);
        origins.release(ORIGIN);
        vm.assertEq(greedy.received(), 1);
        vm.assertEq(address(greedy).balance, 1 ether);
    }

    function testTokens() public view {
        string memory token = origins.tokenOf(URL, ana);
        vm.assertEq(bytes(token).length, 13 + 66);
        vm.assertEq(token, string.concat("fonte-origin=", hexOf(keccak256(abi.encode(NETWORK, ORIGIN, ana)))));
    }

    function hexOf(bytes32 word) private pure returns (string memory) {
        bytes memory out = new bytes(66);
        (out[0], out[1]) = ("0", "x");
        for (uint256 i; i < 64; ++i) {
            out[i + 2] = bytes("0123456789abcdef")[uint256(word) >> (252 - 4 * i) & 15];
        }
        return string(out);
    }

    function testConstructorBounds() public {
        vm.expectRevert(IOrigins.InvalidParameter.selector);
        new Origins(NETWORK, address(reviews), 0);
        vm.expectRevert(IOrigins.InvalidParameter.selector);
        new Origins(NETWORK, address(reviews), 16);
        new Origins(NETWORK, address(reviews), 15);
    }

    // ---------------------------------------------------------------- with settlement

    /// @dev What an uploaded text earns waits in the vault, and reaches its author.
    function testEarningsAreHeldAndReachTheAuthor() public {
        enlist(3);
        address vault = origins.register(URL);
        IDatanets.Reveal memory o = openingOf(net, thief, vault, one("ana's text, uploaded by somebody"));
        uint64 id = datanets.commit(datanets.commitmentHash(o));
        vm.prank(thief);
        datanets.reveal(id, o, "");
        fund(10 ether, 30 ether);
        Story memory story;
        story.fee = 1 ether;
        (story.prompt, story.answer) = ("why", "ana's text, uploaded by somebody");
        story.runs = new IChallenges.Run[](1);
        story.versions = named(net);
        story.shares = new IChallenges.Share[](1);
        story.shares[0] = IChallenges.Share(id, 1e6);
        uint64 batch = settle(rowOf(story));
        closeWindow();
        settlement.push(batch, only(vault));
        uint256 held = vault.balance;
        vm.assertTrue(held != 0);
        vm.assertEq(settlement.claimable(vault), 0);
        grant(claim(ana));
        origins.release(ORIGIN);
        vm.assertEq(ana.balance, held);
        vm.assertEq(thief.balance, 0);
    }
}

contract SplitterTest is Panels {
    address private ana = address(0xA0A);
    address private bia = address(0xB1A);

    function partsOf(uint32 a, uint32 b) private view returns (ISplitter.Part[] memory parts) {
        parts = new ISplitter.Part[](2);
        parts[0] = ISplitter.Part(ana, a);
        parts[1] = ISplitter.Part(bia, b);
    }

    function testSplitterFollowsFromItsParts() public {
        ISplitter.Part[] memory parts = partsOf(250_000, 750_000);
        address predicted = origins.splitterOf(parts);
        vm.deal(predicted, 100);
        vm.assertEq(origins.createSplitter(parts), predicted);
        vm.assertEq(origins.createSplitter(parts), predicted);
        ISplitter splitter = ISplitter(predicted);
        vm.assertEq(splitter.parts().length, 2);
        vm.assertEq(uint256(splitter.ppmOf(bia)), 750_000);
        vm.assertEq(uint256(splitter.ppmOf(address(this))), 0);
        vm.assertEq(splitter.due(ana), 25);
        splitter.release(ana);
        vm.assertEq(ana.balance, 25);
        vm.assertEq(splitter.due(bia), 75);
        vm.expectRevert(abi.encodeWithSelector(ISplitter.NothingDue.selector, ana));
        splitter.release(ana);
        vm.expectRevert(abi.encodeWithSelector(ISplitter.NothingDue.selector, address(this)));
        splitter.release(address(this));
        splitter.release(bia);
        vm.assertEq(splitter.totalReleased(), 100);
    }

    function testInvalidParts() public {
        ISplitter.Part[] memory none = new ISplitter.Part[](0);
        vm.expectRevert(ISplitter.InvalidParts.selector);
        origins.createSplitter(none);
        uint32[2][3] memory wrong = [[uint32(1), 999_998], [uint32(0), 1_000_000], [uint32(500_001), 500_000]];
        for (uint256 i; i < 3; ++i) {
            ISplitter.Part[] memory bad = partsOf(wrong[i][0], wrong[i][1]);
            vm.expectRevert(ISplitter.InvalidParts.selector);
            origins.createSplitter(bad);
        }
        ISplitter.Part[] memory parts = partsOf(1, 999_999);
        parts[0].payee = bia;
        vm.expectRevert(ISplitter.InvalidParts.selector);
        origins.createSplitter(parts);
        parts[0].payee = address(0);
        vm.expectRevert(ISplitter.InvalidParts.selector);
        origins.createSplitter(parts);
        parts = new ISplitter.Part[](17);
        for (uint160 i; i < 17; ++i) {
            parts[i] = ISplitter.Part(address(i + 1), i == 0 ? 999_984 : 1);
        }
        vm.expectRevert(ISplitter.InvalidParts.selector);
        origins.createSplitter(parts);
    }

    function testSplitterCannotPayItself() public {
        // By CREATE the address is known before the parts are.
        SplitterMaker maker = new SplitterMaker();
        address itself = address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", maker, hex"01")))));
        ISplitter.Part[] memory parts = partsOf(400_000, 600_000);
        parts[0].payee = itself;
        vm.expectRevert(ISplitter.InvalidParts.selector);
        maker.make(parts);
        parts[0].payee = ana;
        vm.assertEq(maker.make(parts), itself);
    }

    function testOneRefusingPayeeBlocksNobody() public {
        Refuser refuser = new Refuser();
        ISplitter.Part[] memory parts = partsOf(400_000, 600_000);
        parts[0].payee = address(refuser);
        ISplitter splitter = ISplitter(origins.createSplitter(parts));
        (bool ok,) = address(splitter).call{value: 10, gas: 2300}("");
        vm.assertTrue(ok);
        vm.expectRevert(abi.encodeWithSelector(ISplitter.TransferRefused.selector, address(refuser), 4));
        splitter.release(address(refuser));
        splitter.release(bia);
        vm.assertEq(bia.balance, 6);
        refuser.accept();
        splitter.release(address(refuser));
        vm.assertEq(address(refuser).balance, 4);
    }

    /// @dev Whatever comes in and whoever draws when: nobody gets more than the part of what came, and together they are
    /// short of it by less than a wei each.
    function testFuzzSplits(uint32 a, uint256 seed) public {
        a = uint32(bound(a, 1, 999_999));
        ISplitter splitter = ISplitter(origins.createSplitter(partsOf(a, 1_000_000 - a)));
        uint256 sum;
        for (uint256 i; i < 20; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            uint256 amount = draw % (i % 2 == 0 ? 7 : 1e24);
            vm.deal(address(splitter), address(splitter).balance + amount);
            sum += amount;
            if (draw >> 200 & 1 == 1 && splitter.due(ana) != 0) splitter.release(ana);
            if (draw >> 201 & 1 == 1 && splitter.due(bia) != 0) splitter.release(bia);
            vm.assertLe(ana.balance, sum * a / 1e6);
            vm.assertLe(bia.balance, sum * (1_000_000 - a) / 1e6);
        }
        if (splitter.due(ana) != 0) splitter.release(ana);
        if (splitter.due(bia) != 0) splitter.release(bia);
        vm.assertEq(ana.balance, sum * a / 1e6);
        vm.assertEq(bia.balance, sum * (1_000_000 - a) / 1e6);
        vm.assertLe(address(splitter).balance, 1);
    }

    function testReenteringPayee() public {
        GreedyPayee greedy = new GreedyPayee();
        ISplitter.Part[] memory parts = partsOf(400_000, 600_000);
        parts[0].payee = address(greedy);
        ISplitter splitter = ISplitter(origins.createSplitter(parts));
        vm.deal(address(splitter), 100);
        splitter.release(address(greedy));
        vm.assertEq(address(greedy).balance, 40);
        vm.assertEq(address(splitter).balance, 60);
    }
}

/// @notice Makes splitters by CREATE.
contract SplitterMaker {
    function make(ISplitter.Part[] memory parts) external returns (address) {
        return address(new Splitter(parts));
    }
}

/// @notice A payee that draws again while it is paid.
contract GreedyPayee {
    receive() external payable {
        try ISplitter(msg.sender).release(address(this)) {} catch {}
    }
}
