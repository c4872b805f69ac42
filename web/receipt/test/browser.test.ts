// The page in a real browser: opened from a file, as its readers open it. `SHOTS=DIR` keeps pictures.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

import type { Chain } from "../src/chain/rpc.ts";
import { changed, pinned, read, type Data } from "./fixtures.ts";
import { pageOf } from "./page.ts";
import { LATER, OTHER, curated, paying, recorded, replay, termed } from "./replay.ts";

const folder = mkdtempSync(join(tmpdir(), "fonte-page-"));
const shots = process.env["SHOTS"];
let browser: Browser;
const servers: Server[] = [];

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  await browser.close();
  // Also where a test failed before it closed its own.
  for (const server of servers) server.close().closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

interface Opened {
  page: Page;
  /** What the browser complained of: errors, refused connections. */
  complaints: string[];
  /** Every address that was asked for. */
  asked: string[];
}

let files = 0;

function fileOf(receipt: Data, settlement: Data): string {
  const file = join(folder, `${files++}.html`);
  writeFileSync(file, pageOf(receipt, settlement));
  return file;
}

async function open(receipt: Data, settlement: Data = null, options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ locale: "en-US", viewport: { width: 1280, height: 900 }, ...options });
  // A machine that is busy is no failure: the runner's limit ends what hangs.
  context.setDefaultTimeout(0);
  const page = await context.newPage();
  const opened: Opened = { page, complaints: [], asked: [] };
  page.on("console", (message) => message.type() === "error" && opened.complaints.push(message.text()));
  page.on("pageerror", (error) => opened.complaints.push(error.message));
  page.on("request", (request) => opened.asked.push(request.url()));
  await page.goto(pathToFileURL(fileOf(receipt, settlement)).href);
  await page.waitForSelector("h1");
  return opened;
}

