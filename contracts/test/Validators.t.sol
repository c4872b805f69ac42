// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FonteToken} from "../src/FonteToken.sol";
import {Validators} from "../src/Validators.sol";
import {IValidators} from "../src/interfaces/IValidators.sol";
import {NodeKeys} from "./lib/NodeKeys.sol";
import {Nodes} from "./lib/Nodes.sol";

/// @notice A delegator that calls back when it is paid.
contract GreedyDelegator {
    IValidators private immutable _validators;
    address private immutable _operator;
    uint256 public received;

    constructor(IValidators validators, address operator) {
        (_validators, _operator) = (validators, operator);
    }

    function delegate() external payable {
        _validators.delegate{value: msg.value}(_operator);
    }

    function undelegate(uint128 amount) external {
        _validators.undelegate(_operator, amount);
    }

    function claim() external {
        _validators.claim(_operator);
    }

    receive() external payable {
        ++received;
        try _validators.claim(_operator) {} catch {}
    }
}

/// @notice Takes no coins.
contract Unpayable {
    function act(address target, bytes calldata data) external payable {
        (bool ok, bytes memory reason) = target.call{value: msg.value}(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }
}

contract ValidatorsTest is Nodes {
    bytes32 private constant NETWORK = keccak256("a network");
    address private constant ANN = address(0xA001);
    address private constant BOB = address(0xA002);
    address private constant REPORTER = address(0x4E90);

    function setUp() public {
        vm.roll(1000);
        vm.warp(1_790_000_000);
        deployNodes(NETWORK, address(this), address(new FonteToken()));
    }

    function operator(uint256 i) private pure returns (address) {
        return NodeKeys.operator(i);
    }

    function present() private view returns (address[] memory) {
        return validators.operatorsOf(validators.epoch());
    }

    function holds(address who) private view returns (bool) {
        address[] memory set = present();
        for (uint256 i; i < set.length; ++i) {
            if (set[i] == who) return true;
        }
        return false;
    }

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

    // ---------------------------------------------------------------- stake

    function testStakeComesBackAfterItsEpochAndTheUnbonding() public {
        delegate(ANN, operator(0), 5 ether);
        vm.startPrank(ANN);
        vm.expectRevert(IValidators.NothingToDo.selector);
        validators.claim(operator(0));
        vm.expectRevert(abi.encodeWithSelector(IValidators.NotBonded.selector, 5 ether + 1, 5 ether));
        validators.undelegate(operator(0), 5 ether + 1);
        vm.expectRevert(IValidators.NothingToDo.selector);
        validators.undelegate(operator(0), 0);
        validators.undelegate(operator(0), 2 ether);
        vm.expectRevert(abi.encodeWithSelector(IValidators.TooEarly.selector, 0));
        validators.claim(operator(0));
        vm.stopPrank();
        IValidators.Delegation memory d = validators.delegation(operator(0), ANN);
        vm.assertTrue(d.bonded == 3 ether && d.exiting == 2 ether && d.claimableAt == 0);
        vm.assertEq(validators.validator(operator(0)).bonded, 103 ether);
        vm.assertEq(validators.validator(operator(0)).exiting, 2 ether);

        // The unbonding starts when the epoch ends, however late that is.
        skip(10, 5000);
        validators.endEpoch();
        uint256 end = vm.getBlockTimestamp() + 2000;
        vm.assertEq(validators.delegation(operator(0), ANN).claimableAt, end);
        vm.warp(end - 1);
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IValidators.TooEarly.selector, end));
        validators.claim(operator(0));
        vm.warp(end);
        vm.prank(ANN);
        validators.claim(operator(0));
        vm.assertEq(ANN.balance, 2 ether);
        vm.prank(ANN);
        vm.expectRevert(IValidators.NothingToDo.selector);
        validators.claim(operator(0));
        vm.assertEq(address(validators).balance, 403 ether);
    }

    function testASecondExitJoinsTheFirstAndWaitsAnew() public {
        delegate(ANN, operator(0), 5 ether);
        vm.prank(ANN);
        validators.undelegate(operator(0), 2 ether);
        endEpoch();
        skip(0, 1999);
        vm.prank(ANN);
        validators.undelegate(operator(0), 1 ether);
        skip(10, 1);
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IValidators.TooEarly.selector, 0));
        validators.claim(operator(0));
        validators.endEpoch();
        skip(0, 2000);
        vm.prank(ANN);
        validators.claim(operator(0));
        vm.assertEq(ANN.balance, 3 ether);
    }

    function testStakeOfOneIsNoBodyElses() public {
        delegate(ANN, operator(0), 5 ether);
        vm.startPrank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IValidators.NotBonded.selector, 1, 0));
        validators.undelegate(operator(0), 1);
        vm.expectRevert(abi.encodeWithSelector(IValidators.UnknownValidator.selector, BOB));
        validators.undelegate(BOB, 1);
        vm.expectRevert(IValidators.NothingToDo.selector);
        validators.delegate(operator(0));
        vm.stopPrank();
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IValidators.NotBonded.selector, 1, 0));
        validators.undelegate(operator(1), 1);
    }

    /// An operator that no election can replace keeps voting, so its own stake stays; its delegators' does not.
    function testOwnStakeStaysWithTheSeat() public {
        delegate(ANN, operator(0), 5 ether);
        vm.prank(ANN);
        validators.undelegate(operator(0), 5 ether);
        vm.prank(operator(0));
        validators.undelegate(operator(0), 100 ether);
        endEpoch(); // fails: only three are eligible
        vm.assertTrue(holds(operator(0)));
        skip(10, 5000);
        vm.prank(ANN);
        validators.claim(operator(0));
        vm.prank(operator(0));
        vm.expectRevert(abi.encodeWithSelector(IValidators.StillSeated.selector, operator(0)));
        validators.claim(operator(0));
        register(9, 100 ether);
        validators.endEpoch();
        vm.assertFalse(holds(operator(0)));
        // From the loss of the seat it waits as long as any exit.
        uint256 end = vm.getBlockTimestamp() + 2000;
        vm.assertEq(validators.delegation(operator(0), operator(0)).claimableAt, end);
        vm.warp(end - 1);
        vm.prank(operator(0));
        vm.expectRevert(abi.encodeWithSelector(IValidators.TooEarly.selector, end));
        validators.claim(operator(0));
        vm.warp(end);
        vm.prank(operator(0));
        validators.claim(operator(0));
        vm.assertEq(operator(0).balance, 100 ether);
    }

    function testCallingBackGainsNothing() public {
        GreedyDelegator greedy = new GreedyDelegator(validators, operator(0));
        vm.deal(address(this), 2 ether);
        greedy.delegate{value: 2 ether}();
        delegate(ANN, operator(0), 5 ether);
        greedy.undelegate(2 ether);
        endEpoch();
        skip(0, 2000);
        greedy.claim();
        vm.assertEq(greedy.received(), 1);
        vm.assertEq(address(greedy).balance, 2 ether);
        vm.assertEq(address(validators).balance, 405 ether);
    }

    function testWhoRefusesCoinsHarmsNobodyElse() public {
        Unpayable unpayable = new Unpayable();
        vm.deal(address(this), 1 ether);
        unpayable.act{value: 1 ether}(address(validators), abi.encodeCall(IValidators.delegate, (operator(0))));
        unpayable.act(address(validators), abi.encodeCall(IValidators.undelegate, (operator(0), 1 ether)));
        endEpoch();
        skip(0, 2000);
        vm.expectRevert(abi.encodeWithSelector(IValidators.TransferRefused.selector, address(unpayable), 1 ether));
        unpayable.act(address(validators), abi.encodeCall(IValidators.claim, (operator(0))));
        (IValidators.Vote memory a, IValidators.Vote memory b) =
            doubleSign(0, IValidators.Fault.ConflictingFinalize, 0, 7);
        vm.expectPartialRevert(IValidators.TransferRefused.selector);
        unpayable.act(
            address(validators),
            abi.encodeCall(IValidators.report, (operator(0), IValidators.Fault.ConflictingFinalize, 0, 7, a, b))
        );
        // Refused rewards leave the evidence to others.
        jail(0, REPORTER);
        vm.assertTrue(validators.validator(operator(0)).jailed);
    }

    // ---------------------------------------------------------------- elections

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

    // ---------------------------------------------------------------- evidence

    function check(IValidators.Fault fault) private {
        delegate(ANN, operator(2), 50 ether);
        vm.prank(ANN);
        validators.undelegate(operator(2), 20 ether);
        (IValidators.Vote memory a, IValidators.Vote memory b) = doubleSign(2, fault, 3, 300);
        uint256 burnt = address(0).balance;
        vm.expectEmit(true, true, true, true, address(validators));
        emit IValidators.Slashed(operator(2), REPORTER, fault, 3, 300, 15 ether, 5 ether);
        vm.prank(REPORTER);
        validators.report(operator(2), fault, 3, 300, a, b);

        IValidators.Validator memory v = validators.validator(operator(2));
        vm.assertTrue(v.jailed && v.seated && !v.listed);
        vm.assertEq(v.bonded, 117 ether); // 90 % of 130
        vm.assertEq(v.exiting, 18 ether);
        vm.assertEq(v.ownStake, 90 ether);
        vm.assertEq(REPORTER.balance, 5 ether); // half of the operator's own loss of 10
        vm.assertEq(address(0).balance - burnt, 10 ether);
        vm.assertEq(address(validators).balance, 435 ether);
        vm.assertFalse(validators.isLiable(operator(2)));

        // The same again, and any other: refused.
        vm.expectRevert(abi.encodeWithSelector(IValidators.IsJailed.selector, operator(2)));
        validators.report(operator(2), fault, 3, 300, a, b);
        vm.expectRevert(abi.encodeWithSelector(IValidators.IsJailed.selector, operator(2)));
        validators.report(operator(2), fault, 3, 300, b, a);

        // Out for ever.
        vm.prank(operator(2));
        vm.expectRevert(abi.encodeWithSelector(IValidators.IsJailed.selector, operator(2)));
        validators.enlist();
        vm.deal(ANN, 1);
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IValidators.IsJailed.selector, operator(2)));
        validators.delegate{value: 1}(operator(2));

        // What is left comes back, the operator's too, though its seat waits for an election that can fill it.
        vm.startPrank(operator(2));
        validators.undelegate(operator(2), 100 ether);
        vm.stopPrank();
        endEpoch();
        skip(0, 2000);
        vm.prank(operator(2));
        validators.claim(operator(2));
        vm.assertEq(operator(2).balance, 90 ether);
        vm.prank(ANN);
        validators.claim(operator(2));
        vm.assertEq(ANN.balance, 1 + 18 ether);
    }

    function testConflictingNotarize() public {
        check(IValidators.Fault.ConflictingNotarize);
    }

    function testConflictingFinalize() public {
        check(IValidators.Fault.ConflictingFinalize);
    }

    function testNullifyFinalize() public {
        check(IValidators.Fault.NullifyFinalize);
    }

    function refuse(
        bytes memory reason,
        address who,
        IValidators.Fault fault,
        uint64 epoch,
        uint64 view_,
        IValidators.Vote memory a,
        IValidators.Vote memory b
    ) private {
        vm.prank(REPORTER);
        vm.expectRevert(reason);
        validators.report(who, fault, epoch, view_, a, b);
    }

    function bad(uint256 which) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IValidators.BadVote.selector, NodeKeys.operator(2), which);
    }

    function testWhatIsNoEvidence() public {
        IValidators.Fault fault = IValidators.Fault.ConflictingNotarize;
        (IValidators.Vote memory a, IValidators.Vote memory b) = doubleSign(2, fault, 3, 300);
        address two = operator(2);
        refuse(abi.encodeWithSelector(IValidators.UnknownValidator.selector, ANN), ANN, fault, 3, 300, a, b);
        // Twice the same vote, or the same proposal signed twice.
        refuse(abi.encodeWithSelector(IValidators.NoConflict.selector), two, fault, 3, 300, a, a);
        refuse(bad(0), two, fault, 4, 300, a, b);
        refuse(bad(0), two, fault, 3, 301, a, b);
        refuse(bad(0), two, IValidators.Fault.ConflictingFinalize, 3, 300, a, b);
        refuse(abi.encodeWithSelector(IValidators.BadVote.selector, operator(1), 0), operator(1), fault, 3, 300, a, b);
        // Notarize, then finalize another: not one of the three faults, and not two votes of one kind.
        IValidators.Vote memory other = vote(2, IValidators.VoteKind.Finalize, 3, 300, 1, keccak256("second"));
        refuse(bad(1), two, fault, 3, 300, a, other);
        // Different views.
        refuse(bad(1), two, fault, 3, 300, a, vote(2, IValidators.VoteKind.Notarize, 3, 301, 1, keccak256("second")));
        // A signature of another key, and the mirrored one of the right key.
        refuse(bad(1), two, fault, 3, 300, a, vote(1, IValidators.VoteKind.Notarize, 3, 300, 1, keccak256("second")));
        IValidators.Vote memory high = IValidators.Vote(b.parent, b.payload, b.r, b.s);
        high.s = bytes32(0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551 - uint256(b.s));
        refuse(bad(1), two, fault, 3, 300, a, high);
        // The parent alone can differ; then the votes conflict.
        b = vote(2, IValidators.VoteKind.Notarize, 3, 300, 2, keccak256("first"));
        vm.prank(REPORTER);
        validators.report(two, fault, 3, 300, a, b);
    }

    function testANullifyHasNoProposal() public {
        IValidators.Fault fault = IValidators.Fault.NullifyFinalize;
        (IValidators.Vote memory a, IValidators.Vote memory b) = doubleSign(2, fault, 3, 300);
        bytes memory reason = abi.encodeWithSelector(IValidators.NotANullify.selector);
        refuse(reason, operator(2), fault, 3, 300, b, b);
        a.parent = 1;
        refuse(reason, operator(2), fault, 3, 300, a, b);
        (a.parent, a.payload) = (0, "x");
        refuse(reason, operator(2), fault, 3, 300, a, b);
    }

    function testVotesOfAnotherNetworkAreNoEvidence() public {
        Validators here = validators;
        validators = Validators(address(0x9999));
        genesis(
            address(validators),
            type(Validators).creationCode,
            abi.encode(keccak256("another network"), NodeKeys.parameters(), NodeKeys.seatsOf(4)),
            400 ether
        );
        IValidators.Fault fault = IValidators.Fault.ConflictingFinalize;
        (IValidators.Vote memory a, IValidators.Vote memory b) = doubleSign(2, fault, 3, 300);
        validators = here;
        refuse(bad(0), operator(2), fault, 3, 300, a, b);
    }

    function testAKeyAnswersForItsSeatAndTheWindow() public {
        address nine = register(9, 100 ether);
        IValidators.Fault fault = IValidators.Fault.ConflictingFinalize;
        (IValidators.Vote memory a, IValidators.Vote memory b) = doubleSign(9, fault, 0, 5);
        refuse(abi.encodeWithSelector(IValidators.EvidenceTooOld.selector, nine, 0), nine, fault, 0, 5, a, b);
        vm.assertFalse(validators.isLiable(nine));
        endEpoch();
        vm.assertTrue(holds(nine) && validators.isLiable(nine));
        vm.prank(nine);
        validators.resign();
        endEpoch();
        vm.assertFalse(holds(nine));
        uint64 lost = uint64(vm.getBlockTimestamp());
        skip(0, 1001);
        refuse(abi.encodeWithSelector(IValidators.EvidenceTooOld.selector, nine, lost), nine, fault, 0, 5, a, b);
        vm.warp(lost + 1000);
        validators.report(nine, fault, 0, 5, a, b);
        vm.assertTrue(validators.validator(nine).jailed);
    }

    receive() external payable {}

    /// However the stake is divided and whoever reports, a validator that reports itself loses.
    /// forge-config: default.fuzz.runs = 64
    function testFuzzReportingOneselfLoses(uint128 own, uint128 others) public {
        own = uint128(bound(own, 10 ether, 1e30));
        others = uint128(bound(others, 0, 1e30));
        address nine = register(9, own);
        if (others != 0) delegate(ANN, nine, others);
        if (own + others < 100 ether) delegate(BOB, nine, 100 ether);
        if (!validators.validator(nine).listed) {
            vm.prank(nine);
            validators.enlist();
        }
        endEpoch();
        vm.assertTrue(holds(nine));
        uint256 before = address(validators).balance;
        jail(9, nine);
        uint256 left = validators.validator(nine).ownStake;
        vm.assertLt(left + nine.balance, own);
        // At least half of what the operator loses is burnt.
        vm.assertGe((own - left) / 2 + 1, nine.balance);
        vm.assertGe(before - address(validators).balance, 2 * nine.balance);
    }

    /// Rounding never lets the last one out find too little.
    /// forge-config: default.fuzz.runs = 64
    function testFuzzTheSlashedFindTheirMoney(uint128[5] memory amounts) public {
        uint256 kept;
        for (uint256 i; i < 5; ++i) {
            amounts[i] = uint128(bound(amounts[i], 1, i < 3 ? 1000 : 1e30));
            delegate(address(uint160(0xC000 + i)), operator(2), amounts[i]);
            if (i % 2 == 0) {
                vm.prank(address(uint160(0xC000 + i)));
                validators.undelegate(operator(2), amounts[i]);
            }
        }
        jail(2, REPORTER);
        for (uint256 i = 1; i < 5; i += 2) {
            vm.prank(address(uint160(0xC000 + i)));
            validators.undelegate(operator(2), amounts[i]);
        }
        vm.prank(operator(2));
        validators.undelegate(operator(2), 100 ether);
        endEpoch();
        skip(0, 2000);
        for (uint256 i; i < 5; ++i) {
            address who = address(uint160(0xC000 + i));
            vm.prank(who);
            validators.claim(operator(2));
            vm.assertEq(who.balance, uint256(amounts[i]) * 9 / 10);
            kept += who.balance;
        }
        vm.prank(operator(2));
        validators.claim(operator(2));
        // The other three genesis stakes, and less than a wei for each who was paid.
        vm.assertGe(address(validators).balance, 300 ether);
        vm.assertLe(address(validators).balance, 300 ether + 6);
    }
}
