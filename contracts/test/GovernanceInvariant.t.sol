// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {GovernedWorld} from "./lib/GovernedWorld.sol";
import {Steps} from "./lib/Steps.sol";
import {Test} from "./lib/Vm.sol";

/// @notice People who wrap, unwrap, move, lend and cast votes, propose, queue, execute and cancel, in any order.
contract Voters is GovernedWorld, Steps {
    uint256[4] private keys = [uint256(0xB1), 0xB2, 0xB3, VOTER_KEY];
    address[] private people;
    uint256[] private proposals;
    mapping(uint256 proposal => Proposal) private _proposals;
    /// @dev Proposals that were executed though they were cancelled, too early, or against the vote.
    uint256 public wronglyExecuted;
    mapping(uint256 proposal => bool) private cancelled;
    mapping(uint256 proposal => uint256) private queuedAt;
    uint256 private touched; // the proposal that a step changed, if any
    bool private authority; // whether it may have changed who may do what

    function forget() internal override {
        (touched, authority) = (0, false);
    }

    function start() external {
        setUp();
        for (uint256 i; i < keys.length; ++i) {
            people.push(vm.addr(keys[i]));
        }
        people.push(address(0xCAFE)); // never delegates
        vm.deal(address(timelock), 1000 ether);
        for (uint256 i; i < people.length; ++i) {
            vm.deal(people[i], people[i].balance + 200 ether);
        }
    }

    function someone(uint256 who) private view returns (address) {
        return people[who % people.length];
    }

    // ---------------------------------------------------------------- coins

    function wrapSome(uint256 who, uint256 to, uint256 amount, bool plain) external counted("wrap") {
        address from = someone(who);
        amount = bound(amount, 0, from.balance);
        vm.prank(from);
        if (plain) {
            (bool ok,) = address(token).call{value: amount}("");
            require(ok, "refused");
        } else {
            token.depositTo{value: amount}(someone(to));
        }
    }

    function unwrap(uint256 who, uint256 amount) external counted("unwrap") {
        address from = someone(who);
        amount = bound(amount, 0, token.balanceOf(from));
        vm.prank(from);
        token.withdraw(amount);
    }

    function move(uint256 who, uint256 to, uint256 amount) external counted("move") {
        address from = someone(who);
        amount = bound(amount, 0, token.balanceOf(from));
        vm.prank(from);
        token.transfer(someone(to), amount);
    }

    function lend(uint256 who, uint256 to) external counted("lend") {
        vm.prank(people[who % 4]);
        token.delegate(to % 7 == 0 ? address(0) : someone(to));
    }

    function lendBySignature(uint256 who, uint256 to) external counted("lendBySignature") {
        uint256 key = keys[who % 4];
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Delegation(address delegatee,uint256 nonce,uint256 expiry)"),
                someone(to),
                token.nonces(vm.addr(key)),
                block.timestamp
            )
        );
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        token.delegateBySig(someone(to), token.nonces(vm.addr(key)), block.timestamp, v, r, s);
    }

    // ---------------------------------------------------------------- proposals

    function proposeOne(uint256 who, uint256 kind) external counted("propose") {
        Proposal memory p;
        string memory why = vm.toString(proposals.length);
        if (kind % 4 == 0) {
            p = call(someone(who), 1 ether, "", why);
        } else if (kind % 4 == 1) {
            p = call(address(governor), 0, abi.encodeCall(governor.setVotingDelay, (VOTING_DELAY)), why);
        } else if (kind % 4 == 2) {
            p = call(address(timelock), 0, abi.encodeCall(timelock.setGuardian, (guardian)), why);
        } else {
            p = call(address(timelock), 0, abi.encodeCall(timelock.updateDelay, (DELAY + kind % 100)), why);
        }
        vm.prank(someone(who));
        uint256 id = governor.propose(p.targets, p.values, p.calldatas, p.description);
        proposals.push(id);
        _proposals[id] = p;
        touched = id;
    }

    function pick(uint256 which) private view returns (uint256) {
        uint256 count = proposals.length;
        return proposals[count - 1 - which % (count < 5 ? count : 5)];
    }

    function vote(uint256 who, uint256 which, uint8 support) external counted("vote") {
        touched = pick(which);
        vm.prank(someone(who));
        governor.castVote(touched, support % 5 == 0 ? 0 : support % 5 == 1 ? 2 : 1);
    }

    function queueOne(uint256 which) external counted("queue") {
        uint256 id = pick(which);
        queue(_proposals[id]);
        queuedAt[id] = block.timestamp;
        (touched, authority) = (id, true);
    }

    function executeOne(uint256 which, bool direct) external counted("execute") {
        uint256 id = pick(which);
        Proposal memory p = _proposals[id];
        uint256 delay = timelock.leastDelay();
        if (direct) {
            timelock.executeBatch(p.targets, p.values, p.calldatas, 0, bytes20(address(governor)) ^ hash(p));
        } else {
            execute(p);
        }
        (uint256 against, uint256 inFavour, uint256 abstained) = governor.proposalVotes(id);
        bool early = queuedAt[id] == 0 || block.timestamp <= governor.proposalDeadline(id)
            || block.timestamp < queuedAt[id] + delay;
        bool lost = inFavour <= against || inFavour + abstained < governor.quorum(governor.proposalSnapshot(id));
        if (early || lost || cancelled[id]) ++wronglyExecuted;
        (touched, authority) = (id, true);
    }

    function cancelOne(uint256 which) external counted("cancel") {
        uint256 id = pick(which);
        bytes32 waiting = operation(_proposals[id]);
        vm.prank(guardian);
        timelock.cancel(waiting);
        cancelled[id] = true;
        (touched, authority) = (id, true);
    }

    function pass(uint256 secs) external counted("pass") {
        skip(1, secs % 3 == 0 ? VOTING_PERIOD : secs % 3 == 1 ? VOTING_DELAY + 1 : bound(secs, 1, 200));
    }

    /// @dev One whole life of a proposal, so that long runs see many.
    function life(uint256 who, uint256 kind, uint8 support) external counted("life") {
        this.proposeOne(who, kind);
        skip(1, VOTING_DELAY + 1);
        for (uint256 i; i < people.length; ++i) {
            try this.vote(i, 0, support >> i) {} catch {}
        }
        skip(1, VOTING_PERIOD + EXTENSION);
        this.queueOne(0);
        if (support % 4 == 0) this.cancelOne(0);
        skip(1, DELAY + 100);
        this.executeOne(0, kind % 4 != 1 && who % 2 == 0);
    }

    // ---------------------------------------------------------------- what must hold

    function sums() external view returns (uint256 balances, uint256 votes, uint256 lent) {
        for (uint256 i; i < people.length; ++i) {
            uint256 balance = token.balanceOf(people[i]);
            balances += balance;
            votes += token.getVotes(people[i]);
            if (token.delegates(people[i]) != address(0)) lent += balance;
        }
    }

    function supply() external view returns (uint256 wrapped, uint256 native) {
        return (token.totalSupply(), address(token).balance);
    }

    /// @dev Proposals with more votes than there were coins; of all, the last six may still be voted on.
    function outvoted(bool whole) external view returns (uint256 count) {
        if (!whole) return touched != 0 && hasTooManyVotes(touched) ? 1 : 0;
        for (uint256 i = proposals.length > 6 ? proposals.length - 6 : 0; i < proposals.length; ++i) {
            if (hasTooManyVotes(proposals[i])) ++count;
        }
    }

    function hasTooManyVotes(uint256 id) private view returns (bool) {
        uint256 snapshot = governor.proposalSnapshot(id);
        if (snapshot >= block.timestamp) return false;
        (uint256 against, uint256 inFavour, uint256 abstained) = governor.proposalVotes(id);
        return against + inFavour + abstained > token.getPastTotalSupply(snapshot);
    }

    function rolesHold(bool whole) external view returns (bool) {
        if (!whole && !authority) return true;
        bytes32 proposer = timelock.PROPOSER_ROLE();
        bytes32 canceller = timelock.CANCELLER_ROLE();
        bytes32 admin = timelock.DEFAULT_ADMIN_ROLE();
        for (uint256 i; i < people.length; ++i) {
            if (
                timelock.hasRole(proposer, people[i]) || timelock.hasRole(canceller, people[i])
                    || timelock.hasRole(admin, people[i])
            ) return false;
        }
        return timelock.hasRole(proposer, address(governor)) && !timelock.hasRole(canceller, address(governor))
            && !timelock.hasRole(admin, address(governor)) && timelock.hasRole(canceller, guardian)
            && !timelock.hasRole(proposer, guardian) && !timelock.hasRole(admin, guardian)
            && timelock.hasRole(admin, address(timelock)) && timelock.guardian() == guardian
            && timelock.getMinDelay() >= timelock.leastDelay();
    }
}

