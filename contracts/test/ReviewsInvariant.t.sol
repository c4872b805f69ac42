// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IOrigins} from "../src/interfaces/IOrigins.sol";
import {IReviews} from "../src/interfaces/IReviews.sol";
import {Panels} from "./lib/Panels.sol";
import {Steps} from "./lib/Steps.sol";
import {Test} from "./lib/Vm.sol";

/// @notice Reviewers, consumers, contributors and authors who do anything in any order, one step at a time.
contract ReviewsHandler is Panels, Steps {
    uint256 private constant PEOPLE = 14;
    uint256 private constant CONTRIBUTIONS = 24;
    uint256 private constant OPEN_CASES = 5;

    uint32 public reviewed;
    uint64[] private open_;
    uint64[] private contributions;
    uint256 public constant SUPPLY = 1e9 ether;
    uint256 public faults;

    // What the handler counted itself, to compare.
    mapping(uint64 id => bool) private verdict;
    mapping(uint64 id => uint256) private finalAfter;
    uint32 public knownVersion;
    mapping(uint32 version => mapping(uint256 index => bool)) private wasMember;
    string[2] private urls = ["https://a.example/", "https://b.example/@b/"];
    bytes32[2] private originIds;
    address[2] private vaults;
    uint64[] private claims;
    mapping(bytes32 origin => address) private author;
    mapping(bytes32 origin => uint256) private paidIn;
    mapping(bytes32 origin => uint256) private paidOut;
    mapping(address author => uint256) private earned;

    /// @dev What a step may have changed, but for coins; a contribution is its index plus 1, an origin too.
    struct Touched {
        uint64 caseId;
        uint64 contribution;
        uint64 origin;
        bool pool;
    }
    Touched private touched;
    mapping(uint64 caseId => uint64) private contributionOf;

    function start() external {
        Panels.setUp();
        vm.deal(address(this), SUPPLY);
        reviewed = createDatanet(IDatanets.ReviewRule.Reviewers);
        for (uint256 i; i < PEOPLE; ++i) {
            register(i, 0);
        }
        origins.register(urls[0]);
        for (uint256 i; i < 2; ++i) {
            originIds[i] = keccak256(bytes(urls[i]));
            vaults[i] = origins.vaultOf(urls[i]);
        }
    }

    function forget() internal override {
        delete touched;
    }

    /// @dev A case seats reviewers, and may decide on a contribution.
    function touch(uint64 id) private {
        touched = Touched(id, contributionOf[id], 0, true);
    }

    function person(uint256 i) public pure returns (address) {
        return address(uint160(0xE0000 + i % PEOPLE));
    }

    function authorAt(uint256 i) public pure returns (address) {
        return address(uint160(0xA0000 + i % 4));
    }

    /// @dev A transfer, because a balance that a cheatcode sets outlives a step that reverts.
    function give(address who, uint256 amount) private {
        (bool ok,) = who.call{value: amount}("");
        require(ok, "refused");
    }

    /// @dev The first open case from `which` on that stands at `stage`.
    function find(uint256 which, IReviews.Stage stage) private view returns (uint64) {
        for (uint256 i; i < open_.length; ++i) {
            uint64 id = open_[(which % OPEN_CASES + i) % open_.length];
            if (reviews.stageOf(id) == stage) return id;
        }
        revert("none");
    }

    function opened(uint64 id) private {
        open_.push(id);
        touch(id);
    }

    /// @dev After each step: new versions are written down, final cases leave the list, and must leave nothing behind.
    function note() internal override {
        uint32 latest = datanets.version(reviewed);
        for (; knownVersion < latest;) {
            ++knownVersion;
            for (uint256 i; i < contributions.length; ++i) {
                wasMember[knownVersion][i] = datanets.isMember(contributions[i], knownVersion);
            }
        }
        for (uint256 i; i < open_.length;) {
            IReviews.Case memory held = reviews.caseOf(open_[i]);
            if (held.stage != IReviews.Stage.Final) {
                ++i;
                continue;
            }
            if (held.fees != 0 || held.deposit != 0 || held.approved != verdict[open_[i]]) ++faults;
            open_[i] = open_[open_.length - 1];
            open_.pop();
        }
    }

    // ---------------------------------------------------------------- reviewers

    function register(uint256 who, uint256 amount) public counted("register") {
        uint256 stake = stakeOf(person(who));
        amount = (stake < STAKE ? STAKE - stake : 0) + amount % 2 ether;
        give(person(who), amount);
        vm.prank(person(who));
        reviews.register{value: amount}();
        touched.pool = true;
    }

    function unregister(uint256 who) external counted("unregister") {
        vm.prank(person(who));
        reviews.unregister();
        touched.pool = true;
    }

    function unstake(uint256 who) external counted("unstake") {
        who %= PEOPLE;
        for (uint256 i; i < PEOPLE && reviews.reviewerOf(person(who)).leavesAt == 0; ++i) {
            ++who;
        }
        uint64 leavesAt = reviews.reviewerOf(person(who)).leavesAt;
        if (who % 2 == 0 && vm.getBlockTimestamp() < leavesAt) vm.warp(leavesAt);
        vm.prank(person(who));
        reviews.unstake();
        touched.pool = true;
    }

    function claimFor(uint256 who) external counted("claimFor") {
        reviews.claimFor(who % 5 == 0 ? treasury : person(who));
    }

    function slash(uint256 who, uint256 amount) external counted("slash") {
        vm.prank(evaluations);
        reviews.slash(person(who), amount % 4 ether);
        touched.pool = true;
    }

    // ---------------------------------------------------------------- cases

    function request(uint256 n, uint256 k, uint256 who, uint256 fees) external counted("request") {
        require(open_.length < OPEN_CASES, "many");
        n = bound(n, 1, 4);
        fees = fees % 3 == 0 ? 0 : fees % (n * STAKE + 1);
        give(evaluations, fees);
        vm.prank(evaluations);
        opened(reviews.request{value: fees}("subject", uint8(n), uint8(bound(k, 1, n)), person(who)));
    }

    function propose(uint256 seed) external counted("propose") {
        require(open_.length < OPEN_CASES && contributions.length < CONTRIBUTIONS, "many");
        uint64 id = contribute(reviewed, person(seed), one(abi.encode("text", contributions.length)));
        contributions.push(id);
        contributionOf[datanets.caseOf(id)] = uint64(contributions.length);
        opened(datanets.caseOf(id));
    }

    function claim(uint256 seed) external counted("claim") {
        require(open_.length < OPEN_CASES, "many");
        string memory url = urls[seed % 2];
        (,, uint256 fee) = origins.claimTerms(url, authorAt(seed >> 1));
        uint64 id = origins.claim{value: fee}(url, authorAt(seed >> 1));
        claims.push(id);
        opened(id);
    }

    function fundOne(uint256 which, uint256 amount) external counted("fund") {
        require(open_.length != 0, "none");
        amount = bound(amount, 1, 1 ether);
        uint64 id = open_[which % open_.length];
        reviews.fund{value: amount}(id);
        touch(id);
    }

    function seatOne(uint256 which) external counted("seat") {
        seatCase(find(which, IReviews.Stage.Seating));
    }

    function seatCase(uint64 id) private {
        IReviews.Case memory held = reviews.caseOf(id);
        // Of an appeal the first call names the block.
        if (held.seedBlock == 0) {
            if (vm.getBlockTimestamp() <= held.deadline) vm.warp(held.deadline + 1);
            reviews.seat(id);
            held = reviews.caseOf(id);
        }
        if (vm.getBlockNumber() <= held.seedBlock) skip(2, 2);
        reviews.seat(id);
        touch(id);
    }

    function commitSome(uint256 which, uint256 pattern) external counted("commit") {
        commitOf(find(which, IReviews.Stage.Voting), pattern);
    }

    function commitOf(uint64 id, uint256 pattern) private {
        uint64 number = reviews.caseOf(id).panel;
        address[] memory members = reviews.panel(number).members;
        for (uint256 i; i < members.length; ++i) {
            (IReviews.Vote vote_,) = reviews.voteOf(number, members[i]);
            // One in sixteen says nothing; the others lean to one side.
            if (vote_ != IReviews.Vote.Seated || pattern >> 4 * i & 15 == 0) continue;
            commit(id, members[i], leaning(id, number, members[i]));
        }
        touch(id);
    }

    function leaning(uint64 id, uint64 number, address who) private pure returns (bool) {
        uint256 draw = uint256(keccak256(abi.encode(id, number)));
        return (uint256(keccak256(abi.encode(draw, who))) % 5 == 0) != (draw & 1 == 1);
    }

    function revealSome(uint256 which, uint256 pattern) external counted("reveal") {
        revealOf(find(which, IReviews.Stage.Voting), pattern);
    }

    function revealOf(uint64 id, uint256 pattern) private {
        uint64 number = reviews.caseOf(id).panel;
        IReviews.Panel memory p = reviews.panel(number);
        if (p.committed < p.members.length && vm.getBlockTimestamp() <= p.commitBy) vm.warp(p.commitBy + 1);
        for (uint256 i; i < p.members.length; ++i) {
            (IReviews.Vote vote_,) = reviews.voteOf(number, p.members[i]);
            if (vote_ != IReviews.Vote.Committed || pattern >> 128 + 4 * i & 15 == 0) continue;
            reveal(id, p.members[i], leaning(id, number, p.members[i]));
        }
        touch(id);
    }

    function closeOne(uint256 which, uint256 pattern) external counted("close") {
        closeCase(find(which, IReviews.Stage.Voting), which, pattern);
    }

    function closeCase(uint64 id, uint256 which, uint256 pattern) private {
        IReviews.Case memory held = reviews.caseOf(id);
        // Mostly those who are left vote first.
        if (which >> 8 & 3 != 0 && vm.getBlockTimestamp() <= reviews.panel(held.panel).commitBy) commitOf(id, pattern);
        if (which >> 8 & 3 != 0 && vm.getBlockTimestamp() <= reviews.panel(held.panel).revealBy) revealOf(id, pattern);
        IReviews.Panel memory p = reviews.panel(held.panel);
        if (p.approving + p.rejecting < p.members.length && vm.getBlockTimestamp() <= p.revealBy) {
            vm.warp(p.revealBy + 1);
        }
        reviews.close(id);
        touch(id);
        uint256 needed = held.appellant == address(0) ? held.approvals : 2 * held.approvals;
        if (p.approving >= needed || p.rejecting > p.members.length - needed) {
            verdict[id] = p.approving >= needed;
            // There is no appeal from an appeal.
            finalAfter[id] = held.appellant == address(0) ? vm.getBlockTimestamp() + REVIEW_PERIOD : 0;
            if (held.appellant != address(0)) ++done["appeal decided"];
            if (held.appellant != address(0) && held.approved != verdict[id]) ++done["reversed"];
        } else {
            ++done["undecided"];
        }
    }

    function appealOne(uint256 which, uint256 who) external counted("appeal") {
        uint64 id = find(which, IReviews.Stage.Decided);
        uint128 deposit = reviews.appealDeposit(id);
        give(person(who), deposit);
        vm.prank(person(who));
        reviews.appeal{value: deposit}(id);
        finalAfter[id] = type(uint256).max;
        touch(id);
    }

    function finish(uint256 which) external counted("finish") {
        finishCase(find(which, which % 3 == 0 ? IReviews.Stage.Failed : IReviews.Stage.Decided), which);
    }

    /// @dev What is due next in some case: by the other steps alone hardly any comes to its end.
    function proceed(uint256 which, uint256 pattern) external counted("proceed") {
        require(open_.length != 0, "none");
        uint64 id = open_[which % open_.length];
        IReviews.Stage stage = reviews.stageOf(id);
        if (stage == IReviews.Stage.Seating) seatCase(id);
        else if (stage == IReviews.Stage.Voting) closeCase(id, which, pattern);
        // Half the time a decision is left, so that somebody may appeal, or conclude too early.
        else if (stage == IReviews.Stage.Failed || which >> 16 & 1 == 0) finishCase(id, which);
        else revert("waits");
    }

    function finishCase(uint64 id, uint256 which) private {
        uint64 deadline = reviews.caseOf(id).deadline;
        if (which % 4 != 0 && vm.getBlockTimestamp() <= deadline) vm.warp(deadline + 1);
        reviews.finish(id);
        finalAfter[id] = 0;
        touch(id);
    }

    function decide(uint256 which, uint256 how) external counted("decide") {
        bool approved = how & 1 == 1;
        uint64 id = find(which, IReviews.Stage.Failed);
        verdict[id] = approved;
        finalAfter[id] = 0;
        vm.prank(governance);
        reviews.decide(id, approved);
        touch(id);
    }

    function accept(uint256 which) external counted("accept") {
        uint64 id = contributions[which % contributions.length];
        verdict[datanets.caseOf(id)] = which % 3 != 0;
        finalAfter[datanets.caseOf(id)] = 0;
        vm.prank(curator);
        if (which % 3 == 0) datanets.reject(id);
        else datanets.accept(id);
        touch(datanets.caseOf(id));
    }

    function withdraw(uint256 which) external counted("withdraw") {
        uint64 id = contributions[which % contributions.length];
        address by = datanets.contribution(id).contributor;
        vm.prank(by);
        datanets.withdraw(id);
        touch(datanets.caseOf(id));
    }

    function breakConsumer(uint256 how) external counted("break") {
        consumer.set(how % 3 == 0, false);
    }

    function deliver(uint256 which) external counted("deliver") {
        uint64 id = uint64(1 + which % reviews.caseCount());
        reviews.deliver(id);
        touch(id);
    }

    function pass(uint256 blocks, uint256 secs) external counted("pass") {
        skip(bound(blocks, 1, blocks % 7 == 0 ? 300 : 3), bound(secs, 1, secs % 9 == 0 ? UNBONDING : 2 * REVIEW_PERIOD));
    }

    // ---------------------------------------------------------------- origins

    function earn(uint256 which, uint256 amount) external counted("earn") {
        which %= 2;
        amount = bound(amount, 1, 1 ether);
        give(vaults[which], amount);
        paidIn[originIds[which]] += amount;
        touched.origin = uint64(which) + 1;
    }

    function conclude(uint256 which) external counted("conclude") {
        uint64 id = claims[which % claims.length];
        IOrigins.Claim memory made = origins.claimOf(id);
        origins.conclude(id);
        if (!verdict[id] || vm.getBlockTimestamp() <= finalAfter[id]) ++faults;
        author[made.origin] = made.author;
        if (reviews.caseOf(id).appellant != address(0)) ++done["granted on appeal"];
        touch(id);
        touched.origin = made.origin == originIds[0] ? 1 : 2;
    }

    function moveAuthor(uint256 which, uint256 to, uint256 by) external counted("moveAuthor") {
        which %= 2;
        bytes32 origin = originIds[which];
        vm.prank(authorAt(by));
        origins.moveAuthor(origin, authorAt(to));
        // Whoever else may do it is seen by `originFaults`.
        if (authorAt(by) == author[origin]) author[origin] = authorAt(to);
        touched.origin = uint64(which) + 1;
    }

    function release(uint256 which) external counted("release") {
        which %= 2;
        bytes32 origin = originIds[which];
        uint256 amount = origins.release(origin);
        paidOut[origin] += amount;
        earned[author[origin]] += amount;
        touched.origin = uint64(which) + 1;
    }

    // ---------------------------------------------------------------- what must hold

    function holding() external view returns (uint256) {
        return address(reviews).balance;
    }

    function owed() external view returns (uint256 sum) {
        sum = reviews.claimable(treasury) + reviews.claimable(evaluations) + reviews.claimable(address(this));
        for (uint256 i; i < PEOPLE; ++i) {
            sum += stakeOf(person(i)) + reviews.claimable(person(i));
        }
        for (uint256 i; i < open_.length; ++i) {
            IReviews.Case memory c = reviews.caseOf(open_[i]);
            sum += c.fees + c.deposit;
        }
    }

    function everywhere() external view returns (uint256 sum) {
        sum = address(reviews).balance + treasury.balance + evaluations.balance + address(this).balance;
        for (uint256 i; i < PEOPLE; ++i) {
            sum += person(i).balance;
        }
        for (uint256 i; i < 4; ++i) {
            sum += authorAt(i).balance;
        }
        for (uint256 i; i < 2; ++i) {
            sum += vaults[i].balance;
        }
    }

    /// @dev Seats counted from the panels, and places from the pool.
    function poolFaults(bool whole) external view returns (uint256 wrong) {
        if (!whole && !touched.pool) return 0;
        uint256[] memory seats = new uint256[](PEOPLE);
        for (uint256 j; j < open_.length; ++j) {
            IReviews.Case memory c = reviews.caseOf(open_[j]);
            if (c.firstPanel != 0) count(seats, c.firstPanel);
            if (c.stage == IReviews.Stage.Voting) count(seats, c.panel);
        }
        address[] memory places = reviews.reviewers(1, PEOPLE);
        uint256 inPool;
        for (uint256 i; i < PEOPLE; ++i) {
            IReviews.Reviewer memory r = reviews.reviewerOf(person(i));
            if (seats[i] != r.seats) ++wrong;
            if (r.place == 0) continue;
            ++inPool;
            if (r.place > places.length || places[r.place - 1] != person(i)) ++wrong;
            if (r.stake < STAKE / 2 || r.leavesAt != 0) ++wrong;
        }
        if (inPool != places.length || inPool != reviews.reviewerCount()) ++wrong;
    }

    function count(uint256[] memory seats, uint64 number) private view {
        address[] memory members = reviews.panel(number).members;
        for (uint256 i; i < members.length; ++i) {
            ++seats[uint160(members[i]) - uint160(person(0))];
        }
    }

    function panelFaults(bool whole) external view returns (uint256 wrong) {
        if (!whole) return touched.caseId == 0 ? 0 : panelFaultsOf(touched.caseId);
        for (uint256 j; j < open_.length; ++j) {
            wrong += panelFaultsOf(open_[j]);
        }
    }

    function panelFaultsOf(uint64 id) private view returns (uint256 wrong) {
        IReviews.Case memory c = reviews.caseOf(id);
        if (c.stage != IReviews.Stage.Voting) return 0;
        address[] memory members = reviews.panel(c.panel).members;
        address[] memory first = reviews.panel(c.firstPanel).members;
        if (members.length != (c.appellant == address(0) ? c.reviewers : 2 * uint256(c.reviewers) + 1)) ++wrong;
        for (uint256 i; i < members.length; ++i) {
            if (members[i] == c.excluded || contains(first, members[i])) ++wrong;
            for (uint256 k; k < i; ++k) {
                if (members[i] == members[k]) ++wrong;
            }
        }
    }

    /// @dev Each step looks at a contribution that it did not touch, too.
    function versionFaults(bool whole) external view returns (uint256 wrong) {
        if (contributions.length == 0) return 0;
        if (!whole) {
            if (touched.contribution != 0) wrong = versionFaultsOf(touched.contribution - 1);
            return wrong + versionFaultsOf(steps % contributions.length);
        }
        for (uint256 i; i < contributions.length; ++i) {
            wrong += versionFaultsOf(i);
        }
    }

    function versionFaultsOf(uint256 i) private view returns (uint256 wrong) {
        for (uint32 v; v <= knownVersion; ++v) {
            if (datanets.isMember(contributions[i], v) != wasMember[v][i]) ++wrong;
        }
    }

    function originFaults(bool whole) external view returns (uint256 wrong) {
        for (uint256 i; i < 2; ++i) {
            if (!whole && touched.origin != i + 1) continue;
            bytes32 origin = originIds[i];
            if (vaults[i].balance + paidOut[origin] != paidIn[origin]) ++wrong;
            if (origins.isVault(vaults[i]) && origins.originOf(origin).author != author[origin]) ++wrong;
        }
        for (uint256 i; i < 4; ++i) {
            if (authorAt(i).balance != earned[authorAt(i)]) ++wrong;
        }
    }
}

