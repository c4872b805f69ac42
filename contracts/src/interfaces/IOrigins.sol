// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IVault
/// @notice Holds what an origin earns until its author is known. Takes coins from anybody; `IOrigins` alone moves them.
interface IVault {
    /// @notice Only the contract that made the vault may do this.
    error NotOrigins(address account);
    /// @notice `account` refused `amount` wei.
    error TransferRefused(address account, uint256 amount);

    /// @notice Sends `amount` wei to the author.
    function release(address author, uint256 amount) external;
}

/// @title ISplitter
/// @notice A payee that splits what it receives among several, in parts fixed when it was made. Pull: each part waits for
/// its payee. Parts round down; dust stays until later receipts make it up.
interface ISplitter {
    /// @notice A payee and its part in ppm.
    struct Part {
        address payee;
        uint32 ppm;
    }

    /// @notice A payee was paid.
    event Released(address indexed payee, uint256 amount);

    /// @notice There must be 1 to 16 parts, of distinct payees, none of them zero or the splitter itself, and of
    /// 1,000,000 ppm together, none of them zero.
    error InvalidParts();
    /// @notice Nothing is due to `payee`.
    error NothingDue(address payee);
    /// @notice `payee` refused `amount` wei.
    error TransferRefused(address payee, uint256 amount);

    /// @notice Pays a payee what is due. Anyone may call it.
    function release(address payee) external returns (uint256 amount);

    /// @notice What is due to a payee.
    function due(address payee) external view returns (uint256);

    /// @notice A payee's part in ppm; zero for strangers.
    function ppmOf(address payee) external view returns (uint32);

    /// @notice All parts.
    function parts() external view returns (Part[] memory);

    /// @notice Wei paid out so far.
    function totalReleased() external view returns (uint256);
}

/// @title IOrigins
/// @notice URL origins, their vaults, and the authors to whom they belong (docs/spec/datanets.md, section 4).
///
/// A contribution of texts from the web whose author is not verified names the origin's vault as its payee: what it earns
/// waits there. Nobody but the verified author ever gets it; the uploader never does. An author proves the origin by
/// publishing a token (`tokenOf`) in it; a panel of reviewers looks.
interface IOrigins {
    /// @notice An origin as read by clients.
    /// @param url Canonical form.
    /// @param author Who gets what the vault holds; zero: nobody verified yet.
    /// @param granted How many claims were granted; each makes the next panel larger.
    struct Origin {
        string url;
        address vault;
        address author;
        uint32 granted;
    }

    /// @notice A claim. `granted` is the origin's count when it was made: a claim that another one overtook is void.
    struct Claim {
        bytes32 origin;
        address author;
        uint32 granted;
    }

    /// @notice An origin got its vault. `origin` = keccak256(bytes(url)).
    event OriginRegistered(bytes32 indexed origin, address indexed vault, string url);
    /// @notice Reviewers were asked whether `author`'s token stands in the origin.
    event ClaimOpened(
        uint64 indexed caseId, bytes32 indexed origin, address indexed author, uint8 reviewers, string token
    );
    /// @notice A panel decided on a claim. It can be appealed; `conclude` acts once it is final.
    event ClaimDecided(uint64 indexed caseId, bool approved);
    /// @notice The vault belongs to `author` now.
    event ClaimGranted(uint64 indexed caseId, bytes32 indexed origin, address indexed author, address previous);
    /// @notice The author named another account of their own.
    event AuthorMoved(bytes32 indexed origin, address indexed author, address indexed previous);
    /// @notice What the vault held was sent to the author.
    event Released(bytes32 indexed origin, address indexed author, uint256 amount);
    /// @notice A splitter was made.
    event SplitterCreated(address indexed splitter, ISplitter.Part[] parts);

    /// @notice A constructor parameter is out of range.
    error InvalidParameter();
    /// @notice `account` may not do this.
    error NotAllowed(address account);
    /// @notice The URL is not in canonical form; the fault is at byte `position`.
    error NotCanonical(uint256 position);
    /// @notice No origin has been registered under this URL or hash.
    error UnknownOrigin(bytes32 origin);
    /// @notice No claim has this case, or it has been granted already.
    error UnknownClaim(uint64 caseId);
    /// @notice An author is needed, other than the present one.
    error InvalidAuthor(address author);
    /// @notice A claim must attach at least the panel's fees while there are reviewers to draw, and nothing while there
    /// are none.
    error WrongPayment(uint256 paid, uint256 least);
    /// @notice The case is not decided for good, or not in the claim's favour.
    error NotGranted(uint64 caseId, bool isFinal, bool approved);
    /// @notice Another claim was granted in the meantime: claim again, before a larger panel.
    error Overtaken(uint64 caseId, uint32 granted);
    /// @notice The origin has no author, or its vault holds nothing.
    error NothingToRelease(bytes32 origin);

    /// @notice Registers an origin by its canonical URL and makes its vault. Does nothing where there is one.
    function register(string calldata url) external returns (address vault);

    /// @notice Asks reviewers whether `author` published `tokenOf(url, author)` in the origin; registers it if needed. The
    /// first panel has `claimReviewers` seats, each granted claim makes the next 2n + 1, at most 15; two thirds of them,
    /// rounded up, approve. Anyone may claim for an author. Attach the fee of `claimTerms`; more pays the reviewers more.
    function claim(string calldata url, address author) external payable returns (uint64 caseId);

    /// @notice Gives the vault to the author of a claim that was approved for good. Anyone may call it.
    function conclude(uint64 caseId) external;

    /// @notice Sends what a vault holds to its author. Anyone may call it.
    function release(bytes32 origin) external returns (uint256 amount);

    /// @notice The author names another account of their own.
    function moveAuthor(bytes32 origin, address author) external;

    /// @notice Makes the splitter of these parts, at an address that follows from them; there is one for each list of parts.
    function createSplitter(ISplitter.Part[] calldata parts) external returns (address splitter);

    /// @notice Where the splitter of these parts is or will be. The parts are not checked.
    function splitterOf(ISplitter.Part[] calldata parts) external view returns (address);

    /// @notice Whether an account is the vault of a registered origin.
    function isVault(address account) external view returns (bool);

    /// @notice Where the vault of a canonical URL is or will be.
    function vaultOf(string calldata url) external view returns (address);

    /// @notice An origin by the hash of its canonical URL.
    function originOf(bytes32 origin) external view returns (Origin memory);

    /// @notice The origin whose vault an account is; zero if it is none.
    function originOfVault(address vault) external view returns (bytes32);

    /// @notice A claim by its case.
    function claimOf(uint64 caseId) external view returns (Claim memory);

    /// @notice Seats and approvals of a claim's panel, and the least wei to attach, as things stand.
    function claimTerms(string calldata url, address author)
        external
        view
        returns (uint8 reviewers, uint8 approvals, uint256 fee);

    /// @notice What the author publishes: "fonte-origin=0x" and 64 hexadecimal digits of
    /// keccak256(abi.encode(networkId, origin, author)).
    function tokenOf(string calldata url, address author) external view returns (string memory);

    /// @notice Reverts unless `url` is in canonical form.
    function checkUrl(string calldata url) external pure;

    /// @notice Seats of the first panel on an origin.
    function claimReviewers() external view returns (uint8);
}