contract GovernanceInvariantTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Voters private voters;

    function setUp() public {
        voters = new Voters();
        voters.start();
        for (uint256 i; i < 4; ++i) {
            voters.wrapSome(i, i, 60 ether, false);
            voters.lend(i, i + 1);
        }
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(voters);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](13);
        selectors[0] = Voters.wrapSome.selector;
        selectors[1] = Voters.unwrap.selector;
        selectors[2] = Voters.move.selector;
        selectors[3] = Voters.lend.selector;
        selectors[4] = Voters.lendBySignature.selector;
        selectors[5] = Voters.proposeOne.selector;
        selectors[6] = Voters.vote.selector;
        selectors[7] = Voters.vote.selector;
        selectors[8] = Voters.queueOne.selector;
        selectors[9] = Voters.executeOne.selector;
        selectors[10] = Voters.cancelOne.selector;
        selectors[11] = Voters.pass.selector;
        selectors[12] = Voters.life.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(voters), selectors);
    }

    /// @dev One campaign looks at everything: docs/decisions/0044-one-campaign.md and 0088-what-a-step-touched.md.
    function invariant_governance() public view {
        everythingHolds(voters.isWhole());
    }

    function afterInvariant() public view {
        everythingHolds(true);
    }

    function everythingHolds(bool whole) private view {
        (uint256 wrapped, uint256 native) = voters.supply();
        (uint256 balances, uint256 votes, uint256 lent) = voters.sums();
        vm.assertEq(wrapped, native, "wrappedIsNativeHeld");
        vm.assertEq(balances, wrapped, "wrappedIsNativeHeld");
        vm.assertEq(votes, lent, "votesAreThoseLentAndAtMostTheSupply");
        vm.assertLe(votes, wrapped, "votesAreThoseLentAndAtMostTheSupply");
        vm.assertEq(voters.outvoted(whole), 0, "noProposalHasMoreVotesThanCoins");
        vm.assertEq(voters.wronglyExecuted(), 0, "onlyWhatWasVotedAndWaitedIsExecuted");
        vm.assertTrue(voters.rolesHold(whole), "roles");
    }

    /// @dev The steps do work: without this the invariants could hold because nothing happens.
    function testTheStepsHappen() public {
        uint256 executed;
        uint256 stopped;
        for (uint256 i; i < 24; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(i)));
            try voters.life(draw, i, uint8(draw)) {
                ++executed;
            } catch {
                ++stopped;
            }
            voters.move(draw, draw >> 8, draw >> 16);
            voters.lendBySignature(draw >> 3, draw >> 9);
            voters.unwrap(draw >> 7, (draw >> 11) % 1 ether);
            voters.pass(draw);
        }
        vm.assertGe(executed, 3);
        vm.assertGe(stopped, 3);
        everythingHolds(true);
    }
}
