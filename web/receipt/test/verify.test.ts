// The second implementation agrees with the first: on every pinned byte, and on what it says of every changed field.
import assert from "node:assert/strict";
import { test } from "node:test";

import { ReadError, readBundle } from "../src/verify/bundle.ts";
import { fromHex, keccak, concat, toHex } from "../src/verify/bytes.ts";
import { commit, evidenceHash, openedCommitment, rootFromPath } from "../src/verify/merkle.ts";
import { credits, feeOf, part, sharesOf } from "../src/verify/money.ts";
import { RECEIPT_TYPE, countersignatureDigest, idOfWords, receiptWords, recover } from "../src/verify/receipt.ts";
import { runLeaf, verify } from "../src/verify/verify.ts";
import { generated, pinned, vectors, type Data } from "./fixtures.ts";

const bytes = (hex: string): Uint8Array => fromHex(hex) ?? assert.fail(`${hex} is no hexadecimal text`);
const example = () => readBundle(JSON.stringify(pinned.bundle));

test("an honest bundle passes every offline check", () => {
  const { ok, checks } = verify(example());
  assert.deepEqual(checks.filter((check) => check.outcome !== "passed").map((check) => check.name), ["completeness"]);
  assert.ok(ok);
  assert.equal(checks.length, 15);
});

test("an engine's answer with log-probabilities passes, and says so", () => {
  const { ok, checks } = verify(readBundle(JSON.stringify(pinned.recorded.bundle)));
  assert.ok(ok);
  const evidence = checks.find((check) => check.name === "evidence");
  assert.match(evidence?.outcome === "passed" ? (evidence.note?.en ?? "") : "", /3 tokens: recorded, not proved/);
});

/** Says of each changed field what Rust says; returns the checks that failed. */
function agree({ bundle, mutations }: Data): Set<string> {
  const seen = new Set<string>();
  for (const { path, value, check, differs } of mutations as Data[]) {
    const tampered = structuredClone(bundle);
    const steps = path.split("/").slice(1);
    const last = steps.pop();
    const holder = steps.reduce((at: Data, step: string) => at[step], tampered);
    assert.notDeepEqual(holder[last], value, path);
    holder[last] = value;
    seen.add(check);
    if (check === "unreadable") {
      assert.throws(() => readBundle(JSON.stringify(tampered)), ReadError, path);
      continue;
    }
    const failed = verify(readBundle(JSON.stringify(tampered))).checks.find((one) => one.outcome === "failed");
    const found = failed?.outcome === "failed" ? [failed.name, failed.differs] : [null, null];
    assert.deepEqual(found, [check, differs], path);
  }
  return seen;
}

test("every changed field is refused with the check and the place that Rust names", () => {
  assert.ok(pinned.mutations.length > 100);
  assert.ok(pinned.recorded.mutations.length >= 12);
  agree(pinned.recorded);
  const seen = agree(pinned);
  for (const name of ["receipt fields", "receipt id", "worker signature", "countersignature", "prompt", "answer", "evidence", "witnesses", "membership", "fee"]) {
    assert.ok(seen.has(name), `no mutation fails at ${name}`);
  }
});

test("so is every changed field of what an answer is a function of", () => {
  assert.ok(verify(readBundle(JSON.stringify(generated.bundle))).ok);
  assert.ok(generated.mutations.length > 50);
  agree(generated);
  const without = structuredClone(generated.bundle);
  delete without.log_probs;
  assert.equal(verify(readBundle(JSON.stringify(without))).differs, "log_probs");
  delete without.generation;
  assert.equal(verify(readBundle(JSON.stringify(without))).differs, "generation");
  delete without.generation_words;
  without.generation = generated.bundle.generation;
  assert.equal(verify(readBundle(JSON.stringify(without))).differs, "generation_words");
});

test("words, id, digests and signatures are the pinned ones", () => {
  const bundle = example();
  assert.equal(RECEIPT_TYPE, vectors.receipt.encodedType);
  const words = receiptWords(bundle.receipt).map(([, word]) => word);
  assert.deepEqual(words.map(toHex), vectors.receipt.words);
  assert.equal(toHex(idOfWords(words, bundle.network)), vectors.receipt.id);
  assert.equal(toHex(countersignatureDigest(bundle.countersignature, bundle.network)), vectors.countersignature.digest);
  for (const [signer, digest, signature] of [
    ["worker", vectors.receipt.id, vectors.receipt.workerSignature],
    ["gateway", vectors.countersignature.digest, vectors.countersignature.signature],
    ["payer", vectors.voucher.digest, vectors.voucher.signature],
    ["contributor", vectors.terms.digest, vectors.terms.signature],
  ]) {
    assert.equal(toHex(recover(bytes(signature), bytes(digest))), vectors.addresses[signer]);
  }
});

test("a signature's twin and malformed signatures are refused", () => {
  const digest = bytes(vectors.receipt.id);
  const signature = bytes(vectors.receipt.workerSignature);
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const s = BigInt(toHex(signature.subarray(32, 64)));
  const twin = bytes(`0x${(order - s).toString(16).padStart(64, "0")}`);
  const v = Uint8Array.of(signature[64] === 27 ? 28 : 27);
  assert.throws(() => recover(concat(signature.subarray(0, 32), twin, v), digest), /upper half/);
  assert.throws(() => recover(signature.subarray(0, 64), digest), /65 bytes/);
  assert.throws(() => recover(concat(signature.subarray(0, 64), Uint8Array.of(0)), digest), /65 bytes/);
  assert.throws(() => recover(concat(new Uint8Array(32), signature.subarray(32)), digest), /no key/);
});