async function picture(page: Page, name: string): Promise<void> {
  if (shots !== undefined) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

/** Outcome of each check as shown. */
const shown = (page: Page): Promise<Record<string, string>> =>
  page.$$eval("[data-check]", (lines) => Object.fromEntries(lines.map((line) => [line.getAttribute("data-check"), line.className])));

const OFFLINE = ["format", "receipt fields", "receipt id", "worker signature", "countersignature", "request id", "prompt", "answer", "evidence", "witnesses", "membership", "shares", "tokens", "fee"];
const ON_CHAIN = ["network", "settled as written", "terms on chain", "contributions on chain", "payees", "credits"];

test("an honest receipt: all green, every source named, nothing asked for", async () => {
  const { receipt, settlement } = recorded;
  const { page, complaints, asked } = await open(receipt, settlement);
  assert.equal(await page.textContent("h1"), "This receipt holds");
  const outcomes = await shown(page);
  for (const name of OFFLINE) assert.equal(outcomes[name], "passed", name);
  for (const name of [...ON_CHAIN, "completeness"]) assert.equal(outcomes[name], "open", name);
  // The answer stands there letter by letter, but for the numbers of the sources.
  const text = await page.$eval(".text", (element) => {
    const copy = element.cloneNode(true) as HTMLElement;
    for (const number of copy.querySelectorAll("sup")) number.remove();
    return copy.textContent;
  });
  assert.equal(text, receipt.answer.text);
  assert.equal(await page.locator(".stretch").count(), receipt.runs.filter((run: Data) => run.source !== "nobody").length);
  for (const { documents } of receipt.cited) {
    for (const { metadata } of documents) {
      await page.locator(".card a", { hasText: metadata.title }).waitFor();
      assert.equal(await page.locator(".card a", { hasText: metadata.title }).getAttribute("href"), metadata.url);
    }
  }
  assert.equal(await page.locator("#paid tbody tr").count(), receipt.cited.length + 3);
  // A word of the answer leads to its source.
  await page.hover(".stretch.c1 >> nth=0");
  const panel = (await page.textContent("#panel")) ?? "";
  const second = receipt.cited.find((one: Data) => one.contribution === receipt.runs.find((run: Data) => run.document === 1)?.source);
  const { metadata } = second.documents[0];
  for (const known of [metadata.title, metadata.author, metadata.licence, "75.6"]) assert.ok(panel.includes(known), known);
  const marked = await page.textContent("#panel mark");
  assert.ok(receipt.answer.text.includes(marked ?? "?"));
  await page.hover(".stretch.echo");
  assert.match((await page.textContent("#panel")) ?? "", /echo of the question/);
  await picture(page, "honest");
  assert.deepEqual(complaints, []);
  assert.deepEqual(asked, [page.url()]);
  await page.context().close();
});

test("a curator's cut has a line of its own, and all lines add up to the fee", async () => {
  const { page } = await open(curated.receipt, curated.settlement);
  assert.equal(await page.textContent("h1"), "This receipt holds");
  assert.match((await page.textContent("#paid")) ?? "", /curator.*curates datanet \d+: 10\.0.% of what its texts earn as the gateway says/);
  const amounts = await page.$$eval("#paid td.amount", (cells) => cells.map((cell) => cell.firstChild?.textContent ?? ""));
  const wei = amounts.map((text) => BigInt(`${text.split(".")[0]}${(text.split(".")[1] ?? "").padEnd(18, "0")}`));
  const fee = wei.pop() ?? 0n;
  assert.equal(fee, BigInt(curated.receipt.receipt.fee));
  // Shown amounts are cut off behind six digits.
  const missing = fee - wei.reduce((sum, one) => sum + one, 0n);
  assert.ok(missing >= 0n && missing < fee / 100_000n, `${missing} wei are not shown`);
  await page.context().close();
});

test("tampered copies are red and name what differs", async () => {
  const cases: [change: (receipt: Data) => void, check: string, differs: string][] = [
    [(r) => (r.receipt.shares[0].ppm += 1), "receipt fields", "receipt.shares"],
    [(r) => (r.answer.text = r.answer.text.replace("six hours", "two hours")), "answer", "answer"],
    [(r) => (r.cited[0].documents[0].metadata.author = "Somebody Else"), "witnesses", "cited[3].documents[1].metadata"],
    [(r) => (r.receipt.fee = "1"), "receipt fields", "receipt.fee"],
    [(r) => (r.runs[0].source = "nobody"), "evidence", "runs[0]"],
  ];
  const { page } = await open(null);
  const show = async (receipt: Data) => {
    await page.goto(pathToFileURL(fileOf(receipt, recorded.settlement)).href);
    await page.waitForSelector("h1");
  };
  for (const [change, check, differs] of cases) {
    const receipt = structuredClone(recorded.receipt);
    change(receipt);
    await show(receipt);
    assert.equal(await page.textContent("h1"), "This receipt does not hold", differs);
    assert.equal(await page.textContent(".verdict .difference code"), differs);
    assert.equal((await shown(page))[check], "failed");
    assert.equal(await page.textContent(`[data-check="${check}"] .differs`), differs);
    const [ink, ground] = await page.$eval(".verdict h1", (h1) => [getComputedStyle(h1).color, getComputedStyle(document.documentElement).getPropertyValue("--bad")]);
    assert.equal(ground, "#b3202c");
    assert.equal(ink, "rgb(179, 32, 44)");
    if (check === "witnesses") await picture(page, "tampered");
  }
  const unreadable = structuredClone(recorded.receipt);
  unreadable.receipt.shares[0].ppm = 2_000_000;
  await show(unreadable);
  assert.equal(await page.textContent("h1"), "This receipt cannot be read");
  assert.equal(await page.textContent(".difference code"), "receipt.shares");
  assert.match((await page.textContent(".difference")) ?? "", /the shares add up to \d+ ppm/);
  await page.click(".languages [lang=pt]");
  assert.match((await page.textContent(".difference")) ?? "", /as frações somam \d+ ppm/);
  await page.setInputFiles("input[type=file]", { name: "x.json", mimeType: "application/json", buffer: Buffer.from('{"format": 1.5}') });
  await page.locator(".difference", { hasText: "no caractere 11: nem um valor nem um número inteiro" }).waitFor();
  await page.context().close();
});

test("a document of which nothing was opened is marked: its title and author prove nothing", async () => {
  const receipt = structuredClone(recorded.receipt);
  const [quoted] = receipt.cited[0].documents;
  const { opening } = quoted;
  const metadata = { ...quoted.metadata, title: "Never Written", author: "Nobody At All", url: "https://example.org/never" };
  receipt.cited[0].documents.push({ metadata, opening: { ...opening, index: 0, chunks: [] } });
  const { page } = await open(receipt);
  // The checks cannot object: it claims nothing that was paid.
  assert.equal(await page.textContent("h1"), "This receipt holds");
  const unproved = page.locator(".document", { hasText: "Never Written" });
  assert.match((await unproved.textContent()) ?? "", /as the gateway says.*Nothing of this text was opened/);
  assert.equal(await unproved.locator("a").count(), 0);
  assert.equal(await page.locator(".document h3 .said").count(), 1);
  assert.ok(!((await page.textContent("#paid")) ?? "").includes("Nobody At All"));
  await page.context().close();
});

test("an engine's log-probabilities are checked and spoken of; others than those are red", async () => {
  const { page } = await open(pinned.recorded.bundle);
  assert.equal(await page.textContent("h1"), "This receipt holds");
  assert.match((await page.textContent('[data-check="evidence"]')) ?? "", /log-probabilities of 3 tokens: recorded, not proved/);
  await picture(page, "recorded");
  const tampered = structuredClone(pinned.recorded.bundle);
  tampered.log_probs[0].micronats += 1;
  await page.goto(pathToFileURL(fileOf(tampered, null)).href);
  await page.waitForSelector("h1");
  assert.equal(await page.textContent("h1"), "This receipt does not hold");
  assert.equal(await page.textContent('[data-check="evidence"] .differs'), "log_probs");
  await page.context().close();
});

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

for (const [locale, lang, says] of [["en-US", "en", "This receipt holds"], ["pt-BR", "pt-BR", "Este recibo confere"]] as const) {
  test(`on a phone, in ${locale}: nothing is wider than the screen, a touch opens the source`, async () => {
    const width = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth);
    const other = (await open(curated.receipt, curated.settlement, { ...PHONE, locale })).page;
    assert.equal(await width(other), 360);
    await picture(other, `phone-curated-${lang}`);
    await other.context().close();
    const { page, complaints } = await open(recorded.receipt, recorded.settlement, { ...PHONE, locale });
    assert.equal(await page.textContent("h1"), says);
    assert.equal(await page.getAttribute("html", "lang"), lang);
    assert.equal(await width(page), 360);
    const small = await page.$$eval("button, .tools button, .ask input", (all) => all.map((one) => one.getBoundingClientRect()).filter((box) => box.width > 1 && box.height > 0 && box.height < 31).length);
    assert.equal(small, 0, "everything to press is big enough for a finger");
    await picture(page, `phone-${lang}`);
    await page.tap(".stretch.c1");
    await page.waitForSelector(".panel.open h3");
    const [sheet, word] = await page.evaluate(() => [".panel.open", ".stretch.c1"].map((name) => document.querySelector(name)?.getBoundingClientRect().top ?? 0));
    assert.ok((word ?? 0) < (sheet ?? 0), "the touched passage stays in sight above the sheet");
    if (shots !== undefined) await page.screenshot({ path: join(shots, `phone-source-${lang}.png`) });
    await page.tap(".close");
    assert.equal(await page.locator(".panel.open").count(), 0);
    assert.deepEqual(complaints, []);
    await page.context().close();
  });
}

