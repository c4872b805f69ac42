// The seeded cases of docs/spec/shares.md, section 4, through the formulas that the page shows amounts by: the digests are
// those that the Rust and the Solidity tests reach. `FONTE_BLESS=1 ./test.sh` writes the fixture anew, with `FONTE_SEED` from
// another seed.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";

import { NOBODY, PPM, PROMPT, readBundle, type CitedContribution, type Run, type Share } from "../src/verify/bundle.ts";
import { bigEndian, concat, keccak, toHex } from "../src/verify/bytes.ts";
import { credits, feeOf, part, sharesOf, type Credits } from "../src/verify/money.ts";
import { pinned, read, type Data } from "./fixtures.ts";

const FIXTURE = "../../fixtures/shares.json";
const SEED = BigInt(process.env.FONTE_SEED ?? 0x464f4e5445n);
const COUNTS = [1, 1_000, 100_000];
const EXAMPLES = 3;
const MASK = 2n ** 64n - 1n;

/** splitmix64. */
class Draw {
  private state = SEED;

  next(): bigint {
    this.state = (this.state + 0x9e3779b97f4a7c15n) & MASK;
    let z = this.state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    return z ^ (z >> 31n);
  }

  below(n: bigint): bigint {
    return this.next() % n;
  }
}

interface Case {
  runs: { contribution: bigint; bytes: bigint }[];
  prices: { priceIn: bigint; priceOut: bigint; inputTokens: bigint; outputTokens: bigint };
  payouts: { workerPpm: bigint; dataPpm: bigint; developerPpms: bigint[] };
  curatorPpms: bigint[];
}

/** One case, in the order of draws that the specification fixes. */
function drawCase(draw: Draw): Case {
  const [count, kinds, scale] = [1n + draw.below(40n), 1n + draw.below(30n), 1n << draw.below(12n)];
  const base = draw.next() >> 16n;
  const runs: Case["runs"] = [];
  for (let i = 0n; i < count; ++i) {
    const [pick, bytes] = [draw.below(kinds + 2n), 1n + draw.below(scale)];
    runs.push({ contribution: pick === 0n ? NOBODY : pick === 1n ? PROMPT : base + pick - 1n, bytes });
  }
  const price = (): bigint => {
    const [value, right] = [draw.next(), draw.below(64n)];
    return (value >> right) << draw.below(24n);
  };
  const tokens = (): bigint => {
    const [value, right] = [draw.next(), draw.below(32n)];
    return value >> (32n + right);
  };
  const prices = { priceIn: price(), priceOut: price(), inputTokens: tokens(), outputTokens: tokens() };
  let left = BigInt(PPM);
  const slice = (): bigint => {
    const ppm = draw.below(left + 1n);
    left -= ppm;
    return ppm;
  };
  const [workerPpm, dataPpm] = [slice(), slice()];
  const developers = Number(draw.below(9n));
  const developerPpms = Array.from({ length: developers }, slice);
  const curatorPpms = Array.from({ length: 4 }, () => draw.below(BigInt(PPM) + 1n));
  return { runs, prices, payouts: { workerPpm, dataPpm, developerPpms }, curatorPpms };
}

interface Result {
  shares: Share[];
  unattributed: number;
  fee: bigint;
  paid: Credits;
  /** A page shows the developers' part as one amount: the formula of each is that of a part. */
  developers: bigint[];
  treasury: bigint;
}

/** What the cases leave open is as in the example bundle. */
const example = readBundle(JSON.stringify(pinned.bundle));
const [anyone] = example.cited;
assert.ok(anyone);

function resultOf({ runs, prices, payouts, curatorPpms }: Case): Result {
  let at = 0;
  const placed = runs.map(({ contribution, bytes }): Run => {
    const [start, end] = [at, at + Number(bytes)];
    at = end;
    return { start, end, source: contribution, document: 0, matchStart: start, matchEnd: end, offset: 0n };
  });
  const shares = sharesOf(placed, at);
  const { priceIn, priceOut, inputTokens, outputTokens } = prices;
  const fee = feeOf({ input: priceIn, output: priceOut }, Number(inputTokens), Number(outputTokens));
  assert.ok(fee !== undefined);
  const [worker, data] = [Number(payouts.workerPpm), Number(payouts.dataPpm)];
  const cited = shares.map(({ contribution }): CitedContribution => {
    return { ...anyone!, contribution, curatorPpm: Number(curatorPpms[Number(contribution % 4n)]) };
  });
  const paid = credits({
    receipt: { ...example.receipt, fee, shares },
    terms: { ...example.terms, splits: { protocol: PPM - worker - data, worker, developer: 0, data } },
    cited,
  });
  const developers = payouts.developerPpms.map((ppm) => part(fee, Number(ppm)));
  return {
    shares,
    unattributed: PPM - shares.reduce((sum, { ppm }) => sum + ppm, 0),
    fee,
    paid,
    developers,
    treasury: developers.reduce((rest, amount) => rest - amount, paid.treasury),
  };
}

/** The record of a result as bytes. */
function recordOf({ shares, unattributed, fee, paid, developers, treasury }: Result): Uint8Array {
  return concat(
    bigEndian(shares.length, 1),
    ...shares.flatMap(({ contribution, ppm }, i) => [
      bigEndian(contribution, 8),
      bigEndian(ppm, 4),
      bigEndian(paid.contributions[i]!, 16),
      bigEndian(paid.curators[i]!, 16),
    ]),
    bigEndian(unattributed, 4),
    bigEndian(fee, 16),
    bigEndian(paid.worker, 16),
    bigEndian(developers.length, 1),
    ...developers.map((amount) => bigEndian(amount, 16)),
    bigEndian(treasury, 16),
  );
}

/** Digests after each of the counts of cases, which ascend. */
function digests(): Data {
  const draw = new Draw();
  let digest: Uint8Array = new Uint8Array(32);
  let done = 0;
  return COUNTS.map((cases) => {
    for (; done < cases; ++done) digest = keccak(concat(digest, recordOf(resultOf(drawCase(draw)))));
    return { cases, digest: toHex(digest) };
  });
}

/** The first cases in full, numbers as decimal strings: JSON has no integers of 128 bits. */
function examples(): Data {
  const draw = new Draw();
  const made = Array.from({ length: EXAMPLES }, () => {
    const drawn = drawCase(draw);
    const { shares, unattributed, fee, paid, developers, treasury } = resultOf(drawn);
    const contributions = shares.map((share, i) => ({ ...share, credit: paid.contributions[i], cut: paid.curators[i] }));
    return { ...drawn, result: { fee, unattributed, contributions, worker: paid.worker, developers, treasury } };
  });
  const plain = (_: string, value: unknown) =>
    typeof value === "bigint" || typeof value === "number" ? value.toString() : value;
  return JSON.parse(JSON.stringify(made, plain));
}

test("the seeded cases fold to the pinned digests", () => {
  const made = { seed: `0x${SEED.toString(16)}`, digests: digests(), examples: examples() };
  if (process.env.FONTE_BLESS) writeFileSync(FIXTURE, `${JSON.stringify(made, null, 2)}\n`);
  assert.deepEqual(made, JSON.parse(read(FIXTURE)));
});
