// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Workers} from "../src/Workers.sol";
import {IWorkers} from "../src/interfaces/IWorkers.sol";
import {NodeKeys} from "./lib/NodeKeys.sol";
import {Test} from "./lib/Vm.sol";

/// @notice A worker that calls back when it is paid.
contract GreedyWorker {
    IWorkers private immutable _workers;
    uint256 public received;
    bool public accepts = true;

    constructor(IWorkers workers) {
        _workers = workers;
    }

    function refuse() external {
        accepts = false;
    }

    function register() external payable {
        _workers.register{value: msg.value}(NodeKeys.workerInfo(1));
    }

    function unregister() external {
        _workers.unregister();
    }

    function withdraw() external {
        _workers.withdraw();
    }

    receive() external payable {
        require(accepts, "no");
        ++received;
        try _workers.withdraw() {} catch {}
        try _workers.unregister() {} catch {}
    }
}

contract WorkersTest is Test {
    Workers private workers;
    address private constant ANN = address(0xA001);
    address private constant BOB = address(0xA002);
    address private constant GOVERNANCE = address(0x60);

    function setUp() public {
        vm.warp(1_790_000_000);
        workers = new Workers(GOVERNANCE, 1 ether, 1 days);
        vm.deal(ANN, 100 ether);
        vm.deal(BOB, 100 ether);
    }

    function register(address who, uint32 slots, uint256 stake) private {
        vm.prank(who);
        workers.register{value: stake}(NodeKeys.workerInfo(slots));
    }

    function wrong(address who, IWorkers.Status status) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IWorkers.WrongStatus.selector, who, status);
    }

    function testConstructorRefusesNonsense() public {
        vm.expectRevert(IWorkers.InvalidParameter.selector);
        new Workers(address(0), 1, 1);
        vm.expectRevert(IWorkers.InvalidParameter.selector);
        new Workers(ANN, 0, 1);
        vm.expectRevert(IWorkers.InvalidParameter.selector);
        new Workers(ANN, 1, 0);
        vm.expectRevert(IWorkers.InvalidParameter.selector);
        new Workers(ANN, 1, 3650 days + 1);
    }

    function testAWorkerIsKept() public {
        IWorkers.Info memory info = IWorkers.Info(
            3, IWorkers.EngineClass.Tolerance, IWorkers.Accelerator.Cuda, 65_536, 24_576, "PT", "k", "RTX 3090", "h:1"
        );
        vm.expectEmit(true, true, true, true, address(workers));
        emit IWorkers.Registered(ANN, 4 ether, info);
        vm.prank(ANN);
        workers.register{value: 4 ether}(info);
        IWorkers.Worker memory w = workers.worker(ANN);
        vm.assertEq(uint256(w.status), uint256(IWorkers.Status.Active));
        vm.assertTrue(w.stake == 4 ether && w.since == 1_790_000_000 && w.withdrawableAt == 0);
        vm.assertEq(keccak256(abi.encode(w.info)), keccak256(abi.encode(info)));
        vm.assertTrue(workers.isActive(ANN));
        vm.assertEq(workers.slotsOf(ANN), 3);
        vm.assertEq(workers.activeCount(), 1);
        vm.assertEq(uint256(workers.worker(BOB).status), uint256(IWorkers.Status.None));
        vm.assertFalse(workers.isActive(BOB));
        vm.assertEq(workers.slotsOf(BOB), 0);

        vm.prank(ANN);
        vm.expectRevert(wrong(ANN, IWorkers.Status.Active));
        workers.register{value: 4 ether}(info);
    }

    function refuse(bytes memory reason, IWorkers.Info memory info) private {
        vm.prank(ANN);
        vm.expectRevert(reason);
        workers.register{value: 10 ether}(info);
        register(BOB, 1, 10 ether);
        vm.prank(BOB);
        vm.expectRevert(reason);
        workers.update(info);
        vm.prank(BOB);
        workers.unregister();
        skip(0, 1 days);
        vm.prank(BOB);
        workers.withdraw();
    }

    function testDeclarationsAreBounded() public {
        IWorkers.Info memory info = NodeKeys.workerInfo(0);
        refuse(abi.encodeWithSelector(IWorkers.InvalidSlots.selector, 0), info);
        info = NodeKeys.workerInfo(1025);
        refuse(abi.encodeWithSelector(IWorkers.InvalidSlots.selector, 1025), info);
        info = NodeKeys.workerInfo(11);
        refuse(abi.encodeWithSelector(IWorkers.StakeTooSmall.selector, 11 ether, 10 ether), info);
        info = NodeKeys.workerInfo(10);
        bytes2[5] memory nowhere = [bytes2(0), "B", "bR", "B[", "@R"];
        for (uint256 i; i < 5; ++i) {
            info.jurisdiction = nowhere[i];
            refuse(abi.encodeWithSelector(IWorkers.InvalidJurisdiction.selector, nowhere[i]), info);
        }
        info.jurisdiction = "AZ";
        info.hardware = string(new bytes(65));
        refuse(abi.encodeWithSelector(IWorkers.TextTooLong.selector, 65, 64), info);
        info.hardware = string(new bytes(64));
        info.endpoint = string(new bytes(257));
        refuse(abi.encodeWithSelector(IWorkers.TextTooLong.selector, 257, 256), info);
        info.endpoint = string(new bytes(256));
        vm.prank(ANN);
        workers.register{value: 10 ether}(info);
    }

    function testStakeAndSlots() public {
        register(ANN, 1, 1 ether);
        vm.startPrank(ANN);
        vm.expectRevert(IWorkers.NothingSent.selector);
        workers.addStake();
        workers.addStake{value: 1 ether}();
        vm.assertEq(workers.slotsOf(ANN), 1);
        workers.update(NodeKeys.workerInfo(2));
        vm.assertEq(workers.slotsOf(ANN), 2);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.StakeTooSmall.selector, 4 ether, 3 ether));
        workers.update{value: 1 ether}(NodeKeys.workerInfo(4));
        workers.update{value: 2 ether}(NodeKeys.workerInfo(4));
        vm.stopPrank();
        vm.assertEq(workers.worker(ANN).stake, 4 ether);
        vm.assertEq(address(workers).balance, 4 ether);
    }

    function testPausing() public {
        register(ANN, 2, 2 ether);
        vm.startPrank(ANN);
        IWorkers.Status[3] memory no = [IWorkers.Status.Active, IWorkers.Status.None, IWorkers.Status.Leaving];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(wrong(ANN, IWorkers.Status.Active));
            workers.setStatus(no[i]);
        }
        workers.setStatus(IWorkers.Status.Paused);
        vm.assertFalse(workers.isActive(ANN));
        vm.assertEq(workers.slotsOf(ANN), 0);
        vm.assertEq(workers.activeCount(), 0);
        // Nothing is lost, and it may still change what it declares.
        skip(0, 3650 days);
        workers.update(NodeKeys.workerInfo(1));
        workers.setStatus(IWorkers.Status.Active);
        vm.assertEq(workers.slotsOf(ANN), 1);
        vm.assertEq(workers.worker(ANN).stake, 2 ether);
        vm.stopPrank();
    }

    function testLeaving() public {
        register(ANN, 2, 3 ether);
        vm.startPrank(ANN);
        vm.expectRevert(wrong(ANN, IWorkers.Status.Active));
        workers.withdraw();
        vm.expectEmit(true, true, true, true, address(workers));
        emit IWorkers.Leaving(ANN, 3 ether, 1_790_086_400);
        workers.unregister();
        vm.assertFalse(workers.isActive(ANN));
        vm.expectRevert(wrong(ANN, IWorkers.Status.Leaving));
        workers.unregister();
        vm.expectRevert(wrong(ANN, IWorkers.Status.Leaving));
        workers.update(NodeKeys.workerInfo(1));
        vm.expectRevert(wrong(ANN, IWorkers.Status.Leaving));
        workers.addStake{value: 1}();
        vm.expectRevert(wrong(ANN, IWorkers.Status.Leaving));
        workers.setStatus(IWorkers.Status.Active);
        vm.expectRevert(wrong(ANN, IWorkers.Status.Leaving));
        workers.register{value: 9 ether}(NodeKeys.workerInfo(1));
        skip(0, 1 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.TooEarly.selector, 1_790_086_400));
        workers.withdraw();
        skip(0, 1);
        workers.withdraw();
        vm.assertEq(ANN.balance, 100 ether);
        vm.expectRevert(wrong(ANN, IWorkers.Status.None));
        workers.withdraw();
        vm.stopPrank();
        vm.assertEq(bytes(workers.worker(ANN).info.hardware).length, 0);
        register(ANN, 1, 1 ether);
        vm.assertTrue(workers.isActive(ANN));
    }

    function testAPausedOneLeavesToo() public {
        register(ANN, 1, 1 ether);
        register(BOB, 1, 1 ether);
        vm.startPrank(ANN);
        workers.setStatus(IWorkers.Status.Paused);
        workers.unregister();
        vm.stopPrank();
        vm.assertEq(workers.activeCount(), 1);
        vm.assertTrue(workers.isActive(BOB));
    }

    function testPages() public {
        for (uint160 i; i < 10; ++i) {
            vm.deal(address(0xD000 + i), 1 ether);
            register(address(0xD000 + i), 1, 1 ether);
        }
        vm.prank(address(0xD003));
        workers.setStatus(IWorkers.Status.Paused);
        vm.prank(address(0xD009)); // moved into the gap above
        workers.unregister();
        vm.assertEq(workers.activeCount(), 8);
        address[] memory all = workers.active(0, 256);
        vm.assertEq(all.length, 8);
        for (uint256 i; i < 8; ++i) {
            vm.assertTrue(workers.isActive(all[i]));
            for (uint256 j; j < i; ++j) {
                vm.assertTrue(all[i] != all[j]);
            }
            vm.assertEq(workers.active(i, 1)[0], all[i]);
        }
        vm.assertEq(workers.active(6, 5).length, 2);
        vm.assertEq(workers.active(8, 5).length, 0);
        vm.assertEq(workers.active(type(uint256).max, 5).length, 0);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.PageTooLarge.selector, 257));
        workers.active(0, 257);
    }

    function testGovernanceSetsThePriceOfLaterSlots() public {
        register(ANN, 2, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.NotGovernance.selector, address(this)));
        workers.setStakePerSlot(5);
        vm.prank(GOVERNANCE);
        vm.expectRevert(IWorkers.InvalidParameter.selector);
        workers.setStakePerSlot(0);
        vm.prank(GOVERNANCE);
        workers.setStakePerSlot(2 ether);
        // Who was there keeps its slots, until it asks for something else.
        vm.assertEq(workers.slotsOf(ANN), 2);
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.StakeTooSmall.selector, 4 ether, 2 ether));
        workers.update(NodeKeys.workerInfo(2));
        vm.prank(GOVERNANCE);
        workers.setStakePerSlot(1);
        register(BOB, 1024, 1024);
        vm.assertEq(workers.slotsOf(BOB), 1024);
    }

    function testTheStakePerSlotCannotOverflow() public {
        vm.prank(GOVERNANCE);
        workers.setStakePerSlot(type(uint128).max);
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.StakeTooSmall.selector, uint256(type(uint128).max) * 1024, 1));
        workers.register{value: 1}(NodeKeys.workerInfo(1024));
    }

    function testCallingBackGainsNothing() public {
        GreedyWorker greedy = new GreedyWorker(workers);
        vm.deal(address(this), 1 ether);
        greedy.register{value: 1 ether}();
        register(ANN, 1, 1 ether);
        greedy.unregister();
        skip(0, 1 days);
        greedy.refuse();
        vm.expectRevert(abi.encodeWithSelector(IWorkers.TransferRefused.selector, address(greedy), 1 ether));
        greedy.withdraw();
    }

    function testCallingBackGainsNothingWhenPaid() public {
        GreedyWorker greedy = new GreedyWorker(workers);
        vm.deal(address(this), 1 ether);
        greedy.register{value: 1 ether}();
        register(ANN, 1, 1 ether);
        greedy.unregister();
        skip(0, 1 days);
        greedy.withdraw();
        vm.assertEq(greedy.received(), 1);
        vm.assertEq(address(greedy).balance, 1 ether);
        vm.assertEq(address(workers).balance, 1 ether);
    }
}
