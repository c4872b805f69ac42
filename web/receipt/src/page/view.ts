// From a bundle to what is shown: sources in order of their shares, the answer cut into stretches, quotes in their place.
import type { Payee } from "../chain/judge.ts";
import { NOBODY, PROMPT, type CitedContribution, type CitedDocument, type ReceiptBundle, type Run, type Splits } from "../verify/bundle.ts";
import { utf8 } from "../verify/bytes.ts";
import { openedFrom } from "../verify/merkle.ts";
import { credits, type Credits } from "../verify/money.ts";

/** A contribution that the answer quotes. `number` counts from 1 in the order in which the answer comes to them. */
export interface Source {
  number: number;
  contribution: bigint;
  cited: CitedContribution | undefined;
  runs: Run[];
  bytes: number;
  ppm: number;
  amount: bigint;
  /** The cut of its datanet's curator, already taken off. */
  curatorAmount: bigint;
  /** The author's name as the documents say, or the signer's address. */
  author: string;
}

/** A stretch of the answer with one run. */
export interface Stretch {
  text: string;
  run: Run | undefined;
  source: Source | undefined;
  /** The source's number is shown here: the next stretch has another source, and this one does not end inside a word. */
  numbered: boolean;
}

/** What a chain has said of the receipt. */
export interface Told {
  /** Whether it confirmed what a check is about. */
  confirmed: (check: string) => boolean;
  /** Whom a contribution pays, where it told. */
  payeeOf: (contribution: bigint) => Payee | undefined;
  /** By which splits the receipt's batch paid. */
  splits: Splits | undefined;
}

export interface View {
  bundle: ReceiptBundle;
  sources: Source[];
  stretches: Stretch[];
  credits: Credits;
  echoBytes: number;
  nobodyBytes: number;
  answerBytes: number;
}

/** Metadata is committed with the text: an opened chunk proves it. */
export const isOpened = ({ opening }: CitedDocument): boolean => opening.chunks.length > 0;

const length = (run: Run): number => Math.max(0, run.end - run.start);

export function viewOf(bundle: ReceiptBundle): View {
  const { receipt, runs, cited } = bundle;
  const paid = credits(bundle);
  const runsOf = new Map<bigint, Run[]>();
  for (const run of runs) {
    const own = runsOf.get(run.source);
    if (own === undefined) runsOf.set(run.source, [run]);
    else own.push(run);
  }
  const bytesOf = (source: bigint) => (runsOf.get(source) ?? []).reduce((sum, run) => sum + length(run), 0);
  const ids = new Set([...runsOf.keys(), ...receipt.shares.map((share) => share.contribution)]);
  ids.delete(NOBODY);
  ids.delete(PROMPT);
  const sources = [...ids].map((contribution, i): Source => {
    const one = cited.find((c) => c.contribution === contribution);
    const place = receipt.shares.findIndex((share) => share.contribution === contribution);
    // Of a document of which nothing was opened, nothing is proved.
    const authors = (one?.documents ?? []).filter(isOpened).map((d) => d.metadata.author).filter((name) => name !== "");
    return {
      number: i + 1,
      contribution,
      cited: one,
      runs: runsOf.get(contribution) ?? [],
      bytes: bytesOf(contribution),
      ppm: receipt.shares[place]?.ppm ?? 0,
      amount: paid.contributions[place] ?? 0n,
      curatorAmount: paid.curators[place] ?? 0n,
      author: [...new Set(authors)].join(", "),
    };
  });
  return {
    bundle,
    sources,
    stretches: stretchesOf(bundle, sources),
    credits: paid,
    echoBytes: bytesOf(PROMPT),
    nobodyBytes: bytesOf(NOBODY),
    answerBytes: utf8(bundle.answer.text).length,
  };
}

