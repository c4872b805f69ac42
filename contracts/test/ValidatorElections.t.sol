// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Validators} from "../src/Validators.sol";
import {IValidators} from "../src/interfaces/IValidators.sol";
import {NodeKeys} from "./lib/NodeKeys.sol";
import {SeatedNodes} from "./lib/SeatedNodes.sol";

/// @notice Epochs, and who is seated next.
contract ValidatorElectionsTest is SeatedNodes {
    function testAnEpochLastsBothItsBlocksAndItsSeconds() public {
        skip(10, 99);
        vm.expectRevert(abi.encodeWithSelector(IValidators.EpochNotOver.selector, 1010, 1_790_000_100));
        validators.endEpoch();
        vm.roll(1009);
        skip(0, 1);
        vm.expectRevert(abi.encodeWithSelector(IValidators.EpochNotOver.selector, 1010, 1_790_000_100));
        validators.endEpoch();
        skip(1, 0);
        validators.endEpoch();
        vm.assertEq(validators.epoch(), 1);
        IValidators.Epoch memory e = validators.epochAt(1);
        vm.assertTrue(e.startedAt == 1_790_000_100 && e.startedBlock == 1010 && e.set == 0);
        vm.expectRevert(abi.encodeWithSelector(IValidators.EpochNotOver.selector, 1020, 1_790_000_200));
        validators.endEpoch();
        vm.expectRevert(abi.encodeWithSelector(IValidators.UnknownEpoch.selector, 2));
        validators.epochAt(2);
        vm.expectRevert(abi.encodeWithSelector(IValidators.UnknownEpoch.selector, 2));
        validators.setOf(2);
    }

    function testFuzzTheEpochOfABlock(uint8[12] memory lengths, uint64 block_) public {
        uint256 start = vm.getBlockNumber();
        for (uint256 i; i < 12; ++i) {
            skip(10 + lengths[i] % 7, 100);
            validators.endEpoch();
        }
        block_ = uint64(bound(block_, 0, vm.getBlockNumber() + 20));
        uint64 found = validators.epochAtBlock(block_);
        if (block_ < start) vm.assertEq(found, 0);
        else vm.assertLe(validators.epochAt(found).startedBlock, block_);
        if (found < 12) vm.assertLt(block_, validators.epochAt(found + 1).startedBlock);
    }

    /// Four seats grow to seven, one by one while one is less than a third, and past sets stay on record.
    function testASetGrowsByLessThanAThird() public {
        for (uint256 i = 4; i < 10; ++i) {
            register(i, (100 + i) * 1 ether);
        }
        uint8[6] memory sizes = [4, 5, 6, 7, 7, 7];
        for (uint64 e; e < 6; ++e) {
            vm.assertEq(validators.operatorsOf(e).length, sizes[e]);
            if (e == 3) {
                // The best three joined first.
                vm.assertTrue(holds(operator(9)) && holds(operator(8)) && holds(operator(7)));
            }
            endEpoch();
        }
        // With seven seats, two change: the four that began have least, and the earlier of equals stays longer.
        address[7] memory winners =
            [operator(9), operator(8), operator(7), operator(6), operator(5), operator(4), operator(0)];
        for (uint256 i; i < 7; ++i) {
            vm.assertTrue(holds(winners[i]));
        }
        vm.assertEq(validators.operatorsOf(0).length, 4);
        vm.assertEq(validators.operatorsOf(1)[4], operator(9));
        vm.assertEq(validators.epochAt(5).set, 5);
        endEpoch();
        vm.assertEq(validators.epochAt(7).set, validators.epochAt(6).set);
    }

    function testAFailedElectionKeepsTheSet() public {
        vm.prank(operator(0));
        validators.resign();
        bytes32 before = keccak256(abi.encode(present()));
        skip(10, 100);
        vm.expectEmit(true, true, true, true, address(validators));
        emit IValidators.ElectionFailed(1, 3, 4);
        validators.endEpoch();
        vm.assertEq(validators.epoch(), 1);
        vm.assertEq(keccak256(abi.encode(present())), before);
        vm.assertTrue(validators.validator(operator(0)).seated);
        register(9, 100 ether);
        endEpoch();
        vm.assertFalse(holds(operator(0)));
    }

    function testASetShrinksToTheLeastAndNotBelow() public {
        register(9, 100 ether);
        endEpoch();
        vm.assertEq(present().length, 5);
        vm.prank(operator(0));
        validators.resign();
        endEpoch();
        vm.assertEq(present().length, 4);
        vm.prank(operator(1));
        validators.resign();
        endEpoch();
        vm.assertEq(present().length, 4);
        vm.assertTrue(holds(operator(1)));
    }

    /// Fewer than four seats tolerate no fault, so none of them can change hands.
    function testAVerySmallSetStaysAsItIs() public {
        for (uint256 n = 1; n < 4; ++n) {
            validators = Validators(address(uint160(0x9000 + n)));
            genesis(
                address(validators),
                type(Validators).creationCode,
                abi.encode(NETWORK, NodeKeys.parameters(), NodeKeys.seatsOf(n)),
                n * 100 ether
            );
            for (uint256 i; i < 5; ++i) {
                register(20 + i, 200 ether);
            }
            endEpoch();
            endEpoch();
            vm.assertEq(present().length, n);
        }
    }

    function testTheJailedGoFirst() public {
        for (uint256 i = 4; i < 7; ++i) {
            register(i, (100 + i) * 1 ether);
            endEpoch();
        }
        vm.assertEq(present().length, 7);
        delegate(ANN, operator(3), 1000 ether); // rich, but jailed below
        vm.prank(operator(0));
        validators.resign();
        vm.prank(operator(1));
        validators.resign();
        register(7, 300 ether);
        register(8, 301 ether);
        register(9, 302 ether);
        jail(3, REPORTER);
        endEpoch();
        // Of seven, two change: the jailed one, and the first of those that resigned to be last among equals.
        vm.assertFalse(holds(operator(3)));
        vm.assertFalse(holds(operator(1)));
        vm.assertTrue(holds(operator(0)) && holds(operator(9)) && holds(operator(8)) && !holds(operator(7)));
    }

    /// Stake that comes for one election stays at risk for the whole term that it won.
    function testStakeForOneElectionStaysForItsTerm() public {
        register(9, 100 ether);
        vm.prank(operator(0));
        validators.resign();
        skip(10, 100);
        delegate(ANN, operator(9), 1000 ether);
        validators.endEpoch();
        vm.prank(ANN);
        validators.undelegate(operator(9), 1000 ether);
        skip(10, 100 + 2000);
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IValidators.TooEarly.selector, 0));
        validators.claim(operator(9));
        jail(9, REPORTER);
        vm.assertEq(validators.delegation(operator(9), ANN).exiting, 900 ether);
    }
}
