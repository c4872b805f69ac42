#!/usr/bin/env node
// Builds the contracts into out/ and writes artifacts/<Name>.json. `--check` writes nothing and fails, naming every artifact that
// differs from the committed one. Installs nothing: run `npm ci` first.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const MAX_RUNTIME = 24_576; // EIP-170
const here = dirname(fileURLToPath(import.meta.url));
/** One contract a file: none can be left out. */
const CONTRACTS = readdirSync(join(here, "src")).filter((file) => file.endsWith(".sol")).map((file) => file.slice(0, -4)).sort();
const committed = join(here, "artifacts");

/** Where the tests find it. A fresh clone, as CI has, compiles from nothing; elsewhere forge compiles what changed. */
function compile() {
  const run = spawnSync(join(here, "forge.sh"), ["build", "--skip", "test"], { cwd: here, encoding: "utf8" });
  if (run.status !== 0) throw new Error(`forge build failed\n${run.stdout ?? ""}${run.stderr ?? run.error ?? ""}`);
}

/** One contract's artifact: what bindings and genesis need, and nothing that depends on the machine. */
function artifact(name) {
  const built = JSON.parse(readFileSync(join(here, "out", `${name}.sol`, `${name}.json`), "utf8"));
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
try {
  const bare = undocumented();
  if (bare.length > 0) throw new Error(`not documented:\n${bare.join("\n")}`);
  compile();
  mkdirSync(committed, { recursive: true });
  const expected = new Set(CONTRACTS.map((name) => `${name}.json`));
  const differing = readdirSync(committed).filter((file) => !expected.has(file));
  for (const name of CONTRACTS) {
    const text = `${JSON.stringify(artifact(name))}\n`;
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
}