/** Runs count bytes, readers see characters: a character belongs to the run that holds its first byte. */
function stretchesOf({ answer, runs }: ReceiptBundle, sources: Source[]): Stretch[] {
  const stretches: Stretch[] = [];
  let [at, next] = [0, 0];
  let run: Run | undefined;
  const byId = new Map(sources.map((source) => [source.contribution, source]));
  for (const character of answer.text) {
    while (next < runs.length && (runs[next]?.start ?? 0) <= at) run = runs[next++];
    const current = run !== undefined && at < run.end ? run : undefined;
    const open = stretches.at(-1);
    if (open !== undefined && open.run === current) open.text += character;
    else {
      const source = current && byId.get(current.source);
      stretches.push({ text: character, run: current, source, numbered: false });
    }
    const code = character.codePointAt(0) ?? 0;
    at += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
  }
  stretches.forEach((stretch, i) => {
    const next = stretches[i + 1];
    const insideWord = /[\p{L}\p{N}]$/u.test(stretch.text) && /^[\p{L}\p{N}]/u.test(next?.text ?? "");
    stretch.numbered = next?.source !== stretch.source && !insideWord;
  });
  return stretches;
}

/** Where a run's bytes stand in its document. */
export function placeOf(run: Run): [first: bigint, last: bigint] {
  const first = run.offset + BigInt(run.start - run.matchStart);
  return [first, first + BigInt(length(run))];
}

/** Runs that are parts of one match, and so of one place in their document. */
export function matchesOf(runs: Run[]): Run[][] {
  const matches: Run[][] = [];
  for (const run of runs) {
    const [of] = matches.at(-1) ?? [];
    const same = of?.matchStart === run.matchStart && of.matchEnd === run.matchEnd && of.offset === run.offset;
    if (same) matches.at(-1)?.push(run);
    else matches.push([run]);
  }
  return matches;
}

/** A match in its source: the credited parts, what else of it stands around them, and what was opened beyond. */
export interface Quote {
  before: string;
  parts: { text: string; quoted: boolean }[];
  after: string;
}

/** The runs are of one match. `around`: bytes shown on either side. */
export function quoteOf(runs: Run[], document: CitedDocument, around: number): Quote {
  const { offset, matchStart, matchEnd } = runs[0] ?? { offset: 0n, matchStart: 0, matchEnd: 0 };
  const [start, end] = [offset, offset + BigInt(Math.max(0, matchEnd - matchStart))];
  const decoder = new TextDecoder();
  /** Opened bytes of a range; behind a gap before the match, and up to one after it. */
  const held = (from: bigint, to: bigint): Uint8Array => {
    const bytes: number[] = [];
    for (let at = from; at < to; ) {
      const piece = at < 0n ? new Uint8Array() : openedFrom(document.opening, at).subarray(0, Number(to - at));
      bytes.push(...piece);
      at += BigInt(piece.length);
      if (piece.length > 0) continue;
      if (at >= start) break;
      bytes.length = 0;
      at++;
    }
    return Uint8Array.from(bytes);
  };
  const continued = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80;
  let before = held(start - BigInt(around), start);
  while (continued(before[0])) before = before.subarray(1);
  const after = held(end, end + BigInt(around));
  // A cut at the end leaves a broken last character, which decodes to U+FFFD.
  const tail = decoder.decode(after).replace(/\ufffd+$/, "");
  const head = decoder.decode(before);
  const cutBefore = before.length > 0 && start - BigInt(before.length) > 0n;
  const cutAfter = end + BigInt(after.length) < (document.opening.chunks[0]?.length ?? 0n);
  const parts: Quote["parts"] = [];
  let at = start;
  for (const [first, last] of runs.map(placeOf)) {
    parts.push({ text: decoder.decode(held(at, first)), quoted: false }, { text: decoder.decode(held(first, last)), quoted: true });
    at = last;
  }
  parts.push({ text: decoder.decode(held(at, end)), quoted: false });
  return {
    before: cutBefore ? `… ${head.replace(/^\S*\s/, "")}` : head,
    parts: parts.filter((part) => part.text !== ""),
    after: cutAfter ? `${tail.replace(/\s\S*$/, "")} …` : tail,
  };
}
