// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IValidators} from "../../src/interfaces/IValidators.sol";
import {IWorkers} from "../../src/interfaces/IWorkers.sol";
import {Points} from "../../src/lib/Points.sol";
import {Vm} from "./Vm.sol";

/// @notice Keys of operators, and parameters that tests run with.
library NodeKeys {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;

    function parameters() internal pure returns (IValidators.Parameters memory) {
        return IValidators.Parameters({
            maxSeats: 7,
            maxCandidates: 10,
            minimumStake: 100 ether,
            minimumOwnStake: 10 ether,
            epochBlocks: 10,
            epochSeconds: 100,
            evidenceSeconds: 1000,
            unbondingSeconds: 2000,
            slashPpm: 100_000,
            rewardPpm: 500_000
        });
    }

    function seatsOf(uint256 count) internal view returns (IValidators.GenesisSeat[] memory seats) {
        seats = new IValidators.GenesisSeat[](count);
        for (uint256 i; i < count; ++i) {
            seats[i] = IValidators.GenesisSeat(operator(i), 100 ether, consensusKey(i), networkKey(i), "127.0.0.1:9000");
        }
    }

    function operator(uint256 i) internal pure returns (address) {
        return address(uint160(0xB000 + i));
    }

    function secret(uint256 i) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("consensus key", i))) >> 1;
    }

    function consensusKey(uint256 i) internal pure returns (bytes memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(secret(i));
        return abi.encodePacked(y % 2 == 0 ? bytes1(0x02) : bytes1(0x03), x);
    }

    /// @dev The first hash that is a point; about every second one is.
    function networkKey(uint256 i) internal view returns (bytes32 key) {
        key = keccak256(abi.encode("network key", i));
        while (!Points.isEdwards(key)) {
            key = keccak256(abi.encode(key));
        }
    }

    /// @dev With the low s that consensus insists on.
    function signP256(uint256 key, bytes32 digest) internal pure returns (bytes32 r, bytes32 s) {
        (r, s) = vm.signP256(key, digest);
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
    }

    function workerInfo(uint32 slots) internal pure returns (IWorkers.Info memory) {
        return IWorkers.Info({
            slots: slots,
            engine: IWorkers.EngineClass.Exact,
            accelerator: IWorkers.Accelerator.None,
            memoryMib: 16_384,
            acceleratorMib: 0,
            jurisdiction: "BR",
            networkKey: 0,
            hardware: "8 cores",
            endpoint: "10.0.0.1:7000"
        });
    }
}
