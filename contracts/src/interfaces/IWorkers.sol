// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IWorkers
/// @notice The register of compute workers: who they are, what they declare, and a stake per concurrent slot. A gateway
/// gives work to registered, active workers only (docs/spec/workers.md).
///
/// What is declared here is a claim, not a proof. Registering earns nothing: workers are paid per answer, by Settlement.
/// Nothing here can take a stake: there is no function that slashes, so a timeout, a pause or a wrong declaration never
/// burns one. The stake is a price for identities, and it waits for a while on the way out so that one stake cannot back
/// many identities in quick succession.
interface IWorkers {
    /// @notice Class of a worker's answers, as in its receipts (docs/spec/receipt.md).
    enum EngineClass {
        Exact, // replayable bit for bit on the CPU profile
        Tolerance // a GPU or an external engine
    }

    /// @notice What computes beside the CPU.
    enum Accelerator {
        None,
        Cuda,
        Rocm,
        Metal,
        Other
    }

    /// @notice Where a worker stands.
    enum Status {
        None, // never registered, or has left and withdrawn
        Active, // wants work
        Paused, // keeps its registration, wants no work
        Leaving // waits for its stake
    }

    /// @notice What a worker declares of itself.
    /// @param slots Jobs that it does at once: 1 to MAX_SLOTS. Each needs stake.
    /// @param engine Class of its answers.
    /// @param accelerator What computes beside the CPU.
    /// @param memoryMib Main memory, in MiB.
    /// @param acceleratorMib Memory of the accelerator, in MiB.
    /// @param jurisdiction ISO 3166-1 alpha-2 code of where it stands, two capital letters: declared, nobody can prove it.
    /// @param networkKey Its ed25519 key on the network, 0 if it has none. Not proved here: the account is the identity.
    /// @param hardware What the machine is, in at most MAX_HARDWARE bytes.
    /// @param endpoint Where gateways reach it, in at most MAX_ENDPOINT bytes; empty if it dials them.
    struct Info {
        uint32 slots;
        EngineClass engine;
        Accelerator accelerator;
        uint32 memoryMib;
        uint32 acceleratorMib;
        bytes2 jurisdiction;
        bytes32 networkKey;
        string hardware;
        string endpoint;
    }

    /// @notice A worker as read by gateways.
    /// @param since When it registered, in seconds.
    /// @param withdrawableAt When a leaving worker's stake may be withdrawn, in seconds; else 0.
    struct Worker {
        Status status;
        uint128 stake;
        uint64 since;
        uint64 withdrawableAt;
        Info info;
    }

    /// @notice `worker` registered with `stake` wei.
    event Registered(address indexed worker, uint128 stake, Info info);
    /// @notice `worker` declares `info` from now on.
    event Updated(address indexed worker, Info info);
    /// @notice `worker` has `stake` wei staked, of which `added` are new.
    event StakeAdded(address indexed worker, uint128 added, uint128 stake);
    /// @notice `worker` went to `status`.
    event StatusSet(address indexed worker, Status status);
    /// @notice `worker` leaves; it may withdraw `stake` wei from `withdrawableAt` on.
    event Leaving(address indexed worker, uint128 stake, uint64 withdrawableAt);
    /// @notice `worker` took its `amount` wei back and is registered no more.
    event Withdrawn(address indexed worker, uint128 amount);
    /// @notice A slot needs `amount` wei of stake in later registrations and updates.
    event StakePerSlotSet(uint128 amount);

    /// @notice `caller` is not the timelock.
    error NotGovernance(address caller);
    /// @notice The constructor was given a parameter out of its range.
    error InvalidParameter();
    /// @notice `worker` is `status`, in which this cannot be done.
    error WrongStatus(address worker, Status status);
    /// @notice The slots need `needed` wei of stake, and there are `staked`.
    error StakeTooSmall(uint256 needed, uint256 staked);
    /// @notice Slots must be 1 to MAX_SLOTS.
    error InvalidSlots(uint32 slots);
    /// @notice Not two capital letters.
    error InvalidJurisdiction(bytes2 jurisdiction);
    /// @notice A text of `length` bytes where `max` are allowed.
    error TextTooLong(uint256 length, uint256 max);
    /// @notice The stake can be withdrawn at `withdrawableAt`.
    error TooEarly(uint64 withdrawableAt);
    /// @notice Nothing was sent.
    error NothingSent();
    /// @notice A page holds at most MAX_PAGE workers.
    error PageTooLarge(uint256 limit);
    /// @notice `worker` refused `amount` wei.
    error TransferRefused(address worker, uint256 amount);

    /// @notice Registers the caller as active, with the attached wei as stake.
    function register(Info calldata info) external payable;

    /// @notice Declares `info` from now on. Attached wei are added to the stake; the whole must cover the slots at the
    /// present stake per slot.
    function update(Info calldata info) external payable;

    /// @notice Adds the attached wei to the caller's stake.
    function addStake() external payable;

    /// @notice Pauses the caller, or makes it active again.
    /// @param status Active or Paused.
    function setStatus(Status status) external;

    /// @notice Ends the caller's registration. It is no longer active; its stake waits for `unbondingSeconds`.
    function unregister() external;

    /// @notice Pays a leaving caller's stake back, all of it, and forgets the caller.
    function withdraw() external;

    /// @notice Sets the stake that a slot needs. Who is registered keeps its slots until it changes them.
    /// @param amount Wei per slot.
    function setStakePerSlot(uint128 amount) external;

    /// @notice Everything recorded of `account`; status None if it is not registered.
    function worker(address account) external view returns (Worker memory);

    /// @notice Whether `account` is registered and wants work.
    function isActive(address account) external view returns (bool);

    /// @notice Jobs that `account` may be given at once: 0 unless it is active.
    function slotsOf(address account) external view returns (uint32);

    /// @notice Number of active workers.
    function activeCount() external view returns (uint256);

    /// @notice The active workers `first` to `first + limit - 1`, fewer at the end. Read all pages at one block: the order
    /// changes when workers come and go.
    function active(uint256 first, uint256 limit) external view returns (address[] memory);

    /// @notice Wei of stake per slot.
    function stakePerSlot() external view returns (uint128);

    /// @notice Seconds between `unregister` and `withdraw`.
    function unbondingSeconds() external view returns (uint64);

    /// @notice The timelock, which alone may call `setStakePerSlot`.
    function governance() external view returns (address);
}
