// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FonteToken} from "../src/FonteToken.sol";
import {IValidators} from "../src/interfaces/IValidators.sol";
import {IWorkers} from "../src/interfaces/IWorkers.sol";
import {NodeKeys} from "./lib/NodeKeys.sol";
import {Nodes} from "./lib/Nodes.sol";
import {Test} from "./lib/Vm.sol";

/// @notice Random operators, delegators, reporters and workers, one step at a time. Keeps its own accounts, which the
/// invariants compare with the contracts'. What a step sees that must not be is counted: a step that reverts is undone, and what it
/// noted with it.
contract NodesHandler is Nodes {
    uint256 private constant OPERATORS = 12;
    uint256 private constant DELEGATORS = 4;
    uint256 private constant WORKERS = 4;
    address public constant REPORTER = address(0x4E90);

    /// @dev All that somebody put on a validator and has not been paid, as staked; and what it has been paid.
    mapping(address operator => mapping(address who => uint256)) public put;
    mapping(address operator => mapping(address who => uint256)) public got;
    mapping(address operator => bool) public jailed;
    mapping(address operator => uint256) public slashed;
    uint256 public registered = 4;
    uint256 public unruly; // reports that paid or burnt other than the rule says
    uint256 public claims;
    uint256 public jails;
    uint256 public changes;
    uint256 public broken; // elections that changed a third or more
    mapping(address who => uint256) public workerPut;
    mapping(bytes32 step => uint256) public done;

    modifier counted(bytes32 step) {
        _;
        ++done[step];
    }

    function start() external {
        vm.roll(1000);
        vm.warp(1_790_000_000);
        deployNodes(keccak256("a network"), address(0x60), address(new FonteToken()));
        for (uint256 i; i < 4; ++i) {
            put[NodeKeys.operator(i)][NodeKeys.operator(i)] = 100 ether;
        }
    }

    function person(uint256 i) public pure returns (address) {
        return i < OPERATORS ? NodeKeys.operator(i) : address(uint160(0xA000 + i));
    }

    function people() public pure returns (uint256) {
        return OPERATORS + DELEGATORS;
    }

    // ---------------------------------------------------------------- steps

    function join(uint256 stake) external counted("join") {
        require(registered < OPERATORS);
        stake = bound(stake, 0, 200 ether);
        address who = register(registered++, stake);
        put[who][who] += stake;
    }

    function stakeSome(uint256 to, uint256 from, uint256 amount) external counted("delegate") {
        address operator = person(to % registered);
        address who = from % 3 == 0 ? operator : person(from % people());
        amount = amount % 4 == 0 ? amount % 1000 + 1 : bound(amount, 1, 150 ether);
        delegate(who, operator, amount);
        put[operator][who] += amount;
    }

    function unstake(uint256 to, uint256 from, uint256 amount) external counted("undelegate") {
        address operator = person(to % registered);
        address who = from % 3 == 0 ? operator : person(from % people());
        uint256 staked = validators.delegation(operator, who).bonded;
        amount = amount % 3 == 0 ? staked : bound(amount, 1, staked);
        vm.prank(who);
        validators.undelegate(operator, uint128(amount));
    }

    function unstakeSome(uint256 to, uint256 from) external {
        for (uint256 i; i < people(); ++i) {
            address operator = person(to % registered);
            address who = person((from + i) % people());
            uint256 staked = validators.delegation(operator, who).bonded;
            if (staked == 0) continue;
            vm.prank(who);
            validators.undelegate(operator, uint128(staked));
            return;
        }
    }

    function claim(uint256 to, uint256 from) external counted("claim") {
        address operator = person(to % registered);
        for (uint256 i; i < people(); ++i) {
            address who = person((from + i) % people());
            if (claimOne(operator, who)) return;
        }
        revert("nothing to claim");
    }

    function claimOne(address operator, address who) public returns (bool) {
        uint256 before = who.balance;
        vm.prank(who);
        try validators.claim(operator) {
            got[operator][who] += who.balance - before;
            ++claims;
            return true;
        } catch {
            return false;
        }
    }

    function enlist(uint256 who) external counted("enlist") {
        for (uint256 i; i < registered; ++i) {
            vm.prank(person((who + i) % registered));
            try validators.enlist() {
                return;
            } catch {}
        }
    }

    function resign(uint256 who) external counted("resign") {
        vm.prank(person(who % registered));
        validators.resign();
    }

    function electSome(uint256 blocks, uint256 secs) external counted("elect") {
        address[] memory before = validators.operatorsOf(validators.epoch());
        skip(bound(blocks, 9, 15), secs % 4 == 0 ? 2000 : bound(secs, 99, 300));
        validators.endEpoch();
        address[] memory afterwards = validators.operatorsOf(validators.epoch());
        uint256 kept;
        for (uint256 i; i < before.length; ++i) {
            for (uint256 j; j < afterwards.length; ++j) {
                if (before[i] == afterwards[j]) ++kept;
            }
        }
        uint256 changed = (before.length > afterwards.length ? before.length : afterwards.length) - kept;
        if (changed == 0) return;
        ++changes;
        if (3 * changed >= before.length || 3 * (afterwards.length - kept) >= afterwards.length) ++broken;
    }

    function report(uint256 who, uint256 fault) external counted("report") {
        // Rare, or soon nobody is left.
        require(who % 3 == 0);
        uint256 i = who / 3 % registered;
        address operator = NodeKeys.operator(i);
        (IValidators.Vote memory a, IValidators.Vote memory b) =
            doubleSign(i, IValidators.Fault(fault % 3), uint64(fault), uint64(who));
        (uint256 due, uint256 reward) = ruled(operator);
        uint256 rewarded = REPORTER.balance;
        uint256 burnt = address(0).balance;
        vm.prank(REPORTER);
        validators.report(operator, IValidators.Fault(fault % 3), uint64(fault), uint64(who), a, b);
        jailed[operator] = true;
        slashed[operator] += due;
        rewarded = REPORTER.balance - rewarded;
        burnt = address(0).balance - burnt;
        if (rewarded != reward || burnt + rewarded != due || rewarded > burnt) ++unruly;
        ++jails;
    }

    /// @dev What a report takes, by the rule: once, a tenth of all that is staked, rounded up; half of the operator's own part of it,
    /// rounded down, is the reporter's.
    function ruled(address operator) private view returns (uint256 due, uint256 reward) {
        if (jailed[operator]) return (0, 0);
        IValidators.Validator memory v = validators.validator(operator);
        IValidators.Delegation memory own = validators.delegation(operator, operator);
        due = (uint256(v.bonded) + v.exiting + 9) / 10;
        reward = (uint256(own.bonded) + own.exiting) / 10 / 2;
    }

    function work(uint256 who, uint256 what, uint256 amount) external counted("work") {
        address account = address(uint160(0xE000 + who % WORKERS));
        amount = bound(amount, 1, 5 ether);
        uint256 start_ = account.balance;
        uint256 before = start_;
        if (what % 6 < 2 || what % 6 == 4) {
            vm.deal(account, before + amount);
            before += amount;
        }
        bytes memory data = what % 6 == 0
            ? abi.encodeCall(IWorkers.register, (NodeKeys.workerInfo(uint32(amount / 1 ether + what / 6 % 2)))) // or one slot too many
            : what % 6 == 1
                ? abi.encodeCall(IWorkers.addStake, ())
                : what % 6 == 2
                    ? abi.encodeCall(IWorkers.setStatus, (IWorkers.Status(1 + amount % 2)))
                    : what % 6 == 3
                        ? abi.encodeCall(IWorkers.unregister, ())
                        : what % 6 == 4
                            ? abi.encodeCall(IWorkers.update, (NodeKeys.workerInfo(uint32(1 + who % 5))))
                            : abi.encodeCall(IWorkers.withdraw, ());
        act(account, before, start_, data);
    }

    /// @dev All at once: alone, the steps of leaving hardly ever fall together.
    function depart(uint256 who) external counted("depart") {
        address account = address(uint160(0xE000 + who % WORKERS));
        uint256 before = account.balance;
        if (workers.worker(account).status != IWorkers.Status.Leaving) {
            act(account, before, before, abi.encodeCall(IWorkers.unregister, ()));
        }
        skip(0, 1 days);
        act(account, before, before, abi.encodeCall(IWorkers.withdraw, ()));
    }

    function act(address account, uint256 before, uint256 start_, bytes memory data) private {
        vm.prank(account);
        (bool ok,) = address(workers).call{value: before - start_}(data);
        require(ok, "refused");
        unchecked {
            workerPut[account] += before - account.balance; // negative for who is paid
        }
    }

    function pass(uint256 secs) external counted("pass") {
        skip(0, secs % 3 == 0 ? 1 days : bound(secs, 0, 3000));
    }

    // ---------------------------------------------------------------- sums

    /// @dev What the contract owes by its own views, and by the handler's accounts.
    function owedByViews() external view returns (uint256 sum) {
        for (uint256 i; i < registered; ++i) {
            for (uint256 j; j < people(); ++j) {
                IValidators.Delegation memory d = validators.delegation(person(i), person(j));
                sum += uint256(d.bonded) + d.exiting;
            }
        }
    }

    /// @dev Everything ever staked, less what was paid and slashed.
    function owedByAccounts() external view returns (uint256 sum) {
        for (uint256 i; i < registered; ++i) {
            for (uint256 j; j < people(); ++j) {
                sum += put[person(i)][person(j)];
                sum -= got[person(i)][person(j)];
            }
            sum -= slashed[person(i)];
        }
    }

    function held() external view returns (uint256) {
        return address(validators).balance;
    }

    /// @dev Nobody was paid more than it put in, nor more than nine tenths where that was slashed at once.
    function overpaid() external view returns (uint256 count) {
        for (uint256 i; i < registered; ++i) {
            for (uint256 j; j < people(); ++j) {
                IValidators.Delegation memory d = validators.delegation(person(i), person(j));
                uint256 due = got[person(i)][person(j)] + d.bonded + d.exiting;
                if (due > put[person(i)][person(j)]) ++count;
            }
        }
    }

    /// @dev The views of a validator, its delegations and the sets must tell one story.
    function contradictions() external view returns (uint256 count) {
        IValidators.Candidate[] memory list = validators.candidates();
        address[] memory set = validators.operatorsOf(validators.epoch());
        if (list.length > 10 || set.length < 4 || set.length > 7) ++count;
        uint256 listed;
        uint256 seated;
        for (uint256 i; i < registered; ++i) {
            IValidators.Validator memory v = validators.validator(person(i));
            if (v.listed) ++listed;
            if (v.seated) ++seated;
            if (v.jailed != jailed[person(i)] || (v.jailed && v.listed)) ++count;
            uint256 bonded;
            uint256 exiting;
            for (uint256 j; j < people(); ++j) {
                IValidators.Delegation memory d = validators.delegation(person(i), person(j));
                bonded += d.bonded;
                exiting += d.exiting;
            }
            // After a slash each view rounds by itself.
            uint256 slack = v.jailed ? people() : 0;
            if (bonded > v.bonded || bonded + slack < v.bonded) ++count;
            if (exiting > v.exiting || exiting + slack < v.exiting) ++count;
        }
        if (listed != list.length || seated != set.length) ++count;
        for (uint256 i; i < set.length; ++i) {
            if (!validators.validator(set[i]).seated) ++count;
        }
    }

    function workerOwed() external view returns (uint256 own, uint256 views, uint256 there) {
        for (uint256 i; i < WORKERS; ++i) {
            address account = address(uint160(0xE000 + i));
            unchecked {
                own += workerPut[account]; // below 0 for who was paid too much
            }
            views += workers.worker(account).stake;
        }
        there = address(workers).balance;
    }

    function workerContradictions() external view returns (uint256 count) {
        address[] memory list = workers.active(0, 256);
        if (list.length != workers.activeCount()) ++count;
        uint256 active;
        for (uint256 i; i < WORKERS; ++i) {
            address account = address(uint160(0xE000 + i));
            IWorkers.Worker memory w = workers.worker(account);
            bool is_ = w.status == IWorkers.Status.Active;
            if (is_) ++active;
            if (workers.isActive(account) != is_) ++count;
            if (workers.slotsOf(account) != (is_ ? w.info.slots : 0)) ++count;
            if (is_ && w.stake < uint256(w.info.slots) * workers.stakePerSlot()) ++count;
        }
        if (active != list.length) ++count;
    }
}

