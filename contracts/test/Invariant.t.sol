// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IDemands} from "../src/interfaces/IDemands.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Batches} from "./lib/Batches.sol";
import {Refuser} from "./lib/Doubles.sol";
import {Openings} from "./lib/Openings.sol";
import {Test} from "./lib/Vm.sol";
import {World} from "./lib/World.sol";

/// @notice Random payers, gateways, contributors and challengers, one step at a time.
contract Handler is World {
    uint256[3] private payerKeys = [uint256(0xA1), 0xA2, 0xA3];
    address[2] private gateways = [address(0x6001), address(0x6002)];
    uint64[4] private ids;
    address[] public people;
    uint256 public burnt;
    uint256 public given;
    mapping(bytes32 step => uint256) public done;

    struct Past {
        uint64 batch;
        address payer;
        bytes rows; // encoded, because the compiler cannot copy them to storage
        bytes receipts;
    }

    struct Moment {
        uint256 blocks;
        uint256 secs;
    }

    Past[] private pasts;
    /// @dev What the rows of a batch cost, less what reversals gave back; and whether it was ever pushed.
    mapping(uint64 batch => uint256) public fees;
    mapping(uint64 batch => bool) public pushed;
    /// @dev Refusals that no rule explains: an underflow would be a bug in the accounts. Counted, because a step that reverts is
    /// undone, and what it noted with it; the sums below wrap for the same reason.
    uint256 public unexpected;
    /// @dev The last demand that extended a batch, and demands after four windows in blocks and in seconds.
    mapping(uint64 batch => Moment) private demanded;
    uint256 public lateDemands;
    /// @dev (1 + K) fees of a batch, less what challenges took from the bond; nothing once it was pushed.
    mapping(uint64 batch => uint256) public exposed;

    function start() external {
        World.setUp();
        for (uint256 i; i < 4; ++i) {
            address who = i == 3 ? address(new Refuser()) : address(uint160(0x9000 + i));
            ids[i] = contribute(who, bytes(vm.toString(i)));
            people.push(who);
        }
        people.push(treasury);
        people.push(developer);
        people.push(worker);
        people.push(challenger);
        give(challenger, 1000 ether); // for deposits of demands
        people.push(curator);
        for (uint256 i; i < 3; ++i) {
            people.push(vm.addr(payerKeys[i]));
        }
        people.push(gateways[0]);
        people.push(gateways[1]);
    }

    function peopleCount() external view returns (uint256) {
        return people.length;
    }

    modifier counted(bytes32 step) {
        _;
        ++done[step];
    }

    function give(address who, uint256 amount) private {
        vm.deal(who, who.balance + amount);
        given += amount;
    }

    // ---------------------------------------------------------------- steps

    function deposit(uint256 who, uint256 amount) external counted("deposit") {
        amount = bound(amount, 1, 5 ether);
        give(address(this), amount);
        settlement.depositFor{value: amount}(vm.addr(payerKeys[who % 3]));
    }

    function requestWithdrawal(uint256 who, uint256 amount) external counted("request") {
        address from = vm.addr(payerKeys[who % 3]);
        uint128 most = settlement.depositOf(from);
        vm.prank(from);
        settlement.requestWithdrawal(uint128(bound(amount, 1, most)));
    }

    function withdraw(uint256 who) external counted("withdraw") {
        vm.prank(vm.addr(payerKeys[who % 3]));
        settlement.withdraw();
    }

    function bond(uint256 who, uint256 amount) external counted("bond") {
        amount = bound(amount, 1 ether, 40 ether);
        give(gateways[who % 2], amount);
        vm.prank(gateways[who % 2]);
        settlement.bond{value: amount}();
    }

    function unbond(uint256 who, uint256 amount) external counted("unbond") {
        address from = gateways[who % 2];
        // More than is free too: that must be refused.
        uint128 most = settlement.bondOf(from) - (amount % 2 == 0 ? settlement.lockedOf(from) : 0);
        vm.prank(from);
        settlement.unbond(uint128(bound(amount >> 1, 1, most)));
    }

    function setPayee(uint256 which, uint256 to) external counted("setPayee") {
        uint64 id = ids[which % 4];
        address owner = datanets.contribution(id).contributor;
        vm.prank(owner);
        datanets.setPayee(id, people[to % people.length]);
    }

    function setTerms(uint32 work, uint32 data) external counted("setTerms") {
        work = uint32(bound(work, 0, 1e6));
        data = uint32(bound(data, 0, 1e6 - work));
        uint32 develop = (1e6 - work - data) / 2;
        vm.prank(developer);
        models.setTerms(model, termsOf(1e6 - work - data - develop, work, develop, data));
    }

    function settleSome(uint256 seed, uint256 count, uint128 fee) external counted("settle") {
        count = bound(count, 1, 3);
        uint256 key = payerKeys[seed % 3];
        address to = gateways[seed >> 8 & 1];
        ISettlement.Tab[] memory tabs = new ISettlement.Tab[](1);
        IChallenges.AnswerReceipt[] memory receipts = new IChallenges.AnswerReceipt[](count);
        tabs[0].payer = vm.addr(key);
        ISettlement.Row[] memory rows = new ISettlement.Row[](count);
        tabs[0].total = settlement.spent(tabs[0].payer, to);
        for (uint256 i; i < count; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            receipts[i] = lie(draw, tabs[0].payer, to);
            rows[i] = rowFor(draw, receipts[i], uint128(bound(fee >> i, 0, 1 ether)));
            tabs[0].total += rows[i].fee;
        }
        tabs[0].count = uint32(count);
        ISettlement.Tables memory tables = Batches.tables(rows);
        tabs[0].rows = Batches.pack(tables, rows);
        tabs[0].signature = sign(key, settlement.voucherDigest(tabs[0].payer, to, tabs[0].total, 0));
        vm.prank(to);
        uint64 batch = settlement.settle(tables, tabs);
        for (uint256 i; i < count; ++i) {
            fees[batch] += rows[i].fee;
        }
        exposed[batch] = (1 + K) * fees[batch];
        pasts.push(Past(batch, tabs[0].payer, abi.encode(rows), abi.encode(receipts)));
    }

    function rowFor(uint256 draw, IChallenges.AnswerReceipt memory receipt, uint128 fee)
        private
        view
        returns (ISettlement.Row memory)
    {
        uint256[] memory shares = new uint256[](3);
        for (uint256 j; j < 3; ++j) {
            shares[j] = uint256(ids[((draw >> 40 & 3) + j) & 3]) << 32 | (draw >> 96 + 32 * j & 0x3ffff);
        }
        return ISettlement.Row(challenges.receiptId(receipt), model, worker, fee, named(net), shares);
    }

    /// @dev Few nonces, so that requests are settled twice; two runs that no text can make true.
    function lie(uint256 draw, address from, address to) private view returns (IChallenges.AnswerReceipt memory r) {
        (r.payer, r.gateway, r.nonce) = (from, to, uint64(draw % 4));
        r.answerBytes = 1000;
        r.evidenceHash = Openings.evidenceHash(lies(draw));
        r.seed = uint64(draw >> 8 & 3);
    }

    /// @dev Half of them overlap, half partition the answer.
    function lies(uint256 draw) private view returns (IChallenges.Run[] memory runs) {
        uint256 seed = draw >> 8 & 3;
        uint32 end = uint32(100 + 300 * seed);
        runs = new IChallenges.Run[](seed == 3 ? 1 : 2);
        runs[0] = IChallenges.Run(0, end, ids[seed], 9, 0, 1000, 0);
        if (seed == 0) runs[1] = IChallenges.Run(0, 700, ids[3], 9, 0, 1000, 0);
        else if (seed != 3) runs[1] = IChallenges.Run(end, 1000, ids[3 - seed], 9, 0, 1000, 0);
    }

    function openPast(Past storage past, uint256 i)
        private
        view
        returns (IChallenges.RowOpening memory, IChallenges.AnswerReceipt memory)
    {
        ISettlement.Row[] memory rows = abi.decode(past.rows, (ISettlement.Row[]));
        bytes32[] memory leaves = new bytes32[](rows.length);
        for (uint256 j; j < leaves.length; ++j) {
            leaves[j] = Openings.rowLeaf(past.payer, rows[j]);
        }
        i %= rows.length;
        return (
            IChallenges.RowOpening(past.batch, uint32(i), past.payer, rows[i], Openings.path(leaves, i)),
            abi.decode(past.receipts, (IChallenges.AnswerReceipt[]))[i]
        );
    }

    /// @dev What a challenge changes that nobody but the bond pays.
    struct Before {
        uint64 batch;
        uint256 burnt;
        uint256 bond;
    }

    function look(uint64 batch) private view returns (Before memory) {
        return Before(batch, address(0).balance, settlement.bondOf(settlement.batch(batch).submitter));
    }

    function note(Before memory before) private {
        burnt += address(0).balance - before.burnt;
        unchecked {
            exposed[before.batch] -= before.bond - settlement.bondOf(settlement.batch(before.batch).submitter);
        }
    }

    function reverse(IChallenges.RowOpening memory row) private {
        unchecked {
            fees[row.batch] -= row.row.fee;
        }
    }

    function challengeRun(uint256 which, uint256 run) external counted("challenge") {
        Past storage past = pasts[pasts.length - 1 - which % (pasts.length < 4 ? pasts.length : 4)];
        (IChallenges.RowOpening memory row, IChallenges.AnswerReceipt memory receipt) = openPast(past, which >> 16);
        IChallenges.RunOpening memory opened =
            Openings.openRun(receipt, lies(uint256(receipt.seed) << 8), uint32(run % (receipt.seed == 3 ? 1 : 2)));
        IChallenges.TextOpening memory nothing;
        IChallenges.SourceOpening memory nowhere;
        Before memory before = look(row.batch);
        vm.prank(challenger);
        challenges.challengeNotThere(row, opened, 0, nothing, nowhere);
        note(before);
    }

    /// @dev Most fees here are not what the tokens cost.
    function challengeRow(uint256 which, uint32 version) external counted("row") {
        (IChallenges.RowOpening memory row, IChallenges.AnswerReceipt memory receipt) = recent(which);
        bytes memory data = abi.encodeCall(IChallenges.challengeRow, (row, receipt, version % 4));
        Before memory before = look(row.batch);
        if (which % 2 == 0) announced(address(challenges), challenger, data);
        else challenges.challengeRow(row, receipt, version % 4);
        note(before);
        reverse(row);
    }

    function challengeShares(uint256 which, uint256 source) external counted("shares") {
        (IChallenges.RowOpening memory row, IChallenges.AnswerReceipt memory receipt) = recent(which);
        IChallenges.Evidence memory evidence = Openings.evidence(lies(uint256(receipt.seed) << 8));
        Before memory before = look(row.batch);
        challenges.challengeShares(row, receipt, evidence, ids[source % 4]);
        note(before);
        if (challenges.rowState(row.batch, row.index).reversed) reverse(row);
    }

    function demand(uint256 which, uint256 wanted) external counted("demand") {
        (IChallenges.RowOpening memory row, IChallenges.AnswerReceipt memory receipt) = recent(which);
        bool first = which >> 8 & 1 == 1;
        if (wanted % 3 == 0) {
            vm.prank(challenger);
            demands.demandReceipt{value: 0.1 ether}(row);
            return noteDemand(row.batch);
        }
        IDemands.Wanted kind = wanted % 3 == 1 ? IDemands.Wanted.Evidence : IDemands.Wanted.Answer;
        bytes memory data = abi.encodeCall(IDemands.demand, (row, receipt, kind, 0));
        if (first) {
            vm.prank(challenger);
            demands.announce(keccak256(abi.encode(challenger, keccak256(data))));
            vm.roll(vm.getBlockNumber() + 1);
        }
        vm.prank(challenger);
        demands.demand{value: 0.1 ether}(row, receipt, kind, 0);
        noteDemand(row.batch);
    }

    function noteDemand(uint64 id) private {
        ISettlement.Batch memory batch = settlement.batch(id);
        Moment memory present = Moment(vm.getBlockNumber(), vm.getBlockTimestamp());
        if (
            present.blocks > batch.settledBlock + 4 * WINDOW_BLOCKS
                && present.secs >= batch.settledAt + 4 * WINDOW_SECONDS
        ) ++lateDemands;
        demanded[id] = present;
    }

    function show(uint64 id) external counted("show") {
        id = uint64(bound(id, 1, demands.demandCount()));
        (, IChallenges.AnswerReceipt memory receipt) = ofDemand(id);
        IDemands.Wanted kind = demands.demandOf(id).wanted;
        IChallenges.Evidence memory evidence = Openings.evidence(lies(uint256(receipt.seed) << 8));
        // Not startPrank: it would outlive a revert.
        vm.prank(worker);
        if (kind == IDemands.Wanted.Receipt) demands.showReceipt(id, receipt);
        else demands.showEvidence(id, evidence);
    }

    function judge(uint64 id) external counted("judge") {
        id = uint64(bound(id, 1, demands.demandCount()));
        (IChallenges.RowOpening memory row,) = ofDemand(id);
        bool reversed = challenges.rowState(row.batch, row.index).reversed;
        Before memory before = look(row.batch);
        demands.judgeWithheld(id, row);
        note(before);
        if (!reversed && challenges.rowState(row.batch, row.index).reversed) {
            reverse(row);
            ++done["withheld"];
        }
    }

    function recent(uint256 which)
        private
        view
        returns (IChallenges.RowOpening memory, IChallenges.AnswerReceipt memory)
    {
        Past storage past = pasts[pasts.length - 1 - which % (pasts.length < 4 ? pasts.length : 4)];
        return openPast(past, which >> 16);
    }

    /// @dev Batches are numbered as they are made here.
    function ofDemand(uint64 id)
        private
        view
        returns (IChallenges.RowOpening memory, IChallenges.AnswerReceipt memory)
    {
        IDemands.Demand memory made = demands.demandOf(id);
        return openPast(pasts[made.batch - 1], made.row);
    }

    function challengeDouble(uint256 which) external counted("double") {
        uint256 last = pasts.length - 1 - which % (pasts.length < 10 ? pasts.length : 10);
        for (uint256 back; back <= last; ++back) {
            for (uint256 pair; pair < 9; ++pair) {
                if (tryDouble(pasts[last - back], pair / 3, pasts[last], pair % 3)) return;
            }
        }
        revert("no double settlement");
    }

    function tryDouble(Past storage a, uint256 j, Past storage b, uint256 i) private returns (bool) {
        (IChallenges.RowOpening memory first, IChallenges.AnswerReceipt memory one_) = openPast(a, j);
        (IChallenges.RowOpening memory second, IChallenges.AnswerReceipt memory two) = openPast(b, i);
        if (one_.nonce != two.nonce || a.payer != b.payer) return false;
        Before memory before = look(second.batch);
        vm.prank(challenger);
        try challenges.challengeDoubleSettle(first, one_, second, two) {
            reverse(second);
            note(before);
            return true;
        } catch (bytes memory reason) {
            bytes4 error_ = bytes4(reason);
            bool known = error_ == IChallenges.DifferentRequests.selector || error_ == IChallenges.RowReversed.selector
                || error_ == IChallenges.WindowOver.selector;
            if (!known) ++unexpected;
            return !known; // true: a step that finds nothing reverts
        }
    }

    function push(uint256 which, uint256 from) external counted("push") {
        address[] memory payees = new address[](6);
        for (uint256 i; i < 6; ++i) {
            payees[i] = people[(from + i) % people.length];
        }
        uint64 batch = uint64(bound(which, 1, settlement.batchCount()));
        settlement.push(batch, payees);
        pushed[batch] = true;
        exposed[batch] = 0;
    }

    function claim(uint256 who) external counted("claim") {
        settlement.claimFor(people[who % people.length]);
    }

    function openRefuser() external {
        if (done["settle"] > 6) Refuser(payable(people[3])).accept();
    }

    function pass(uint256 blocks, uint256 secs) external counted("pass") {
        // Now and then long enough for a notice to end.
        skip(bound(blocks, 0, 5), secs % 4 == 0 ? NOTICE : bound(secs, 0, 90));
    }

    // ---------------------------------------------------------------- sums

    function owed() external view returns (uint256 sum) {
        uint64 batches = settlement.batchCount();
        for (uint256 i; i < people.length; ++i) {
            address who = people[i];
            sum += settlement.claimable(who) + settlement.depositOf(who) + settlement.bondOf(who);
            for (uint64 b = 1; b <= batches; ++b) {
                sum += settlement.pendingOf(b, who);
            }
        }
    }

    /// @dev The first batch that nobody has pushed and whose credits are not what its rows cost; 0: none.
    function unbalanced() external view returns (uint64) {
        for (uint64 b = 1; b <= settlement.batchCount(); ++b) {
            if (pushed[b]) continue;
            uint256 sum;
            for (uint256 i; i < people.length; ++i) {
                // People are distinct; the treasury and the curator are among them.
                sum += settlement.pendingOf(b, people[i]);
            }
            if (sum != fees[b]) return b;
        }
        return 0;
    }

    /// @dev What demands hold, and what they should hold.
    function deposits() external view returns (uint256 has, uint256 sum) {
        has = address(demands).balance;
        for (uint64 id = 1; id <= demands.demandCount(); ++id) {
            IDemands.Demand memory made = demands.demandOf(id);
            if (made.status == IDemands.Status.Open) sum += made.deposit;
        }
    }

    /// @dev A batch is open for a window, and for two after the last demand, which came in time: no longer, and no shorter.
    function heldUp() external view returns (bool) {
        for (uint64 b = 1; b <= settlement.batchCount(); ++b) {
            ISettlement.Batch memory batch = settlement.batch(b);
            (uint256 untilBlock, uint256 untilTime) = settlement.windowOf(b);
            Moment memory last = demanded[b];
            uint256 blocks = batch.settledBlock + WINDOW_BLOCKS;
            uint256 secs = batch.settledAt + WINDOW_SECONDS;
            if (last.blocks + 2 * WINDOW_BLOCKS > blocks) blocks = last.blocks + 2 * WINDOW_BLOCKS;
            if (last.secs + 2 * WINDOW_SECONDS > secs) secs = last.secs + 2 * WINDOW_SECONDS;
            if (untilBlock != (last.blocks == 0 ? batch.settledBlock + WINDOW_BLOCKS : blocks)) return true;
            if (untilTime != (last.blocks == 0 ? batch.settledAt + WINDOW_SECONDS : secs)) return true;
        }
        return lateDemands != 0;
    }

    function held() external view returns (uint256) {
        return address(settlement).balance;
    }

    /// @dev Everything ever given is with somebody, held, or burnt.
    function accounted() external view returns (uint256 sum) {
        sum = address(settlement).balance + address(demands).balance + burnt;
        for (uint256 i; i < people.length; ++i) {
            sum += people[i].balance;
        }
    }

    /// @dev What the batches of a gateway say, what the handler counted, what is locked for it, and the bond.
    function exposures(uint256 who)
        external
        view
        returns (uint256 sum, uint256 counted_, uint256 locked, uint256 bonded)
    {
        address gateway_ = gateways[who];
        for (uint64 b = 1; b <= settlement.batchCount(); ++b) {
            ISettlement.Batch memory batch = settlement.batch(b);
            if (batch.submitter != gateway_) continue;
            sum += batch.exposure;
            unchecked {
                counted_ += exposed[b];
            }
        }
        (locked, bonded) = (settlement.lockedOf(gateway_), settlement.bondOf(gateway_));
    }
}

