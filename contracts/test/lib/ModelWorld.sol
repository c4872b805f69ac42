// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ModelReviews} from "../../src/ModelReviews.sol";
import {IDatanets} from "../../src/interfaces/IDatanets.sol";
import {IModels} from "../../src/interfaces/IModels.sol";
import {IReviewed, IReviews} from "../../src/interfaces/IReviews.sol";
import {World} from "./World.sol";

/// @notice Stands in for the pool of reviewers where a test decides itself who is drawn and how a case ends.
contract ReviewsDouble {
    address[] private _pool;
    uint64 public caseCount;
    address public consumer;
    uint256 public fees;
    bytes32 public lastSeed;
    uint64 public lastBlock;
    mapping(uint64 caseId => bytes32) public subjectOf;
    mapping(uint64 caseId => address) public excludedOf;
    mapping(uint64 caseId => uint256) private _outcomes; // 1 refused, 2 approved, for good
    mapping(address reviewer => uint256) public slashed;

    constructor(address consumer_) {
        consumer = consumer_;
    }

    function setPool(address[] calldata pool) external {
        _pool = pool;
    }

    function request(bytes32 subject, uint8, uint8, address excluded) external payable returns (uint64 id) {
        require(msg.sender == consumer, "not a consumer");
        id = ++caseCount;
        subjectOf[id] = subject;
        excludedOf[id] = excluded;
        fees += msg.value;
    }

    /// @dev The pool in its order, without the excluded, as far as `count` goes.
    function drawAt(bytes32 seed, uint256 count, address[] calldata excluded, uint64 atBlock)
        external
        view
        returns (address[] memory seats)
    {
        require(seed != 0 && atBlock < block.number, "not drawn from the past");
        seats = new address[](count);
        uint256 n;
        for (uint256 i; i < _pool.length && n < count; ++i) {
            bool out;
            for (uint256 j; j < excluded.length; ++j) {
                if (_pool[i] == excluded[j]) out = true;
            }
            if (!out) seats[n++] = _pool[i];
        }
        assembly ("memory-safe") {
            mstore(seats, n)
        }
    }

    function slash(address reviewer, uint256 amount) external returns (uint256) {
        require(msg.sender == consumer, "not the evaluations");
        slashed[reviewer] += amount;
        return amount;
    }

    function decide(uint64 id, bool approved) external {
        IReviewed(consumer).onDecision(id, approved);
    }

    function finish(uint64 id, bool approved) external {
        _outcomes[id] = approved ? 2 : 1;
    }

    function outcome(uint64 id) external view returns (bool, bool) {
        return (_outcomes[id] != 0, _outcomes[id] == 2);
    }
}