contract NodesInvariantTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    NodesHandler private handler;

    function setUp() public {
        handler = new NodesHandler();
        handler.start();
        for (uint256 i; i < 4; ++i) {
            handler.join(110 ether + i);
        }
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[18] memory steps = [
            NodesHandler.join.selector,
            NodesHandler.stakeSome.selector,
            NodesHandler.stakeSome.selector,
            NodesHandler.unstake.selector,
            NodesHandler.stakeSome.selector,
            NodesHandler.unstakeSome.selector,
            NodesHandler.claim.selector,
            NodesHandler.claim.selector,
            NodesHandler.enlist.selector,
            NodesHandler.resign.selector,
            NodesHandler.electSome.selector,
            NodesHandler.electSome.selector,
            NodesHandler.electSome.selector,
            NodesHandler.report.selector,
            NodesHandler.work.selector,
            NodesHandler.work.selector,
            NodesHandler.depart.selector,
            NodesHandler.pass.selector
        ];
        bytes4[] memory selectors = new bytes4[](18);
        for (uint256 i; i < 18; ++i) {
            selectors[i] = steps[i];
        }
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// @dev One campaign looks at everything after every step: docs/decisions/0044-one-campaign.md.
    function invariant_nodes() public view {
        stakeIsConserved();
        aReportTakesWhatTheRuleSays();
        fewerThanAThirdOfTheSeatsChange();
        nobodyIsPaidTwice();
        theViewsAgree();
        workersStakeIsConserved();
    }

    /// @dev Stake is conserved: what is there is what was staked and neither paid nor slashed, and what the views
    /// promise is there, but for less than a wei for each delegator of each slashed validator.
    function stakeIsConserved() private view {
        vm.assertEq(handler.held(), handler.owedByAccounts(), "stakeIsConserved");
        uint256 promised = handler.owedByViews();
        vm.assertLe(promised, handler.held(), "stakeIsConserved");
        vm.assertLe(handler.held(), promised + 2 * handler.people() * 12, "stakeIsConserved");
    }

    function aReportTakesWhatTheRuleSays() private view {
        vm.assertEq(handler.unruly(), 0, "aReportTakesWhatTheRuleSays");
    }

    function fewerThanAThirdOfTheSeatsChange() private view {
        vm.assertEq(handler.broken(), 0, "fewerThanAThirdOfTheSeatsChange");
    }

    function nobodyIsPaidTwice() private view {
        vm.assertEq(handler.overpaid(), 0, "nobodyIsPaidTwice");
    }

    function theViewsAgree() private view {
        vm.assertEq(handler.contradictions(), 0, "theViewsAgree");
    }

    function workersStakeIsConserved() private view {
        (uint256 own, uint256 views, uint256 there) = handler.workerOwed();
        vm.assertEq(own, there, "workersStakeIsConserved");
        vm.assertEq(views, there, "workersStakeIsConserved");
        vm.assertEq(handler.workerContradictions(), 0, "workersStakeIsConserved");
    }

    /// @dev The handler's steps do work: without this the invariants could hold because nothing happens.
    function testTheStepsHappen() public {
        for (uint256 i; i < 60; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(i)));
            try handler.stakeSome(draw, draw >> 8, draw >> 16) {} catch {}
            if (i % 3 == 0) handler.unstakeSome(draw >> 4, draw >> 12);
            try handler.electSome(10, 100 + i % 4) {} catch {}
            try handler.enlist(draw) {} catch {}
            if (i % 5 == 0) try handler.resign(draw >> 7) {} catch {}
            if (i % 3 == 0) handler.pass(draw);
            try handler.claim(draw, draw >> 5) {} catch {}
            if (i % 20 == 19) try handler.report(3 * i, draw) {} catch {}
            try handler.work(draw, draw >> 9, draw >> 17) {} catch {}
        }
        vm.assertGe(handler.claims(), 5, "claims");
        vm.assertGe(handler.jails(), 1, "jails");
        vm.assertGe(handler.changes(), 5, "changes");
        vm.assertGe(handler.done("work"), 10, "work");
        for (uint256 i; i < 4; ++i) {
            try handler.depart(i) {} catch {}
        }
        vm.assertGe(handler.done("depart"), 1, "depart");
        stakeIsConserved();
        aReportTakesWhatTheRuleSays();
        fewerThanAThirdOfTheSeatsChange();
        nobodyIsPaidTwice();
        theViewsAgree();
        workersStakeIsConserved();
    }
}
