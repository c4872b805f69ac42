// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IChallenges} from "./interfaces/IChallenges.sol";
import {IDatanets} from "./interfaces/IDatanets.sol";
import {IDemands} from "./interfaces/IDemands.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {Commitments} from "./lib/Commitments.sol";
import {ReceiptTypes} from "./lib/ReceiptTypes.sol";
import {Seals} from "./lib/Seals.sol";

/// @title Demands
/// @notice See IDemands. Holds the deposits of open demands and nothing else; has no owner. Apart from Challenges because
/// together they would exceed the size of a contract.
contract Demands is IDemands, Seals {
    using SafeCast for uint256;

    /// @inheritdoc IDemands
    uint256 public constant DEMAND_WINDOWS = 4;
    /// @dev What showing costs at most, calldata and payment included (test/Demands.t.sol measures it).
    uint256 public constant GAS_SHOW = 250_000;
    uint256 public constant GAS_PER_RUN = 1_600;
    /// @dev Least gas price that an answer is paid at, on chains whose base fee can fall to nothing.
    uint256 public constant MIN_GAS_PRICE = 2_000_000;
    /// @dev Gas that who gets a deposit has: as Settlement's PUSH_GAS.
    uint256 private constant PAY_GAS = 30_000;
    uint64 private constant PROMPT = type(uint64).max;
    /// @dev A receipt's `visibility`, and the flag of a datanet that private requests may use.
    uint8 private constant PRIVATE = 1;
    uint8 private constant FLAG_PRIVATE = 8;

    /// @inheritdoc IDemands
    ISettlement public immutable settlement;
    /// @inheritdoc IDemands
    IChallenges public immutable challenges;
    /// @inheritdoc IDemands
    uint64 public demandCount;

    mapping(uint64 id => Demand) private _demands;
    /// @dev The demand for one thing of one row: keccak256(batch, row, wanted, contribution, document, chunk).
    mapping(bytes32 thing => uint64) private _byThing;

    /// @dev Neither need exist yet: nothing is asked of them here.
    constructor(ISettlement settlement_, IChallenges challenges_) {
        settlement = settlement_;
        challenges = challenges_;
    }

    // ---------------------------------------------------------------- demand

    /// @inheritdoc IDemands
    function demandReceipt(IChallenges.RowOpening calldata row) external payable returns (uint64) {
        Demand memory wanted;
        wanted.wanted = Wanted.Receipt;
        wanted.expected = row.row.receipt;
        return _demand(row, wanted, 0, 0);
    }

    /// @inheritdoc IDemands
    function demand(
        IChallenges.RowOpening calldata row,
        IChallenges.AnswerReceipt calldata receipt,
        Wanted wanted,
        uint32 chunk
    ) external payable returns (uint64) {
        _checkReceipt(row, receipt);
        Demand memory made;
        (made.wanted, made.chunk) = (wanted, chunk);
        if (wanted == Wanted.Evidence) {
            require(chunk == 0, NoSuchChunk(chunk));
            made.expected = receipt.evidenceHash;
        } else if (wanted == Wanted.Answer) {
            require(chunk < Commitments.leavesOf(receipt.answerBytes), NoSuchChunk(chunk));
            made.expected = receipt.answerRoot;
        } else {
            require(wanted == Wanted.Prompt, WrongKind(wanted));
            made.expected = receipt.promptRoot;
        }
        return _demand(row, made, 0, receipt.answerBytes);
    }

    /// @inheritdoc IDemands
    function demandSource(IChallenges.RowOpening calldata row, IChallenges.RunOpening calldata opened, uint32 chunk)
        external
        payable
        returns (uint64)
    {
        _checkReceipt(row, opened.receipt);
        bytes32 hash = Commitments.evidence(opened);
        require(hash == opened.receipt.evidenceHash, IChallenges.EvidenceMismatch(opened.receipt.evidenceHash, hash));
        IChallenges.Run calldata run = opened.run;
        // The prompt is demanded as such; a run that quotes nothing, or no document, is challenged as it stands.
        require(run.contribution != 0 && run.contribution != PROMPT, WrongKind(Wanted.Prompt));
        IDatanets.Contribution memory from = settlement.datanets().contribution(run.contribution);
        uint256 size = Commitments.CHUNK;
        require(
            run.document < from.documents && run.matchStart < run.matchEnd && chunk >= run.offset / size
                && chunk <= (uint256(run.offset) + (run.matchEnd - run.matchStart) - 1) / size,
            NoSuchChunk(chunk)
        );
        Demand memory made;
        (made.wanted, made.chunk, made.expected) = (Wanted.Source, chunk, from.root);
        (made.document, made.documents) = (run.document, from.documents);
        return _demand(row, made, run.contribution, 0);
    }

    function _demand(IChallenges.RowOpening calldata row, Demand memory made, uint64 contribution, uint32 answerBytes)
        private
        returns (uint64 id)
    {
        (uint256 blocks, uint256 secs) = _checkRow(row);
        bytes32 thing =
            keccak256(abi.encode(row.batch, row.index, made.wanted, contribution, made.document, made.chunk));
        require(_byThing[thing] == 0, AlreadyDemanded(_byThing[thing]));
        uint256 price = _gasPrice();
        uint256 need = price * _gasOf(made.wanted, answerBytes);
        require(msg.value >= need, DepositShort(msg.value, need));

        id = ++demandCount;
        _byThing[thing] = id;
        made.demander = msg.sender;
        made.batch = row.batch;
        made.row = row.index;
        made.status = Status.Open;
        made.rewarded = _wasAnnounced();
        made.dueBlock = uint64(block.number + blocks);
        made.dueTime = uint64(block.timestamp + secs);
        made.gasPrice = price.toUint128();
        made.deposit = msg.value.toUint128();
        _demands[id] = made;
        emit Demanded(id, made);
        settlement.extend(row.batch, block.number + 2 * blocks, block.timestamp + 2 * secs);
    }

    /// @dev The row is in its batch and stands, and there is time left to demand. Returns the length of a window.
    function _checkRow(IChallenges.RowOpening calldata row) private view returns (uint256 blocks, uint256 secs) {
        ISettlement.Batch memory batch = settlement.batch(row.batch);
        bytes32 leaf = ReceiptTypes.rowLeaf(row.payer, row.row);
        require(
            Commitments.root(leaf, row.index, batch.rows, row.path) == batch.rowsRoot,
            IChallenges.RowMismatch(row.batch, row.index)
        );
        require(!challenges.rowState(row.batch, row.index).reversed, IChallenges.RowReversed(row.batch, row.index));
        (blocks, secs) = (settlement.windowBlocks(), settlement.windowSeconds());
        // Over when both have passed, as every window.
        require(
            !settlement.windowOver(row.batch)
                && (block.number <= batch.settledBlock + DEMAND_WINDOWS * blocks
                    || block.timestamp < batch.settledAt + DEMAND_WINDOWS * secs),
            TooLate(row.batch)
        );
    }

    // ---------------------------------------------------------------- show

    /// @inheritdoc IDemands
    function showReceipt(uint64 id, IChallenges.AnswerReceipt calldata receipt) external {
        Demand memory open = _open(id);
        require(open.wanted == Wanted.Receipt, WrongKind(open.wanted));
        _conclude(id, open, _receiptId(receipt), GAS_SHOW);
    }

    /// @inheritdoc IDemands
    function showEvidence(uint64 id, IChallenges.Evidence calldata evidence) external {
        Demand memory open = _open(id);
        require(open.wanted == Wanted.Evidence, WrongKind(open.wanted));
        uint256 runs = evidence.runs.length / Commitments.RUN_BYTES;
        _conclude(id, open, Commitments.evidenceHash(evidence), GAS_SHOW + GAS_PER_RUN * runs);
    }

    /// @inheritdoc IDemands
    function showText(uint64 id, bytes32[] calldata path, IChallenges.TextOpening calldata text) external {
        Demand memory open = _open(id);
        require(text.chunks.length == 1, Commitments.ChunkCount(text.chunks.length));
        // A text that is too short to have the chunk shows so by its length, which its commitment holds.
        require(
            text.chunks[0].index == open.chunk || open.chunk >= Commitments.leavesOf(text.length),
            NoSuchChunk(text.chunks[0].index)
        );
        bytes32 shown;
        if (open.wanted == Wanted.Answer) {
            shown = Commitments.text(Commitments.TAG_ANSWER, text);
        } else if (open.wanted == Wanted.Prompt) {
            shown = Commitments.text(Commitments.TAG_PROMPT, text);
        } else {
            require(open.wanted == Wanted.Source, WrongKind(open.wanted));
            shown = Commitments.text(Commitments.TAG_DOCUMENT, text);
            shown = Commitments.contribution(shown, open.document, open.documents, path);
        }
        _conclude(id, open, shown, GAS_SHOW);
    }

    function _open(uint64 id) private view returns (Demand memory open) {
        open = _demands[id];
        require(open.status == Status.Open, NotOpen(id, open.status));
        require(!_overdue(open), ResponseTime(id, open.dueBlock, open.dueTime));
    }

    /// @dev Pays the answerer its gas and the demander the rest.
    function _conclude(uint64 id, Demand memory open, bytes32 shown, uint256 gas_) private {
        require(shown == open.expected, AnswerMismatch(open.expected, shown));
        _demands[id].status = Status.Answered;
        uint256 paid = Math.min(open.gasPrice * gas_, open.deposit);
        emit Answered(id, msg.sender, paid);
        _give(msg.sender, paid);
        _give(open.demander, open.deposit - paid);
    }

    // ---------------------------------------------------------------- judge

    /// @inheritdoc IDemands
    function judgeWithheld(uint64 id, IChallenges.RowOpening calldata row) external {
        Demand memory open = _demands[id];
        require(open.status == Status.Open, NotOpen(id, open.status));
        require(_overdue(open), ResponseTime(id, open.dueBlock, open.dueTime));
        require(row.batch == open.batch && row.index == open.row, IChallenges.RowMismatch(row.batch, row.index));
        _demands[id].status = Status.Judged;
        bool stands = !settlement.windowOver(open.batch) && !challenges.rowState(open.batch, open.row).reversed;
        emit Withheld(id, open.batch, open.row, stands);
        if (stands) {
            // Nobody can demand the same again: without a reward for the judge a gateway would make looking worthless to
            // everybody by demanding of itself, unannounced.
            (address found, bool rewarded) = open.rewarded ? (open.demander, true) : (msg.sender, _wasAnnounced());
            challenges.reverseWithheld(row, found, rewarded);
        }
        _give(open.demander, open.deposit);
    }

    /// @dev Bounded gas and no return data; who refuses finds it as a deposit in Settlement.
    function _give(address to, uint256 amount) private {
        if (amount == 0) return;
        // Nobody can make it fail by sending too little gas; see Settlement._pay.
        require(gasleft() > PAY_GAS + 40_000, ISettlement.GasTooLow(gasleft(), PAY_GAS + 40_000));
        bool sent;
        assembly ("memory-safe") {
            sent := call(PAY_GAS, to, amount, 0, 0, 0, 0)
        }
        if (!sent) settlement.depositFor{value: amount}(to);
    }

    // ---------------------------------------------------------------- checks

    function _checkReceipt(IChallenges.RowOpening calldata row, IChallenges.AnswerReceipt calldata receipt)
        private
        view
    {
        bytes32 id = _receiptId(receipt);
        require(id == row.row.receipt, IChallenges.ReceiptMismatch(row.row.receipt, id));
        // The row's payer is whose deposit was debited.
        require(
            receipt.visibility != PRIVATE || msg.sender == row.payer || !_mayBePrivate(row.row.versions),
            PrivateReceipt(row.payer)
        );
    }

    /// @dev Whether every datanet lets private requests use it. Authors of one that does not may look at what they earn, so
    /// that a gateway cannot hide it from them by a word in the receipt. A datanet that does not exist hides nothing either.
    function _mayBePrivate(uint64[] calldata versions) private view returns (bool) {
        IDatanets datanets = settlement.datanets();
        for (uint256 i; i < versions.length; ++i) {
            try datanets.licenceOf(uint32(versions[i] >> 32)) returns (uint8 flags, uint128) {
                if (flags & FLAG_PRIVATE == 0) return false;
            } catch {
                return false;
            }
        }
        return true;
    }

    function _receiptId(IChallenges.AnswerReceipt calldata receipt) private view returns (bytes32) {
        return ReceiptTypes.digest(settlement.domainSeparator(), ReceiptTypes.hash(receipt));
    }

    function _overdue(Demand memory open) private view returns (bool) {
        return block.number > open.dueBlock && block.timestamp >= open.dueTime;
    }

    function _gasPrice() private view returns (uint256) {
        return Math.max(2 * block.basefee, MIN_GAS_PRICE);
    }

    /// @dev Every run has a byte, so the answer's length bounds their number.
    function _gasOf(Wanted wanted, uint32 answerBytes) private pure returns (uint256) {
        if (wanted != Wanted.Evidence) return GAS_SHOW;
        return GAS_SHOW + GAS_PER_RUN * Math.min(answerBytes, Commitments.MAX_RUNS);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IDemands
    function depositFor(Wanted wanted, uint32 answerBytes) external view returns (uint256) {
        return _gasPrice() * _gasOf(wanted, answerBytes);
    }

    /// @inheritdoc IDemands
    function demandOf(uint64 id) external view returns (Demand memory) {
        return _demands[id];
    }
}
