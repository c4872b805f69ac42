// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISeals} from "../interfaces/ISeals.sol";

/// @title Seals
/// @notice See ISeals.
abstract contract Seals is ISeals {
    /// @inheritdoc ISeals
    mapping(bytes32 seal => uint256) public announcedAt;

    /// @inheritdoc ISeals
    function announce(bytes32 seal) external {
        // A seal binds its sender, so repeating somebody's gains nothing; the first block stays.
        if (announcedAt[seal] == 0) announcedAt[seal] = block.number;
        emit Announced(seal, msg.sender);
    }

    /// @dev Whether this very call of this very sender was announced in an earlier block.
    function _wasAnnounced() internal view returns (bool) {
        uint256 since = announcedAt[keccak256(abi.encode(msg.sender, keccak256(msg.data)))];
        return since != 0 && since < block.number;
    }
}
