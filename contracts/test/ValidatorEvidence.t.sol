// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Validators} from "../src/Validators.sol";
import {IValidators} from "../src/interfaces/IValidators.sol";
import {NodeKeys} from "./lib/NodeKeys.sol";
import {SeatedNodes} from "./lib/SeatedNodes.sol";

/// @notice Double signs that are reported, and what they cost.
contract ValidatorEvidenceTest is SeatedNodes {
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
    /// forge-config: long.fuzz.runs = 2000
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
    /// forge-config: long.fuzz.runs = 2000
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
