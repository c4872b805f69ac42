// The checks that need the chain, against what a real chain answered (test/data, made by test/record.mjs), and against a
// chain that says something else.
import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeEvent, decodeResult, encodeCall } from "../src/chain/abi.ts";
import { chainChecks, readStanding, rowLeaf } from "../src/chain/checks.ts";
import { Chain, LOG_BLOCKS, RpcError, abiOf, field } from "../src/chain/rpc.ts";
import { readBundle } from "../src/verify/bundle.ts";
import { fromHex, toHex } from "../src/verify/bytes.ts";
import { verify } from "../src/verify/verify.ts";
import { pinned, read, vectors, type Data } from "./fixtures.ts";

const recorded: Data = JSON.parse(read("test/data/answer.json"));
const bundle = () => readBundle(JSON.stringify(recorded.receipt));

/** Answers as the chain did; `change` may say otherwise. */
function replay(change: (name: string, result: string) => unknown = (_, result) => result, from: Data = recorded): Chain {
  return new Chain(async (method, params) => {
    const call = from.calls.find((one: Data) => one.method === method && JSON.stringify(one.params) === JSON.stringify(params));
    if (call === undefined) throw new RpcError(`not recorded: ${method} ${JSON.stringify(params)}`);
    return change(method === "eth_call" ? nameOf(call) : method, call.result);
  });
}

/** Which function a recorded call calls. */
function nameOf(call: Data): string {
  const data: string = call.params[0].data;
  const known = [
    ...(["networkId", "datanets", "models", "batch", "pendingOf"] as const).map((name) => abiOf("Settlement", name)),
    ...(["contribution", "datanet", "payeeAt"] as const).map((name) => abiOf("Datanets", name)),
    abiOf("Models", "model"),
  ];
  return known.find((item) => selector(item) === data.slice(0, 10))?.name ?? assert.fail(data);
}

const selector = (item: Parameters<typeof encodeCall>[0]): string =>
  toHex(encodeCall(item, (item.inputs ?? []).map(() => 0n))).slice(0, 10);

/** The same answer with its `n`th word one higher. */
function bump(result: string, n: number): string {
  const at = 2 + 64 * n;
  const word = (BigInt(`0x${result.slice(at, at + 64)}`) + 1n).toString(16).padStart(64, "0");
  return result.slice(0, at) + word + result.slice(at + 64);
}

const outcomes = async (chain: Chain, settlement: Data = recorded.settlement) => {
  const checks = await chainChecks(chain, bundle(), readStanding(JSON.stringify(settlement)));
  return Object.fromEntries(checks.map((check) => [check.name, check.outcome]));
};

const ALL = { network: "passed", "terms on chain": "passed", "contributions on chain": "passed", "settled as written": "passed", credits: "passed" };

test("the recorded receipt holds, offline and on its chain", async () => {
  assert.ok(verify(bundle()).ok);
  assert.deepEqual(await outcomes(replay()), ALL);
});

test("a curator's cut is expected beside what its contribution earns", async () => {
  const curated: Data = JSON.parse(read("test/data/curated.json"));
  const given = () => readBundle(JSON.stringify(curated.receipt));
  const where = readStanding(JSON.stringify(curated.settlement));
  const found = async (bundle = given()) => {
    const checks = await chainChecks(replay(undefined, curated), bundle, where);
    return Object.fromEntries(checks.map((check) => [check.name, check.outcome]));
  };
  assert.ok(verify(given()).ok);
  assert.ok(given().cited.every((one) => one.curatorPpm === 100_000));
  assert.deepEqual(await found(), ALL);
  const [other, stranger] = [given(), given()];
  for (const one of other.cited) one.curatorPpm = 0;
  assert.equal((await found(other))["contributions on chain"], "failed");
  for (const one of stranger.cited) one.curator = one.contributor;
  assert.equal((await found(stranger))["contributions on chain"], "failed");
});

test("a row's leaf is the pinned one", () => {
  assert.equal(toHex(rowLeaf(readBundle(JSON.stringify(pinned.bundle)))), vectors.row.leaf);
});

test("what the chain says otherwise fails the check that asked", async () => {
  // Words of the answers: `batch` starts with the root, `contribution` has its root in the eighth word, and `model`'s terms
  // start behind name, kind, hashes, owner and version.
  const cases: [name: string, word: number, check: string][] = [
    ["networkId", 0, "network"],
    ["datanets", 0, "network"],
    ["batch", 0, "settled as written"],
    ["contribution", 7, "contributions on chain"],
    ["contribution", 5, "contributions on chain"],
  ];
  for (const [name, word, check] of cases) {
    const found = await outcomes(replay((asked, result) => (asked === name ? bump(result, word) : result)));
    assert.equal(found[check], "failed", `${name} word ${word}`);
  }
  const priceIn = (result: string) => {
    const price = BigInt(recorded.receipt.terms.prices.input).toString(16).padStart(64, "0");
    assert.ok(result.includes(price));
    return result.replace(price, (BigInt(`0x${price}`) + 1n).toString(16).padStart(64, "0"));
  };
  const terms = await outcomes(replay((asked, result) => (asked === "model" ? priceIn(result) : result)));
  assert.equal(terms["terms on chain"], "failed");
});

