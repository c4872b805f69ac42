// Each source: its document, its author, and every quotation in its place.
import { h } from "./dom.ts";
import { count, fnt, percent } from "./format.ts";
import { Say, address, badge, byline, colour, quotation, titleLink } from "./parts.ts";
import type { Source, View } from "./view.ts";

/** Quotations shown before the rest is folded away. */
const SHOWN = 3;

export function whySection(view: View, say: Say): HTMLElement {
  const { sources } = view;
  return h(
    "section",
    { id: "why" },
    h("h2", {}, say.word("navWhy")),
    h("p", { class: "intro" }, sources.length > 0 ? say.word("whyIntro") : say.word("noSources")),
    h("div", { class: "cards" }, ...sources.map((source) => card(source, say))),
  );
}

function card(source: Source, say: Say): HTMLElement {
  const documents = source.cited?.documents ?? [];
  const { cited } = source;
  return h(
    "article",
    { class: `card ${colour(source)}`, "data-source": source.number },
    h(
      "header",
      {},
      badge(source),
      h(
        "div",
        { class: "share" },
        h("b", {}, percent(source.ppm, say.language)),
        h("small", {}, say.word("ofDataPool")),
      ),
      h(
        "div",
        { class: "share" },
        h("b", {}, fnt(source.amount, say.language, 4), " FNT"),
        h("small", {}, `${count(source.bytes, say.language)} ${say.word("quoteBytes")}`),
      ),
    ),
    ...(documents.length > 0 ? documents : [undefined]).map((document) => {
      const own = source.runs.filter((run) => run.document === document?.opening.index);
      const quotations = document === undefined ? [] : own.map((run) => quotation(source, run, document, say));
      const folded = quotations.slice(SHOWN);
      return h(
        "div",
        { class: "document" },
        h("h3", {}, titleLink(document, say)),
        byline(document, say),
        ...quotations.slice(0, SHOWN),
        folded.length > 0 &&
          h("details", {}, h("summary", {}, `${folded.length} ${say.word("moreQuotes")}`), ...folded),
        quotations.length === 0 && h("p", { class: "muted" }, say.word("notOpened")),
      );
    }),
    h(
      "footer",
      {},
      `${say.word("contribution")} ${source.contribution}`,
      cited !== undefined && ` · ${say.word("datanet")} ${cited.membership.datanet} · `,
      cited !== undefined && address(cited.contributor),
    ),
  );
}
