// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
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
    /// @inheritdoc ISettlement
    uint256 public constant MAX_WINDOWS = 6;
    uint256 private constant ONE = 1e6;
    /// @dev Bytes of a packed row before its versions; of each version and each share.
    uint256 private constant HEAD_BYTES = 54;
    uint256 private constant VERSION_BYTES = 2;
    uint256 private constant SHARE_BYTES = 5;

    struct Account {
        uint128 deposit;
        uint128 requested;
        uint64 availableAt;
    }

    struct Bond {
        uint128 amount;
        uint128 locked;
    }

    /// @dev A contribution of the tables, with what the batch's rows credit to its payee. It is a member of the versions
    /// `datanet << 32 | v` from `low` on, `span` of them. `mark` is one more than the last row that named it.
    /// `_creditShares` knows the order of these fields.
    struct Source {
        uint256 low;
        uint256 span;
        uint256 id;
        uint256 credit;
        uint256 mark;
        address payee;
    }

    /// @dev A version of the tables, with the cuts of its datanet's curator. `_creditShares` knows the order.
    struct Version {
        uint256 named;
        uint256 curatorPpm;
        uint256 cut;
        address curator;
    }

    /// @dev What `settle` keeps in memory until all rows are read. `_creditShares` knows the order of the first four; three
    /// of them are of the row at hand: its versions, data pool and mark. A leaf's preimage is written at `buffer`.
    struct Ledger {
        Source[] sources;
        Version[] picked;
        uint256 pool;
        uint256 mark;
        Version[] versions;
        uint32[] modelIds;
        IModels.Payouts[] models;
        uint256[][] developers;
        address[] workers;
        uint256[] workerCredits;
        bytes32[] leaves;
        uint256 buffer;
        uint256 row;
        uint256 treasury;
        uint256 fees;
        uint256 short;
    }

    /// @dev By how much demands keep a batch open.
    struct Extension {
        uint128 untilBlock;
        uint128 untilTime;
    }

    /// @inheritdoc ISettlement
    IDatanets public immutable datanets;
    /// @inheritdoc ISettlement
    IModels public immutable models;
    /// @inheritdoc ISettlement
    address public immutable challenges;
    /// @inheritdoc ISettlement
    address public immutable demands;
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
    mapping(uint64 batch => Extension) private _extensions;

    constructor(
        bytes32 networkId_,
        IDatanets datanets_,
        IModels models_,
        address challenges_,
        address demands_,
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
        demands = demands_;
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
    function settle(Tables calldata tables, Tab[] calldata tabs) external nonReentrant returns (uint64 id) {
        id = ++batchCount;
        Ledger memory ledger = _open(tables, tabs);
        for (uint256 i; i < tabs.length; ++i) {
            _settleTab(ledger, tabs[i], id);
        }
        _write(ledger, id);

        uint32 rows = ledger.row.toUint32();
        uint128 fees = ledger.fees.toUint128();
        uint128 exposure = (ledger.fees * (1 + uint256(penaltyMultiple))).toUint128();
        Bond storage held = _bonds[msg.sender];
        uint256 need = ledger.short + held.locked + exposure;
        require(held.amount >= need, BondShort(held.amount, need));
        held.amount -= uint128(ledger.short); // at most the bond, by the line above
        held.locked += exposure;
        bytes32 rowsRoot = Commitments.rootOf(ledger.leaves);
        _batches[id] = Batch({
            rowsRoot: rowsRoot,
            submitter: msg.sender,
            settledBlock: uint48(block.number),
            settledAt: uint48(block.timestamp),
            exposure: exposure,
            rows: rows,
            payeeClock: datanets.payeeClock()
        });
        emit Settled(id, msg.sender, rows, rowsRoot, fees, uint128(ledger.short));
    }

    /// @dev Reads once what the tables name. What other contracts answer cannot make a row pay out more than its fee.
    function _open(Tables calldata tables, Tab[] calldata tabs) private view returns (Ledger memory ledger) {
        uint256 rows;
        for (uint256 i; i < tabs.length; ++i) {
            require(tabs[i].count != 0, NothingToDo());
            rows += tabs[i].count;
        }
        require(rows != 0, NothingToDo());
        ledger.leaves = new bytes32[](rows);

        uint256[] memory words = datanets.membershipsOf(tables.sources);
        ledger.sources = new Source[](words.length);
        uint256 last;
        for (uint256 i; i < words.length; ++i) {
            uint256 id = tables.sources[i];
            // Distinct, so that two entries cannot pass one contribution off as two in a row.
            require(id > last || i == 0, InvalidTable(i));
            last = id;
            uint256 word = words[i];
            (uint256 added, uint256 withdrawn) = (uint32(word >> 32), uint32(word >> 64));
            Source memory source = ledger.sources[i];
            source.id = id;
            source.payee = address(uint160(word >> 96));
            source.low = uint256(uint32(word)) << 32 | added;
            // `added` is 0 until it is a member.
            source.span = added != 0 && added < withdrawn ? withdrawn - added : 0;
        }
        _openVersions(ledger, tables.versions);
        _openModels(ledger, tables.models);

        ledger.workers = tables.workers;
        ledger.workerCredits = new uint256[](tables.workers.length);
        for (uint256 i; i < tables.workers.length; ++i) {
            require(tables.workers[i] != address(0), InvalidTable(i));
        }
        ledger.picked = new Version[](MAX_VERSIONS);
        // A leaf's preimage has at most 415 bytes, and `put` clears up to 31 more.
        bytes memory buffer = new bytes(448);
        uint256 start;
        assembly ("memory-safe") {
            start := add(buffer, 0x20)
        }
        ledger.buffer = start;
    }

    function _openVersions(Ledger memory ledger, uint64[] calldata versions) private view {
        uint256 count = versions.length;
        uint32[] memory nets = new uint32[](count);
        for (uint256 i; i < count; ++i) {
            nets[i] = uint32(versions[i] >> 32);
        }
        uint256[] memory heads = datanets.headsOf(nets);
        ledger.versions = new Version[](count);
        for (uint256 i; i < count; ++i) {
            uint32 latest = uint32(heads[i]);
            uint32 curatorPpm = uint32(heads[i] >> 32);
            require(uint32(versions[i]) <= latest, UnknownVersion(nets[i], uint32(versions[i]), latest));
            require(curatorPpm <= ONE, PartsExceed(curatorPpm));
            ledger.versions[i] = Version(versions[i], curatorPpm, 0, address(uint160(heads[i] >> 96)));
        }
    }

    function _openModels(Ledger memory ledger, uint32[] calldata ids) private view {
        ledger.modelIds = ids;
        ledger.models = new IModels.Payouts[](ids.length);
        ledger.developers = new uint256[][](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            IModels.Payouts memory payouts = models.payouts(ids[i]);
            uint256 sum = uint256(payouts.workerPpm) + payouts.dataPpm;
            for (uint256 j; j < payouts.developers.length; ++j) {
                sum += payouts.developers[j].ppm;
            }
            require(sum <= ONE, PartsExceed(sum));
            ledger.models[i] = payouts;
            ledger.developers[i] = new uint256[](payouts.developers.length);
        }
    }

    function _settleTab(Ledger memory ledger, Tab calldata tab, uint64 id) private {
        uint128 before = spent[tab.payer][msg.sender];
        require(tab.total >= before, VoucherBehind(tab.payer, tab.total, before));
        _checkVoucher(tab);

        uint128 debit = tab.total - before;
        uint256 fees = _settleRows(ledger, tab);
        require(debit == fees, DebitMismatch(tab.payer, debit, fees));

        spent[tab.payer][msg.sender] = tab.total;
        Account storage account = _accounts[tab.payer];
        uint128 deposit = account.deposit;
        uint128 short = debit > deposit ? debit - deposit : 0;
        account.deposit = deposit - (debit - short);
        ledger.fees += fees;
        ledger.short += short;
        emit Debited(id, tab.payer, tab.total, debit, short);
    }

    /// @dev Reads `count` packed rows, which must end where their bytes end.
    function _settleRows(Ledger memory ledger, Tab calldata tab) private pure returns (uint256 fees) {
        bytes calldata rows = tab.rows;
        uint256 pos;
        assembly ("memory-safe") {
            pos := rows.offset
        }
        uint256 end = pos + rows.length;
        address payer = tab.payer;
        // Sizes of a row are below 2^12, a calldata offset below 2^32, and fees as in `_settleRow`.
        unchecked {
            for (uint256 left = tab.count; left != 0; --left) {
                uint256 head = _word(pos + 32);
                uint256 next = pos + HEAD_BYTES + VERSION_BYTES * uint8(head >> 88) + SHARE_BYTES * uint8(head >> 80);
                require(next <= end, InvalidRow(ledger.row));
                fees += _settleRow(ledger, payer, pos, head);
                pos = next;
            }
        }
        require(pos == end, InvalidRow(ledger.row));
    }

    /// @dev Every part is rounded down; the treasury takes what is left of the fee. `head` is the row's second word.
    function _settleRow(Ledger memory ledger, address payer, uint256 pos, uint256 head)
        private
        pure
        returns (uint256 fee)
    {
        // No product exceeds 2^128 * 10^6 and no sum of parts the fee, because the parts' ppm sum to at most 10^6 (`_open`
        // and `_creditShares` see to it); sums of fewer than 2^32 fees stay below 2^160. Nothing here can overflow 256
        // bits or go below zero.
        unchecked {
            fee = head >> 128;
            uint256 versions = uint8(head >> 88);
            uint256 shares = uint8(head >> 80);
            require(shares <= MAX_SHARES, InvalidRow(ledger.row));
            uint256 out = _writeHead(ledger, payer, pos, head);
            pos += HEAD_BYTES;
            _pickVersions(ledger, pos, versions, out);
            pos += VERSION_BYTES * versions;
            out += 8 * versions;

            ledger.pool = fee * ledger.models[uint16(head >> 112)].dataPpm / ONE;
            ledger.mark = ledger.row + 1;
            uint256 paid = _creditShares(ledger, pos, pos + SHARE_BYTES * shares, out);
            paid += _creditOthers(ledger, head);
            ledger.treasury += fee - paid;
            ledger.leaves[ledger.row] = _hash(ledger.buffer, out + 12 * shares);
            ++ledger.row;
        }
    }

    function _writeHead(Ledger memory ledger, address payer, uint256 pos, uint256 head)
        private
        pure
        returns (uint256 out)
    {
        uint256 model = uint16(head >> 112);
        uint256 worker = uint16(head >> 96);
        require(model < ledger.models.length && worker < ledger.workers.length, InvalidRow(ledger.row));
        return ReceiptTypes.putHead(
            ledger.buffer,
            payer,
            bytes32(_word(pos)),
            ledger.modelIds[model],
            ledger.workers[worker],
            head >> 128 << 16 | uint16(head >> 80)
        );
    }

    /// @dev Worker and developers; see `_settleRow` for why nothing overflows.
    function _creditOthers(Ledger memory ledger, uint256 head) private pure returns (uint256 paid) {
        unchecked {
            uint256 fee = head >> 128;
            uint256 model = uint16(head >> 112);
            IModels.Payouts memory payouts = ledger.models[model];
            paid = fee * payouts.workerPpm / ONE;
            ledger.workerCredits[uint16(head >> 96)] += paid;
            uint256[] memory parts = ledger.developers[model];
            for (uint256 i; i < parts.length; ++i) {
                uint256 part = fee * payouts.developers[i].ppm / ONE;
                parts[i] += part;
                paid += part;
            }
        }
    }

    /// @dev Reads a row's versions at `pos`, writes them to the leaf at `out` and picks their records. In assembly, as
    /// `_creditShares`; it touches the records of `versions` after their indices are checked, and `picked`, which has room.
    function _pickVersions(Ledger memory ledger, uint256 pos, uint256 count, uint256 out) private pure {
        Version[] memory versions = ledger.versions;
        Version[] memory picked = ledger.picked;
        bool unknown = count > MAX_VERSIONS;
        if (!unknown) {
            assembly ("memory-safe") {
                mstore(picked, count)
                let slot := add(picked, 0x20)
                for { let end := add(slot, shl(5, count)) } lt(slot, end) { slot := add(slot, 0x20) } {
                    let index := shr(240, calldataload(pos))
                    if iszero(lt(index, mload(versions))) {
                        unknown := 1
                        break
                    }
                    let version := mload(add(add(versions, 0x20), shl(5, index)))
                    mstore(slot, version)
                    mstore(out, shl(192, mload(version)))
                    pos := add(pos, 2)
                    out := add(out, 8)
                }
            }
        }
        require(!unknown, InvalidRow(ledger.row));
    }

    /// @dev Reads a row's shares from `pos` to `end`, writes them to the leaf at `out`, and credits each to the contribution
    /// and, for the curator's cut, to the version that holds it.
    ///
    /// In assembly, because every share of every settled row passes here, at a fifth of the gas. It touches only what
    /// `_open` has allocated: the records of `sources` after their indices are checked, those of the picked versions, and
    /// the buffer. A fault ends the loop and is told below, by its kind.
    function _creditShares(Ledger memory ledger, uint256 pos, uint256 end, uint256 out)
        private
        pure
        returns (uint256 paid)
    {
        uint256 sum;
        uint256 fault; // 0: none, 2: malformed, id << 8 | 1: no member
        assembly ("memory-safe") {
            for {} lt(pos, end) { pos := add(pos, 5) } {
                let ppm := calldataload(pos)
                let source := shr(240, ppm)
                if iszero(lt(source, mload(mload(ledger)))) {
                    fault := 2
                    break
                }
                source := mload(add(add(mload(ledger), 0x20), shl(5, source)))
                // Each contribution once in a row.
                if eq(mload(add(source, 0x80)), mload(add(ledger, 0x60))) {
                    fault := 2
                    break
                }
                mstore(add(source, 0x80), mload(add(ledger, 0x60)))
                ppm := and(shr(216, ppm), 0xffffff)
                sum := add(sum, ppm)
                mstore(out, or(shl(192, mload(add(source, 0x40))), shl(160, ppm)))
                out := add(out, 12)

                // The first of the row's versions that holds it. One comparison tells datanet and version: a version of
                // another datanet is below `low`, or at least 2^32 - added above it, which is more than any span.
                let version := 0
                {
                    let slot := mload(add(ledger, 0x20))
                    for { let last := add(slot, shl(5, mload(slot))) } lt(slot, last) {} {
                        slot := add(slot, 0x20)
                        if lt(sub(mload(mload(slot)), mload(source)), mload(add(source, 0x20))) {
                            version := mload(slot)
                            break
                        }
                    }
                }
                if iszero(version) {
                    fault := or(shl(8, mload(add(source, 0x40))), 1)
                    break
                }
                // pool < 2^128, ppm < 2^24; both divisions round down.
                let credit := div(mul(mload(add(ledger, 0x40)), ppm), 1000000)
                paid := add(paid, credit)
                let cut := div(mul(credit, mload(add(version, 0x20))), 1000000)
                mstore(add(version, 0x40), add(mload(add(version, 0x40)), cut))
                mstore(add(source, 0x60), add(mload(add(source, 0x60)), sub(credit, cut)))
            }
        }
        require(fault & 1 == 0, NotMember(ledger.row, uint64(fault >> 8)));
        require(fault == 0, InvalidRow(ledger.row));
        require(sum <= ONE, SharesExceed(ledger.row, sum));
    }

    /// @dev Writes the sums: a payee of many contributions, or a curator of many versions, is added up in storage.
    function _write(Ledger memory ledger, uint64 id) private {
        mapping(address => uint256) storage credits = _credits[id];
        for (uint256 i; i < ledger.sources.length; ++i) {
            Source memory source = ledger.sources[i];
            if (source.credit != 0) credits[source.payee] += source.credit;
        }
        for (uint256 i; i < ledger.versions.length; ++i) {
            Version memory version = ledger.versions[i];
            if (version.cut != 0) credits[version.curator] += version.cut;
        }
        for (uint256 i; i < ledger.workers.length; ++i) {
            if (ledger.workerCredits[i] != 0) credits[ledger.workers[i]] += ledger.workerCredits[i];
        }
        for (uint256 i; i < ledger.models.length; ++i) {
            uint256[] memory parts = ledger.developers[i];
            for (uint256 j; j < parts.length; ++j) {
                if (parts[j] != 0) credits[ledger.models[i].developers[j].payee] += parts[j];
            }
        }
        if (ledger.treasury != 0) credits[treasury] += ledger.treasury;
    }

    function _hash(uint256 start, uint256 end) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(start, sub(end, start))
        }
    }

    function _word(uint256 pos) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(pos)
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
        (uint256 untilBlock, uint256 untilTime) = _windowOf(id, held);
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
        require(msg.sender == challenges, NotJudge(msg.sender));
        uint64 id = judgement.batch;
        Batch storage held = _batch(id);
        require(!windowOver(id), WindowOver(id));

        mapping(address => uint256) storage credits = _credits[id];
        uint256 moved;
        for (uint256 i; i < judgement.moves.length; ++i) {
            credits[judgement.moves[i].account] -= judgement.moves[i].amount;
            moved += judgement.moves[i].amount;
        }
        uint256 sum = judgement.reward + judgement.burnt;
        for (uint256 i; i < judgement.harms.length; ++i) {
            sum += judgement.harms[i].amount;
        }
        if (judgement.refunded == address(0)) credits[treasury] += moved;
        else _refund(judgement.refunded, moved.toUint128());

        uint128 taken = sum.toUint128();
        Bond storage bonded = _bonds[held.submitter];
        held.exposure -= taken;
        bonded.amount -= taken;
        bonded.locked -= taken;
        emit Judged(id, held.submitter, moved, taken, judgement.burnt);

        for (uint256 i; i < judgement.harms.length; ++i) {
            if (judgement.harms[i].amount != 0) _pay(id, judgement.harms[i].account, judgement.harms[i].amount);
        }
        if (judgement.reward != 0) _pay(id, judgement.challenger, judgement.reward);
        // Burning is a transfer to address 0, which runs no code.
        if (judgement.burnt != 0) _send(address(0), judgement.burnt);
    }

    /// @inheritdoc ISettlement
    function extend(uint64 id, uint256 untilBlock, uint256 untilTime) external {
        require(msg.sender == demands, NotJudge(msg.sender));
        Batch storage held = _batch(id);
        (uint256 nowBlock, uint256 nowTime) = _windowOf(id, held);
        require(!_isOver(nowBlock, nowTime), WindowOver(id));
        // Until four windows have passed in blocks and in seconds, two more from now. Cut at six from the batch, a measure that ran
        // ahead would not be extended, and who hurries the other would close the window before a demand is due.
        require(
            !_isOver(
                held.settledBlock + (MAX_WINDOWS - 2) * windowBlocks, held.settledAt + (MAX_WINDOWS - 2) * windowSeconds
            ),
            WindowOver(id)
        );
        untilBlock = Math.max(nowBlock, Math.min(untilBlock, block.number + 2 * windowBlocks));
        untilTime = Math.max(nowTime, Math.min(untilTime, block.timestamp + 2 * windowSeconds));
        // Both are sums of numbers below 2^64.
        _extensions[id] = Extension(uint128(untilBlock), uint128(untilTime));
        emit Extended(id, untilBlock, untilTime);
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
    function windowOf(uint64 id) external view returns (uint256 untilBlock, uint256 untilTime) {
        return _windowOf(id, _batch(id));
    }

    /// @inheritdoc ISettlement
    function windowOver(uint64 id) public view returns (bool) {
        (uint256 untilBlock, uint256 untilTime) = _windowOf(id, _batch(id));
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

    function _windowOf(uint64 id, Batch storage held) private view returns (uint256 untilBlock, uint256 untilTime) {
        Extension storage extension = _extensions[id];
        untilBlock = Math.max(held.settledBlock + windowBlocks, extension.untilBlock);
        untilTime = Math.max(held.settledAt + windowSeconds, extension.untilTime);
    }

    function _isOver(uint256 untilBlock, uint256 untilTime) private view returns (bool) {
        return block.number > untilBlock && block.timestamp >= untilTime;
    }

    function _capOf(Limit storage limit) private view returns (uint128) {
        return limit.since != 0 && block.timestamp >= limit.since ? limit.next : limit.cap;
    }
}
