// A node's JSON-RPC: nothing but eth_chainId, eth_call, eth_getLogs and eth_blockNumber, all reads.
import { fromHex, toHex } from "../verify/bytes.ts";
import { AbiError, decodeResult, encodeCall, type AbiItem, type Value } from "./abi.ts";

declare const __CONTRACTS__: Record<"Settlement" | "Datanets" | "Models", AbiItem[]>;

export type ContractName = keyof typeof __CONTRACTS__;

export function abiOf(contract: ContractName, name: string): AbiItem {
  const item = __CONTRACTS__[contract].find((one) => one.name === name);
  if (item === undefined) throw new AbiError(`${contract} has no ${name}`);
  return item;
}

/** The node did not answer, or not as a node does. */
export class RpcError extends Error {}

/** Sends one request and returns its `result`. */
export type Send = (method: string, params: unknown[]) => Promise<unknown>;

/** Over HTTP. A public read needs no credentials and says nothing of the page. */
export function sender(url: string): Send {
  return async (method, params) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const headers = { "content-type": "application/json" };
    let answer: unknown;
    try {
      const response = await fetch(url, {
        method: "POST",
        body,
        headers,
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.timeout(20_000),
      });
      answer = await response.json();
    } catch (error) {
      throw new RpcError(error instanceof Error ? error.message : String(error));
    }
    const { result, error } = (answer ?? {}) as { result?: unknown; error?: { message?: unknown } };
    if (error !== undefined && error !== null) throw new RpcError(String(error.message ?? "the node refused"));
    return result;
  };
}

export interface Log {
  topics: Uint8Array[];
  data: Uint8Array;
}

/** Blocks that one request asks about where all at once are too many: Fonte's own limit. */
export const LOG_BLOCKS = 10_000n;

/** Typed reads of the contracts. */
export class Chain {
  constructor(readonly send: Send) {}

  chainId(): Promise<bigint> {
    return this.quantity("eth_chainId", "chain id");
  }

  async call(contract: ContractName, address: Uint8Array, name: string, ...args: (bigint | Uint8Array)[]): Promise<Value> {
    const item = abiOf(contract, name);
    const call = { to: toHex(address), data: toHex(encodeCall(item, args)) };
    const answer = await this.send("eth_call", [call, "latest"]);
    const data = typeof answer === "string" ? fromHex(answer) : undefined;
    if (data === undefined || data.length === 0) throw new RpcError(`there is no ${contract} at ${toHex(address)}`);
    return decodeResult(item, data);
  }

  /** Logs from a block on, oldest first: in one piece, or where the node refuses so many blocks, in several. */
  async *logs(address: Uint8Array, fromBlock: bigint, topics: (Uint8Array | Uint8Array[])[]): AsyncGenerator<Log[]> {
    const hex = topics.map((topic) => (Array.isArray(topic) ? topic.map(toHex) : toHex(topic)));
    const between = (from: bigint, to: bigint | undefined) => {
      const toBlock = to === undefined ? "latest" : quantity(to);
      return this.logsOf({ address: toHex(address), fromBlock: quantity(from), toBlock, topics: hex });
    };
    let all: Log[] | undefined;
    try {
      all = await between(fromBlock, undefined);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
    }
    if (all !== undefined) {
      yield all;
      return;
    }
    const latest = await this.quantity("eth_blockNumber", "block number");
    for (let from = fromBlock; from <= latest; from += LOG_BLOCKS) {
      const last = from + LOG_BLOCKS - 1n;
      yield await between(from, last < latest ? last : latest);
    }
  }

  private async quantity(method: string, what: string): Promise<bigint> {
    const answer = await this.send(method, []);
    if (typeof answer !== "string" || !/^0x[0-9a-f]+$/i.test(answer)) throw new RpcError(`no ${what} came back`);
    return BigInt(answer);
  }

  private async logsOf(filter: object): Promise<Log[]> {
    const answer = await this.send("eth_getLogs", [filter]);
    if (!Array.isArray(answer)) throw new RpcError("no list of logs came back");
    const read = (text: unknown) => (typeof text === "string" ? fromHex(text) : undefined) ?? new Uint8Array();
    return answer.map((log) => ({ topics: Array.isArray(log?.topics) ? log.topics.map(read) : [], data: read(log?.data) }));
  }
}

const quantity = (n: bigint): string => `0x${n.toString(16)}`;

/** A field of a decoded struct, as the kind that the caller needs. */
export function field(value: Value, name: string): Value {
  if (typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array)) {
    const found = value[name];
    if (found !== undefined) return found;
  }
  throw new AbiError(`the contract's answer has no ${name}`);
}

export function integer(value: Value): bigint {
  return typeof value === "bigint" ? value : refuse("an integer");
}

export function bytes(value: Value): Uint8Array {
  return value instanceof Uint8Array ? value : refuse("bytes");
}

function refuse(what: string): never {
  throw new AbiError(`the contract's answer is not ${what}`);
}
