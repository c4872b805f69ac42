// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {GovernedWorld} from "./lib/GovernedWorld.sol";
import {NodeKeys} from "./lib/NodeKeys.sol";
import {Steps} from "./lib/Steps.sol";
import {Test, Vm} from "./lib/Vm.sol";

/// @notice More cheatcodes of forge: files, JSON, and the slots that a call touches.
interface VmFiles {
    struct DirEntry {
        string errorMessage;
        string path;
        uint64 depth;
        bool isDir;
        bool isSymlink;
    }

    function accesses(address target) external returns (bytes32[] memory reads, bytes32[] memory writes);
    function getDeployedCode(string calldata path) external view returns (bytes memory);
    function parseJsonKeys(string calldata json, string calldata key) external pure returns (string[] memory);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function readDir(string calldata path) external view returns (DirEntry[] memory);
    function record() external;
}

/// @notice Every contract of src/, its functions that change state, and who may call each (test/authority.json).
abstract contract Authority is GovernedWorld {
    VmFiles internal constant files = VmFiles(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    struct Entry {
        string contractName;
        string signature;
        address target;
        bytes4 selector;
        string who;
    }

    string internal table;
    string[] internal names;
    Entry[] internal entries;

    /// @dev Reads the ABIs of this build, so that no function can be forgotten.
    function load() internal {
        table = vm.readFile("test/authority.json");
        VmFiles.DirEntry[] memory found = files.readDir("src");
        for (uint256 i; i < found.length; ++i) {
            if (!found[i].isDir) names.push(baseName(found[i].path));
        }
        for (uint256 i; i < names.length; ++i) {
            loadContract(names[i]);
        }
    }

    function loadContract(string memory name) private {
        string memory json = vm.readFile(artifactOf(name));
        require(vm.keyExistsJson(table, string.concat(".", name)), string.concat(name, " is not in authority.json"));
        // Contracts that others make by the dozen have no address of their own.
        address target =
            vm.keyExistsJson(table, addressPath(name)) ? vm.parseJsonAddress(table, addressPath(name)) : address(0);
        string[] memory signatures = files.parseJsonKeys(json, ".methodIdentifiers");
        for (uint256 i; i < signatures.length; ++i) {
            string memory bare = bareName(signatures[i]);
            if (vm.keyExistsJson(json, reading(bare, "view")) || vm.keyExistsJson(json, reading(bare, "pure"))) continue;
            string memory path = string.concat(".", name, ".", bare);
            require(
                vm.keyExistsJson(table, path), string.concat("who may call ", name, ".", bare, "? say so in authority.json")
            );
            entries.push(
                Entry(
                    name,
                    signatures[i],
                    target,
                    bytes4(keccak256(bytes(signatures[i]))),
                    files.parseJsonString(table, path)
                )
            );
        }
    }

    function reading(string memory name, string memory mutability) private pure returns (string memory) {
        return string.concat("$.abi[?(@.name == '", name, "' && @.stateMutability == '", mutability, "')]");
    }

    function addressPath(string memory name) internal pure returns (string memory) {
        return string.concat("$['", name, "']['@']");
    }

    function artifactOf(string memory name) internal pure returns (string memory) {
        return string.concat("out/", name, ".sol/", name, ".json");
    }

    // ---------------------------------------------------------------- strings

    function equal(string memory a, string memory b) internal pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }

    function contains(string memory text, string memory part) internal pure returns (bool) {
        bytes memory a = bytes(text);
        bytes memory b = bytes(part);
        for (uint256 i; i + b.length <= a.length; ++i) {
            uint256 j;
            while (j < b.length && a[i + j] == b[j]) ++j;
            if (j == b.length) return true;
        }
        return false;
    }

    function startsWith(string memory text, string memory part) internal pure returns (bool) {
        return bytes(text).length > bytes(part).length && equal(slice(text, 0, bytes(part).length), part);
    }

    function slice(string memory text, uint256 from, uint256 to) internal pure returns (string memory) {
        bytes memory part = new bytes(to - from);
        for (uint256 i; i < part.length; ++i) {
            part[i] = bytes(text)[from + i];
        }
        return string(part);
    }

    function bareName(string memory signature) internal pure returns (string memory) {
        uint256 end;
        while (bytes(signature)[end] != "(") ++end;
        return slice(signature, 0, end);
    }

    function baseName(string memory path) private pure returns (string memory) {
        uint256 from = bytes(path).length;
        while (from > 0 && bytes(path)[from - 1] != "/") --from;
        return slice(path, from, bytes(path).length - 4); // without ".sol"
    }
}

