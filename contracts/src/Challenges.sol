// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "./interfaces/IChallenges.sol";
import {IDatanets} from "./interfaces/IDatanets.sol";
import {IModels} from "./interfaces/IModels.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {Commitments} from "./lib/Commitments.sol";
import {ReceiptTypes} from "./lib/ReceiptTypes.sol";

/// @title Challenges
/// @notice See IChallenges. Holds no money and has no owner; Settlement knows it by an address that never changes, and
/// takes no more on its word than a batch's own credits and exposure. Apart from Settlement because together they
/// would exceed the size of a contract.
contract Challenges is IChallenges {
    uint64 public constant PROMPT = type(uint64).max;
    uint256 public constant WINDOW_BYTES = 32;
    uint256 private constant ONE = 1e6;
    /// @dev `run` of an event that concerns a whole row.
    uint32 private constant WHOLE_ROW = type(uint32).max;

    /// @dev What is read from Settlement once per challenge. `domain` is Settlement's: receipts are signed for it.
    struct Case {
        ISettlement.Batch batch;
        IDatanets datanets;
        IModels.Splits splits;
        address treasury;
        bytes32 domain;
        uint256 dataPool;
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

    mapping(uint64 batch => mapping(uint32 row => RowState)) private _rows;
    mapping(uint64 batch => mapping(uint32 row => mapping(uint32 run => bool))) private _runs;
    mapping(uint64 batch => mapping(uint32 row => mapping(uint64 contribution => uint256))) private _moved;

    /// @dev Settlement need not exist yet: nothing is asked of it here.
    constructor(ISettlement settlement_) {
        settlement = settlement_;
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
            // A byte beyond the end of either text is not there either.
            require(
                position >= answer.length || place >= source.text.length
                    || Commitments.byteAt(answer, position) != Commitments.byteAt(source.text, place),
                ByteIsThere(position)
            );
        }
        _punishRun(facts, row, opened, ChallengeKind.NotThere, facts.treasury);
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
        address harmed = facts.treasury;
        if (source.contribution == PROMPT) {
            // The prompt precedes everyone but itself.
            require(credited != PROMPT, NotEarlier(credited, PROMPT));
        } else {
            require(
                source.contribution != 0 && credited != PROMPT && (credited == 0 || source.contribution < credited),
                NotEarlier(credited, source.contribution)
            );
            require(
                facts.datanets.isMemberOfAny(source.contribution, row.row.versions), NotNamed(source.contribution)
            );
            harmed = facts.datanets.membership(source.contribution).payee;
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
        _reverse(facts, second);
    }

    /// @dev Moves one run of a row: what the accused was credited for it goes from its pending credit to the treasury, the
    /// harmed is paid from the bond, and the first success on the row takes the penalty.
    function _punishRun(
        Case memory facts,
        RowOpening calldata row,
        RunOpening calldata opened,
        ChallengeKind kind,
        address harmed
    ) private {
        require(!_runs[row.batch][row.index][opened.index], AlreadyChallenged(row.batch, row.index, opened.index));
        _runs[row.batch][row.index][opened.index] = true;

        RowState storage state = _rows[row.batch][row.index];
        ISettlement.Judgement memory judgement;
        judgement.batch = row.batch;
        judgement.harmed = harmed;
        judgement.harm = _harmOf(opened, facts.dataPool);
        // Runs that overlap could add up to more than the pool; the row's exposure holds one pool.
        uint256 room = facts.dataPool - state.harmed;
        if (judgement.harm > room) judgement.harm = room;
        state.harmed += uint128(judgement.harm); // at most the pool, which is at most the fee

        uint256 moved = _takeable(facts, row, opened.run.contribution, judgement.harm);
        if (moved != 0) {
            _moved[row.batch][row.index][opened.run.contribution] += moved;
            judgement.moves = new ISettlement.Move[](1);
            judgement.moves[0] =
                ISettlement.Move(facts.datanets.payeeAt(opened.run.contribution, facts.batch.payeeClock), moved);
        }
        _conclude(judgement, Verdict(row.index, opened.index, kind, harmed, judgement.harm, moved), row.row.fee);
    }

    /// @dev Takes all credits of a row back into the payer's deposit: worker's, developer's, what challenges have left of
    /// every share, and the treasury's, which holds what they have moved. Together these are the fee.
    function _reverse(Case memory facts, RowOpening calldata row) private {
        uint256 fee = row.row.fee;
        uint256 shares = row.row.shares.length;
        ISettlement.Judgement memory judgement;
        judgement.batch = row.batch;
        judgement.refunded = row.payer;
        judgement.moves = new ISettlement.Move[](shares + 3);
        uint256 workerPart = fee * facts.splits.workerPpm / ONE;
        uint256 developerPart = fee * facts.splits.developerPpm / ONE;
        judgement.moves[shares] = ISettlement.Move(row.row.worker, workerPart);
        judgement.moves[shares + 1] = ISettlement.Move(facts.splits.developer, developerPart);
        uint256 rest = fee - workerPart - developerPart;
        for (uint256 i; i < shares; ++i) {
            judgement.moves[i] = _leftOf(facts, row, row.row.shares[i]);
            rest -= judgement.moves[i].amount;
        }
        judgement.moves[shares + 2] = ISettlement.Move(facts.treasury, rest);

        _rows[row.batch][row.index].reversed = true;
        _conclude(judgement, Verdict(row.index, WHOLE_ROW, ChallengeKind.DoubleSettle, row.payer, fee, fee), fee);
    }

    /// @dev Adds the penalty of a row's first success, tells, and has Settlement carry it out. The batch's exposure holds
    /// (1 + K) fees of each row, so the bond cannot fall short.
    function _conclude(ISettlement.Judgement memory judgement, Verdict memory verdict, uint256 fee) private {
        RowState storage state = _rows[judgement.batch][verdict.row];
        judgement.challenger = msg.sender;
        if (!state.penalised) {
            state.penalised = true;
            uint256 penalty = fee * settlement.penaltyMultiple();
            judgement.reward = penalty / 2; // rounded down: an odd wei is burnt
            judgement.burnt = penalty - judgement.reward;
        }
        emit Challenged(
            judgement.batch,
            verdict.row,
            verdict.run,
            verdict.kind,
            msg.sender,
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
    function _harmOf(RunOpening calldata opened, uint256 dataPool) private pure returns (uint256) {
        Run calldata run = opened.run;
        uint256 answerBytes = opened.receipt.answerBytes;
        if (run.start >= run.end || run.end > answerBytes) return dataPool;
        return dataPool * (run.end - run.start) / answerBytes;
    }

    /// @dev Up to `harm` of what `contribution` was credited in this row and still has of it.
    function _takeable(Case memory facts, RowOpening calldata row, uint64 contribution, uint256 harm)
        private
        view
        returns (uint256)
    {
        // Nobody and the prompt are credited nothing: Settlement refuses shares of ids that are no members.
        uint256 credited;
        for (uint256 i; i < row.row.shares.length; ++i) {
            uint256 share = row.row.shares[i];
            if (uint64(share >> 32) == contribution) credited += facts.dataPool * uint32(share) / ONE;
        }
        uint256 left = credited - _moved[row.batch][row.index][contribution];
        return harm < left ? harm : left;
    }

    /// @dev What is left of one share's credit. A contribution named twice has one record of what was moved, which is used
    /// up entry by entry.
    function _leftOf(Case memory facts, RowOpening calldata row, uint256 share)
        private
        returns (ISettlement.Move memory)
    {
        uint64 contribution = uint64(share >> 32);
        uint256 credit = facts.dataPool * uint32(share) / ONE;
        mapping(uint64 => uint256) storage movedOf = _moved[row.batch][row.index];
        uint256 moved = movedOf[contribution];
        if (moved > credit) moved = credit;
        if (moved != 0) movedOf[contribution] -= moved;
        return ISettlement.Move(facts.datanets.payeeAt(contribution, facts.batch.payeeClock), credit - moved);
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
        facts.treasury = settlement.treasury();
        facts.splits = settlement.models().splitsAt(row.row.model, facts.batch.settledAt);
        facts.dataPool = uint256(row.row.fee) * facts.splits.dataPpm / ONE;
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

    /// @dev What no honest evidence can say, whatever the texts are.
    function _impossible(Case memory facts, RowOpening calldata row, RunOpening calldata opened)
        private
        view
        returns (bool)
    {
        Run calldata run = opened.run;
        if (run.start >= run.end || run.end > opened.receipt.answerBytes) return true;
        if (run.contribution == 0) {
            return run.document != 0 || run.matchStart != 0 || run.matchEnd != 0 || run.offset != 0;
        }
        if (run.matchStart > run.start || run.end > run.matchEnd || run.matchEnd > opened.receipt.answerBytes) {
            return true;
        }
        if (run.matchEnd - run.matchStart < WINDOW_BYTES) return true;
        if (run.contribution == PROMPT) return run.document != 0;
        if (!facts.datanets.isMemberOfAny(run.contribution, row.row.versions)) return true;
        return run.document >= facts.datanets.contribution(run.contribution).documents;
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
    function receiptId(AnswerReceipt calldata receipt) external view returns (bytes32) {
        return ReceiptTypes.digest(settlement.domainSeparator(), ReceiptTypes.hash(receipt));
    }
}
