// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Concentration} from "../../src/Concentration.sol";
import {Validators} from "../../src/Validators.sol";
import {Workers} from "../../src/Workers.sol";
import {IValidators} from "../../src/interfaces/IValidators.sol";
import {NodeKeys} from "./NodeKeys.sol";
import {Test} from "./Vm.sol";

/// @notice Workers, Validators and Concentration as genesis deploys them, and keys for operators.
abstract contract Nodes is Test {
    Workers internal workers = Workers(0xF017E00000000000000000000000000000000008);
    Validators internal validators = Validators(0xF017E00000000000000000000000000000000009);
    Concentration internal concentration = Concentration(0xF017e0000000000000000000000000000000000D);

    function deployNodes(bytes32 network, address governance, address token) internal {
        genesis(
            address(workers), type(Workers).creationCode, abi.encode(governance, uint128(1 ether), uint64(1 days)), 0
        );
        genesis(
            address(validators),
            type(Validators).creationCode,
            abi.encode(network, NodeKeys.parameters(), NodeKeys.seatsOf(4)),
            400 ether
        );
        genesis(address(concentration), type(Concentration).creationCode, abi.encode(validators, token), 0);
    }

    /// @dev Runs the init code at its address, as a genesis does.
    function genesis(address where, bytes memory creation, bytes memory args, uint256 value) internal {
        vm.etch(where, bytes.concat(creation, args));
        vm.deal(address(this), address(this).balance + value);
        (bool ok, bytes memory runtime) = where.call{value: value}("");
        require(ok, "init code reverted");
        vm.etch(where, runtime);
    }

    // ---------------------------------------------------------------- operators

    /// @dev What is called for an argument would use up the prank, so all are at hand before.
    function register(uint256 i, uint256 stake) internal returns (address who) {
        who = NodeKeys.operator(i);
        bytes memory key = NodeKeys.consensusKey(i);
        bytes32 net = NodeKeys.networkKey(i);
        (bytes32 r, bytes32 s) = NodeKeys.signP256(NodeKeys.secret(i), validators.registrationDigest(who, net));
        vm.deal(who, who.balance + stake);
        vm.prank(who);
        validators.register{value: stake}(key, net, "127.0.0.1:9000", r, s);
    }

    function delegate(address from, address to, uint256 amount) internal {
        vm.deal(from, from.balance + amount);
        vm.prank(from);
        validators.delegate{value: amount}(to);
    }

    function endEpoch() internal {
        skip(10, 100);
        validators.endEpoch();
    }

    function vote(uint256 i, IValidators.VoteKind kind, uint64 epoch, uint64 view_, uint64 parent, bytes32 payload)
        internal
        view
        returns (IValidators.Vote memory)
    {
        (bytes32 r, bytes32 s) =
            NodeKeys.signP256(NodeKeys.secret(i), validators.voteDigest(kind, epoch, view_, parent, payload));
        return IValidators.Vote(parent, payload, r, s);
    }

    function doubleSign(uint256 i, IValidators.Fault fault, uint64 epoch, uint64 view_)
        internal
        view
        returns (IValidators.Vote memory first, IValidators.Vote memory second)
    {
        IValidators.VoteKind kind = fault == IValidators.Fault.ConflictingNotarize
            ? IValidators.VoteKind.Notarize
            : IValidators.VoteKind.Finalize;
        second = vote(i, kind, epoch, view_, 1, keccak256("second"));
        first = fault == IValidators.Fault.NullifyFinalize
            ? vote(i, IValidators.VoteKind.Nullify, epoch, view_, 0, 0)
            : vote(i, kind, epoch, view_, 1, keccak256("first"));
    }

    /// @dev Reports a double sign of operator `i` by the account `reporter`.
    function jail(uint256 i, address reporter) internal {
        (IValidators.Vote memory first, IValidators.Vote memory second) =
            doubleSign(i, IValidators.Fault.ConflictingFinalize, 0, 7);
        vm.prank(reporter);
        validators.report(NodeKeys.operator(i), IValidators.Fault.ConflictingFinalize, 0, 7, first, second);
    }
}
