// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title ISeals
/// @notice Announcing a call without telling it, so that whoever copies it out of a mempool comes too late to be rewarded
/// for it: the copy was not announced in an earlier block, and cannot be, before it is known.
interface ISeals {
    /// @notice `seal` stands; calls that it names are rewarded in later blocks.
    event Announced(bytes32 indexed seal, address indexed sender);

    /// @notice Announces a call: `seal` = keccak256(abi.encode(sender, keccak256(data))), where `data` is the whole calldata
    /// (selector and arguments) that `sender` will call this contract with in a later block.
    function announce(bytes32 seal) external;

    /// @notice The block in which a seal was first announced; 0: never.
    function announcedAt(bytes32 seal) external view returns (uint256);
}
