// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Settlement} from "../src/Settlement.sol";
import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IModels} from "../src/interfaces/IModels.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Bomb, Bookkeeper, Burner, Reenterer, Refuser, Wallet} from "./lib/Doubles.sol";
import {Batches} from "./lib/Batches.sol";
import {Openings} from "./lib/Openings.sol";
import {World} from "./lib/World.sol";

contract SettlementTest is World {
    address private ana = address(0xA0A);
    address private bia = address(0xB1A);
    uint64 private first;
    uint64 private second;

    function setUp() public override {
        super.setUp();
        first = contribute(ana, "a text by ana");
        second = contribute(bia, "a text by bia");
        fund(100 ether, 100 ether);
    }

    function row(uint128 fee, uint32 ppmFirst, uint32 ppmSecond) private view returns (ISettlement.Row memory) {
        uint256[] memory shares = new uint256[](2);
        shares[0] = uint256(first) << 32 | ppmFirst;
        shares[1] = uint256(second) << 32 | ppmSecond;
        return ISettlement.Row(keccak256(abi.encode(fee)), model, worker, fee, named(net), shares);
    }

    function rowsOf(ISettlement.Row memory a) private pure returns (ISettlement.Row[] memory rows) {
        rows = new ISettlement.Row[](1);
        rows[0] = a;
    }

    function settleReverts(ISettlement.Row[] memory rows, bytes memory reason) private {
        settleReverts(Batches.tables(rows), tabsOf(rows), reason);
    }

    function settleReverts(ISettlement.Tables memory tables, ISettlement.Tab[] memory tabs, bytes memory reason)
        private
    {
        vm.prank(gateway);
        vm.expectRevert(reason);
        settlement.settle(tables, tabs);
    }

    function settleReverts(ISettlement.Tab[] memory tabs, bytes memory reason) private {
        settleReverts(tablesOf(), tabs, reason);
    }

    /// @dev Those of `row`.
    function tablesOf() private view returns (ISettlement.Tables memory) {
        return Batches.tables(rowsOf(row(1, 0, 0)));
    }

    function send(ISettlement.Tab[] memory tabs) private returns (uint64) {
        ISettlement.Tables memory shared = tablesOf();
        vm.prank(gateway);
        return settlement.settle(shared, tabs);
    }

    function sendReverts(bytes4 reason, ISettlement.Tab[] memory tabs) private {
        ISettlement.Tables memory shared = tablesOf();
        vm.prank(gateway);
        vm.expectPartialRevert(reason);
        settlement.settle(shared, tabs);
    }

    /// @dev What the curator leaves of a credit.
    function rest(uint256 credit) private pure returns (uint256) {
        return credit - credit * CUT / 1e6;
    }

    function push(uint64 batch, address payee) private {
        settlement.push(batch, only(payee));
    }

    // ---------------------------------------------------------------- construction

    function testParametersOutOfRange() public {
        bytes4 invalid = ISettlement.InvalidParameter.selector;
        vm.expectRevert(invalid);
        new Settlement(NETWORK, datanets, models, address(1), address(2), address(0), 3, 60, 60, 2);
        vm.expectRevert(invalid);
        new Settlement(NETWORK, datanets, models, address(1), address(2), treasury, 3, 60, 60, 0);
        vm.expectRevert(invalid);
        new Settlement(NETWORK, datanets, models, address(1), address(2), treasury, 3, 60, 60, 101);
        vm.expectRevert(invalid);
        new Settlement(NETWORK, datanets, models, address(1), address(2), treasury, 0, 60, 60, 2);
        vm.expectRevert(invalid);
        new Settlement(NETWORK, datanets, models, address(1), address(2), treasury, 3, 1 << 40, 60, 2);
        vm.expectRevert(invalid);
        new Settlement(NETWORK, datanets, models, address(1), address(2), treasury, 3, 60, 1 << 40, 2);
    }

    function testDomain() public view {
        bytes32 expected = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
                ),
                keccak256("Fonte"),
                keccak256("1"),
                block.chainid,
                address(settlement),
                NETWORK
            )
        );
        vm.assertEq(settlement.domainSeparator(), expected);
        (bytes1 fields, string memory name,,, address where, bytes32 salt,) = settlement.eip712Domain();
        vm.assertEq(uint8(fields), 0x1f);
        vm.assertEq(name, "Fonte");
        vm.assertEq(where, address(settlement));
        vm.assertEq(salt, NETWORK);
    }

    function testDomainFollowsTheChain() public {
        bytes32 before = settlement.domainSeparator();
        vm.chainId(99);
        vm.assertNotEq(settlement.domainSeparator(), before);
    }

    // ---------------------------------------------------------------- deposits

    function testDepositIsTakenBackAfterTheNotice() public {
        vm.prank(payer);
        settlement.requestWithdrawal(40 ether);
        (uint128 amount, uint64 availableAt) = settlement.withdrawalOf(payer);
        vm.assertEq(amount, 40 ether);
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoticeRunning.selector, availableAt));
        settlement.withdraw();

        skip(1, NOTICE);
        vm.prank(payer);
        settlement.withdraw();
        vm.assertEq(payer.balance, 40 ether);
        vm.assertEq(settlement.depositOf(payer), 60 ether);

        vm.prank(payer);
        vm.expectRevert(ISettlement.NothingToDo.selector);
        settlement.withdraw();
    }

    function testAnnouncedWithdrawalStillPaysFees() public {
        vm.prank(payer);
        settlement.requestWithdrawal(100 ether);
        settle(row(30 ether, 0, 0));
        skip(1, NOTICE);
        vm.prank(payer);
        settlement.withdraw();
        vm.assertEq(payer.balance, 70 ether);
    }

    function testDepositErrors() public {
        vm.expectRevert(ISettlement.NothingToDo.selector);
        settlement.depositFor{value: 0}(payer);
        vm.deal(address(this), 1);
        vm.expectRevert(ISettlement.NothingToDo.selector);
        settlement.depositFor{value: 1}(address(0));
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.DepositShort.selector, 100 ether, 101 ether));
        settlement.requestWithdrawal(101 ether);
        vm.prank(payer);
        vm.expectRevert(ISettlement.NothingToDo.selector);
        settlement.requestWithdrawal(0);
    }

    function testWithdrawalToARefuserReverts() public {
        Refuser refuser = new Refuser();
        vm.deal(address(this), 1 ether);
        settlement.depositFor{value: 1 ether}(address(refuser));
        vm.prank(address(refuser));
        settlement.requestWithdrawal(1 ether);
        skip(1, NOTICE);
        vm.prank(address(refuser));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.TransferRefused.selector, address(refuser), 1 ether));
        settlement.withdraw();
        vm.assertEq(settlement.depositOf(address(refuser)), 1 ether);
    }

    // ---------------------------------------------------------------- vouchers and limits

    function testVoucherOfAStranger() public {
        ISettlement.Tab[] memory tabs = tabsOf(rowsOf(row(1 ether, 0, 0)));
        tabs[0].signature = sign(0xBAD, settlement.voucherDigest(payer, gateway, tabs[0].total, 1));
        settleReverts(
            tabs, abi.encodeWithSelector(ISettlement.VoucherInvalid.selector, payer, vm.addr(0xBAD), tabs[0].total, 0)
        );
        tabs[0].signature = "";
        settleReverts(
            tabs, abi.encodeWithSelector(ISettlement.VoucherInvalid.selector, payer, address(0), tabs[0].total, 0)
        );
    }

    function testVoucherNamesItsGateway() public {
        ISettlement.Tab[] memory tabs = tabsOf(rowsOf(row(1 ether, 0, 0)));
        ISettlement.Tables memory shared = tablesOf();
        vm.expectPartialRevert(ISettlement.VoucherInvalid.selector);
        settlement.settle(shared, tabs);
    }

    function testVoucherOfAnotherNetworkIsRefused() public {
        Settlement other = new Settlement(
            keccak256("another network"),
            datanets,
            models,
            address(challenges),
            address(demands),
            treasury,
            3,
            60,
            60,
            K
        );
        ISettlement.Tab[] memory tabs = tabsOf(rowsOf(row(1 ether, 0, 0)));
        tabs[0].signature = sign(PAYER_KEY, other.voucherDigest(payer, gateway, tabs[0].total, 1));
        sendReverts(ISettlement.VoucherInvalid.selector, tabs);

        // Same address, same chain id, another network id: only the salt differs.
        tabs = tabsOf(rowsOf(row(1 ether, 0, 0)));
        genesis(
            address(settlement),
            type(Settlement).creationCode,
            abi.encode(keccak256("a fork"), datanets, models, challenges, demands, treasury, 3, 60, 60, K)
        );
        sendReverts(ISettlement.VoucherInvalid.selector, tabs);
    }

    function testVoucherCannotBeSpentTwice() public {
        ISettlement.Tab[] memory tabs = tabsOf(rowsOf(row(1 ether, 0, 0)));
        send(tabs);
        settleReverts(tabs, abi.encodeWithSelector(ISettlement.DebitMismatch.selector, payer, 0, 1 ether));
        settle(row(1 ether, 0, 0));
        settleReverts(tabs, abi.encodeWithSelector(ISettlement.VoucherBehind.selector, payer, 1 ether, 2 ether));
    }

    function testDebitMustBeTheFees() public {
        ISettlement.Tab[] memory tabs = tabsOf(rowsOf(row(1 ether, 0, 0)));
        tabs[0].total += 1;
        tabs[0].signature = sign(PAYER_KEY, settlement.voucherDigest(payer, gateway, tabs[0].total, 1));
        settleReverts(tabs, abi.encodeWithSelector(ISettlement.DebitMismatch.selector, payer, 1 ether + 1, 1 ether));
    }

    function keyed(uint256 key, uint128 fee) private view returns (ISettlement.Tab[] memory tabs) {
        tabs = tabsOf(rowsOf(row(fee, 0, 0)));
        tabs[0].signature = sign(key, settlement.voucherDigest(payer, gateway, tabs[0].total, 1));
    }

    function testSessionKeySignsUpToItsCap() public {
        address key = vm.addr(0x5E55);
        vm.prank(payer);
        settlement.setLimit(gateway, key, 3 ether);
        ISettlement.Tab[] memory tabs = keyed(0x5E55, 2 ether);
        send(tabs);
        // The cap is cumulative.
        settleReverts(
            keyed(0x5E55, 2 ether),
            abi.encodeWithSelector(ISettlement.VoucherInvalid.selector, payer, key, 4 ether, 3 ether)
        );
        // A larger cap applies at once.
        vm.prank(payer);
        settlement.setLimit(gateway, key, 4 ether);
        tabs = keyed(0x5E55, 2 ether);
        send(tabs);
    }

    function testRevokedKeySignsUntilTheNoticeEnds() public {
        address key = vm.addr(0x5E55);
        vm.prank(payer);
        settlement.setLimit(gateway, key, 10 ether);
        vm.prank(payer);
        settlement.setLimit(gateway, key, 0);
        vm.assertEq(settlement.limitOf(payer, gateway, key).cap, 10 ether);
        ISettlement.Tab[] memory tabs = keyed(0x5E55, 1 ether);
        send(tabs);

        skip(1, NOTICE);
        vm.assertEq(settlement.limitOf(payer, gateway, key).cap, 0);
        settleReverts(
            keyed(0x5E55, 1 ether), abi.encodeWithSelector(ISettlement.VoucherInvalid.selector, payer, key, 2 ether, 0)
        );
    }

    function testSessionKeyIsOfOneGateway() public {
        vm.prank(payer);
        settlement.setLimit(address(0xE15E), vm.addr(0x5E55), 10 ether);
        settleReverts(
            keyed(0x5E55, 1 ether),
            abi.encodeWithSelector(ISettlement.VoucherInvalid.selector, payer, vm.addr(0x5E55), 1 ether, 0)
        );
    }

    function testPayerMayBeAContract() public {
        Wallet wallet = new Wallet(vm.addr(0xC0DE));
        vm.deal(address(this), 1 ether);
        settlement.depositFor{value: 1 ether}(address(wallet));
        ISettlement.Tab[] memory tabs = new ISettlement.Tab[](1);
        tabs[0] =
            ISettlement.Tab(address(wallet), 1 ether, 7, 1, "", Batches.pack(tablesOf(), rowsOf(row(1 ether, 0, 0))));
        tabs[0].signature = sign(0xC0DE, settlement.voucherDigest(address(wallet), gateway, 1 ether, 7));
        send(tabs);
        vm.assertEq(settlement.depositOf(address(wallet)), 0);

        tabs[0].total = 2 ether;
        tabs[0].signature = sign(0xC0DE, settlement.voucherDigest(address(wallet), gateway, 2 ether, 7));
        wallet.revoke();
        sendReverts(ISettlement.VoucherInvalid.selector, tabs);
    }

    // ---------------------------------------------------------------- what a row pays

    function testCreditsOfARow() public {
        uint64 batch = settle(row(10 ether, 500_000, 250_000));
        // splits: protocol 10 %, worker 20 %, developer 10 %, data 60 %
        vm.assertEq(settlement.pendingOf(batch, worker), 2 ether);
        vm.assertEq(settlement.pendingOf(batch, developer), 1 ether);
        vm.assertEq(settlement.pendingOf(batch, ana), rest(3 ether));
        vm.assertEq(settlement.pendingOf(batch, bia), rest(1.5 ether));
        vm.assertEq(settlement.pendingOf(batch, curator), 0.225 ether);
        vm.assertEq(settlement.pendingOf(batch, treasury), 2.5 ether);
        vm.assertEq(settlement.depositOf(payer), 90 ether);
        vm.assertEq(settlement.spent(payer, gateway), 10 ether);
        ISettlement.Batch memory held = settlement.batch(batch);
        vm.assertEq(held.submitter, gateway);
        vm.assertEq(held.exposure, 30 ether);
        vm.assertEq(held.rows, 1);
    }

    function testFuzzCreditsSumToTheFee(uint128 fee, uint32 a, uint32 b, uint32 work, uint32 develop, uint32 data)
        public
    {
        fee = uint128(bound(fee, 0, 100 ether));
        a = uint32(bound(a, 0, 1e6));
        b = uint32(bound(b, 0, 1e6 - a));
        work = uint32(bound(work, 0, 1e6));
        develop = uint32(bound(develop, 0, 1e6 - work));
        data = uint32(bound(data, 0, 1e6 - work - develop));
        model = registerModel(1e6 - work - develop - data, work, develop, data);
        fund(1, 300 ether);
        uint64 batch = settle(row(fee, a, b));
        uint256 pool = uint256(fee) * data / 1e6;
        vm.assertEq(settlement.pendingOf(batch, worker), uint256(fee) * work / 1e6);
        vm.assertEq(settlement.pendingOf(batch, developer), uint256(fee) * develop / 1e6);
        vm.assertEq(settlement.pendingOf(batch, ana), rest(pool * a / 1e6));
        vm.assertEq(settlement.pendingOf(batch, bia), rest(pool * b / 1e6));
        uint256 sum = settlement.pendingOf(batch, treasury) + settlement.pendingOf(batch, worker)
            + settlement.pendingOf(batch, developer) + settlement.pendingOf(batch, ana)
            + settlement.pendingOf(batch, bia) + settlement.pendingOf(batch, curator);
        vm.assertEq(sum, fee);
    }

    function testManyTabsAndModels() public {
        uint256 otherKey = 0xCAFE;
        vm.deal(address(this), 5 ether);
        settlement.depositFor{value: 5 ether}(vm.addr(otherKey));
        uint32 simple = registerModel(1e6, 0, 0, 0);
        ISettlement.Row[] memory rows = new ISettlement.Row[](3);
        (rows[0], rows[1], rows[2]) = (row(1 ether, 1e6, 0), row(2 ether, 0, 1e6), row(3 ether, 0, 0));
        rows[1].model = simple;
        ISettlement.Tables memory shared = Batches.tables(rows);
        ISettlement.Tab[] memory tabs = new ISettlement.Tab[](2);
        tabs[0] = tabOf(PAYER_KEY, shared, rows);
        tabs[1] = tabOf(otherKey, shared, rowsOf(row(5 ether, 0, 1e6)));
        vm.prank(gateway);
        uint64 batch = settlement.settle(shared, tabs);
        vm.assertEq(settlement.batch(batch).rows, 4);
        vm.assertEq(settlement.pendingOf(batch, ana), rest(0.6 ether));
        vm.assertEq(settlement.pendingOf(batch, bia), rest(3 ether));
        vm.assertEq(settlement.pendingOf(batch, worker), 0.2 ether + 0.6 ether + 1 ether);
        vm.assertEq(settlement.depositOf(vm.addr(otherKey)), 0);
    }

    function testSharesMustBeMembers() public {
        ISettlement.Row memory bad = row(1 ether, 1, 1);
        bad.shares[1] = uint256(99) << 32 | 1;
        settleReverts(rowsOf(bad), abi.encodeWithSelector(ISettlement.NotMember.selector, 0, 99));
        // A later contribution is no member of the earlier version.
        ISettlement.Row memory stale = row(1 ether, 1, 1);
        uint64 third = contribute(address(0xC1A), "a later text");
        stale.shares[1] = uint256(third) << 32 | 1;
        settleReverts(rowsOf(stale), abi.encodeWithSelector(ISettlement.NotMember.selector, 0, third));
        // No versions, no members.
        ISettlement.Row memory none = row(1 ether, 1, 1);
        none.versions = new uint64[](0);
        settleReverts(rowsOf(none), abi.encodeWithSelector(ISettlement.NotMember.selector, 0, first));
    }

    function testWithdrawnContributionStillSettlesForItsVersions() public {
        ISettlement.Row memory before = row(1 ether, 1e6, 0);
        vm.prank(ana);
        datanets.withdraw(first);
        settleReverts(rowsOf(row(1 ether, 1e6, 0)), abi.encodeWithSelector(ISettlement.NotMember.selector, 0, first));
        uint64 batch = settle(before);
        vm.assertEq(settlement.pendingOf(batch, ana), rest(0.6 ether));
    }

    function testVersionsMustExist() public {
        ISettlement.Row memory bad = row(1 ether, 1, 1);
        bad.versions[0] += 1;
        settleReverts(
            rowsOf(bad), abi.encodeWithSelector(ISettlement.UnknownVersion.selector, net, uint32(3), uint32(2))
        );
    }

    function testMalformedRows() public {
        bytes memory invalid = abi.encodeWithSelector(ISettlement.InvalidRow.selector, 0);
        ISettlement.Row memory bad = row(1 ether, 1, 1);
        bad.worker = address(0);
        settleReverts(rowsOf(bad), abi.encodeWithSelector(ISettlement.InvalidTable.selector, 0));
        bad = row(1 ether, 1, 1);
        bad.shares = new uint256[](17);
        settleReverts(rowsOf(bad), invalid);
        bad = row(1 ether, 1, 1);
        bad.versions = new uint64[](17);
        settleReverts(rowsOf(bad), invalid);
        bad = row(1 ether, 1, 1);
        bad.shares[1] = bad.shares[0];
        settleReverts(rowsOf(bad), invalid);
        settleReverts(
            rowsOf(row(1 ether, 600_000, 400_001)),
            abi.encodeWithSelector(ISettlement.SharesExceed.selector, 0, 1_000_001)
        );
        bad = row(1 ether, 1, 1);
        bad.model = 9;
        settleReverts(rowsOf(bad), abi.encodeWithSelector(IModels.UnknownModel.selector, 9));
        bad.model = 0;
        settleReverts(rowsOf(bad), abi.encodeWithSelector(IModels.UnknownModel.selector, 0));
    }

    /// @dev Packed rows that do not fit their tables, or do not end where their tab ends: offsets of docs/spec/settlement.md.
    function testMalformedBytes() public {
        bytes memory invalid = abi.encodeWithSelector(ISettlement.InvalidRow.selector, 0);
        uint8[5] memory places = [49, 51, 55, 57, 62]; // model, worker, version, first and second source
        for (uint256 i; i < places.length; ++i) {
            ISettlement.Tab[] memory tabs = tabsOf(rowsOf(row(1 ether, 1, 1)));
            tabs[0].rows[places[i]] = 0x02;
            settleReverts(tabs, invalid);
            tabs[0].rows[places[i]] = 0x00;
            tabs[0].rows[places[i] - 1] = 0x01;
            settleReverts(tabs, invalid);
        }
        ISettlement.Tab[] memory cut = tabsOf(rowsOf(row(1 ether, 1, 1)));
        bytes memory whole = cut[0].rows;
        vm.assertEq(whole.length, 54 + 2 + 2 * 5);
        cut[0].rows = Openings.slice(whole, 0, whole.length - 1);
        settleReverts(cut, invalid);
        cut[0].rows = bytes.concat(whole, hex"00");
        settleReverts(cut, abi.encodeWithSelector(ISettlement.InvalidRow.selector, 1));
        (cut[0].rows, cut[0].count) = (whole, 2);
        settleReverts(cut, abi.encodeWithSelector(ISettlement.InvalidRow.selector, 1));
        cut[0].count = 1;
        send(cut);
    }

    function testTablesAreInOrder() public {
        ISettlement.Tab[] memory tabs = tabsOf(rowsOf(row(1 ether, 1, 1)));
        ISettlement.Tables memory shared = tablesOf();
        (shared.sources[0], shared.sources[1]) = (shared.sources[1], shared.sources[0]);
        settleReverts(shared, tabs, abi.encodeWithSelector(ISettlement.InvalidTable.selector, 1));
        shared.sources[0] = shared.sources[1];
        settleReverts(shared, tabs, abi.encodeWithSelector(ISettlement.InvalidTable.selector, 1));
    }

    function testEmptyBatches() public {
        bytes memory nothing = abi.encodeWithSelector(ISettlement.NothingToDo.selector);
        settleReverts(new ISettlement.Tab[](0), nothing);
        ISettlement.Tab[] memory tabs = tabsOf(rowsOf(row(1 ether, 0, 0)));
        (tabs[0].rows, tabs[0].count) = ("", 0);
        settleReverts(tabs, nothing);
    }

    function testTermsChangeForward() public {
        ISettlement.Row memory one = row(1 ether, 1e6, 0);
        vm.prank(developer);
        models.setTerms(model, termsOf(0, 0, 1e6, 0));
        uint64 batch = settle(one);
        vm.assertEq(settlement.pendingOf(batch, ana), rest(0.6 ether));
        skip(1, NOTICE);
        batch = settle(one);
        vm.assertEq(settlement.pendingOf(batch, ana), 0);
        vm.assertEq(settlement.pendingOf(batch, developer), 1 ether);
    }

    // ---------------------------------------------------------------- bonds

    function testShortDepositComesOutOfTheBond() public {
        uint64 batch = settle(row(20 ether, 0, 0));
        vm.prank(payer);
        settlement.requestWithdrawal(80 ether);
        skip(10, NOTICE);
        vm.prank(payer);
        settlement.withdraw();
        settlement.push(batch, new address[](0));

        vm.deal(address(this), 1 ether);
        settlement.depositFor{value: 1 ether}(payer);
        batch = settle(row(5 ether, 1e6, 0));
        vm.assertEq(settlement.depositOf(payer), 0);
        vm.assertEq(settlement.bondOf(gateway), 96 ether);
        vm.assertEq(settlement.pendingOf(batch, ana), rest(3 ether));
        closeWindow();
        push(batch, ana);
        vm.assertEq(ana.balance, rest(3 ether));
    }

    function testBondMustCoverPenaltyAndShortfall() public {
        // 100 ether of bond cover (1 + K) * 33.3.. ether of fees.
        settleReverts(
            rowsOf(row(34 ether, 0, 0)), abi.encodeWithSelector(ISettlement.BondShort.selector, 100 ether, 102 ether)
        );
        settle(row(33 ether, 0, 0));
        settleReverts(
            rowsOf(row(1 ether, 0, 0)), abi.encodeWithSelector(ISettlement.BondShort.selector, 100 ether, 102 ether)
        );
    }

    function testBondIsLockedWhileTheWindowIsOpen() public {
        uint64 batch = settle(row(10 ether, 0, 0));
        vm.assertEq(settlement.lockedOf(gateway), 30 ether);
        vm.prank(gateway);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BondShort.selector, 70 ether, 71 ether));
        settlement.unbond(71 ether);
        vm.prank(gateway);
        settlement.unbond(70 ether);
        vm.assertEq(gateway.balance, 70 ether);

        closeWindow();
        settlement.push(batch, new address[](0));
        vm.assertEq(settlement.lockedOf(gateway), 0);
        vm.prank(gateway);
        settlement.unbond(30 ether);
        vm.assertEq(settlement.bondOf(gateway), 0);
        vm.prank(gateway);
        vm.expectRevert(ISettlement.NothingToDo.selector);
        settlement.unbond(0);
    }

    function testEmptyBond() public {
        vm.expectRevert(ISettlement.NothingToDo.selector);
        settlement.bond{value: 0}();
    }

    // ---------------------------------------------------------------- push and claim

    function testPushWaitsForBlocksAndSeconds() public {
        uint64 batch = settle(row(10 ether, 1e6, 0));
        uint256 untilBlock = block.number + WINDOW_BLOCKS;
        uint256 untilTime = block.timestamp + WINDOW_SECONDS;
        bytes memory open = abi.encodeWithSelector(ISettlement.WindowOpen.selector, batch, untilBlock, untilTime);
        vm.roll(untilBlock + 1);
        vm.warp(untilTime - 1);
        vm.expectRevert(open);
        push(batch, ana);
        vm.roll(untilBlock);
        vm.warp(untilTime);
        vm.assertFalse(settlement.windowOver(batch));
        vm.expectRevert(open);
        push(batch, ana);
        vm.roll(untilBlock + 1);
        vm.assertTrue(settlement.windowOver(batch));
        push(batch, ana);
        vm.assertEq(ana.balance, rest(6 ether));
    }

    function testNobodyIsPaidTwice() public {
        uint64 batch = settle(row(10 ether, 1e6, 0));
        closeWindow();
        address[] memory twice = new address[](2);
        (twice[0], twice[1]) = (ana, ana);
        settlement.push(batch, twice);
        push(batch, ana);
        vm.assertEq(ana.balance, rest(6 ether));
        vm.prank(ana);
        vm.expectRevert(ISettlement.NothingToDo.selector);
        settlement.claim();
    }

    function testUnknownBatch() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlement.UnknownBatch.selector, 5));
        push(5, ana);
    }

    function testBadPayeesBlockNobody() public {
        Refuser refuser = new Refuser();
        Burner burner = new Burner();
        Bomb bomb = new Bomb();
        vm.prank(ana);
        datanets.setPayee(first, address(refuser));
        address[] memory payees = new address[](6);
        payees[0] = address(refuser);
        payees[1] = address(burner);
        payees[2] = address(bomb);
        payees[3] = bia;
        payees[4] = treasury;
        payees[5] = address(0x4077); // has nothing here
        ISettlement.Row[] memory rows = new ISettlement.Row[](3);
        (rows[0], rows[1], rows[2]) = (row(10 ether, 5e5, 5e5), row(1 ether, 5e5, 0), row(1 ether, 5e5, 0));
        (rows[1].worker, rows[2].worker) = (address(burner), address(bomb));
        uint64 batch = settle(rows);
        closeWindow();
        uint256 before = gasleft();
        settlement.push(batch, payees);
        vm.assertLe(before - gasleft(), 450_000);
        vm.assertEq(bia.balance, rest(3 ether));
        vm.assertEq(settlement.claimable(address(refuser)), rest(3.6 ether));
        vm.assertEq(settlement.claimable(address(burner)), 0.2 ether);
        vm.assertEq(settlement.claimable(address(bomb)), 0.2 ether);

        vm.expectRevert(abi.encodeWithSelector(ISettlement.TransferRefused.selector, address(refuser), rest(3.6 ether)));
        settlement.claimFor(address(refuser));
        refuser.accept();
        settlement.claimFor(address(refuser));
        vm.assertEq(address(refuser).balance, rest(3.6 ether));
        vm.expectRevert(ISettlement.NothingToDo.selector);
        settlement.claimFor(address(refuser));
    }

    function testReenteringPayeeIsPaidOnce() public {
        Reenterer thief = new Reenterer(settlement);
        ISettlement.Row memory bad = row(10 ether, 0, 0);
        bad.worker = address(thief);
        uint64 batch = settle(bad);
        thief.aim(batch);
        closeWindow();
        push(batch, address(thief));
        // Were it owed what is no longer there, this would fail; the balance tells then.
        if (settlement.claimable(address(thief)) != 0) try settlement.claimFor(address(thief)) {} catch {}
        vm.assertEq(address(thief).balance, 2 ether);
        vm.assertEq(thief.received(), 1);
        vm.assertEq(settlement.claimable(address(thief)), 0);
    }

    function testPusherCannotStarveAPayee() public {
        Bookkeeper payee = new Bookkeeper();
        vm.prank(ana);
        datanets.setPayee(first, address(payee));
        uint64 batch = settle(row(10 ether, 1e6, 0));
        closeWindow();
        settlement.push(batch, new address[](0));
        // Whatever gas it gets: the payee is paid, or nothing happens and the keeper hears why.
        bool told;
        for (uint256 gas_ = 30_000; gas_ < 150_000; gas_ += 1_000) {
            try settlement.push{gas: gas_}(batch, only(address(payee))) {
                vm.assertTrue(told, "never told");
                vm.assertEq(settlement.claimable(address(payee)), 0);
                vm.assertEq(payee.received(), rest(6 ether));
                return;
            } catch (bytes memory reason) {
                if (bytes4(reason) == ISettlement.GasTooLow.selector) told = true;
            }
        }
        vm.assertTrue(false, "never paid");
    }

    function testCreditsGoToThePayeeOfTheTime() public {
        uint64 batch = settle(row(10 ether, 1e6, 0));
        vm.prank(ana);
        datanets.setPayee(first, bia);
        closeWindow();
        push(batch, ana);
        vm.assertEq(ana.balance, rest(6 ether));
        vm.assertEq(settlement.pendingOf(batch, bia), 0);
    }

    function testOnlyChallengesMayExecute() public {
        uint64 batch = settle(row(10 ether, 1e6, 0));
        ISettlement.Judgement memory judgement;
        judgement.batch = batch;
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotJudge.selector, address(this)));
        settlement.execute(judgement);
    }

    /// @dev Even a wrong judge cannot take more than the batch holds and locks.
    function testAJudgementIsBounded() public {
        settle(row(10 ether, 0, 1e6));
        uint64 batch = settle(row(10 ether, 1e6, 0));
        ISettlement.Judgement memory judgement;
        judgement.batch = batch;
        judgement.moves = new ISettlement.Move[](1);
        judgement.moves[0] = ISettlement.Move(ana, 6 ether + 1);
        vm.prank(address(challenges));
        vm.expectRevert();
        settlement.execute(judgement);
        judgement.moves[0] = ISettlement.Move(bia, 1);
        vm.prank(address(challenges));
        vm.expectRevert();
        settlement.execute(judgement);
        judgement.moves = new ISettlement.Move[](0);
        judgement.burnt = 30 ether + 1;
        vm.prank(address(challenges));
        vm.expectRevert();
        settlement.execute(judgement);
        judgement.burnt = 30 ether;
        vm.prank(address(challenges));
        settlement.execute(judgement);
        vm.assertEq(settlement.bondOf(gateway), 70 ether);
        vm.assertEq(settlement.lockedOf(gateway), 30 ether);
    }
}
