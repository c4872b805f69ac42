// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatanets} from "./interfaces/IDatanets.sol";
import {IModels} from "./interfaces/IModels.sol";

/// @title Models
/// @notice See IModels. Holds no money and has no owner.
contract Models is IModels {
    uint256 public constant MAX_DATANETS = 16;
    uint256 private constant MAX_ANCESTORS = 7;
    uint256 private constant MAX_GENERATIONS = 4;
    uint256 private constant MAX_EVALUATORS = 15;
    uint64 private constant MAX_TRAINING = 366 days;
    uint64 private constant EVALUATION_STEPS = 4;

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
        State resumes;
        bytes32 artifact;
        bytes32 adapter;
        string name;
        Life life;
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
    /// @dev The version of a parent's terms at which its own lineage was taken, once for good.
    mapping(uint32 model => mapping(uint32 parent => uint32 version)) private _resolved;
    mapping(uint32 datanet => uint32[] models) private _trainedOn;
    mapping(bytes32 evaluationCommitment => bool) private _used;

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
        _only(governance);
        _;
    }

    modifier onlyModelReviews() {
        _only(modelReviews);
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
        State state = record.life.state;
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
        _records[id].life.criteria = criteria;
        emit Proposed(id, criteria);
        _enter(id, State.Proposed, stepSeconds);
    }

    /// @inheritdoc IModels
    function approve(uint32 id, bytes32 evaluationCommitment) external onlyTimelock {
        Record storage record = _at(id, State.Proposed);
        // A set that another model has opened, or will open, hides nothing from who trains this one.
        require(evaluationCommitment != 0 && !_used[evaluationCommitment], CommitmentUsed(evaluationCommitment));
        _used[evaluationCommitment] = true;
        record.life.evaluationCommitment = evaluationCommitment;
        emit EvaluationCommitted(id, evaluationCommitment);
        _enter(id, State.Approved, stepSeconds);
    }

    /// @inheritdoc IModels
    function train(uint32 id) external {
        _owned(id);
        Record storage record = _at(id, State.Approved);
        _enter(id, State.Training, record.life.criteria.trainingSeconds);
    }

    /// @inheritdoc IModels
    function submitArtifact(uint32 id, bytes32 artifact, bytes32 adapter) external {
        _owned(id);
        Record storage record = _at(id, State.Training);
        _checkHashes(record.kind, artifact, adapter, record.life.base);
        record.artifact = artifact;
        record.adapter = adapter;
        emit ArtifactSubmitted(id, artifact, adapter);
        _enter(id, State.Evaluating, stepSeconds);
    }

    /// @inheritdoc IModels
    function revealEvaluation(uint32 id, bytes32 evaluationSet, bytes32 salt, string calldata uri) external {
        Record storage record = _at(id, State.Evaluating);
        require(record.life.evaluationSet == 0, AlreadyRevealed(id));
        bytes32 opened = keccak256(abi.encode(evaluationSet, salt));
        require(
            evaluationSet != 0 && opened == record.life.evaluationCommitment,
            CommitmentMismatch(record.life.evaluationCommitment, opened)
        );
        record.life.evaluationSet = evaluationSet;
        emit EvaluationRevealed(id, evaluationSet, uri);
        _enter(id, State.Evaluating, EVALUATION_STEPS * stepSeconds);
    }

    /// @inheritdoc IModels
    function recordEvaluation(uint32 id, int128 score, bytes32 evaluation) external onlyModelReviews {
        Record storage record = _at(id, State.Evaluating);
        require(record.life.evaluationSet != 0, WrongState(id, State.Evaluating));
        record.life.score = score;
        record.life.evaluation = evaluation;
        emit EvaluationRecorded(id, score, evaluation, _met(record));
        _enter(id, State.Evaluated, stepSeconds);
    }

    /// @inheritdoc IModels
    function deploy(uint32 id) external onlyTimelock {
        Record storage record = _at(id, State.Evaluated);
        require(
            _met(record),
            CriteriaMissed(id, record.life.score, record.life.criteria.direction, record.life.criteria.threshold)
        );
        _enter(id, State.Deployed, 0);
    }

    /// @inheritdoc IModels
    function expire(uint32 id) external {
        uint64 deadline = _record(id).life.deadline;
        require(deadline != 0 && block.timestamp > deadline, DeadlineRunning(id, deadline));
        _enter(id, State.Expired, 0);
    }

    /// @inheritdoc IModels
    function retire(uint32 id) external {
        Record storage record = _record(id);
        require(msg.sender == record.owner || msg.sender == governance, NotAllowed(msg.sender));
        State state = record.life.state;
        require(state != State.Retired && state != State.Expired, WrongState(id, state));
        _enter(id, State.Retired, 0);
    }

    // ---------------------------------------------------------------- suspension, withdrawal

    /// @inheritdoc IModels
    function setSuspended(uint32 id, bool suspended) external onlyModelReviews returns (bool) {
        Record storage record = _records[id];
        State state = record.life.state;
        if (suspended) {
            if (state != State.Registered && state != State.Independent && state != State.Deployed) return false;
            record.resumes = state;
            _enter(id, State.Suspended, 0);
        } else {
            if (state != State.Suspended) return false;
            _enter(id, record.resumes, 0);
        }
        return true;
    }

    /// @inheritdoc IModels
    function reinstate(uint32 id) external onlyTimelock {
        _enter(id, _at(id, State.Suspended).resumes, 0);
    }

    /// @inheritdoc IModels
    function markWithdrawn(uint32 id, uint64 contribution) external {
        Life storage held = _record(id).life;
        IDatanets.Membership memory member = datanets.membership(contribution);
        require(member.withdrawn != FOREVER && _held(held.trained, member), NotAffected(id, contribution));
        (uint8 flags,) = datanets.licenceOf(member.datanet);
        require(flags & FLAG_KEEP == 0, LicenceKeeps(member.datanet));
        uint64 stopsAt = datanets.withdrawnAt(contribution) + graceSeconds;
        require(held.stopsAt == 0 || stopsAt < held.stopsAt, AlreadyMarked(id, held.stopsAt));

        held.stopsAt = stopsAt;
        held.stoppedBy = member.datanet;
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
        record.life.base = input.base;
        record.artifact = input.artifact;
        record.adapter = input.adapter;
        record.life.recipe = recipe;
        record.life.trained = input.trained;
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
        Packed memory packed = Packed(uint24(s.workerPpm), uint24(s.developerPpm), uint24(s.dataPpm), 0, 0, s.developer);
        // Version 0 has no parents.
        uint64[] memory flat = _lineage(id, _terms[id][version - 1].parents, terms.parents, packed, since);
        head.since = since;
        head.developer = s.developer;
        _splits[id][version] = packed;
        _terms[id][version] = terms;
        _since[id][version] = since;
        // From storage: what the views read, and no second encoder.
        emit TermsSet(id, version, since, _termsAt(id, version));
        _storeLineage(id, version, flat);
    }

    /// @dev A policy never changes, so what holds when terms are set holds as long as they do. Every kind of model answers from
    /// indexed passages and repeats some of them, so gateways and workers ask for both flags before any answer.
    function _checkLicences(Record storage record, Terms calldata terms) private view {
        uint64[] memory trained = record.life.trained;
        for (uint256 i; i < trained.length; ++i) {
            _checkLicence(uint32(trained[i] >> 32), FLAG_TRAIN, terms.priceOut);
        }
        uint32[] calldata nets = terms.datanets;
        require(nets.length <= MAX_DATANETS, TooManyDatanets(nets.length));
        for (uint256 i; i < nets.length; ++i) {
            _checkLicence(nets[i], FLAG_INDEX | FLAG_QUOTE, terms.priceOut);
        }
    }

    function _checkLicence(uint32 net, uint8 need, uint128 price) private view {
        (uint8 flags, uint128 floor) = datanets.licenceOf(net); // reverts with UnknownDatanet
        require(flags & need == need, LicenceForbids(net, need & ~flags));
        require(price >= floor, PriceBelowFloor(net, floor, price));
    }

    /// @dev Resolves each parent's own lineage when it is first named, for good: what a parent does later can neither make
    /// this one longer nor keep it from setting terms, and a payout follows no tree. Parents have smaller ids, so no model
    /// can be its own ancestor.
    function _lineage(uint32 id, uint64[] memory before, uint64[] calldata parents, Packed memory packed, uint64 since)
        private
        returns (uint64[] memory flat)
    {
        require(parents.length <= MAX_ANCESTORS, LineageTooLarge(1, parents.length));
        flat = new uint64[](MAX_ANCESTORS);
        uint256 kept;
        uint256 sum;
        for (uint256 i; i < parents.length; ++i) {
            uint64 named = parents[i];
            _checkParent(id, uint32(named >> 32), i == 0 ? 0 : uint32(parents[i - 1] >> 32), since);
            uint32 least = kept < before.length && before[kept] >> 32 == named >> 32
                ? uint32(before[kept++])
                : _name(id, uint32(named >> 32), since);
            require(uint32(named) >= least, RoyaltyTooLow(uint32(named >> 32), uint32(named), least));
            sum += uint32(named);
            _flatten(flat, packed, id, uint32(named >> 32), uint32(named));
        }
        // Both lists ascend, so a parent left out stays the next to be kept.
        if (kept != before.length) revert RoyaltyTooLow(uint32(before[kept] >> 32), 0, uint32(before[kept]));
        require(sum <= packed.developerPpm, RoyaltiesExceed(sum, packed.developerPpm));
        uint256 count = packed.ancestors;
        assembly ("memory-safe") {
            mstore(flat, count) // never more than it was made for: _flatten checks
        }
    }

    function _checkParent(uint32 id, uint32 parent, uint32 previous, uint64 since) private view {
        require(
            parent > previous && parent < id && _developerAt(parent, since) != address(0), InvalidParent(id, parent)
        );
    }

    function _storeLineage(uint32 id, uint32 version, uint64[] memory flat) private {
        uint256[2] memory words;
        for (uint256 i; i < flat.length; ++i) {
            words[i / 4] |= uint256(flat[i]) << 64 * (i % 4);
        }
        if (words[0] != 0) _lineages[id][version][0] = words[0];
        if (words[1] != 0) _lineages[id][version][1] = words[1];
        if (flat.length != 0) emit LineageSet(id, version, flat);
    }

    /// @dev Notes the parent's terms of the day, and tells the least royalty they ask for.
    function _name(uint32 id, uint32 parent, uint64 since) private returns (uint32) {
        uint32 version = _versionAt(parent, since);
        _resolved[id][parent] = version;
        return _terms[parent][version].minRoyaltyPpm;
    }

    /// @dev Appends a parent and its ancestors. Each ancestor's part of the royalty is rounded down, in favour of the
    /// parent, who takes the rest: together they are the royalty, to the ppm.
    function _flatten(uint64[] memory flat, Packed memory packed, uint32 id, uint32 parent, uint256 royalty)
        private
        view
    {
        uint32 version = _resolved[id][parent];
        Packed memory above = _splits[parent][version];
        if (above.generations >= packed.generations) packed.generations = above.generations + 1;
        require(packed.generations <= MAX_GENERATIONS, LineageTooLarge(packed.generations, packed.ancestors));
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
        record.life.state = state;
        record.life.deadline = deadline;
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
            _termsAt(id, version),
            record.life.state
        );
    }

    /// @inheritdoc IModels
    function life(uint32 id) external view returns (Life memory) {
        return _record(id).life;
    }

    /// @inheritdoc IModels
    function stateOf(uint32 id) external view returns (State) {
        return _records[id].life.state;
    }

    /// @inheritdoc IModels
    function servable(uint32 id) external view returns (bool ok, Reason reason, uint32 datanet) {
        Record storage record = _records[id];
        State state = record.life.state;
        if (state == State.None) reason = Reason.Unknown;
        else if (state == State.Suspended) reason = Reason.Suspended;
        else if (state == State.Retired) reason = Reason.Retired;
        else if (state == State.Expired) reason = Reason.Expired;
        else if (state >= State.Proposed && state <= State.Evaluated) reason = Reason.NotDeployed;
        else if (_stopped(record)) (reason, datanet) = (Reason.Withdrawn, record.life.stoppedBy);
        // At most as many bases as generations: each is a parent of the one before.
        while (reason == Reason.None && record.life.base != 0) {
            record = _records[record.life.base];
            if (record.life.state == State.Suspended) reason = Reason.BaseSuspended;
            else if (_stopped(record)) (reason, datanet) = (Reason.BaseWithdrawn, record.life.stoppedBy);
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
        return (_termsAt(id, version), _since[id][version]);
    }

    /// @inheritdoc IModels
    function ancestorsOf(uint32 id, uint32 version) external view returns (uint64[] memory) {
        return _ancestors(id, version, _splits[id][version].ancestors);
    }

    /// @inheritdoc IModels
    function dependents(uint32 datanet, uint64 contribution, uint256 first, uint256 limit)
        external
        view
        returns (uint32[] memory page)
    {
        uint32[] storage all = _trainedOn[datanet];
        uint256 left = first < all.length ? all.length - first : 0;
        if (limit > MAX_LIST) limit = MAX_LIST;
        page = new uint32[](left < limit ? left : limit);
        IDatanets.Membership memory member = datanets.membership(contribution);
        for (uint256 i; i < page.length; ++i) {
            uint32 id = all[first + i];
            if (contribution == 0 || _held(_records[id].life.trained, member)) page[i] = id;
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

    function _termsAt(uint32 id, uint32 version) private view returns (Terms memory) {
        return _terms[id][version];
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
        return record.life.criteria.direction == Direction.AtLeast
            ? record.life.score >= record.life.criteria.threshold
            : record.life.score <= record.life.criteria.threshold;
    }

    function _stopped(Record storage record) private view returns (bool) {
        return record.life.stopsAt != 0 && block.timestamp >= record.life.stopsAt;
    }

    /// @dev The record of a model that is in `state`, before its deadline.
    function _at(uint32 id, State state) private view returns (Record storage record) {
        record = _record(id);
        require(record.life.state == state, WrongState(id, record.life.state));
        require(
            record.life.deadline == 0 || block.timestamp <= record.life.deadline,
            DeadlinePassed(id, record.life.deadline)
        );
    }

    function _only(address account) private view {
        require(msg.sender == account, NotAllowed(msg.sender));
    }

    function _owned(uint32 id) private view returns (Record storage record) {
        record = _record(id);
        require(msg.sender == record.owner, NotOwner(id, msg.sender));
    }

    function _record(uint32 id) private view returns (Record storage record) {
        record = _records[id];
        require(record.owner != address(0), UnknownModel(id));
    }
}
