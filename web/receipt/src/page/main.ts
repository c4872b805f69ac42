// The page: reads the receipt that stands in it, verifies it, shows it, and asks the chain if the reader says so.
//
// The page connects to nothing. Its first act is to forbid itself every connection but the one to the address that the
// reader gave; giving another address means loading the page anew, with that one allowed (see `allowOnly`).
import { CHAIN_CHECKS, chainChecks, paidBy, readStanding, type OnChain, type Standing } from "../chain/checks.ts";
import { Chain, sender } from "../chain/rpc.ts";
import { ReadError, readBundle, type ReceiptBundle } from "../verify/bundle.ts";
import { summary, verify, type Check, type Verification } from "../verify/verify.ts";
import { answerSection } from "./answer.ts";
import { checkSection, detailsSection, type ChainState } from "./check.ts";
import { h } from "./dom.ts";
import { fnt, moment, percent } from "./format.ts";
import { Say, address, logo, seal } from "./parts.ts";
import { paidSection } from "./paid.ts";
import { viewOf, type Told, type View } from "./view.ts";
import { preferred, type Language } from "./words.ts";
import { whySection } from "./why.ts";

/** What outlives a reload; it is this entry of the browser's history, which no other page can write. */
interface Kept {
  rpc?: string;
  language?: Language;
  opened?: Texts;
}

/** The two data blocks of a page, as texts. */
interface Texts {
  receipt: string;
  settlement: string;
}

type Loaded =
  | { kind: "receipt"; bundle: ReceiptBundle; view: View; offline: Check[]; standing: Standing | undefined }
  | { kind: "unreadable"; error: ReadError }
  | { kind: "none" };

const kept: Kept = (history.state as Kept | null) ?? {};
const keep = (change: Kept): void => history.replaceState(Object.assign(kept, change), "");

const embedded: Texts = { receipt: blockOf(document, "receipt"), settlement: blockOf(document, "settlement") };
let texts = kept.opened ?? embedded;
let loaded = load(texts);
const notAsked = (): OnChain => ({ checks: [], payees: new Map() });
let onChain = notAsked();
const chain: ChainState = { url: kept.rpc, state: "idle", ask };

allowOnly(kept.rpc);
render();
if (kept.rpc !== undefined) void askNow(kept.rpc);
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const file = event.dataTransfer?.files[0];
  if (file !== undefined) void open(file);
});

function blockOf(from: Document, id: string): string {
  return from.getElementById(id)?.textContent ?? "null";
}

function load({ receipt, settlement }: Texts): Loaded {
  if (receipt.trim() === "null") return { kind: "none" };
  try {
    const bundle = readBundle(receipt);
    const { checks: offline } = verify(bundle);
    return { kind: "receipt", bundle, view: viewOf(bundle), offline, standing: standingOf(settlement) };
  } catch (error) {
    if (error instanceof ReadError) return { kind: "unreadable", error };
    throw error;
  }
}

/** Where it was settled is a hint of the gateway: what cannot be read counts as not settled. */
function standingOf(settlement: string): Standing | undefined {
  try {
    return readStanding(settlement);
  } catch {
    return undefined;
  }
}

/** Forbids every connection but those to one address; policies only ever add up, so nothing can lift this one. */
function allowOnly(url: string | undefined): void {
  const { origin = "'none'", protocol = "", hostname = "" } = url === undefined ? {} : new URL(url);
  // A policy cannot name an IPv6 host; then it names the scheme.
  const allowed = hostname.startsWith("[") ? protocol : origin;
  document.head.append(h("meta", { "http-equiv": "Content-Security-Policy", content: `connect-src ${allowed}` }));
}

function ask(url: string): void {
  let parsed: URL | undefined;
  try {
    parsed = new URL(url);
  } catch {
    // Told below.
  }
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    chain.url = url;
    chain.state = "bad url";
    render();
    return;
  }
  if (kept.rpc === parsed.href) {
    void askNow(parsed.href);
    return;
  }
  keep({ rpc: parsed.href });
  location.reload();
}

