// Ethereum's ABI, as far as the page needs it: calls with one-word arguments, answers of any shape, by field names.
import { addressWord, concat, keccak, toInteger, utf8, word } from "../verify/bytes.ts";

export interface AbiItem {
  name: string;
  type: string;
  indexed?: boolean;
  components?: AbiItem[];
  inputs?: AbiItem[];
  outputs?: AbiItem[];
}

/** A decoded value: integers, bytes (addresses too), text, truth, a list, or a struct by its fields' names. */
export type Value = bigint | boolean | string | Uint8Array | Value[] | { [name: string]: Value };

/** A node answered what the contract's interface does not allow. */
export class AbiError extends Error {}

function typeName({ type, components }: AbiItem): string {
  if (!type.startsWith("tuple")) return type;
  return `(${(components ?? []).map(typeName).join(",")})${type.slice("tuple".length)}`;
}

const signatureHash = (item: AbiItem): Uint8Array => keccak(utf8(`${item.name}(${(item.inputs ?? []).map(typeName)})`));

/** An event's first topic. */
export const topicOf = signatureHash;

/** Calldata; addresses and hashes are bytes, integers are bigints. */
export function encodeCall(item: AbiItem, args: (bigint | Uint8Array)[]): Uint8Array {
  if (args.length !== (item.inputs ?? []).length) throw new AbiError(`${item.name} takes other arguments`);
  const words = args.map((arg) => (typeof arg === "bigint" ? word(arg) : arg.length === 20 ? addressWord(arg) : arg));
  return concat(signatureHash(item).subarray(0, 4), ...words);
}

/** What a call returned: the one value, or all of them as a struct; those without a name by their place. */
export function decodeResult(item: AbiItem, data: Uint8Array): Value {
  const outputs = item.outputs ?? [];
  const values = decodeAll(outputs, data, 0);
  return outputs.length === 1 ? (values[0] ?? false) : named(outputs, values);
}

/** The parts of an event that are not indexed. */
export function decodeEvent(item: AbiItem, data: Uint8Array): { [name: string]: Value } {
  const plain = (item.inputs ?? []).filter((input) => input.indexed !== true);
  return named(plain, decodeAll(plain, data, 0));
}

function named(items: AbiItem[], values: Value[]): { [name: string]: Value } {
  return Object.fromEntries(items.map((item, i) => [item.name || String(i), values[i] ?? false]));
}

function isDynamic({ type, components }: AbiItem): boolean {
  if (type === "bytes" || type === "string" || type.endsWith("[]")) return true;
  return type === "tuple" && (components ?? []).some(isDynamic);
}

/** Words in the head of a static type. */
function headWords(item: AbiItem): number {
  if (isDynamic(item) || item.type !== "tuple") return 1;
  return (item.components ?? []).reduce((words, component) => words + headWords(component), 0);
}

function wordAt(data: Uint8Array, at: number): Uint8Array {
  if (at + 32 > data.length) throw new AbiError("the answer is too short");
  return data.subarray(at, at + 32);
}

function numberAt(data: Uint8Array, at: number): number {
  const value = toInteger(wordAt(data, at));
  if (value > BigInt(data.length)) throw new AbiError("an offset or a length lies outside the answer");
  return Number(value);
}

function decodeAll(items: AbiItem[], data: Uint8Array, base: number): Value[] {
  let head = base;
  return items.map((item) => {
    const at = isDynamic(item) ? base + numberAt(data, head) : head;
    head += 32 * headWords(item);
    return decode(item, data, at);
  });
}

function decode(item: AbiItem, data: Uint8Array, at: number): Value {
  const { type, components } = item;
  if (type.endsWith("[]")) {
    const element = { ...item, type: type.slice(0, -2) };
    return decodeAll(Array<AbiItem>(numberAt(data, at)).fill(element), data, at + 32);
  }
  if (type === "tuple") return named(components ?? [], decodeAll(components ?? [], data, at));
  if (type === "bytes" || type === "string") {
    const bytes = data.subarray(at + 32, at + 32 + numberAt(data, at));
    return type === "bytes" ? bytes : new TextDecoder().decode(bytes);
  }
  const bytes = wordAt(data, at);
  if (type === "address") return bytes.subarray(12);
  if (type === "bool") return toInteger(bytes) !== 0n;
  if (/^uint[0-9]+$/.test(type)) return toInteger(bytes);
  const size = /^bytes([0-9]+)$/.exec(type)?.[1];
  if (size !== undefined) return bytes.subarray(0, Number(size));
  throw new AbiError(`no reader for ${type}`);
}
