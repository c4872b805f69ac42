// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Splitter} from "./Splitter.sol";
import {Vault} from "./Vault.sol";
import {IOrigins, ISplitter, IVault} from "./interfaces/IOrigins.sol";
import {IReviewed, IReviews} from "./interfaces/IReviews.sol";
import {CanonicalUrl} from "./lib/CanonicalUrl.sol";

/// @title Origins
/// @notice See IOrigins. Holds no money, has no owner; what the vaults hold moves to their authors alone.
contract Origins is IOrigins, IReviewed {
    uint8 public constant MAX_REVIEWERS = 15;

    /// @notice Identity of the network, part of every token.
    bytes32 public immutable networkId;
    /// @notice The staked reviewers.
    IReviews public immutable reviews;
    /// @inheritdoc IOrigins
    uint8 public immutable claimReviewers;

    /// @inheritdoc IOrigins
    mapping(address vault => bytes32) public originOfVault;

    mapping(bytes32 origin => Origin) private _origins;
    mapping(uint64 caseId => Claim) private _claims;

    constructor(bytes32 networkId_, address reviews_, uint8 claimReviewers_) {
        require(1 <= claimReviewers_ && claimReviewers_ <= MAX_REVIEWERS, InvalidParameter());
        networkId = networkId_;
        reviews = IReviews(reviews_);
        claimReviewers = claimReviewers_;
    }

    // ---------------------------------------------------------------- origins

    /// @inheritdoc IOrigins
    function register(string calldata url) external returns (address vault) {
        return _origins[_register(url)].vault;
    }

    /// @inheritdoc IOrigins
    function release(bytes32 origin) external returns (uint256 amount) {
        (address vault, address author) = (_origins[origin].vault, _origins[origin].author);
        amount = vault.balance;
        require(author != address(0) && amount != 0, NothingToRelease(origin));
        emit Released(origin, author, amount);
        IVault(vault).release(author, amount);
    }

    /// @inheritdoc IOrigins
    function moveAuthor(bytes32 origin, address author) external {
        Origin storage held = _origins[origin];
        require(msg.sender == held.author, NotAllowed(msg.sender));
        require(author != address(0) && author != msg.sender, InvalidAuthor(author));
        held.author = author;
        emit AuthorMoved(origin, author, msg.sender);
    }

    function _register(string calldata url) private returns (bytes32 origin) {
        origin = keccak256(bytes(url));
        if (_origins[origin].vault != address(0)) return origin;
        CanonicalUrl.check(bytes(url));
        address vault = _vaultOf(origin);
        _origins[origin].url = url;
        _origins[origin].vault = vault;
        originOfVault[vault] = origin;
        emit OriginRegistered(origin, vault, url);
        new Vault{salt: origin}();
    }

    // ---------------------------------------------------------------- claims

    /// @inheritdoc IOrigins
    function claim(string calldata url, address author) external payable returns (uint64 caseId) {
        bytes32 origin = _register(url);
        Origin storage held = _origins[origin];
        require(author != address(0) && author != held.author, InvalidAuthor(author));
        uint32 granted = held.granted;
        (uint8 n, uint8 k, uint256 least) = _terms(granted, author);
        // Nothing is taken where there is nobody to pay.
        require(msg.value >= least && (least != 0 || msg.value == 0), WrongPayment(msg.value, least));
        caseId = reviews.request{value: msg.value}(keccak256(abi.encode(origin, author)), n, k, author);
        _claims[caseId] = Claim(origin, author, granted);
        emit ClaimOpened(caseId, origin, author, n, _token(origin, author));
    }

    /// @inheritdoc IReviewed
    function onDecision(uint64 caseId, bool approved) external {
        require(msg.sender == address(reviews), NotAllowed(msg.sender));
        emit ClaimDecided(caseId, approved);
    }

    /// @inheritdoc IOrigins
    function conclude(uint64 caseId) external {
        Claim memory made = _claims[caseId];
        require(made.author != address(0), UnknownClaim(caseId));
        (bool isFinal, bool approved) = reviews.outcome(caseId);
        require(isFinal && approved, NotGranted(caseId, isFinal, approved));
        Origin storage held = _origins[made.origin];
        require(held.granted == made.granted, Overtaken(caseId, held.granted));
        delete _claims[caseId];
        address previous = held.author;
        held.author = made.author;
        ++held.granted;
        emit ClaimGranted(caseId, made.origin, made.author, previous);
    }

    /// @dev n, then 2n + 1 after each granted claim, up to 15; two thirds of them, rounded up. Every claim pays its panel:
    /// free attempts would be a lottery over small panels.
    function _terms(uint32 granted, address author) private view returns (uint8 n, uint8 k, uint256 least) {
        uint256 size = claimReviewers;
        for (uint256 i; i < granted && size < MAX_REVIEWERS; ++i) {
            size = 2 * size + 1;
        }
        n = size < MAX_REVIEWERS ? uint8(size) : MAX_REVIEWERS;
        k = n - n / 3;
        uint256 drawable = reviews.reviewerCount();
        if (drawable != 0 && reviews.reviewerOf(author).place != 0) --drawable;
        least = drawable < n ? 0 : n * uint256(reviews.seatFee());
    }

    function _token(bytes32 origin, address author) private view returns (string memory) {
        bytes32 digest = keccak256(abi.encode(networkId, origin, author));
        return string.concat("fonte-origin=", Strings.toHexString(uint256(digest), 32));
    }

    // ---------------------------------------------------------------- splitters

    /// @inheritdoc IOrigins
    function createSplitter(ISplitter.Part[] calldata parts) external returns (address splitter) {
        splitter = splitterOf(parts);
        if (splitter.code.length != 0) return splitter;
        emit SplitterCreated(splitter, parts);
        new Splitter{salt: 0}(parts);
    }

    /// @inheritdoc IOrigins
    function splitterOf(ISplitter.Part[] calldata parts) public view returns (address) {
        return Create2.computeAddress(0, keccak256(bytes.concat(type(Splitter).creationCode, abi.encode(parts))));
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IOrigins
    function isVault(address account) external view returns (bool) {
        return originOfVault[account] != 0;
    }

    /// @inheritdoc IOrigins
    function vaultOf(string calldata url) external view returns (address) {
        CanonicalUrl.check(bytes(url));
        return _vaultOf(keccak256(bytes(url)));
    }

    /// @inheritdoc IOrigins
    function originOf(bytes32 origin) external view returns (Origin memory held) {
        held = _origins[origin];
        require(held.vault != address(0), UnknownOrigin(origin));
    }

    /// @inheritdoc IOrigins
    function claimOf(uint64 caseId) external view returns (Claim memory) {
        return _claims[caseId];
    }

    /// @inheritdoc IOrigins
    function claimTerms(string calldata url, address author) external view returns (uint8 n, uint8 k, uint256 fee) {
        return _terms(_origins[keccak256(bytes(url))].granted, author);
    }

    /// @inheritdoc IOrigins
    function tokenOf(string calldata url, address author) external view returns (string memory) {
        CanonicalUrl.check(bytes(url));
        return _token(keccak256(bytes(url)), author);
    }

    /// @inheritdoc IOrigins
    function checkUrl(string calldata url) external pure {
        CanonicalUrl.check(bytes(url));
    }

    function _vaultOf(bytes32 origin) private view returns (address) {
        return Create2.computeAddress(origin, keccak256(type(Vault).creationCode));
    }
}
