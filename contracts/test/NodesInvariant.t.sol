// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FonteToken} from "../src/FonteToken.sol";
import {IValidators} from "../src/interfaces/IValidators.sol";
import {IWorkers} from "../src/interfaces/IWorkers.sol";
import {NodeKeys} from "./lib/NodeKeys.sol";
import {Nodes} from "./lib/Nodes.sol";
import {Steps} from "./lib/Steps.sol";
import {Test} from "./lib/Vm.sol";

/// @notice Random operators, delegators, reporters and workers, one step at a time. Keeps its own accounts by the rules, which the
/// invariants compare with the contracts'. What a step sees that must not be is counted: a step that reverts is undone, and what it
/// noted with it.
contract NodesHandler is Nodes, Steps {
    uint256 private constant OPERATORS = 12;
    uint256 private constant DELEGATORS = 4;
    uint256 private constant WORKERS = 4;
    address public constant REPORTER = address(0x4E90);

    /// @dev As staked, before any slash.
    struct Staked {
        uint256 bonded;
        uint256 exiting;
    }

    /// @dev What a step may have changed; `who` is 0 for all delegators, `operator` for none.
    struct Touched {
        address operator;
        address who;
        bool seats;
        bool workers;
    }

    mapping(address operator => mapping(address who => Staked)) private stakes;
    mapping(address operator => Staked) private totals;
    mapping(address operator => bool) private jailed;
    mapping(address operator => bool) private seated;
    mapping(address operator => uint256) private unseatedAt;
    address private culprit; // who was reported last
    /// @dev Everything ever staked, less what was paid and slashed.
    uint256 public kept;
    uint256 public registered = 4;
    uint256 public unruly; // reports that paid or burnt other than the rule says, or were taken or refused against it
    uint256 public mispaid; // claims that paid other than what left
    uint256 public claims;
    uint256 public jails;
    uint256 public changes;
    uint256 public broken; // elections that changed a third or more
    mapping(address who => uint256) private workerPut;
    uint256 public workersKept;
    Touched private touched;

    function forget() internal override {
        delete touched;
    }

    function start() external {
        vm.roll(1000);
        vm.warp(1_790_000_000);
        deployNodes(keccak256("a network"), address(0x60), address(new FonteToken()));
        for (uint256 i; i < 4; ++i) {
            address operator = NodeKeys.operator(i);
            staked(operator, operator, 100 ether);
            seated[operator] = true;
        }
    }

    function person(uint256 i) public pure returns (address) {
        return i < OPERATORS ? NodeKeys.operator(i) : address(uint160(0xA000 + i));
    }

    function people() public pure returns (uint256) {
        return OPERATORS + DELEGATORS;
    }

    // ---------------------------------------------------------------- accounts

    function staked(address operator, address who, uint256 amount) private {
        stakes[operator][who].bonded += amount;
        totals[operator].bonded += amount;
        kept += amount;
        (touched.operator, touched.who) = (operator, who);
    }

    function left(address operator, address who, uint256 amount) private {
        stakes[operator][who].bonded -= amount;
        stakes[operator][who].exiting += amount;
        totals[operator].bonded -= amount;
        totals[operator].exiting += amount;
        (touched.operator, touched.who) = (operator, who);
    }

    /// @dev What a slash leaves of an amount.
    function net(address operator, uint256 amount) private view returns (uint256) {
        return jailed[operator] ? amount * 9 / 10 : amount;
    }

    // ---------------------------------------------------------------- steps

    function join(uint256 stake) external counted("join") {
        require(registered < OPERATORS);
        stake = bound(stake, 0, 200 ether);
        address who = register(registered++, stake);
        staked(who, who, stake);
        touched.seats = true;
    }

    function stakeSome(uint256 to, uint256 from, uint256 amount) external counted("delegate") {
        address operator = person(to % registered);
        address who = from % 3 == 0 ? operator : person(from % people());
        amount = amount % 4 == 0 ? amount % 1000 + 1 : bound(amount, 1, 150 ether);
        delegate(who, operator, amount);
        staked(operator, who, amount);
    }

    function unstake(uint256 to, uint256 from, uint256 amount) external counted("undelegate") {
        address operator = person(to % registered);
        address who = from % 3 == 0 ? operator : person(from % people());
        uint256 all = stakes[operator][who].bonded;
        undelegate(operator, who, amount % 3 == 0 ? all : bound(amount, 1, all));
    }

    function unstakeSome(uint256 to, uint256 from) external counted("undelegate all") {
        address operator = person(to % registered);
        for (uint256 i; i < people(); ++i) {
            address who = person((from + i) % people());
            uint256 all = stakes[operator][who].bonded;
            if (all != 0) return undelegate(operator, who, all);
        }
        revert("nothing is staked");
    }

    function undelegate(address operator, address who, uint256 amount) private {
        vm.prank(who);
        validators.undelegate(operator, uint128(amount));
        left(operator, who, amount);
    }

    function claim(uint256 to, uint256 from) external counted("claim") {
        address operator = person(to % registered);
        for (uint256 i; i < people(); ++i) {
            if (claimOne(operator, person((from + i) % people()))) return;
        }
        revert("nothing to claim");
    }

    function claimOne(address operator, address who) private returns (bool) {
        uint256 before = who.balance;
        vm.prank(who);
        try validators.claim(operator) {
            Staked storage s = stakes[operator][who];
            uint256 due = net(operator, s.exiting);
            if (who.balance - before != due) ++mispaid;
            kept -= due;
            totals[operator].exiting -= s.exiting;
            s.exiting = 0;
            (touched.operator, touched.who) = (operator, who);
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
                touched.seats = true;
                return;
            } catch {}
        }
        revert("nobody to enlist");
    }

    function resign(uint256 who) external counted("resign") {
        vm.prank(person(who % registered));
        validators.resign();
        touched.seats = true;
    }

    function electSome(uint256 blocks, uint256 secs) external counted("elect") {
        address[] memory before = validators.operatorsOf(validators.epoch());
        skip(bound(blocks, 9, 15), secs % 4 == 0 ? 2000 : bound(secs, 99, 300));
        validators.endEpoch();
        address[] memory afterwards = validators.operatorsOf(validators.epoch());
        touched.seats = true;
        for (uint256 i; i < afterwards.length; ++i) {
            seated[afterwards[i]] = true;
        }
        uint256 kept_;
        for (uint256 i; i < before.length; ++i) {
            if (holds(afterwards, before[i])) {
                ++kept_;
            } else {
                seated[before[i]] = false;
                unseatedAt[before[i]] = vm.getBlockTimestamp();
            }
        }
        uint256 changed = (before.length > afterwards.length ? before.length : afterwards.length) - kept_;
        if (changed == 0) return;
        ++changes;
        if (3 * changed >= before.length || 3 * (afterwards.length - kept_) >= afterwards.length) ++broken;
    }

    function holds(address[] memory list, address who) private pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == who) return true;
        }
        return false;
    }

    /// @dev Rare, or soon nobody is left; often of who was reported already, who must not be slashed again.
    function report(uint256 who, uint256 fault) external counted("report") {
        bool again = who % 4 == 1 && culprit != address(0);
        require(who % 4 == 0 || again);
        uint256 i = again ? uint160(culprit) - uint160(NodeKeys.operator(0)) : who / 4 % registered;
        address operator = NodeKeys.operator(i);
        (uint256 due, uint256 reward) = ruled(operator);
        uint256 rewarded = REPORTER.balance;
        uint256 burnt = address(0).balance;
        bool liable = isLiable(operator);
        bool taken = tryReport(i, IValidators.Fault(fault % 3), uint64(fault), uint64(who));
        if (taken != liable) ++unruly;
        touched = Touched(operator, address(0), true, false);
        if (!taken) {
            ++done["refused"];
            return;
        }
        rewarded = REPORTER.balance - rewarded;
        burnt = address(0).balance - burnt;
        if (rewarded != reward || burnt + rewarded != due || rewarded > burnt) ++unruly;
        jailed[operator] = true;
        kept -= due;
        culprit = operator;
        ++jails;
    }

    function tryReport(uint256 i, IValidators.Fault fault, uint64 epoch, uint64 view_) private returns (bool) {
        (IValidators.Vote memory a, IValidators.Vote memory b) = doubleSign(i, fault, epoch, view_);
        vm.prank(REPORTER);
        try validators.report(NodeKeys.operator(i), fault, epoch, view_, a, b) {
            return true;
        } catch {
            return false;
        }
    }

    /// @dev Who holds a seat, or lost it within the time for evidence; but nobody twice.
    function isLiable(address operator) private view returns (bool) {
        if (jailed[operator]) return false;
        return seated[operator] || unseatedAt[operator] != 0 && vm.getBlockTimestamp() <= unseatedAt[operator] + 1000;
    }

    /// @dev What a report takes, by the rule: once, a tenth of all that is staked, rounded up; half of the operator's own part of it,
    /// rounded down, is the reporter's.
    function ruled(address operator) private view returns (uint256 due, uint256 reward) {
        if (jailed[operator]) return (0, 0);
        Staked memory own = stakes[operator][operator];
        due = (totals[operator].bonded + totals[operator].exiting + 9) / 10;
        reward = (own.bonded + own.exiting) / 10 / 2;
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
            uint256 put = before - account.balance; // negative for who is paid
            workerPut[account] += put;
            workersKept += put;
        }
        touched.workers = true;
    }

    function pass(uint256 secs) external counted("pass") {
        skip(0, secs % 3 == 0 ? 1 days : bound(secs, 0, 3000));
    }

    // ---------------------------------------------------------------- what must hold

    function held() external view returns (uint256) {
        return address(validators).balance;
    }

    /// @dev What the contract owes by its own views.
    function promised() external view returns (uint256 sum) {
        for (uint256 i; i < registered; ++i) {
            for (uint256 j; j < people(); ++j) {
                IValidators.Delegation memory d = validators.delegation(person(i), person(j));
                sum += uint256(d.bonded) + d.exiting;
            }
        }
    }

    /// @dev Delegations and validators whose views are not what was staked, what left and what a slash leaves of it.
    function stakeFaults(bool whole) external view returns (uint256 count) {
        if (!whole) return touched.operator == address(0) ? 0 : faultsOf(touched.operator, touched.who);
        for (uint256 i; i < registered; ++i) {
            count += faultsOf(person(i), address(0));
        }
    }

    function faultsOf(address operator, address one) private view returns (uint256 count) {
        IValidators.Validator memory v = validators.validator(operator);
        if (v.bonded != net(operator, totals[operator].bonded)) ++count;
        if (v.exiting != net(operator, totals[operator].exiting)) ++count;
        if (v.ownStake != net(operator, stakes[operator][operator].bonded)) ++count;
        for (uint256 j; j < people(); ++j) {
            address who = person(j);
            if (one != address(0) && one != who) continue;
            IValidators.Delegation memory d = validators.delegation(operator, who);
            if (d.bonded != net(operator, stakes[operator][who].bonded)) ++count;
            if (d.exiting != net(operator, stakes[operator][who].exiting)) ++count;
        }
    }

    /// @dev The views of the validators, the candidates and the set must tell one story.
    function seatFaults(bool whole) external view returns (uint256 count) {
        if (!whole && !touched.seats) return 0;
        IValidators.Candidate[] memory list = validators.candidates();
        address[] memory set = validators.operatorsOf(validators.epoch());
        if (list.length > 10 || set.length < 4 || set.length > 7) ++count;
        uint256 listed;
        uint256 sitting;
        for (uint256 i; i < registered; ++i) {
            IValidators.Validator memory v = validators.validator(person(i));
            if (v.listed) ++listed;
            if (v.seated) ++sitting;
            if (v.seated != seated[person(i)] || v.unseatedAt != unseatedAt[person(i)]) ++count;
            if (v.jailed != jailed[person(i)] || (v.jailed && v.listed)) ++count;
        }
        if (listed != list.length || sitting != set.length) ++count;
        for (uint256 i; i < set.length; ++i) {
            if (!seated[set[i]]) ++count;
        }
    }

    function workersHeld() external view returns (uint256) {
        return address(workers).balance;
    }

    function workerFaults(bool whole) external view returns (uint256 count) {
        if (!whole && !touched.workers) return 0;
        address[] memory list = workers.active(0, 256);
        if (list.length != workers.activeCount()) ++count;
        uint256 active;
        for (uint256 i; i < WORKERS; ++i) {
            address account = address(uint160(0xE000 + i));
            IWorkers.Worker memory w = workers.worker(account);
            if (w.stake != workerPut[account]) ++count;
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

    /// @dev One campaign looks at everything: docs/decisions/0044-one-campaign.md and 0088-what-a-step-touched.md.
    function invariant_nodes() public view {
        everythingHolds(handler.isWhole());
    }

    function afterInvariant() public view {
        everythingHolds(true);
    }

    function everythingHolds(bool whole) private view {
        stakeIsConserved(whole);
        aReportTakesWhatTheRuleSays();
        fewerThanAThirdOfTheSeatsChange();
        nobodyIsPaidTwice();
        theViewsAgree(whole);
        workersStakeIsConserved(whole);
    }

    /// @dev What is there is what was staked and neither paid nor slashed, and what the views promise is there, but for less than a
    /// wei for each amount of each slashed validator.
    function stakeIsConserved(bool whole) private view {
        vm.assertEq(handler.held(), handler.kept(), "stakeIsConserved");
        vm.assertEq(handler.stakeFaults(whole), 0, "stakeIsConserved: the views");
        if (!whole) return;
        uint256 promised = handler.promised();
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
        vm.assertEq(handler.mispaid(), 0, "nobodyIsPaidTwice");
    }

    function theViewsAgree(bool whole) private view {
        vm.assertEq(handler.seatFaults(whole), 0, "theViewsAgree");
    }

    function workersStakeIsConserved(bool whole) private view {
        vm.assertEq(handler.workersHeld(), handler.workersKept(), "workersStakeIsConserved");
        vm.assertEq(handler.workerFaults(whole), 0, "workersStakeIsConserved");
    }

    /// @dev The handler's steps do work: without this the invariants could hold because nothing happens.
    function testTheStepsHappen() public {
        for (uint256 i; i < 60; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(i)));
            try handler.stakeSome(draw, draw >> 8, draw >> 16) {} catch {}
            if (i % 3 == 0) try handler.unstakeSome(draw >> 4, draw >> 12) {} catch {}
            try handler.electSome(10, 100 + i % 4) {} catch {}
            try handler.enlist(draw) {} catch {}
            if (i % 5 == 0) try handler.resign(draw >> 7) {} catch {}
            if (i % 3 == 0) handler.pass(draw);
            try handler.claim(draw, draw >> 5) {} catch {}
            if (i % 20 == 19) try handler.report(4 * i, draw) {} catch {}
            if (i % 20 == 0) try handler.report(4 * i + 1, draw) {} catch {}
            try handler.work(draw, draw >> 9, draw >> 17) {} catch {}
        }
        vm.assertGe(handler.claims(), 5, "claims");
        vm.assertGe(handler.jails(), 1, "jails");
        vm.assertGe(handler.done("refused"), 1, "refused");
        vm.assertGe(handler.changes(), 5, "changes");
        vm.assertGe(handler.done("work"), 10, "work");
        for (uint256 i; i < 4; ++i) {
            try handler.depart(i) {} catch {}
        }
        vm.assertGe(handler.done("depart"), 1, "depart");
        everythingHolds(true);
    }
}
