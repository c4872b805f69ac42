// A page with a receipt in it, made as `fonte receipt export` makes it (crates/fonte/src/export.rs).
import { read, type Data } from "./fixtures.ts";

const template = read("artifact/receipt.html");

export function pageOf(receipt: Data, settlement: Data = null): string {
  return fill(fill(template, "receipt", receipt), "settlement", settlement);
}

function fill(page: string, id: string, data: Data): string {
  const tag = `<script type="application/json" id="${id}">`;
  const [before, after, ...more] = page.split(`${tag}null</script>`);
  if (after === undefined || more.length > 0) throw new Error(`the page has not one empty block ${id}`);
  return `${before}${tag}${JSON.stringify(data).replaceAll("<", "\\u003c")}</script>${after}`;
}
