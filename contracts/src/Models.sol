// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatanets} from "./interfaces/IDatanets.sol";
import {IModels} from "./interfaces/IModels.sol";

/// @title Models
/// @notice See IModels. Holds no money and has no owner.
contract Models is IModels {
    uint256 public constant MAX_DATANETS = 16;
    uint256 private constant ONE = 1e6;

    struct Record {
        address owner;
        Kind kind;
        bytes32 artifact;
        bytes32 adapter;
        string name;
    }

    /// @dev What Settlement reads first: how many term versions there are, and since when the last two apply. Only the
    /// last can lie in the future.
    struct Head {
        uint32 versions;
        uint64 since;
    }

    /// @dev Splits in one slot: a ppm needs 20 bits.
    struct Packed {
        uint24 protocolPpm;
        uint24 workerPpm;
        uint24 developerPpm;
        uint24 dataPpm;
        address developer;
    }

    /// @notice Where the datanets are registered.
    IDatanets public immutable datanets;
    /// @inheritdoc IModels
    uint64 public immutable noticeSeconds;
    /// @inheritdoc IModels
    uint32 public modelCount;

    mapping(uint32 model => Record) private _records;
    mapping(uint32 model => Head) private _heads;
    mapping(uint32 model => mapping(uint32 version => Packed)) private _splits;
    mapping(uint32 model => mapping(uint32 version => Terms)) private _terms;
    mapping(uint32 model => mapping(uint32 version => uint64)) private _since;

    constructor(IDatanets datanets_, uint64 noticeSeconds_) {
        // With a second's notice no terms of a timestamp can change after a batch has used them.
        require(noticeSeconds_ != 0, NoNotice());
        datanets = datanets_;
        noticeSeconds = noticeSeconds_;
    }

    /// @inheritdoc IModels
    function register(ModelInput calldata input) external returns (uint32 id) {
        bool artifact = input.artifact != 0;
        bool adapter = input.adapter != 0;
        bool fits = input.kind == Kind.Base
            ? artifact && !adapter
            : input.kind == Kind.Adapter ? artifact && adapter : !adapter;
        require(fits, HashMismatch(input.kind, input.artifact, input.adapter));

        id = ++modelCount;
        _records[id] = Record(msg.sender, input.kind, input.artifact, input.adapter, input.name);
        emit Registered(id, msg.sender, input.kind, input.artifact, input.adapter, input.name);
        _append(id, input.terms, uint64(block.timestamp));
    }

    /// @inheritdoc IModels
    function setTerms(uint32 id, Terms calldata terms) external returns (uint32 version) {
        require(msg.sender == _record(id).owner, NotOwner(id, msg.sender));
        uint64 since = _heads[id].since;
        require(since <= block.timestamp, TermsPending(since));
        version = _append(id, terms, uint64(block.timestamp) + noticeSeconds);
    }

    function _append(uint32 id, Terms calldata terms, uint64 since) private returns (uint32 version) {
        Splits calldata s = terms.splits;
        uint256 sum = uint256(s.protocolPpm) + s.workerPpm + s.developerPpm + s.dataPpm;
        require(sum == ONE, PartsMismatch(sum));
        sum = uint256(terms.spanPpm) + terms.contextPpm + terms.influencePpm;
        require(sum == ONE, PartsMismatch(sum));
        require(s.developer != address(0) || s.developerPpm == 0, NoDeveloper());
        require(terms.datanets.length <= MAX_DATANETS, TooManyDatanets(terms.datanets.length));
        for (uint256 i; i < terms.datanets.length; ++i) {
            datanets.version(terms.datanets[i]); // reverts with UnknownDatanet
        }

        version = ++_heads[id].versions;
        _heads[id].since = since;
        // Each part is at most their sum of 1e6 and fits 24 bits.
        _splits[id][version] =
            Packed(uint24(s.protocolPpm), uint24(s.workerPpm), uint24(s.developerPpm), uint24(s.dataPpm), s.developer);
        _terms[id][version] = terms;
        _since[id][version] = since;
        emit TermsSet(id, version, since, terms);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IModels
    function model(uint32 id) external view returns (Model memory) {
        Record storage record = _record(id);
        uint32 version = _versionAt(id, uint64(block.timestamp));
        return Model(
            record.name,
            record.kind,
            record.artifact,
            record.adapter,
            record.owner,
            version,
            _terms[id][version]
        );
    }

    /// @inheritdoc IModels
    function splits(uint32 id) external view returns (Splits memory) {
        return _splitsOf(id, _versionAt(id, uint64(block.timestamp)));
    }

    /// @inheritdoc IModels
    function splitsAt(uint32 id, uint64 timestamp) external view returns (Splits memory) {
        return _splitsOf(id, _versionAt(id, timestamp));
    }

    /// @inheritdoc IModels
    function payouts(uint32 id) external view returns (Payouts memory) {
        return _unpack(id, _versionAt(id, uint64(block.timestamp)));
    }

    /// @inheritdoc IModels
    function payoutsAt(uint32 id, uint64 timestamp) external view returns (Payouts memory) {
        return _unpack(id, _versionAt(id, timestamp));
    }

    /// @inheritdoc IModels
    function termsCount(uint32 id) external view returns (uint32) {
        return _heads[id].versions;
    }

    /// @inheritdoc IModels
    function termsOf(uint32 id, uint32 version) external view returns (Terms memory, uint64) {
        _record(id);
        return (_terms[id][version], _since[id][version]);
    }

    /// @dev Two reads for the present (unless terms are announced); a walk back for the past.
    function _versionAt(uint32 id, uint64 timestamp) private view returns (uint32 version) {
        Head memory head = _heads[id];
        require(head.versions != 0, UnknownModel(id));
        version = head.versions;
        if (head.since <= timestamp) return version;
        while (version > 1 && _since[id][version] > timestamp) --version;
    }

    function _unpack(uint32 id, uint32 version) private view returns (Payouts memory found) {
        Packed memory p = _splits[id][version];
        (found.workerPpm, found.dataPpm) = (p.workerPpm, p.dataPpm);
        found.developers = new Payout[](1);
        found.developers[0] = Payout(p.developer, p.developerPpm);
    }

    function _splitsOf(uint32 id, uint32 version) private view returns (Splits memory) {
        Packed memory p = _splits[id][version];
        return Splits(p.protocolPpm, p.workerPpm, p.developerPpm, p.dataPpm, p.developer);
    }

    function _record(uint32 id) private view returns (Record storage record) {
        record = _records[id];
        require(record.owner != address(0), UnknownModel(id));
    }
}
