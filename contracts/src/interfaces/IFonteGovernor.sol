// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IFonteGovernor
/// @notice What FonteGovernor adds to OpenZeppelin's Governor with settings, simple counting, votes of FonteToken, quorum
/// as a fraction, extension on a late quorum, and execution by the Timelock. Times are seconds (ERC-6372), ballots may be
/// signed (`castVoteBySig`), and votes are delegated in FonteToken. What passes waits in the Timelock; nothing is
/// executed by the Governor itself.
interface IFonteGovernor {
    /// @notice What the Governor starts with. All but `minimumQuorum` can be changed by a vote.
    /// @param votingDelay Seconds between a proposal and its vote; voting power is that of the vote's start.
    /// @param votingPeriod Seconds of the vote; not zero.
    /// @param proposalThreshold Votes that a proposer needs.
    /// @param quorumPpm Part of the wrapped supply that has to vote for or abstain, in ppm.
    /// @param minimumQuorum Votes that make a quorum at least, whatever is wrapped.
    /// @param lateQuorumExtension A vote stays open for so many seconds after it reached its quorum; at most votingPeriod.
    struct Parameters {
        uint48 votingDelay;
        uint32 votingPeriod;
        uint256 proposalThreshold;
        uint256 quorumPpm;
        uint256 minimumQuorum;
        uint48 lateQuorumExtension;
    }

    /// @notice The Timelock of the genesis is the only one.
    error TimelockIsFixed();
    /// @notice Without a quorum the first to wrap a coin would govern.
    error NoQuorum();

    /// @notice Votes that make a quorum at least. Only wrapped coins vote, so a fraction of their supply alone would be
    /// next to nothing while few are wrapped. Never changes.
    function minimumQuorum() external view returns (uint256);
}
