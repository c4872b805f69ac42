// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Test} from "./Vm.sol";

/// @notice Counts the steps of a campaign. After each, what it touched is looked at; after every 32nd, and at the end of a run, all
/// there is (docs/decisions/0088-what-a-step-touched.md).
abstract contract Steps is Test {
    mapping(bytes32 step => uint256) public done;
    uint256 internal steps;

    modifier counted(bytes32 step) {
        // A step that reverted between a prank and its call left the prank behind: it would be the next call's.
        vm.stopPrank();
        forget();
        _;
        ++done[step];
        ++steps;
        note();
    }

    /// @dev Before a step: what the one before it touched.
    function forget() internal virtual {}

    /// @dev After a step.
    function note() internal virtual {}

    function isWhole() external view returns (bool) {
        return steps % 32 == 0;
    }
}
