// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatanets} from "./IDatanets.sol";
import {IModels} from "./IModels.sol";

/// @title ISettlement
/// @notice Deposits, vouchers, batches, payouts and bonds (docs/spec/settlement.md; the bytes are in
/// docs/spec/receipt.md). No owner, no upgrade, no parameter that changes.
///
/// What is held covers what is owed, always: balance >= deposits + pending credits + claimable + bonds.
interface ISettlement {
    // ---------------------------------------------------------------- what is settled

    /// @notice One receipt in a batch, as its leaf (tag 07) commits to it and as a challenge opens it. `settle` takes rows
    /// in a shorter form, see `Tab`.
    /// @param receipt Id of the receipt: its EIP-712 digest.
    /// @param model Model that answered; its payouts at the time of the batch divide the fee.
    /// @param worker Paid the worker's part.
    /// @param fee In wei.
    /// @param versions Each `datanet << 32 | version`; at most 16.
    /// @param shares Each `contribution << 32 | ppm` of the data pool; at most 16 distinct contributions, together at most
    /// 1,000,000.
    struct Row {
        bytes32 receipt;
        uint32 model;
        address worker;
        uint128 fee;
        uint64[] versions;
        uint256[] shares;
    }

    /// @notice What the rows of a batch name, each thing once: rows point into these lists.
    /// @param sources Contributions, strictly increasing.
    /// @param versions Each `datanet << 32 | version`.
    /// @param models Models.
    /// @param workers Workers.
    struct Tables {
        uint64[] sources;
        uint64[] versions;
        uint32[] models;
        address[] workers;
    }

    /// @notice One payer's rows under one cumulative voucher.
    /// @param count Number of rows.
    /// @param rows The rows, one after the other and packed, big-endian; indices are into `Tables`:
    /// `receipt[32] ‖ u128 fee ‖ u16 model ‖ u16 worker ‖ u8 versions ‖ u8 shares ‖ (u16 version)* ‖ (u16 source ‖ u24 ppm)*`.
    struct Tab {
        address payer;
        uint128 total;
        uint64 nonce;
        uint32 count;
        bytes signature;
        bytes rows;
    }

    /// @notice A batch as kept. `exposure` is the part of the submitter's bond that it still locks.
    struct Batch {
        bytes32 rowsRoot;
        address submitter;
        uint48 settledBlock;
        uint48 settledAt;
        uint128 exposure;
        uint32 rows;
        uint96 payeeClock;
    }

    /// @notice A session key's limit: it may sign vouchers up to the cumulative total `cap`; from `since` on, if that is
    /// not zero, up to `next`.
    struct Limit {
        uint128 cap;
        uint128 next;
        uint64 since;
    }

    /// @notice An amount taken from, or paid to, `account`.
    struct Move {
        address account;
        uint256 amount;
    }

    /// @notice What a proved challenge does to a batch. `moves` are taken from pending credits and go to the treasury's or,
    /// where `refunded` is not zero, back into that payer's deposit. `harms` (paid to those who lost by the lie), `reward`
    /// and `burnt` come out of the submitter's bond.
    struct Judgement {
        uint64 batch;
        Move[] moves;
        address refunded;
        Move[] harms;
        address challenger;
        uint256 reward;
        uint256 burnt;
    }

    // ---------------------------------------------------------------- events

    /// @notice `payer`'s deposit grew.
    event Deposited(address indexed payer, address indexed from, uint256 amount);
    /// @notice `amount` may be withdrawn from `availableAt` (seconds) on, as far as it is still there then.
    event WithdrawalRequested(address indexed payer, uint256 amount, uint64 availableAt);
    /// @notice `amount` of a deposit went back to its payer.
    event Withdrawn(address indexed payer, uint256 amount);
    /// @notice A session key may sign up to `cap`, from `since` (seconds) on.
    event LimitSet(
        address indexed payer, address indexed gateway, address indexed sessionKey, uint128 cap, uint64 since
    );
    /// @notice A gateway's bond grew.
    event Bonded(address indexed gateway, uint256 amount);
    /// @notice A gateway took back a free part of its bond.
    event Unbonded(address indexed gateway, uint256 amount);
    /// @notice A batch was accepted.
    event Settled(
        uint64 indexed batch, address indexed submitter, uint32 rows, bytes32 rowsRoot, uint128 fees, uint128 short
    );
    /// @notice A payer was debited `amount`, of which `short` came out of the submitter's bond.
    event Debited(uint64 indexed batch, address indexed payer, uint128 total, uint128 amount, uint128 short);
    /// @notice The window is over and the batch's lock on the bond is gone.
    event Released(uint64 indexed batch, uint128 exposure);
    /// @notice A credit of a batch was paid.
    event Paid(uint64 indexed batch, address indexed payee, uint256 amount);
    /// @notice A payee refused its credit and may claim it.
    event PayFailed(uint64 indexed batch, address indexed payee, uint256 amount);
    /// @notice A challenge took `moved` from a batch's credits and `taken` from its submitter's bond, of which `burnt` went
    /// to nobody. The challenge itself is an event of Challenges.
    event Judged(uint64 indexed batch, address indexed submitter, uint256 moved, uint256 taken, uint256 burnt);
    /// @notice A demand keeps a batch's window open until after block `untilBlock` and not before second `untilTime`.
    event Extended(uint64 indexed batch, uint256 untilBlock, uint256 untilTime);
    /// @notice A claimable amount was paid.
    event Claimed(address indexed payee, uint256 amount);

