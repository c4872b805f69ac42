// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISeals} from "./ISeals.sol";
import {ISettlement} from "./ISettlement.sol";

/// @title IChallenges
/// @notice Proofs that a settled row lies (docs/spec/settlement.md), each in one transaction. What a proof costs the
/// submitter is carried out by Settlement. Honest receipts survive every one of them. That evidence does not appear at
/// all takes two transactions, and a contract of its own: IDemands.
///
/// The reward of a challenge is for who found the fault, not for who copied the finding out of a mempool: it is paid to a
/// challenger that had announced this very call in an earlier block (ISeals). An unannounced challenge does all the same,
/// except that the whole penalty is burnt.
interface IChallenges is ISeals {
    /// @notice A datanet's version that an answer was given from.
    struct DatanetVersion {
        uint32 datanet;
        uint32 version;
    }

    /// @notice A contribution's part of the data pool.
    struct Share {
        uint64 contribution;
        uint32 ppm;
    }

    /// @notice The receipt whose EIP-712 digest a row carries.
    struct AnswerReceipt {
        bytes32 requestId;
        address payer;
        address gateway;
        uint64 nonce;
        address worker;
        uint32 model;
        bytes32 modelHash;
        bytes32 adapterHash;
        uint8 engineClass;
        uint8 visibility;
        DatanetVersion[] versions;
        bytes32 promptRoot;
        bytes32 answerRoot;
        uint32 answerBytes;
        uint32 inputTokens;
        uint32 outputTokens;
        uint64 seed;
        uint128 fee;
        uint32 methodVersion;
        Share[] shares;
        bytes32 evidenceHash;
        uint64 issuedAt;
    }

    /// @notice A row of a batch, with the path from its leaf to the batch's root.
    struct RowOpening {
        uint64 batch;
        uint32 index;
        address payer;
        ISettlement.Row row;
        bytes32[] path;
    }

    /// @notice Who the answer's bytes [start, end) belong to, and the match that says so.
    /// @param contribution 0: nobody; 2^64-1: the prompt.
    struct Run {
        uint32 start;
        uint32 end;
        uint64 contribution;
        uint32 document;
        uint32 matchStart;
        uint32 matchEnd;
        uint64 offset;
    }

    /// @notice A run of a receipt's evidence, with its path among `runs` leaves.
    struct RunOpening {
        AnswerReceipt receipt;
        uint32 runs;
        bytes32 contextHash;
        bytes32 influenceHash;
        uint32 index;
        Run run;
        bytes32[] path;
    }

    /// @notice One chunk of a committed text.
    struct Chunk {
        uint32 index;
        bytes32 salt;
        bytes data;
        bytes32[] path;
    }

    /// @notice One chunk, or two neighbours, of a committed text. `metadataHash` is zero for answers and prompts.
    struct TextOpening {
        uint64 length;
        bytes32 metadataHash;
        Chunk[] chunks;
    }

    /// @notice Text of a source: of document `document` of a contribution, with its path in the contribution; or of the
    /// prompt (`contribution` 2^64-1, no path).
    struct SourceOpening {
        uint64 contribution;
        uint32 document;
        bytes32[] path;
        TextOpening text;
    }

    /// @notice The whole evidence of a receipt.
    /// @param runs Each `u32 start ‖ u32 end ‖ u64 contribution ‖ u32 document ‖ u32 matchStart ‖ u32 matchEnd ‖ u64 offset`
    /// (36 bytes, big-endian), one after the other.
    struct Evidence {
        bytes runs;
        bytes32 contextHash;
        bytes32 influenceHash;
    }

    /// @notice Which challenge succeeded. Later kinds append to this list.
    enum ChallengeKind {
        NotThere,
        Earlier,
        DoubleSettle,
        Row, // bad arithmetic: the row or its fee does not follow from the receipt and the model's prices
        Shares, // bad arithmetic: a share does not follow from the evidence
        Withheld // demanded evidence did not appear
    }

    /// @notice What challenges have done to a row. `harmed` is the harm paid for so far.
    struct RowState {
        uint128 harmed;
        bool penalised;
        bool reversed;
    }

    /// @notice A challenge succeeded. `run` is 2^32-1 where it concerns no single run. `harm` went to `harmed` (and the
    /// curator's cut of it to the curator), `penalty - burnt` to the challenger, `burnt` to nobody, all from the
    /// submitter's bond (where a row is reversed the harm is the fee, from the row's credits to the payer's deposit);
    /// `moved` was taken from the accused credits.
    event Challenged(
        uint64 indexed batch,
        uint32 indexed row,
        uint32 run,
        ChallengeKind kind,
        address indexed challenger,
        address harmed,
        uint256 harm,
        uint256 moved,
        uint256 penalty,
        uint256 burnt
    );

