// The checks that need the chain, against what a real chain answered (test/data, made by test/record.mjs), and against a
// chain that says something else.
import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeEvent, decodeResult } from "../src/chain/abi.ts";
import { chainChecks, paidBy, readStanding, rowLeaf } from "../src/chain/checks.ts";
import { judgeContribution, judgePayee, judgeTerms } from "../src/chain/judge.ts";
import { Chain, LOG_BLOCKS, RpcError, abiOf, field } from "../src/chain/rpc.ts";
import { readBundle, type Splits } from "../src/verify/bundle.ts";
import { fromHex, toHex } from "../src/verify/bytes.ts";
import { credits } from "../src/verify/money.ts";
import { verify } from "../src/verify/verify.ts";
import { changed, onChain, pinned, vectors, type Data } from "./fixtures.ts";
import { LATER, OTHER, bump, curated, dataOf, paying, recorded, replay, selector, termed } from "./replay.ts";

const bundle = () => readBundle(JSON.stringify(recorded.receipt));

const outcomes = async (chain: Chain, settlement: Data = recorded.settlement) => {
  const { checks } = await chainChecks(chain, bundle(), readStanding(JSON.stringify(settlement)));
  return Object.fromEntries(checks.map((check) => [check.name, check.outcome]));
};

const ALL = { network: "passed", "terms on chain": "passed", "contributions on chain": "passed", "settled as written": "passed", payees: "passed", credits: "passed" };

test("the recorded receipt holds, offline and on its chain", async () => {
  assert.ok(verify(bundle()).ok);
  assert.deepEqual(await outcomes(replay()), ALL);
});

