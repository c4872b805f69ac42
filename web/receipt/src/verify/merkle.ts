// Salted Merkle commitments to texts, and trees over ready-made leaves (docs/spec/receipt.md, section 1).
import type { DocumentOpening, Metadata, TextOpening } from "./bundle.ts";
import { Refusal, bigEndian, concat, equal, keccak, toHex, utf8 } from "./bytes.ts";

const CHUNK = 1024;
const MAX_TEXT = 1n << 30n;
const ZERO = new Uint8Array(32);

export const ANSWER = 4;
export const PROMPT_TEXT = 5;
const DOCUMENT = 2;

/** An opening was refused. */
export class OpeningError extends Refusal {}

const tagged = (tag: number, ...parts: Uint8Array[]): Uint8Array => keccak(concat(Uint8Array.of(tag), ...parts));

const node = (left: Uint8Array, right: Uint8Array): Uint8Array => tagged(1, left, right);

/** Root over given leaves; an odd last node moves up unchanged. */
export function rootOf(leaves: Uint8Array[]): Uint8Array {
  let level = leaves;
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i], level[i + 1]];
      if (left !== undefined) above.push(right === undefined ? left : node(left, right));
    }
    level = above;
  }
  const root = level[0];
  if (root === undefined) throw new OpeningError("a tree has at least one leaf", "uma árvore tem ao menos uma folha");
  return root;
}

/** The root that a leaf, its index, the number of leaves and the siblings lead to. */
export function rootFromPath(leaf: Uint8Array, index: number, leaves: number, path: Uint8Array[]): Uint8Array {
  checkIndex(index, leaves);
  const count = path.length;
  const wrongLength = () =>
    new OpeningError(
      `a path of ${count} siblings does not fit leaf ${index} of ${leaves}`,
      `um caminho de ${count} irmãos não serve à folha ${index} de ${leaves}`,
    );
  let [hash, at, width, used] = [leaf, index, leaves, 0];
  while (width > 1) {
    // Arithmetic, not bit operators: those would read an index from 2^31 on as negative.
    const odd = at % 2 === 1;
    if ((odd ? at - 1 : at + 1) < width) {
      const sibling = path[used++];
      if (sibling === undefined) throw wrongLength();
      hash = odd ? node(sibling, hash) : node(hash, sibling);
    }
    at = Math.floor(at / 2);
    width = Math.ceil(width / 2);
  }
  if (used !== path.length) throw wrongLength();
  return hash;
}

function checkIndex(index: number, leaves: number): void {
  if (index < leaves) return;
  throw new OpeningError(
    `index ${index} is outside a tree of ${leaves} leaves`,
    `o índice ${index} está fora de uma árvore de ${leaves} folhas`,
  );
}

/** `tag ‖ u64 length ‖ extra ‖ root`. */
function textCommitment(kind: number, length: bigint, extra: Uint8Array, root: Uint8Array): Uint8Array {
  return tagged(kind, bigEndian(length, 8), extra, root);
}

function checkLength(length: bigint): void {
  if (length <= MAX_TEXT) return;
  throw new OpeningError(
    `a text of ${length} bytes is over the limit of ${MAX_TEXT}`,
    `um texto de ${length} bytes passa do limite de ${MAX_TEXT}`,
  );
}

/** The commitment to a whole text under its salt. */
export function commit(kind: number, text: Uint8Array, salt: Uint8Array): Uint8Array {
  checkLength(BigInt(text.length));
  const leaves: Uint8Array[] = [];
  for (let at = 0, index = 0; index === 0 || at < text.length; at += CHUNK, index++) {
    leaves.push(tagged(0, keccak(concat(salt, bigEndian(index, 4))), text.subarray(at, at + CHUNK)));
  }
  return textCommitment(kind, BigInt(text.length), ZERO, rootOf(leaves));
}

/** The commitment that one opened chunk leads to. */
export function openedCommitment(opening: TextOpening): Uint8Array {
  checkLength(opening.length);
  const length = Number(opening.length);
  const leaves = Math.max(1, Math.ceil(length / CHUNK));
  checkIndex(opening.index, leaves);
  const expected = Math.min(length - opening.index * CHUNK, CHUNK);
  if (opening.chunk.length !== expected) {
    const { index, chunk } = opening;
    throw new OpeningError(
      `chunk ${index} holds ${chunk.length} bytes where the text's length demands ${expected}`,
      `o bloco ${index} tem ${chunk.length} bytes onde o tamanho do texto exige ${expected}`,
    );
  }
  const root = rootFromPath(tagged(0, opening.leafSalt, opening.chunk), opening.index, leaves, opening.path);
  return textCommitment(opening.kind, opening.length, opening.extra, root);
}

/** Checks every opened chunk of a document against the root of its contribution. */
export function checkDocument(opening: DocumentOpening, contributionRoot: Uint8Array): void {
  for (const chunk of opening.chunks) {
    const root = rootFromPath(openedCommitment(chunk), opening.index, opening.documents, opening.path);
    const got = tagged(3, bigEndian(opening.documents, 4), root);
    if (!equal(got, contributionRoot) || chunk.kind !== DOCUMENT) {
      const [found, due] = [toHex(got), toHex(contributionRoot)];
      throw new OpeningError(`the opening leads to ${found}, the commitment is ${due}`, `a abertura leva a ${found}, o compromisso é ${due}`);
    }
  }
}

/** The bytes of a document from `position` to the end of its chunk, if one of the opened chunks, which ascend, holds it. */
export function openedFrom({ chunks }: DocumentOpening, position: bigint): Uint8Array {
  const index = position / BigInt(CHUNK);
  let [low, high] = [0, chunks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (BigInt(chunks[middle]?.index ?? 0) < index) low = middle + 1;
    else high = middle;
  }
  const found = chunks[low];
  if (found === undefined || BigInt(found.index) !== index) return new Uint8Array();
  return found.chunk.subarray(Number(position % BigInt(CHUNK)));
}

/** Hash over the metadata's canonical bytes: each field as `u32 length ‖ bytes`. */
export function metadataHash(metadata: Metadata): Uint8Array {
  const { title, url, author, date, language, licence } = metadata;
  const fields = [title, url, author, date, language, licence].map(utf8);
  return keccak(concat(...fields.flatMap((field) => [bigEndian(field.length, 4), field])));
}

/** The hash that a receipt carries for its runs. */
export function evidenceHash(leaves: Uint8Array[], context: Uint8Array, influence: Uint8Array): Uint8Array {
  return tagged(6, bigEndian(leaves.length, 4), rootOf(leaves), context, influence);
}
