// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISplitter} from "./interfaces/IOrigins.sol";

/// @title Splitter
/// @notice See ISplitter. Taking coins runs no code, so that the gas of a push suffices; no payee can block another.
contract Splitter is ISplitter {
    uint256 public constant MAX_PARTS = 16;
    uint256 private constant ONE = 1e6;

    struct Account {
        uint32 ppm;
        uint224 released; // more wei than there are
    }

    /// @inheritdoc ISplitter
    uint256 public totalReleased;

    mapping(address payee => Account) private _accounts;
    Part[] private _parts;

    constructor(Part[] memory parts_) {
        require(parts_.length <= MAX_PARTS, InvalidParts());
        uint256 sum;
        for (uint256 i; i < parts_.length; ++i) {
            Account storage account = _accounts[parts_[i].payee];
            require(parts_[i].payee != address(0) && parts_[i].ppm != 0 && account.ppm == 0, InvalidParts());
            // A payment to itself would count as paid and still be there.
            require(parts_[i].payee != address(this), InvalidParts());
            account.ppm = parts_[i].ppm;
            sum += parts_[i].ppm;
            _parts.push(parts_[i]);
        }
        require(sum == ONE, InvalidParts());
    }

    receive() external payable {}

    /// @inheritdoc ISplitter
    function release(address payee) external returns (uint256 amount) {
        amount = due(payee);
        require(amount != 0, NothingDue(payee));
        _accounts[payee].released += uint224(amount);
        totalReleased += amount;
        emit Released(payee, amount);
        (bool sent,) = payee.call{value: amount}("");
        require(sent, TransferRefused(payee, amount));
    }

    /// @inheritdoc ISplitter
    function due(address payee) public view returns (uint256) {
        Account storage account = _accounts[payee];
        // Rounds down, in favour of the others: what all may have drawn never exceeds what came in.
        return (address(this).balance + totalReleased) * account.ppm / ONE - account.released;
    }

    /// @inheritdoc ISplitter
    function ppmOf(address payee) external view returns (uint32) {
        return _accounts[payee].ppm;
    }

    /// @inheritdoc ISplitter
    function parts() external view returns (Part[] memory) {
        return _parts;
    }
}