async function askNow(url: string): Promise<void> {
  if (loaded.kind !== "receipt") return;
  const { bundle, standing } = loaded;
  chain.state = "asking";
  render();
  const told = await chainChecks(new Chain(sender(url)), bundle, standing);
  if (loaded.kind !== "receipt" || loaded.bundle !== bundle) return;
  onChain = told;
  chain.state = told.checks[0]?.outcome === "not_checkable" ? "unreachable" : "done";
  render();
  document.querySelector("[data-check='network']")?.scrollIntoView({ block: "center" });
}

/** Opens a bundle, or the bundle in another page, whose scripts are not run. */
async function open(file: File): Promise<void> {
  const text = await file.text();
  let found: Texts = { receipt: text, settlement: "null" };
  if (/^\s*</.test(text)) {
    const page = new DOMParser().parseFromString(text, "text/html");
    found = { receipt: blockOf(page, "receipt"), settlement: blockOf(page, "settlement") };
  }
  keep({ opened: found });
  texts = found;
  loaded = load(texts);
  onChain = notAsked();
  chain.state = "idle";
  render();
  scrollTo({ top: 0 });
}

function save(id: Uint8Array): void {
  const url = URL.createObjectURL(new Blob([texts.receipt], { type: "application/json" }));
  const name = Array.from(id.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join("");
  h("a", { href: url, download: `receipt-${name}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function render(): void {
  const language = kept.language ?? preferred();
  const say = new Say(language);
  document.documentElement.lang = language === "pt" ? "pt-BR" : "en";
  const page = document.getElementById("page");
  if (page === null) return;
  if (loaded.kind !== "receipt") {
    document.title = `Fonte · ${say.word("title")}`;
    page.replaceChildren(top(say), plainVerdict(loaded, say), tools(undefined, say));
    return;
  }
  const { bundle, offline } = loaded;
  const checks = [...offline, ...onChain.checks];
  const verification = summary(checks);
  const told = toldBy(onChain);
  const view = told.splits === undefined ? loaded.view : viewOf(paidBy(bundle, told.splits));
  document.title = `${say.word(verification.ok ? "holds" : "fails")} · Fonte`;
  document.documentElement.classList.toggle("bad", !verification.ok);
  page.replaceChildren(
    top(say),
    verdict(verification, view, say),
    steps(say),
    h(
      "main",
      {},
      answerSection(view, say),
      whySection(view, told, say),
      paidSection(view, verification.ok, told, say),
      checkSection(checks, chain, say),
      detailsSection(bundle, say),
    ),
    tools(bundle, say),
  );
}

/** The chain's word, as far as it went: a check that it left open confirms nothing. */
function toldBy({ checks, payees, splits }: OnChain): Told {
  const outcome = (name: string) => checks.find((check) => check.name === name)?.outcome ?? "not_checkable";
  return {
    confirmed: (name) => outcome(name) === "passed",
    payeeOf: (contribution) => (outcome("payees") === "not_checkable" ? undefined : payees.get(contribution)),
    splits: outcome("settled as written") === "passed" ? splits : undefined,
  };
}

function top(say: Say): HTMLElement {
  const choice = (language: Language, name: string) =>
    h(
      "button",
      {
        type: "button",
        lang: language,
        "aria-pressed": String(language === say.language),
        click: () => {
          keep({ language });
          render();
        },
      },
      name,
    );
  return h(
    "header",
    { class: "top" },
    h("div", { class: "brand" }, logo(), h("b", {}, "Fonte"), h("span", {}, say.word("tagline"))),
    h("div", { class: "languages", role: "group", "aria-label": say.word("language") }, choice("en", "English"), choice("pt", "Português")),
  );
}

function verdict({ ok, checks }: Verification, view: View, say: Say): HTMLElement {
  const failed = checks.find((check) => check.outcome === "failed");
  const number = (outcome: Check["outcome"]) => checks.filter((check) => check.outcome === outcome).length;
  const { receipt, id } = view.bundle;
  // The chain agrees where it confirmed everything: before the settlement there is something that it cannot.
  const onChain = checks.filter((check) => CHAIN_CHECKS.includes(check.name) && check.outcome === "passed").length;
  const asTold = (name: "holdsInPart" | "holdsOnChain") => `${say.word(name)} ${say.word("chainFrom")} ${chain.url}.`;
  const why = (): string[] => {
    if (!ok) return [say.word("failsWhy")];
    if (onChain === 0) return [say.word("holdsWhy"), say.word("holdsRest")];
    return onChain < CHAIN_CHECKS.length ? [say.word("holdsAlone"), asTold("holdsInPart")] : [asTold("holdsOnChain")];
  };
  const quoted = view.sources.reduce((sum, source) => sum + source.ppm, 0);
  const sources = `${view.sources.length} ${say.word(view.sources.length === 1 ? "oneSource" : "manySources")}`;
  return h(
    "div",
    { class: `verdict ${ok ? "passed" : "failed"}`, role: "status" },
    seal(ok ? "passed" : "failed", true),
    h(
      "div",
      { class: "says" },
      h("h1", {}, say.word(ok ? "holds" : "fails")),
      ...why().map((text) => h("p", {}, text)),
      failed?.outcome === "failed" &&
        h("p", { class: "difference" }, `${say.word("firstDifference")}: `, h("code", {}, failed.differs), ` ${say.text(failed.why)}`),
      h("p", { class: "which" }, `${say.word("idLabel")} `, address(id), ` · ${say.word("issued")} ${moment(receipt.issuedAt, say.language)}`),
    ),
    h(
      "dl",
      { class: "stats" },
      h(
        "div",
        {},
        h("dd", {}, String(number("passed"))),
        h("dt", {}, say.word("checksPassed"), number("failed") > 0 && h("strong", {}, `, ${number("failed")} ${say.word(number("failed") === 1 ? "checkFailed" : "checksFailed")}`)),
      ),
      h("div", {}, h("dd", {}, percent(quoted, say.language)), h("dt", {}, `${say.word("ofTheAnswer")} ${sources}`)),
      h("div", {}, h("dd", {}, fnt(receipt.fee, say.language, 4)), h("dt", {}, say.word("fee"))),
    ),
  );
}

function plainVerdict(found: Exclude<Loaded, { kind: "receipt" }>, say: Say): HTMLElement {
  const bad = found.kind === "unreadable";
  document.documentElement.classList.toggle("bad", bad);
  return h(
    "div",
    { class: `verdict ${bad ? "failed" : "empty"}`, role: "status" },
    seal(bad ? "failed" : "open", true),
    h(
      "div",
      { class: "says" },
      h("h1", {}, say.word(bad ? "unreadable" : "noReceipt")),
      h("p", {}, say.word(bad ? "unreadableWhy" : "noReceiptWhy")),
      bad && h("p", { class: "difference" }, `${say.word("firstDifference")}: `, h("code", {}, found.error.place), ` ${say.text(found.error.why)}`),
    ),
  );
}

function steps(say: Say): HTMLElement {
  const step = (id: string, name: "navAnswer" | "navWhy" | "navPaid" | "navCheck") => h("li", {}, h("a", { href: `#${id}` }, say.word(name)));
  return h(
    "nav",
    { class: "steps" },
    h("ol", {}, step("answer", "navAnswer"), step("why", "navWhy"), step("paid", "navPaid"), step("check", "navCheck")),
  );
}

function tools(bundle: ReceiptBundle | undefined, say: Say): HTMLElement {
  const file = h("input", { type: "file", accept: ".json,.html,application/json,text/html", class: "hidden", tabindex: -1 });
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    if (chosen !== undefined) void open(chosen);
  });
  const button = (name: "openOther" | "save" | "print", click: () => void) => h("button", { type: "button", click }, say.word(name));
  return h(
    "footer",
    { class: "bottom" },
    h(
      "div",
      { class: "tools" },
      button("openOther", () => file.click()),
      bundle !== undefined && button("save", () => save(bundle.id)),
      bundle !== undefined && button("print", () => print()),
      file,
    ),
    h("p", {}, say.word("footer")),
  );
}