contract InvariantTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler private handler;

    function setUp() public {
        handler = new Handler();
        handler.start();
        // A fair start, so that most steps find something to do.
        for (uint256 i; i < 3; ++i) {
            handler.deposit(i, 3 ether);
            handler.bond(i, 30 ether);
        }
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](21);
        selectors[0] = Handler.deposit.selector;
        selectors[1] = Handler.requestWithdrawal.selector;
        selectors[2] = Handler.withdraw.selector;
        selectors[3] = Handler.bond.selector;
        selectors[4] = Handler.unbond.selector;
        selectors[5] = Handler.setPayee.selector;
        selectors[6] = Handler.setTerms.selector;
        selectors[7] = Handler.settleSome.selector;
        selectors[8] = Handler.settleSome.selector;
        selectors[9] = Handler.challengeRun.selector;
        selectors[10] = Handler.challengeDouble.selector;
        selectors[11] = Handler.push.selector;
        selectors[12] = Handler.push.selector;
        selectors[13] = Handler.claim.selector;
        selectors[14] = Handler.openRefuser.selector;
        selectors[15] = Handler.pass.selector;
        selectors[16] = Handler.challengeRow.selector;
        selectors[17] = Handler.challengeShares.selector;
        selectors[18] = Handler.demand.selector;
        selectors[19] = Handler.show.selector;
        selectors[20] = Handler.judge.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// @dev One campaign looks at everything after every step: docs/decisions/0044-one-campaign.md.
    function invariant_settlement() public view {
        solvent();
        nothingIsLost();
        bondsCoverExposures();
        creditsOfABatchAreItsFees();
        demandsHoldTheirDeposits();
        noBatchIsHeldUp();
        refusalsHaveTheirReason();
    }

    function solvent() private view {
        vm.assertEq(handler.held(), handler.owed(), "solvent");
    }

    function nothingIsLost() private view {
        vm.assertEq(handler.accounted(), handler.given(), "nothingIsLost");
    }

    function bondsCoverExposures() private view {
        for (uint256 i; i < 2; ++i) {
            (uint256 sum, uint256 counted, uint256 locked, uint256 bonded) = handler.exposures(i);
            vm.assertEq(sum, counted, "bondsCoverExposures: the penalties");
            vm.assertEq(sum, locked, "bondsCoverExposures: locked");
            vm.assertLe(locked, bonded, "bondsCoverExposures: the bond");
        }
    }

    function creditsOfABatchAreItsFees() private view {
        vm.assertEq(handler.unbalanced(), 0, "creditsOfABatchAreItsFees");
    }

    function demandsHoldTheirDeposits() private view {
        (uint256 has, uint256 sum) = handler.deposits();
        vm.assertEq(has, sum, "demandsHoldTheirDeposits");
    }

    function refusalsHaveTheirReason() private view {
        vm.assertEq(handler.unexpected(), 0, "refusalsHaveTheirReason");
    }

    function noBatchIsHeldUp() private view {
        vm.assertFalse(handler.heldUp(), "noBatchIsHeldUp");
    }

    /// @dev The handler's steps do work: without this the invariants could hold because nothing happens.
    function testTheStepsHappen() public {
        for (uint256 i; i < 12; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(i)));
            handler.settleSome(draw, draw, uint128(draw));
        }
        handler.challengeRun(0, 0);
        handler.challengeRun(1, 1);
        uint256 doubles;
        for (uint256 i; i < 10; ++i) {
            try handler.challengeDouble(i) {
                ++doubles;
            } catch (bytes memory reason) {
                vm.assertEq(
                    keccak256(reason), keccak256(abi.encodeWithSignature("Error(string)", "no double settlement"))
                );
            }
        }
        vm.assertGe(doubles, 2);
        creditsOfABatchAreItsFees();
        for (uint256 i; i < 4; ++i) {
            handler.bond(i, 39 ether);
            handler.settleSome(i << 30, i, uint128(1 ether - i));
        }
        handler.demand(2, 0);
        handler.demand(2, 1);
        handler.demand(3, 1);
        handler.show(1);
        handler.show(3);
        handler.pass(4, 80);
        handler.judge(2);
        vm.assertEq(handler.done("withheld"), 1);
        for (uint256 i; i < 4; ++i) {
            handler.bond(i, 39 ether);
            handler.settleSome(i << 20, i, uint128(1 ether - i));
        }
        handler.challengeShares(0, 0);
        handler.challengeRow(1, 1);
        handler.challengeRow(2, 1);
        creditsOfABatchAreItsFees();
        demandsHoldTheirDeposits();
        noBatchIsHeldUp();
        handler.setPayee(0, 1);
        handler.setTerms(1, 1);
        for (uint256 i; i < 5; ++i) {
            handler.pass(3, 40);
        }
        for (uint256 i; i < 40; ++i) {
            handler.push(i % 20, i * 6);
        }
        handler.openRefuser();
        solvent();
        nothingIsLost();
        bondsCoverExposures();
        vm.assertGe(handler.burnt(), 1);
    }
}
