// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IDemands} from "../src/interfaces/IDemands.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Batches} from "./lib/Batches.sol";
import {Refuser} from "./lib/Doubles.sol";
import {Openings} from "./lib/Openings.sol";
import {Steps} from "./lib/Steps.sol";
import {Test} from "./lib/Vm.sol";
import {World} from "./lib/World.sol";

/// @notice Random payers, gateways, contributors and challengers, one step at a time.
contract Handler is World, Steps {
    uint256[3] private payerKeys = [uint256(0xA1), 0xA2, 0xA3];
    address[3] private payers;
    address[2] private gateways = [address(0x6001), address(0x6002)];
    uint64[4] private ids;
    address[] private people;
    uint256 public burnt;
    uint256 public given;

    /// @dev From these follow rows and receipts.
    struct Past {
        uint256 seed;
        uint128 fee;
        uint8 count;
    }

    struct Moment {
        uint256 blocks;
        uint256 secs;
    }

    /// @dev By batch, from 1.
    Past[] private pasts;
    /// @dev Refusals that no rule explains: an underflow would be a bug in the accounts. Counted, because a step that reverts is
    /// undone, and what it noted with it; the sums below wrap for the same reason.
    uint256 public unexpected;
    /// @dev What is credited in a batch: what its rows cost, less what reversals gave back, and less what was pushed.
    mapping(uint64 batch => uint256) private credited;
    uint256 private creditedInAll;
    /// @dev (1 + K) fees of a batch, less what challenges took from the bond; nothing once it was pushed.
    mapping(uint64 batch => uint256) private exposed;
    mapping(address gateway => uint256) private exposedInAll;
    /// @dev The last demand that extended a batch, and demands after four windows in blocks and in seconds.
    mapping(uint64 batch => Moment) private demanded;
    uint256 public lateDemands;
    uint256 private depositsOfDemands;
    uint64 private touched; // the batch that a step changed, if any

    function forget() internal override {
        touched = 0;
    }

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
            payers[i] = vm.addr(payerKeys[i]);
            people.push(payers[i]);
        }
        people.push(gateways[0]);
        people.push(gateways[1]);
    }

    function give(address who, uint256 amount) private {
        vm.deal(who, who.balance + amount);
        given += amount;
    }

    // ---------------------------------------------------------------- steps

    function deposit(uint256 who, uint256 amount) external counted("deposit") {
        amount = bound(amount, 1, 5 ether);
        give(address(this), amount);
        settlement.depositFor{value: amount}(payers[who % 3]);
    }

    function requestWithdrawal(uint256 who, uint256 amount) external counted("request") {
        address from = payers[who % 3];
        uint128 most = settlement.depositOf(from);
        amount = bound(amount, 1, most);
        vm.prank(from);
        settlement.requestWithdrawal(uint128(amount));
    }

    function withdraw(uint256 who) external counted("withdraw") {
        vm.prank(payers[who % 3]);
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
        amount = bound(amount >> 1, 1, most);
        vm.prank(from);
        settlement.unbond(uint128(amount));
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
        Past memory past = Past(seed, fee, uint8(bound(count, 1, 3)));
        address to = gatewayOf(past);
        ISettlement.Tab[] memory tabs = new ISettlement.Tab[](1);
        tabs[0].payer = payerOf(past);
        ISettlement.Row[] memory rows = rowsOf(past);
        uint256 cost;
        for (uint256 i; i < rows.length; ++i) {
            cost += rows[i].fee;
        }
        tabs[0].total = settlement.spent(tabs[0].payer, to) + uint128(cost);
        tabs[0].count = uint32(rows.length);
        ISettlement.Tables memory tables = Batches.tables(rows);
        tabs[0].rows = Batches.pack(tables, rows);
        tabs[0].signature = sign(payerKeys[seed % 3], settlement.voucherDigest(tabs[0].payer, to, tabs[0].total, 0));
        vm.prank(to);
        touched = settlement.settle(tables, tabs);
        credited[touched] = cost;
        creditedInAll += cost;
        exposed[touched] = (1 + K) * cost;
        exposedInAll[to] += (1 + K) * cost;
        pasts.push(past);
    }

    function payerOf(Past memory past) private view returns (address) {
        return payers[past.seed % 3];
    }

    function gatewayOf(Past memory past) private view returns (address) {
        return gateways[past.seed >> 8 & 1];
    }

    function drawOf(Past memory past, uint256 i) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(past.seed, i)));
    }

    function rowsOf(Past memory past) private view returns (ISettlement.Row[] memory rows) {
        rows = new ISettlement.Row[](past.count);
        uint64[] memory versions = named(net);
        for (uint256 i; i < rows.length; ++i) {
            uint256 draw = drawOf(past, i);
            rows[i] = ISettlement.Row(
                challenges.receiptId(receiptOf(past, i)),
                model,
                worker,
                uint128(bound(past.fee >> i, 0, 1 ether)),
                versions,
                new uint256[](3)
            );
            for (uint256 j; j < 3; ++j) {
                rows[i].shares[j] = uint256(ids[((draw >> 40 & 3) + j) & 3]) << 32 | (draw >> 96 + 32 * j & 0x3ffff);
            }
        }
    }

    /// @dev Few nonces, so that requests are settled twice; two runs that no text can make true.
    function receiptOf(Past memory past, uint256 i) private view returns (IChallenges.AnswerReceipt memory r) {
        uint256 draw = drawOf(past, i);
        (r.payer, r.gateway, r.nonce) = (payerOf(past), gatewayOf(past), uint64(draw % 4));
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

    /// @dev Batches are numbered as they are made here.
    function openPast(uint64 batch, uint256 i)
        private
        view
        returns (IChallenges.RowOpening memory, IChallenges.AnswerReceipt memory)
    {
        Past memory past = pasts[batch - 1];
        ISettlement.Row[] memory rows = rowsOf(past);
        bytes32[] memory leaves = new bytes32[](rows.length);
        for (uint256 j; j < leaves.length; ++j) {
            leaves[j] = Openings.rowLeaf(payerOf(past), rows[j]);
        }
        i %= rows.length;
        return (
            IChallenges.RowOpening(batch, uint32(i), payerOf(past), rows[i], Openings.path(leaves, i)),
            receiptOf(past, i)
        );
    }

    /// @dev What a challenge changes that nobody but the bond pays.
    struct Before {
        uint64 batch;
        uint256 burnt;
        uint256 bond;
    }

    function look(uint64 batch) private view returns (Before memory) {
        return Before(batch, address(0).balance, settlement.bondOf(gatewayOf(pasts[batch - 1])));
    }

    function note(Before memory before) private {
        burnt += address(0).balance - before.burnt;
        address from = gatewayOf(pasts[before.batch - 1]);
        unchecked {
            uint256 taken = before.bond - settlement.bondOf(from);
            exposed[before.batch] -= taken;
            exposedInAll[from] -= taken;
        }
        touched = before.batch;
    }

    function reverse(IChallenges.RowOpening memory row) private {
        unchecked {
            credited[row.batch] -= row.row.fee;
            creditedInAll -= row.row.fee;
        }
    }

    function challengeRun(uint256 which, uint256 run) external counted("challenge") {
        (IChallenges.RowOpening memory row, IChallenges.AnswerReceipt memory receipt) = recent(which);
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
        demandOf(row, receipt, wanted, which >> 8 & 1 == 1);
    }

    /// @dev One thing of the latest batch after the other, each when the window that the one before left is nearly over: random
    /// steps hardly ever hold a batch open for long.
    function hold() external counted("hold") {
        for (uint256 thing; thing < 9; ++thing) {
            try this.demandThing(thing) {
                skip(2 * WINDOW_BLOCKS - 1, 2 * WINDOW_SECONDS - 1);
            } catch {}
        }
    }

    function demandThing(uint256 thing) external {
        (IChallenges.RowOpening memory row, IChallenges.AnswerReceipt memory receipt) =
            openPast(uint64(pasts.length), thing / 3);
        demandOf(row, receipt, thing % 3, false);
    }

    function demandOf(
        IChallenges.RowOpening memory row,
        IChallenges.AnswerReceipt memory receipt,
        uint256 wanted,
        bool first
    ) private {
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
        touched = id;
        depositsOfDemands += 0.1 ether;
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
        unchecked {
            depositsOfDemands -= 0.1 ether;
        }
    }

    function judge(uint64 id) external counted("judge") {
        id = uint64(bound(id, 1, demands.demandCount()));
        (IChallenges.RowOpening memory row,) = ofDemand(id);
        bool reversed = challenges.rowState(row.batch, row.index).reversed;
        Before memory before = look(row.batch);
        demands.judgeWithheld(id, row);
        unchecked {
            depositsOfDemands -= 0.1 ether;
        }
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
        return openPast(uint64(pasts.length - which % (pasts.length < 4 ? pasts.length : 4)), which >> 16);
    }

    function ofDemand(uint64 id)
        private
        view
        returns (IChallenges.RowOpening memory, IChallenges.AnswerReceipt memory)
    {
        IDemands.Demand memory made = demands.demandOf(id);
        return openPast(made.batch, made.row);
    }

    function challengeDouble(uint256 which) external counted("double") {
        uint64 last = uint64(pasts.length - which % (pasts.length < 10 ? pasts.length : 10));
        for (uint64 first = last; first != 0; --first) {
            for (uint256 pair; pair < 9; ++pair) {
                if (tryDouble(first, pair / 3, last, pair % 3)) return;
            }
        }
        revert("no double settlement");
    }

    function tryDouble(uint64 a, uint256 j, uint64 b, uint256 i) private returns (bool) {
        (Past memory one_, Past memory two_) = (pasts[a - 1], pasts[b - 1]);
        if (j >= one_.count || i >= two_.count || payerOf(one_) != payerOf(two_)) return false;
        if (drawOf(one_, j) % 4 != drawOf(two_, i) % 4) return false; // another nonce
        (IChallenges.RowOpening memory first, IChallenges.AnswerReceipt memory one) = openPast(a, j);
        (IChallenges.RowOpening memory second, IChallenges.AnswerReceipt memory two) = openPast(b, i);
        Before memory before = look(second.batch);
        vm.prank(challenger);
        try challenges.challengeDoubleSettle(first, one, second, two) {
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
        uint64 batch = uint64(bound(which, 1, settlement.batchCount()));
        address[] memory payees = new address[](6);
        uint256 due;
        for (uint256 i; i < 6; ++i) {
            payees[i] = people[(from + i) % people.length];
            due += settlement.pendingOf(batch, payees[i]);
        }
        settlement.push(batch, payees);
        touched = batch;
        unchecked {
            credited[batch] -= due;
            creditedInAll -= due;
            exposedInAll[gatewayOf(pasts[batch - 1])] -= exposed[batch];
        }
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

    // ---------------------------------------------------------------- what must hold

    function held() external view returns (uint256) {
        return address(settlement).balance;
    }

    function owed() external view returns (uint256 sum) {
        for (uint256 i; i < people.length; ++i) {
            address who = people[i];
            sum += settlement.claimable(who) + settlement.depositOf(who) + settlement.bondOf(who);
        }
        unchecked {
            sum += creditedInAll;
        }
    }

    /// @dev Everything ever given is with somebody, held, or burnt.
    function accounted() external view returns (uint256 sum) {
        sum = address(settlement).balance + address(demands).balance + burnt;
        for (uint256 i; i < people.length; ++i) {
            sum += people[i].balance;
        }
    }

    /// @dev What was counted here, what is locked for it, and the bond.
    function exposures(uint256 who) external view returns (uint256 counted_, uint256 locked, uint256 bonded) {
        address from = gateways[who];
        return (exposedInAll[from], settlement.lockedOf(from), settlement.bondOf(from));
    }

    /// @dev The batches to look at: `first` up to `last`, none if that is less.
    function batches(bool whole) external view returns (uint64 first, uint64 last) {
        if (whole) return (1, settlement.batchCount());
        return (touched == 0 ? 1 : touched, touched);
    }

    /// @dev What a batch says that it exposes, and what was counted here.
    function exposureOf(uint64 batch) external view returns (uint256 says, uint256 counted_) {
        return (settlement.batch(batch).exposure, exposed[batch]);
    }

    /// @dev What is pending for all people, and what must be. People are distinct; the treasury and the curator are among them.
    function creditsOf(uint64 batch) external view returns (uint256 pending, uint256 due) {
        for (uint256 i; i < people.length; ++i) {
            pending += settlement.pendingOf(batch, people[i]);
        }
        return (pending, credited[batch]);
    }

    /// @dev A batch is open for a window, and for two after the last demand, which came in time: no longer, and no shorter.
    function isHeldUp(uint64 b) external view returns (bool) {
        ISettlement.Batch memory batch = settlement.batch(b);
        (uint256 untilBlock, uint256 untilTime) = settlement.windowOf(b);
        Moment memory last = demanded[b];
        uint256 blocks = batch.settledBlock + WINDOW_BLOCKS;
        uint256 secs = batch.settledAt + WINDOW_SECONDS;
        if (last.blocks != 0) {
            if (last.blocks + 2 * WINDOW_BLOCKS > blocks) blocks = last.blocks + 2 * WINDOW_BLOCKS;
            if (last.secs + 2 * WINDOW_SECONDS > secs) secs = last.secs + 2 * WINDOW_SECONDS;
        }
        return untilBlock != blocks || untilTime != secs;
    }

    /// @dev What demands hold, and what was counted here.
    function deposits() external view returns (uint256 has, uint256 counted_) {
        return (address(demands).balance, depositsOfDemands);
    }

    function demandsMade() external view returns (uint64) {
        return demands.demandCount();
    }

    function depositsOfOpenDemands() external view returns (uint256 sum) {
        for (uint64 id = 1; id <= demands.demandCount(); ++id) {
            IDemands.Demand memory made = demands.demandOf(id);
            if (made.status == IDemands.Status.Open) sum += made.deposit;
        }
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
        bytes4[] memory selectors = new bytes4[](22);
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
        selectors[21] = Handler.hold.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// @dev One campaign looks at everything: docs/decisions/0044-one-campaign.md and 0088-what-a-step-touched.md.
    function invariant_settlement() public view {
        everythingHolds(handler.isWhole());
    }

    function afterInvariant() public view {
        everythingHolds(true);
    }

    function everythingHolds(bool whole) private view {
        solvent();
        nothingIsLost();
        bondsCoverExposures();
        (uint64 first, uint64 last) = handler.batches(whole);
        for (uint64 batch = first; batch <= last; ++batch) {
            exposuresAreThoseOfTheBatches(batch);
            creditsOfABatchAreItsFees(batch);
            noBatchIsHeldUp(batch);
        }
        demandsHoldTheirDeposits(whole);
        vm.assertEq(handler.lateDemands(), 0, "noBatchIsHeldUp: demanded late");
        vm.assertEq(handler.unexpected(), 0, "refusalsHaveTheirReason");
    }

    function solvent() private view {
        vm.assertEq(handler.held(), handler.owed(), "solvent");
    }

    function nothingIsLost() private view {
        vm.assertEq(handler.accounted(), handler.given(), "nothingIsLost");
    }

    function bondsCoverExposures() private view {
        for (uint256 i; i < 2; ++i) {
            (uint256 counted, uint256 locked, uint256 bonded) = handler.exposures(i);
            vm.assertEq(counted, locked, "bondsCoverExposures: locked");
            vm.assertLe(locked, bonded, "bondsCoverExposures: the bond");
        }
    }

    function exposuresAreThoseOfTheBatches(uint64 batch) private view {
        (uint256 says, uint256 counted) = handler.exposureOf(batch);
        vm.assertEq(says, counted, "bondsCoverExposures: the penalties");
    }

    function creditsOfABatchAreItsFees(uint64 batch) private view {
        (uint256 pending, uint256 due) = handler.creditsOf(batch);
        vm.assertEq(pending, due, "creditsOfABatchAreItsFees");
    }

    function noBatchIsHeldUp(uint64 batch) private view {
        vm.assertFalse(handler.isHeldUp(batch), "noBatchIsHeldUp");
    }

    function demandsHoldTheirDeposits(bool whole) private view {
        (uint256 has, uint256 counted) = handler.deposits();
        vm.assertEq(has, counted, "demandsHoldTheirDeposits");
        if (whole) vm.assertEq(handler.depositsOfOpenDemands(), counted, "demandsHoldTheirDeposits: the views");
    }

    /// @dev A campaign found 917,060 wei missing: what was refused had left its prank to the next step, whose deposit came out of
    /// the payer's pocket.
    function testARefusedStepLeavesNoPrank() public {
        handler.requestWithdrawal(0, 3 ether); // all of it
        handler.pass(0, 0);
        handler.withdraw(0);
        (bool ok,) = address(handler).call(abi.encodeCall(handler.requestWithdrawal, (0, 1)));
        vm.assertFalse(ok);
        handler.deposit(0, 917_059);
        everythingHolds(true);
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
        everythingHolds(true);
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
        everythingHolds(true);
        uint256 before = handler.demandsMade();
        handler.hold();
        vm.assertEq(handler.demandsMade() - before, 3);
        everythingHolds(true);
        handler.setPayee(0, 1);
        handler.setTerms(1, 1);
        for (uint256 i; i < 5; ++i) {
            handler.pass(3, 40);
        }
        for (uint256 i; i < 40; ++i) {
            handler.push(i % 20, i * 6);
        }
        handler.openRefuser();
        everythingHolds(true);
        vm.assertGe(handler.burnt(), 1);
    }
}
