// A chain that answers what a real one answered (test/data, made by test/record.mjs), or says something else.
import assert from "node:assert/strict";

import { encodeCall } from "../src/chain/abi.ts";
import { Chain, RpcError, abiOf } from "../src/chain/rpc.ts";
import type { Splits } from "../src/verify/bundle.ts";
import { toHex } from "../src/verify/bytes.ts";
import { read, type Data } from "./fixtures.ts";

export const recorded: Data = JSON.parse(read("test/data/answer.json"));

/** Another, whose datanet has a curator who takes a cut. */
export const curated: Data = JSON.parse(read("test/data/curated.json"));

/** Answers as the chain did; `change` may say otherwise. */
export function replay(change: (name: string, result: string) => unknown = (_, result) => result, from: Data = recorded): Chain {
  return new Chain(async (method, params) => {
    const call = from.calls.find((one: Data) => one.method === method && JSON.stringify(one.params) === JSON.stringify(params));
    if (call === undefined) throw new RpcError(`not recorded: ${method} ${JSON.stringify(params)}`);
    return change(method === "eth_call" ? nameOf(call) : method, call.result);
  });
}

export const dataOf = (params: unknown[]): string => (params[0] as { data?: string } | undefined)?.data ?? "";

/** Which function a recorded call calls. */
function nameOf(call: Data): string {
  const data: string = call.params[0].data;
  const known = [
    ...(["networkId", "datanets", "models", "batch", "pendingOf"] as const).map((name) => abiOf("Settlement", name)),
    ...(["contribution", "datanet", "payeeAt", "payeeNonce"] as const).map((name) => abiOf("Datanets", name)),
    ...(["model", "termsCount", "termsOf", "payoutsAt"] as const).map((name) => abiOf("Models", name)),
  ];
  return known.find((item) => selector(item) === data.slice(0, 10))?.name ?? assert.fail(data);
}

export const selector = (item: Parameters<typeof encodeCall>[0]): string =>
  toHex(encodeCall(item, (item.inputs ?? []).map(() => 0n))).slice(0, 10);

/** The same answer with its `n`th word one higher. */
export function bump(result: string, n: number): string {
  const at = 2 + 64 * n;
  const word = (BigInt(`0x${result.slice(at, at + 64)}`) + 1n).toString(16).padStart(64, "0");
  return result.slice(0, at) + word + result.slice(at + 64);
}

/** Who never was a payee of the recorded contributions. */
export const OTHER = `0x${"0bad".repeat(10)}`;

/** The recorded chain, where contribution 3 had other payees: by what `payeeAt` says at first, in the batch, how often they
 * changed, and which changes the node still knows. */
export function paying({ first, batch, changes, logs = [] }: { first: string; batch: string; changes: bigint; logs?: string[] }): Chain {
  const asWord = (hex: string) => `0x${hex.slice(2).padStart(64, "0")}`;
  const named: string = recorded.receipt.cited[0].payee;
  const [payeeAt, payeeNonce] = [selector(abiOf("Datanets", "payeeAt")), selector(abiOf("Datanets", "payeeNonce"))];
  const honest = replay();
  return new Chain(async (method, params) => {
    const data = dataOf(params);
    if (method === "eth_getLogs" && (params[0] as { address: string }).address === recorded.receipt.network.datanets) {
      return logs.map((payee) => ({ topics: [OTHER, OTHER, payee, OTHER].map(asWord), data: "0x" }));
    }
    const id = method === "eth_call" ? BigInt(`0x${data.slice(10, 74) || 0}`) : 0n;
    if (data.startsWith(payeeNonce)) return asWord(`0x${changes.toString(16)}`);
    if (data.startsWith(payeeAt)) {
      const atFirst = BigInt(`0x${data.slice(74)}`) === 0n;
      return asWord(id !== 3n ? recorded.receipt.cited[1].payee : atFirst ? first : batch);
    }
    const answer = String(await honest.send(method, params));
    // Its batch noted one change, in the last word.
    if (data.startsWith(selector(abiOf("Settlement", "batch")))) return bump(answer, 6);
    if (id !== 3n || !data.startsWith(selector(abiOf("Datanets", "contribution")))) return answer;
    // Now it pays as in the batch. The payee stands behind the contributor, who is the same here.
    const at = answer.lastIndexOf(named.slice(2));
    return answer.slice(0, at) + batch.slice(2) + answer.slice(at + 40);
  });
}

/** Terms that the recorded model never had. */
export const LATER: Splits = { protocol: 50_000, worker: 250_000, developer: 100_000, data: 600_000 };

/** The recorded chain, where the model had these terms, oldest first, and has the last; `asked` notes which were read. */
export function termed(versions: { since: bigint; splits: Splits }[], asked: bigint[] = []): Chain {
  const honest = replay();
  const hex = (n: number | bigint) => n.toString(16).padStart(64, "0");
  const words = ({ protocol, worker, developer, data }: Splits) => [protocol, worker, developer, data].map(hex).join("");
  const put = (result: string, n: number, value: number | bigint) => result.slice(0, 2 + 64 * n) + hex(value) + result.slice(66 + 64 * n);
  const name = (data: string) =>
    (["model", "termsCount", "termsOf", "payoutsAt"] as const).find((one) => data.startsWith(selector(abiOf("Models", one))));
  return new Chain(async (method, params) => {
    const data = dataOf(params);
    const called = method === "eth_call" ? name(data) : undefined;
    if (called === undefined) return honest.send(method, params);
    if (called === "termsCount") return `0x${hex(versions.length)}`;
    const known = recorded.calls.find((one: Data) => one.method === method && name(one.params[0].data) === called);
    const result: string = known.result;
    const argument = BigInt(`0x${data.slice(74) || 0}`);
    if (called === "termsOf") asked.push(argument);
    // Which one is meant: by its number, as the newest, or by the time.
    const begun = () => versions.filter((one) => one.since <= argument).length;
    const number = called === "termsOf" ? Number(argument) : called === "model" ? versions.length : begun();
    const { since, splits } = versions[Math.max(number, 1) - 1] ?? assert.fail();
    if (called === "payoutsAt") return put(put(result, 1, splits.worker), 2, splits.data);
    const before = words(recorded.receipt.terms.splits);
    assert.ok(result.includes(before));
    return (called === "termsOf" ? put(result, 1, since) : result).replace(before, words(splits));
  });
}
