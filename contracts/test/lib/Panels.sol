// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IReviewed, IReviews} from "../../src/interfaces/IReviews.sol";
import {World} from "./World.sol";

/// @notice A consumer of decisions that does as told. Stands at the address that evaluates models.
contract Consumer is IReviewed {
    IReviews private immutable _reviews;
    uint64 public lastCase;
    bool public lastApproved;
    uint256 public decisions;
    bool public fails;
    bool public burns;
    bytes public back;
    bool public backFailed;

    constructor(IReviews reviews) {
        _reviews = reviews;
    }

    receive() external payable {}

    function set(bool fails_, bool burns_) external {
        (fails, burns) = (fails_, burns_);
    }

    function callBackWith(bytes calldata back_) external {
        back = back_;
    }

    function onDecision(uint64 caseId, bool approved) external {
        require(msg.sender == address(_reviews), "not reviews");
        require(!fails, "fails");
        while (burns) ++decisions;
        (lastCase, lastApproved) = (caseId, approved);
        ++decisions;
        if (back.length != 0) {
            (bool ok,) = address(_reviews).call(back);
            backFailed = !ok;
        }
    }
}

/// @notice Reviewers, and cases taken through their stages.
abstract contract Panels is World {
    address[] internal pool;
    Consumer internal consumer;

    function setUp() public virtual override {
        super.setUp();
        vm.etch(evaluations, address(new Consumer(reviews)).code);
        consumer = Consumer(payable(evaluations));
    }

    function enlist(uint256 count) internal {
        for (uint256 i; i < count; ++i) {
            enlist(address(uint160(0xE0000 + pool.length)));
        }
    }

    function enlist(address who) internal {
        vm.deal(who, who.balance + STAKE);
        vm.prank(who);
        reviews.register{value: STAKE}();
        pool.push(who);
    }

    function open(uint8 n, uint8 k) internal returns (uint64) {
        return open(n, k, address(0), 0);
    }

    function open(uint8 n, uint8 k, address excluded, uint256 fees) internal returns (uint64) {
        vm.deal(evaluations, evaluations.balance + fees);
        vm.prank(evaluations);
        return reviews.request{value: fees}("subject", n, k, excluded);
    }

    function seat(uint64 id) internal returns (address[] memory) {
        drawPanel(id);
        return seated(id);
    }

    /// @dev The block that draws an appeal is named once nobody can appeal any more.
    function drawPanel(uint64 id) internal {
        IReviews.Case memory held = reviews.caseOf(id);
        if (held.seedBlock == 0) {
            vm.warp(held.deadline + 1);
            reviews.seat(id);
        }
        skip(2, 2);
        reviews.seat(id);
    }

    function seated(uint64 id) internal view returns (address[] memory) {
        return reviews.panel(reviews.caseOf(id).panel).members;
    }

    function commit(uint64 id, address who, bool approve) internal {
        bytes32 commitment = reviews.commitmentHash(id, who, approve, keccak256(abi.encode(who, id)));
        vm.prank(who);
        reviews.commit(id, commitment);
    }

    function reveal(uint64 id, address who, bool approve) internal {
        vm.prank(who);
        reviews.reveal(id, approve, keccak256(abi.encode(who, id)));
    }

    /// @dev Of the seated, the first `yes` approve, the next `no` reject, and the others say nothing.
    function vote(uint64 id, uint256 yes, uint256 no) internal {
        address[] memory members = seated(id);
        for (uint256 i; i < yes + no; ++i) {
            commit(id, members[i], i < yes);
        }
        if (yes + no < members.length) skip(1, REVIEW_PERIOD + 1);
        for (uint256 i; i < yes + no; ++i) {
            reveal(id, members[i], i < yes);
        }
        reviews.close(id);
    }

    function appeal(uint64 id, address who) internal returns (uint128 deposit) {
        deposit = reviews.appealDeposit(id);
        vm.deal(who, who.balance + deposit);
        vm.prank(who);
        reviews.appeal{value: deposit}(id);
    }

    function endPeriod() internal {
        skip(1, REVIEW_PERIOD + 1);
    }

    function stakeOf(address who) internal view returns (uint256) {
        return reviews.reviewerOf(who).stake;
    }

    function expectStage(uint64 id, IReviews.Stage stage) internal view {
        vm.assertEq(uint256(reviews.stageOf(id)), uint256(stage));
    }

    function contains(address[] memory list, address who) internal pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == who) return true;
        }
        return false;
    }
}
