// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IReviews
/// @notice The pool of staked reviewers, as far as ModelReviews uses it.
interface IReviews {
    function request(bytes32 subject, uint8 reviewers, uint8 approvals, address excluded)
        external
        returns (uint64 caseId);

    function draw(bytes32 seed, uint256 count, address excluded) external view returns (address[] memory);

    function slash(address reviewer, uint256 amount) external;
}

interface IReviewed {
    function onDecision(uint64 caseId, bool approved) external;
}
