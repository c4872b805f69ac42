// The checks, the box that asks the chain, and all identifiers.
import { CHAIN_CHECKS } from "../chain/checks.ts";
import type { ReceiptBundle } from "../verify/bundle.ts";
import { toHex } from "../verify/bytes.ts";
import type { Check } from "../verify/verify.ts";
import { h } from "./dom.ts";
import { moment } from "./format.ts";
import { Say, seal } from "./parts.ts";
import { CHECKS, GROUPS } from "./words.ts";

export interface ChainState {
  /** The address that was asked, if any. */
  url: string | undefined;
  /** What is going on, or went wrong. */
  state: "idle" | "asking" | "done" | "unreachable" | "bad url";
  ask: (url: string) => void;
}

export function checkSection(checks: Check[], chain: ChainState, say: Say): HTMLElement {
  return h(
    "section",
    { id: "check" },
    h("h2", {}, say.word("navCheck")),
    h("p", { class: "intro" }, say.word("checkIntro")),
    h("div", { class: "groups" }, ...GROUPS.map((group) => groupOf(say.text(group.title), group.checks, checks, say))),
    chainBox(chain, say),
    h(
      "div",
      { class: "trust" },
      h("h3", {}, say.word("trustTitle")),
      h("p", {}, `${say.word("trust")} `, h("code", {}, "fonte receipt verify"), `, ${say.word("trustOther")}`),
    ),
  );
}

function groupOf(title: string, names: string[], checks: Check[], say: Say): HTMLElement {
  const lines = names.map((name) => {
    const made = checks.find((check) => check.name === name);
    if (made !== undefined) return lineOf(made, say);
    return CHAIN_CHECKS.includes(name) && lineOf({ name, outcome: "not_checkable", without: { en: "", pt: "" } }, say);
  });
  return h("div", { class: "group" }, h("h3", { class: "label" }, title), h("ul", { class: "checks" }, ...lines));
}

function lineOf(check: Check, say: Say): HTMLElement {
  const known = CHECKS[check.name];
  const kind = check.outcome === "passed" ? "passed" : check.outcome === "failed" ? "failed" : "open";
  const state = kind === "open" ? say.word(check.name === "completeness" ? "openTexts" : "open") : say.word(kind);
  const what: (HTMLElement | string | false)[] = [];
  if (check.outcome === "failed") {
    what.push(h("code", { class: "differs" }, check.differs), ` ${say.text(check.why)}`);
  } else if (check.outcome === "not_checkable" && check.without.en !== "") {
    what.push(`${say.word("withoutIt")} ${say.text(check.without)}`);
  } else {
    const means = known ? say.text(known.means) : "";
    what.push(kind === "open" ? `${say.word("toBeChecked")}: ${means}` : means);
    if (check.outcome === "passed" && check.note !== undefined) what.push(` (${say.text(check.note)})`);
  }
  return h(
    "li",
    { class: kind, "data-check": check.name },
    seal(kind),
    h("div", {}, h("b", {}, known ? say.text(known.name) : check.name), h("span", { class: "state" }, state), h("p", {}, ...what)),
  );
}

function chainBox({ url, state, ask }: ChainState, say: Say): HTMLElement {
  const input = h("input", {
    id: "rpc",
    name: "rpc",
    type: "url",
    required: true,
    placeholder: "http://127.0.0.1:8545",
    value: url ?? "",
    autocomplete: "off",
    spellcheck: "false",
  });
  const submit = (event: Event) => {
    event.preventDefault();
    ask(input.value.trim());
  };
  const message = {
    idle: undefined,
    asking: say.word("chainAsking"),
    done: url === undefined ? undefined : `${say.word("chainFrom")} ${url}`,
    unreachable: say.word("chainUnreachable"),
    "bad url": say.word("chainBadUrl"),
  }[state];
  return h(
    "form",
    { id: "ask", class: `chain ${state.replace(" ", "-")}`, submit, novalidate: true },
    h("h3", {}, say.word("chainTitle")),
    h("p", {}, say.word("chainIntro")),
    h(
      "div",
      { class: "ask" },
      h("label", { for: "rpc", class: "hidden" }, say.word("chainUrl")),
      input,
      h("button", { type: "submit", disabled: state === "asking" }, say.word("chainButton")),
    ),
    message !== undefined && h("p", { class: "message", role: "status" }, message),
  );
}

/** Everything that identifies the receipt, in full. */
export function detailsSection(bundle: ReceiptBundle, say: Say): HTMLElement {
  const { receipt, network } = bundle;
  const rows: [string, string][] = [
    ["id", toHex(bundle.id)],
    ["request_id", toHex(receipt.requestId)],
    ["chain_id", String(network.chainId)],
    ["network_id", toHex(network.networkId)],
    ["settlement", toHex(network.settlement)],
    ["datanets", toHex(network.datanets)],
    ["payer", toHex(receipt.payer)],
    ["gateway", toHex(receipt.gateway)],
    ["worker", toHex(receipt.worker)],
    ["model", `${receipt.model} ${bundle.modelName}`],
    ["model_hash", toHex(receipt.modelHash)],
    ["adapter_hash", toHex(receipt.adapterHash)],
    ["engine_class", receipt.engineClass === 0 ? `exact (${say.word("exact")})` : `tolerance (${say.word("tolerance")})`],
    ["visibility", receipt.visibility === 0 ? "open" : "private"],
    ["versions", receipt.versions.map((v) => `${v.datanet}@${v.version}`).join(" ")],
    ["tokens", `${receipt.inputTokens} + ${receipt.outputTokens}`],
    ["fee", `${receipt.fee} wei`],
    ["prompt_root", toHex(receipt.promptRoot)],
    ["answer_root", toHex(receipt.answerRoot)],
    ["evidence_hash", toHex(receipt.evidenceHash)],
    ["issued_at", moment(receipt.issuedAt, say.language)],
    ["worker_signature", toHex(bundle.workerSignature)],
    ["gateway_signature", toHex(bundle.gatewaySignature)],
    ...bundle.cited.flatMap((cited): [string, string][] => [
      [`cited[${cited.contribution}].root`, toHex(cited.root)],
      [`cited[${cited.contribution}].contributor`, toHex(cited.contributor)],
      [`cited[${cited.contribution}].payee`, toHex(cited.payee)],
    ]),
  ];
  return h(
    "details",
    { class: "identifiers" },
    h("summary", {}, say.word("details")),
    h("dl", {}, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
  );
}
