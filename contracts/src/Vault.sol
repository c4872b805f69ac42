// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "./interfaces/IOrigins.sol";

/// @title Vault
/// @notice See IVault. Deployed by Origins at an address that follows from the origin's URL. Taking coins runs no code, so
/// that the gas of a push suffices.
contract Vault is IVault {
    address private immutable _origins = msg.sender;

    receive() external payable {}

    /// @inheritdoc IVault
    function release(address author, uint256 amount) external {
        require(msg.sender == _origins, NotOrigins(msg.sender));
        (bool sent,) = author.call{value: amount}("");
        require(sent, TransferRefused(author, amount));
    }
}
