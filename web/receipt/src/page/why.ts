// Each source: its document, its author, and every quotation in its place.
import type { CitedDocument } from "../verify/bundle.ts";
import { h } from "./dom.ts";
import { count, fnt, percent } from "./format.ts";
import { Say, address, badge, byline, colour, quotation, said, titleLink } from "./parts.ts";
import { isOpened, matchesOf, type Source, type Told, type View } from "./view.ts";

/** Quotations shown before the rest is folded away. */
const SHOWN = 3;

export function whySection(view: View, told: Told, say: Say): HTMLElement {
  const { sources } = view;
  return h(
    "section",
    { id: "why" },
    h("h2", {}, say.word("navWhy")),
    h("p", { class: "intro" }, sources.length > 0 ? say.word("whyIntro") : say.word("noSources")),
    h("div", { class: "cards" }, ...sources.map((source) => card(source, told, say))),
  );
}

function card(source: Source, told: Told, say: Say): HTMLElement {
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
        h("b", {}, fnt(source.amount, say.language, 4), h("small", {}, " FNT")),
        h("small", {}, `${count(source.bytes, say.language)} ${say.word("quoteBytes")}`),
      ),
    ),
    ...(documents.length > 0 ? documents : [undefined]).map((document) => {
      const own = source.runs.filter((run) => run.document === document?.opening.index);
      const quotations = document === undefined || !isOpened(document) ? [] : matchesOf(own).map((runs) => quotation(source, runs, document, say));
      const folded = quotations.slice(SHOWN);
      return h(
        "div",
        { class: "document" },
        h("h3", {}, titleLink(document, say)),
        byline(document, say),
        ...quotations.slice(0, SHOWN),
        folded.length > 0 &&
          h("details", {}, h("summary", {}, `${folded.length} ${say.word("moreQuotes")}`), ...folded),
        quotations.length === 0 && h("p", { class: "muted" }, say.word(unquoted(document))),
      );
    }),
    h(
      "footer",
      {},
      `${say.word("contribution")} ${source.contribution}`,
      cited !== undefined && ` · ${say.word("datanet")} ${cited.membership.datanet} · `,
      cited !== undefined && address(cited.contributor),
      cited !== undefined && !told.confirmed("contributions on chain") && said(say),
    ),
  );
}

/** Why no passage of a document is shown. */
function unquoted(document: CitedDocument | undefined): "notOpened" | "notQuoted" | "unproved" {
  if (document === undefined) return "notOpened";
  return isOpened(document) ? "notQuoted" : "unproved";
}
