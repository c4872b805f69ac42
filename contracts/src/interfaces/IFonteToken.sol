// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IFonteToken
/// @notice What FonteToken adds to ERC-20, ERC-2612, ERC-3009, ERC-5805 and ERC-6372.
interface IFonteToken {
    /// @notice `account` received `amount` units for as many wei.
    event Deposit(address indexed account, uint256 amount);
    /// @notice `account` gave up `amount` units for as many wei.
    event Withdrawal(address indexed account, uint256 amount);

    /// @notice `account` refused `amount` wei.
    error TransferRefused(address account, uint256 amount);

    /// @notice Wraps the attached wei for the caller.
    function deposit() external payable;

    /// @notice Wraps the attached wei for `account`.
    function depositTo(address account) external payable;

    /// @notice Unwraps `amount` to the caller.
    function withdraw(uint256 amount) external;
}
