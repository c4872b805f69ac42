// Bytes, hexadecimal and big-endian integers: everything that is hashed is put together here.
import { keccak_256 } from "@noble/hashes/sha3.js";

/** A sentence in both languages of the page. */
export interface Text {
  en: string;
  pt: string;
}

/** A check's reason, thrown: the message is its English text. */
export class Refusal extends Error {
  readonly text: Text;

  constructor(en: string, pt: string) {
    super(en);
    this.text = { en, pt };
  }
}

export type Hex = `0x${string}`;

const encoder = new TextEncoder();

/** UTF-8. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** keccak256, the one hash of the protocol. */
export const keccak = (bytes: Uint8Array): Uint8Array => keccak_256(bytes);

export function concat(...parts: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** `value` in `size` bytes, most significant first. Throws where it does not fit. */
export function bigEndian(value: bigint | number, size: number): Uint8Array {
  let rest = BigInt(value);
  const bytes = new Uint8Array(size);
  for (let i = size - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  if (rest !== 0n) throw new RangeError(`${value} does not fit into ${size} bytes`);
  return bytes;
}

/** An integer as a 32-byte word. */
export const word = (value: bigint | number): Uint8Array => bigEndian(value, 32);

/** Twenty bytes of an address as a 32-byte word. */
export const addressWord = (address: Uint8Array): Uint8Array => concat(new Uint8Array(12), address);

export function toHex(bytes: Uint8Array): Hex {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return `0x${text}`;
}

/** Reads hexadecimal digits, with or without `0x`; `undefined` where they are none. */
export function fromHex(text: string): Uint8Array | undefined {
  const digits = text.startsWith("0x") ? text.slice(2) : text;
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return undefined;
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function toInteger(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