/// @notice The world with evaluators, and short ways to every state of a model.
abstract contract ModelWorld is World {
    bytes32 internal constant BASE = keccak256("base");
    bytes32 internal constant ADAPTER = keccak256("adapter");
    bytes32 internal constant RECIPE = keccak256("recipe");
    bytes32 internal constant SET = keccak256("evaluation set");
    bytes32 internal constant SALT = keccak256("salt");
    bytes32 internal constant METRIC = keccak256("exact match, ppm");
    bytes32 internal constant REPORT = keccak256("report");
    uint64 internal constant COMMIT = 1 days;
    uint64 internal constant REVEAL = 1 days;
    uint128 internal constant FEE = 0.01 ether;
    uint128 internal constant PENALTY = 0.5 ether;
    uint128 internal constant DEPOSIT = 1 ether;
    uint128 internal constant REPORT_FEE = 0.03 ether;

    ModelReviews internal judges = ModelReviews(modelReviews);
    ReviewsDouble internal pool;
    address[] internal evaluators;
    uint32 internal trainNet;

    function setUp() public virtual override {
        super.setUp();
        pool = new ReviewsDouble(modelReviews);
        genesis(modelReviews, type(ModelReviews).creationCode, abi.encode(models, pool, governance, parameters()));
        for (uint256 i; i < 7; ++i) {
            evaluators.push(address(uint160(0xE7A0 + i)));
        }
        pool.setPool(evaluators);
        vm.deal(developer, 100 ether);
        trainNet = createNet(15, 0);
    }

    function parameters() internal pure returns (ModelReviews.Parameters memory) {
        return ModelReviews.Parameters(COMMIT, REVEAL, FEE, PENALTY, DEPOSIT, REPORT_FEE, 5, 3);
    }

    function createNet(uint8 flags, uint128 floor) internal returns (uint32) {
        vm.prank(curator);
        return datanets.create(
            "net", IDatanets.Policy("CC-BY-4.0", flags, IDatanets.ReviewRule.Open, 0, 0, 50_000, floor, new bytes2[](0))
        );
    }

    function list(uint64 a) internal pure returns (uint64[] memory all) {
        all = new uint64[](1);
        all[0] = a;
    }

    function list(uint64 a, uint64 b) internal pure returns (uint64[] memory all) {
        all = new uint64[](2);
        (all[0], all[1]) = (a, b);
    }

    function nets(uint32 a) internal pure returns (uint32[] memory all) {
        all = new uint32[](1);
        all[0] = a;
    }

    /// @notice A version or a parent: two numbers in one.
    function pair(uint32 high, uint32 low) internal pure returns (uint64) {
        return uint64(high) << 32 | low;
    }

    function inputOf(IModels.Kind kind, bytes32 artifact, bytes32 adapter)
        internal
        view
        returns (IModels.ModelInput memory)
    {
        return IModels.ModelInput("m", kind, artifact, adapter, termsOf(1e5, 2e5, 1e5, 6e5), 0, new uint64[](0));
    }

    /// @notice A model of `who`, whose developer's part of `developPpm` goes to parents as said.
    function derive(address who, uint32 developPpm, uint64[] memory parents) internal returns (uint32) {
        IModels.ModelInput memory input = inputOf(IModels.Kind.Base, BASE, 0);
        input.terms = termsOf(0, 0, developPpm, 1e6 - developPpm);
        input.terms.splits.developer = who;
        input.terms.parents = parents;
        vm.prank(who);
        return models.register(input);
    }

    function criteria() internal pure returns (IModels.Criteria memory) {
        return IModels.Criteria(METRIC, IModels.Direction.AtLeast, 700_000, 10_000, 5, 3, 30 days);
    }

    function proposal() internal view returns (IModels.ModelInput memory input) {
        input = inputOf(IModels.Kind.Adapter, 0, 0);
        input.trained = list(pair(trainNet, datanets.version(trainNet)));
    }

    /// @notice Each model has a set of its own.
    function setOf(uint32 id) internal pure returns (bytes32) {
        return keccak256(abi.encode(SET, id));
    }

    function commitment(uint32 id) internal pure returns (bytes32) {
        return keccak256(abi.encode(setOf(id), SALT));
    }

    // ---------------------------------------------------------------- to every state

    function proposed() internal returns (uint32 id) {
        if (datanets.version(trainNet) == 0) contribute(trainNet, worker, one("text to train on"));
        IModels.ModelInput memory input = proposal();
        vm.prank(developer);
        id = models.propose(input, RECIPE, criteria());
    }

    function approved() internal returns (uint32 id) {
        id = proposed();
        vm.prank(governance);
        models.approve(id, commitment(id));
    }

    function training() internal returns (uint32 id) {
        id = approved();
        vm.prank(developer);
        models.train(id);
    }

    /// @notice A proposal of `who` whose weights are made and whose evaluation set is open.
    function evaluatingOf(address who, IModels.Criteria memory voted) internal returns (uint32 id) {
        IModels.ModelInput memory input = inputOf(IModels.Kind.Adapter, 0, 0);
        vm.prank(who);
        id = models.propose(input, RECIPE, voted);
        vm.prank(governance);
        models.approve(id, commitment(id));
        vm.startPrank(who);
        models.train(id);
        models.submitArtifact(id, BASE, ADAPTER);
        vm.stopPrank();
        models.revealEvaluation(id, setOf(id), SALT, "");
    }

    function submitted() internal returns (uint32 id) {
        id = training();
        vm.prank(developer);
        models.submitArtifact(id, BASE, ADAPTER);
    }

    function evaluating() internal returns (uint32 id) {
        id = submitted();
        models.revealEvaluation(id, setOf(id), SALT, "ipfs://set");
    }

    function evaluated(int128 score) internal returns (uint32 id) {
        id = evaluating();
        vm.prank(modelReviews);
        models.recordEvaluation(id, score, REPORT);
    }

    function deployed() internal returns (uint32 id) {
        id = evaluated(700_000);
        vm.prank(governance);
        models.deploy(id);
    }

    function suspended() internal returns (uint32 id) {
        id = deployed();
        vm.prank(modelReviews);
        models.setSuspended(id, true);
    }

    function retired() internal returns (uint32 id) {
        id = deployed();
        vm.prank(developer);
        models.retire(id);
    }

    function expired() internal returns (uint32 id) {
        id = proposed();
        vm.warp(vm.getBlockTimestamp() + STEP + 1);
        models.expire(id);
    }

    function independent() internal returns (uint32 id) {
        IModels.ModelInput memory input = inputOf(IModels.Kind.Base, BASE, 0);
        vm.prank(developer);
        return models.register(input);
    }

    /// @notice A model in any state but `None`.
    function inState(IModels.State state) internal returns (uint32) {
        if (state == IModels.State.Registered) return registerModel(1e5, 2e5, 1e5, 6e5);
        if (state == IModels.State.Independent) return independent();
        if (state == IModels.State.Proposed) return proposed();
        if (state == IModels.State.Approved) return approved();
        if (state == IModels.State.Training) return training();
        if (state == IModels.State.Evaluating) return evaluating();
        if (state == IModels.State.Evaluated) return evaluated(700_000);
        if (state == IModels.State.Deployed) return deployed();
        if (state == IModels.State.Suspended) return suspended();
        if (state == IModels.State.Retired) return retired();
        return expired();
    }

    function check(uint32 id, IModels.State state) internal view {
        vm.assertEq(uint256(models.stateOf(id)), uint256(state), "state");
    }

    function checkServable(uint32 id, IModels.Reason reason, uint32 datanet) internal view {
        (bool ok, IModels.Reason found, uint32 because) = models.servable(id);
        vm.assertEq(uint256(found), uint256(reason), "reason");
        vm.assertEq(because, datanet, "datanet");
        vm.assertEq(ok, reason == IModels.Reason.None);
    }

    function wrongState(uint32 id, IModels.State state) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IModels.WrongState.selector, id, state);
    }
}
