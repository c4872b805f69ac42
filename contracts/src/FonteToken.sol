// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IFonteToken} from "./interfaces/IFonteToken.sol";

/// @title FonteToken
/// @notice FNT, the native coin, as a token: one wei in is one unit minted, one unit burnt is one wei out. Adds Permit
/// (ERC-2612), transfers by authorization (ERC-3009) and votes (ERC-5805) whose clock is the block's timestamp
/// (ERC-6372). Immutable and without an owner.
contract FonteToken is IFonteToken, ERC20, ERC20Permit, ERC20Votes, ERC3009 {
    constructor() ERC20("Fonte", "wFNT") ERC20Permit("Fonte") {}

    /// @notice Wraps whatever is sent.
    receive() external payable {
        _wrap(msg.sender);
    }

    /// @inheritdoc IFonteToken
    function deposit() external payable {
        _wrap(msg.sender);
    }

    /// @inheritdoc IFonteToken
    function depositTo(address account) external payable {
        _wrap(account);
    }

    /// @inheritdoc IFonteToken
    function withdraw(uint256 amount) external {
        _burn(msg.sender, amount);
        emit Withdrawal(msg.sender, amount);
        (bool sent,) = msg.sender.call{value: amount}("");
        require(sent, TransferRefused(msg.sender, amount));
    }

    /// @notice Votes are counted at timestamps (ERC-6372), because blocks come only when there is work.
    function clock() public view override returns (uint48) {
        return SafeCast.toUint48(block.timestamp);
    }

    /// @notice Machine-readable form of the above.
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @notice Next nonce of `owner` for permits and for delegation by signature.
    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function _wrap(address account) private {
        _mint(account, msg.value);
        emit Deposit(account, msg.value);
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}