test("both languages, on request, and both by keyboard", async () => {
  const { page } = await open(recorded.receipt, null, { colorScheme: "dark" });
  await page.click(".languages [lang=pt]");
  assert.equal(await page.textContent("h1"), "Este recibo confere");
  const portuguese = (await page.textContent("#page")) ?? "";
  await page.reload();
  assert.equal(await page.textContent("h1"), "Este recibo confere");
  await picture(page, "dark");
  await page.click(".languages [lang=en]");
  const english = (await page.textContent("#page")) ?? "";
  for (const word of ["passed", "Who got paid", "Check it yourself", "licence"]) assert.ok(!portuguese.includes(word), word);
  for (const word of ["aprovada", "Quem recebeu", "licença"]) assert.ok(!english.includes(word), word);
  await page.focus(".stretch >> nth=3");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(".panel .passage").count(), 1);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".panel .legend").count(), 1);
  await page.context().close();
});

test("no text of a receipt becomes markup, and no address but the web's becomes a link", async () => {
  const hostile = "</script><img src=x onerror=document.title='owned'><b>bold</b>";
  const receipt = structuredClone(recorded.receipt);
  receipt.prompt.text = hostile;
  receipt.model_name = hostile;
  for (const { documents } of receipt.cited) {
    for (const { metadata } of documents) Object.assign(metadata, { title: hostile, author: hostile, url: "javascript:document.title='owned'" });
  }
  const { page, asked } = await open(receipt);
  assert.equal(await page.textContent("h1"), "This receipt does not hold");
  assert.equal(await page.locator("#page img, .card b b, .card a, .legend a").count(), 0);
  assert.ok(((await page.textContent("#why")) ?? "").includes(hostile));
  assert.notEqual(await page.title(), "owned");
  assert.equal(asked.length, 1);
  await page.context().close();
});

