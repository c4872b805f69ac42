// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Datanets} from "../src/Datanets.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {ReceiptTypes} from "../src/lib/ReceiptTypes.sol";
import {Wallet} from "./lib/Doubles.sol";
import {World} from "./lib/World.sol";

contract DatanetsTest is World {
    bytes32 private constant CONTRIBUTION = keccak256(
        "Contribution(uint32 datanet,bytes32 root,uint32 documents,uint64 textBytes,address payee,bytes32 blind,uint64 deadline)"
    );
    bytes32 private constant WITHDRAWAL = keccak256("Withdrawal(uint64 contribution,uint64 deadline)");
    uint256 private constant ANA_KEY = 0xA0A;
    address private ana = vm.addr(ANA_KEY);
    uint32 private curated;

    function setUp() public override {
        super.setUp();
        curated = createDatanet(IDatanets.ReviewRule.Curator);
    }

    function opening(uint32 datanet, string memory text) private view returns (IDatanets.Reveal memory) {
        return openingOf(datanet, ana, ana, one(bytes(text)));
    }

    function commit(IDatanets.Reveal memory o) private returns (uint64) {
        return datanets.commit(datanets.commitmentHash(o));
    }

    function signed(uint256 key, IDatanets.Reveal memory o) private view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(CONTRIBUTION, o.datanet, o.root, o.documents, o.textBytes, o.payee, o.blind, o.deadline)
        );
        return sign(key, ReceiptTypes.digest(datanets.domainSeparator(), structHash));
    }

    function revealAsAna(uint64 id, IDatanets.Reveal memory o) private {
        vm.prank(ana);
        datanets.reveal(id, o, "");
    }

    function statusOf(uint64 id) private view returns (uint256) {
        return uint256(datanets.contribution(id).status);
    }

    function expectStatus(uint64 id, IDatanets.Status status) private view {
        vm.assertEq(statusOf(id), uint256(status));
    }

    // ---------------------------------------------------------------- datanets

    function testDatanetIsKept() public view {
        IDatanets.Datanet memory d = datanets.datanet(net);
        vm.assertEq(d.name, "coffee");
        vm.assertEq(d.curator, curator);
        vm.assertEq(d.policy.licence, "CC-BY-4.0");
        vm.assertEq(d.policy.flags, 13);
        vm.assertEq(d.policy.priceFloor, 7);
        vm.assertEq(d.policy.curatorPpm, 50_000);
        vm.assertEq(d.policy.jurisdictions.length, 2);
        vm.assertEq(bytes32(d.policy.jurisdictions[0]), bytes32("BR"));
        vm.assertEq(d.version, 0);
        vm.assertEq(datanets.datanetCount(), 2);
    }

    function testInvalidPolicies() public {
        bytes2[] memory none;
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidPolicy.selector, 32, 0));
        datanets.create("x", IDatanets.Policy("MIT", 32, IDatanets.ReviewRule.Open, 0, 0, 0, 0, none));
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidPolicy.selector, 1, 1_000_001));
        datanets.create("x", IDatanets.Policy("MIT", 1, IDatanets.ReviewRule.Open, 0, 0, 1_000_001, 0, none));
        vm.expectRevert(abi.encodeWithSelector(IDatanets.UnknownDatanet.selector, 9));
        datanets.datanet(9);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.UnknownDatanet.selector, 9));
        datanets.version(9);
    }

    function testConstructorNeedsATreasury() public {
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, address(0)));
        new Datanets(NETWORK, registrar, address(0), 5, address(reviews), address(origins));
    }

    // ---------------------------------------------------------------- commit, reveal

    function testOpenDatanetAcceptsAtTheReveal() public {
        IDatanets.Reveal memory o = opening(net, "text");
        uint64 id = commit(o);
        expectStatus(id, IDatanets.Status.Unrevealed);
        revealAsAna(id, o);
        IDatanets.Contribution memory c = datanets.contribution(id);
        expectStatus(id, IDatanets.Status.Accepted);
        vm.assertEq(c.added, 1);
        vm.assertEq(c.withdrawn, type(uint32).max);
        vm.assertEq(c.contributor, ana);
        vm.assertEq(c.payee, ana);
        vm.assertEq(c.root, o.root);
        vm.assertEq(c.documents, 1);
        vm.assertEq(c.textBytes, 4);
        vm.assertFalse(datanets.isMember(id, 0));
        vm.assertTrue(datanets.isMember(id, 1));
        vm.assertEq(datanets.version(net), 1);
    }

    function testIdsFollowTheCommits() public {
        IDatanets.Reveal memory a = opening(net, "a");
        IDatanets.Reveal memory b = opening(net, "b");
        uint64 first = commit(a);
        uint64 second = commit(b);
        revealAsAna(second, b);
        revealAsAna(first, a);
        vm.assertTrue(first < second);
        vm.assertEq(datanets.contribution(second).added, 1);
        vm.assertEq(datanets.contribution(first).added, 2);
    }

    function testExpiredCommitIsVoid() public {
        IDatanets.Reveal memory o = opening(net, "late");
        uint64 id = commit(o);
        (, uint64 revealBy) = datanets.commitmentOf(datanets.commitmentHash(o));
        vm.assertEq(revealBy, block.number + REVEAL_BLOCKS);
        vm.roll(revealBy + 1);
        vm.prank(ana);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.RevealExpired.selector, id, revealBy));
        datanets.reveal(id, o, "");
        // A new commit of the same opening gets a new, later id; the old one stays void.
        uint64 again = commit(o);
        vm.prank(ana);
        vm.expectPartialRevert(IDatanets.CommittedAs.selector);
        datanets.reveal(id, o, "");
        revealAsAna(again, o);
        expectStatus(id, IDatanets.Status.Unrevealed);
        expectStatus(again, IDatanets.Status.Accepted);
    }

    function testLastBlockOfTheReveal() public {
        IDatanets.Reveal memory o = opening(net, "just");
        uint64 id = commit(o);
        vm.roll(block.number + REVEAL_BLOCKS);
        revealAsAna(id, o);
        expectStatus(id, IDatanets.Status.Accepted);
    }

    /// @dev A copied commitment gains its copier nothing, and does not take the id from its owner.
    function testCopiedCommitment() public {
        IDatanets.Reveal memory o = opening(net, "mine");
        uint64 mine = commit(o);
        vm.prank(address(0xBAD));
        uint64 copy = datanets.commit(datanets.commitmentHash(o));
        vm.prank(ana);
        vm.expectPartialRevert(IDatanets.CommittedAs.selector);
        datanets.reveal(copy, o, "");
        revealAsAna(mine, o);
        // Revealed once, revealed for good: neither the same id nor a new commit opens it again.
        vm.prank(ana);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.AlreadyRevealed.selector, mine));
        datanets.reveal(mine, o, "");
        vm.roll(block.number + 1000);
        uint64 later = commit(o);
        vm.prank(ana);
        vm.expectPartialRevert(IDatanets.CommittedAs.selector);
        datanets.reveal(later, o, "");
    }

    function testRevealMustFitTheCommitment() public {
        IDatanets.Reveal memory o = opening(net, "text");
        uint64 id = commit(o);
        for (uint256 i; i < 7; ++i) {
            IDatanets.Reveal memory other = opening(net, "text");
            if (i == 0) other.datanet = curated;
            if (i == 1) other.root = keccak256("x");
            if (i == 2) other.documents = 2;
            if (i == 3) other.textBytes = 5;
            if (i == 4) other.payee = address(5);
            if (i == 5) other.blind = 0;
            if (i == 6) other.contributor = address(6);
            vm.prank(other.contributor);
            vm.expectPartialRevert(IDatanets.NotCommitted.selector);
            datanets.reveal(id, other, "");
        }
        o.datanet = 9;
        vm.expectRevert(abi.encodeWithSelector(IDatanets.UnknownDatanet.selector, 9));
        datanets.reveal(id, o, "");
    }

    function testEmptyContributions() public {
        for (uint256 i; i < 4; ++i) {
            IDatanets.Reveal memory o = opening(net, "text");
            if (i == 0) o.root = 0;
            if (i == 1) o.documents = 0;
            if (i == 2) o.payee = address(0);
            if (i == 3) o.contributor = address(0);
            uint64 id = commit(o);
            vm.expectRevert(IDatanets.EmptyContribution.selector);
            datanets.reveal(id, o, "");
        }
    }

    function testRelayedReveal() public {
        IDatanets.Reveal memory o = opening(net, "relayed");
        uint64 id = commit(o);
        bytes memory signature = signed(0xBAD, o);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidSignature.selector, ana));
        datanets.reveal(id, o, signature);
        signature = signed(ANA_KEY, o);
        o.deadline += 1; // signed, though not committed
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidSignature.selector, ana));
        datanets.reveal(id, o, signature);
        o.deadline -= 1;
        vm.warp(o.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.SignatureExpired.selector, o.deadline));
        datanets.reveal(id, o, signature);
        vm.warp(o.deadline);
        datanets.reveal(id, o, signature);
        vm.assertEq(datanets.contribution(id).contributor, ana);
    }

    function testSignatureOfAnotherNetworkIsRefused() public {
        IDatanets.Reveal memory o = opening(net, "relayed");
        bytes memory signature = signed(ANA_KEY, o);
        genesis(
            address(datanets),
            type(Datanets).creationCode,
            abi.encode(keccak256("a fork"), registrar, treasury, REVEAL_BLOCKS, reviews, origins)
        );
        uint64 id = commit(o);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidSignature.selector, ana));
        datanets.reveal(id, o, signature);
    }

    function testContributorMayBeAContract() public {
        Wallet wallet = new Wallet(vm.addr(0xC0DE));
        IDatanets.Reveal memory o = openingOf(net, address(wallet), ana, one("by a wallet"));
        uint64 id = commit(o);
        bytes memory wrong = signed(ANA_KEY, o);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidSignature.selector, address(wallet)));
        datanets.reveal(id, o, wrong);
        datanets.reveal(id, o, signed(0xC0DE, o));
        vm.assertEq(datanets.contribution(id).contributor, address(wallet));
        wallet.act(address(datanets), abi.encodeCall(datanets.withdraw, (id)));
        expectStatus(id, IDatanets.Status.Withdrawn);
    }

    function testBatches() public {
        uint256 n = 20;
        IDatanets.Reveal[] memory openings = new IDatanets.Reveal[](n);
        bytes32[] memory commitments = new bytes32[](n);
        bytes[] memory signatures = new bytes[](n);
        uint64[] memory ids = new uint64[](n);
        for (uint256 i; i < n; ++i) {
            openings[i] = opening(curated, vm.toString(i));
            commitments[i] = datanets.commitmentHash(openings[i]);
            signatures[i] = signed(ANA_KEY, openings[i]);
        }
        uint64 first = datanets.commitBatch(commitments);
        for (uint256 i; i < n; ++i) {
            ids[i] = first + uint64(i);
        }
        datanets.revealBatch(ids, openings, signatures);
        vm.prank(curator);
        datanets.acceptBatch(ids);
        vm.assertEq(datanets.version(curated), n);
        vm.assertEq(datanets.contribution(first + 19).added, 20);
        vm.assertEq(datanets.contributionCount(), n);

        vm.expectRevert(abi.encodeWithSelector(IDatanets.BatchMismatch.selector, 0, 0));
        datanets.commitBatch(new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(IDatanets.BatchMismatch.selector, 20, 1));
        datanets.revealBatch(ids, openings, new bytes[](1));
    }

    /// @dev Signatures of a batch are public, and anybody can send one of them first.
    function testABatchLeavesOutWhatWasRevealed() public {
        IDatanets.Reveal[] memory openings = new IDatanets.Reveal[](3);
        bytes[] memory signatures = new bytes[](3);
        uint64[] memory ids = new uint64[](3);
        for (uint256 i; i < 3; ++i) {
            openings[i] = opening(curated, vm.toString(i));
            ids[i] = commit(openings[i]);
            signatures[i] = signed(ANA_KEY, openings[i]);
        }
        vm.prank(address(0xBAD));
        datanets.reveal(ids[1], openings[1], signatures[1]);
        uint256 state = vm.snapshotState();
        datanets.revealBatch(ids, openings, signatures);
        for (uint256 i; i < 3; ++i) {
            expectStatus(ids[i], IDatanets.Status.Pending);
        }
        // Alone it is told; and what is wrong about another is the batch's fault still.
        vm.expectRevert(abi.encodeWithSelector(IDatanets.AlreadyRevealed.selector, ids[1]));
        datanets.reveal(ids[1], openings[1], signatures[1]);
        vm.revertToState(state);
        signatures[2] = signatures[0];
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidSignature.selector, ana));
        datanets.revealBatch(ids, openings, signatures);
    }

    /// @dev A contributor cannot keep the curator from accepting the others by taking its own back.
    function testABatchLeavesOutWhatIsNotPending() public {
        uint64[] memory ids = new uint64[](4);
        for (uint256 i; i < 4; ++i) {
            IDatanets.Reveal memory o = opening(curated, vm.toString(i));
            ids[i] = commit(o);
            revealAsAna(ids[i], o);
        }
        vm.prank(ana);
        datanets.withdraw(ids[0]);
        vm.startPrank(curator);
        datanets.reject(ids[1]);
        datanets.accept(ids[2]);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.WrongStatus.selector, ids[0], IDatanets.Status.Withdrawn));
        datanets.accept(ids[0]);
        datanets.acceptBatch(ids);
        vm.stopPrank();
        expectStatus(ids[0], IDatanets.Status.Withdrawn);
        expectStatus(ids[1], IDatanets.Status.Rejected);
        vm.assertEq(datanets.contribution(ids[2]).added, 1);
        vm.assertEq(datanets.contribution(ids[3]).added, 2);
        vm.assertEq(datanets.version(curated), 2);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, ana));
        vm.prank(ana);
        datanets.acceptBatch(ids);
        ids[3] = 99;
        vm.expectRevert(abi.encodeWithSelector(IDatanets.UnknownContribution.selector, 99));
        vm.prank(curator);
        datanets.acceptBatch(ids);
    }

    // ---------------------------------------------------------------- review

    function pending() private returns (uint64 id) {
        IDatanets.Reveal memory o = opening(curated, "for review");
        id = commit(o);
        revealAsAna(id, o);
    }

    function testCuratorAccepts() public {
        uint64 id = pending();
        expectStatus(id, IDatanets.Status.Pending);
        vm.assertEq(datanets.version(curated), 0);
        vm.assertFalse(datanets.isMember(id, type(uint32).max - 1));
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, address(this)));
        datanets.accept(id);
        vm.prank(curator);
        datanets.accept(id);
        expectStatus(id, IDatanets.Status.Accepted);
        vm.assertEq(datanets.contribution(id).added, 1);
        vm.prank(curator);
        vm.expectRevert(
            abi.encodeWithSelector(IDatanets.WrongStatus.selector, id, IDatanets.Status.Accepted)
        );
        datanets.accept(id);
    }

    function testCuratorRejects() public {
        uint64 id = pending();
        vm.prank(curator);
        datanets.reject(id);
        expectStatus(id, IDatanets.Status.Rejected);
        vm.prank(curator);
        vm.expectRevert(
            abi.encodeWithSelector(IDatanets.WrongStatus.selector, id, IDatanets.Status.Rejected)
        );
        datanets.accept(id);
        vm.prank(ana);
        vm.expectRevert(
            abi.encodeWithSelector(IDatanets.WrongStatus.selector, id, IDatanets.Status.Rejected)
        );
        datanets.withdraw(id);
        vm.assertFalse(datanets.isMember(id, 0));
    }

    // ---------------------------------------------------------------- withdrawal, payee

    function testWithdrawalEndsMembership() public {
        uint64 id = contribute(ana, "text");
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, address(this)));
        datanets.withdraw(id);
        vm.prank(ana);
        datanets.withdraw(id);
        IDatanets.Contribution memory c = datanets.contribution(id);
        vm.assertEq(c.withdrawn, 2);
        expectStatus(id, IDatanets.Status.Withdrawn);
        vm.assertTrue(datanets.isMember(id, 1));
        vm.assertFalse(datanets.isMember(id, 2));
        vm.prank(ana);
        vm.expectRevert(
            abi.encodeWithSelector(IDatanets.WrongStatus.selector, id, IDatanets.Status.Withdrawn)
        );
        datanets.withdraw(id);
    }

    /// @dev A contribution whose text nobody shows would keep every later version of an open datanet from being adopted.
    function testTheCuratorOfAnOpenDatanetTakesOut() public {
        uint64 id = contribute(ana, "never shown");
        vm.prank(curator);
        datanets.withdraw(id);
        expectStatus(id, IDatanets.Status.Withdrawn);
        vm.assertTrue(datanets.isMember(id, 1));
        vm.assertFalse(datanets.isMember(id, 2));
        vm.assertEq(datanets.withdrawnAt(id), block.timestamp);
        // Not what a vote registered, not where somebody looked before, not in another's datanet.
        vm.prank(registrar);
        uint64 common = datanets.registerCommons(net, keccak256("licences"), 600, 9000);
        vm.prank(curator);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, curator));
        datanets.withdraw(common);
        uint64 looked = pending();
        vm.startPrank(curator);
        datanets.accept(looked);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, curator));
        datanets.withdraw(looked);
        vm.stopPrank();
        uint64 another = contribute(ana, "shown");
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, registrar));
        vm.prank(registrar);
        datanets.withdraw(another);
    }

    function testPendingWithdrawalNeverWasAMember() public {
        uint64 id = pending();
        vm.prank(ana);
        datanets.withdraw(id);
        expectStatus(id, IDatanets.Status.Withdrawn);
        vm.assertEq(datanets.version(curated), 0);
        vm.prank(curator);
        vm.expectRevert(
            abi.encodeWithSelector(IDatanets.WrongStatus.selector, id, IDatanets.Status.Withdrawn)
        );
        datanets.accept(id);
    }

    function testRelayedWithdrawal() public {
        uint64 id = contribute(ana, "text");
        uint64 deadline = uint64(block.timestamp + 10);
        bytes32 digest =
            ReceiptTypes.digest(datanets.domainSeparator(), keccak256(abi.encode(WITHDRAWAL, id, deadline)));
        bytes memory wrong = sign(0xBAD, digest);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidSignature.selector, ana));
        datanets.withdrawFor(id, deadline, wrong);
        bytes memory right = sign(ANA_KEY, digest);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.SignatureExpired.selector, deadline));
        datanets.withdrawFor(id, deadline, right);
        vm.warp(deadline);
        datanets.withdrawFor(id, deadline, right);
        expectStatus(id, IDatanets.Status.Withdrawn);
    }

    function testPayeeHistory() public {
        uint64 id = contribute(ana, "text");
        vm.assertEq(datanets.payeeAt(id, 0), ana);
        vm.startPrank(ana);
        datanets.setPayee(id, address(1));
        datanets.setPayee(id, address(2));
        vm.stopPrank();
        vm.assertEq(datanets.payeeClock(), 2);
        vm.assertEq(datanets.payeeAt(id, 0), ana);
        vm.assertEq(datanets.payeeAt(id, 1), address(1));
        vm.assertEq(datanets.payeeAt(id, 2), address(2));
        vm.assertEq(datanets.membership(id).payee, address(2));
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, address(this)));
        datanets.setPayee(id, address(3));
        vm.prank(ana);
        vm.expectRevert(IDatanets.EmptyContribution.selector);
        datanets.setPayee(id, address(0));
        vm.expectRevert(abi.encodeWithSelector(IDatanets.UnknownContribution.selector, 77));
        datanets.setPayee(77, address(3));
    }

    // ---------------------------------------------------------------- commons

    function testCommons() public {
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, address(this)));
        datanets.registerCommons(net, keccak256("licences"), 600, 9000);
        vm.prank(registrar);
        uint64 id = datanets.registerCommons(net, keccak256("licences"), 600, 9000);
        IDatanets.Contribution memory c = datanets.contribution(id);
        expectStatus(id, IDatanets.Status.Accepted);
        vm.assertEq(c.contributor, treasury);
        vm.assertEq(c.payee, treasury);
        vm.assertEq(c.documents, 600);
        vm.startPrank(registrar);
        vm.expectRevert(IDatanets.EmptyContribution.selector);
        datanets.registerCommons(net, 0, 600, 9000);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.UnknownDatanet.selector, 9));
        datanets.registerCommons(9, keccak256("x"), 1, 1);
        vm.stopPrank();
    }

    // ---------------------------------------------------------------- listing

    function testListing() public {
        for (uint256 i; i < 5; ++i) {
            contribute(ana, bytes(vm.toString(i)));
        }
        vm.assertEq(datanets.contributions(0, 2).length, 2);
        vm.assertEq(datanets.contributions(1, 1000).length, 5);
        vm.assertEq(datanets.contributions(4, 10).length, 2);
        vm.assertEq(datanets.contributions(4, 10)[1].id, 5);
        vm.assertEq(datanets.contributions(6, 10).length, 0);
        vm.assertEq(datanets.contributions(type(uint64).max, type(uint256).max).length, 0);
    }

    /// @dev Whatever happens to contributions, membership of a past version never changes.
    /// forge-config: default.fuzz.runs = 48
    /// forge-config: long.fuzz.runs = 2000
    function testFuzzVersionsAreAppendOnly(uint256 seed) public {
        uint64[8] memory ids;
        bool[8][40] memory member;
        uint32 known;
        for (uint256 step; step < 24; ++step) {
            uint256 draw = uint256(keccak256(abi.encode(seed, step)));
            uint256 i = draw % 8;
            if (ids[i] == 0) {
                IDatanets.Reveal memory o = opening(curated, vm.toString(i));
                ids[i] = commit(o);
                revealAsAna(ids[i], o);
            } else if (statusOf(ids[i]) == uint256(IDatanets.Status.Pending)) {
                vm.prank(curator);
                if (draw >> 8 & 3 == 0) datanets.reject(ids[i]);
                else datanets.accept(ids[i]);
            } else if (statusOf(ids[i]) == uint256(IDatanets.Status.Accepted)) {
                vm.prank(ana);
                datanets.withdraw(ids[i]);
            }
            uint32 latest = datanets.version(curated);
            vm.assertLe(latest - known, 1);
            if (latest > known) {
                known = latest;
                for (uint256 j; j < 8; ++j) {
                    member[known][j] = datanets.isMember(ids[j], known);
                }
            }
            for (uint32 v; v <= known; ++v) {
                for (uint256 j; j < 8; ++j) {
                    vm.assertEq(datanets.isMember(ids[j], v), member[v][j]);
                }
            }
        }
    }
}
