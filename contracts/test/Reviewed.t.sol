// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IReviews} from "../src/interfaces/IReviews.sol";
import {ReceiptTypes} from "../src/lib/ReceiptTypes.sol";
import {Wallet} from "./lib/Doubles.sol";
import {Panels} from "./lib/Panels.sol";

/// @notice A timelock that executes what was scheduled, after a delay; stands for OpenZeppelin's.
contract TimelockDouble {
    uint256 public constant DELAY = 1 days;
    mapping(bytes32 => uint256) public readyAt;

    function schedule(address target, bytes calldata data) external {
        readyAt[keccak256(abi.encode(target, data))] = block.timestamp + DELAY;
    }

    function execute(address target, bytes calldata data) external returns (bytes memory result) {
        uint256 ready = readyAt[keccak256(abi.encode(target, data))];
        require(ready != 0 && ready <= block.timestamp, "not ready");
        bool ok;
        (ok, result) = target.call(data);
        require(ok, "reverted");
    }
}

/// @notice Datanets whose contributions panels review, payees that cannot be moved, and what other contracts read at once.
contract ReviewedDatanetsTest is Panels {
    uint256 private constant ANA_KEY = 0xA0A;
    bytes32 private constant PAYEE = keccak256("Payee(uint64 contribution,address payee,uint64 nonce,uint64 deadline)");
    address private ana = vm.addr(ANA_KEY);
    uint32 private reviewed;

    function setUp() public override {
        super.setUp();
        reviewed = createDatanet(IDatanets.ReviewRule.Reviewers);
        enlist(12);
    }

    function policy(IDatanets.ReviewRule review, uint8 n, uint8 k) private pure returns (IDatanets.Policy memory p) {
        (p.licence, p.flags, p.review, p.reviewers, p.approvals) = ("MIT", 31, review, n, k);
    }

    function status(uint64 id) private view returns (uint256) {
        return uint256(datanets.contribution(id).status);
    }

    function expectStatus(uint64 id, IDatanets.Status expected) private view {
        vm.assertEq(status(id), uint256(expected));
    }

    function propose(string memory text) private returns (uint64 id, uint64 caseId) {
        id = contribute(reviewed, ana, one(bytes(text)));
        caseId = datanets.caseOf(id);
    }

    // ---------------------------------------------------------------- policy

    function testPanelsOfAPolicy() public {
        IDatanets.ReviewRule byReviewers = IDatanets.ReviewRule.Reviewers;
        uint8[2][4] memory wrong = [[uint8(0), 0], [uint8(3), 0], [uint8(3), 4], [uint8(16), 3]];
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidPanel.selector, wrong[i][0], wrong[i][1]));
            datanets.create("x", policy(byReviewers, wrong[i][0], wrong[i][1]));
        }
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidPanel.selector, 3, 2));
        datanets.create("x", policy(IDatanets.ReviewRule.Curator, 3, 2));
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidPanel.selector, 0, 1));
        datanets.create("x", policy(IDatanets.ReviewRule.Open, 0, 1));
        uint32 id = datanets.create("x", policy(byReviewers, 15, 15));
        vm.assertEq(uint256(datanets.datanet(id).policy.reviewers), 15);
        vm.assertEq(uint256(datanets.datanet(id).policy.flags), 31);
        vm.assertEq(uint256(datanets.FLAG_KEEP()), 16);
        datanets.create("x", policy(byReviewers, 1, 1));
    }

    // ---------------------------------------------------------------- panels decide

    function testRevealOpensACase() public {
        (uint64 id, uint64 caseId) = propose("text");
        expectStatus(id, IDatanets.Status.Pending);
        vm.assertEq(datanets.contributionOf(caseId), id);
        IReviews.Case memory held = reviews.caseOf(caseId);
        vm.assertEq(held.consumer, address(datanets));
        vm.assertEq(held.subject, bytes32(uint256(id)));
        vm.assertEq(held.excluded, ana);
        vm.assertEq(uint256(held.reviewers), 3);
        vm.assertEq(uint256(held.approvals), 2);
        // The curator has no say while a panel can decide.
        vm.startPrank(curator);
        vm.expectRevert(abi.encodeWithSelector(IReviews.WrongStage.selector, caseId, IReviews.Stage.Seating));
        datanets.accept(id);
        vm.expectRevert(abi.encodeWithSelector(IReviews.WrongStage.selector, caseId, IReviews.Stage.Seating));
        datanets.reject(id);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, address(this)));
        datanets.onDecision(caseId, true);
    }

    function testPanelAccepts() public {
        (uint64 id, uint64 caseId) = propose("text");
        seat(caseId);
        vote(caseId, 2, 1);
        expectStatus(id, IDatanets.Status.Accepted);
        vm.assertEq(datanets.contribution(id).added, 1);
        vm.assertTrue(datanets.isMember(id, 1));
    }

    function testReversedAcceptanceWithdraws() public {
        (uint64 id, uint64 caseId) = propose("text");
        seat(caseId);
        vote(caseId, 3, 0);
        appeal(caseId, curator);
        seat(caseId);
        vote(caseId, 0, 7);
        expectStatus(id, IDatanets.Status.Withdrawn);
        vm.assertTrue(datanets.isMember(id, 1)); // receipts before still settle
        vm.assertFalse(datanets.isMember(id, 2));
        vm.assertEq(datanets.version(reviewed), 2);
        vm.assertEq(datanets.withdrawnAt(id), vm.getBlockTimestamp());
    }

    function testReversedRejectionAccepts() public {
        (uint64 id, uint64 caseId) = propose("text");
        seat(caseId);
        vote(caseId, 0, 3);
        expectStatus(id, IDatanets.Status.Rejected);
        appeal(caseId, ana);
        seat(caseId);
        vote(caseId, 7, 0);
        expectStatus(id, IDatanets.Status.Accepted);
        vm.assertFalse(datanets.isMember(id, 0));
        vm.assertTrue(datanets.isMember(id, 1));
        vm.assertTrue(datanets.isMember(id, type(uint32).max - 1));
    }

    function testContributorMayTakeItBackMeanwhile() public {
        (uint64 id, uint64 caseId) = propose("text");
        vm.prank(ana);
        datanets.withdraw(id);
        seat(caseId);
        vote(caseId, 3, 0);
        vm.assertFalse(reviews.caseOf(caseId).undelivered);
        expectStatus(id, IDatanets.Status.Withdrawn);
        vm.assertEq(datanets.version(reviewed), 0);

        (id, caseId) = propose("other");
        seat(caseId);
        vote(caseId, 3, 0);
        vm.prank(ana);
        datanets.withdraw(id);
        uint32 withdrawn = datanets.contribution(id).withdrawn;
        appeal(caseId, curator);
        seat(caseId);
        vote(caseId, 0, 7);
        vm.assertEq(datanets.contribution(id).withdrawn, withdrawn);
        vm.assertEq(datanets.version(reviewed), 2);
    }

    function testCuratorIsTheFallback() public {
        for (uint256 i; i < pool.length; ++i) {
            vm.prank(pool[i]);
            reviews.unregister();
        }
        skip(1, 1);
        uint64[] memory ids = new uint64[](2);
        for (uint256 i; i < 2; ++i) {
            (ids[i],) = propose(vm.toString(i));
            skip(2, 2);
            reviews.seat(datanets.caseOf(ids[i]));
        }
        (uint64 third, uint64 caseId) = propose("third");
        skip(2, 2);
        reviews.seat(caseId);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, address(this)));
        datanets.acceptBatch(ids);
        vm.startPrank(curator);
        datanets.acceptBatch(ids);
        datanets.reject(third);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.WrongStatus.selector, third, IDatanets.Status.Rejected));
        datanets.accept(third);
        vm.stopPrank();
        expectStatus(ids[1], IDatanets.Status.Accepted);
        expectStatus(third, IDatanets.Status.Rejected);
        expectStage(caseId, IReviews.Stage.Final);
    }

    // ---------------------------------------------------------------- payees

    function testVaultPayeeCannotBeMoved() public {
        address vault = origins.register("https://ana.example.org/");
        IDatanets.Reveal memory o = openingOf(net, ana, vault, one("somebody else's text"));
        uint64 id = datanets.commit(datanets.commitmentHash(o));
        vm.startPrank(ana);
        datanets.reveal(id, o, "");
        vm.expectRevert(abi.encodeWithSelector(IDatanets.PayeeHeld.selector, id, vault));
        datanets.setPayee(id, ana);
        vm.stopPrank();
        bytes memory signature = payeeSignature(ANA_KEY, id, ana, 0, 1e12);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.PayeeHeld.selector, id, vault));
        datanets.setPayeeFor(id, ana, 1e12, signature);
        // The other way round it may move, once.
        uint64 own = contribute(ana, "own text");
        vm.startPrank(ana);
        datanets.setPayee(own, vault);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.PayeeHeld.selector, own, vault));
        datanets.setPayee(own, ana);
        vm.stopPrank();
    }

    function payeeSignature(uint256 key, uint64 id, address payee, uint64 nonce, uint64 deadline)
        private
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(abi.encode(PAYEE, id, payee, nonce, deadline));
        return sign(key, ReceiptTypes.digest(datanets.domainSeparator(), structHash));
    }

    function testRelayedPayee() public {
        uint64 id = contribute(ana, "text");
        uint64 deadline = uint64(vm.getBlockTimestamp() + 10);
        bytes memory signature = payeeSignature(0xBAD, id, address(1), 0, deadline);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidSignature.selector, ana));
        datanets.setPayeeFor(id, address(1), deadline, signature);
        signature = payeeSignature(ANA_KEY, id, address(1), 0, deadline);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidSignature.selector, ana));
        datanets.setPayeeFor(id, address(2), deadline, signature);
        datanets.setPayeeFor(id, address(1), deadline, signature);
        vm.assertEq(datanets.membership(id).payee, address(1));
        vm.assertEq(uint256(datanets.payeeNonce(id)), 1);
        vm.prank(ana);
        datanets.setPayee(id, ana);
        vm.assertEq(uint256(datanets.payeeNonce(id)), 2);
        // Used once, used up.
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidSignature.selector, ana));
        datanets.setPayeeFor(id, address(1), deadline, signature);
        signature = payeeSignature(ANA_KEY, id, address(3), 2, deadline);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.SignatureExpired.selector, deadline));
        datanets.setPayeeFor(id, address(3), deadline, signature);
        vm.warp(deadline);
        datanets.setPayeeFor(id, address(3), deadline, signature);
        vm.assertEq(datanets.membership(id).payee, address(3));
        vm.assertEq(datanets.payeeAt(id, datanets.payeeClock()), address(3));
        vm.expectRevert(abi.encodeWithSelector(IDatanets.UnknownContribution.selector, 99));
        datanets.setPayeeFor(99, ana, deadline, signature);
    }

    function testRelayedPayeeOfAContract() public {
        Wallet wallet = new Wallet(vm.addr(0xC0DE));
        uint64 id = contribute(address(wallet), "by a wallet");
        bytes memory wrong = payeeSignature(ANA_KEY, id, ana, 0, 1e12);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidSignature.selector, address(wallet)));
        datanets.setPayeeFor(id, ana, 1e12, wrong);
        bytes memory right = payeeSignature(0xC0DE, id, ana, 0, 1e12);
        wallet.revoke();
        vm.expectRevert(abi.encodeWithSelector(IDatanets.InvalidSignature.selector, address(wallet)));
        datanets.setPayeeFor(id, ana, 1e12, right);
        wallet = new Wallet(vm.addr(0xC0DE));
        id = contribute(address(wallet), "by another");
        datanets.setPayeeFor(id, ana, 1e12, payeeSignature(0xC0DE, id, ana, 0, 1e12));
        vm.assertEq(datanets.membership(id).payee, ana);
    }

    // ---------------------------------------------------------------- raw reads

    /// forge-config: default.fuzz.runs = 64
    function testFuzzMembershipWords(uint64[] calldata ids) public {
        for (uint256 i; i < 5; ++i) {
            uint64 id = contribute(ana, bytes(vm.toString(i)));
            vm.prank(ana);
            if (i == 2) datanets.withdraw(id);
            else datanets.setPayee(id, address(uint160(0x8000 + i)));
        }
        uint64[] memory asked = new uint64[](ids.length + 8);
        for (uint256 i; i < asked.length; ++i) {
            asked[i] = i < 8 ? uint64(i) : ids[i - 8];
        }
        uint256[] memory words = datanets.membershipsOf(asked);
        vm.assertEq(words.length, asked.length);
        for (uint256 i; i < asked.length; ++i) {
            IDatanets.Membership memory m = datanets.membership(asked[i]);
            vm.assertEq(
                words[i],
                m.datanet | uint256(m.added) << 32 | uint256(m.withdrawn) << 64 | uint256(uint160(m.payee)) << 96
            );
        }
    }

    /// @dev An id with bits above the 64th is no id.
    function testDirtyIdReadsAsUnknown() public {
        uint64 id = contribute(ana, "text");
        (bool ok, bytes memory result) = address(datanets)
            .staticcall(
                abi.encodePacked(datanets.membershipsOf.selector, uint256(32), uint256(1), uint256(id) | 1 << 64)
            );
        vm.assertTrue(!ok || abi.decode(result, (uint256[]))[0] == 0);
    }

    function testHeads() public {
        contribute(ana, "one");
        contribute(ana, "two");
        uint32[] memory nets = new uint32[](4);
        (nets[0], nets[1], nets[2], nets[3]) = (net, reviewed, 0, 77);
        uint256[] memory heads = datanets.headsOf(nets);
        vm.assertEq(heads[0], uint256(uint160(curator)) << 96 | uint256(50_000) << 32 | 2);
        vm.assertEq(heads[1], uint256(uint160(curator)) << 96 | uint256(50_000) << 32);
        vm.assertEq(heads[2], 0);
        vm.assertEq(heads[3], 0);
        vm.assertEq(datanets.headsOf(new uint32[](0)).length, 0);
    }

    function testGasOfReads() public {
        uint64[] memory ids = new uint64[](128);
        for (uint64 i; i < 128; ++i) {
            ids[i] = contribute(ana, bytes(vm.toString(i)));
        }
        datanets.membershipsOf(ids);
        vm.snapshotGasLastCall("memberships", "membershipsOf, 128 warm ids");
    }

    function testMemberOfAny() public {
        uint64 id = contribute(ana, "one");
        uint64[] memory versions = new uint64[](3);
        versions[0] = uint64(reviewed) << 32 | 1;
        versions[1] = uint64(net) << 32;
        versions[2] = uint64(net) << 32 | 1;
        vm.assertTrue(datanets.isMemberOfAny(id, versions));
        versions[2] = uint64(net + 7) << 32 | 1;
        vm.assertFalse(datanets.isMemberOfAny(id, versions));
        vm.assertFalse(datanets.isMemberOfAny(id, new uint64[](0)));
        (uint8 flags, uint128 priceFloor) = datanets.licenceOf(net);
        vm.assertEq(uint256(flags), 13);
        vm.assertEq(uint256(priceFloor), 7);
    }

    // ---------------------------------------------------------------- commons by vote

    function testCommonsThroughATimelock() public {
        TimelockDouble timelock = new TimelockDouble();
        vm.etch(registrar, address(timelock).code);
        timelock = TimelockDouble(registrar);
        bytes memory data = abi.encodeCall(datanets.registerCommons, (net, keccak256("licences"), 600, 9000));
        timelock.schedule(address(datanets), data);
        vm.expectRevert(bytes("not ready"));
        timelock.execute(address(datanets), data);
        skip(1, 1 days);
        uint64 id = abi.decode(timelock.execute(address(datanets), data), (uint64));
        expectStatus(id, IDatanets.Status.Accepted);
        vm.assertEq(datanets.contribution(id).payee, treasury);
        vm.prank(treasury);
        datanets.setPayee(id, address(5)); // the treasury may redirect what it earns, nobody else
        vm.expectRevert(abi.encodeWithSelector(IDatanets.NotAllowed.selector, governance));
        vm.prank(governance);
        datanets.registerCommons(net, keccak256("x"), 1, 1);
    }
}
