// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IValidators} from "../src/interfaces/IValidators.sol";
import {SeatedNodes} from "./lib/SeatedNodes.sol";

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

/// @notice Stake that is put on a validator, and comes back.
contract ValidatorStakeTest is SeatedNodes {
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
}
