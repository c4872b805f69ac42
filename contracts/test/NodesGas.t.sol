// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FonteToken} from "../src/FonteToken.sol";
import {Validators} from "../src/Validators.sol";
import {Workers} from "../src/Workers.sol";
import {IValidators} from "../src/interfaces/IValidators.sol";
import {NodeKeys} from "./lib/NodeKeys.sol";
import {Nodes} from "./lib/Nodes.sol";

/// @notice Gas of validators and workers, kept in snapshots/nodes.json. Whole transactions. This EVM has no P256VERIFY, so
/// `register` and `report` verify in Solidity: the dearest case.
/// forge-config: default.isolate = true
contract NodesGasTest is Nodes {
    function setUp() public {
        vm.roll(1000);
        vm.warp(1_790_000_000);
        deployNodes(keccak256("a network"), address(this), address(new FonteToken()));
    }

    receive() external payable {}

    function testValidatorVerbs() public {
        register(9, 100 ether);
        vm.snapshotGasLastCall("nodes", "validator_register");
        delegate(address(0xA001), NodeKeys.operator(9), 1 ether);
        vm.snapshotGasLastCall("nodes", "validator_delegate");
        vm.prank(address(0xA001));
        validators.undelegate(NodeKeys.operator(9), 1 ether);
        vm.snapshotGasLastCall("nodes", "validator_undelegate");
        endEpoch();
        vm.snapshotGasLastCall("nodes", "validator_endEpoch_5_candidates");
        skip(0, 2000);
        vm.prank(address(0xA001));
        validators.claim(NodeKeys.operator(9));
        vm.snapshotGasLastCall("nodes", "validator_claim");
        jail(9, address(this));
        vm.snapshotGasLastCall("nodes", "validator_report");
    }

    /// The most that an election can cost: every bound reached, and as many changes as the limit allows.
    function testTheLargestElection() public {
        IValidators.Parameters memory p = NodeKeys.parameters();
        (p.maxSeats, p.maxCandidates) = (64, 128);
        validators = Validators(address(0x9999));
        genesis(
            address(validators),
            type(Validators).creationCode,
            abi.encode(keccak256("a network"), p, NodeKeys.seatsOf(64)),
            6400 ether
        );
        for (uint256 i; i < 64; ++i) {
            vm.prank(NodeKeys.operator(i));
            validators.resign();
        }
        for (uint256 i; i < 128; ++i) {
            register(100 + i, 100 ether + i);
        }
        endEpoch();
        vm.snapshotGasLastCall("nodes", "validator_endEpoch_128_candidates_64_seats");
    }

    function testWorkerVerbs() public {
        vm.deal(address(0xA001), 10 ether);
        vm.prank(address(0xA001));
        workers.register{value: 4 ether}(NodeKeys.workerInfo(4));
        vm.snapshotGasLastCall("nodes", "worker_register");
        vm.prank(address(0xA001));
        workers.unregister();
        vm.snapshotGasLastCall("nodes", "worker_unregister");
    }
}
