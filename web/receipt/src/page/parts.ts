// Pieces that several sections share.
import type { CitedDocument, Run } from "../verify/bundle.ts";
import { toHex, type Text } from "../verify/bytes.ts";
import { h, link, svg } from "./dom.ts";
import { day, short } from "./format.ts";
import { isOpened, placeOf, quoteOf, type Source } from "./view.ts";
import { WORDS, type Language } from "./words.ts";

/** Picks the reader's language. */
export class Say {
  constructor(readonly language: Language) {}

  text(text: Text): string {
    return text[this.language];
  }

  word(name: keyof typeof WORDS): string {
    return WORDS[name][this.language];
  }
}

/** Colours repeat after eight; from the ninth on the underline is dashed. Numbers tell sources apart in any case. */
export const colour = (source: Source): string => `c${(source.number - 1) % 8}${source.number > 8 ? " second" : ""}`;

export const badge = (source: Source): HTMLElement => h("span", { class: `badge ${colour(source)}` }, String(source.number));

/** An address or a hash, shortened; the whole of it on hover and on paper. */
export const address = (bytes: Uint8Array): HTMLElement => h("code", { class: "address", title: toHex(bytes) }, short(bytes));

export function titleOf(document: CitedDocument | undefined, say: Say): string {
  return document?.metadata.title || say.word("untitled");
}

/** Marks what nothing here proves. */
export function said(say: Say): DocumentFragment {
  const mark = document.createDocumentFragment();
  mark.append(" ", h("span", { class: "said" }, say.word("said")));
  return mark;
}

/** Who wrote it, licence, date. */
export function byline(document: CitedDocument | undefined, say: Say): HTMLElement {
  const { author = "", date = "", licence = "" } = document?.metadata ?? {};
  return h(
    "p",
    { class: "byline" },
    `${say.word("by")} `,
    h("strong", {}, author || say.word("unnamed")),
    date !== "" && ` · ${day(date, say.language)}`,
    licence !== "" && " ",
    licence !== "" && h("span", { class: "licence", title: say.word("licence") }, licence),
  );
}

export function titleLink(document: CitedDocument | undefined, say: Say): HTMLElement {
  const title = titleOf(document, say);
  const url = document?.metadata.url ?? "";
  const proved = document !== undefined && isOpened(document);
  const shown = url === "" || !proved ? h("span", {}, title) : link(url, title);
  const language = document?.metadata.language ?? "";
  if (language !== "" && language !== "und") shown.setAttribute("lang", language);
  return proved || document === undefined ? shown : h("span", {}, shown, said(say));
}

/** The quoted passages of one match where they stand in their document, with some text around them. */
export function quotation(source: Source, runs: Run[], document: CitedDocument, say: Say, around = 220): HTMLElement {
  const quote = quoteOf(runs, document, around);
  const places = runs.map((run) => {
    const [first, last] = placeOf(run);
    return h("span", {}, `${say.word("answerBytes")} ${run.start}–${run.end} = ${say.word("document")} ${run.document}, ${first}–${last}`);
  });
  return h(
    "figure",
    { class: `quotation ${colour(source)}` },
    h(
      "blockquote",
      {},
      quote.before,
      ...quote.parts.map(({ text, quoted }) => (quoted ? h("mark", {}, text) : h("span", { class: "matched" }, text))),
      quote.after,
    ),
    h("figcaption", {}, ...places),
  );
}

export function logo(): SVGElement {
  return svg(
    "svg",
    { viewBox: "0 0 32 32", class: "logo", "aria-hidden": "true" },
    svg("path", { d: "M16 2.5c4.6 6.2 7.2 9.9 7.2 13.4a7.2 7.2 0 0 1-14.4 0c0-3.5 2.6-7.2 7.2-13.4z", class: "drop" }),
    svg("path", { d: "M5 24.5c3.3 2.5 7 3.7 11 3.7s7.7-1.2 11-3.7", class: "ripple" }),
    svg("path", { d: "M2 20.500c1 1.6 2.2 2.9 3.5 4M30 20.500c-1 1.6-2.2 2.9-3.5 4", class: "ripple faint" }),
  );
}

/** A check mark, a cross or a question mark in a ring. */
export function seal(kind: "passed" | "failed" | "open", large = false): SVGElement {
  const paths = { passed: "M14.5 24.5l6.5 6.5 13-14", failed: "M16.5 16.5l15 15M31.5 16.500l-15 15", open: "M19 20c0-6.5 10.5-6 10 .3-.3 3.6-5 4-5 8M24 33.500v.2" };
  return svg(
    "svg",
    { viewBox: "0 0 48 48", class: `seal ${kind}${large ? " large" : ""}`, "aria-hidden": "true" },
    svg("circle", { cx: 24, cy: 24, r: 21, class: "ring" }),
    svg("path", { d: paths[kind], class: "sign" }),
  );
}

/** A bar of coloured parts, each as wide as its weight. */
export function bar(label: string, parts: { name: string; weight: number; class: string; source?: Source }[]): HTMLElement {
  const shown = parts.filter((part) => part.weight > 0);
  const description = `${label}: ${shown.map((part) => part.name).join("; ")}`;
  const element = h("div", { class: "bar", role: "img", "aria-label": description });
  for (const part of shown) {
    const piece = h("span", { class: part.class, title: part.name, "data-source": part.source?.number });
    piece.style.flexGrow = String(part.weight);
    element.append(piece);
  }
  return element;
}
