#!/usr/bin/env node
// Builds the page into artifact/receipt.html, which the `fonte` binary embeds. `--check` builds it anew and fails where the
// committed one differs; `--tests DIR` bundles the tests. Installs nothing: run `npm ci` first.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const artifact = join(here, "artifact", "receipt.html");

/** What the page calls or reads of the contracts. Their ABI comes from the committed artifacts, so that the page follows
 * a changed struct by the names of its fields. */
const ON_CHAIN = {
  Settlement: ["networkId", "datanets", "models", "treasury", "batch", "pendingOf", "Paid", "PayFailed"],
  Datanets: ["contribution", "datanet", "payeeAt", "payeeNonce", "PayeeSet"],
  Models: ["model", "termsCount", "termsOf", "payoutsAt"],
};

function abi() {
  const picked = {};
  for (const [contract, names] of Object.entries(ON_CHAIN)) {
    const path = join(here, "../../contracts/artifacts", `${contract}.json`);
    const all = JSON.parse(readFileSync(path, "utf8")).abi;
    picked[contract] = names.map((name) => {
      const found = all.filter((item) => item.name === name);
      if (found.length !== 1) throw new Error(`${contract} has ${found.length} items named ${name}, one is needed`);
      return slim(found[0]);
    });
  }
  return picked;
}

/** The item without what neither selectors nor decoding need. */
function slim({ name, type, indexed, components, inputs, outputs }) {
  return {
    name,
    type,
    ...(indexed && { indexed }),
    ...(components && { components: components.map(slim) }),
    ...(inputs && { inputs: inputs.map(slim) }),
    ...(outputs && { outputs: outputs.map(slim) }),
  };
}

const shared = {
  bundle: true,
  write: false,
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
  absWorkingDir: here,
  define: { __CONTRACTS__: JSON.stringify(abi()) },
};

async function text(entry, options) {
  const built = await build({ ...shared, entryPoints: [join(here, "src/page", entry)], minify: true, ...options });
  return built.outputFiles[0].text.trim();
}

const hash = (content) => `'sha256-${createHash("sha256").update(content).digest("base64")}'`;

async function page() {
  const script = await text("main.ts", { format: "iife", target: "es2022" });
  const style = await text("page.css", {});
  for (const [content, end] of [[script, "</script"], [style, "</style"]]) {
    if (content.toLowerCase().includes(end)) throw new Error(`the page's own ${end.slice(2)} would end early`);
  }
  const parts = {
    "%SCRIPT%": script,
    "%STYLE%": style,
    "%SCRIPT_HASH%": hash(script),
    "%STYLE_HASH%": hash(style),
  };
  const template = readFileSync(join(here, "src/page/template.html"), "utf8");
  return template.replaceAll(/%[A-Z_]+%/g, (name) => parts[name] ?? name);
}

/** Bundles sources of `test/` for Node. */
async function forNode(files, folder) {
  await build({
    ...shared,
    write: true,
    entryPoints: files.map((file) => join(here, "test", file)),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    platform: "node",
    external: ["playwright-core"],
    format: "esm",
    target: "node20",
    sourcemap: "inline",
  });
}

try {
  if (process.argv[2] === "--tests") {
    const files = readdirSync(join(here, "test")).filter((file) => file.endsWith(".test.ts"));
    await forNode(files, process.argv[3]);
  } else if (process.argv[2] === "--recorder") {
    await forNode(["recorder.ts"], process.argv[3]);
  } else {
    const built = await page();
    if (process.argv[2] !== "--check") {
      writeFileSync(artifact, built);
      console.log(`artifact/receipt.html: ${built.length} bytes`);
    } else if (readFileSync(artifact, "utf8") !== built) {
      console.error("artifact/receipt.html differs from a fresh build; run 'node build.mjs' and commit");
      process.exitCode = 1;
    } else {
      console.log("artifact/receipt.html is reproduced");
    }
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
