// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Validators} from "../src/Validators.sol";
import {IValidators} from "../src/interfaces/IValidators.sol";
import {VoteBytes} from "../src/lib/VoteBytes.sol";
import {NodeKeys} from "./lib/NodeKeys.sol";
import {Test} from "./lib/Vm.sol";

/// @notice Votes that consensus itself signed (fixtures/double_sign.json; crates/chain makes them): the contract
/// slashes for every pair, and for no pair with one thing changed.
contract DoubleSignTest is Test {
    string private json;
    address[5] private operators;
    bytes32 private network;

    struct Pair {
        uint256 signer;
        IValidators.Fault fault;
        uint64 epoch;
        uint64 view_;
        IValidators.Vote first;
        IValidators.Vote second;
    }

    function setUp() public {
        vm.warp(1_790_000_000);
        json = vm.readFile("../fixtures/double_sign.json");
        network = vm.parseJsonBytes32(json, ".networkId");
    }

    function member(string memory list, uint256 i, string memory field) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(i), "].", field);
    }

    function fresh(bytes32 id) private returns (Validators) {
        IValidators.GenesisSeat[] memory seats = new IValidators.GenesisSeat[](5);
        for (uint256 i; i < 5; ++i) {
            operators[i] = vm.parseJsonAddress(json, member("validators", i, "operator"));
            seats[i] = IValidators.GenesisSeat(
                operators[i],
                100 ether,
                vm.parseJsonBytes(json, member("validators", i, "consensusKey")),
                vm.parseJsonBytes32(json, member("validators", i, "networkKey")),
                "127.0.0.1:9000"
            );
        }
        vm.deal(address(this), 500 ether);
        return new Validators{value: 500 ether}(id, NodeKeys.parameters(), seats);
    }

    function voteAt(uint256 i, string memory which) private view returns (IValidators.Vote memory) {
        return IValidators.Vote(
            uint64(vm.parseJsonUint(json, member("pairs", i, string.concat(which, ".parent")))),
            vm.parseJsonBytes32(json, member("pairs", i, string.concat(which, ".payload"))),
            vm.parseJsonBytes32(json, member("pairs", i, string.concat(which, ".r"))),
            vm.parseJsonBytes32(json, member("pairs", i, string.concat(which, ".s")))
        );
    }

    function pairAt(uint256 i) private view returns (Pair memory) {
        return Pair(
            vm.parseJsonUint(json, member("pairs", i, "signer")),
            IValidators.Fault(vm.parseJsonUint(json, member("pairs", i, "fault"))),
            uint64(vm.parseJsonUint(json, member("pairs", i, "epoch"))),
            uint64(vm.parseJsonUint(json, member("pairs", i, "view"))),
            voteAt(i, "first"),
            voteAt(i, "second")
        );
    }

    function pairs() private view returns (uint256 count) {
        while (vm.keyExistsJson(json, member("pairs", count, "signer"))) ++count;
    }

    function tryReport(Validators validators, Pair memory p) private returns (bool) {
        try validators.report(operators[p.signer], p.fault, p.epoch, p.view_, p.first, p.second) {
            return true;
        } catch (bytes memory reason) {
            bytes4 error_ = bytes4(reason);
            require(
                error_ == IValidators.BadVote.selector || error_ == IValidators.NoConflict.selector
                    || error_ == IValidators.NotANullify.selector,
                "unexpected failure"
            );
            return false;
        }
    }

    receive() external payable {}

    function testEveryPairOfConsensusIsEvidence() public {
        uint256 count = pairs();
        vm.assertEq(count, 18);
        for (uint256 i; i < count; ++i) {
            Validators validators = fresh(network);
            Pair memory p = pairAt(i);
            vm.assertTrue(tryReport(validators, p));
            vm.assertTrue(validators.validator(operators[p.signer]).jailed);
        }
    }

    function testTheOrderOfLikeVotesDoesNotMatter() public {
        Validators validators = fresh(network);
        Pair memory p = pairAt(0);
        (p.first, p.second) = (p.second, p.first);
        vm.assertTrue(tryReport(validators, p));
    }

    function testAPairWithOneThingChangedIsNone() public {
        Validators validators = fresh(network);
        for (uint256 i; i < 6; ++i) {
            for (uint256 change; change < 13; ++change) {
                Pair memory p = pairAt(i);
                if (change == 0) p.epoch += 1;
                else if (change == 1) p.view_ += 1;
                else if (change == 2) p.first.parent += 1;
                else if (change == 3) p.second.parent += 1;
                else if (change == 4) p.first.payload = keccak256("another");
                else if (change == 5) p.second.payload = keccak256("another");
                else if (change == 6) p.first.r = bytes32(uint256(p.first.r) ^ 1);
                else if (change == 7) p.second.s = bytes32(uint256(p.second.s) ^ 1);
                else if (change == 8) p.signer = (p.signer + 1) % 5;
                else if (change == 9) p.fault = IValidators.Fault((uint256(p.fault) + 1) % 3);
                else if (change == 10) p.second = p.first;
                else if (change == 11) (p.first.r, p.second.r) = (p.second.r, p.first.r);
                else (p.first.s, p.second.s) = (0, 0);
                vm.assertFalse(tryReport(validators, p));
            }
        }
        Validators elsewhere = fresh(keccak256("elsewhere"));
        for (uint256 i; i < 3; ++i) {
            vm.assertFalse(tryReport(elsewhere, pairAt(i)));
            vm.assertTrue(tryReport(validators, pairAt(i)));
        }
    }

    /// The word that a node signs to be registered is what `register` wants.
    function testARegistrationSignedByTheNode() public {
        Validators validators = new Validators(network, NodeKeys.parameters(), unstaked());
        for (uint256 i; i < 5; ++i) {
            address who = vm.parseJsonAddress(json, member("validators", i, "operator"));
            bytes memory key = vm.parseJsonBytes(json, member("validators", i, "consensusKey"));
            bytes32 net = vm.parseJsonBytes32(json, member("validators", i, "networkKey"));
            bytes32 r = vm.parseJsonBytes32(json, member("validators", i, "r"));
            bytes32 s = vm.parseJsonBytes32(json, member("validators", i, "s"));
            vm.prank(who);
            validators.register(key, net, "10.0.0.1:9000", r, s);
            vm.assertEq(validators.validator(who).consensusKey, key);
        }
    }

    function unstaked() private view returns (IValidators.GenesisSeat[] memory seats) {
        seats = NodeKeys.seatsOf(1);
        seats[0].stake = 0;
    }

    function testVarints() public pure {
        vm.assertEq(VoteBytes.varint(0), hex"00");
        vm.assertEq(VoteBytes.varint(127), hex"7f");
        vm.assertEq(VoteBytes.varint(128), hex"8001");
        vm.assertEq(VoteBytes.varint(300), hex"ac02");
        vm.assertEq(VoteBytes.varint(16_383), hex"ff7f");
        vm.assertEq(VoteBytes.varint(16_384), hex"808001");
        vm.assertEq(VoteBytes.varint(type(uint64).max), hex"ffffffffffffffffff01");
    }

    function testFuzzVarints(uint64 value) public pure {
        bytes memory encoded = VoteBytes.varint(value);
        uint256 decoded;
        for (uint256 i = encoded.length; i > 0; --i) {
            decoded = decoded << 7 | uint8(encoded[i - 1]) & 0x7f;
            vm.assertEq(uint8(encoded[i - 1]) & 0x80 == 0, i == encoded.length);
        }
        vm.assertEq(decoded, value);
    }
}