contract AuthorityTest is Authority {
    function setUp() public override {
        super.setUp();
        load();
    }

    // ---------------------------------------------------------------- the table is complete, and true

    function testTheTableNamesNothingThatIsGone() public view {
        string[] memory listed = files.parseJsonKeys(table, "$");
        uint256 functions;
        for (uint256 i; i < listed.length; ++i) {
            functions += files.parseJsonKeys(table, string.concat(".", listed[i])).length;
            if (vm.keyExistsJson(table, addressPath(listed[i]))) --functions;
        }
        vm.assertEq(listed.length, names.length);
        vm.assertEq(functions, distinct());
    }

    function distinct() private view returns (uint256 count) {
        string memory seen = "|";
        for (uint256 i; i < entries.length; ++i) {
            string memory key = string.concat(entries[i].contractName, ".", bareName(entries[i].signature), "|");
            if (contains(seen, string.concat("|", key))) continue;
            seen = string.concat(seen, key);
            ++count;
        }
    }

    /// @dev Whoever is restricted to one account answers it otherwise than everybody else, whom it refuses: the guardian,
    /// the governor, the deployer, a voter with all the votes, a stranger, the contract itself.
    /// forge-config: default.fuzz.runs = 24
    /// forge-config: long.fuzz.runs = 2000
    function testFuzzRestrictedFunctionsRefuseEverybodyElse(address stranger, uint256 word) public {
        address[7] memory callers =
            [stranger, guardian, address(governor), address(timelock), address(this), voter, address(settlement)];
        uint256 checked;
        for (uint256 i; i < entries.length; ++i) {
            require(entries[i].target.code.length != 0 || !vm.keyExistsJson(table, addressPath(entries[i].contractName)));
            (bool restricted, address allowed) = allowedFor(entries[i].who);
            if (!restricted) continue;
            ++checked;
            for (uint256 c; c < callers.length; ++c) {
                if (callers[c] == allowed || callers[c] == entries[i].target) continue;
                expectRefusal(entries[i], callers[c], allowed, word);
            }
        }
        vm.assertGe(checked, 25);
    }

    /// @dev The one account that may call; 0 for a function that refuses everybody.
    function allowedFor(string memory who) private view returns (bool, address) {
        if (equal(who, "governance")) return (true, address(timelock));
        if (equal(who, "governor")) return (true, address(governor));
        if (equal(who, "guardian")) return (true, guardian);
        if (startsWith(who, "contract ")) {
            return (true, vm.parseJsonAddress(table, addressPath(slice(who, 9, bytes(who).length))));
        }
        return (equal(who, "nobody"), address(0));
    }

    /// @dev Zeros decode as any arguments; then the same word everywhere, for what zeros cannot tell apart.
    function expectRefusal(Entry memory entry, address caller, address allowed, uint256 word) private {
        string memory told = string.concat(entry.contractName, ".", entry.signature);
        bytes memory zeros = bytes.concat(entry.selector, new bytes(1024));
        (bool ok, bytes4 reason) = tryCall(caller, entry.target, zeros);
        vm.assertFalse(ok, told);
        if (allowed == address(0)) return;
        (bool okAllowed, bytes4 reasonAllowed) = tryCall(allowed, entry.target, zeros);
        vm.assertTrue(okAllowed || reason != reasonAllowed, told);
        (ok,) = tryCall(caller, entry.target, bytes.concat(entry.selector, abi.encode(word, word, word, word, word, word)));
        vm.assertFalse(ok, told);
    }

    function tryCall(address from, address target, bytes memory data) private returns (bool ok, bytes4 reason) {
        bytes memory result;
        uint256 snapshot = VmState(address(vm)).snapshotState();
        vm.prank(from);
        (ok, result) = target.call(data);
        VmState(address(vm)).revertToState(snapshot);
        reason = bytes4(result);
    }

    // ---------------------------------------------------------------- what is immutable

    function testTheTokenAndTheSettlementHaveNoGovernance() public view {
        for (uint256 i; i < entries.length; ++i) {
            if (entries[i].target != address(token) && entries[i].target != address(settlement)) continue;
            string memory who = entries[i].who;
            bool governed = contains(who, "govern") || equal(who, "guardian");
            vm.assertFalse(governed, entries[i].signature);
        }
    }

    /// @dev To these two the timelock is somebody like everybody: whatever it sends, the answer is a stranger's.
    function testFuzzGovernanceIsNobodySpecialThere(uint256 which, bytes calldata noise, uint8 mode, uint64 value)
        public
    {
        address stranger = address(0x57A);
        uint256 tried;
        for (uint256 i; i < entries.length; ++i) {
            Entry memory entry = entries[(which % entries.length + i) % entries.length];
            if (entry.target != address(token) && entry.target != address(settlement)) continue;
            bytes memory data = bytes.concat(entry.selector, mode % 2 == 0 ? noise : bytes(""), new bytes(512));
            vm.deal(stranger, value);
            vm.deal(address(timelock), value);
            vm.prank(stranger);
            (bool ok, bytes memory answer) = entry.target.call{value: mode % 3 == 0 ? value : 0}(data);
            vm.prank(address(timelock));
            (bool okTimelock, bytes memory answerTimelock) = entry.target.call{value: mode % 3 == 0 ? value : 0}(data);
            vm.assertEq(ok, okTimelock);
            vm.assertEq(bytes32(bytes4(answer)), bytes32(bytes4(answerTimelock)), entry.signature);
            if (++tried == 4) break;
        }
    }

    function testNoOwnerNoUpgrade() public view {
        string[14] memory forbidden = [
            "owner", "transferOwnership", "renounceOwnership", "acceptOwnership", "setOwner", "upgradeTo",
            "upgradeToAndCall", "proxiableUUID", "implementation", "initialize", "changeAdmin", "admin", "pause", "unpause"
        ];
        for (uint256 i; i < names.length; ++i) {
            string[] memory signatures = files.parseJsonKeys(vm.readFile(artifactOf(names[i])), ".methodIdentifiers");
            for (uint256 j; j < signatures.length; ++j) {
                for (uint256 k; k < forbidden.length; ++k) {
                    vm.assertFalse(
                        equal(bareName(signatures[j]), forbidden[k]), string.concat(names[i], ".", signatures[j])
                    );
                }
            }
        }
    }

    /// @dev No instruction in any contract runs another's code as its own or ends the contract: there is nothing to
    /// upgrade with. (Data after the code could only add false alarms, not hide an instruction.)
    function testNoForeignCodeAndNoEnd() public view {
        for (uint256 i; i < names.length; ++i) {
            (uint256 pc, uint8 op) = foreign(files.getDeployedCode(artifactOf(names[i])));
            vm.assertEq(uint256(op), 0, string.concat(names[i], " at ", vm.toString(pc)));
        }
        // The scan does find them.
        (, uint8 found) = foreign(hex"60f4f4");
        vm.assertEq(uint256(found), 0xf4);
        (, found) = foreign(hex"61f4ff00ff");
        vm.assertEq(uint256(found), 0xff);
    }

    function foreign(bytes memory code) private pure returns (uint256 pc, uint8 op) {
        for (; pc < code.length; ++pc) {
            op = uint8(code[pc]);
            if (op == 0xf4 || op == 0xf2 || op == 0xff) return (pc, op); // delegatecall, callcode, selfdestruct
            if (op >= 0x60 && op <= 0x7f) pc += op - 0x5f;
        }
        return (0, 0);
    }
}