test("texts, openings, contribution and evidence lead to the pinned roots", () => {
  for (const text of vectors.texts as Data[]) {
    for (const one of text.openings) {
      const opening = { kind: text.kind, length: BigInt(one.length), extra: bytes(one.extra), index: one.index };
      const path = one.path.map(bytes);
      const opened = { ...opening, leafSalt: bytes(one.leafSalt), chunk: bytes(one.chunk), path };
      assert.equal(toHex(openedCommitment(opened)), text.commitment);
      assert.throws(() => openedCommitment({ ...opened, path: [...path, new Uint8Array(32)] }), /siblings/);
      if (opened.chunk.length > 0) {
        assert.throws(() => openedCommitment({ ...opened, chunk: opened.chunk.subarray(1) }), /demands/);
      }
    }
    if (text.kind !== 2) assert.equal(toHex(commit(text.kind, bytes(text.text), bytes(text.salt))), text.commitment);
  }
  const { documents, paths, root } = vectors.contribution;
  documents.forEach((leaf: string, i: number) => {
    const top = rootFromPath(bytes(leaf), i, documents.length, paths[i].map(bytes));
    assert.equal(toHex(keccak(concat(Uint8Array.of(3, 0, 0, 0, documents.length), top))), root);
  });
  const leaves = vectors.evidence.runs.map((run: Data) =>
    runLeaf({ ...run, source: BigInt(run.contribution), offset: BigInt(run.offset) }),
  );
  assert.deepEqual(leaves.map(toHex), vectors.evidence.runs.map((run: Data) => run.leaf));
  assert.equal(toHex(evidenceHash(leaves, new Uint8Array(32), new Uint8Array(32))), vectors.evidence.hash);
});

test("amounts round down and add up", () => {
  const bundle = example();
  const { terms, receipt, runs } = bundle;
  assert.deepEqual(sharesOf(runs, receipt.answerBytes), receipt.shares);
  assert.equal(feeOf(terms.prices, receipt.inputTokens, receipt.outputTokens), receipt.fee);
  assert.equal(feeOf({ input: (1n << 128n) - 1n, output: 0n }, 2, 0), undefined);
  assert.equal(feeOf({ input: 1n, output: 0n }, 1, 0), 1n);
  assert.equal(part(999_999n, 1), 0n);
  const paid = credits(bundle);
  const sum = [paid.worker, paid.developer, paid.treasury, ...paid.contributions, ...paid.curators].reduce((a, b) => a + b);
  assert.equal(sum, receipt.fee);
  // 958,333 ppm of a pool of 80.4 x 10^12 wei; the curator's cut is a twentieth of it.
  assert.equal((paid.contributions[0] ?? 0n) + (paid.curators[0] ?? 0n), 77_049_973_200_000n);
  assert.equal(paid.curators[0], 3_852_498_660_000n);
});

test("log-probabilities beyond their bounds are refused in Rust's words", () => {
  const refused = (change: (tokens: Data[]) => void, why: RegExp) => {
    const bundle = structuredClone(pinned.recorded.bundle);
    change(bundle.log_probs);
    const failed = verify(readBundle(JSON.stringify(bundle))).checks.find((one) => one.outcome === "failed");
    assert.ok(failed?.outcome === "failed");
    assert.deepEqual([failed.name, failed.differs], ["evidence", "log_probs"]);
    assert.match(failed.why.en, why);
  };
  refused((tokens) => tokens.splice(0), /there are none/);
  refused((tokens) => tokens.splice(0, 1), /token 0 is not what the answer holds/);
  refused((tokens) => tokens.push({ bytes: "0x20626c6f77", micronats: -1 }), /token 3 is not what/);
  refused((tokens) => (tokens[2].micronats = 1), /token 2 has a log-probability above/);
  refused((tokens) => (tokens[0].top[1].micronats = -1_000_000_001), /token 0 has a log-probability above 0 or below/);
  refused((tokens) => (tokens[1].top = Array(21).fill({ bytes: "0x61", micronats: -1 })), /token 1 has more than 20/);
  refused((tokens) => (tokens[1].top[0].bytes = `0x${"61".repeat(1 << 20)}`), /longer than 1048576/);
  refused((tokens) => tokens.pop(), /not those that were committed/);
  refused((tokens) => delete tokens[0].top, /not those that were committed/);
  for (const [micronats, why] of [[2147483648, /32 bits/], ["-1", /no integer/]] as const) {
    const bundle = structuredClone(pinned.recorded.bundle);
    bundle.log_probs[0].micronats = micronats;
    assert.throws(() => readBundle(JSON.stringify(bundle)), why);
  }
});

test("what JSON may hold and a receipt may not", () => {
  const json = JSON.stringify(pinned.bundle);
  const refused = (from: string, to: string, why: RegExp) => {
    assert.ok(json.includes(from), from);
    assert.throws(() => readBundle(json.replace(from, to)), why);
  };
  refused('"format":1', '"format":1,"format":1', /stands twice/);
  refused('"format":1', '"format":1.0', /integer/);
  refused('"format":1', '"format":4294967296', /32 bits/);
  refused('"format":1', '"format":-1', /32 bits/);
  refused('"seed":5', '"seed":18446744073709551616', /64 bits/);
  refused('"fonte-quote"', '"\\ud800"', /Unicode/);
  refused('"format":1,', "", /format: is missing/);
  assert.throws(() => readBundle(`${json}x`), /follows/);
  assert.throws(() => readBundle("[".repeat(100)), /deep/);
  // A u64 beyond 2^53 is read exactly: another seed is another word.
  const exact = readBundle(json.replace('"seed":5', '"seed":9007199254740993'));
  assert.equal(exact.receipt.seed, 9007199254740993n);
});
