// The vectors that Rust, Solidity and TypeScript tests share.
import { readFileSync } from "node:fs";

/** Tests run from this package's folder. */
export const read = (path: string): string => readFileSync(path, "utf8");

export type Data = any;

export const vectors: Data = JSON.parse(read("../../fixtures/receipt.json"));

/** The example bundle and what Rust says of each changed field. */
export const pinned: Data = JSON.parse(read("../../fixtures/bundle.json"));

/** The same of a bundle that our own engine wrote, for the fields of its record. */
export const generated: Data = JSON.parse(read("../../fixtures/generation.json"));
