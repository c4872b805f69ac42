#!/usr/bin/env node
// Compares the digests of fixtures/shares.json with those of this implementation; `--bless` writes them instead.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Draw, digestsOf, drawCase, resultOf } from "./cases.mjs";

const path = fileURLToPath(new URL("../../fixtures/shares.json", import.meta.url));
const SEED = 0x464f4e5445n;
const COUNTS = [1, 1_000, 100_000];
const EXAMPLES = 3;

/** Numbers as decimal strings: JSON has no integers of 128 bits. */
const plain = (value) => JSON.parse(JSON.stringify(value, (_, v) => (typeof v === "bigint" ? v.toString() : v)));

const digests = digestsOf(SEED, COUNTS);
const draw = new Draw(SEED);
const examples = Array.from({ length: EXAMPLES }, () => {
  const drawn = drawCase(draw);
  return plain({ ...drawn, result: resultOf(drawn) });
});
const made = {
  seed: `0x${SEED.toString(16)}`,
  digests: COUNTS.map((count, i) => ({ cases: count, digest: digests[i] })),
  examples,
};

if (process.argv.includes("--bless")) {
  writeFileSync(path, `${JSON.stringify(made, null, 2)}\n`);
  console.log(`${path} written`);
} else {
  const pinned = JSON.parse(readFileSync(path, "utf8"));
  const differing = ["seed", "digests", "examples"].filter(
    (name) => JSON.stringify(pinned[name]) !== JSON.stringify(made[name]),
  );
  if (differing.length > 0) {
    console.error(`fixtures/shares.json differs in ${differing.join(", ")}`);
    process.exitCode = 1;
  } else {
    console.log(`${COUNTS.at(-1)} cases agree with fixtures/shares.json`);
  }
}
