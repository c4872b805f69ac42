// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title ITimelock
/// @notice What Timelock adds to OpenZeppelin's TimelockController. Every decision of governance waits here, in the open,
/// before anybody may execute it; the same account is the treasury and the registrar. The Governor is its only proposer,
/// everybody is executor, its roles are administered by itself alone, and one guardian may cancel what waits.
///
/// The guardian is a brake and not a veto: it cannot cancel its own replacement (docs/spec/governance.md).
interface ITimelock {
    /// @notice `guardian` may cancel operations from now on (0: nobody), `previous` no more.
    event GuardianSet(address indexed guardian, address indexed previous);

    /// @notice The delay may lie between `least` and `most` seconds.
    error DelayOutOfRange(uint256 delay, uint256 least, uint256 most);
    /// @notice CANCELLER_ROLE has one seat: `setGuardian` fills it.
    error OneGuardian();
    /// @notice The operation replaces the guardian, which nobody may stop.
    error NotCancellable(bytes32 id);
    /// @notice Genesis must name a governor.
    error NoGovernor();

    /// @notice Makes `next` the guardian; 0 leaves the seat empty. Called by the timelock itself alone: by a vote, after
    /// the delay. An operation of this one call cannot be cancelled.
    function setGuardian(address next) external;

    /// @notice Who may cancel what waits; 0: nobody.
    function guardian() external view returns (address);

    /// @notice Whether the operation is a replacement of the guardian and therefore cannot be cancelled.
    function isProtected(bytes32 id) external view returns (bool);

    /// @notice Shortest delay in seconds that governance may choose: that of the genesis.
    function leastDelay() external view returns (uint256);
}
