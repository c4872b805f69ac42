// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Validators} from "../src/Validators.sol";
import {IValidators} from "../src/interfaces/IValidators.sol";
import {NodeKeys} from "./lib/NodeKeys.sol";
import {SeatedNodes} from "./lib/SeatedNodes.sol";

/// @notice The seats of genesis, registration, and the list of candidates.
contract ValidatorsTest is SeatedNodes {
    // ---------------------------------------------------------------- genesis

    function testGenesisSet() public view {
        IValidators.Seat[] memory seats = validators.setOf(0);
        vm.assertEq(seats.length, 4);
        for (uint256 i; i < 4; ++i) {
            vm.assertEq(seats[i].operator, operator(i));
            vm.assertEq(seats[i].consensusKey, NodeKeys.consensusKey(i));
            vm.assertEq(seats[i].networkKey, NodeKeys.networkKey(i));
            vm.assertEq(seats[i].networkAddress, "127.0.0.1:9000");
            vm.assertEq(validators.operatorOf(NodeKeys.consensusKey(i)), operator(i));
            IValidators.Validator memory v = validators.validator(operator(i));
            vm.assertEq(v.bonded, 100 ether);
            vm.assertEq(v.ownStake, 100 ether);
            vm.assertTrue(v.seated && v.listed && !v.jailed && v.unseatedAt == 0);
        }
        vm.assertEq(validators.candidates().length, 4);
        vm.assertEq(validators.epoch(), 0);
        vm.assertEq(address(validators).balance, 400 ether);
        vm.assertEq(validators.networkId(), NETWORK);
        vm.assertEq(keccak256(abi.encode(validators.parameters())), keccak256(abi.encode(NodeKeys.parameters())));
        (uint256 untilBlock, uint256 untilTime) = validators.epochEnd();
        vm.assertEq(untilBlock, 1010);
        vm.assertEq(untilTime, 1_790_000_100);
    }

    function testParametersHaveRanges() public {
        for (uint256 i; i < 17; ++i) {
            IValidators.Parameters memory p = NodeKeys.parameters();
            IValidators.GenesisSeat[] memory seats = NodeKeys.seatsOf(i == 14 ? 0 : i == 15 ? 8 : 1);
            bytes32 network = NETWORK;
            uint256 value = seats.length * 100 ether;
            if (i == 0) p.maxSeats = 3;
            else if (i == 1) (p.maxSeats, p.maxCandidates) = (65, 128);
            else if (i == 2) p.maxCandidates = 7;
            else if (i == 3) p.maxCandidates = 129;
            else if (i == 4) p.minimumOwnStake = 0;
            else if (i == 5) p.minimumStake = 10 ether - 1;
            else if (i == 6) p.epochBlocks = 0;
            else if (i == 7) p.epochSeconds = 0;
            else if (i == 8) p.evidenceSeconds = 0;
            else if (i == 9) p.unbondingSeconds = p.evidenceSeconds;
            else if (i == 10) p.unbondingSeconds = 3650 days + 1;
            else if (i == 11) p.slashPpm = 0;
            else if (i == 12) p.slashPpm = 1_000_001;
            else if (i == 13) p.rewardPpm = 500_001;
            else if (i == 16) value -= 1;
            vm.deal(address(this), value);
            vm.expectRevert(IValidators.InvalidParameter.selector);
            new Validators{value: value}(network, p, seats);
        }
        IValidators.GenesisSeat[] memory unstaked = NodeKeys.seatsOf(1);
        unstaked[0].stake = 0;
        vm.expectRevert(IValidators.InvalidParameter.selector);
        new Validators(0, NodeKeys.parameters(), unstaked);
    }

    function testExtremesOfParametersWork() public {
        IValidators.Parameters memory p = NodeKeys.parameters();
        (p.maxSeats, p.maxCandidates) = (64, 128);
        (p.slashPpm, p.rewardPpm) = (1_000_000, 500_000);
        (p.epochBlocks, p.epochSeconds) = (type(uint64).max, type(uint64).max);
        p.unbondingSeconds = 3650 days;
        IValidators.GenesisSeat[] memory seats = NodeKeys.seatsOf(1);
        seats[0].stake = 0;
        Validators alone = new Validators(NETWORK, p, seats);
        vm.assertEq(alone.operatorsOf(0).length, 1);
        // Without stake it holds a seat, and is no candidate.
        vm.assertEq(alone.candidates().length, 0);
        vm.assertEq(keccak256(abi.encode(alone.parameters())), keccak256(abi.encode(p)));
        skip(1e18, 1e18);
        vm.expectPartialRevert(IValidators.EpochNotOver.selector);
        alone.endEpoch();
    }

    // ---------------------------------------------------------------- registration

    function testRegistrationNeedsTheKeysOwnWord() public {
        address who = operator(9);
        bytes memory key = NodeKeys.consensusKey(9);
        bytes32 net = NodeKeys.networkKey(9);
        (bytes32 r, bytes32 s) = NodeKeys.signP256(NodeKeys.secret(9), validators.registrationDigest(who, net));
        // Somebody else copies it from the pool of waiting transactions.
        vm.prank(ANN);
        vm.expectRevert(IValidators.NotProved.selector);
        validators.register(key, net, "a:1", r, s);
        // The word does not cover another network key either.
        bytes32 other = NodeKeys.networkKey(10);
        vm.prank(who);
        vm.expectRevert(IValidators.NotProved.selector);
        validators.register(key, other, "a:1", r, s);
        vm.prank(who);
        validators.register(key, net, "a:1", r, s);
        vm.assertEq(validators.operatorOf(key), who);
        vm.assertFalse(validators.validator(who).listed);
    }

    function testAKeyIsRegisteredOnce() public {
        register(9, 0);
        bytes memory key = NodeKeys.consensusKey(9);
        bytes32 net = NodeKeys.networkKey(9);
        bytes32 other = NodeKeys.networkKey(10);
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IValidators.KeyTaken.selector, operator(9)));
        validators.register(key, other, "a:1", 0, 0);
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IValidators.KeyTaken.selector, operator(9)));
        validators.register(NodeKeys.consensusKey(10), net, "a:1", 0, 0);
        vm.prank(operator(9));
        vm.expectRevert(abi.encodeWithSelector(IValidators.AlreadyRegistered.selector, operator(9)));
        validators.register(NodeKeys.consensusKey(10), other, "a:1", 0, 0);
    }

    function refuseKey(bytes memory key) private {
        bytes32 net = NodeKeys.networkKey(10);
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IValidators.InvalidConsensusKey.selector, key));
        validators.register(key, net, "a:1", 0, 0);
    }

    function testKeysMustBePoints() public {
        bytes memory key = NodeKeys.consensusKey(10);
        refuseKey("");
        refuseKey(bytes.concat(key, hex"00"));
        key[0] = 0x04;
        refuseKey(key);
        // x = 1 is on no point; x = P is not reduced; x above P neither.
        refuseKey(abi.encodePacked(bytes1(0x02), uint256(1)));
        refuseKey(hex"02ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
        refuseKey(hex"02ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
        key = NodeKeys.consensusKey(10);
        // edwards25519: y = 2 is no point; y = 1 has x = 0; y = p is not reduced; y = 2^255 - 1 neither.
        bytes32[5] memory keys = [
            bytes32(hex"0200000000000000000000000000000000000000000000000000000000000000"),
            bytes32(hex"0100000000000000000000000000000000000000000000000000000000000000"),
            bytes32(hex"0100000000000000000000000000000000000000000000000000000000000080"),
            bytes32(hex"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            bytes32(hex"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")
        ];
        for (uint256 i; i < 5; ++i) {
            vm.prank(ANN);
            vm.expectRevert(abi.encodeWithSelector(IValidators.InvalidNetworkKey.selector, keys[i]));
            validators.register(key, keys[i], "a:1", 0, 0);
        }
    }

    function testNetworkAddress() public {
        bytes32 net = NodeKeys.networkKey(10);
        bytes memory key = NodeKeys.consensusKey(10);
        vm.expectRevert(abi.encodeWithSelector(IValidators.InvalidNetworkAddress.selector, 0));
        validators.register(key, net, "", 0, 0);
        vm.startPrank(operator(0));
        vm.expectRevert(abi.encodeWithSelector(IValidators.InvalidNetworkAddress.selector, 129));
        validators.setNetworkAddress(string(new bytes(129)));
        validators.setNetworkAddress("[::1]:9001");
        vm.stopPrank();
        vm.assertEq(validators.setOf(0)[0].networkAddress, "[::1]:9001");
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IValidators.UnknownValidator.selector, ANN));
        validators.setNetworkAddress("a:1");
    }

    // ---------------------------------------------------------------- candidates

    function testACandidateNeedsBothMinima() public {
        address who = register(9, 10 ether - 1);
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(IValidators.StakeTooSmall.selector, 10 ether, 10 ether - 1));
        validators.enlist();
        delegate(who, who, 1);
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(IValidators.StakeTooSmall.selector, 100 ether, 10 ether));
        validators.enlist();
        delegate(ANN, who, 90 ether);
        vm.prank(who);
        validators.enlist();
        vm.assertTrue(validators.validator(who).listed);
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(IValidators.AlreadyListed.selector, who));
        validators.enlist();
        // Enough at once lists at once.
        vm.assertTrue(validators.validator(register(10, 100 ether)).listed);
    }

    function testAFullListGivesWayToMoreStake() public {
        for (uint256 i = 4; i < 10; ++i) {
            register(i, (100 + i) * 1 ether); // 104 .. 109
        }
        vm.assertEq(validators.candidates().length, 10);
        // The seated have 100 each, but keep their places; the lowest other has 104.
        address who = register(10, 104 ether);
        vm.assertFalse(validators.validator(who).listed);
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(IValidators.ListFull.selector, 104 ether));
        validators.enlist();
        delegate(ANN, who, 1);
        vm.prank(who);
        validators.enlist();
        vm.assertTrue(validators.validator(who).listed);
        vm.assertFalse(validators.validator(operator(4)).listed);
        vm.assertEq(validators.candidates().length, 10);
        // One that is no longer eligible counts as nothing and goes first.
        vm.prank(operator(9));
        validators.undelegate(operator(9), 100 ether);
        register(11, 100 ether);
        vm.assertTrue(validators.validator(operator(11)).listed);
        vm.assertFalse(validators.validator(operator(9)).listed);
    }

    function testResigning() public {
        register(9, 100 ether);
        vm.prank(operator(1));
        validators.resign();
        vm.prank(operator(1));
        vm.expectRevert(abi.encodeWithSelector(IValidators.NotListed.selector, operator(1)));
        validators.resign();
        vm.assertTrue(holds(operator(1)));
        endEpoch();
        vm.assertFalse(holds(operator(1)));
        vm.assertTrue(holds(operator(9)));
        vm.prank(operator(1));
        validators.enlist();
        vm.assertTrue(validators.validator(operator(1)).listed);
        IValidators.Candidate[] memory list = validators.candidates();
        vm.assertEq(list.length, 5);
        for (uint256 i; i < 5; ++i) {
            vm.assertTrue(list[i].eligible && list[i].bonded == 100 ether);
            vm.assertEq(list[i].seated, list[i].operator != operator(1));
        }
    }
}
