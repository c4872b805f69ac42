// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IChallenges} from "../../src/interfaces/IChallenges.sol";
import {IDatanets} from "../../src/interfaces/IDatanets.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";

/// @notice An account that signs with another key (ERC-1271), and can act.
contract Wallet {
    address private immutable _signer;
    bool public revoked;

    constructor(address signer) {
        _signer = signer;
    }

    receive() external payable {}

    function revoke() external {
        revoked = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        return signer == _signer && !revoked ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    function act(address target, bytes calldata data) external payable returns (bytes memory) {
        (bool ok, bytes memory result) = target.call{value: msg.value}(data);
        require(ok, "act failed");
        return result;
    }
}

/// @notice Refuses coins until it is told to take them.
contract Refuser {
    bool public accepts;

    function accept() external {
        accepts = true;
    }

    receive() external payable {
        require(accepts, "no");
    }
}

/// @notice Burns all the gas it gets.
contract Burner {
    receive() external payable {
        uint256 i;
        while (true) ++i;
    }
}

/// @notice Returns as much data as its gas can buy, to make the caller pay for copying it.
contract Bomb {
    receive() external payable {
        assembly ("memory-safe") {
            return(0, 1000000)
        }
    }
}

/// @notice Tries to be paid twice by calling back.
contract Reenterer {
    ISettlement private immutable _settlement;
    uint64 public batch;
    uint256 public received;

    constructor(ISettlement settlement) {
        _settlement = settlement;
    }

    function aim(uint64 batch_) external {
        batch = batch_;
    }

    receive() external payable {
        ++received;
        address[] memory payees = new address[](1);
        payees[0] = address(this);
        try _settlement.push(batch, payees) {} catch {}
        try _settlement.claim() {} catch {}
    }
}
