// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorPreventLateQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {
    GovernorVotesQuorumFraction
} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {FonteGovernor} from "../src/FonteGovernor.sol";
import {IFonteGovernor} from "../src/interfaces/IFonteGovernor.sol";
import {Wallet} from "./lib/Doubles.sol";
import {GovernedWorld} from "./lib/GovernedWorld.sol";

contract FonteGovernorTest is GovernedWorld {
    address private friend = address(0xF21E2D);
    address private rival = address(0x21741);

    bytes32 private constant DELEGATION = keccak256("Delegation(address delegatee,uint256 nonce,uint256 expiry)");

    /// @dev Sends coins out of the treasury: the plainest thing to vote on.
    function grant(uint256 amount) private returns (Proposal memory) {
        vm.deal(address(timelock), amount);
        return call(friend, amount, "", "A grant to a friend of the commons");
    }

    function testParametersOfGenesis() public view {
        vm.assertEq(governor.name(), "FonteGovernor");
        vm.assertEq(governor.votingDelay(), VOTING_DELAY);
        vm.assertEq(governor.votingPeriod(), VOTING_PERIOD);
        vm.assertEq(governor.proposalThreshold(), THRESHOLD);
        vm.assertEq(governor.quorumNumerator(), QUORUM_PPM);
        vm.assertEq(governor.quorumDenominator(), 1e6);
        vm.assertEq(governor.minimumQuorum(), MINIMUM_QUORUM);
        vm.assertEq(uint256(governor.lateQuorumVoteExtension()), EXTENSION);
        vm.assertEq(governor.timelock(), address(timelock));
        vm.assertEq(address(governor.token()), address(token));
        vm.assertEq(governor.COUNTING_MODE(), "support=bravo&quorum=for,abstain");
    }

    function testTheClockIsTheTokens() public {
        vm.assertEq(governor.CLOCK_MODE(), token.CLOCK_MODE());
        for (uint256 i; i < 3; ++i) {
            vm.assertEq(uint256(governor.clock()), uint256(token.clock()));
            skip(3, 1234);
        }
    }

    function testProposeVoteQueueExecute() public {
        Proposal memory p = grant(3 ether);
        uint256 id = propose(p);
        expectState(id, IGovernor.ProposalState.Pending);
        vm.assertEq(id, governor.hashProposal(p.targets, p.values, p.calldatas, hash(p)));
        vm.assertEq(governor.proposalSnapshot(id), block.timestamp + VOTING_DELAY);
        vm.assertEq(governor.proposalDeadline(id), block.timestamp + VOTING_DELAY + VOTING_PERIOD);
        skip(1, VOTING_DELAY + 1);
        expectState(id, IGovernor.ProposalState.Active);
        cast(voter, id, 1);
        skip(1, VOTING_PERIOD);
        expectState(id, IGovernor.ProposalState.Succeeded);
        vm.assertTrue(governor.proposalNeedsQueuing(id));
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        execute(p);
        queue(p);
        expectState(id, IGovernor.ProposalState.Queued);
        vm.assertEq(governor.proposalEta(id), block.timestamp + DELAY);
        skip(1, DELAY - 1);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        execute(p);
        skip(1, 1);
        vm.prank(friend); // anybody
        execute(p);
        expectState(id, IGovernor.ProposalState.Executed);
        vm.assertEq(friend.balance, 3 ether);
        vm.assertEq(address(timelock).balance, 0);
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        execute(p);
    }

    function testVotesBeforeAndAfterTheVoteAreRefused() public {
        Proposal memory p = grant(1 ether);
        uint256 id = propose(p);
        vm.prank(voter);
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        governor.castVote(id, 1);
        skip(1, VOTING_DELAY + 1);
        cast(voter, id, 1);
        vm.prank(voter);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorAlreadyCastVote.selector, voter));
        governor.castVote(id, 1);
        skip(1, VOTING_PERIOD);
        vm.prank(rival);
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        governor.castVote(id, 0);
    }

    function testCoinsVoteOnceHoweverTheyMove() public {
        wrap(rival, 60 ether);
        uint256 id = proposeAndOpen(grant(1 ether));
        cast(voter, id, 1);
        // Bought after the snapshot: no vote in this proposal.
        vm.prank(voter);
        token.transfer(rival, 100 ether);
        skip(1, 1);
        cast(rival, id, 0);
        (uint256 against, uint256 inFavour, uint256 abstained) = governor.proposalVotes(id);
        vm.assertEq(against, 60 ether);
        vm.assertEq(inFavour, 100 ether);
        vm.assertEq(abstained, 0);
    }

    function testUndelegatedAndNativeCoinsDoNotVote() public {
        vm.deal(rival, 500 ether);
        vm.prank(rival);
        token.deposit{value: 200 ether}();
        uint256 id = proposeAndOpen(grant(1 ether));
        cast(rival, id, 0);
        (uint256 against,,) = governor.proposalVotes(id);
        vm.assertEq(against, 0);
    }

    function testTheThreshold() public {
        wrap(rival, THRESHOLD - 1);
        Proposal memory p = grant(1 ether);
        vm.prank(rival);
        vm.expectRevert(
            abi.encodeWithSelector(
                IGovernor.GovernorInsufficientProposerVotes.selector, rival, THRESHOLD - 1, THRESHOLD
            )
        );
        governor.propose(p.targets, p.values, p.calldatas, p.description);
        wrap(rival, 1);
        vm.prank(rival);
        governor.propose(p.targets, p.values, p.calldatas, p.description);
    }

    function testBySignature() public {
        uint256 id = proposeAndOpen(grant(1 ether));
        bytes32 ballot = keccak256(abi.encode(governor.BALLOT_TYPEHASH(), id, 1, voter, governor.nonces(voter)));
        bytes memory signature = sign(VOTER_KEY, governorDigest(ballot));
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, voter));
        governor.castVoteBySig(id, 0, voter, signature);
        vm.prank(friend); // anybody relays and pays the gas
        governor.castVoteBySig(id, 1, voter, signature);
        vm.assertTrue(governor.hasVoted(id, voter));
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, voter));
        governor.castVoteBySig(id, 1, voter, signature);
    }

    function testBySignatureWithReason() public {
        uint256 id = proposeAndOpen(grant(1 ether));
        bytes32 ballot = keccak256(
            abi.encode(
                governor.EXTENDED_BALLOT_TYPEHASH(),
                id,
                2,
                voter,
                governor.nonces(voter),
                keccak256("unsure"),
                keccak256("")
            )
        );
        governor.castVoteWithReasonAndParamsBySig(id, 2, voter, "unsure", "", sign(VOTER_KEY, governorDigest(ballot)));
        (,, uint256 abstained) = governor.proposalVotes(id);
        vm.assertEq(abstained, 100 ether);
    }

    function testAContractVotesBySignature() public {
        Wallet wallet = new Wallet(voter);
        vm.prank(voter);
        token.delegate(address(wallet));
        skip(1, 1);
        Proposal memory p = grant(1 ether);
        wallet.act(
            address(governor), abi.encodeCall(governor.propose, (p.targets, p.values, p.calldatas, p.description))
        );
        skip(1, VOTING_DELAY + 1);
        uint256 id = governor.hashProposal(p.targets, p.values, p.calldatas, hash(p));
        bytes32 ballot = keccak256(abi.encode(governor.BALLOT_TYPEHASH(), id, 1, wallet, 0));
        governor.castVoteBySig(id, 1, address(wallet), sign(VOTER_KEY, governorDigest(ballot)));
        vm.assertTrue(governor.hasVoted(id, address(wallet)));
    }

    function testDelegation() public {
        // Somebody who never proposes lends the votes by a signature that another one sends.
        bytes32 structHash = keccak256(abi.encode(DELEGATION, rival, token.nonces(voter), block.timestamp + 60));
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(VOTER_KEY, digest);
        token.delegateBySig(rival, 0, block.timestamp + 60, v, r, s);
        skip(1, 1);
        vm.assertEq(token.delegates(voter), rival);
        Proposal memory p = grant(1 ether);
        vm.prank(rival);
        uint256 id = governor.propose(p.targets, p.values, p.calldatas, p.description);
        skip(1, VOTING_DELAY + 1);
        cast(rival, id, 1);
        cast(voter, id, 0);
        (uint256 against, uint256 inFavour,) = governor.proposalVotes(id);
        vm.assertEq(against, 0);
        vm.assertEq(inFavour, 100 ether);
        // Taking it back counts for later snapshots only.
        vm.prank(voter);
        token.delegate(voter);
        vm.assertEq(token.getVotes(rival), 0);
    }

    function governorDigest(bytes32 structHash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("FonteGovernor"),
                keccak256("1"),
                block.chainid,
                governor
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, structHash));
    }

    // ---------------------------------------------------------------- quorum

    function testTheMinimumQuorumHoldsWhileLittleIsWrapped() public {
        // 4 % of 100 wrapped coins are 4, but 50 must vote.
        vm.assertEq(governor.quorum(block.timestamp - 1), MINIMUM_QUORUM);
        wrap(rival, 49 ether);
        Proposal memory p = grant(1 ether);
        uint256 id = proposeAndOpen(p);
        cast(rival, id, 1);
        skip(1, VOTING_PERIOD);
        expectState(id, IGovernor.ProposalState.Defeated);
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        queue(p);
    }

    function testTheFractionRulesAboveIt() public {
        vm.deal(rival, 10_000 ether);
        vm.prank(rival);
        token.depositTo{value: 10_000 ether}(friend); // wrapped and never delegated, and yet it counts
        skip(1, 1);
        vm.assertEq(governor.quorum(block.timestamp - 1), uint256(10_100 ether) * QUORUM_PPM / 1e6);
        uint256 id = proposeAndOpen(grant(1 ether));
        cast(voter, id, 1); // 100 of 404
        skip(1, VOTING_PERIOD);
        expectState(id, IGovernor.ProposalState.Defeated);
    }

    function testAbstentionsMakeAQuorumButNoMajority() public {
        wrap(rival, 30 ether);
        wrap(friend, 5 ether);
        uint256 id = proposeAndOpen(grant(1 ether));
        cast(voter, id, 2);
        cast(rival, id, 0);
        cast(friend, id, 1);
        skip(1, VOTING_PERIOD);
        expectState(id, IGovernor.ProposalState.Defeated);
    }

    function testAgainstVotesMakeNoQuorum() public {
        wrap(rival, 49 ether);
        uint256 id = proposeAndOpen(grant(1 ether));
        cast(rival, id, 1);
        cast(voter, id, 0);
        skip(1, VOTING_PERIOD);
        expectState(id, IGovernor.ProposalState.Defeated);
    }

    function testATieIsALoss() public {
        wrap(rival, 100 ether);
        uint256 id = proposeAndOpen(grant(1 ether));
        cast(voter, id, 1);
        cast(rival, id, 0);
        skip(1, VOTING_PERIOD);
        expectState(id, IGovernor.ProposalState.Defeated);
    }

    function testFuzzQuorumIsTheLargerOfTheTwo(uint96 wrapped, uint24 ppm) public {
        ppm = uint24(bound(ppm, 0, 1e6));
        enact(call(address(governor), abi.encodeCall(governor.updateQuorumNumerator, (ppm))));
        vm.deal(rival, wrapped);
        vm.prank(rival);
        token.deposit{value: wrapped}();
        skip(1, 1);
        uint256 fraction = (uint256(wrapped) + 100 ether) * ppm / 1e6;
        uint256 expected = fraction > MINIMUM_QUORUM ? fraction : MINIMUM_QUORUM;
        vm.assertEq(governor.quorum(block.timestamp - 1), expected);
    }

    // ---------------------------------------------------------------- late quorum

    function testALateQuorumExtendsTheVote() public {
        wrap(rival, 120 ether);
        Proposal memory p = grant(1 ether);
        uint256 id = proposeAndOpen(p);
        uint256 deadline = governor.proposalDeadline(id);
        vm.warp(deadline - 5);
        vm.prank(voter);
        vm.expectEmit(true, true, true, true, address(governor));
        emit GovernorPreventLateQuorum.ProposalExtended(id, uint64(deadline) - 5 + EXTENSION);
        governor.castVote(id, 1); // the quorum, at the last moment
        vm.assertEq(governor.proposalDeadline(id), deadline - 5 + EXTENSION);
        vm.warp(deadline + 1);
        expectState(id, IGovernor.ProposalState.Active);
        cast(rival, id, 0); // and there is time to answer
        vm.warp(deadline + EXTENSION);
        expectState(id, IGovernor.ProposalState.Defeated);
    }

    function testAQuorumInTimeExtendsNothing() public {
        wrap(rival, 120 ether);
        uint256 id = proposeAndOpen(grant(1 ether));
        uint256 deadline = governor.proposalDeadline(id);
        cast(voter, id, 1);
        vm.assertEq(governor.proposalDeadline(id), deadline);
        vm.warp(deadline - 1);
        cast(rival, id, 0); // the quorum is reached only once
        vm.assertEq(governor.proposalDeadline(id), deadline);
    }

    function testTheExtensionIsBounded() public {
        Proposal memory p =
            call(address(governor), abi.encodeCall(governor.setLateQuorumVoteExtension, (uint48(VOTING_PERIOD) + 1)));
        carry(p);
        skip(1, DELAY);
        vm.expectRevert(
            abi.encodeWithSelector(
                GovernorPreventLateQuorum.GovernorPreventLateQuorumVoteExtensionTooLarge.selector,
                VOTING_PERIOD + 1,
                VOTING_PERIOD
            )
        );
        execute(p);
    }

    // ---------------------------------------------------------------- parameters

    function testAVoteChangesTheParameters() public {
        Proposal memory p;
        (p.targets, p.values, p.calldatas) = (new address[](5), new uint256[](5), new bytes[](5));
        for (uint256 i; i < 5; ++i) {
            p.targets[i] = address(governor);
        }
        p.calldatas[0] = abi.encodeCall(governor.setVotingDelay, (61));
        p.calldatas[1] = abi.encodeCall(governor.setVotingPeriod, (601));
        p.calldatas[2] = abi.encodeCall(governor.setProposalThreshold, (11 ether));
        p.calldatas[3] = abi.encodeCall(governor.updateQuorumNumerator, (50_000));
        p.calldatas[4] = abi.encodeCall(governor.setLateQuorumVoteExtension, (121));
        p.description = "Slower, and with more of us";
        enact(p);
        vm.assertEq(governor.votingDelay(), 61);
        vm.assertEq(governor.votingPeriod(), 601);
        vm.assertEq(governor.proposalThreshold(), 11 ether);
        vm.assertEq(governor.quorumNumerator(), 50_000);
        vm.assertEq(uint256(governor.lateQuorumVoteExtension()), 121);
    }

    function testAQuorumAboveEverythingIsRefused() public {
        Proposal memory p = call(address(governor), abi.encodeCall(governor.updateQuorumNumerator, (1e6 + 1)));
        carry(p);
        skip(1, DELAY);
        vm.expectPartialRevert(GovernorVotesQuorumFraction.GovernorInvalidQuorumFraction.selector);
        execute(p);
    }

    function testNotEvenAVoteChangesTheTimelock() public {
        Proposal memory p =
            call(address(governor), abi.encodeCall(governor.updateTimelock, (TimelockController(payable(rival)))));
        carry(p);
        skip(1, DELAY);
        vm.expectRevert(IFonteGovernor.TimelockIsFixed.selector);
        execute(p);
        vm.assertEq(governor.timelock(), address(timelock));
    }

    function testOwnCallsGoThroughTheGovernorOnly() public {
        // Executing a passed proposal past the Governor must not reach its settings.
        Proposal memory p = call(address(governor), abi.encodeCall(governor.setVotingDelay, (1)));
        carry(p);
        skip(1, DELAY);
        bytes32 salt = bytes20(address(governor)) ^ hash(p);
        vm.expectRevert();
        timelock.executeBatch(p.targets, p.values, p.calldatas, 0, salt);
        execute(p);
        vm.assertEq(governor.votingDelay(), 1);
    }

    function testRelayRescuesWhatWasSentToTheGovernor() public {
        vm.deal(address(governor), 1 ether);
        enact(call(address(governor), abi.encodeCall(governor.relay, (address(timelock), 1 ether, ""))));
        vm.assertEq(address(timelock).balance, 1 ether);
    }

    function testTheGovernorTakesNoCoins() public {
        vm.deal(rival, 1 ether);
        vm.prank(rival);
        vm.expectRevert(IGovernor.GovernorDisabledDeposit.selector);
        (bool ok,) = address(governor).call{value: 1 ether}("");
        ok;
    }

    function testTheProposerWithdrawsBeforeTheVoteOnly() public {
        Proposal memory p = grant(1 ether);
        uint256 id = propose(p);
        vm.prank(rival);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorUnableToCancel.selector, id, rival));
        governor.cancel(p.targets, p.values, p.calldatas, hash(p));
        vm.prank(voter);
        governor.cancel(p.targets, p.values, p.calldatas, hash(p));
        expectState(id, IGovernor.ProposalState.Canceled);

        p.description = "once more";
        id = proposeAndOpen(p);
        vm.prank(voter);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorUnableToCancel.selector, id, voter));
        governor.cancel(p.targets, p.values, p.calldatas, hash(p));
    }

    function testNobodyTakesAProposalAway() public {
        // Named at the end of the description, only that account can make the proposal.
        wrap(rival, THRESHOLD);
        Proposal memory p = grant(1 ether);
        p.description = string.concat("A grant#proposer=", toHex(voter));
        vm.prank(rival);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorRestrictedProposer.selector, rival));
        governor.propose(p.targets, p.values, p.calldatas, p.description);
        propose(p);
    }

    function toHex(address a) private pure returns (string memory) {
        bytes memory text = "0x0000000000000000000000000000000000000000";
        for (uint256 i; i < 40; ++i) {
            text[2 + i] = bytes("0123456789abcdef")[uint160(a) >> (156 - 4 * i) & 15];
        }
        return string(text);
    }

    function testConstructorsRefuse() public {
        IFonteGovernor.Parameters memory p = parameters();
        p.minimumQuorum = 0;
        vm.expectRevert(IFonteGovernor.NoQuorum.selector);
        new FonteGovernor(token, timelock, p);
        p = parameters();
        p.votingPeriod = 0;
        vm.expectPartialRevert(IGovernor.GovernorInvalidVotingPeriod.selector);
        new FonteGovernor(token, timelock, p);
    }

    function testInterfaces() public view {
        vm.assertTrue(governor.supportsInterface(type(IGovernor).interfaceId));
        vm.assertEq(governor.version(), "1");
    }
}