/** A node on a recorded chain, that counts. */
async function node(chain: Chain = replay()): Promise<{ server: Server; url: string; calls: string[] }> {
  const calls: string[] = [];
  const server = createServer((request, response) => {
    const headers = { "access-control-allow-origin": "*", "access-control-allow-headers": "*", "content-type": "application/json" };
    if (request.method === "OPTIONS") {
      response.writeHead(204, headers).end();
      return;
    }
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", async () => {
      const { id, method, params } = JSON.parse(body);
      calls.push(method);
      const answer = await chain.send(method, params).then(
        (result) => ({ result }),
        (error: Error) => ({ error: { code: -32000, message: error.message } }),
      );
      response.writeHead(200, headers).end(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
    });
  });
  servers.push(server);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server, url: `http://127.0.0.1:${address.port}/`, calls };
}

async function askChain(page: Page, url: string): Promise<void> {
  await page.fill("#rpc", url);
  await page.click(".ask button");
  await page.waitForSelector(".chain.done, .chain.unreachable, .chain.bad-url");
}

test("on demand the chain is asked, and the page can speak to nobody else", async () => {
  const [honest, other] = [await node(), await node()];
  const { page, asked } = await open(recorded.receipt, recorded.settlement);
  const reach = (url: string) => page.evaluate((to) => fetch(to).then(() => "reached", () => "refused"), url);
  assert.equal(await reach(honest.url), "refused");
  assert.equal(honest.calls.length, 0);
  await askChain(page, "ftp://example.org");
  assert.match((await page.textContent(".chain .message")) ?? "", /no http/);
  await askChain(page, honest.url);
  const outcomes = await shown(page);
  for (const name of [...OFFLINE, ...ON_CHAIN]) assert.equal(outcomes[name], "passed", name);
  assert.equal(outcomes["completeness"], "open");
  assert.equal(await page.locator(".said").count(), 0);
  assert.match((await page.textContent(".verdict .says")) ?? "", /The chain agrees, as told by http:\/\/127\.0\.0\.1/);
  assert.match((await page.textContent("[data-check='settled as written']")) ?? "", /row \d+ of batch \d+/);
  assert.ok(honest.calls.includes("eth_call"));
  assert.equal(await reach(other.url), "refused");
  assert.equal(other.calls.length, 0);
  assert.deepEqual(new Set(asked.map((url) => new URL(url).origin)), new Set(["null", new URL(honest.url).origin]));
  await picture(page, "chain");
  await page.context().close();
  honest.server.close();
  other.server.close();
});

/** What stands in the table of payments beneath each name. */
const payees = (page: Page): Promise<string[]> => page.$$eval("#paid td.who small", (all) => all.map((one) => one.textContent ?? ""));

test("a forged payee is the gateway's word at first, and contradicted by the chain", async () => {
  const [forged, honest] = [changed(recorded.receipt, { "/cited/0/payee": OTHER }), recorded.receipt.cited[0].payee];
  const chain = await node(paying({ first: honest, batch: honest, changes: 0n }));
  const { page } = await open(forged, recorded.settlement);
  assert.equal(await page.textContent("h1"), "This receipt holds");
  assert.match((await page.textContent(".verdict")) ?? "", /whom they pay and how the fee is split stand here as the gateway says/);
  assert.ok(!/every amount/.test((await page.textContent(".verdict")) ?? ""));
  for (const to of (await payees(page)).slice(0, 2)) assert.match(to, /^to 0x[0-9a-f]{6}….* as the gateway says$/);
  assert.ok((await payees(page)).some((to) => to.includes("0x0bad0b")));
  // Two payees, the machine's part and the developer's; the question, once, how so.
  assert.equal(await page.locator("#paid table .said").count(), 4);
  await picture(page, "forged-offline");
  await askChain(page, chain.url);
  assert.equal(await page.textContent("h1"), "This receipt does not hold");
  assert.equal(await page.textContent(".verdict .difference code"), "cited[3].payee");
  assert.equal((await shown(page))["payees"], "failed");
  const row = (await payees(page)).find((to) => to.includes("0x0bad0b")) ?? "";
  assert.match(row, new RegExp(`^to ${honest.slice(0, 8)}….*names who never was paid for this source: 0x0bad0b`));
  assert.equal(await page.locator("#paid .forged").count(), 1);
  await picture(page, "forged");
  await page.click(".languages [lang=pt]");
  assert.match((await payees(page)).join(), /o recibo cita quem nunca recebeu por esta fonte/);
  await page.context().close();
  chain.server.close();
});

