// The vectors that Rust, Solidity and TypeScript tests share.
import { readFileSync } from "node:fs";

/** Tests run from this package's folder. */
export const read = (path: string): string => readFileSync(path, "utf8");

export type Data = any;

export const vectors: Data = JSON.parse(read("../../fixtures/receipt.json"));

/** The example bundle and what Rust says of each changed field. */
export const pinned: Data = JSON.parse(read("../../fixtures/bundle.json"));

/** What a chain says of the example bundle, and what Rust makes of each thing that either says otherwise. */
export const onChain: Data = JSON.parse(read("../../fixtures/on_chain.json"));

/** A copy with other values at some paths. */
export function changed(of: Data, changes: Record<string, Data> = {}): Data {
  const copy = structuredClone(of);
  for (const [path, value] of Object.entries(changes)) {
    const steps = path.split("/").slice(1);
    const last = steps.pop() ?? "";
    const holder = steps.reduce((at: Data, step: string) => at[step], copy);
    if (!(last in holder)) throw new Error(`there is no ${path}`);
    holder[last] = value;
  }
  return copy;
}

/** The same of a bundle that our own engine wrote, for the fields of its record. */
export const generated: Data = JSON.parse(read("../../fixtures/generation.json"));