test("a curator's cut is expected beside what its contribution earns", async () => {
  const given = () => readBundle(JSON.stringify(curated.receipt));
  const where = readStanding(JSON.stringify(curated.settlement));
  const found = async (bundle = given()) => {
    const { checks } = await chainChecks(replay(undefined, curated), bundle, where);
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

test("a chain that says otherwise is told from one that moved on, as Rust tells them", () => {
  assert.ok(onChain.cases.length > 40);
  const hex = (text: string) => fromHex(text) ?? assert.fail(text);
  for (const { receipt, chain, check, differs, noted } of onChain.cases as Data[]) {
    const what = JSON.stringify([receipt, chain]);
    const bundle = readBundle(JSON.stringify(changed(pinned.bundle, receipt)));
    const { model, contribution: on, payee, settled_at: settledAt } = changed(onChain.chain, chain);
    const terms = ({ splits, prices }: Data) => ({ splits, prices: { input: BigInt(prices.input), output: BigInt(prices.output) } });
    const versions = model?.versions.map((version: Data) => ({ since: BigInt(version.since), terms: terms(version) }));
    const registeredModel = model ? { name: model.name, now: terms(model.now), versions } : undefined;
    const [cited] = bundle.cited;
    assert.ok(cited !== undefined && bundle.cited.length === 1);
    const registered = on && {
      root: hex(on.root),
      contributor: hex(on.contributor),
      membership: { ...on.membership, withdrawn: on.membership.withdrawn ?? undefined },
      curator: hex(on.curator),
      curatorPpm: on.curator_ppm,
    };
    const verdicts = [
      { name: "terms on chain", ...judgeTerms(bundle, registeredModel, settledAt === null ? undefined : BigInt(settledAt)) },
      { name: "contributions on chain", ...judgeContribution(cited, registered ?? undefined, bundle.receipt.versions) },
      { name: "payees", ...judgePayee(cited, { payee: hex(payee.payee), namedWas: payee.named_was }) },
    ];
    const failed = verdicts.find((one) => one.outcome === "failed");
    assert.deepEqual(failed?.outcome === "failed" ? [failed.name, failed.differs] : [null, null], [check, differs], what);
    assert.equal(verdicts.some((one) => one.outcome === "passed" && one.note !== undefined), noted ?? false, what);
  }
});

test("a payee that changed is told, one that never was is red, and where the node forgot, nobody is accused", async () => {
  const named: string = recorded.receipt.cited[0].payee;
  const made = async (chain: Chain, settlement: Data, receipt: Data = recorded.receipt) => {
    const told = await chainChecks(chain, readBundle(JSON.stringify(receipt)), readStanding(JSON.stringify(settlement)));
    return { check: told.checks.find((one) => one.name === "payees") ?? assert.fail(), payees: told.payees };
  };
  for (const settlement of [recorded.settlement, null]) {
    const moved = await made(paying({ first: named, batch: OTHER, changes: 1n }), settlement);
    assert.match(moved.check.outcome === "passed" ? (moved.check.note?.en ?? "") : "", /contribution 3 pays 0x0bad.*another time's/);
    assert.deepEqual([...moved.payees.values()].map(({ payee }) => toHex(payee)), [OTHER, recorded.receipt.cited[1].payee]);
    const never = await made(paying({ first: OTHER, batch: OTHER, changes: 1n }), settlement);
    assert.equal(never.check.outcome === "failed" && never.check.differs, "cited[3].payee");
    assert.deepEqual(never.payees.get(3n)?.namedWas, false);
    // Between the first and the last: by the events.
    const between = await made(paying({ first: OTHER, batch: OTHER, changes: 2n, logs: [named, OTHER] }), settlement);
    assert.ok(between.check.outcome === "passed" && between.check.note !== undefined);
    const not = await made(paying({ first: OTHER, batch: OTHER, changes: 2n, logs: [OTHER, OTHER] }), settlement);
    assert.equal(not.check.outcome, "failed");
    const forgotten = await made(paying({ first: OTHER, batch: OTHER, changes: 2n, logs: [OTHER] }), settlement);
    assert.equal(forgotten.check.outcome, "not_checkable");
  }
  // The forger's copy, against the honest chain.
  const forged = changed(recorded.receipt, { "/cited/0/payee": OTHER });
  assert.ok(verify(readBundle(JSON.stringify(forged))).ok);
  const { check } = await made(paying({ first: named, batch: named, changes: 0n }), recorded.settlement, forged);
  assert.equal(check.outcome === "failed" && check.differs, "cited[3].payee");
});

test("terms that changed since are told, and the batch's splits are what it credits by", async () => {
  const own: Splits = recorded.receipt.terms.splits;
  const later = LATER;
  const issued = bundle().receipt.issuedAt;
  const batch = recorded.calls.find((one: Data) => one.params[0]?.data?.startsWith(selector(abiOf("Settlement", "batch"))));
  const settledAt = BigInt(String(field(decodeResult(abiOf("Settlement", "batch"), fromHex(batch.result) ?? assert.fail()), "settledAt")));
  const made = async (chain: Chain, settlement: Data = recorded.settlement, splits = own) => {
    const copy = bundle();
    copy.terms.splits = splits;
    const told = await chainChecks(chain, copy, readStanding(JSON.stringify(settlement)));
    const terms = told.checks.find((one) => one.name === "terms on chain") ?? assert.fail();
    return { told, terms: terms.outcome === "passed" ? (terms.note?.en ?? "") : terms.outcome === "failed" ? terms.differs : "open" };
  };
  const since = (n: bigint) => [{ since: 1n, splits: own }, { since: n, splits: later }];

  const after = await made(termed(since(settledAt + 1n)));
  assert.equal(after.terms, "the model has other terms by now");
  assert.deepEqual(after.told.splits, own);
  const before = await made(termed(since(settledAt)));
  assert.equal(before.terms, "its batch paid by later terms: worker 250000 ppm, developer 100000, data 600000");
  assert.deepEqual(before.told.splits, later);

  // What the batch holds is what it paid by the splits of its time: a wei less is missing.
  const credited = async (splits: Splits, less: bigint) => {
    const due = credits(paidBy(bundle(), splits));
    const chain = termed(since(settledAt));
    const holding = new Chain(async (method, params) => {
      if (method === "eth_getLogs") return [];
      if (!dataOf(params).startsWith(selector(abiOf("Settlement", "pendingOf")))) return chain.send(method, params);
      const place = recorded.receipt.cited.findIndex(({ payee }: Data) => dataOf(params).endsWith(payee.slice(2)));
      return `0x${((due.contributions[place] ?? 0n) - less).toString(16).padStart(64, "0")}`;
    });
    return (await outcomes(holding))["credits"];
  };
  assert.equal(await credited(later, 0n), "passed");
  assert.equal(await credited(later, 1n), "failed");

  // Of an hour before and an hour after; of no other time.
  assert.equal((await made(termed(since(issued + 3600n)), null, later)).terms, "");
  assert.equal((await made(termed(since(issued + 3601n)), null, later)).terms, "terms.splits");
  assert.equal((await made(termed(since(issued - 3599n)), null, own)).terms, "the model has other terms by now");
  assert.equal((await made(termed(since(issued - 3600n)), null, own)).terms, "terms.splits");

  // No further back than needed, and not for ever.
  const asked: bigint[] = [];
  const long = [{ since: 1n, splits: later }, { since: 2n, splits: own }, { since: issued + 9_999n, splits: later }];
  assert.equal((await made(termed(long, asked), null)).terms, "the model has other terms by now");
  assert.deepEqual(asked, [3n, 2n]);
  asked.length = 0;
  const restless = Array.from({ length: 200 }, (_, n) => ({ since: issued + 9_999n + BigInt(n), splits: later }));
  assert.equal((await made(termed(restless, asked), null)).terms, "open");
  assert.equal(asked.length, 64);
});

test("a model that the chain does not know fails, a node that does not answer leaves it open", async () => {
  const refusing = (count: bigint) =>
    new Chain(async (method, params) => {
      const data = dataOf(params);
      if (data.startsWith(selector(abiOf("Models", "model")))) throw new RpcError("reverted");
      if (data.startsWith(selector(abiOf("Models", "termsCount")))) return `0x${count.toString(16).padStart(64, "0")}`;
      return replay().send(method, params);
    });
  assert.equal((await outcomes(refusing(0n)))["terms on chain"], "failed");
  assert.equal((await outcomes(refusing(1n)))["terms on chain"], "not_checkable");
});

test("what the chain says otherwise fails the check that asked", async () => {
  // Words of the answers: `batch` starts with the root, `contribution` has its root in the eighth word, and the terms of
  // `termsOf`, behind its place and the time, begin with the prices.
  const cases: [name: string, word: number, check: string][] = [
    ["networkId", 0, "network"],
    ["datanets", 0, "network"],
    ["batch", 0, "settled as written"],
    ["contribution", 7, "contributions on chain"],
    ["contribution", 5, "contributions on chain"],
    ["termsOf", 2, "terms on chain"],
  ];
  for (const [name, word, check] of cases) {
    const found = await outcomes(replay((asked, result) => (asked === name ? bump(result, word) : result)));
    assert.equal(found[check], "failed", `${name} word ${word}`);
  }
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
