// Question and answer, every passage in the colour of its source, and the panel that tells what is known of a passage.
import { PPM, PROMPT } from "../verify/bundle.ts";
import { h } from "./dom.ts";
import { count, fnt, percent } from "./format.ts";
import { Say, badge, bar, byline, colour, quotation, titleLink } from "./parts.ts";
import type { Source, Stretch, View } from "./view.ts";

/** Which source is looked at, across all sections. */
function highlight(number: number | undefined): void {
  for (const element of document.querySelectorAll<HTMLElement>("[data-source]")) {
    element.classList.toggle("active", element.dataset["source"] === String(number));
  }
}

export function answerSection(view: View, say: Say): HTMLElement {
  const { bundle } = view;
  const panel = h("aside", { class: "panel", "aria-live": "polite", id: "panel" });
  const rest = () => panel.replaceChildren(legend(view, say));
  rest();
  const show = (stretch: Stretch, sheet: boolean) => {
    panel.replaceChildren(closer(say, () => hide()), passage(stretch, say));
    panel.classList.toggle("open", sheet || panel.classList.contains("open"));
    highlight(stretch.source?.number);
  };
  const hide = () => {
    panel.classList.remove("open");
    highlight(undefined);
    rest();
  };
  const text = h("div", { class: "text", lang: guessLanguage(view) }, ...view.stretches.map((s) => stretchOf(s, say, show)));
  const escape = (event: Event) => {
    if (event instanceof KeyboardEvent && event.key === "Escape") hide();
  };
  return h(
    "section",
    { id: "answer", keydown: escape },
    h(
      "div",
      { class: "asked" },
      h("h2", { class: "label" }, say.word("question")),
      h("p", { class: "prompt" }, ...promptOf(bundle.prompt.text)),
    ),
    h(
      "div",
      { class: "answered" },
      h(
        "article",
        {},
        h("h2", { class: "label" }, `${say.word("answerOf")} `, h("b", {}, bundle.modelName)),
        text,
        composition(view, say),
      ),
      panel,
    ),
  );
}

/** Roles of a chat are set apart; the text stays what was committed. */
function promptOf(prompt: string): (HTMLElement | string)[] {
  return prompt.split(/^((?:user|system|assistant): )/m).map((part, i) => (i % 2 === 1 ? h("span", { class: "speaker" }, part) : part));
}

/** The sources' language, if they agree on one: it decides how a screen reader speaks and how lines break. */
function guessLanguage({ sources }: View): string | undefined {
  const languages = sources.flatMap((s) => (s.cited?.documents ?? []).map((d) => d.metadata.language));
  const [first] = languages;
  return first !== undefined && first !== "und" && languages.every((one) => one === first) ? first : undefined;
}

function stretchOf(stretch: Stretch, say: Say, show: (stretch: Stretch, sheet: boolean) => void): Node {
  const { run, source, text } = stretch;
  if (source === undefined && run?.source !== PROMPT) return h("span", { class: "nobody" }, text);
  // White space at the edges belongs to the passage, but a coloured blank line would only confuse.
  const [, leading = "", solid = "", trailing = ""] = /^(\s*)([^]*?)(\s*)$/.exec(text) ?? [];
  const hover = (event: Event) => {
    if (event instanceof PointerEvent && event.pointerType === "mouse") show(stretch, false);
  };
  const press = (event: Event) => {
    if (event instanceof KeyboardEvent && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    show(stretch, true);
    // On a small screen the sheet covers the lower part: what it tells of stays in sight.
    if (matchMedia("(max-width: 60rem)").matches) span.scrollIntoView({ block: "start" });
  };
  const span = h(
    "span",
    {
      class: source === undefined ? "stretch echo" : `stretch ${colour(source)}`,
      role: "button",
      tabindex: 0,
      "aria-controls": "panel",
      "data-source": source?.number,
      pointerenter: hover,
      focus: () => show(stretch, false),
      click: press,
      keydown: press,
    },
    solid,
    source !== undefined && stretch.numbered && h("sup", {}, h("span", { class: "hidden" }, ` [${say.word("oneSource")} `), String(source.number), h("span", { class: "hidden" }, "]")),
  );
  const both = document.createDocumentFragment();
  both.append(leading, span, trailing);
  return both;
}

function closer(say: Say, close: () => void): HTMLElement {
  return h("button", { type: "button", class: "close", "aria-label": say.word("close"), click: close }, "×");
}

/** What is known of one passage. */
function passage({ run, source }: Stretch, say: Say): HTMLElement {
  if (source === undefined || run === undefined) {
    return h("div", { class: "passage" }, h("h3", {}, say.word(run?.source === PROMPT ? "echo" : "noSource")), h("p", {}, say.word(run?.source === PROMPT ? "echoLong" : "nobodyLong")));
  }
  const document = source.cited?.documents.find((d) => d.opening.index === run.document);
  return h(
    "div",
    { class: `passage ${colour(source)}` },
    h("h3", {}, badge(source), titleLink(document, say)),
    byline(document, say),
    h(
      "dl",
      { class: "figures" },
      h("div", {}, h("dt", {}, say.word("ofDataPool")), h("dd", {}, percent(source.ppm, say.language))),
      h("div", {}, h("dt", {}, say.word("payment")), h("dd", {}, fnt(source.amount, say.language, 4), h("small", {}, " FNT"))),
    ),
    h("h4", { class: "label" }, say.word("inItsSource")),
    document === undefined ? h("p", {}, say.word("notOpened")) : quotation(source, [run], document, say, 110),
  );
}

function legend(view: View, say: Say): HTMLElement {
  const line = (source: Source) =>
    h(
      "li",
      { "data-source": source.number, pointerenter: () => highlight(source.number), pointerleave: () => highlight(undefined) },
      badge(source),
      h("span", { class: "name" }, titleLink(source.cited?.documents[0], say), h("small", {}, source.author || say.word("unnamed"))),
      h("b", {}, percent(part(source.bytes, view), say.language)),
    );
  const plain = (name: string, bytes: number, kind: string) =>
    bytes > 0 && h("li", {}, h("span", { class: `badge ${kind}` }), h("span", { class: "name" }, name), h("b", {}, percent(part(bytes, view), say.language)));
  return h(
    "div",
    { class: "legend" },
    h("h3", { class: "label" }, say.word("composition")),
    h("ul", {}, ...view.sources.map(line), plain(say.word("echo"), view.echoBytes, "echo"), plain(say.word("noSource"), view.nobodyBytes, "none")),
    view.sources.length > 0 && h("p", { class: "hint" }, say.word("touch")),
  );
}

/** Part of the answer, in ppm. */
const part = (bytes: number, view: View): number => Math.floor((bytes * PPM) / Math.max(1, view.answerBytes));

function composition(view: View, say: Say): HTMLElement {
  const name = (what: string, bytes: number) => `${what}: ${percent(part(bytes, view), say.language)} (${count(bytes, say.language)} B)`;
  return bar(say.word("composition"), [
    ...view.sources.map((source) => ({
      name: name(`${source.number} ${source.author}`, source.bytes),
      weight: source.bytes,
      class: colour(source),
      source,
    })),
    { name: name(say.word("echo"), view.echoBytes), weight: view.echoBytes, class: "echo" },
    { name: name(say.word("noSource"), view.nobodyBytes), weight: view.nobodyBytes, class: "none" },
  ]);
}