/// @notice Calls anything with anything, as anybody but the governor and the timelock; and registers, contributes, settles and
/// pushes as the rules say, because noise hardly ever does, and no grant may depend on it.
contract Intruder is Authority, Steps {
    address[] private actors;
    address[] private targets; // each once
    bytes32 public fingerprintAtStart;
    bool public timelockWritten;
    bool public treasuryShrank;
    uint256 public successes;
    /// @dev Whether the step wrote anything that the fingerprint is of.
    bool public touched;

    function start() external {
        setUp();
        load();
        actors = [guardian, address(this), voter, gateway, curator, developer, worker, address(0x57A), address(settlement)];
        vm.deal(address(this), 1600 ether);
        give(address(timelock), 1000 ether);
        token.depositTo{value: 500 ether}(address(timelock));
        give(address(allowance), 100 ether);
        vm.prank(address(timelock));
        allowance.setBudget(gateway, worker, 5 ether, 1000);
        for (uint256 i; i < entries.length; ++i) {
            if (targets.length == 0 || targets[targets.length - 1] != entries[i].target) targets.push(entries[i].target);
        }
        fingerprintAtStart = fingerprint();
    }

    function intrude(uint256 who, uint256 which, uint256 mode, bytes calldata noise, uint256[8] calldata words)
        external
        counted("intrude")
    {
        Entry memory entry = entries[which % entries.length];
        if (entry.target.code.length == 0) return;
        address caller = mode % 5 == 0 ? address(uint160(who)) : actors[who % actors.length];
        if (caller == address(timelock) || caller == address(governor)) return;
        bytes memory data;
        if (mode % 3 == 0) data = noise;
        else if (mode % 3 == 1) data = plausible(words);
        uint256 value = mode % 7 == 0 ? 1 ether : 0;
        vm.deal(caller, caller.balance + value);
        uint256 held = wealth();
        files.record();
        vm.prank(caller);
        (bool ok,) = entry.target.call{value: value}(bytes.concat(entry.selector, data, new bytes(768)));
        if (ok) ++successes;
        look(held, caller);
        if (!timelock.hasRole(timelock.CANCELLER_ROLE(), guardian)) seatAgain();
        if (mode % 11 == 0) skip(1, 500);
    }

    function takePart(uint256 what, uint256 seed) external counted("take part") {
        // Nobody comes twice.
        address who = address(uint160(0xF0000 + steps));
        uint256 held = wealth();
        files.record();
        bytes32[6] memory parts =
            [bytes32("worker"), "validator", "reviewer", "contribution", "settlement", "push"];
        what %= 6;
        if (what == 0) {
            registerWorker(who);
        } else if (what == 1) {
            registerValidator(4 + done["validator"]);
        } else if (what == 2) {
            vm.deal(who, STAKE);
            vm.prank(who);
            reviews.register{value: STAKE}();
        } else if (what == 3) {
            contribute(who, abi.encode(seed, steps));
        } else if (what == 4) {
            fund(1 ether, 3 ether);
            ISettlement.Row memory row = plainRow(uint128(bound(seed, 1, 1 ether)));
            row.receipt = keccak256(abi.encode(seed, steps));
            settle(row);
        } else {
            uint64 last = settlement.batchCount();
            closeWindow();
            settlement.push(last, only(treasury));
        }
        look(held, who);
        ++done[parts[what]];
    }

    function registerWorker(address who) private {
        vm.deal(who, 1 ether);
        vm.prank(who);
        workers.register{value: 1 ether}(NodeKeys.workerInfo(1));
    }

    function registerValidator(uint256 i) private {
        address who = NodeKeys.operator(i);
        bytes memory key = NodeKeys.consensusKey(i);
        bytes32 name = NodeKeys.networkKey(i);
        (bytes32 r, bytes32 s) = NodeKeys.signP256(NodeKeys.secret(i), validators.registrationDigest(who, name));
        vm.deal(who, 100 ether);
        vm.prank(who);
        validators.register{value: 100 ether}(key, name, "127.0.0.1:9000", r, s);
    }

    /// @dev After a call by `caller`, before which the commons had `held`.
    function look(uint256 held, address caller) private {
        // The guardian may cancel and leave; nothing waits here, so it can only leave, which is its own affair.
        bool written = isWritten(address(timelock));
        if (written && caller != guardian) timelockWritten = true;
        touched = written || isWritten(address(governor)) || isWritten(address(token)) || isWritten(address(allowance));
        if (wealth() < held) treasuryShrank = true;
    }

    function forget() internal override {
        touched = false;
    }

    function isWritten(address where) private returns (bool) {
        (, bytes32[] memory writes) = files.accesses(where);
        return writes.length != 0;
    }

    function seatAgain() private {
        vm.prank(address(timelock));
        timelock.setGuardian(guardian);
    }

    /// @dev Arguments that might mean something: addresses of the world, small numbers, roles.
    function plausible(uint256[8] calldata words) private view returns (bytes memory data) {
        for (uint256 i; i < 8; ++i) {
            uint256 word = words[i];
            if (word % 4 == 0) word = uint160(actors[word % actors.length]);
            else if (word % 4 == 1) word = word % 8;
            else if (word % 4 == 2) word = uint160(0xF017e00000000000000000000000000000000000) + word % 14;
            else if (word % 3 == 0) word = uint256(timelock.PROPOSER_ROLE());
            data = bytes.concat(data, bytes32(word));
        }
    }

    /// @dev What the commons have: the treasury, and the fund of the allowance, of which nobody here can sign a voucher.
    function wealth() public view returns (uint256) {
        return address(timelock).balance + token.balanceOf(address(timelock)) + address(allowance).balance
            + settlement.depositOf(address(allowance));
    }

    /// @dev All that governance has set, and the code of everything.
    function fingerprint() public view returns (bytes32 print) {
        bytes32[4] memory roles = [
            timelock.PROPOSER_ROLE(), timelock.EXECUTOR_ROLE(), timelock.CANCELLER_ROLE(), timelock.DEFAULT_ADMIN_ROLE()
        ];
        for (uint256 i; i < actors.length; ++i) {
            for (uint256 r; r < 4; ++r) {
                print = keccak256(abi.encode(print, timelock.hasRole(roles[r], actors[i])));
            }
            print = keccak256(abi.encode(print, token.allowance(address(timelock), actors[i])));
        }
        print = keccak256(abi.encode(print, timelock.getMinDelay(), timelock.guardian(), timelock.leastDelay()));
        print = keccak256(
            abi.encode(
                print,
                governor.votingDelay(),
                governor.votingPeriod(),
                governor.proposalThreshold(),
                governor.quorumNumerator(),
                governor.lateQuorumVoteExtension(),
                governor.timelock()
            )
        );
        print = keccak256(
            abi.encode(
                print,
                allowance.gateways(),
                allowance.budgetOf(gateway).perPeriod,
                allowance.budgetOf(gateway).period,
                token.delegates(address(timelock))
            )
        );
        for (uint256 i; i < targets.length; ++i) {
            // The hash of an account without code changes when the account gets its first coin.
            print = keccak256(abi.encode(print, targets[i].code.length == 0 ? bytes32(0) : targets[i].codehash));
        }
    }
}