    // ---------------------------------------------------------------- errors

    /// @notice A constructor parameter is out of range.
    error InvalidParameter();
    /// @notice There is nothing to do.
    error NothingToDo();
    /// @notice The deposit holds less.
    error DepositShort(uint256 have, uint256 need);
    /// @notice The free part of the bond is smaller.
    error BondShort(uint256 have, uint256 need);
    /// @notice The notice period ends at `availableAt`.
    error NoticeRunning(uint64 availableAt);
    /// @notice `account` refused `amount` wei.
    error TransferRefused(address account, uint256 amount);
    /// @notice The voucher's total is below what has been spent.
    error VoucherBehind(address payer, uint256 total, uint256 spent);
    /// @notice Neither the payer nor a session key with a sufficient cap signed the voucher.
    error VoucherInvalid(address payer, address signer, uint256 total, uint256 cap);
    /// @notice The voucher's debit is not the sum of the rows' fees.
    error DebitMismatch(address payer, uint256 debit, uint256 fees);
    /// @notice A row names something that is not in the tables, more than 16 versions or shares, a contribution twice, or
    /// does not end where its tab says.
    error InvalidRow(uint256 row);
    /// @notice Entry `index` of a table is out of order, or is no worker.
    error InvalidTable(uint256 index);
    /// @notice A row credits a contribution that is in none of its versions.
    error NotMember(uint256 row, uint64 contribution);
    /// @notice No such version of the datanet exists.
    error UnknownVersion(uint32 datanet, uint32 version, uint32 latest);
    /// @notice Another contract's parts of a whole sum to more than it.
    error PartsExceed(uint256 ppm);
    /// @notice The shares of a row sum to more than 1,000,000.
    error SharesExceed(uint256 row, uint256 ppm);
    /// @notice No batch has this id.
    error UnknownBatch(uint64 batch);
    /// @notice The window still runs: until after block `untilBlock` and not before second `untilTime`.
    error WindowOpen(uint64 batch, uint256 untilBlock, uint256 untilTime);
    /// @notice The window is over.
    error WindowOver(uint64 batch);
    /// @notice So little gas is left that a payee could fail for want of it.
    error GasTooLow(uint256 have, uint256 need);

    /// @notice Only a contract that judges may do this.
    error NotJudge(address account);

    // ---------------------------------------------------------------- payers

    /// @notice Adds the attached wei to `payer`'s deposit.
    function depositFor(address payer) external payable;

    /// @notice Announces a withdrawal; a second request replaces the first. Batches can still debit the deposit.
    function requestWithdrawal(uint128 amount) external;

    /// @notice Pays out what was requested, or what is left of it, after the notice.
    function withdraw() external;

    /// @notice Lets `sessionKey` sign the caller's vouchers to `gateway` up to the cumulative total `cap`. A larger cap
    /// applies at once, a smaller one (0 revokes) after the notice, because the gateway may have served against it.
    function setLimit(address gateway, address sessionKey, uint128 cap) external;

    // ---------------------------------------------------------------- gateways

    /// @notice Adds the attached wei to the caller's bond.
    function bond() external payable;

    /// @notice Takes back `amount` of the caller's bond that no open batch locks.
    function unbond(uint128 amount) external;

