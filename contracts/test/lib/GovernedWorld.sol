// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {Allowance} from "../../src/Allowance.sol";
import {FonteGovernor} from "../../src/FonteGovernor.sol";
import {ModelReviews} from "../../src/ModelReviews.sol";
import {Timelock} from "../../src/Timelock.sol";
import {IFonteGovernor} from "../../src/interfaces/IFonteGovernor.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {World} from "./World.sol";

/// @notice The protocol with its governance: the timelock is treasury and registrar.
abstract contract GovernedWorld is World {
    uint48 internal constant VOTING_DELAY = 60;
    uint32 internal constant VOTING_PERIOD = 600;
    uint256 internal constant THRESHOLD = 10 ether;
    uint256 internal constant QUORUM_PPM = 40_000;
    uint256 internal constant MINIMUM_QUORUM = 50 ether;
    uint48 internal constant EXTENSION = 120;
    uint256 internal constant DELAY = 300;

    Timelock internal timelock = Timelock(payable(0xf017E0000000000000000000000000000000000a));
    FonteGovernor internal governor = FonteGovernor(payable(0xf017e0000000000000000000000000000000000B));
    Allowance internal allowance = Allowance(payable(0xf017E0000000000000000000000000000000000C));
    address internal guardian = address(0x64A2D);
    uint256 internal constant VOTER_KEY = 0x507E;
    address internal voter = vm.addr(VOTER_KEY);

    struct Proposal {
        address[] targets;
        uint256[] values;
        bytes[] calldatas;
        string description;
    }

    function setUp() public virtual override {
        treasury = registrar = address(timelock);
        super.setUp();
        // In an order that no constructor may care about.
        genesis(address(allowance), type(Allowance).creationCode, abi.encode(settlement, timelock));
        genesis(address(governor), type(FonteGovernor).creationCode, abi.encode(token, timelock, parameters()));
        genesis(address(timelock), type(Timelock).creationCode, abi.encode(DELAY, governor, guardian));
        genesis(
            modelReviews,
            type(ModelReviews).creationCode,
            abi.encode(models, reviews, timelock, ModelReviews.Parameters(600, 600, 1, 1, 1, 1, 3, 2))
        );
        wrap(voter, 100 ether);
    }

    function parameters() internal pure returns (IFonteGovernor.Parameters memory) {
        return IFonteGovernor.Parameters(VOTING_DELAY, VOTING_PERIOD, THRESHOLD, QUORUM_PPM, MINIMUM_QUORUM, EXTENSION);
    }

    /// @dev Wraps for `who`, who votes with it from the next second on.
    function wrap(address who, uint256 amount) internal {
        vm.deal(who, who.balance + amount);
        vm.startPrank(who);
        token.deposit{value: amount}();
        token.delegate(who);
        vm.stopPrank();
        skip(1, 1);
    }

    /// @dev Sends coins of this contract.
    function give(address to, uint256 amount) internal {
        (bool ok,) = to.call{value: amount}("");
        require(ok, "refused");
    }

    function call(address target, bytes memory data) internal pure returns (Proposal memory) {
        return call(target, 0, data, "because");
    }

    function call(address target, uint256 value, bytes memory data, string memory description)
        internal
        pure
        returns (Proposal memory p)
    {
        (p.targets, p.values, p.calldatas) = (new address[](1), new uint256[](1), new bytes[](1));
        (p.targets[0], p.values[0], p.calldatas[0], p.description) = (target, value, data, description);
    }

    function hash(Proposal memory p) internal pure returns (bytes32) {
        return keccak256(bytes(p.description));
    }

    /// @dev The proposal's id in the timelock.
    function operation(Proposal memory p) internal view returns (bytes32) {
        return timelock.hashOperationBatch(p.targets, p.values, p.calldatas, 0, bytes20(address(governor)) ^ hash(p));
    }

    function propose(Proposal memory p) internal returns (uint256 id) {
        vm.prank(voter);
        id = governor.propose(p.targets, p.values, p.calldatas, p.description);
    }

    function proposeAndOpen(Proposal memory p) internal returns (uint256 id) {
        id = propose(p);
        skip(1, VOTING_DELAY + 1);
    }

    function cast(address who, uint256 id, uint8 support) internal {
        vm.prank(who);
        governor.castVote(id, support);
    }

    function queue(Proposal memory p) internal {
        governor.queue(p.targets, p.values, p.calldatas, hash(p));
    }

    function execute(Proposal memory p) internal {
        governor.execute(p.targets, p.values, p.calldatas, hash(p));
    }

    /// @dev Votes the proposal through, up to the timelock.
    function carry(Proposal memory p) internal returns (uint256 id) {
        id = proposeAndOpen(p);
        cast(voter, id, 1);
        skip(1, VOTING_PERIOD);
        queue(p);
    }

    /// @dev The whole way.
    function enact(Proposal memory p) internal returns (uint256 id) {
        id = carry(p);
        skip(1, DELAY);
        execute(p);
    }

    /// @dev A row that credits no contribution.
    function plainRow(uint128 fee) internal view returns (ISettlement.Row memory) {
        return ISettlement.Row(keccak256("any receipt"), model, worker, fee, named(net), new uint256[](0));
    }

    function expectState(uint256 id, IGovernor.ProposalState expected) internal view {
        vm.assertEq(uint256(governor.state(id)), uint256(expected));
    }
}
