// The seeded cases of docs/spec/shares.md, section 4, and the digest over their results.
import { keccak_256 } from "@noble/hashes/sha3.js";
import { NOBODY, PROMPT, creditsOf, feeOf, sharesOf } from "./shares.mjs";

const MASK = 2n ** 64n - 1n;

/** splitmix64 */
export class Draw {
  constructor(seed) {
    this.state = seed;
  }
  next() {
    this.state = (this.state + 0x9e3779b97f4a7c15n) & MASK;
    let z = this.state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    return z ^ (z >> 31n);
  }
  below(n) {
    return this.next() % n;
  }
}

/** One case, in the order of draws that the specification fixes. */
export function drawCase(draw) {
  const count = 1n + draw.below(40n);
  const kinds = 1n + draw.below(30n);
  const scale = 1n << draw.below(12n);
  const base = draw.next() >> 16n;
  const runs = [];
  for (let i = 0n; i < count; ++i) {
    const pick = draw.below(kinds + 2n);
    const bytes = 1n + draw.below(scale);
    runs.push({ contribution: pick === 0n ? NOBODY : pick === 1n ? PROMPT : base + pick - 1n, bytes });
  }
  const price = () => {
    const value = draw.next();
    const right = draw.below(64n);
    return (value >> right) << draw.below(24n);
  };
  const tokens = () => {
    const value = draw.next();
    return value >> (32n + draw.below(32n));
  };
  const prices = { priceIn: price(), priceOut: price(), inputTokens: tokens(), outputTokens: tokens() };
  let left = 1_000_000n;
  const slice = () => {
    const ppm = draw.below(left + 1n);
    left -= ppm;
    return ppm;
  };
  const payouts = { workerPpm: slice(), dataPpm: slice(), developerPpms: [] };
  const developers = draw.below(9n);
  for (let i = 0n; i < developers; ++i) payouts.developerPpms.push(slice());
  const curatorPpms = [0, 1, 2, 3].map(() => draw.below(1_000_001n));
  return { runs, prices, payouts, curatorPpms };
}

export function resultOf({ runs, prices, payouts, curatorPpms }) {
  const shares = sharesOf(runs);
  const fee = feeOf(prices);
  const unattributed = 1_000_000n - shares.reduce((sum, { ppm }) => sum + ppm, 0n);
  const credits = creditsOf(fee, shares, payouts, (contribution) => curatorPpms[Number(contribution % 4n)]);
  return { fee, unattributed, ...credits };
}

/** The record of a result as bytes. */
export function recordOf({ fee, unattributed, contributions, worker, developers, treasury }) {
  let hex = "";
  const put = (value, bytes) => {
    hex += value.toString(16).padStart(2 * bytes, "0");
  };
  put(BigInt(contributions.length), 1);
  for (const { contribution, ppm, credit, cut } of contributions) {
    put(contribution, 8);
    put(ppm, 4);
    put(credit, 16);
    put(cut, 16);
  }
  put(unattributed, 4);
  put(fee, 16);
  put(worker, 16);
  put(BigInt(developers.length), 1);
  for (const amount of developers) put(amount, 16);
  put(treasury, 16);
  return Buffer.from(hex, "hex");
}

/** Digests after each of `counts` (ascending) cases. */
export function digestsOf(seed, counts) {
  const draw = new Draw(seed);
  let digest = new Uint8Array(32);
  let done = 0;
  return counts.map((count) => {
    for (; done < count; ++done) digest = keccak_256(Buffer.concat([digest, recordOf(resultOf(drawCase(draw)))]));
    return `0x${Buffer.from(digest).toString("hex")}`;
  });
}
