// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FonteToken} from "../../src/FonteToken.sol";
import {NodeKeys} from "./NodeKeys.sol";
import {Nodes} from "./Nodes.sol";

/// @notice Four seated validators, and people without one.
abstract contract SeatedNodes is Nodes {
    bytes32 internal constant NETWORK = keccak256("a network");
    address internal constant ANN = address(0xA001);
    address internal constant BOB = address(0xA002);
    address internal constant REPORTER = address(0x4E90);

    function setUp() public {
        vm.roll(1000);
        vm.warp(1_790_000_000);
        deployNodes(NETWORK, address(this), address(new FonteToken()));
    }

    function operator(uint256 i) internal pure returns (address) {
        return NodeKeys.operator(i);
    }

    function present() internal view returns (address[] memory) {
        return validators.operatorsOf(validators.epoch());
    }

    function holds(address who) internal view returns (bool) {
        address[] memory set = present();
        for (uint256 i; i < set.length; ++i) {
            if (set[i] == who) return true;
        }
        return false;
    }
}
