// Who, in which role, worth what, paid how much.
import { PPM } from "../verify/bundle.ts";
import { h } from "./dom.ts";
import { fnt, percent } from "./format.ts";
import { Say, address, badge, bar, colour } from "./parts.ts";
import type { View } from "./view.ts";

type Row = { who: (Node | string)[]; to: Node | undefined; role: string; why: string; amount: bigint; class: string; source?: number };

export function paidSection(view: View, ok: boolean, say: Say): HTMLElement {
  const { bundle, credits } = view;
  const { receipt, terms } = bundle;
  const { language } = say;
  const rows: Row[] = view.sources.map((source) => ({
    who: [badge(source), source.author || `${say.word("contribution")} ${source.contribution}`],
    to: source.cited && address(source.cited.payee),
    role: say.word("roleSource"),
    why: `${percent(source.ppm, language)} ${say.word("ofDataPool")}`,
    amount: source.amount,
    class: colour(source),
    source: source.number,
  }));
  rows.push(...curators(view, say));
  rows.push(
    {
      who: [h("span", { class: "badge worker" }), address(receipt.worker)],
      to: undefined,
      role: say.word("roleWorker"),
      why: `${say.word("workerWhy")}: ${percent(terms.splits.worker, language)}`,
      amount: credits.worker,
      class: "worker",
    },
    {
      who: [h("span", { class: "badge developer" }), `${say.word("developerWho")} ${bundle.modelName}`],
      to: undefined,
      role: say.word("roleDeveloper"),
      why: `${say.word("developerWhy")}: ${percent(terms.splits.developer, language)}`,
      amount: credits.developer,
      class: "developer",
    },
    {
      who: [h("span", { class: "badge none" }), say.word("treasuryWho")],
      to: undefined,
      role: say.word("roleTreasury"),
      why: say.word("treasuryWhy"),
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
  return h(
    "section",
    { id: "paid" },
    h("h2", {}, say.word("navPaid")),
    !ok && h("p", { class: "warning" }, say.word("written")),
    h("p", { class: "intro" }, say.word("paidIntro")),
    bar(say.word("navPaid"), parts),
    h(
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
            h("td", { class: "who" }, ...row.who, row.to && h("small", {}, `${say.word("to")} `, row.to)),
            h("td", { class: "role" }, row.role),
            h("td", { class: "why" }, row.why),
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
          h("td", { class: "who" }, say.word("total"), h("small", {}, `${say.word("paidBy")} `, address(receipt.payer))),
          h("td", { class: "role" }),
          h("td", { class: "why" }),
          h("td", { class: "amount" }, fnt(receipt.fee, language), h("small", {}, " FNT")),
        ),
      ),
    ),
  );
}

/** The curators' cuts, one row per datanet. */
function curators(view: View, say: Say): Row[] {
  const rows = new Map<number, Row>();
  for (const { cited, curatorAmount } of view.sources) {
    if (cited === undefined || curatorAmount === 0n) continue;
    const { datanet } = cited.membership;
    const row = rows.get(datanet);
    if (row !== undefined) row.amount += curatorAmount;
    else {
      rows.set(datanet, {
        who: [h("span", { class: "badge curator" }), address(cited.curator)],
        to: undefined,
        role: say.word("roleCurator"),
        why: `${say.word("curatorWhy")} ${datanet}: ${percent(cited.curatorPpm, say.language)} ${say.word("ofWhatEarns")}`,
        amount: curatorAmount,
        class: "curator",
      });
    }
  }
  return [...rows.values()];
}