test("where an author chose another payee since, the chain's is shown with a note, and nothing is red", async () => {
  const named: string = recorded.receipt.cited[0].payee;
  const chain = await node(paying({ first: named, batch: OTHER, changes: 1n }));
  const { page } = await open(recorded.receipt, recorded.settlement);
  await askChain(page, chain.url);
  assert.equal(await page.textContent("h1"), "This receipt holds");
  const row = (await payees(page)).find((to) => to.includes("0x0bad0b")) ?? "";
  assert.match(row, new RegExp(`^to 0x0bad0b….*names another payee of this source: ${named.slice(0, 8)}`));
  assert.equal(await page.locator("#paid .forged, #paid .said").count(), 0);
  assert.match((await page.textContent("[data-check='payees']")) ?? "", /contribution 3 pays 0x0bad/);
  await picture(page, "moved");
  await page.context().close();
  chain.server.close();
});

test("where the batch paid by later terms, the page shows what these paid, and nothing is red", async () => {
  const own = recorded.receipt.terms.splits;
  const chain = await node(termed([{ since: 1n, splits: own }, { since: BigInt(recorded.receipt.receipt.issued_at), splits: LATER }]));
  const { page } = await open(recorded.receipt, recorded.settlement);
  const worker = async () => (await page.textContent("#paid tr:has(.badge.worker)")) ?? "";
  assert.match(await worker(), /20\.0\s%/);
  await askChain(page, chain.url);
  assert.equal(await page.textContent("h1"), "This receipt holds");
  assert.match(await worker(), /25\.0\s%/);
  assert.match(await worker(), /0\.0005555 FNT/);
  assert.match((await page.textContent("[data-check='terms on chain']")) ?? "", /its batch paid by later terms: worker 250000 ppm/);
  assert.equal(await page.locator("#paid .said").count(), 0);
  await picture(page, "later-terms");
  await page.context().close();
  chain.server.close();
});

test("a chain that settled something else turns the page red; one that is down leaves it green", async () => {
  const lying = await node(replay((method, result) => (method === "eth_chainId" ? "0x1" : result)));
  const { page } = await open(recorded.receipt, recorded.settlement);
  await askChain(page, lying.url);
  assert.equal(await page.textContent("h1"), "This receipt does not hold");
  assert.equal((await shown(page))["network"], "failed");
  lying.server.close();
  lying.server.closeAllConnections();
  await page.reload();
  await page.waitForSelector(".chain.unreachable");
  assert.equal(await page.textContent("h1"), "This receipt holds");
  assert.match((await page.textContent(".chain .message")) ?? "", /did not answer/);
  await page.context().close();
});

test("a page checks other receipts, from JSON and from another page", async () => {
  const { page, complaints } = await open(recorded.receipt, recorded.settlement);
  const json = join(folder, "other.json");
  writeFileSync(json, JSON.stringify(pinned.bundle));
  await page.setInputFiles("input[type=file]", json);
  await page.locator(".card", { hasText: "Mills and gauges" }).waitFor();
  assert.equal(await page.textContent("h1"), "This receipt holds");
  const tampered = structuredClone(recorded.receipt);
  tampered.receipt.seed += 1;
  await page.setInputFiles("input[type=file]", fileOf(tampered, null));
  await page.waitForSelector(".verdict.failed");
  assert.equal(await page.textContent(".difference code"), "receipt.seed");
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click(".tools button >> nth=1")]);
  assert.match(saved.suggestedFilename(), /^receipt-[0-9a-f]{8}\.json$/);
  assert.deepEqual(JSON.parse(read(await saved.path())), tampered);
  await page.setInputFiles("input[type=file]", { name: "x.json", mimeType: "application/json", buffer: Buffer.from("{}") });
  await page.waitForSelector(".verdict.failed h1:has-text('cannot be read')");
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("a page without a receipt asks for one", async () => {
  const { page, complaints } = await open(null);
  assert.equal(await page.textContent("h1"), "No receipt yet");
  assert.deepEqual(complaints, []);
  await page.context().close();
});