contract IntruderTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Intruder private intruder;

    function setUp() public {
        intruder = new Intruder();
        intruder.start();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(intruder);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](4);
        selectors[0] = Intruder.intrude.selector;
        selectors[1] = Intruder.intrude.selector;
        selectors[2] = Intruder.intrude.selector;
        selectors[3] = Intruder.takePart.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(intruder), selectors);
    }

    /// @dev One campaign looks at everything: docs/decisions/0044-one-campaign.md and 0088-what-a-step-touched.md.
    function invariant_timelock() public view {
        everythingHolds(intruder.isWhole());
    }

    function afterInvariant() public view {
        everythingHolds(true);
    }

    function everythingHolds(bool whole) private view {
        vm.assertFalse(intruder.timelockWritten(), "nothingBypassesTheTimelock");
        vm.assertFalse(intruder.treasuryShrank(), "theTreasuryOnlyGrows");
        if (!whole && !intruder.touched()) return;
        vm.assertEq(intruder.fingerprint(), intruder.fingerprintAtStart(), "nothingBypassesTheTimelock");
    }

    function testSomeCallsSucceed() public {
        for (uint256 i; i < 400; ++i) {
            uint256[8] memory words;
            for (uint256 j; j < 8; ++j) {
                words[j] = uint256(keccak256(abi.encode(i, j)));
            }
            intruder.intrude(words[0] >> 8, i, words[1] >> 8, "", words);
        }
        vm.assertGe(intruder.successes(), 20);
        bytes32[6] memory parts =
            [bytes32("worker"), "validator", "reviewer", "contribution", "settlement", "push"];
        for (uint256 i; i < 18; ++i) {
            intruder.takePart(i, i << 100);
            vm.assertGe(intruder.done(parts[i % 6]), 1 + i / 6);
        }
        everythingHolds(true);
    }
}

interface VmState {
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
}