contract ReviewsInvariantTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    ReviewsHandler private handler;

    function setUp() public {
        handler = new ReviewsHandler();
        handler.start();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev Of the steps, those before `proceed`.
    uint256 private constant SINGLE = 36;

    function steps() private pure returns (bytes4[] memory list) {
        list = new bytes4[](44);
        list[0] = ReviewsHandler.register.selector;
        list[1] = ReviewsHandler.unregister.selector;
        list[2] = ReviewsHandler.unstake.selector;
        list[3] = ReviewsHandler.claimFor.selector;
        list[4] = ReviewsHandler.slash.selector;
        list[5] = ReviewsHandler.request.selector;
        list[6] = ReviewsHandler.propose.selector;
        list[7] = ReviewsHandler.claim.selector;
        list[8] = ReviewsHandler.fundOne.selector;
        list[9] = ReviewsHandler.appealOne.selector;
        list[10] = ReviewsHandler.finish.selector;
        list[11] = ReviewsHandler.decide.selector;
        list[12] = ReviewsHandler.accept.selector;
        list[13] = ReviewsHandler.withdraw.selector;
        list[14] = ReviewsHandler.breakConsumer.selector;
        list[15] = ReviewsHandler.pass.selector;
        list[16] = ReviewsHandler.earn.selector;
        list[17] = ReviewsHandler.conclude.selector;
        list[18] = ReviewsHandler.moveAuthor.selector;
        list[19] = ReviewsHandler.release.selector;
        list[20] = ReviewsHandler.deliver.selector;
        list[21] = ReviewsHandler.conclude.selector;
        // The steps that move a case on come more often, and enough of the pool stays.
        for (uint256 i = 22; i < SINGLE; ++i) {
            uint256 kind = i % 7;
            list[i] = kind < 2
                ? ReviewsHandler.seatOne.selector
                : kind == 2
                    ? ReviewsHandler.commitSome.selector
                    : kind == 3
                        ? ReviewsHandler.revealSome.selector
                        : kind == 4
                            ? ReviewsHandler.closeOne.selector
                            : kind == 5 ? ReviewsHandler.appealOne.selector : ReviewsHandler.register.selector;
        }
        for (uint256 i = SINGLE; i < 44; ++i) {
            list[i] = ReviewsHandler.proceed.selector;
        }
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), steps());
    }

    /// @dev One campaign looks at everything: docs/decisions/0044-one-campaign.md and 0088-what-a-step-touched.md.
    /// forge-config: default.invariant.runs = 32
    /// forge-config: long.invariant.runs = 4000
    function invariant_reviews() public view {
        everythingHolds(handler.isWhole());
    }

    function afterInvariant() public view {
        everythingHolds(true);
    }

    function everythingHolds(bool whole) private view {
        vm.assertEq(handler.holding(), handler.owed(), "stakesAreConserved");
        vm.assertEq(handler.everywhere(), handler.SUPPLY(), "nothingIsLostOrMade");
        vm.assertEq(handler.poolFaults(whole), 0, "seatsAndPlaces");
        vm.assertEq(handler.panelFaults(whole), 0, "seatsAndPlaces");
        vm.assertEq(handler.versionFaults(whole), 0, "versionsAreAppendOnly");
        vm.assertEq(handler.originFaults(whole), 0, "heldOriginsPayTheirAuthors");
        vm.assertEq(handler.faults(), 0, "verdictsStand");
    }

    /// @dev A campaign found a verdict that did not stand: the handler forgot that an appeal's is final at once.
    function testAnAppealMayGrantAClaim() public {
        uint256 made;
        for (uint256 i; i < 64 && handler.done("granted on appeal") == 0; ++i) {
            try handler.claim(i) {
                ++made;
            } catch {
                continue;
            }
            for (uint256 j; j < 12; ++j) {
                // They vote before the panel is closed (bit 8), and a decision waits for an appeal (bit 16).
                try handler.proceed(0x10100, type(uint256).max) {}
                catch {
                    try handler.appealOne(0, i) {} catch {}
                }
            }
            try handler.conclude(made - 1) {} catch {}
            everythingHolds(true);
        }
        vm.assertEq(handler.done("granted on appeal"), 1);
    }

    /// @dev A long walk of its own: all steps happen, and everything holds all along. The invariants above would also hold
    /// if nothing did happen.
    function testTheStepsHappen() public {
        bytes4[] memory list = steps();
        for (uint256 i; i < 4000; ++i) {
            uint256 draw = uint256(keccak256(abi.encode("walk", i)));
            uint256 args = uint256(keccak256(abi.encode(draw)));
            (bool ok,) = address(handler)
                .call(abi.encodePacked(list[draw % SINGLE], args, args >> 64, args >> 128, args >> 192));
            ok;
            if (i % 16 == 0) everythingHolds(true);
        }
        string[27] memory names = [
            "register",
            "unregister",
            "unstake",
            "claimFor",
            "slash",
            "request",
            "propose",
            "claim",
            "fund",
            "seat",
            "commit",
            "reveal",
            "close",
            "appeal",
            "finish",
            "decide",
            "accept",
            "withdraw",
            "earn",
            "conclude",
            "moveAuthor",
            "release",
            "undecided",
            "appeal decided",
            "reversed",
            "pass",
            "deliver"
        ];
        for (uint256 i; i < names.length; ++i) {
            vm.assertGe(handler.done(bytes32(bytes(names[i]))), 1, names[i]);
        }
        vm.assertGe(handler.knownVersion(), 4);
        for (uint256 i; i < 40; ++i) {
            // Cases that no panel could decide wait for the governance; where all wait, others are asked for.
            try handler.decide(i, i) {} catch {}
            try handler.request(i, i, i, i) {} catch {}
            try handler.proceed(i << 16 | i, uint256(keccak256(abi.encode(i)))) {} catch {}
        }
        vm.assertGe(handler.done("proceed"), 1, "proceed");
        everythingHolds(true);
    }
}
