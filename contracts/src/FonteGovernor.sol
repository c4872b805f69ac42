// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorPreventLateQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {GovernorSettings} from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {
    GovernorVotesQuorumFraction
} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IFonteGovernor} from "./interfaces/IFonteGovernor.sol";

/// @title FonteGovernor
/// @notice See IFonteGovernor. Parts of OpenZeppelin, put together; what is written here says where they meet.
contract FonteGovernor is
    IFonteGovernor,
    Governor,
    GovernorSettings,
    GovernorCountingSimple,
    GovernorVotes,
    GovernorVotesQuorumFraction,
    GovernorPreventLateQuorum,
    GovernorTimelockControl
{
    /// @inheritdoc IFonteGovernor
    uint256 public immutable minimumQuorum;

    constructor(IVotes token_, TimelockController timelock_, Parameters memory p)
        Governor("FonteGovernor")
        GovernorSettings(p.votingDelay, p.votingPeriod, p.proposalThreshold)
        GovernorVotes(token_)
        GovernorVotesQuorumFraction(p.quorumPpm)
        GovernorPreventLateQuorum(p.lateQuorumExtension)
        GovernorTimelockControl(timelock_)
    {
        require(p.minimumQuorum != 0, NoQuorum());
        minimumQuorum = p.minimumQuorum;
    }

    /// @notice The timelock never changes: what governance touches names it for good.
    function updateTimelock(TimelockController) public pure override {
        revert TimelockIsFixed();
    }

    // ---------------------------------------------------------------- clock

    /// @notice FonteToken's clock, without asking it: a genesis runs each constructor alone.
    function clock() public view override(Governor, GovernorVotes) returns (uint48) {
        return SafeCast.toUint48(block.timestamp);
    }

    /// @notice Machine-readable form of the above (ERC-6372).
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override(Governor, GovernorVotes) returns (string memory) {
        return "mode=timestamp";
    }

    // ---------------------------------------------------------------- quorum

    /// @notice Parts per million.
    function quorumDenominator() public pure override returns (uint256) {
        return 1e6;
    }

    /// @notice Votes for and abstentions that a proposal needs: the fraction of what was wrapped at `timepoint`, rounded
    /// down, but never less than `minimumQuorum`.
    function quorum(uint256 timepoint) public view override(Governor, GovernorVotesQuorumFraction) returns (uint256) {
        return Math.max(super.quorum(timepoint), minimumQuorum);
    }

    // ---------------------------------------------------------------- where two parts meet

    /// @notice Votes that a proposer needs.
    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.proposalThreshold();
    }

    /// @notice End of a vote, extended or not.
    function proposalDeadline(uint256 id) public view override(Governor, GovernorPreventLateQuorum) returns (uint256) {
        return super.proposalDeadline(id);
    }

    /// @notice State of a proposal, in the Timelock too.
    function state(uint256 id) public view override(Governor, GovernorTimelockControl) returns (ProposalState) {
        return super.state(id);
    }

    /// @notice True: whatever passes waits in the Timelock.
    function proposalNeedsQueuing(uint256 id) public view override(Governor, GovernorTimelockControl) returns (bool) {
        return super.proposalNeedsQueuing(id);
    }

    function _tallyUpdated(uint256 id) internal override(Governor, GovernorPreventLateQuorum) {
        super._tallyUpdated(id);
    }

    function _queueOperations(
        uint256 id,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(id, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 id,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(id, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
