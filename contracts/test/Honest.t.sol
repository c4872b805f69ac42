// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "../src/interfaces/IChallenges.sol";
import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {IDemands} from "../src/interfaces/IDemands.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Openings} from "./lib/Openings.sol";
import {World} from "./lib/World.sol";

/// @notice Random texts that share many windows, attributed by brute force (docs/spec/receipt.md, section 2): the honest
/// receipt survives every challenge there is, and hiding or shifting one run of it is caught.
contract HonestTest is World {
    using Openings for Openings.Text;

    uint256 private constant SOURCES = 4; // the prompt, two named contributions, one in a datanet that is not named
    uint256 private constant NONE = type(uint256).max;

    struct Found {
        uint256 owner; // index of the source, NONE for nobody
        uint256 place; // of this byte in the source
    }

    uint64[SOURCES] private ids;
    bytes[SOURCES] private sources;
    uint256 private attempts;

    /// @dev 16-byte blocks of a small alphabet, so that 32-byte windows repeat across texts, cut at odd places.
    function randomText(uint256 seed, uint256 blocks) private pure returns (bytes memory text) {
        for (uint256 i; i < blocks; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            bytes16 part = bytes16(keccak256(abi.encode("block", draw % 4)));
            text = bytes.concat(text, part);
            if (draw >> 8 & 7 == 0) text = bytes.concat(text, bytes1(uint8(draw >> 16)));
        }
    }

    function window(bytes memory text, uint256 position) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(text, 32), position))
        }
    }

    /// @dev The earliest source with a window over each byte.
    function attribute(bytes memory answer, uint256 named_) private view returns (Found[] memory found) {
        found = new Found[](answer.length);
        for (uint256 i; i < found.length; ++i) {
            found[i].owner = NONE;
        }
        for (uint256 s; s < named_; ++s) {
            bytes memory text = sources[s];
            for (uint256 w; w + 32 <= answer.length; ++w) {
                for (uint256 o; o + 32 <= text.length; ++o) {
                    if (window(answer, w) != window(text, o)) continue;
                    for (uint256 i; i < 32; ++i) {
                        if (found[w + i].owner == NONE) found[w + i] = Found(s, o + i);
                    }
                    break;
                }
            }
        }
    }

    /// @dev Runs of one owner and one witness, each with its match extended as far as it goes.
    function runsOf(bytes memory answer, Found[] memory found) private view returns (IChallenges.Run[] memory runs) {
        IChallenges.Run[] memory all = new IChallenges.Run[](answer.length);
        uint256 count;
        for (uint256 i; i < answer.length;) {
            uint256 start = i;
            Found memory f = found[i++];
            while (
                i < answer.length && found[i].owner == f.owner
                    && (f.owner == NONE || found[i].place == f.place + i - start)
            ) ++i;
            IChallenges.Run memory r = all[count++];
            (r.start, r.end) = (uint32(start), uint32(i));
            if (f.owner == NONE) continue;
            bytes memory text = sources[f.owner];
            (uint256 low, uint256 high, uint256 place) = (start, start + 1, f.place);
            while (low > 0 && place > 0 && answer[low - 1] == text[place - 1]) (--low, --place);
            while (
                high < answer.length && place + high - low < text.length && answer[high] == text[place + high - low]
            ) {
                ++high;
            }
            r.contribution = f.owner == 0 ? PROMPT : ids[f.owner];
            (r.matchStart, r.matchEnd, r.offset) = (uint32(low), uint32(high), uint64(place));
        }
        runs = new IChallenges.Run[](count);
        for (uint256 i; i < count; ++i) {
            runs[i] = all[i];
        }
    }

    /// @dev Writes the sources, and tells of them.
    function tell(uint256 seed) private returns (Story memory) {
        uint32 other = createDatanet(IDatanets.ReviewRule.Open);
        sources[0] = randomText(seed ^ 0xA, 3);
        for (uint256 s = 1; s < SOURCES; ++s) {
            sources[s] = randomText(seed ^ s, 6);
            ids[s] = contribute(s == 3 ? other : net, address(uint160(0x1000 + s)), one(sources[s]));
        }
        return answerTo(seed, 1);
    }

    /// @dev An honest answer over the sources as they are.
    function answerTo(uint256 seed, uint64 nonce) private view returns (Story memory story) {
        story.nonce = nonce;
        story.fee = 1 ether;
        story.versions = named(net);
        story.prompt = sources[0];
        story.answer = randomText(seed ^ 0xB, 7);
        Found[] memory found = attribute(story.answer, 3);
        story.runs = runsOf(story.answer, found);
        uint256[3] memory owned;
        for (uint256 i; i < found.length; ++i) {
            if (found[i].owner != NONE) ++owned[found[i].owner];
        }
        uint256[3] memory ppm = [uint256(0), 1e6 * owned[1] / story.answer.length, 1e6 * owned[2] / story.answer.length];
        (uint256 large, uint256 small) = ppm[2] > ppm[1] ? (2, 1) : (1, 2);
        story.shares = new IChallenges.Share[](ppm[small] != 0 ? 2 : ppm[large] != 0 ? 1 : 0);
        if (story.shares.length > 0) story.shares[0] = IChallenges.Share(ids[large], uint32(ppm[large]));
        if (story.shares.length > 1) story.shares[1] = IChallenges.Share(ids[small], uint32(ppm[small]));
    }

    /// @dev The tokens of the answer, and as many more as the fee of 1 ether costs.
    function receiptOf(Story memory story) internal view override returns (IChallenges.AnswerReceipt memory r) {
        r = super.receiptOf(story);
        r.inputTokens = 1e8 - 2 * r.outputTokens;
    }

    function open(uint256 s, Story memory story, uint256 position, uint256 size)
        private
        view
        returns (IChallenges.SourceOpening memory from)
    {
        from.contribution = s == 0 ? PROMPT : ids[s];
        if (position + size > sources[s].length) position = 0;
        from.text = s == 0 ? promptText(story).open(position, size) : documentText(sources[s], 0).open(position, size);
    }

    function attackNotThere(uint64 batch, Story memory story, uint32 index, uint32 position)
        private
        returns (bool caught)
    {
        IChallenges.Run memory r = story.runs[index];
        uint256 s;
        while (s < SOURCES - 1 && r.contribution != (s == 0 ? PROMPT : ids[s])) ++s;
        IChallenges.RowOpening memory row = openRow(batch, rowOf(story));
        IChallenges.RunOpening memory run = Openings.openRun(receiptOf(story), story.runs, index);
        IChallenges.TextOpening memory answer = answerText(story).open(0, 1);
        IChallenges.SourceOpening memory from = open(s, story, 0, 1);
        ++attempts;
        try challenges.challengeNotThere(row, run, position, answer, from) {
            caught = true;
        } catch {}
    }

    function attackEarlier(uint64 batch, Story memory story, uint32 index, uint32 position, uint256 s, uint64 offset)
        private
        returns (bool caught)
    {
        IChallenges.RowOpening memory row = openRow(batch, rowOf(story));
        IChallenges.RunOpening memory run = Openings.openRun(receiptOf(story), story.runs, index);
        IChallenges.TextOpening memory answer = answerText(story).open(0, 1);
        IChallenges.SourceOpening memory from = open(s, story, 0, 1);
        ++attempts;
        try challenges.challengeEarlier(row, run, position, offset, answer, from) {
            caught = true;
        } catch {}
    }

    /// forge-config: default.fuzz.runs = 24
    /// forge-config: long.fuzz.runs = 2000
    function testFuzzHonestReceiptsSurvive(uint256 seed) public {
        fund(10 ether, 100 ether);
        Story memory story = tell(seed);
        uint64 batch = settle(rowOf(story));
        uint256 size = story.answer.length;

        for (uint32 i; i < story.runs.length; ++i) {
            IChallenges.Run memory r = story.runs[i];
            // Every end of run and match, and a draw between.
            vm.assertFalse(attackNotThere(batch, story, i, r.matchStart), "not there, start");
            vm.assertFalse(attackNotThere(batch, story, i, r.matchEnd == 0 ? 0 : r.matchEnd - 1), "not there, end");
            vm.assertFalse(attackNotThere(batch, story, i, uint32(bound(seed >> i, 0, size))), "not there");
        }
        // Every equal window of every source, against the runs it touches and those near it, up to a bound; and draws.
        uint256 tries;
        for (uint256 s; s < SOURCES; ++s) {
            for (uint32 w = uint32(seed % 5); w + 32 <= size && tries < 60; w += 5) {
                for (uint64 o; o + 32 <= sources[s].length && tries < 60; ++o) {
                    if (window(story.answer, w) != window(sources[s], o)) continue;
                    for (uint32 i; i < story.runs.length; ++i) {
                        if (story.runs[i].end + 32 <= w || story.runs[i].start >= w + 64) continue;
                        ++tries;
                        vm.assertFalse(attackEarlier(batch, story, i, w, s, o), "earlier");
                    }
                }
            }
            uint256 draw = uint256(keccak256(abi.encode(seed, s)));
            uint32 index = uint32(draw % story.runs.length);
            vm.assertFalse(
                attackEarlier(batch, story, index, uint32((draw >> 32) % size), s, uint64((draw >> 64) % 80)), "draw"
            );
        }
        attackArithmetic(batch, story, seed);
        attackByDemands(batch, story);
        vm.assertEq(settlement.bondOf(gateway), 100 ether);
        vm.assertGe(attempts, 3);
    }

    /// @dev Row, fee and every share, over the true evidence and over others; and the row against itself.
    function attackArithmetic(uint64 batch, Story memory story, uint256 seed) private {
        IChallenges.RowOpening memory row = openRow(batch, rowOf(story));
        IChallenges.AnswerReceipt memory r = receiptOf(story);
        for (uint32 version; version < 3; ++version) {
            try challenges.challengeRow(row, r, version) {
                vm.assertTrue(false, "row");
            } catch {}
        }
        IChallenges.Evidence memory evidence = Openings.evidence(story.runs);
        for (uint256 i; i < SOURCES + 3; ++i) {
            uint64 id = i < SOURCES ? ids[i] : i == SOURCES ? PROMPT : uint64(seed >> (8 * i) & 7);
            try challenges.challengeShares(row, r, evidence, id) {
                vm.assertTrue(false, "shares");
            } catch {}
        }
        evidence.runs[seed % evidence.runs.length] ^= bytes1(uint8(1 + seed % 255));
        try challenges.challengeShares(row, r, evidence, ids[1]) {
            vm.assertTrue(false, "other evidence");
        } catch {}
        try challenges.challengeDoubleSettle(row, r, row, r) {
            vm.assertTrue(false, "double");
        } catch {}
    }

    /// @dev Everything that can be demanded is shown, by what an honest gateway has; then there is nothing to judge.
    function attackByDemands(uint64 batch, Story memory story) private {
        IChallenges.RowOpening memory row = openRow(batch, rowOf(story));
        IChallenges.AnswerReceipt memory r = receiptOf(story);
        bytes32[] memory none = new bytes32[](0);
        demands.showReceipt(demands.demandReceipt{value: 1 ether}(row), r);
        demands.showEvidence(
            demands.demand{value: 1 ether}(row, r, IDemands.Wanted.Evidence, 0), Openings.evidence(story.runs)
        );
        uint64 id = demands.demand{value: 1 ether}(row, r, IDemands.Wanted.Answer, 0);
        demands.showText(id, none, answerText(story).open(0, 1));
        id = demands.demand{value: 1 ether}(row, r, IDemands.Wanted.Prompt, 7);
        demands.showText(id, none, promptText(story).open(0, 1));
        for (uint32 i; i < story.runs.length; ++i) {
            IChallenges.RunOpening memory run = Openings.openRun(r, story.runs, i);
            try demands.demandSource{value: 1 ether}(row, run, 0) returns (uint64 made) {
                uint256 s = run.run.contribution == ids[1] ? 1 : 2;
                demands.showText(made, none, documentText(sources[s], 0).open(0, 1));
            } catch {}
        }
        skip(WINDOW_BLOCKS + 1, WINDOW_SECONDS);
        vm.deal(address(demands), 100 ether); // deposits of others: nobody is refused for want of money
        for (uint64 made = 1; made <= demands.demandCount(); ++made) {
            try demands.judgeWithheld(made, row) {
                vm.assertTrue(false, "withheld");
            } catch {}
        }
    }

    receive() external payable {}

    /// @dev Three honest receipts in one batch, and challenges put together from the parts of any of them, as they are or with
    /// a few words changed: none succeeds, and the bond stays whole.
    /// forge-config: default.fuzz.runs = 32
    /// forge-config: long.fuzz.runs = 2000
    function testFuzzForgedChallengesFail(uint256 seed) public {
        fund(10 ether, 100 ether);
        Story[3] memory stories = [tell(seed), answerTo(seed ^ 0x100, 2), answerTo(seed ^ 0x200, 3)];
        ISettlement.Row[] memory rows = new ISettlement.Row[](3);
        for (uint256 i; i < 3; ++i) {
            rows[i] = rowOf(stories[i]);
        }
        uint64 batch = settle(rows);
        uint256 succeeded;
        for (uint256 i; i < 60; ++i) {
            bytes memory data = this.forgery(batch, rows, stories, uint256(keccak256(abi.encode(seed, i))));
            (bool ok,) = address(challenges).call(data);
            if (ok) ++succeeded;
        }
        vm.assertEq(succeeded, 0, "a forgery succeeded");
        vm.assertEq(settlement.bondOf(gateway), 100 ether, "a forgery succeeded");
    }

    struct Parts {
        IChallenges.RowOpening row;
        IChallenges.AnswerReceipt receipt;
        Story said; // what the receipt is of
        Story shown; // whose evidence or answer is opened
    }

    /// @dev A call of its own, so that its memory is given back. Half of the parts are of one receipt.
    function forgery(uint64 batch, ISettlement.Row[] memory rows, Story[3] memory stories, uint256 draw)
        external
        view
        returns (bytes memory data)
    {
        uint32 a = uint32((draw >> 8) % 3);
        Parts memory p;
        p.row = openRow(batch, rows, a);
        p.said = stories[draw & 16 == 0 ? a : (draw >> 16) % 3];
        p.shown = stories[draw & 32 == 0 ? a : (draw >> 24) % 3];
        p.receipt = receiptOf(p.said);
        if (draw % 5 == 0) {
            uint32 other = uint32((a + 1 + (draw >> 32) % 2) % 3);
            data = abi.encodeCall(
                IChallenges.challengeDoubleSettle,
                (p.row, p.receipt, openRow(batch, rows, other), receiptOf(stories[other]))
            );
        } else {
            data = draw % 5 < 3 ? forgedSum(p, draw >> 40) : forgedRun(p, draw >> 40);
        }
        // None to three words become another word of the call, a neighbour, zero, or anything.
        for (uint256 i; i < (draw >> 6) % 4; ++i) {
            change(data, uint256(keccak256(abi.encode(draw, i))));
        }
    }

    function forgedSum(Parts memory p, uint256 draw) private view returns (bytes memory) {
        if (draw & 1 == 0) return abi.encodeCall(IChallenges.challengeRow, (p.row, p.receipt, uint32(1 + (draw >> 1) % 2)));
        IChallenges.Evidence memory evidence = Openings.evidence(p.shown.runs);
        return abi.encodeCall(IChallenges.challengeShares, (p.row, p.receipt, evidence, ids[(draw >> 8) % SOURCES]));
    }

    function forgedRun(Parts memory p, uint256 draw) private view returns (bytes memory) {
        IChallenges.RunOpening memory run =
            Openings.openRun(p.receipt, p.said.runs, uint32((draw >> 8) % p.said.runs.length));
        IChallenges.TextOpening memory answer = answerText(p.shown).open(0, 1);
        IChallenges.SourceOpening memory from = open((draw >> 16) % SOURCES, p.said, 0, 1);
        uint32 position = uint32((draw >> 24) % p.shown.answer.length);
        if (draw & 1 == 0) {
            return abi.encodeCall(IChallenges.challengeNotThere, (p.row, run, position, answer, from));
        }
        uint64 offset = uint64((draw >> 40) % 80);
        return abi.encodeCall(IChallenges.challengeEarlier, (p.row, run, position, offset, answer, from));
    }

    function change(bytes memory data, uint256 draw) private pure {
        uint256 words = (data.length - 4) / 32;
        uint256 to = 36 + 32 * ((draw >> 8) % words);
        uint256 from = 36 + 32 * ((draw >> 40) % words);
        assembly ("memory-safe") {
            let word := mload(add(data, to))
            switch and(draw, 3)
            case 0 { word := mload(add(data, from)) }
            case 1 { word := add(word, sub(shl(1, and(shr(2, draw), 1)), 1)) }
            case 2 { word := 0 }
            default { word := xor(word, shl(and(shr(72, draw), 248), 1)) }
            mstore(add(data, to), word)
        }
    }

    /// @dev A share that is a little larger or smaller than the evidence says is caught, whatever the texts are.
    /// forge-config: default.fuzz.runs = 48
    /// forge-config: long.fuzz.runs = 2000
    function testFuzzAWrongShareIsCaught(uint256 seed, uint32 wrong) public {
        fund(10 ether, 100 ether);
        Story memory story = tell(seed);
        vm.assume(story.shares.length != 0);
        uint256 index = seed % story.shares.length;
        IChallenges.Share memory share = story.shares[index];
        uint256 others = story.shares.length == 2 ? story.shares[1 - index].ppm : 0;
        // The smallest faults are the likeliest, and the least likely to be drawn.
        if (wrong % 3 == 0 && share.ppm > 1) wrong = share.ppm - 1;
        else if (wrong % 3 == 1 && share.ppm + others < 1e6) wrong = share.ppm + 1;
        else wrong = uint32(bound(wrong, 0, 1e6 - others));
        vm.assume(wrong != share.ppm);
        share.ppm = wrong;
        uint64 batch = settle(rowOf(story));
        challenges.challengeShares(
            openRow(batch, rowOf(story)), receiptOf(story), Openings.evidence(story.runs), share.contribution
        );
        vm.assertTrue(challenges.shareChallenged(batch, 0, share.contribution));
    }

    /// forge-config: default.fuzz.runs = 48
    /// forge-config: long.fuzz.runs = 2000
    function testFuzzHidingASourceIsCaught(uint256 seed) public {
        fund(10 ether, 100 ether);
        Story memory story = tell(seed);
        uint256 s;
        uint32 index;
        for (; index < story.runs.length; ++index) {
            if (story.runs[index].contribution != 0) break;
        }
        vm.assume(index < story.runs.length);
        IChallenges.Run memory r = story.runs[index];
        while (r.contribution != (s == 0 ? PROMPT : ids[s])) ++s;
        (uint32 from, uint64 offset) = (r.matchStart, r.offset);
        // A window of the match that touches the run.
        if (r.start > from) {
            uint32 shift = r.start - from;
            if (from + shift + 32 > r.matchEnd) shift = r.matchEnd - 32 - from;
            (from, offset) = (from + shift, offset + shift);
        }
        story.runs[index] = IChallenges.Run(r.start, r.end, 0, 0, 0, 0, 0);
        uint64 batch = settle(rowOf(story));
        vm.assertTrue(attackEarlier(batch, story, index, from, s, offset), "hidden, not caught");
        vm.assertLt(settlement.bondOf(gateway), 100 ether);
    }

    /// forge-config: default.fuzz.runs = 48
    /// forge-config: long.fuzz.runs = 2000
    function testFuzzAShiftedMatchIsCaught(uint256 seed) public {
        fund(10 ether, 100 ether);
        Story memory story = tell(seed);
        uint32 index;
        for (; index < story.runs.length; ++index) {
            if (story.runs[index].contribution != 0) break;
        }
        vm.assume(index < story.runs.length);
        IChallenges.Run memory r = story.runs[index];
        r.offset += 1;
        bytes memory text = r.contribution == PROMPT ? sources[0] : r.contribution == ids[1] ? sources[1] : sources[2];
        // Some byte of the shifted match must differ, or lie beyond the end.
        uint32 position = r.matchStart;
        while (position < r.matchEnd) {
            uint256 place = r.offset + position - r.matchStart;
            if (place >= text.length || text[place] != story.answer[position]) break;
            ++position;
        }
        vm.assume(position < r.matchEnd);
        uint64 batch = settle(rowOf(story));
        vm.assertTrue(attackNotThere(batch, story, index, position), "shifted, not caught");
    }
}