    /// @notice The opened row is not in the batch.
    error RowMismatch(uint64 batch, uint32 index);
    /// @notice The opened receipt is not the row's.
    error ReceiptMismatch(bytes32 expected, bytes32 opened);
    /// @notice The opened run is not in the receipt's evidence.
    error EvidenceMismatch(bytes32 expected, bytes32 opened);
    /// @notice The opened text is not the committed one.
    error TextMismatch(bytes32 expected, bytes32 opened);
    /// @notice The opening names another source than the one that is needed.
    error SourceMismatch(uint64 contribution, uint32 document);
    /// @notice This run of the row has been challenged.
    error AlreadyChallenged(uint64 batch, uint32 row, uint32 run);
    /// @notice The batch's window is over.
    error WindowOver(uint64 batch);
    /// @notice The row has been reversed.
    error RowReversed(uint64 batch, uint32 row);
    /// @notice The run credits nobody, and says so properly.
    error NothingCredited();
    /// @notice The position is outside of the run's match, or the window outside of the run.
    error OutsideRun(uint32 position);
    /// @notice The byte is there, as the evidence says.
    error ByteIsThere(uint32 position);
    /// @notice The windows differ: nothing is shown.
    error WindowsDiffer(bytes32 answer, bytes32 source);
    /// @notice The source does not precede the one that was credited.
    error NotEarlier(uint64 credited, uint64 contribution);
    /// @notice The source is in none of the row's versions.
    error NotNamed(uint64 contribution);
    /// @notice The two rows are one, or do not settle one request of this submitter.
    error DifferentRequests();
    /// @notice The row follows from its receipt, and the fee from prices that were in force, for datanets that were allowed.
    error RowFollows();
    /// @notice Version `version` is not the latest of the model's terms that were in force at second `time`.
    error WrongTerms(uint32 version, uint256 time);
    /// @notice The terms changed too often around the receipt's time to judge its fee.
    error TermsUndecided();
    /// @notice The share of the contribution follows from the evidence.
    error ShareFollows(uint64 contribution, uint256 ppm);
    /// @notice The share of this contribution has been challenged.
    error AlreadyJudged(uint64 batch, uint32 row, uint64 contribution);
    /// @notice Only the contract of the demands may do this.
    error NotDemands(address account);

    /// @notice The answer's byte at `position` of the run's match is not the source's byte, or there is no such byte. A
    /// run that is impossible by itself (empty, outside of the answer, outside of its match, a match below 32 bytes or beyond
    /// byte 2^42 of its source, a contribution or document that the versions do not hold, a witness for nobody, evidence of
    /// more than MAX_RUNS runs) needs no texts: both openings may be empty. Harmed: the treasury.
    function challengeNotThere(
        RowOpening calldata row,
        RunOpening calldata run,
        uint32 position,
        TextOpening calldata answer,
        SourceOpening calldata source
    ) external;

    /// @notice The 32 bytes of the answer at `position` touch the run and equal those at `offset` of a source that comes
    /// before the credited one: an earlier contribution in a named version, or the prompt. Harmed: the source's payee
    /// (for the prompt: the treasury).
    function challengeEarlier(
        RowOpening calldata row,
        RunOpening calldata run,
        uint32 position,
        uint64 offset,
        TextOpening calldata answer,
        SourceOpening calldata source
    ) external;

    /// @notice Two settled rows of one submitter carry receipts of one request. The later row, whose window must be open,
    /// is reversed. Harmed: the payer, whose fee returns to the deposit.
    function challengeDoubleSettle(
        RowOpening calldata first,
        AnswerReceipt calldata firstReceipt,
        RowOpening calldata second,
        AnswerReceipt calldata secondReceipt
    ) external;

    /// @notice Bad arithmetic of a row: payer, gateway, request id, worker, model, fee, versions or shares are not those of
    /// its receipt, the receipt's shares are out of order, its `outputTokens` are not ceil(answerBytes / 4), or its fee is not
    /// `ceil((inputTokens * priceIn + outputTokens * priceOut) / 1000)` under any terms of the model that were in force
    /// within PRICE_GRACE of the time of the receipt (or of the batch, if that was earlier) and that allow the datanets of
    /// its versions: terms that name none allow all, and what the treasury curates, the commons, is always allowed. The row is
    /// reversed. Harmed: the payer, whose fee returns to the deposit.
    /// @param termsVersion The version of the model's terms that was in force PRICE_GRACE after the receipt's time, or at
    /// the batch's, whichever was earlier.
    function challengeRow(RowOpening calldata row, AnswerReceipt calldata receipt, uint32 termsVersion) external;

    /// @notice Bad arithmetic of a share: by the whole evidence, `contribution` has another share than the row gives it.
    /// Too much: the excess goes to the treasury. Too little: harmed is the contribution's payee. Evidence whose runs
    /// do not partition the answer gives nobody a share: the row is reversed.
    function challengeShares(
        RowOpening calldata row,
        AnswerReceipt calldata receipt,
        Evidence calldata evidence,
        uint64 contribution
    ) external;

    /// @notice Reverses a row whose evidence was demanded in vain; called by `demands` alone.
    /// @param rewarded Whether half of the penalty goes to `demander`, or all of it is burnt.
    function reverseWithheld(RowOpening calldata row, address demander, bool rewarded) external;

    /// @notice Most runs of a receipt's evidence.
    function MAX_RUNS() external view returns (uint256);

    /// @notice Seconds by which the time of a receipt and the time at which its request was priced may differ.
    function PRICE_GRACE() external view returns (uint256);

    /// @notice Whether the share of a contribution in a row has been challenged.
    function shareChallenged(uint64 batch, uint32 row, uint64 contribution) external view returns (bool);

    /// @notice The contract that keeps demands for withheld evidence, for good.
    function demands() external view returns (address);

    /// @notice What challenges have done to a row.
    function rowState(uint64 batch, uint32 row) external view returns (RowState memory);

    /// @notice Whether a run of a row has been challenged.
    function runChallenged(uint64 batch, uint32 row, uint32 run) external view returns (bool);

    /// @notice The id of a receipt: what its worker signs and a row carries.
    function receiptId(AnswerReceipt calldata receipt) external view returns (bytes32);

    /// @notice The settlement whose rows are judged.
    function settlement() external view returns (ISettlement);
}
