// Who, in which role, worth what, paid how much.
import { PPM } from "../verify/bundle.ts";
import { equal } from "../verify/bytes.ts";
import { h } from "./dom.ts";
import { fnt, percent } from "./format.ts";
import { Say, address, badge, bar, colour, said } from "./parts.ts";
import type { Source, Told, View } from "./view.ts";

type Row = { badge: Node; who: Node | string; to?: Node | undefined; role: string; why: (Node | string | false)[]; amount: bigint; class: string; source?: number };

export function paidSection(view: View, ok: boolean, told: Told, say: Say): HTMLElement {
  const { bundle, credits } = view;
  const { receipt, terms } = bundle;
  const { language } = say;
  const rows: Row[] = view.sources.map((source) => ({
    badge: badge(source),
    who: source.author || `${say.word("contribution")} ${source.contribution}`,
    to: payeeOf(source, told, say),
    role: say.word("roleSource"),
    why: [`${percent(source.ppm, language)} ${say.word("ofDataPool")}`],
    amount: source.amount,
    class: colour(source),
    source: source.number,
  }));
  rows.push(...curators(view, told, say));
  const splitOf = (what: string, ppm: number) => [
    `${what}: ${percent(ppm, language)}`,
    !told.confirmed("terms on chain") && said(say),
  ];
  rows.push(
    {
      badge: h("span", { class: "badge worker" }),
      who: address(receipt.worker),
      role: say.word("roleWorker"),
      why: splitOf(say.word("workerWhy"), terms.splits.worker),
      amount: credits.worker,
      class: "worker",
    },
    {
      badge: h("span", { class: "badge developer" }),
      who: `${say.word("developerWho")} ${bundle.modelName}`,
      role: say.word("roleDeveloper"),
      why: splitOf(say.word("developerWhy"), terms.splits.developer),
      amount: credits.developer,
      class: "developer",
    },
    {
      badge: h("span", { class: "badge none" }),
      who: say.word("treasuryWho"),
      role: say.word("roleTreasury"),
      why: [say.word("treasuryWhy")],
      amount: credits.treasury,
      class: "none",
    },
  );
  const weight = (amount: bigint) => Number((amount * BigInt(PPM)) / (receipt.fee > 0n ? receipt.fee : 1n));
  const parts = rows.map((row) => ({
    name: `${row.role}: ${fnt(row.amount, language)} FNT, ${percent(weight(row.amount), language)}`,
    weight: weight(row.amount),
    class: row.class,
    ...(row.source !== undefined && { source: view.sources[row.source - 1] as NonNullable<(typeof view.sources)[number]> }),
  }));
  const table = h(
    "table",
    {},
    h("thead", {}, h("tr", {}, ...(["who", "role", "value", "payment"] as const).map((name) => h("th", { scope: "col" }, say.word(name))))),
    h(
      "tbody",
      {},
      ...rows.map((row) =>
        h(
          "tr",
          { "data-source": row.source },
          h("td", { class: "who" }, h("div", { class: "party" }, row.badge, h("div", {}, h("span", { class: "name" }, row.who), row.to))),
          h("td", { class: "role" }, row.role),
          h("td", { class: "why" }, ...row.why),
          h("td", { class: "amount" }, fnt(row.amount, language), h("small", {}, " FNT")),
        ),
      ),
    ),
    h(
      "tfoot",
      {},
      h(
        "tr",
        {},
        h("td", { class: "who" }, h("span", { class: "name" }, say.word("total")), h("small", {}, `${say.word("paidBy")} `, address(receipt.payer))),
        h("td", { class: "role" }),
        h("td", { class: "why" }),
        h("td", { class: "amount" }, fnt(receipt.fee, language), h("small", {}, " FNT")),
      ),
    ),
  );
  return h(
    "section",
    { id: "paid" },
    h("h2", {}, say.word("navPaid")),
    !ok && h("p", { class: "warning" }, say.word("written")),
    h("p", { class: "intro" }, say.word("paidIntro")),
    table.querySelector(".said") !== null &&
      h("p", { class: "intro unproved" }, say.word("saidIntro"), said(say), ". ", h("a", { href: "#ask" }, say.word("askChain")), "."),
    bar(say.word("navPaid"), parts),
    table,
  );
}

/** Whom a source pays: the chain's word where it was given, and what the receipt says otherwise. */
function payeeOf({ cited, contribution }: Source, told: Told, say: Say): HTMLElement | undefined {
  if (cited === undefined) return undefined;
  const onChain = told.payeeOf(contribution);
  if (onChain === undefined) return h("small", {}, `${say.word("to")} `, address(cited.payee), said(say));
  const { payee, namedWas } = onChain;
  const other =
    !equal(payee, cited.payee) &&
    h("span", { class: namedWas ? "moved" : "moved forged" }, `${say.word(namedWas ? "payeeMoved" : "payeeForged")} `, address(cited.payee));
  return h("small", {}, `${say.word("to")} `, address(payee), other);
}

/** The curators' cuts, one row per datanet. */
function curators(view: View, told: Told, say: Say): Row[] {
  const rows = new Map<number, Row>();
  for (const { cited, curatorAmount } of view.sources) {
    if (cited === undefined || curatorAmount === 0n) continue;
    const { datanet } = cited.membership;
    const row = rows.get(datanet);
    if (row !== undefined) row.amount += curatorAmount;
    else {
      rows.set(datanet, {
        badge: h("span", { class: "badge curator" }),
        who: address(cited.curator),
        role: say.word("roleCurator"),
        why: [
          `${say.word("curatorWhy")} ${datanet}: ${percent(cited.curatorPpm, say.language)} ${say.word("ofWhatEarns")}`,
          !told.confirmed("contributions on chain") && said(say),
        ],
        amount: curatorAmount,
        class: "curator",
      });
    }
  }
  return [...rows.values()];
}
