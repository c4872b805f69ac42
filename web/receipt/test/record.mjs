#!/usr/bin/env node
// Records a real receipt and what the chain says of it: `node test/record.mjs RECEIPT_ID NAME` asks gateway and node of a
// running `fonte up` (GATEWAY and RPC name others) and writes test/data/NAME.json. Needed anew when what the page reads of
// the contracts changes.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [, , id, name] = process.argv;
const gateway = process.env.GATEWAY ?? "http://127.0.0.1:8080";
const rpc = process.env.RPC ?? "http://127.0.0.1:8545";
const get = async (path) => (await fetch(`${gateway}${path}`)).text();

const receipt = await get(`/fonte/v1/receipts/${id}`);
const settlement = await get(`/fonte/v1/receipts/${id}/settlement`);
const folder = mkdtempSync(join(tmpdir(), "fonte-record-"));
try {
  const built = spawnSync(process.execPath, ["build.mjs", "--recorder", folder], { stdio: "inherit" });
  if (built.status !== 0) throw new Error("the recorder could not be built");
  const { record } = await import(pathToFileURL(join(folder, "recorder.mjs")).href);
  const calls = await record(rpc, receipt, settlement);
  writeFileSync(`test/data/${name}.json`, `${JSON.stringify({ receipt: JSON.parse(receipt), settlement: JSON.parse(settlement), calls }, null, 1)}\n`);
  console.log(`${calls.length} calls recorded`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
