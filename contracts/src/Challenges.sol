// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IChallenges} from "./interfaces/IChallenges.sol";
import {IDatanets} from "./interfaces/IDatanets.sol";
import {IModels} from "./interfaces/IModels.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {Commitments} from "./lib/Commitments.sol";
import {ReceiptTypes} from "./lib/ReceiptTypes.sol";
import {Seals} from "./lib/Seals.sol";
import {Shares} from "./lib/Shares.sol";

/// @title Challenges
/// @notice See IChallenges. Holds no money and has no owner; Settlement knows it by an address that never changes, and
/// takes no more on its word than a batch's own credits and exposure. Apart from Settlement because together they
/// would exceed the size of a contract.
contract Challenges is IChallenges, Seals {
    uint64 public constant PROMPT = type(uint64).max;
    uint256 public constant WINDOW_BYTES = 32;
    /// @inheritdoc IChallenges
    uint256 public constant MAX_RUNS = Commitments.MAX_RUNS;
    /// @inheritdoc IChallenges
    uint256 public constant PRICE_GRACE = 1 hours;
    /// @dev Bytes of a text that can be quoted: 2^32 chunks of 2^10.
    uint256 private constant MAX_TEXT = 1 << 42;
    /// @dev Bytes of an answer in a token, whoever answers (docs/decisions/0063-a-token-is-four-bytes-whoever-answers.md).
    uint256 private constant TOKEN_BYTES = 4;
    /// @dev Most shares of a row.
    uint256 private constant MAX_SHARES = 16;
    /// @dev Versions of terms that are looked at for one fee.
    uint256 private constant MAX_TERMS = 16;
    /// @dev `run` of an event that concerns no single run.
    uint32 private constant NO_RUN = type(uint32).max;

    /// @dev What is read from Settlement once per challenge. `domain` is Settlement's: receipts are signed for it.
    struct Case {
        ISettlement.Batch batch;
        IDatanets datanets;
        IModels models;
        IModels.Payouts payouts;
        address treasury;
        bytes32 domain;
        uint256 dataPool;
    }

    /// @dev Who earns by a contribution: its payee of the batch's time, and the curator of its datanet.
    struct Earners {
        address payee;
        address curator;
        uint256 curatorPpm;
    }

    /// @dev What is read of a model's terms.
    struct Offer {
        uint256 priceIn;
        uint256 priceOut;
        uint256 since;
        uint32[] datanets;
    }

    /// @dev What the event tells beside the judgement.
    struct Verdict {
        uint32 row;
        uint32 run;
        ChallengeKind kind;
        address harmed;
        uint256 harm;
        uint256 moved;
    }

    /// @inheritdoc IChallenges
    ISettlement public immutable settlement;
    /// @inheritdoc IChallenges
    address public immutable demands;

    mapping(uint64 batch => mapping(uint32 row => RowState)) private _rows;
    mapping(uint64 batch => mapping(uint32 row => mapping(uint32 run => bool))) private _runs;
    mapping(uint64 batch => mapping(uint32 row => mapping(uint64 contribution => bool))) private _shares;
    mapping(uint64 batch => mapping(uint32 row => mapping(uint64 contribution => uint256))) private _moved;

    /// @dev Neither need exist yet: nothing is asked of them here.
    constructor(ISettlement settlement_, address demands_) {
        settlement = settlement_;
        demands = demands_;
    }

    /// @inheritdoc IChallenges
    function challengeNotThere(
        RowOpening calldata row,
        RunOpening calldata opened,
        uint32 position,
        TextOpening calldata answer,
        SourceOpening calldata source
    ) external {
        Case memory facts = _openRow(row, true);
        _checkRun(facts, row, opened);
        Run calldata run = opened.run;
        if (!_impossible(facts, row, opened)) {
            require(run.contribution != 0, NothingCredited());
            require(run.matchStart <= position && position < run.matchEnd, OutsideRun(position));
            require(
                source.contribution == run.contribution && source.document == run.document,
                SourceMismatch(source.contribution, source.document)
            );
            _checkText(Commitments.TAG_ANSWER, opened.receipt.answerRoot, answer);
            _checkSource(facts, opened.receipt.promptRoot, source);
            uint256 place = uint256(run.offset) + (position - run.matchStart);
            // A byte beyond the end of either text is not there either; nor is an answer of another length than stated.
            require(
                answer.length != opened.receipt.answerBytes || place >= source.text.length
                    || Commitments.byteAt(answer, position) != Commitments.byteAt(source.text, place),
                ByteIsThere(position)
            );
        }
        _punishRun(facts, row, opened, ChallengeKind.NotThere, 0);
    }

    /// @inheritdoc IChallenges
    function challengeEarlier(
        RowOpening calldata row,
        RunOpening calldata opened,
        uint32 position,
        uint64 offset,
        TextOpening calldata answer,
        SourceOpening calldata source
    ) external {
        Case memory facts = _openRow(row, true);
        _checkRun(facts, row, opened);
        Run calldata run = opened.run;
        uint64 credited = run.contribution;
        uint64 harmed; // 0: the treasury
        if (source.contribution == PROMPT) {
            // The prompt precedes everyone but itself.
            require(credited != PROMPT, NotEarlier(credited, PROMPT));
        } else {
            require(
                source.contribution != 0 && credited != PROMPT && (credited == 0 || source.contribution < credited),
                NotEarlier(credited, source.contribution)
            );
            require(_isNamed(facts, row, source.contribution), NotNamed(source.contribution));
            harmed = source.contribution;
        }
        require(position < run.end && uint256(position) + WINDOW_BYTES > run.start, OutsideRun(position));
        _checkText(Commitments.TAG_ANSWER, opened.receipt.answerRoot, answer);
        _checkSource(facts, opened.receipt.promptRoot, source);
        bytes32 said = Commitments.windowAt(answer, position);
        bytes32 written = Commitments.windowAt(source.text, offset);
        require(said == written, WindowsDiffer(said, written));
        _punishRun(facts, row, opened, ChallengeKind.Earlier, harmed);
    }

    /// @inheritdoc IChallenges
    function challengeDoubleSettle(
        RowOpening calldata first,
        AnswerReceipt calldata firstReceipt,
        RowOpening calldata second,
        AnswerReceipt calldata secondReceipt
    ) external {
        Case memory earlier = _openRow(first, false);
        Case memory facts = _openRow(second, true);
        _checkReceipt(earlier, first, firstReceipt);
        _checkReceipt(facts, second, secondReceipt);
        // The request is what its id hashes; the submitter must be its gateway in both rows, so that nobody can accuse a
        // gateway by settling a copy of its receipt first.
        address gateway = facts.batch.submitter;
        require(
            (first.batch < second.batch || (first.batch == second.batch && first.index < second.index))
                && firstReceipt.payer == secondReceipt.payer && firstReceipt.nonce == secondReceipt.nonce
                && firstReceipt.gateway == gateway && secondReceipt.gateway == gateway
                && earlier.batch.submitter == gateway,
            DifferentRequests()
        );
        _reverse(facts, second, ChallengeKind.DoubleSettle, msg.sender, _wasAnnounced());
    }

    /// @inheritdoc IChallenges
    function challengeRow(RowOpening calldata row, AnswerReceipt calldata receipt, uint32 termsVersion) external {
        Case memory facts = _openRow(row, true);
        _checkReceipt(facts, row, receipt);
        require(!_rowFollows(facts, row, receipt) || !_feeFollows(facts, receipt, termsVersion), RowFollows());
        _reverse(facts, row, ChallengeKind.Row, msg.sender, _wasAnnounced());
    }

    /// @inheritdoc IChallenges
    function challengeShares(
        RowOpening calldata row,
        AnswerReceipt calldata receipt,
        Evidence calldata evidence,
        uint64 contribution
    ) external {
        Case memory facts = _openRow(row, true);
        _checkReceipt(facts, row, receipt);
        bytes32 hash = Commitments.evidenceHash(evidence);
        require(hash == receipt.evidenceHash, EvidenceMismatch(receipt.evidenceHash, hash));
        (uint256 credited, bool partition) = Commitments.tally(evidence.runs, contribution, receipt.answerBytes);
        if (!partition) return _reverse(facts, row, ChallengeKind.Shares, msg.sender, _wasAnnounced());

        require(_isNamed(facts, row, contribution), NotNamed(contribution));
        uint256 due = Shares.ppmOf(credited, receipt.answerBytes);
        uint256 given = _shareOf(row, contribution);
        require(due != given && !_crowdedOut(row, contribution, due, given), ShareFollows(contribution, due));
        _punishShare(facts, row, contribution, due, given);
    }

    /// @inheritdoc IChallenges
    function reverseWithheld(RowOpening calldata row, address demander, bool rewarded) external {
        require(msg.sender == demands, NotDemands(msg.sender));
        _reverse(_openRow(row, true), row, ChallengeKind.Withheld, demander, rewarded);
    }

    // ---------------------------------------------------------------- what a challenge does

    /// @dev Moves one run of a row: what the accused was credited for it goes from its pending credit to the treasury, the
    /// harmed is paid from the bond, and the first success on the row takes the penalty.
    function _punishRun(
        Case memory facts,
        RowOpening calldata row,
        RunOpening calldata opened,
        ChallengeKind kind,
        uint64 harmed
    ) private {
        require(!_runs[row.batch][row.index][opened.index], AlreadyChallenged(row.batch, row.index, opened.index));
        _runs[row.batch][row.index][opened.index] = true;

        ISettlement.Judgement memory judgement;
        judgement.batch = row.batch;
        Verdict memory verdict = Verdict(row.index, opened.index, kind, address(0), 0, 0);
        uint256 worth = _worthOf(opened, facts.dataPool);
        _compensate(facts, judgement, verdict, harmed, worth);
        _take(facts, row, judgement, verdict, opened.run.contribution, verdict.harm);
        _conclude(judgement, verdict, row.row.fee, msg.sender, _wasAnnounced());
    }

    /// @dev Corrects one share of a row: an excess goes from the pending credit to the treasury, what is missing is paid from
    /// the bond.
    function _punishShare(Case memory facts, RowOpening calldata row, uint64 contribution, uint256 due, uint256 given)
        private
    {
        require(!_shares[row.batch][row.index][contribution], AlreadyJudged(row.batch, row.index, contribution));
        _shares[row.batch][row.index][contribution] = true;

        ISettlement.Judgement memory judgement;
        judgement.batch = row.batch;
        Verdict memory verdict = Verdict(row.index, NO_RUN, ChallengeKind.Shares, facts.treasury, 0, 0);
        uint256 dueCredit = Shares.part(facts.dataPool, due);
        uint256 credit = Shares.part(facts.dataPool, given);
        if (due > given) _compensate(facts, judgement, verdict, contribution, dueCredit - credit);
        else _take(facts, row, judgement, verdict, contribution, credit - dueCredit);
        _conclude(judgement, verdict, row.row.fee, msg.sender, _wasAnnounced());
    }

    /// @dev Pays up to `harm` from the bond to those who earn by `harmed` (0: the treasury). Harms of a row may add up to
    /// more than its pool, by runs that overlap or by a share that is corrected after a run; its exposure holds one pool.
    function _compensate(
        Case memory facts,
        ISettlement.Judgement memory judgement,
        Verdict memory verdict,
        uint64 harmed,
        uint256 harm
    ) private {
        RowState storage state = _rows[judgement.batch][verdict.row];
        uint256 room = facts.dataPool - state.harmed;
        if (harm > room) harm = room;
        state.harmed += uint128(harm); // at most the pool, which is at most the fee
        verdict.harm = harm;
        if (harmed == 0) {
            verdict.harmed = facts.treasury;
            judgement.harms = new ISettlement.Move[](1);
            judgement.harms[0] = ISettlement.Move(facts.treasury, harm);
            return;
        }
        Earners memory earners = _earnersOf(facts, harmed);
        uint256 cut = Shares.part(harm, earners.curatorPpm); // rounded down, in favour of the payee
        verdict.harmed = earners.payee;
        judgement.harms = new ISettlement.Move[](2);
        judgement.harms[0] = ISettlement.Move(earners.payee, harm - cut);
        judgement.harms[1] = ISettlement.Move(earners.curator, cut);
    }

    /// @dev Takes up to `amount` of what `contribution` was credited in this row and still has of it, from payee and curator.
    function _take(
        Case memory facts,
        RowOpening calldata row,
        ISettlement.Judgement memory judgement,
        Verdict memory verdict,
        uint64 contribution,
        uint256 amount
    ) private {
        // Nobody and the prompt are credited nothing: Settlement refuses shares of ids that are no members.
        uint256 moved = _moved[row.batch][row.index][contribution];
        uint256 left = Shares.part(facts.dataPool, _shareOf(row, contribution)) - moved;
        if (amount > left) amount = left;
        if (amount == 0) return;
        _moved[row.batch][row.index][contribution] = moved + amount;
        verdict.moved = amount;
        judgement.moves = new ISettlement.Move[](2);
        _takeBack(judgement.moves, 0, _earnersOf(facts, contribution), left, amount);
    }

    /// @dev Two moves that take `amount` from the `left` of a credit. The curator holds floor(left * ppm / 1e6) of it, before
    /// as after, and the payee the rest; both fall with `left`, so neither move is negative.
    function _takeBack(
        ISettlement.Move[] memory moves,
        uint256 pos,
        Earners memory earners,
        uint256 left,
        uint256 amount
    ) private pure {
        uint256 cut =
            Shares.part(left, earners.curatorPpm) - Shares.part(left - amount, earners.curatorPpm);
        moves[pos] = ISettlement.Move(earners.payee, amount - cut);
        moves[pos + 1] = ISettlement.Move(earners.curator, cut);
    }

    /// @dev Takes all credits of a row back into the payer's deposit: worker's, developers', what challenges have left of
    /// every share, and the treasury's, which holds what they have moved. Together these are the fee.
    function _reverse(Case memory facts, RowOpening calldata row, ChallengeKind kind, address challenger, bool rewarded)
        private
    {
        _rows[row.batch][row.index].reversed = true;
        ISettlement.Judgement memory judgement;
        judgement.batch = row.batch;
        judgement.refunded = row.payer;
        judgement.moves = _allOf(facts, row);
        uint256 fee = row.row.fee;
        _conclude(judgement, Verdict(row.index, NO_RUN, kind, row.payer, fee, fee), fee, challenger, rewarded);
    }

    function _allOf(Case memory facts, RowOpening calldata row) private view returns (ISettlement.Move[] memory moves) {
        uint256 shares = row.row.shares.length;
        IModels.Payout[] memory developers = facts.payouts.developers;
        uint256 fee = row.row.fee;
        uint256 rest = fee;
        moves = new ISettlement.Move[](2 * shares + developers.length + 2);
        uint256 pos;
        for (uint256 i; i < shares; ++i) {
            uint64 contribution = uint64(row.row.shares[i] >> 32);
            uint256 left =
                Shares.part(facts.dataPool, uint32(row.row.shares[i])) - _moved[row.batch][row.index][contribution];
            _takeBack(moves, pos, _earnersOf(facts, contribution), left, left);
            pos += 2;
            rest -= left;
        }
        for (uint256 i; i < developers.length; ++i) {
            uint256 part = Shares.part(fee, developers[i].ppm);
            moves[pos++] = ISettlement.Move(developers[i].payee, part);
            rest -= part;
        }
        uint256 workerPart = Shares.part(fee, facts.payouts.workerPpm);
        moves[pos++] = ISettlement.Move(row.row.worker, workerPart);
        moves[pos] = ISettlement.Move(facts.treasury, rest - workerPart);
    }

    /// @dev Adds the penalty of a row's first success, tells, and has Settlement carry it out. The batch's exposure holds
    /// (1 + K) fees of each row, so the bond cannot fall short.
    function _conclude(
        ISettlement.Judgement memory judgement,
        Verdict memory verdict,
        uint256 fee,
        address challenger,
        bool rewarded
    ) private {
        RowState storage state = _rows[judgement.batch][verdict.row];
        judgement.challenger = challenger;
        if (!state.penalised) {
            state.penalised = true;
            uint256 penalty = fee * settlement.penaltyMultiple();
            // Rounded down: an odd wei is burnt. Who copies a challenge out of a mempool gains nothing by it.
            judgement.reward = rewarded ? penalty / 2 : 0;
            judgement.burnt = penalty - judgement.reward;
        }
        emit Challenged(
            judgement.batch,
            verdict.row,
            verdict.run,
            verdict.kind,
            challenger,
            verdict.harmed,
            verdict.harm,
            verdict.moved,
            judgement.reward + judgement.burnt,
            judgement.burnt
        );
        settlement.execute(judgement);
    }

    /// @dev dataPool * runBytes / answerBytes, rounded down in the submitter's favour; the whole pool where the evidence
    /// states lengths that cannot be.
    function _worthOf(RunOpening calldata opened, uint256 dataPool) private pure returns (uint256) {
        Run calldata run = opened.run;
        uint256 answerBytes = opened.receipt.answerBytes;
        if (run.start >= run.end || run.end > answerBytes) return dataPool;
        return dataPool * (run.end - run.start) / answerBytes;
    }

    function _shareOf(RowOpening calldata row, uint64 contribution) private pure returns (uint256) {
        for (uint256 i; i < row.row.shares.length; ++i) {
            uint256 share = row.row.shares[i];
            if (uint64(share >> 32) == contribution) return uint32(share);
        }
        return 0;
    }

    function _earnersOf(Case memory facts, uint64 contribution) private view returns (Earners memory) {
        uint256 head = _headOf(facts, facts.datanets.membership(contribution).datanet);
        address payee = facts.datanets.payeeAt(contribution, facts.batch.payeeClock);
        return Earners(payee, address(uint160(head >> 96)), uint32(head >> 32));
    }

    function _headOf(Case memory facts, uint32 datanet) private view returns (uint256) {
        uint32[] memory nets = new uint32[](1);
        nets[0] = datanet;
        return facts.datanets.headsOf(nets)[0];
    }

    // ---------------------------------------------------------------- what a challenge checks

    /// @dev The row is in its batch; if `standing`, also within the window and not reversed.
    function _openRow(RowOpening calldata row, bool standing) private view returns (Case memory facts) {
        facts.batch = settlement.batch(row.batch);
        bytes32 leaf = ReceiptTypes.rowLeaf(row.payer, row.row);
        require(
            Commitments.root(leaf, row.index, facts.batch.rows, row.path) == facts.batch.rowsRoot,
            RowMismatch(row.batch, row.index)
        );
        facts.domain = settlement.domainSeparator();
        if (!standing) return facts;

        require(!settlement.windowOver(row.batch), WindowOver(row.batch));
        require(!_rows[row.batch][row.index].reversed, RowReversed(row.batch, row.index));
        facts.datanets = settlement.datanets();
        facts.models = settlement.models();
        facts.treasury = settlement.treasury();
        facts.payouts = facts.models.payoutsAt(row.row.model, facts.batch.settledAt);
        facts.dataPool = Shares.part(row.row.fee, facts.payouts.dataPpm);
    }

    function _checkReceipt(Case memory facts, RowOpening calldata row, AnswerReceipt calldata receipt) private pure {
        bytes32 id = ReceiptTypes.digest(facts.domain, ReceiptTypes.hash(receipt));
        require(id == row.row.receipt, ReceiptMismatch(row.row.receipt, id));
    }

    function _checkRun(Case memory facts, RowOpening calldata row, RunOpening calldata opened) private pure {
        _checkReceipt(facts, row, opened.receipt);
        bytes32 hash = Commitments.evidence(opened);
        require(hash == opened.receipt.evidenceHash, EvidenceMismatch(opened.receipt.evidenceHash, hash));
    }

    function _checkText(uint8 tag, bytes32 expected, TextOpening calldata opening) private pure {
        bytes32 found = Commitments.text(tag, opening);
        require(found == expected, TextMismatch(expected, found));
    }

    function _checkSource(Case memory facts, bytes32 promptRoot, SourceOpening calldata source) private view {
        if (source.contribution == PROMPT) return _checkText(Commitments.TAG_PROMPT, promptRoot, source.text);
        IDatanets.Contribution memory from = facts.datanets.contribution(source.contribution);
        bytes32 document = Commitments.text(Commitments.TAG_DOCUMENT, source.text);
        bytes32 found = Commitments.contribution(document, source.document, from.documents, source.path);
        require(found == from.root, TextMismatch(from.root, found));
    }

    function _isNamed(Case memory facts, RowOpening calldata row, uint64 contribution) private view returns (bool) {
        return facts.datanets.isMemberOfAny(contribution, row.row.versions);
    }

    /// @dev What no honest evidence can say, whatever the texts are.
    function _impossible(Case memory facts, RowOpening calldata row, RunOpening calldata opened)
        private
        view
        returns (bool)
    {
        Run calldata run = opened.run;
        // More runs than fit a challenge of the shares, or an answer to a demand.
        if (opened.runs > MAX_RUNS) return true;
        if (run.start >= run.end || run.end > opened.receipt.answerBytes) return true;
        if (run.contribution == 0) {
            return run.document != 0 || run.matchStart != 0 || run.matchEnd != 0 || run.offset != 0;
        }
        if (run.matchStart > run.start || run.end > run.matchEnd || run.matchEnd > opened.receipt.answerBytes) {
            return true;
        }
        uint256 size = run.matchEnd - run.matchStart;
        // No chunk beyond 2^32 can be opened or demanded: a witness there could not be judged.
        if (size < WINDOW_BYTES || run.offset + size > MAX_TEXT) return true;
        if (run.contribution == PROMPT) return run.document != 0;
        if (!_isNamed(facts, row, run.contribution)) return true;
        return run.document >= facts.datanets.contribution(run.contribution).documents;
    }

    /// @dev Whether everything that the row says is what its receipt says, and the receipt's own words agree.
    function _rowFollows(Case memory facts, RowOpening calldata row, AnswerReceipt calldata receipt)
        private
        pure
        returns (bool)
    {
        ISettlement.Row calldata said = row.row;
        if (
            receipt.payer != row.payer || receipt.gateway != facts.batch.submitter
                || receipt.requestId != keccak256(abi.encode(receipt.payer, receipt.gateway, receipt.nonce))
                || receipt.worker != said.worker || receipt.model != said.model || receipt.fee != said.fee
                || receipt.versions.length != said.versions.length || receipt.shares.length != said.shares.length
                // Shares are parts of the bytes, the fee is for the tokens: bytes that nobody pays for would thin out the shares.
                || receipt.outputTokens != (uint256(receipt.answerBytes) + TOKEN_BYTES - 1) / TOKEN_BYTES
        ) return false;
        for (uint256 i; i < said.versions.length; ++i) {
            if (uint256(receipt.versions[i].datanet) << 32 | receipt.versions[i].version != said.versions[i]) {
                return false;
            }
        }
        uint256 last = type(uint256).max;
        uint256 lastId;
        for (uint256 i; i < said.shares.length; ++i) {
            (uint256 id, uint256 ppm) = (receipt.shares[i].contribution, receipt.shares[i].ppm);
            if (id << 32 | ppm != said.shares[i] || ppm == 0 || !Shares.precedes(last, lastId, ppm, id)) return false;
            (last, lastId) = (ppm, id);
        }
        return true;
    }

    /// @dev Whether the fee follows from any terms in force from PRICE_GRACE before the receipt's time to PRICE_GRACE after, and
    /// these allow the datanets that are named. The gateway priced the request before the worker dated the receipt, and their clocks are not the chain's. A receipt
    /// may be settled long after its time, but never before.
    function _feeFollows(Case memory facts, AnswerReceipt calldata receipt, uint32 version)
        private
        view
        returns (bool)
    {
        uint256 issued = Math.min(receipt.issuedAt, facts.batch.settledAt);
        uint256 latest = Math.min(issued + PRICE_GRACE, facts.batch.settledAt);
        if (version < facts.models.termsCount(receipt.model)) {
            require(
                _offerOf(facts.models, receipt.model, version + 1).since > latest, WrongTerms(version, latest)
            );
        }
        for (uint256 i; i < MAX_TERMS; ++i) {
            Offer memory offer = _offerOf(facts.models, receipt.model, version);
            // The first terms are in force since ever, as for IModels.payoutsAt. A version that does not exist has no `since`.
            require(offer.since != 0 && (offer.since <= latest || version == 1), WrongTerms(version, latest));
            if (
                receipt.fee == Shares.fee(receipt.inputTokens, receipt.outputTokens, offer.priceIn, offer.priceOut)
                    && _mayName(facts, receipt, offer.datanets)
            ) return true;
            if (version == 1 || offer.since + PRICE_GRACE <= issued) return false;
            --version;
        }
        revert TermsUndecided();
    }

    /// @dev Whether each named datanet is one of the terms', or a commons: those are curated by the treasury. Terms without
    /// datanets allow all.
    function _mayName(Case memory facts, AnswerReceipt calldata receipt, uint32[] memory allowed)
        private
        view
        returns (bool)
    {
        if (allowed.length == 0) return true;
        for (uint256 i; i < receipt.versions.length; ++i) {
            uint32 named = receipt.versions[i].datanet;
            uint256 j;
            while (j < allowed.length && allowed[j] != named) ++j;
            if (j == allowed.length && address(uint160(_headOf(facts, named) >> 96)) != facts.treasury) return false;
        }
        return true;
    }

    /// @dev `IModels.termsOf`, of which the prices are the first two words, the datanets the eighth, and the time the second
    /// value. The rest of the terms is not decoded: it is long, and nothing here needs it.
    function _offerOf(IModels models, uint32 model, uint32 version) private view returns (Offer memory offer) {
        (bool ok, bytes memory data) = address(models).staticcall(abi.encodeCall(IModels.termsOf, (model, version)));
        require(ok, WrongTerms(version, 0));
        assembly ("memory-safe") {
            let terms := add(add(data, 0x20), mload(add(data, 0x20)))
            mstore(offer, mload(terms))
            mstore(add(offer, 0x20), mload(add(terms, 0x20)))
            mstore(add(offer, 0x40), mload(add(data, 0x40)))
            mstore(add(offer, 0x60), add(terms, mload(add(terms, 0xe0)))) // an array in memory is laid out as it is encoded
        }
    }

    /// @dev A share that is not given although it is due, because the row has sixteen that stand before it.
    function _crowdedOut(RowOpening calldata row, uint64 contribution, uint256 due, uint256 given)
        private
        pure
        returns (bool)
    {
        uint256 count = row.row.shares.length;
        if (given != 0 || count < MAX_SHARES) return false;
        for (uint256 i; i < count; ++i) {
            uint256 share = row.row.shares[i];
            if (!Shares.precedes(uint32(share), uint64(share >> 32), due, contribution)) return false;
        }
        return true;
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IChallenges
    function rowState(uint64 batch, uint32 row) external view returns (RowState memory) {
        return _rows[batch][row];
    }

    /// @inheritdoc IChallenges
    function runChallenged(uint64 batch, uint32 row, uint32 run) external view returns (bool) {
        return _runs[batch][row][run];
    }

    /// @inheritdoc IChallenges
    function shareChallenged(uint64 batch, uint32 row, uint64 contribution) external view returns (bool) {
        return _shares[batch][row][contribution];
    }

    /// @inheritdoc IChallenges
    function receiptId(AnswerReceipt calldata receipt) external view returns (bytes32) {
        return ReceiptTypes.digest(settlement.domainSeparator(), ReceiptTypes.hash(receipt));
    }
}