test("credits that were neither kept nor paid fail", async () => {
  const nothing = `0x${"0".repeat(64)}`;
  const chain = replay((asked, result) => (asked === "pendingOf" ? nothing : result));
  const withLogs = (logs: Data[]) => new Chain(async (method, params) => (method === "eth_getLogs" ? logs : chain.send(method, params)));
  assert.equal((await outcomes(withLogs([])))["credits"], "failed");
  const amount = (wei: bigint) => ({ topics: [], data: `0x${wei.toString(16).padStart(64, "0")}` });
  assert.equal((await outcomes(withLogs([amount(10n ** 18n)])))["credits"], "passed");
  assert.equal((await outcomes(withLogs([amount(1n)])))["credits"], "failed");
});

test("payments are found however long ago the settlement was", async () => {
  const nothing = `0x${"0".repeat(64)}`;
  const chain = replay((asked, result) => (asked === "pendingOf" ? nothing : result));
  const paid = { topics: [], data: `0x${(10n ** 18n).toString(16).padStart(64, "0")}` };
  const [head, paidAt] = [35_000n, 24_000n];
  const asked: [bigint, bigint][] = [];
  const far = new Chain(async (method, params) => {
    if (method === "eth_blockNumber") return `0x${head.toString(16)}`;
    if (method !== "eth_getLogs") return chain.send(method, params);
    const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string };
    const [from, to] = [BigInt(fromBlock), toBlock === "latest" ? head : BigInt(toBlock)];
    if (to - from >= LOG_BLOCKS) throw new RpcError("too many blocks");
    asked.push([from, to]);
    return from <= paidAt && paidAt <= to ? [paid] : [];
  });
  assert.equal((await outcomes(far))["credits"], "passed");
  // Without a gap, and no further than the payment.
  const settled = asked[0]![0];
  const pages = [0n, 1n, 2n].map((page) => [settled + page * LOG_BLOCKS, settled + (page + 1n) * LOG_BLOCKS - 1n]);
  assert.deepEqual(asked.slice(0, 3), pages);
  assert.ok(asked.every(([from]) => from <= paidAt));
});

test("a receipt that waits for its batch, and a node that does not answer, leave checks open", async () => {
  const waiting = await outcomes(replay(), null);
  assert.deepEqual(waiting, { ...ALL, "settled as written": "not_checkable", credits: "not_checkable" });
  const down = new Chain(async () => {
    throw new RpcError("down");
  });
  assert.deepEqual(new Set(Object.values(await outcomes(down))), new Set(["not_checkable"]));
  const garbage = replay((asked, result) => (asked === "batch" ? "0x1234" : result));
  assert.equal((await outcomes(garbage))["settled as written"], "not_checkable");
});

test("another receipt's place in the batch is noticed", async () => {
  const elsewhere = structuredClone(recorded.settlement);
  elsewhere.opening.path.push(`0x${"00".repeat(32)}`);
  assert.equal((await outcomes(replay(), elsewhere))["settled as written"], "failed");
});

test("answers are decoded by names, whatever their shape", () => {
  const uint = { name: "n", type: "uint64" };
  const item = {
    name: "f",
    type: "function",
    outputs: [{ name: "", type: "tuple", components: [uint, { name: "s", type: "string" }, { name: "list", type: "tuple[]", components: [uint, { name: "b", type: "bool" }] }] }],
  };
  const words = [0x20, 7, 0x60, 0xa0, 2].map((n) => n.toString(16).padStart(64, "0"));
  const text = "6869".padEnd(64, "0");
  const list = [2, 1, 1, 9, 0].map((n) => n.toString(16).padStart(64, "0"));
  const data = fromHex([...words, text, ...list].join("")) ?? assert.fail();
  assert.deepEqual(decodeResult(item, data), { n: 7n, s: "hi", list: [{ n: 1n, b: true }, { n: 9n, b: false }] });
  assert.throws(() => decodeResult(item, data.subarray(0, data.length - 1)), /short/);
  const huge = data.slice();
  huge.fill(0xff, 32 * 6, 32 * 7);
  assert.throws(() => decodeResult(item, huge), /outside/);
  assert.throws(() => field(decodeResult(item, data), "missing"), /has no missing/);
  assert.deepEqual(decodeEvent(abiOf("Settlement", "Paid"), new Uint8Array(32)), { amount: 0n });
});
