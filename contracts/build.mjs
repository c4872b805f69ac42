#!/usr/bin/env node
// Builds the contracts and writes artifacts/<Name>.json. `--check` builds in a temporary folder instead and fails, naming
// every artifact that differs from the committed one. Installs nothing: run `npm ci` first.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const MAX_RUNTIME = 24_576; // EIP-170
const here = dirname(fileURLToPath(import.meta.url));
/** One contract a file: none can be left out. */
const CONTRACTS = readdirSync(join(here, "src")).filter((file) => file.endsWith(".sol")).map((file) => file.slice(0, -4)).sort();
const committed = join(here, "artifacts");

/** Compiles from nothing, so that no cache can hide a difference. */
function compile(folder) {
  const run = spawnSync(
    join(here, "forge.sh"),
    ["build", "--force", "--skip", "test", "--out", join(folder, "out"), "--cache-path", join(folder, "cache")],
    { cwd: here, encoding: "utf8" },
  );
  if (run.status !== 0) throw new Error(`forge build failed\n${run.stdout ?? ""}${run.stderr ?? run.error ?? ""}`);
}

/** One contract's artifact: what bindings and genesis need, and nothing that depends on the machine. */
function artifact(folder, name) {
  const built = JSON.parse(readFileSync(join(folder, "out", `${name}.sol`, `${name}.json`), "utf8"));
  const size = (built.deployedBytecode.object.length - 2) / 2;
  if (size > MAX_RUNTIME) throw new Error(`${name} has ${size} bytes, ${MAX_RUNTIME} are allowed`);
  const { compiler, settings, sources } = built.metadata;
  const inputs = Object.keys(sources).sort().map((path) => `${path} ${sources[path].keccak256}\n`).join("");
  return {
    contractName: name,
    abi: built.abi,
    bytecode: built.bytecode.object,
    compiler: {
      version: compiler.version,
      evmVersion: settings.evmVersion,
      optimizerRuns: settings.optimizer.runs,
      viaIR: settings.viaIR ?? false,
    },
    sourceHash: `0x${createHash("sha256").update(inputs).digest("hex")}`,
  };
}

/** What an interface declares without a comment of NatSpec above it. */
function undocumented() {
  const folder = join(here, "src", "interfaces");
  return readdirSync(folder).flatMap((file) => {
    // Remarks for linters may stand between.
    const lines = readFileSync(join(folder, file), "utf8").split("\n").filter((line) => !/^\s*\/\/ /.test(line));
    return lines
      .filter((line, i) => /^\s*(interface|function|event|error|struct|enum) /.test(line) && !/^\s*\/\/\/ /.test(lines[i - 1]))
      .map((line) => `src/interfaces/${file}: ${line.trim()}`);
  });
}

const check = process.argv.includes("--check");
const folder = mkdtempSync(join(tmpdir(), "fonte-contracts-"));
try {
  const bare = undocumented();
  if (bare.length > 0) throw new Error(`not documented:\n${bare.join("\n")}`);
  compile(folder);
  mkdirSync(committed, { recursive: true });
  const expected = new Set(CONTRACTS.map((name) => `${name}.json`));
  const differing = readdirSync(committed).filter((file) => !expected.has(file));
  for (const name of CONTRACTS) {
    const text = `${JSON.stringify(artifact(folder, name))}\n`;
    const path = join(committed, `${name}.json`);
    if (!check) writeFileSync(path, text);
    else if (!existsSync(path) || readFileSync(path, "utf8") !== text) differing.push(`${name}.json`);
  }
  if (differing.length > 0) {
    console.error(`artifacts differ from a fresh build: ${differing.join(", ")}; run 'node build.mjs' and commit`);
    process.exitCode = 1;
  } else {
    console.log(`${CONTRACTS.length} artifacts ${check ? "are reproduced" : "written"}`);
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
