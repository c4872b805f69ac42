// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {IDatanets} from "./interfaces/IDatanets.sol";
import {IOrigins} from "./interfaces/IOrigins.sol";
import {IReviewed, IReviews} from "./interfaces/IReviews.sol";
import {NetworkDomain} from "./lib/NetworkDomain.sol";

/// @title Datanets
/// @notice See IDatanets. Holds no money, has no owner, and calls nobody but the reviewers' and the origins' contracts and,
/// statically, ERC-1271 contributors.
contract Datanets is IDatanets, NetworkDomain {
    using Checkpoints for Checkpoints.Trace160;

    uint8 public constant FLAG_INDEX = 1;
    uint8 public constant FLAG_TRAIN = 2;
    uint8 public constant FLAG_QUOTE = 4;
    uint8 public constant FLAG_PRIVATE = 8;
    uint8 public constant FLAG_KEEP = 16;
    uint256 public constant MAX_LIST = 256;
    uint256 public constant MAX_REVIEWERS = 15;

    bytes32 private constant CONTRIBUTION_TYPEHASH = keccak256(
        "Contribution(uint32 datanet,bytes32 root,uint32 documents,uint64 textBytes,address payee,bytes32 blind,uint64 deadline)"
    );
    bytes32 private constant WITHDRAWAL_TYPEHASH = keccak256("Withdrawal(uint64 contribution,uint64 deadline)");
    bytes32 private constant PAYEE_TYPEHASH =
        keccak256("Payee(uint64 contribution,address payee,uint64 nonce,uint64 deadline)");
    uint32 private constant FOREVER = type(uint32).max;
    uint64 private constant REVEALED = type(uint64).max;

    /// @dev First slot: curator, version, and what `headsOf` and `reveal` need of the policy.
    struct Record {
        address curator;
        uint32 version;
        uint32 curatorPpm;
        ReviewRule review;
        string name;
        Policy policy;
    }

    /// @dev What was revealed. The membership lies apart, so that Settlement reads one slot.
    struct Opened {
        bytes32 root;
        address contributor;
        uint32 documents;
        uint64 textBytes;
    }

    struct Commit {
        uint64 contribution;
        uint64 revealBy; // REVEALED once it has been: a second commit of the same opening must not revive it
    }

    /// @inheritdoc IDatanets
    uint64 public immutable revealBlocks;
    /// @inheritdoc IDatanets
    address public immutable registrar;
    /// @inheritdoc IDatanets
    address public immutable treasury;
    /// @inheritdoc IDatanets
    address public immutable reviews;
    /// @inheritdoc IDatanets
    address public immutable origins;

    /// @inheritdoc IDatanets
    uint32 public datanetCount;
    /// @inheritdoc IDatanets
    uint64 public contributionCount;
    /// @inheritdoc IDatanets
    uint96 public payeeClock;
    /// @inheritdoc IDatanets
    mapping(uint64 contribution => uint64) public withdrawnAt;
    /// @inheritdoc IDatanets
    mapping(uint64 contribution => uint64) public caseOf;
    /// @inheritdoc IDatanets
    mapping(uint64 caseId => uint64) public contributionOf;

    mapping(uint32 datanet => Record) private _datanets;
    mapping(uint64 contribution => Membership) private _memberships;
    mapping(uint64 contribution => Opened) private _opened;
    mapping(bytes32 commitment => Commit) private _commits;
    mapping(uint64 contribution => Checkpoints.Trace160) private _payees;

    constructor(
        bytes32 networkId_,
        address registrar_,
        address treasury_,
        uint64 revealBlocks_,
        address reviews_,
        address origins_
    ) NetworkDomain(networkId_) {
        require(treasury_ != address(0), NotAllowed(treasury_));
        registrar = registrar_;
        treasury = treasury_;
        revealBlocks = revealBlocks_;
        reviews = reviews_;
        origins = origins_;
    }

    // ---------------------------------------------------------------- datanets

    /// @inheritdoc IDatanets
    function create(string calldata name, Policy calldata policy) external returns (uint32 id) {
        require(policy.flags <= 31 && policy.curatorPpm <= 1e6, InvalidPolicy(policy.flags, policy.curatorPpm));
        (uint8 n, uint8 k) = (policy.reviewers, policy.approvals);
        // n may be even: k decides, so a full panel is never tied.
        require(
            policy.review == ReviewRule.Reviewers ? 1 <= k && k <= n && n <= MAX_REVIEWERS : n == 0 && k == 0,
            InvalidPanel(n, k)
        );
        id = ++datanetCount;
        Record storage record = _datanets[id];
        record.curator = msg.sender;
        record.curatorPpm = policy.curatorPpm;
        record.review = policy.review;
        record.name = name;
        record.policy = policy;
        emit Created(id, msg.sender, name, policy);
    }

    // ---------------------------------------------------------------- commit, reveal

    /// @inheritdoc IDatanets
    function commit(bytes32 commitment) external returns (uint64 id) {
        id = ++contributionCount;
        _commit(id, commitment);
    }

    /// @inheritdoc IDatanets
    function commitBatch(bytes32[] calldata commitments) external returns (uint64 first) {
        require(commitments.length != 0, BatchMismatch(0, 0));
        first = contributionCount + 1;
        contributionCount += uint64(commitments.length);
        for (uint256 i; i < commitments.length; ++i) {
            _commit(first + uint64(i), commitments[i]);
        }
    }

    /// @inheritdoc IDatanets
    function reveal(uint64 id, Reveal calldata opening, bytes calldata signature) external {
        _reveal(id, opening, signature, false);
    }

    /// @inheritdoc IDatanets
    function revealBatch(uint64[] calldata ids, Reveal[] calldata openings, bytes[] calldata signatures) external {
        require(
            ids.length == openings.length && ids.length == signatures.length,
            BatchMismatch(openings.length, signatures.length)
        );
        for (uint256 i; i < ids.length; ++i) {
            _reveal(ids[i], openings[i], signatures[i], true);
        }
    }

    function _commit(uint64 id, bytes32 commitment) private {
        Commit storage held = _commits[commitment];
        uint64 revealBy = uint64(block.number) + revealBlocks;
        // Copying a commitment out of the mempool gains nothing: the earlier id keeps it, whoever sent it, and only its
        // contributor can open it.
        if (held.contribution == 0 || held.revealBy < block.number) {
            held.contribution = id;
            held.revealBy = revealBy;
        }
        emit Committed(id, commitment, revealBy);
    }

    /// @dev Of a batch what somebody has revealed before is left out: a signature is public, and by sending one of many alone
    /// anybody could undo the whole batch.
    function _reveal(uint64 id, Reveal calldata opening, bytes calldata signature, bool batched) private {
        require(
            opening.root != 0 && opening.documents != 0 && opening.contributor != address(0)
                && opening.payee != address(0),
            EmptyContribution()
        );
        Record storage record = _record(opening.datanet);
        bytes32 commitment = commitmentHash(opening);
        Commit storage held = _commits[commitment];
        require(held.contribution != 0, NotCommitted(commitment));
        require(held.contribution == id, CommittedAs(commitment, held.contribution));
        if (held.revealBy == REVEALED) {
            require(batched, AlreadyRevealed(id));
            return;
        }
        require(block.number <= held.revealBy, RevealExpired(id, held.revealBy));
        if (msg.sender != opening.contributor) {
            bytes32 structHash = keccak256(
                abi.encode(
                    CONTRIBUTION_TYPEHASH,
                    opening.datanet,
                    opening.root,
                    opening.documents,
                    opening.textBytes,
                    opening.payee,
                    opening.blind,
                    opening.deadline
                )
            );
            _checkSignature(opening.contributor, structHash, opening.deadline, signature);
        }

        held.revealBy = REVEALED;
        _open(id, opening.datanet, opening.root, opening.documents, opening.textBytes, opening.contributor, opening.payee);
        if (record.review == ReviewRule.Open) _accept(id, opening.datanet, record);
        if (record.review == ReviewRule.Reviewers) _ask(id, opening.datanet, opening.contributor, record);
    }

    /// @dev Reviews calls nobody when it is asked, so the case's number comes back before anything can refer to it.
    function _ask(uint64 id, uint32 net, address contributor, Record storage record) private {
        uint64 caseId = IReviews(reviews)
            .request(bytes32(uint256(id)), record.policy.reviewers, record.policy.approvals, contributor);
        caseOf[id] = caseId;
        contributionOf[caseId] = id;
        emit ReviewOpened(id, net, caseId);
    }

    // ---------------------------------------------------------------- review, withdrawal, payee

    /// @inheritdoc IDatanets
    function accept(uint64 id) external {
        _judge(id, true, false);
    }

    /// @inheritdoc IDatanets
    function acceptBatch(uint64[] calldata ids) external {
        for (uint256 i; i < ids.length; ++i) {
            _judge(ids[i], true, true);
        }
    }

    /// @inheritdoc IDatanets
    function reject(uint64 id) external {
        _judge(id, false, false);
    }

    /// @inheritdoc IReviewed
    function onDecision(uint64 caseId, bool approved) external {
        require(msg.sender == reviews, NotAllowed(msg.sender));
        _decide(contributionOf[caseId], approved);
    }

    /// @inheritdoc IDatanets
    function withdraw(uint64 id) external {
        address contributor = _contributor(id);
        if (msg.sender != contributor) {
            Record storage record = _datanets[_memberships[id].datanet];
            // In an open datanet nobody looked before, and what is no text at all keeps every later version from being
            // adopted. What a vote made common stays.
            require(
                record.review == ReviewRule.Open && msg.sender == record.curator && contributor != treasury,
                NotAllowed(msg.sender)
            );
        }
        _withdraw(id);
    }

    /// @inheritdoc IDatanets
    function withdrawFor(uint64 id, uint64 deadline, bytes calldata signature) external {
        address contributor = _contributor(id);
        _checkSignature(contributor, keccak256(abi.encode(WITHDRAWAL_TYPEHASH, id, deadline)), deadline, signature);
        _withdraw(id);
    }

    /// @inheritdoc IDatanets
    function setPayee(uint64 id, address payee) external {
        require(msg.sender == _contributor(id), NotAllowed(msg.sender));
        _setPayee(id, payee);
    }

    /// @inheritdoc IDatanets
    function setPayeeFor(uint64 id, address payee, uint64 deadline, bytes calldata signature) external {
        address contributor = _contributor(id);
        bytes32 structHash = keccak256(abi.encode(PAYEE_TYPEHASH, id, payee, payeeNonce(id), deadline));
        _checkSignature(contributor, structHash, deadline, signature);
        _setPayee(id, payee);
    }

    /// @inheritdoc IDatanets
    function registerCommons(uint32 net, bytes32 root, uint32 documents, uint64 textBytes)
        external
        returns (uint64 id)
    {
        require(msg.sender == registrar, NotAllowed(msg.sender));
        require(root != 0 && documents != 0, EmptyContribution());
        Record storage record = _record(net);
        id = ++contributionCount;
        _open(id, net, root, documents, textBytes, treasury, treasury);
        _accept(id, net, record);
    }

    /// @dev The curator's judgement of a pending contribution. In a datanet of reviewers it is the fallback of a case that no
    /// panel could decide: `decide` refuses any other, and comes back by `onDecision`. Of a batch what is no longer pending
    /// is left out: a contributor could undo the whole batch by taking one back.
    function _judge(uint64 id, bool approved, bool batched) private {
        _contributor(id);
        Record storage record = _datanets[_memberships[id].datanet];
        require(msg.sender == record.curator, NotAllowed(msg.sender));
        Status status = _status(id);
        if (status != Status.Pending) {
            require(batched, WrongStatus(id, status));
            return;
        }
        if (record.review == ReviewRule.Reviewers) IReviews(reviews).decide(caseOf[id], approved);
        else _decide(id, approved);
    }

    /// @dev A first decision finds the contribution pending, a reversal finds what the first one made of it. One that its
    /// contributor took back in the meantime stays so.
    function _decide(uint64 id, bool approved) private {
        Status status = _status(id);
        Membership storage member = _memberships[id];
        uint32 net = member.datanet;
        if (approved && (status == Status.Pending || status == Status.Rejected)) {
            member.withdrawn = FOREVER;
            _accept(id, net, _datanets[net]);
        } else if (!approved && status == Status.Pending) {
            member.withdrawn = 0;
            emit Rejected(id, net);
        } else if (!approved && status == Status.Accepted) {
            _withdraw(id);
        }
    }

    function _setPayee(uint64 id, address payee) private {
        require(payee != address(0), EmptyContribution());
        Membership storage member = _memberships[id];
        address previous = member.payee;
        require(!IOrigins(origins).isVault(previous), PayeeHeld(id, previous));
        Checkpoints.Trace160 storage history = _payees[id];
        if (history.length() == 0) history.push(0, uint160(previous));
        history.push(++payeeClock, uint160(payee));
        member.payee = payee;
        emit PayeeSet(id, payee, previous);
    }

    function _open(
        uint64 id,
        uint32 net,
        bytes32 root,
        uint32 documents,
        uint64 textBytes,
        address contributor,
        address payee
    ) private {
        _opened[id] = Opened(root, contributor, documents, textBytes);
        _memberships[id] = Membership(net, 0, FOREVER, payee);
        emit Revealed(id, net, contributor, payee, root, documents, textBytes);
    }

    function _accept(uint64 id, uint32 net, Record storage record) private {
        uint32 added = ++record.version;
        _memberships[id].added = added;
        emit Accepted(id, net, added);
    }

    function _withdraw(uint64 id) private {
        Status status = _status(id);
        require(status == Status.Pending || status == Status.Accepted, WrongStatus(id, status));
        Membership storage member = _memberships[id];
        Record storage record = _datanets[member.datanet];
        // A pending contribution was never a member, so the membership's version does not move; +1 keeps the mark
        // apart from the 0 of a rejection.
        uint32 since = status == Status.Accepted ? ++record.version : record.version + 1;
        member.withdrawn = since;
        withdrawnAt[id] = uint64(block.timestamp);
        emit Withdrawn(id, member.datanet, since);
    }

    function _checkSignature(address signer, bytes32 structHash, uint64 deadline, bytes calldata signature)
        private
        view
    {
        require(block.timestamp <= deadline, SignatureExpired(deadline));
        require(
            SignatureChecker.isValidSignatureNowCalldata(signer, _digest(structHash), signature),
            InvalidSignature(signer)
        );
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IDatanets
    function datanet(uint32 id) external view returns (Datanet memory) {
        Record storage record = _record(id);
        return Datanet(record.name, record.curator, record.version, record.policy);
    }

    /// @inheritdoc IDatanets
    function licenceOf(uint32 id) external view returns (uint8, uint128) {
        Policy storage policy = _record(id).policy;
        return (policy.flags, policy.priceFloor);
    }

    /// @inheritdoc IDatanets
    function version(uint32 id) external view returns (uint32) {
        return _record(id).version;
    }

    /// @inheritdoc IDatanets
    function contribution(uint64 id) external view returns (Contribution memory) {
        return _contribution(id);
    }

    /// @inheritdoc IDatanets
    function contributions(uint64 first, uint256 limit) external view returns (Contribution[] memory list) {
        if (first == 0) first = 1;
        if (limit > MAX_LIST) limit = MAX_LIST;
        uint256 count = contributionCount;
        uint256 left = first > count ? 0 : count - first + 1;
        list = new Contribution[](left < limit ? left : limit);
        for (uint256 i; i < list.length; ++i) {
            list[i] = _contribution(first + uint64(i));
        }
    }

    /// @inheritdoc IDatanets
    function commitmentOf(bytes32 commitment) external view returns (uint64, uint64) {
        Commit storage held = _commits[commitment];
        return (held.contribution, held.revealBy);
    }

    /// @inheritdoc IDatanets
    function commitmentHash(Reveal calldata opening) public pure returns (bytes32) {
        return keccak256(
            abi.encode(
                opening.datanet,
                opening.root,
                opening.documents,
                opening.textBytes,
                opening.contributor,
                opening.payee,
                opening.blind
            )
        );
    }

    /// @inheritdoc IDatanets
    function membership(uint64 id) external view returns (Membership memory) {
        return _memberships[id];
    }

    /// @inheritdoc IDatanets
    function isMember(uint64 id, uint32 v) external view returns (bool) {
        Membership memory member = _memberships[id];
        return _covers(member, v);
    }

    /// @inheritdoc IDatanets
    function isMemberOfAny(uint64 id, uint64[] calldata versions) external view returns (bool) {
        return _covered(_memberships[id], versions);
    }

    /// @inheritdoc IDatanets
    function membershipsOf(uint64[] calldata ids) external view returns (uint256[] memory words) {
        words = new uint256[](ids.length);
        // One keccak and one sload for each id: this stands in the path of every settled share. An id with bits above the
        // 64th names a slot that no mapping entry has, and so reads as zero, as an unknown id does. `words` has room for as
        // many words as `ids` has, and the two scratch words are Solidity's.
        assembly ("memory-safe") {
            mstore(0x20, _memberships.slot)
            let size := shl(5, ids.length)
            for { let i := 0 } lt(i, size) { i := add(i, 0x20) } {
                mstore(0x00, calldataload(add(ids.offset, i)))
                mstore(add(add(words, 0x20), i), sload(keccak256(0x00, 0x40)))
            }
        }
    }

    /// @inheritdoc IDatanets
    function headsOf(uint32[] calldata nets) external view returns (uint256[] memory heads) {
        heads = new uint256[](nets.length);
        for (uint256 i; i < nets.length; ++i) {
            Record storage record = _datanets[nets[i]];
            heads[i] = uint256(uint160(record.curator)) << 96 | uint256(record.curatorPpm) << 32 | record.version;
        }
    }

    /// @inheritdoc IDatanets
    function payeeAt(uint64 id, uint96 clock) external view returns (address) {
        Checkpoints.Trace160 storage history = _payees[id];
        return history.length() == 0 ? _memberships[id].payee : address(history.upperLookup(clock));
    }

    /// @inheritdoc IDatanets
    function payeeNonce(uint64 id) public view returns (uint64) {
        // The first change also notes where the payments went before.
        uint256 noted = _payees[id].length();
        return noted == 0 ? 0 : uint64(noted - 1);
    }

    function _covered(Membership memory member, uint64[] calldata versions) private pure returns (bool) {
        for (uint256 i; i < versions.length; ++i) {
            if (uint32(versions[i] >> 32) == member.datanet && _covers(member, uint32(versions[i]))) return true;
        }
        return false;
    }

    function _covers(Membership memory member, uint32 v) private pure returns (bool) {
        return member.added != 0 && member.added <= v && v < member.withdrawn;
    }

    function _record(uint32 id) private view returns (Record storage record) {
        record = _datanets[id];
        require(record.curator != address(0), UnknownDatanet(id));
    }

    function _contributor(uint64 id) private view returns (address contributor) {
        contributor = _opened[id].contributor;
        require(contributor != address(0), UnknownContribution(id));
    }

    function _contribution(uint64 id) private view returns (Contribution memory) {
        Membership memory member = _memberships[id];
        Opened memory opened = _opened[id];
        return Contribution(
            id,
            _status(id),
            member.datanet,
            member.added,
            member.withdrawn,
            opened.contributor,
            member.payee,
            opened.root,
            opened.documents,
            opened.textBytes
        );
    }

    function _status(uint64 id) private view returns (Status) {
        if (_opened[id].contributor == address(0)) return Status.Unrevealed;
        Membership memory member = _memberships[id];
        if (member.withdrawn == 0) return Status.Rejected;
        if (member.withdrawn != FOREVER) return Status.Withdrawn;
        return member.added == 0 ? Status.Pending : Status.Accepted;
    }
}
