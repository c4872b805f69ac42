// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Settlement} from "../src/Settlement.sol";
import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IModels} from "../src/interfaces/IModels.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Commitments} from "../src/lib/Commitments.sol";
import {Shares} from "../src/lib/Shares.sol";
import {Batches} from "./lib/Batches.sol";
import {DatanetsDouble, ModelsDouble} from "./lib/Doubles.sol";
import {Openings} from "./lib/Openings.sol";
import {Test} from "./lib/Vm.sol";

/// @notice The draws of docs/spec/shares.md, section 4.
library Draws {
    function next(uint64[1] memory state) internal pure returns (uint256) {
        unchecked {
            state[0] += 0x9E3779B97F4A7C15;
            uint64 z = state[0];
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }

    function below(uint64[1] memory state, uint256 n) internal pure returns (uint256) {
        return next(state) % n;
    }
}

/// @notice One case after the other: random runs -> shares -> fee -> all credits, folded into a digest that Rust and
/// TypeScript reach too (fixtures/shares.json).
contract SharesTest is Test {
    using Draws for uint64[1];

    struct Case {
        IChallenges.Run[] runs;
        uint256 answerBytes;
        uint256 priceIn;
        uint256 priceOut;
        uint256 inputTokens;
        uint256 outputTokens;
        uint256 workerPpm;
        uint256 dataPpm;
        uint256[] developerPpms;
        uint256[4] curatorPpms;
    }

    struct Result {
        uint256[] ids;
        uint256[] ppms;
        uint256[] credits;
        uint256[] cuts;
        uint256 fee;
        uint256 worker;
        uint256[] developers;
        uint256 treasury;
    }

    uint256 private constant PAYEES = 0x1000000;
    uint256 private constant CURATORS = 0x2000000;
    uint256 private constant DEVELOPERS = 0x3000000;
    address private constant WORKER = address(0x4000000);
    address private constant TREASURY = address(0x5000000);
    uint256 private constant PAYER_KEY = 0xA11CE;

    string private json = vm.readFile("../fixtures/shares.json");
    DatanetsDouble private datanets = new DatanetsDouble();
    ModelsDouble private models = new ModelsDouble();
    Settlement private settlement;

    function drawn(uint64[1] memory state) private pure returns (Case memory c) {
        c.runs = new IChallenges.Run[](1 + state.below(40));
        uint256 kinds = 1 + state.below(30);
        uint256 scale = 1 << state.below(12);
        uint256 base = state.next() >> 16;
        uint32 end;
        for (uint256 i; i < c.runs.length; ++i) {
            uint256 pick = state.below(kinds + 2);
            IChallenges.Run memory run = c.runs[i];
            run.contribution = pick == 0 ? 0 : pick == 1 ? type(uint64).max : uint64(base + pick - 1);
            run.start = end;
            end += uint32(1 + state.below(scale));
            run.end = end;
        }
        c.answerBytes = end;
        (c.priceIn, c.priceOut) = (price(state), price(state));
        (c.inputTokens, c.outputTokens) = (tokens(state), tokens(state));
        uint256 left = 1e6;
        c.workerPpm = state.below(left + 1);
        left -= c.workerPpm;
        c.dataPpm = state.below(left + 1);
        left -= c.dataPpm;
        c.developerPpms = new uint256[](state.below(9));
        for (uint256 i; i < c.developerPpms.length; ++i) {
            c.developerPpms[i] = state.below(left + 1);
            left -= c.developerPpms[i];
        }
        for (uint256 i; i < 4; ++i) {
            c.curatorPpms[i] = state.below(1_000_001);
        }
    }

    function price(uint64[1] memory state) private pure returns (uint256 value) {
        value = state.next();
        value >>= state.below(64);
        value <<= state.below(24);
    }

    function tokens(uint64[1] memory state) private pure returns (uint256 value) {
        value = state.next();
        value >>= 32 + state.below(32);
    }

    /// @dev Sorted by (ppm down, id up), the naive way, with the parts that the contracts use.
    function shares(Case memory c) private pure returns (uint256[] memory ids, uint256[] memory ppms) {
        uint256 n = c.runs.length;
        (ids, ppms) = (new uint256[](n), new uint256[](n));
        uint256 count;
        for (uint256 i; i < n; ++i) {
            uint256 id = c.runs[i].contribution;
            if (id == 0 || id == type(uint64).max) continue;
            uint256 k;
            while (k < count && ids[k] != id) ++k;
            if (k == count) ids[count++] = id;
            ppms[k] += c.runs[i].end - c.runs[i].start;
        }
        for (uint256 i; i < count; ++i) {
            ppms[i] = Shares.ppmOf(ppms[i], c.answerBytes);
        }
        for (uint256 i; i < count; ++i) {
            uint256 best = i;
            for (uint256 j = i + 1; j < count; ++j) {
                if (Shares.precedes(ppms[j], ids[j], ppms[best], ids[best])) best = j;
            }
            (ids[i], ids[best], ppms[i], ppms[best]) = (ids[best], ids[i], ppms[best], ppms[i]);
        }
        uint256 kept;
        while (kept < count && kept < 16 && ppms[kept] != 0) ++kept;
        assembly ("memory-safe") {
            mstore(ids, kept)
            mstore(ppms, kept)
        }
    }

    function resultOf(Case memory c) private pure returns (Result memory r) {
        (r.ids, r.ppms) = shares(c);
        r.fee = Shares.fee(c.inputTokens, c.outputTokens, c.priceIn, c.priceOut);
        uint256 pool = Shares.part(r.fee, c.dataPpm);
        r.worker = Shares.part(r.fee, c.workerPpm);
        r.treasury = r.fee - r.worker;
        (r.credits, r.cuts) = (new uint256[](r.ids.length), new uint256[](r.ids.length));
        for (uint256 i; i < r.ids.length; ++i) {
            uint256 credit = Shares.part(pool, r.ppms[i]);
            r.cuts[i] = Shares.part(credit, c.curatorPpms[r.ids[i] % 4]);
            r.credits[i] = credit - r.cuts[i];
            r.treasury -= credit;
        }
        r.developers = new uint256[](c.developerPpms.length);
        for (uint256 i; i < r.developers.length; ++i) {
            r.developers[i] = Shares.part(r.fee, c.developerPpms[i]);
            r.treasury -= r.developers[i];
        }
    }

    function recordOf(Result memory r) private pure returns (bytes memory record) {
        uint256 unattributed = 1e6;
        record = abi.encodePacked(uint8(r.ids.length));
        for (uint256 i; i < r.ids.length; ++i) {
            record = abi.encodePacked(
                record, uint64(r.ids[i]), uint32(r.ppms[i]), uint128(r.credits[i]), uint128(r.cuts[i])
            );
            unattributed -= r.ppms[i];
        }
        record = abi.encodePacked(
            record, uint32(unattributed), uint128(r.fee), uint128(r.worker), uint8(r.developers.length)
        );
        for (uint256 i; i < r.developers.length; ++i) {
            record = abi.encodePacked(record, uint128(r.developers[i]));
        }
        record = abi.encodePacked(record, uint128(r.treasury));
    }

    /// @dev One case; a call of its own, so that its memory is given back.
    function step(uint64 state, bytes32 digest) external pure returns (uint64, bytes32) {
        uint64[1] memory draws = [state];
        Result memory r = resultOf(drawn(draws));
        return (draws[0], keccak256(bytes.concat(digest, recordOf(r))));
    }

    function agree(uint256 index) private view {
        string memory entry = string.concat(".digests[", vm.toString(index), "]");
        uint256 cases = vm.parseJsonUint(json, string.concat(entry, ".cases"));
        uint64 state = uint64(vm.parseJsonUint(json, ".seed"));
        bytes32 digest;
        for (uint256 i; i < cases; ++i) {
            (state, digest) = this.step(state, digest);
        }
        vm.assertEq(digest, vm.parseJsonBytes32(json, string.concat(entry, ".digest")));
    }

    function isLong() private view returns (bool) {
        return keccak256(bytes(vm.envOr("FOUNDRY_PROFILE", "default"))) == keccak256("long");
    }

    function testTheFirstCasesAgree() public view {
        agree(0);
        agree(1);
    }

    /// @dev All 100,000: about half a minute, and twelve times the gas that forge gives a test.
    function testCasesAgree() public {
        vm.pauseGasMetering();
        agree(2);
    }

    // ---------------------------------------------------------------- the contracts themselves

    function tally(bytes calldata runs, uint64 source, uint256 answerBytes) external pure returns (uint256, bool) {
        return Commitments.tally(runs, source, answerBytes);
    }

    /// @dev What Settlement credits, and what a challenge of the shares would count, case by case.
    function settleCase(uint64 state) external returns (uint64) {
        uint64[1] memory draws = [state];
        Case memory c = drawn(draws);
        Result memory r = resultOf(c);
        bytes memory runs = Openings.evidence(c.runs).runs;
        for (uint256 i; i < r.ids.length; ++i) {
            (uint256 credited, bool partition) = this.tally(runs, uint64(r.ids[i]), c.answerBytes);
            vm.assertTrue(partition);
            vm.assertEq(Shares.ppmOf(credited, c.answerBytes), r.ppms[i]);
        }
        uint64 batch = settle(c, r);
        uint256[4] memory cuts;
        for (uint256 i; i < r.ids.length; ++i) {
            vm.assertEq(settlement.pendingOf(batch, address(uint160(PAYEES + i))), r.credits[i]);
            cuts[r.ids[i] % 4] += r.cuts[i];
        }
        for (uint256 i; i < 4; ++i) {
            vm.assertEq(settlement.pendingOf(batch, address(uint160(CURATORS + i))), cuts[i]);
        }
        for (uint256 i; i < r.developers.length; ++i) {
            vm.assertEq(settlement.pendingOf(batch, address(uint160(DEVELOPERS + i))), r.developers[i]);
        }
        vm.assertEq(settlement.pendingOf(batch, WORKER), r.worker);
        vm.assertEq(settlement.pendingOf(batch, TREASURY), r.treasury);
        return draws[0];
    }

    function settle(Case memory c, Result memory r) private returns (uint64) {
        ISettlement.Row[] memory rows = new ISettlement.Row[](1);
        rows[0] = ISettlement.Row(0, 1, WORKER, uint128(r.fee), new uint64[](4), new uint256[](r.ids.length));
        for (uint32 i; i < 4; ++i) {
            rows[0].versions[i] = uint64(i + 1) << 32 | 1;
            datanets.setHead(i + 1, address(uint160(CURATORS + i)), uint32(c.curatorPpms[i]));
        }
        for (uint256 i; i < r.ids.length; ++i) {
            rows[0].shares[i] = r.ids[i] << 32 | r.ppms[i];
            datanets.set(uint64(r.ids[i]), uint32(r.ids[i] % 4 + 1), address(uint160(PAYEES + i)));
        }
        IModels.Payouts memory payouts =
            IModels.Payouts(uint32(c.workerPpm), uint32(c.dataPpm), new IModels.Payout[](r.developers.length));
        for (uint256 i; i < r.developers.length; ++i) {
            payouts.developers[i] = IModels.Payout(address(uint160(DEVELOPERS + i)), uint32(c.developerPpms[i]));
        }
        models.setPayouts(payouts);
        ISettlement.Tables memory tables = Batches.tables(rows);
        ISettlement.Tab[] memory tabs = new ISettlement.Tab[](1);
        tabs[0].payer = vm.addr(PAYER_KEY);
        tabs[0].total = settlement.spent(tabs[0].payer, address(this)) + uint128(r.fee);
        tabs[0].count = 1;
        tabs[0].rows = Batches.pack(tables, rows);
        tabs[0].signature = sign(PAYER_KEY, settlement.voucherDigest(tabs[0].payer, address(this), tabs[0].total, 0));
        return settlement.settle(tables, tabs);
    }

    /// @dev 200 cases; 100,000 in the long profile.
    function testSettlementAgrees() public {
        settlement = new Settlement(
            0, IDatanets(address(datanets)), IModels(address(models)), address(1), address(2), TREASURY, 3, 60, 60, 2
        );
        // Deposit and bond of all cases: fees are below 2^110 each.
        vm.deal(address(this), 1 << 127);
        settlement.bond{value: 1 << 126}();
        settlement.depositFor{value: 1 << 126}(vm.addr(PAYER_KEY));
        uint64 state = uint64(vm.parseJsonUint(json, ".seed"));
        uint256 clean = vm.snapshotState();
        for (uint256 i; i < (isLong() ? 100_000 : 200); ++i) {
            // What the cases before left behind would slow down all after them.
            if (i % 500 == 499) vm.revertToState(clean);
            state = this.settleCase(state);
        }
    }
}
