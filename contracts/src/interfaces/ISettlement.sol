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

    /// @notice One receipt in a batch.
    /// @param receipt Id of the receipt: its EIP-712 digest.
    /// @param model Model that answered; its splits at the time of the batch divide the fee.
    /// @param worker Paid the worker's part.
    /// @param fee In wei.
    /// @param versions Each `datanet << 32 | version`; at most 16.
    /// @param shares Each `contribution << 32 | ppm` of the data pool; at most 16, together at most 1,000,000.
    struct Row {
        bytes32 receipt;
        uint32 model;
        address worker;
        uint128 fee;
        uint64[] versions;
        uint256[] shares;
    }

    /// @notice One payer's rows under one cumulative voucher.
    struct Tab {
        address payer;
        uint128 total;
        uint64 nonce;
        bytes signature;
        Row[] rows;
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

    /// @notice Takes `amount` from `from`'s pending credit.
    struct Move {
        address from;
        uint256 amount;
    }

    /// @notice What a proved challenge does to a batch. `moves` go to the treasury's pending credit or, where `refunded` is
    /// not zero, back into that payer's deposit. `harm`, `reward` and `burnt` come out of the submitter's bond.
    struct Judgement {
        uint64 batch;
        Move[] moves;
        address refunded;
        address harmed;
        uint256 harm;
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
    /// @notice A row names no worker, more than 16 versions or shares, or a malformed share.
    error InvalidRow(uint256 row);
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

    /// @notice Only the contract of the challenges may do this.
    error NotChallenges(address account);

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
    /// treasury, which takes the rest of each fee.
    function settle(Tab[] calldata tabs) external returns (uint64 batch);

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

    /// @notice Where contributions and their payees are read.
    function datanets() external view returns (IDatanets);

    /// @notice Where splits are read.
    function models() external view returns (IModels);

    /// @notice Hash of the EIP-712 domain that receipts, countersignatures and vouchers are signed under.
    function domainSeparator() external view returns (bytes32);

    /// @notice Who is paid the protocol's part and whatever no source explains.
    function treasury() external view returns (address);
}
