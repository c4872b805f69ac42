// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IChallenges} from "../../src/interfaces/IChallenges.sol";
import {IDatanets} from "../../src/interfaces/IDatanets.sol";
import {IModels} from "../../src/interfaces/IModels.sol";
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

/// @notice Needs most of the gas that a payee is given.
contract Bookkeeper {
    uint256 public received;

    receive() external payable {
        received = msg.value;
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

/// @notice Terms and payouts as a test sets them, in place of Models: many developers, many versions.
contract ModelsDouble {
    /// @dev Where it is etched over Models, the storage of Models stays.
    uint256[50] private _gap;
    uint64[] private _since;
    uint128[] private _priceOut;
    IModels.Payouts private _payouts;

    /// @dev It stands in the place, and on the storage, of Models.
    function clear() external {
        delete _since;
        delete _priceOut;
    }

    function set(uint64 since, uint128 priceOut) external {
        _since.push(since);
        _priceOut.push(priceOut);
    }

    function setPayouts(IModels.Payouts calldata made) external {
        delete _payouts.developers;
        (_payouts.workerPpm, _payouts.dataPpm) = (made.workerPpm, made.dataPpm);
        for (uint256 i; i < made.developers.length; ++i) {
            _payouts.developers.push(made.developers[i]);
        }
    }

    function payouts(uint32) external view returns (IModels.Payouts memory) {
        return _payouts;
    }

    function payoutsAt(uint32, uint64) external view returns (IModels.Payouts memory) {
        return _payouts;
    }

    function termsCount(uint32) external view returns (uint32) {
        return uint32(_since.length);
    }

    function termsOf(uint32, uint32 version) external view returns (IModels.Terms memory terms, uint64 since) {
        if (version == 0 || version > _since.length) return (terms, 0);
        terms.priceOut = _priceOut[version - 1];
        since = _since[version - 1];
    }
}

/// @notice Memberships and curators as a test sets them, in place of Datanets.
contract DatanetsDouble {
    mapping(uint64 contribution => uint256) private _words;
    mapping(uint32 datanet => uint256) private _heads;
    uint96 public payeeClock;

    function set(uint64 contribution, uint32 datanet, address payee) external {
        _words[contribution] =
            uint256(datanet) | 1 << 32 | uint256(type(uint32).max) << 64 | uint256(uint160(payee)) << 96;
    }

    function setHead(uint32 datanet, address curator, uint32 curatorPpm) external {
        _heads[datanet] = uint256(uint160(curator)) << 96 | uint256(curatorPpm) << 32 | 1;
    }

    function membershipsOf(uint64[] calldata ids) external view returns (uint256[] memory words) {
        words = new uint256[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            words[i] = _words[ids[i]];
        }
    }

    function headsOf(uint32[] calldata ids) external view returns (uint256[] memory heads) {
        heads = new uint256[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            heads[i] = _heads[ids[i]];
        }
    }
}
