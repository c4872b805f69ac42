// What the page shows of a bundle.
import assert from "node:assert/strict";
import { test } from "node:test";

import { viewOf } from "../src/page/view.ts";
import { readBundle } from "../src/verify/bundle.ts";
import { verify } from "../src/verify/verify.ts";
import { pinned } from "./fixtures.ts";

test("a document that nothing proves names no author", () => {
  const bundle = structuredClone(pinned.bundle);
  const forged = structuredClone(bundle.cited[0].documents[0]);
  forged.metadata = { ...forged.metadata, title: "The king's own words", author: "The king" };
  forged.opening = { ...forged.opening, index: forged.opening.index + 1, chunks: [] };
  bundle.cited[0].documents.unshift(forged);
  const read = readBundle(JSON.stringify(bundle));
  assert.ok(verify(read).ok, "no check speaks of it");
  const [source] = viewOf(read).sources;
  assert.equal(source?.author, pinned.bundle.cited[0].documents[0].metadata.author);
});