    /// @notice Settles rows under their payers' vouchers to the caller. The bond pays what deposits do not cover and
    /// locks `(1 + penaltyMultiple) * fees` until the window is over. Every division rounds down, in favour of the
    /// treasury, which takes the rest of each fee; except for a curator's cut, which is a part of a contribution's credit,
    /// so that its rest is the contributor's.
    ///
    /// Per row: worker = fee * workerPpm / 1e6; each developer = fee * ppm / 1e6; pool = fee * dataPpm / 1e6; for each
    /// share credit = pool * ppm / 1e6 and cut = credit * curatorPpm / 1e6, of which the datanet's curator gets cut and
    /// the contribution's payee credit - cut; the treasury gets what is left of the fee.
    function settle(Tables calldata tables, Tab[] calldata tabs) external returns (uint64 batch);

    // ---------------------------------------------------------------- payees

    /// @notice Pays credits of a batch whose window is over, with a bounded amount of gas per payee; who refuses keeps a
    /// claim. The first push of a batch (an empty list will do) frees the submitter's bond.
    function push(uint64 batch, address[] calldata payees) external;

    /// @notice Pays the caller what it has to claim.
    function claim() external;

    /// @notice Pays `payee` what it has to claim.
    function claimFor(address payee) external;

    // ---------------------------------------------------------------- challenges

    /// @notice Carries out a proved challenge; called by `challenges` alone, while the batch's window is open. Whatever it
    /// asks, no more is taken than the batch holds for its payees and locks of its submitter's bond.
    function execute(Judgement calldata judgement) external;

    /// @notice Keeps a batch's open window open until after block `untilBlock` and not before second `untilTime`, each cut
    /// to two windows from now, and never shortens it. Called by `demands` alone, until MAX_WINDOWS - 2 windows have passed
    /// in blocks and in seconds.
    function extend(uint64 batch, uint256 untilBlock, uint256 untilTime) external;

    // ---------------------------------------------------------------- views

    /// @notice A payer's deposit.
    function depositOf(address payer) external view returns (uint128);

    /// @notice A payer's announced withdrawal; zeros: none.
    function withdrawalOf(address payer) external view returns (uint128 amount, uint64 availableAt);

    /// @notice Cumulative total that a gateway has debited from a payer.
    function spent(address payer, address gateway) external view returns (uint128);

    /// @notice What a session key may sign now, and the announced change, if any.
    function limitOf(address payer, address gateway, address sessionKey) external view returns (Limit memory);

    /// @notice A gateway's bond, its locked part included.
    function bondOf(address gateway) external view returns (uint128);

    /// @notice The part of a bond that batches lock, those included whose window is over but which nobody has pushed yet.
    function lockedOf(address gateway) external view returns (uint128);

    /// @notice Number of batches; ids run from 1.
    function batchCount() external view returns (uint64);

    /// @notice A batch.
    function batch(uint64 id) external view returns (Batch memory);

    /// @notice A payee's unpaid credit in a batch.
    function pendingOf(uint64 batch, address payee) external view returns (uint256);

    /// @notice What a payee may claim.
    function claimable(address payee) external view returns (uint256);

    /// @notice The end of a batch's window: after block `untilBlock`, and not before second `untilTime`.
    function windowOf(uint64 batch) external view returns (uint256 untilBlock, uint256 untilTime);

    /// @notice Whether a batch can be paid and no longer be challenged.
    function windowOver(uint64 batch) external view returns (bool);

    /// @notice The digest of a voucher.
    function voucherDigest(address payer, address gateway, uint128 total, uint64 nonce) external view returns (bytes32);

    /// @notice Penalty in fees (K): half to the challenger, half burnt.
    function penaltyMultiple() external view returns (uint32);

    /// @notice Blocks of the challenge window.
    function windowBlocks() external view returns (uint64);

    /// @notice Seconds of the challenge window.
    function windowSeconds() external view returns (uint64);

    /// @notice Seconds of notice for withdrawals and lowered limits.
    function noticeSeconds() external view returns (uint64);

    /// @notice The contract that judges challenges, for good.
    function challenges() external view returns (address);

    /// @notice The contract that keeps demands for withheld evidence, for good.
    function demands() external view returns (address);

    /// @notice How many windows a batch may be kept open by demands, in whichever of blocks and seconds is behind.
    function MAX_WINDOWS() external view returns (uint256);

    /// @notice Where contributions and their payees are read.
    function datanets() external view returns (IDatanets);

    /// @notice Where payouts are read.
    function models() external view returns (IModels);

    /// @notice Hash of the EIP-712 domain that receipts, countersignatures and vouchers are signed under.
    function domainSeparator() external view returns (bytes32);

    /// @notice Who is paid the protocol's part and whatever no source explains.
    function treasury() external view returns (address);
}
