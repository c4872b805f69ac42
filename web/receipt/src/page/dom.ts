// Elements from code: text is only ever set as text, never parsed as markup.

type Child = Node | string | false | undefined | null;
type Properties = Record<string, string | boolean | number | undefined | ((event: Event) => void)>;

/** An element; a property that is a function listens, one that is `false` or `undefined` is left out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  set(element, properties);
  append(element, children);
  return element;
}

/** The same for pictures. */
export function svg(name: string, properties: Properties = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  set(element, properties);
  append(element, children);
  return element;
}

function set(element: Element, properties: Properties): void {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
}

function append(element: Element, children: Child[]): void {
  for (const child of children) if (child !== false && child !== undefined && child !== null) element.append(child);
}

/** A link that leaves the page, if its address is one of the web; otherwise the text alone. */
export function link(url: string, ...children: Child[]): HTMLElement {
  let web = false;
  try {
    web = /^https?:$/.test(new URL(url).protocol);
  } catch {
    // Not an address: shown as text.
  }
  return web
    ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children)
    : h("span", {}, ...children);
}
