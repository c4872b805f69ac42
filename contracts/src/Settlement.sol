// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IDatanets} from "./interfaces/IDatanets.sol";
import {IModels} from "./interfaces/IModels.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {Commitments} from "./lib/Commitments.sol";
import {NetworkDomain} from "./lib/NetworkDomain.sol";
import {ReceiptTypes} from "./lib/ReceiptTypes.sol";

/// @title Settlement
/// @notice See ISettlement. Every verb goes: check, effect, event, then external call.
contract Settlement is ISettlement, NetworkDomain, ReentrancyGuardTransient {
    using SafeCast for uint256;

    uint256 public constant MAX_SHARES = 16;
    uint256 public constant MAX_VERSIONS = 16;
    /// @notice Gas that a payee gets: enough for a smart account that logs, too little to hold up a keeper.
    uint256 public constant PUSH_GAS = 30_000;
    uint256 private constant ONE = 1e6;

    struct Account {
        uint128 deposit;
        uint128 requested;
        uint64 availableAt;
    }

    struct Bond {
        uint128 amount;
        uint128 locked;
    }

    /// @dev What `settle` carries from row to row. `splits` are those of `model`.
    struct Cursor {
        uint64 batch;
        uint32 model;
        uint256 row;
        uint256 fees;
        uint256 short;
        uint256 treasury;
        IModels.Splits splits;
        bytes32[] leaves;
    }

    /// @inheritdoc ISettlement
    IDatanets public immutable datanets;
    /// @inheritdoc ISettlement
    IModels public immutable models;
    /// @inheritdoc ISettlement
    address public immutable challenges;
    /// @inheritdoc ISettlement
    address public immutable treasury;
    /// @inheritdoc ISettlement
    uint64 public immutable windowBlocks;
    /// @inheritdoc ISettlement
    uint64 public immutable windowSeconds;
    /// @inheritdoc ISettlement
    uint64 public immutable noticeSeconds;
    /// @inheritdoc ISettlement
    uint32 public immutable penaltyMultiple;

    /// @inheritdoc ISettlement
    uint64 public batchCount;
    /// @inheritdoc ISettlement
    mapping(address payer => mapping(address gateway => uint128)) public spent;
    /// @inheritdoc ISettlement
    mapping(address payee => uint256) public claimable;

    mapping(address payer => Account) private _accounts;
    mapping(address payer => mapping(address gateway => mapping(address key => Limit))) private _limits;
    mapping(address gateway => Bond) private _bonds;
    mapping(uint64 batch => Batch) private _batches;
    mapping(uint64 batch => mapping(address payee => uint256)) private _credits;

    constructor(
        bytes32 networkId_,
        IDatanets datanets_,
        IModels models_,
        address challenges_,
        address treasury_,
        uint64 windowBlocks_,
        uint64 windowSeconds_,
        uint64 noticeSeconds_,
        uint32 penaltyMultiple_
    ) NetworkDomain(networkId_) {
        // Without a penalty a lie would cost nothing; above 100 fees a bond would cover next to no work.
        require(treasury_ != address(0) && penaltyMultiple_ != 0 && penaltyMultiple_ <= 100, InvalidParameter());
        // A window with no block could be pushed in the block that settles, before anyone can challenge.
        require(windowBlocks_ != 0 && windowBlocks_ < 1 << 40 && windowSeconds_ < 1 << 40, InvalidParameter());
        require(noticeSeconds_ < 1 << 40, InvalidParameter());
        datanets = datanets_;
        models = models_;
        challenges = challenges_;
        treasury = treasury_;
        windowBlocks = windowBlocks_;
        windowSeconds = windowSeconds_;
        noticeSeconds = noticeSeconds_;
        penaltyMultiple = penaltyMultiple_;
    }

    // ---------------------------------------------------------------- payers

    /// @inheritdoc ISettlement
    function depositFor(address payer) external payable {
        require(msg.value != 0 && payer != address(0), NothingToDo());
        _accounts[payer].deposit += msg.value.toUint128();
        emit Deposited(payer, msg.sender, msg.value);
    }

    /// @inheritdoc ISettlement
    function requestWithdrawal(uint128 amount) external {
        Account storage account = _accounts[msg.sender];
        require(amount != 0, NothingToDo());
        require(amount <= account.deposit, DepositShort(account.deposit, amount));
        account.requested = amount;
        account.availableAt = uint64(block.timestamp) + noticeSeconds;
        emit WithdrawalRequested(msg.sender, amount, account.availableAt);
    }

    /// @inheritdoc ISettlement
    function withdraw() external nonReentrant {
        Account storage account = _accounts[msg.sender];
        require(account.requested != 0, NothingToDo());
        require(block.timestamp >= account.availableAt, NoticeRunning(account.availableAt));
        uint128 amount = account.requested < account.deposit ? account.requested : account.deposit;
        account.deposit -= amount;
        account.requested = 0;
        account.availableAt = 0;
        emit Withdrawn(msg.sender, amount);
        _send(msg.sender, amount);
    }

    /// @inheritdoc ISettlement
    function setLimit(address gateway, address sessionKey, uint128 cap) external {
        require(sessionKey != address(0), NothingToDo());
        Limit storage limit = _limits[msg.sender][gateway][sessionKey];
        uint128 current = _capOf(limit);
        uint64 since = uint64(block.timestamp);
        if (cap >= current) {
            (limit.cap, limit.next, limit.since) = (cap, 0, 0);
        } else {
            since += noticeSeconds;
            (limit.cap, limit.next, limit.since) = (current, cap, since);
        }
        emit LimitSet(msg.sender, gateway, sessionKey, cap, since);
    }

    // ---------------------------------------------------------------- bonds

    /// @inheritdoc ISettlement
    function bond() external payable {
        require(msg.value != 0, NothingToDo());
        _bonds[msg.sender].amount += msg.value.toUint128();
        emit Bonded(msg.sender, msg.value);
    }

    /// @inheritdoc ISettlement
    function unbond(uint128 amount) external nonReentrant {
        Bond storage held = _bonds[msg.sender];
        uint128 free = held.amount - held.locked;
        require(amount != 0, NothingToDo());
        require(amount <= free, BondShort(free, amount));
        held.amount -= amount;
        emit Unbonded(msg.sender, amount);
        _send(msg.sender, amount);
    }

    // ---------------------------------------------------------------- settle

    /// @inheritdoc ISettlement
    function settle(Tab[] calldata tabs) external nonReentrant returns (uint64 id) {
        Cursor memory cursor;
        cursor.batch = id = ++batchCount;
        cursor.leaves = new bytes32[](_countRows(tabs));
        for (uint256 i; i < tabs.length; ++i) {
            _settleTab(cursor, tabs[i]);
        }
        _credits[id][treasury] += cursor.treasury;

        uint32 rows = cursor.row.toUint32();
        uint128 fees = cursor.fees.toUint128();
        uint128 exposure = (cursor.fees * (1 + uint256(penaltyMultiple))).toUint128();
        Bond storage held = _bonds[msg.sender];
        uint256 need = cursor.short + held.locked + exposure;
        require(held.amount >= need, BondShort(held.amount, need));
        held.amount -= uint128(cursor.short); // at most the bond, by the line above
        held.locked += exposure;
        bytes32 rowsRoot = Commitments.rootOf(cursor.leaves);
        _batches[id] = Batch({
            rowsRoot: rowsRoot,
            submitter: msg.sender,
            settledBlock: uint48(block.number),
            settledAt: uint48(block.timestamp),
            exposure: exposure,
            rows: rows,
            payeeClock: datanets.payeeClock()
        });
        emit Settled(id, msg.sender, rows, rowsRoot, fees, uint128(cursor.short));
    }

    function _countRows(Tab[] calldata tabs) private pure returns (uint256 rows) {
        for (uint256 i; i < tabs.length; ++i) {
            require(tabs[i].rows.length != 0, NothingToDo());
            rows += tabs[i].rows.length;
        }
        require(rows != 0, NothingToDo());
    }

    function _settleTab(Cursor memory cursor, Tab calldata tab) private {
        uint128 before = spent[tab.payer][msg.sender];
        require(tab.total >= before, VoucherBehind(tab.payer, tab.total, before));
        _checkVoucher(tab);

        Row[] calldata rows = tab.rows;
        uint256 fees;
        for (uint256 i; i < rows.length; ++i) {
            fees += _settleRow(cursor, tab.payer, rows[i]);
        }
        uint128 debit = tab.total - before;
        require(debit == fees, DebitMismatch(tab.payer, debit, fees));

        spent[tab.payer][msg.sender] = tab.total;
        Account storage account = _accounts[tab.payer];
        uint128 deposit = account.deposit;
        uint128 short = debit > deposit ? debit - deposit : 0;
        account.deposit = deposit - (debit - short);
        cursor.fees += fees;
        cursor.short += short;
        emit Debited(cursor.batch, tab.payer, tab.total, debit, short);
    }

    /// @dev Every part is rounded down; the treasury takes what is left of the fee.
    function _settleRow(Cursor memory cursor, address payer, Row calldata row) private returns (uint256 fee) {
        uint256[] calldata shares = row.shares;
        address worker = row.worker;
        require(
            worker != address(0) && row.versions.length <= MAX_VERSIONS && shares.length <= MAX_SHARES,
            InvalidRow(cursor.row)
        );
        if (row.model != cursor.model || cursor.row == 0) {
            cursor.model = row.model;
            cursor.splits = models.splits(row.model);
        }
        cursor.leaves[cursor.row] = ReceiptTypes.rowLeaf(payer, row);

        fee = row.fee;
        IModels.Splits memory splits = cursor.splits;
        mapping(address => uint256) storage credits = _credits[cursor.batch];
        // No product exceeds 2^128 * 10^6, no sum of parts exceeds the fee, and a batch's credits sum to its fees, which
        // are below 2^128 for each tab: nothing here can overflow 256 bits or go below zero.
        unchecked {
            uint256 workerPart = fee * splits.workerPpm / ONE;
            uint256 developerPart = fee * splits.developerPpm / ONE;
            uint256 paid = workerPart + developerPart + _creditShares(cursor, credits, row, fee * splits.dataPpm / ONE);
            credits[worker] += workerPart;
            if (developerPart != 0) credits[splits.developer] += developerPart;
            cursor.treasury += fee - paid;
            ++cursor.row;
        }
    }

    function _creditShares(
        Cursor memory cursor,
        mapping(address => uint256) storage credits,
        Row calldata row,
        uint256 dataPool
    ) private returns (uint256 paid) {
        uint256[] calldata shares = row.shares;
        uint256 freeMemory;
        assembly ("memory-safe") {
            freeMemory := mload(0x40)
        }
        address[] memory payees = datanets.payeesOf(row.versions, shares);
        require(payees.length == shares.length, InvalidRow(cursor.row));
        uint256 ppmSum;
        uint256 dirty;
        // At most 16 shares of at most 2^32 ppm each; the sum is checked below, before anything rests on it.
        unchecked {
            for (uint256 i; i < payees.length; ++i) {
                uint256 share = shares[i];
                uint256 ppm = uint32(share);
                uint256 credit = dataPool * ppm / ONE;
                dirty |= share >> 96;
                ppmSum += ppm;
                paid += credit;
                credits[payees[i]] += credit;
            }
        }
        require(dirty == 0, InvalidRow(cursor.row));
        require(ppmSum <= ONE, SharesExceed(cursor.row, ppmSum));
        // The payees are used up: give their memory back, or the memory of a long batch would cost more than its storage.
        assembly ("memory-safe") {
            mstore(0x40, freeMemory)
        }
    }

    /// @dev The payer signed, or a session key whose cap covers the total; a payer with code may also answer by ERC-1271.
    function _checkVoucher(Tab calldata tab) private view {
        bytes32 digest = voucherDigest(tab.payer, msg.sender, tab.total, tab.nonce);
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, tab.signature);
        if (signer != address(0) && signer == tab.payer) return;
        uint128 cap = signer == address(0) ? 0 : _capOf(_limits[tab.payer][msg.sender][signer]);
        if (cap != 0 && tab.total <= cap) return;
        require(
            tab.payer.code.length != 0
                && SignatureChecker.isValidERC1271SignatureNowCalldata(tab.payer, digest, tab.signature),
            VoucherInvalid(tab.payer, signer, tab.total, cap)
        );
    }

    // ---------------------------------------------------------------- push, claim

    /// @inheritdoc ISettlement
    function push(uint64 id, address[] calldata payees) external nonReentrant {
        Batch storage held = _batch(id);
        (uint256 untilBlock, uint256 untilTime) = _windowOf(held);
        require(_isOver(untilBlock, untilTime), WindowOpen(id, untilBlock, untilTime));
        uint128 exposure = held.exposure;
        if (exposure != 0) {
            held.exposure = 0;
            _bonds[held.submitter].locked -= exposure;
            emit Released(id, exposure);
        }
        mapping(address => uint256) storage credits = _credits[id];
        for (uint256 i; i < payees.length; ++i) {
            uint256 amount = credits[payees[i]];
            if (amount == 0) continue;
            credits[payees[i]] = 0;
            _pay(id, payees[i], amount);
        }
    }

    /// @inheritdoc ISettlement
    function claim() external nonReentrant {
        _claim(msg.sender);
    }

    /// @inheritdoc ISettlement
    function claimFor(address payee) external nonReentrant {
        _claim(payee);
    }

    function _claim(address payee) private {
        uint256 amount = claimable[payee];
        require(amount != 0, NothingToDo());
        claimable[payee] = 0;
        emit Claimed(payee, amount);
        _send(payee, amount);
    }

    /// @dev Bounded gas, no return data, and a claim instead of a failure: no payee can block the others.
    function _pay(uint64 id, address payee, uint256 amount) private {
        // A caller must not make a payee fail by sending too little gas. 40,000 cover what the call itself can cost (cold,
        // with value, to a new account: 36,600) and the 64th part that a call holds back.
        require(gasleft() > PUSH_GAS + 40_000, GasTooLow(gasleft(), PUSH_GAS + 40_000));
        bool sent;
        assembly ("memory-safe") {
            sent := call(PUSH_GAS, payee, amount, 0, 0, 0, 0)
        }
        if (sent) {
            emit Paid(id, payee, amount);
        } else {
            claimable[payee] += amount;
            emit PayFailed(id, payee, amount);
        }
    }

    function _send(address to, uint256 amount) private {
        (bool sent,) = to.call{value: amount}("");
        require(sent, TransferRefused(to, amount));
    }

    // ---------------------------------------------------------------- challenges

    /// @inheritdoc ISettlement
    function execute(Judgement calldata judgement) external nonReentrant {
        require(msg.sender == challenges, NotChallenges(msg.sender));
        uint64 id = judgement.batch;
        Batch storage held = _batch(id);
        (uint256 untilBlock, uint256 untilTime) = _windowOf(held);
        require(!_isOver(untilBlock, untilTime), WindowOver(id));

        mapping(address => uint256) storage credits = _credits[id];
        uint256 moved;
        for (uint256 i; i < judgement.moves.length; ++i) {
            credits[judgement.moves[i].from] -= judgement.moves[i].amount;
            moved += judgement.moves[i].amount;
        }
        if (judgement.refunded == address(0)) credits[treasury] += moved;
        else _refund(judgement.refunded, moved.toUint128());

        uint128 taken = (judgement.harm + judgement.reward + judgement.burnt).toUint128();
        Bond storage bonded = _bonds[held.submitter];
        held.exposure -= taken;
        bonded.amount -= taken;
        bonded.locked -= taken;
        emit Judged(id, held.submitter, moved, taken, judgement.burnt);

        if (judgement.harm != 0) _pay(id, judgement.harmed, judgement.harm);
        if (judgement.reward != 0) _pay(id, judgement.challenger, judgement.reward);
        // Burning is a transfer to address 0, which runs no code.
        if (judgement.burnt != 0) _send(address(0), judgement.burnt);
    }

    function _refund(address payer, uint128 amount) private {
        _accounts[payer].deposit += amount;
        emit Deposited(payer, address(this), amount);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc ISettlement
    function domainSeparator() public view override(ISettlement, NetworkDomain) returns (bytes32) {
        return NetworkDomain.domainSeparator();
    }

    /// @inheritdoc ISettlement
    function depositOf(address payer) external view returns (uint128) {
        return _accounts[payer].deposit;
    }

    /// @inheritdoc ISettlement
    function withdrawalOf(address payer) external view returns (uint128, uint64) {
        return (_accounts[payer].requested, _accounts[payer].availableAt);
    }

    /// @inheritdoc ISettlement
    function limitOf(address payer, address gateway, address sessionKey) external view returns (Limit memory limit) {
        limit = _limits[payer][gateway][sessionKey];
        if (limit.since != 0 && block.timestamp >= limit.since) limit = Limit(limit.next, 0, 0);
    }

    /// @inheritdoc ISettlement
    function bondOf(address gateway) external view returns (uint128) {
        return _bonds[gateway].amount;
    }

    /// @inheritdoc ISettlement
    function lockedOf(address gateway) external view returns (uint128) {
        return _bonds[gateway].locked;
    }

    /// @inheritdoc ISettlement
    function batch(uint64 id) external view returns (Batch memory) {
        return _batch(id);
    }

    /// @inheritdoc ISettlement
    function pendingOf(uint64 id, address payee) external view returns (uint256) {
        return _credits[id][payee];
    }

    /// @inheritdoc ISettlement
    function windowOver(uint64 id) external view returns (bool) {
        (uint256 untilBlock, uint256 untilTime) = _windowOf(_batch(id));
        return _isOver(untilBlock, untilTime);
    }

    /// @inheritdoc ISettlement
    function voucherDigest(address payer, address gateway, uint128 total, uint64 nonce) public view returns (bytes32) {
        return _digest(ReceiptTypes.hashVoucher(payer, gateway, total, nonce));
    }

    function _batch(uint64 id) private view returns (Batch storage held) {
        held = _batches[id];
        require(held.submitter != address(0), UnknownBatch(id));
    }

    function _windowOf(Batch storage held) private view returns (uint256 untilBlock, uint256 untilTime) {
        return (held.settledBlock + windowBlocks, held.settledAt + windowSeconds);
    }

    function _isOver(uint256 untilBlock, uint256 untilTime) private view returns (bool) {
        return block.number > untilBlock && block.timestamp >= untilTime;
    }

    function _capOf(Limit storage limit) private view returns (uint128) {
        return limit.since != 0 && block.timestamp >= limit.since ? limit.next : limit.cap;
    }
}
