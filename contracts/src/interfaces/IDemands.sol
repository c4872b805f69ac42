// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "./IChallenges.sol";
import {ISeals} from "./ISeals.sol";
import {ISettlement} from "./ISettlement.sol";

/// @title IDemands
/// @notice The challenge *withheld*, in two transactions (docs/spec/settlement.md): a demand for something that an open
/// receipt commits to, and, if nobody shows it in time, the reversal of its row.
///
/// A demand comes with a deposit. Who shows what was demanded is paid its gas from it, so that demanding without need
/// costs the demander and not the gateway; the rest goes back. A demand keeps the batch's window open for two windows:
/// one to answer in, one to use the answer in. Demands are taken until DEMAND_WINDOWS windows after the batch, so that
/// receipt, evidence and texts can be demanded one after the other, and no batch is held up for ever. The reward of a
/// demand in vain goes to its demander if the demand had been announced (ISeals), else to whoever judges it if that call had
/// been, and is burnt otherwise.
interface IDemands is ISeals {
    /// @notice What can be demanded.
    enum Wanted {
        Receipt, // the receipt whose id the row carries
        Evidence, // all runs
        Answer, // a chunk of the answer
        Prompt, // a chunk of the prompt
        Source // a chunk of the text that a run quotes
    }

    /// @notice Where a demand stands.
    enum Status {
        None,
        Open,
        Answered,
        Judged // in vain: the row was reversed, or could no longer be
    }

    /// @notice A demand.
    /// @param expected What an answer must hash to: receipt id, evidence hash, text commitment or contribution root.
    /// @param chunk Index of the demanded chunk.
    /// @param document Index of the document, and `documents` their number (`Source` only).
    /// @param dueBlock To be answered up to and including this block, or before second `dueTime`.
    /// @param gasPrice Wei that a unit of an answer's gas is paid.
    /// @param rewarded Whether the demand was announced, so that its demander is rewarded if it is in vain.
    struct Demand {
        bytes32 expected;
        address demander;
        uint64 batch;
        uint32 row;
        Wanted wanted;
        Status status;
        bool rewarded;
        uint32 chunk;
        uint32 document;
        uint32 documents;
        uint64 dueBlock;
        uint64 dueTime;
        uint128 gasPrice;
        uint128 deposit;
    }

    /// @notice Something was demanded.
    event Demanded(uint64 indexed id, Demand demand);
    /// @notice What was demanded is in the calldata of this transaction. `paid` went to the answerer, the rest of the deposit
    /// back to the demander.
    event Answered(uint64 indexed demand, address indexed answerer, uint256 paid);
    /// @notice A demand was in vain; `reversed` says whether the row could still be reversed. The deposit went back.
    event Withheld(uint64 indexed demand, uint64 indexed batch, uint32 indexed row, bool reversed);

    /// @notice A private receipt can be demanded by its payer alone, if every datanet that its row names has FLAG_PRIVATE.
    error PrivateReceipt(address payer);
    /// @notice Demands for this batch are over.
    error TooLate(uint64 batch);
    /// @notice The same was demanded before, as demand `demand`.
    error AlreadyDemanded(uint64 demand);
    /// @notice The deposit must be `need` wei; what is attached beyond comes back with it.
    error DepositShort(uint256 have, uint256 need);
    /// @notice The receipt's answer has no such chunk, or the run quotes nothing of it.
    error NoSuchChunk(uint32 chunk);
    /// @notice Another function takes this kind of demand, or of answer.
    error WrongKind(Wanted wanted);
    /// @notice The demand is not open.
    error NotOpen(uint64 demand, Status status);
    /// @notice The time to answer is over, or not yet over.
    error ResponseTime(uint64 demand, uint64 dueBlock, uint64 dueTime);
    /// @notice What was shown is not what was demanded.
    error AnswerMismatch(bytes32 expected, bytes32 shown);

    /// @notice Demands the receipt of a row: anyone may, for the row itself does not say whether it is private.
    function demandReceipt(IChallenges.RowOpening calldata row) external payable returns (uint64 demand);

    /// @notice Demands the evidence, or chunk `chunk` of the answer or of the prompt (0 for the evidence).
    function demand(
        IChallenges.RowOpening calldata row,
        IChallenges.AnswerReceipt calldata receipt,
        Wanted wanted,
        uint32 chunk
    ) external payable returns (uint64 id);

    /// @notice Demands chunk `chunk` of the document that a run quotes; the chunk must hold bytes of the run's match.
    function demandSource(IChallenges.RowOpening calldata row, IChallenges.RunOpening calldata run, uint32 chunk)
        external
        payable
        returns (uint64 demand);

    /// @notice Shows a demanded receipt.
    function showReceipt(uint64 demand, IChallenges.AnswerReceipt calldata receipt) external;

    /// @notice Shows demanded evidence.
    function showEvidence(uint64 demand, IChallenges.Evidence calldata evidence) external;

    /// @notice Shows a demanded chunk: the opening of that one chunk or, where the text is too short to have it, of any.
    /// @param path Of the document in its contribution (`Source` only).
    function showText(uint64 demand, bytes32[] calldata path, IChallenges.TextOpening calldata text) external;

    /// @notice Judges a demand whose time is over. If the window is open and the row stands, the row is reversed: the
    /// payer's fee returns to the deposit, and the submitter pays the penalty of the row's first fault: half of it to the
    /// demander, if the demand was announced, else to the caller, if this call was. The deposit goes back to the demander in
    /// any case.
    function judgeWithheld(uint64 demand, IChallenges.RowOpening calldata row) external;

    /// @notice The deposit that a demand needs now: what answering it could cost, at twice the base fee.
    /// @param answerBytes Length of the answer (`Evidence` only).
    function depositFor(Wanted wanted, uint32 answerBytes) external view returns (uint256);

    /// @notice Number of demands; ids run from 1.
    function demandCount() external view returns (uint64);

    /// @notice A demand.
    function demandOf(uint64 demand) external view returns (Demand memory);

    /// @notice The settlement whose rows are demanded.
    function settlement() external view returns (ISettlement);

    /// @notice The contract that reverses rows.
    function challenges() external view returns (IChallenges);

    /// @notice For how many windows after a batch, in whichever of blocks and seconds is behind, demands are taken.
    function DEMAND_WINDOWS() external view returns (uint256);
}
