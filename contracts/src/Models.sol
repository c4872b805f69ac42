// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatanets} from "./interfaces/IDatanets.sol";
import {IModels} from "./interfaces/IModels.sol";

/// @title Models
/// @notice See IModels. Holds no money and has no owner.
contract Models is IModels {
    uint256 public constant MAX_DATANETS = 16;
    uint256 public constant MAX_ANCESTORS = 7;
    uint256 public constant MAX_GENERATIONS = 4;
    uint256 public constant MAX_EVALUATORS = 15;
    uint64 public constant MAX_TRAINING = 366 days;
    uint64 public constant EVALUATION_STEPS = 4;

    uint256 private constant ONE = 1e6;
    uint256 private constant MAX_LIST = 256;
    uint8 private constant FLAG_INDEX = 1;
    uint8 private constant FLAG_TRAIN = 2;
    uint8 private constant FLAG_QUOTE = 4;
    uint8 private constant FLAG_KEEP = 16;
    uint32 private constant FOREVER = type(uint32).max;

    /// @dev `resumes` is the state to which a reinstatement returns.
    struct Record {
        address owner;
        Kind kind;
        State state;
        State resumes;
        uint32 base;
        uint64 deadline;
        uint64 stopsAt;
        uint32 stoppedBy;
        bytes32 artifact;
        bytes32 adapter;
        bytes32 recipe;
        bytes32 evaluationCommitment;
        bytes32 evaluationSet;
        bytes32 evaluation;
        int128 score;
        Criteria criteria;
        uint64[] trained;
        string name;
    }

    /// @dev What is read first, in one slot: how many term versions there are, and the developer and beginning of the last.
    /// Only the last can lie in the future. A child's payout reads no more of an ancestor than this.
    struct Head {
        uint32 versions;
        uint64 since;
        address developer;
    }

    /// @dev Splits in one slot: a ppm needs 20 bits, and the protocol's is what is left of 1e6.
    struct Packed {
        uint24 workerPpm;
        uint24 developerPpm;
        uint24 dataPpm;
        uint8 ancestors;
        uint8 generations;
        address developer;
    }

    /// @notice Where the datanets are registered.
    IDatanets public immutable datanets;
    /// @inheritdoc IModels
    address public immutable modelReviews;
    /// @inheritdoc IModels
    address public immutable governance;
    /// @inheritdoc IModels
    uint64 public immutable noticeSeconds;
    /// @inheritdoc IModels
    uint64 public immutable graceSeconds;
    /// @inheritdoc IModels
    uint64 public immutable stepSeconds;
    /// @inheritdoc IModels
    uint32 public modelCount;

    mapping(uint32 model => Record) private _records;
    mapping(uint32 model => Head) private _heads;
    mapping(uint32 model => mapping(uint32 version => Packed)) private _splits;
    /// @dev Ancestors as `model << 32 | ppm`, four to a word, the first lowest.
    mapping(uint32 model => mapping(uint32 version => uint256[2])) private _lineages;
    mapping(uint32 model => mapping(uint32 version => Terms)) private _terms;
    mapping(uint32 model => mapping(uint32 version => uint64)) private _since;
    mapping(uint32 datanet => uint32[] models) private _trainedOn;

    constructor(
        IDatanets datanets_,
        address modelReviews_,
        address governance_,
        uint64 noticeSeconds_,
        uint64 graceSeconds_,
        uint64 stepSeconds_
    ) {
        // With a second's notice no terms of a timestamp can change after a batch has used them.
        require(noticeSeconds_ != 0 && stepSeconds_ != 0, NoNotice());
        datanets = datanets_;
        modelReviews = modelReviews_;
        governance = governance_;
        noticeSeconds = noticeSeconds_;
        graceSeconds = graceSeconds_;
        stepSeconds = stepSeconds_;
    }

    modifier onlyTimelock() {
        require(msg.sender == governance, NotAllowed(msg.sender));
        _;
    }

    modifier onlyModelReviews() {
        require(msg.sender == modelReviews, NotAllowed(msg.sender));
        _;
    }

    // ---------------------------------------------------------------- register, terms

    /// @inheritdoc IModels
    function register(ModelInput calldata input) external returns (uint32 id) {
        _checkHashes(input.kind, input.artifact, input.adapter, input.base);
        id = _create(input, 0);
        _enter(id, input.kind == Kind.Quote ? State.Registered : State.Independent, 0);
    }

    /// @inheritdoc IModels
    function setTerms(uint32 id, Terms calldata terms) external returns (uint32 version) {
        Record storage record = _owned(id);
        State state = record.state;
        require(state < State.Proposed || state > State.Evaluated, WrongState(id, state));
        uint64 since = _heads[id].since;
        require(since <= block.timestamp, TermsPending(since));
        version = _append(id, terms, uint64(block.timestamp) + noticeSeconds);
    }

    // ---------------------------------------------------------------- the voted record

    /// @inheritdoc IModels
    function propose(ModelInput calldata input, bytes32 recipe, Criteria calldata criteria)
        external
        returns (uint32 id)
    {
        require(input.kind != Kind.Quote, NothingToTrain());
        require(input.artifact == 0 && input.adapter == 0, HashMismatch(input.kind, input.artifact, input.adapter));
        require(
            criteria.evaluators != 0 && criteria.evaluators <= MAX_EVALUATORS && criteria.quorum <= criteria.evaluators
                && 2 * uint256(criteria.quorum) > criteria.evaluators && criteria.trainingSeconds != 0
                && criteria.trainingSeconds <= MAX_TRAINING,
            InvalidCriteria(criteria.evaluators, criteria.quorum, criteria.trainingSeconds)
        );
        id = _create(input, recipe);
        _records[id].criteria = criteria;
        emit Proposed(id, criteria);
        _enter(id, State.Proposed, stepSeconds);
    }

    /// @inheritdoc IModels
    function approve(uint32 id, bytes32 evaluationCommitment) external onlyTimelock {
        Record storage record = _at(id, State.Proposed);
        require(evaluationCommitment != 0, CommitmentMismatch(0, 0));
        record.evaluationCommitment = evaluationCommitment;
        emit EvaluationCommitted(id, evaluationCommitment);
        _enter(id, State.Approved, stepSeconds);
    }

    /// @inheritdoc IModels
    function train(uint32 id) external {
        _owned(id);
        Record storage record = _at(id, State.Approved);
        _enter(id, State.Training, record.criteria.trainingSeconds);
    }

    /// @inheritdoc IModels
    function submitArtifact(uint32 id, bytes32 artifact, bytes32 adapter) external {
        _owned(id);
        Record storage record = _at(id, State.Training);
        _checkHashes(record.kind, artifact, adapter, record.base);
        record.artifact = artifact;
        record.adapter = adapter;
        emit ArtifactSubmitted(id, artifact, adapter);
        _enter(id, State.Evaluating, stepSeconds);
    }

    /// @inheritdoc IModels
    function revealEvaluation(uint32 id, bytes32 evaluationSet, bytes32 salt, string calldata uri) external {
        Record storage record = _at(id, State.Evaluating);
        require(record.evaluationSet == 0, AlreadyRevealed(id));
        bytes32 opened = keccak256(abi.encode(evaluationSet, salt));
        require(
            evaluationSet != 0 && opened == record.evaluationCommitment,
            CommitmentMismatch(record.evaluationCommitment, opened)
        );
        record.evaluationSet = evaluationSet;
        emit EvaluationRevealed(id, evaluationSet, uri);
        _enter(id, State.Evaluating, EVALUATION_STEPS * stepSeconds);
    }

    /// @inheritdoc IModels
    function recordEvaluation(uint32 id, int128 score, bytes32 evaluation) external onlyModelReviews {
        Record storage record = _at(id, State.Evaluating);
        require(record.evaluationSet != 0, WrongState(id, State.Evaluating));
        record.score = score;
        record.evaluation = evaluation;
        emit EvaluationRecorded(id, score, evaluation, _met(record));
        _enter(id, State.Evaluated, stepSeconds);
    }

    /// @inheritdoc IModels
    function deploy(uint32 id) external onlyTimelock {
        Record storage record = _at(id, State.Evaluated);
        require(
            _met(record), CriteriaMissed(id, record.score, record.criteria.direction, record.criteria.threshold)
        );
        _enter(id, State.Deployed, 0);
    }

    /// @inheritdoc IModels
    function expire(uint32 id) external {
        uint64 deadline = _record(id).deadline;
        require(deadline != 0 && block.timestamp > deadline, DeadlineRunning(id, deadline));
        _enter(id, State.Expired, 0);
    }

    /// @inheritdoc IModels
    function retire(uint32 id) external {
        Record storage record = _record(id);
        require(msg.sender == record.owner || msg.sender == governance, NotAllowed(msg.sender));
        State state = record.state;
        require(state != State.Retired && state != State.Expired, WrongState(id, state));
        _enter(id, State.Retired, 0);
    }

    // ---------------------------------------------------------------- suspension, withdrawal

    /// @inheritdoc IModels
    function suspend(uint32 id) external onlyModelReviews returns (bool) {
        Record storage record = _records[id];
        State state = record.state;
        if (state != State.Registered && state != State.Independent && state != State.Deployed) return false;
        record.resumes = state;
        _enter(id, State.Suspended, 0);
        return true;
    }

    /// @inheritdoc IModels
    function reinstate(uint32 id) external onlyTimelock {
        Record storage record = _at(id, State.Suspended);
        _enter(id, record.resumes, 0);
    }

    /// @inheritdoc IModels
    function markWithdrawn(uint32 id, uint64 contribution) external {
        Record storage record = _record(id);
        require(record.stopsAt == 0, AlreadyMarked(id, record.stopsAt));
        IDatanets.Membership memory member = datanets.membership(contribution);
        require(member.withdrawn != FOREVER && _held(record.trained, member), NotAffected(id, contribution));
        require(datanets.datanet(member.datanet).policy.flags & FLAG_KEEP == 0, LicenceKeeps(member.datanet));

        uint64 stopsAt = uint64(block.timestamp) + graceSeconds;
        record.stopsAt = stopsAt;
        record.stoppedBy = member.datanet;
        emit WithdrawalMarked(id, contribution, member.datanet, stopsAt);
    }

    // ---------------------------------------------------------------- how it is done

    function _create(ModelInput calldata input, bytes32 recipe) private returns (uint32 id) {
        require(input.kind != Kind.Quote || (input.base == 0 && input.trained.length == 0), NothingToTrain());
        require(input.trained.length <= MAX_DATANETS, TooManyDatanets(input.trained.length));
        id = ++modelCount;
        Record storage record = _records[id];
        record.owner = msg.sender;
        record.kind = input.kind;
        record.base = input.base;
        record.artifact = input.artifact;
        record.adapter = input.adapter;
        record.recipe = recipe;
        record.trained = input.trained;
        record.name = input.name;
        _indexTraining(id, input.trained);
        emit Registered(id, msg.sender, input.kind, input.artifact, input.adapter, input.name);
        emit BuiltOn(id, input.base, recipe, input.trained);
        _append(id, input.terms, uint64(block.timestamp));
        if (input.base != 0) _checkBase(input.base, input.terms.parents);
    }

    function _indexTraining(uint32 id, uint64[] calldata trained) private {
        uint64 previous;
        for (uint256 i; i < trained.length; ++i) {
            uint64 named = trained[i];
            uint32 net = uint32(named >> 32);
            require(
                named > previous && uint32(named) != 0 && uint32(named) <= datanets.version(net), InvalidVersion(named)
            );
            if (net != uint32(previous >> 32)) _trainedOn[net].push(id);
            previous = named;
        }
    }

    /// @dev A base is a parent, so that its minimum royalty holds, and so that chains of bases are no longer than lineages.
    function _checkBase(uint32 base, uint64[] calldata parents) private view {
        bool named;
        for (uint256 i; i < parents.length; ++i) {
            if (uint32(parents[i] >> 32) == base) named = true;
        }
        require(named && _records[base].kind == Kind.Base, BaseMismatch(base));
    }

    function _checkHashes(Kind kind, bytes32 artifact, bytes32 adapter, uint32 base) private view {
        bool fits = kind == Kind.Base
            ? artifact != 0 && adapter == 0
            : kind == Kind.Adapter ? artifact != 0 && adapter != 0 : adapter == 0;
        require(fits, HashMismatch(kind, artifact, adapter));
        require(kind != Kind.Adapter || base == 0 || artifact == _records[base].artifact, BaseMismatch(base));
    }

    function _append(uint32 id, Terms calldata terms, uint64 since) private returns (uint32 version) {
        Splits calldata s = terms.splits;
        uint256 sum = uint256(s.protocolPpm) + s.workerPpm + s.developerPpm + s.dataPpm;
        require(sum == ONE, PartsMismatch(sum));
        sum = uint256(terms.spanPpm) + terms.contextPpm + terms.influencePpm;
        require(sum == ONE, PartsMismatch(sum));
        require(terms.minRoyaltyPpm <= ONE, RoyaltiesExceed(terms.minRoyaltyPpm, ONE));
        Head storage head = _heads[id];
        require(s.developer != address(0) || (s.developerPpm == 0 && head.developer == address(0)), NoDeveloper());
        _checkLicences(_records[id], terms);

        version = ++head.versions;
        // Each part is at most their sum of 1e6 and fits 24 bits.
        Packed memory packed =
            Packed(uint24(s.workerPpm), uint24(s.developerPpm), uint24(s.dataPpm), 0, 0, s.developer);
        uint64[] memory flat = _lineage(id, version, terms.parents, packed, since);
        head.since = since;
        head.developer = s.developer;
        _splits[id][version] = packed;
        _terms[id][version] = terms;
        _since[id][version] = since;
        emit TermsSet(id, version, since, terms);
        if (flat.length != 0) emit LineageSet(id, version, flat);
    }

    /// @dev A policy never changes, so what holds when terms are set holds as long as they do.
    function _checkLicences(Record storage record, Terms calldata terms) private view {
        uint64[] memory trained = record.trained;
        for (uint256 i; i < trained.length; ++i) {
            _checkLicence(uint32(trained[i] >> 32), FLAG_TRAIN, terms.priceOut);
        }
        uint32[] calldata nets = terms.datanets;
        require(nets.length <= MAX_DATANETS, TooManyDatanets(nets.length));
        bool quotes = record.kind == Kind.Quote;
        for (uint256 i; i < nets.length; ++i) {
            uint8 need = quotes ? FLAG_INDEX | FLAG_QUOTE : FLAG_INDEX;
            for (uint256 j; j < trained.length; ++j) {
                if (uint32(trained[j] >> 32) == nets[i]) need = FLAG_TRAIN;
            }
            _checkLicence(nets[i], need, terms.priceOut);
        }
    }

    function _checkLicence(uint32 net, uint8 need, uint128 price) private view {
        IDatanets.Policy memory policy = datanets.datanet(net).policy; // reverts with UnknownDatanet
        require(policy.flags & need == need, LicenceForbids(net, need & ~policy.flags));
        require(price >= policy.priceFloor, PriceBelowFloor(net, policy.priceFloor, price));
    }

    /// @dev Resolves the parents' own lineages at `since` for good, so that what a parent does later cannot make this one
    /// longer, and a payout follows no tree. Parents have smaller ids: no model can be its own ancestor.
    function _lineage(uint32 id, uint32 version, uint64[] calldata parents, Packed memory packed, uint64 since)
        private
        returns (uint64[] memory flat)
    {
        require(parents.length <= MAX_ANCESTORS, LineageTooLarge(1, parents.length));
        uint64[] memory before = _terms[id][version - 1].parents; // version 0 has none
        uint256 kept;
        uint256 sum;
        uint32 previous;
        flat = new uint64[](MAX_ANCESTORS);
        for (uint256 i; i < parents.length; ++i) {
            uint32 parent = uint32(parents[i] >> 32);
            uint32 royalty = uint32(parents[i]);
            require(
                parent > previous && parent < id && _developerAt(parent, since) != address(0), InvalidParent(id, parent)
            );
            uint32 least;
            if (kept < before.length && uint32(before[kept] >> 32) == parent) least = uint32(before[kept++]);
            else least = _terms[parent][_versionAt(parent, since)].minRoyaltyPpm;
            require(royalty >= least, RoyaltyTooLow(parent, royalty, least));
            sum += royalty;
            _flatten(flat, packed, parent, royalty, since);
            previous = parent;
        }
        // Both lists ascend, so a parent left out stays the next to be kept.
        require(
            kept == before.length,
            RoyaltyTooLow(
                kept == before.length ? 0 : uint32(before[kept] >> 32), 0, kept == before.length ? 0 : uint32(before[kept])
            )
        );
        require(sum <= packed.developerPpm, RoyaltiesExceed(sum, packed.developerPpm));

        uint256 count = packed.ancestors;
        uint256[2] memory words;
        for (uint256 i; i < count; ++i) {
            words[i / 4] |= uint256(flat[i]) << 64 * (i % 4);
        }
        if (words[0] != 0) _lineages[id][version][0] = words[0];
        if (words[1] != 0) _lineages[id][version][1] = words[1];
        assembly ("memory-safe") {
            mstore(flat, count) // never more than it was made for: _flatten checks
        }
    }

    /// @dev Appends a parent and its ancestors. Each ancestor's part of the royalty is rounded down, in favour of the
    /// parent, who takes the rest: together they are the royalty, to the ppm.
    function _flatten(uint64[] memory flat, Packed memory packed, uint32 parent, uint256 royalty, uint64 since)
        private
        view
    {
        uint32 version = _versionAt(parent, since);
        Packed memory above = _splits[parent][version];
        if (above.generations >= packed.generations) packed.generations = above.generations + 1;
        require(
            packed.generations <= MAX_GENERATIONS, LineageTooLarge(packed.generations, packed.ancestors)
        );
        uint256 rest = royalty;
        uint256 count = packed.ancestors;
        for (uint256 i; i < above.ancestors; ++i) {
            uint64 entry = _ancestor(parent, version, i);
            uint256 part = royalty * uint32(entry) / above.developerPpm;
            if (part == 0) continue;
            require(count < MAX_ANCESTORS, LineageTooLarge(packed.generations, count + 1));
            flat[count++] = uint64(entry >> 32 << 32 | part);
            rest -= part;
        }
        if (rest != 0) {
            require(count < MAX_ANCESTORS, LineageTooLarge(packed.generations, count + 1));
            flat[count++] = uint64(uint256(parent) << 32 | rest);
        }
        packed.ancestors = uint8(count);
    }

    function _enter(uint32 id, State state, uint64 secs) private {
        Record storage record = _records[id];
        uint64 deadline = secs == 0 ? 0 : uint64(block.timestamp) + secs;
        record.state = state;
        record.deadline = deadline;
        emit StateChanged(id, state, deadline);
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
            _terms[id][version],
            record.state
        );
    }

    /// @inheritdoc IModels
    function life(uint32 id) external view returns (Life memory) {
        Record storage r = _record(id);
        return Life(
            r.state,
            r.deadline,
            r.base,
            r.recipe,
            r.trained,
            r.criteria,
            r.evaluationCommitment,
            r.evaluationSet,
            r.evaluation,
            r.score,
            r.stopsAt,
            r.stoppedBy
        );
    }

    /// @inheritdoc IModels
    function stateOf(uint32 id) external view returns (State) {
        return _records[id].state;
    }

    /// @inheritdoc IModels
    function servable(uint32 id) external view returns (bool ok, Reason reason, uint32 datanet) {
        Record storage record = _records[id];
        State state = record.state;
        if (state == State.None) reason = Reason.Unknown;
        else if (state == State.Suspended) reason = Reason.Suspended;
        else if (state == State.Retired) reason = Reason.Retired;
        else if (state == State.Expired) reason = Reason.Expired;
        else if (state >= State.Proposed && state <= State.Evaluated) reason = Reason.NotDeployed;
        else if (_stopped(record)) (reason, datanet) = (Reason.Withdrawn, record.stoppedBy);
        // At most as many bases as generations: each is a parent of the one before.
        while (reason == Reason.None && record.base != 0) {
            record = _records[record.base];
            if (record.state == State.Suspended) reason = Reason.BaseSuspended;
            else if (_stopped(record)) (reason, datanet) = (Reason.BaseWithdrawn, record.stoppedBy);
        }
        ok = reason == Reason.None;
    }

    /// @inheritdoc IModels
    function payouts(uint32 id) external view returns (Payouts memory) {
        return payoutsAt(id, uint64(block.timestamp));
    }

    /// @inheritdoc IModels
    function payoutsAt(uint32 id, uint64 timestamp) public view returns (Payouts memory result) {
        uint32 version = _versionAt(id, timestamp);
        Packed memory packed = _splits[id][version];
        result.workerPpm = packed.workerPpm;
        result.dataPpm = packed.dataPpm;
        uint64[] memory flat = _ancestors(id, version, packed.ancestors);
        uint256 own = packed.developerPpm;
        for (uint256 i; i < flat.length; ++i) {
            own -= uint32(flat[i]); // never below zero: the royalties are at most the developer's part
        }
        uint256 first = own == 0 ? 0 : 1;
        result.developers = new Payout[](flat.length + first);
        if (own != 0) result.developers[0] = Payout(packed.developer, uint32(own));
        for (uint256 i; i < flat.length; ++i) {
            result.developers[first + i] = Payout(_developerAt(uint32(flat[i] >> 32), timestamp), uint32(flat[i]));
        }
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

    /// @inheritdoc IModels
    function ancestorsOf(uint32 id, uint32 version) external view returns (uint64[] memory) {
        return _ancestors(id, version, _splits[id][version].ancestors);
    }

    /// @inheritdoc IModels
    function dependentsOfDatanet(uint32 datanet, uint256 first, uint256 limit) public view returns (uint32[] memory page) {
        uint32[] storage all = _trainedOn[datanet];
        uint256 left = first < all.length ? all.length - first : 0;
        if (limit > MAX_LIST) limit = MAX_LIST;
        page = new uint32[](left < limit ? left : limit);
        for (uint256 i; i < page.length; ++i) {
            page[i] = all[first + i];
        }
    }

    /// @inheritdoc IModels
    function dependents(uint64 contribution, uint256 first, uint256 limit) external view returns (uint32[] memory page) {
        IDatanets.Membership memory member = datanets.membership(contribution);
        page = dependentsOfDatanet(member.datanet, first, limit);
        for (uint256 i; i < page.length; ++i) {
            if (!_held(_records[page[i]].trained, member)) page[i] = 0;
        }
    }

    /// @dev Two reads for the present (unless terms are announced); a search for the past, however often terms changed.
    function _versionAt(uint32 id, uint64 timestamp) private view returns (uint32) {
        Head memory head = _heads[id];
        require(head.versions != 0, UnknownModel(id));
        if (head.since <= timestamp) return head.versions;
        // The last version below `high` that had begun; the first where none had.
        (uint32 low, uint32 high) = (1, head.versions);
        while (high - low > 1) {
            uint32 middle = low + (high - low) / 2;
            if (_since[id][middle] <= timestamp) low = middle;
            else high = middle;
        }
        return low;
    }

    function _developerAt(uint32 id, uint64 timestamp) private view returns (address) {
        Head memory head = _heads[id];
        return head.since <= timestamp ? head.developer : _splits[id][_versionAt(id, timestamp)].developer;
    }

    function _ancestors(uint32 id, uint32 version, uint256 count) private view returns (uint64[] memory flat) {
        flat = new uint64[](count);
        uint256 word;
        for (uint256 i; i < count; ++i) {
            if (i % 4 == 0) word = _lineages[id][version][i / 4];
            flat[i] = uint64(word);
            word >>= 64;
        }
    }

    function _ancestor(uint32 id, uint32 version, uint256 i) private view returns (uint64) {
        return uint64(_lineages[id][version][i / 4] >> 64 * (i % 4));
    }

    /// @dev Whether one of the versions held the member.
    function _held(uint64[] memory versions, IDatanets.Membership memory member) private pure returns (bool) {
        for (uint256 i; i < versions.length; ++i) {
            uint32 v = uint32(versions[i]);
            if (
                uint32(versions[i] >> 32) == member.datanet && member.added != 0 && member.added <= v
                    && v < member.withdrawn
            ) return true;
        }
        return false;
    }

    function _met(Record storage record) private view returns (bool) {
        return record.criteria.direction == Direction.AtLeast
            ? record.score >= record.criteria.threshold
            : record.score <= record.criteria.threshold;
    }

    function _stopped(Record storage record) private view returns (bool) {
        return record.stopsAt != 0 && block.timestamp >= record.stopsAt;
    }

    /// @dev The record of a model that is in `state`, before its deadline.
    function _at(uint32 id, State state) private view returns (Record storage record) {
        record = _record(id);
        require(record.state == state, WrongState(id, record.state));
        require(record.deadline == 0 || block.timestamp <= record.deadline, DeadlinePassed(id, record.deadline));
    }

    function _owned(uint32 id) private view returns (Record storage record) {
        record = _record(id);
        require(msg.sender == record.owner, NotOwner(id, msg.sender));
    }

    function _record(uint32 id) private view returns (Record storage record) {
        record = _records[id];
        require(record.owner != address(0), UnknownModel(id));
    }

    // ---------------------------------------------------------------- until Settlement reads payouts

    /// @inheritdoc IModels
    function splits(uint32 id) external view returns (Splits memory) {
        return _unpack(id, _versionAt(id, uint64(block.timestamp)));
    }

    /// @inheritdoc IModels
    function splitsAt(uint32 id, uint64 timestamp) external view returns (Splits memory) {
        return _unpack(id, _versionAt(id, timestamp));
    }

    function _unpack(uint32 id, uint32 version) private view returns (Splits memory) {
        return _terms[id][version].splits;
    }
}
