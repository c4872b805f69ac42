// What an exact answer is a function of: its reader, its words and the commitment, as `fonte_types::generation` has them
// (`docs/spec/replay.md`). Computing the answer again needs the model; here it is checked that the record is the one that
// was signed for, and of this receipt.
import type { AnswerReceipt, Field } from "./bundle.ts";
import { bigEndian, equal, keccak, toHex, utf8, word } from "./bytes.ts";

const LAYOUT = 1;
const MAX_CONTEXT = 1 << 20;
const MAX_PASSAGES = 256;
const MAX_STOPS = 4;
const MAX_STOP = 256;

const ROLES = ["system", "developer", "user", "assistant", "tool", "function"];
const PROFILES = ["f32-exact", "int8-exact"];

export interface GenerationRecord {
  layout: number;
  base: Uint8Array;
  adapter: Uint8Array;
  profile: number;
  context: number;
  maxTokens: number;
  temperatureMilli: number;
  topK: number;
  topPMilli: number;
  presenceMilli: number;
  frequencyMilli: number;
  repetitionMilli: number;
  stop: string[];
  turns: { role: number; bytes: number }[];
  passages: { contribution: bigint; document: number; offset: bigint; bytes: number }[];
  prompt: number[];
  answer: number[];
  logProbs: Uint8Array;
}

/** Reads the record. Throws `ReadError`. */
export function readGeneration(from: Field): GenerationRecord {
  const u32 = (name: string) => from.get(name).u32();
  const tokens = (name: string) => from.get(name).list().map((token) => token.u32());
  return {
    layout: u32("layout"),
    base: from.get("base").hash(),
    adapter: from.get("adapter").hash(),
    profile: from.get("profile").oneOf(PROFILES),
    context: u32("context"),
    maxTokens: u32("max_tokens"),
    temperatureMilli: u32("temperature_milli"),
    topK: u32("top_k"),
    topPMilli: u32("top_p_milli"),
    presenceMilli: i32(from.get("presence_milli")),
    frequencyMilli: i32(from.get("frequency_milli")),
    repetitionMilli: u32("repetition_milli"),
    stop: from.get("stop").list().map((text) => text.text()),
    turns: from.get("turns").list().map((turn) => ({ role: turn.get("role").oneOf(ROLES), bytes: turn.get("bytes").u32() })),
    passages: from.get("passages").list().map((passage) => ({
      contribution: passage.get("contribution").u64(),
      document: passage.get("document").u32(),
      offset: passage.get("offset").u64(),
      bytes: passage.get("bytes").u32(),
    })),
    prompt: tokens("prompt"),
    answer: tokens("answer"),
    logProbs: from.get("log_probs").hash(),
  };
}

function i32(from: Field): number {
  const { value } = from;
  if (typeof value !== "bigint") return from.refuse("is no integer", "não é um número inteiro");
  if (BigInt.asIntN(32, value) !== value) return from.refuse("does not fit into 32 bits", "não cabe em 32 bits");
  return Number(value);
}

/** The words that are hashed, with the names of their fields: integers as such, lists as the hash of their elements. */
export function generationWords(record: GenerationRecord): [field: string, word: Uint8Array][] {
  const signed = (value: number) => word(BigInt.asUintN(256, BigInt(value)));
  const tokens = (list: number[]) => {
    const bytes = new DataView(new ArrayBuffer(4 * list.length));
    list.forEach((token, i) => bytes.setUint32(4 * i, token));
    return keccak(new Uint8Array(bytes.buffer));
  };
  const stops = record.stop.map(utf8).flatMap((text) => [bigEndian(text.length, 4), text]);
  const turns = record.turns.flatMap(({ role, bytes }) => [Uint8Array.of(role), bigEndian(bytes, 4)]);
  const passages = record.passages.flatMap(({ contribution, document, offset, bytes }) => [
    bigEndian(contribution, 8),
    bigEndian(document, 4),
    bigEndian(offset, 8),
    bigEndian(bytes, 4),
  ]);
  return [
    ["layout", word(record.layout)],
    ["base", record.base],
    ["adapter", record.adapter],
    ["profile", word(record.profile)],
    ["context", word(record.context)],
    ["max_tokens", word(record.maxTokens)],
    ["temperature_milli", word(record.temperatureMilli)],
    ["top_k", word(record.topK)],
    ["top_p_milli", word(record.topPMilli)],
    ["presence_milli", signed(record.presenceMilli)],
    ["frequency_milli", signed(record.frequencyMilli)],
    ["repetition_milli", word(record.repetitionMilli)],
    ["stop", keccak(joined(stops))],
    ["turns", keccak(joined(turns))],
    ["passages", keccak(joined(passages))],
    ["prompt", tokens(record.prompt)],
    ["answer", tokens(record.answer)],
    ["log_probs", record.logProbs],
  ];
}

/** As `concat`, for lists that a stranger may have made too long to be arguments. */
function joined(parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** `0b ‖ salt of the answer ‖ words`. */
export function generationCommitment(words: Uint8Array[], salt: Uint8Array): Uint8Array {
  return keccak(joined([Uint8Array.of(0x0b), salt, ...words]));
}

type Fail = (differs: string, en: string, pt: string) => never;

/** What of a bundle the record is held against. */
interface Beside {
  receipt: AnswerReceipt;
  prompt: { text: string };
  answer: { salt: Uint8Array };
  otherChannels: { context: Uint8Array };
  generation: GenerationRecord | undefined;
  generationWords: Uint8Array[];
}

/** The record is what was committed, and of this receipt. Returns what commits to log-probabilities. */
export function checkGeneration(bundle: Beside, fail: Fail): Uint8Array {
  const { generation: record, generationWords: committed, otherChannels } = bundle;
  if (record === undefined) {
    if (committed.length > 0) fail("generation", "is missing, its words are there", "falta, mas há as suas palavras");
    return otherChannels.context;
  }
  const words = generationWords(record);
  if (words.length !== committed.length) {
    const [got, due] = [committed.length, words.length];
    fail("generation_words", `${got} words, ${due} were committed`, `${got} palavras, ${due} foram registradas`);
  }
  words.forEach(([field, word], i) => {
    const signed = committed[i];
    if (signed === undefined || !equal(word, signed)) {
      fail(`generation.${field}`, "is not what was committed", "não é o que foi registrado");
    }
  });
  if (!equal(generationCommitment(committed, bundle.answer.salt), otherChannels.context)) {
    fail("generation_words", "do not lead to other_channels.context", "não levam a other_channels.context");
  }
  checkRecord(record, bundle.receipt, utf8(bundle.prompt.text), (field, en, pt) => fail(`generation.${field}`, en, pt));
  return record.logProbs;
}

function checkRecord(record: GenerationRecord, receipt: AnswerReceipt, prompt: Uint8Array, fail: Fail): void {
  if (record.layout !== LAYOUT) {
    fail("layout", `is ${record.layout}, this release knows ${LAYOUT}`, `é ${record.layout}, esta versão conhece ${LAYOUT}`);
  }
  if (receipt.engineClass !== 0) {
    fail("profile", "is exact, the receipt's class is tolerance", "é exato, a classe do recibo é tolerance");
  }
  for (const [field, found, name, due] of [
    ["base", record.base, "model_hash", receipt.modelHash],
    ["adapter", record.adapter, "adapter_hash", receipt.adapterHash],
  ] as const) {
    if (!equal(found, due)) {
      fail(field, `is not the receipt's ${name} ${toHex(due)}`, `não é o ${name} ${toHex(due)} do recibo`);
    }
  }
  const within = (field: string, value: number, from: number, to: number) => {
    if (value < from || value > to) fail(field, `is ${value}, not ${from} to ${to}`, `é ${value}, não de ${from} a ${to}`);
  };
  within("context", record.context, 2, MAX_CONTEXT);
  within("max_tokens", record.maxTokens, 1, 0xffff_ffff);
  within("temperature_milli", record.temperatureMilli, 0, 100_000);
  within("top_p_milli", record.topPMilli, 1, 1000);
  within("presence_milli", record.presenceMilli, -100_000, 100_000);
  within("frequency_milli", record.frequencyMilli, -100_000, 100_000);
  within("repetition_milli", record.repetitionMilli, 1, 100_000);
  const lengths = record.stop.map((text) => utf8(text).length);
  if (lengths.length > MAX_STOPS || lengths.some((length) => length === 0 || length > MAX_STOP)) {
    fail("stop", `are not at most ${MAX_STOPS} texts of 1 to ${MAX_STOP} bytes`, `não são no máximo ${MAX_STOPS} textos de 1 a ${MAX_STOP} bytes`);
  }
  if (!areTurnsOf(record.turns, prompt)) fail("turns", "are not those of the prompt", "não são os da pergunta");
  if (record.passages.length > MAX_PASSAGES || record.passages.some(({ bytes }) => bytes === 0)) {
    fail("passages", `are not at most ${MAX_PASSAGES} that hold something`, `não são no máximo ${MAX_PASSAGES} que contêm algo`);
  }
  within("prompt", record.prompt.length, 1, record.context - 1);
  within("answer", record.answer.length, 1, Math.min(record.maxTokens, record.context - record.prompt.length));
}

/** The prompt is `role: text` per turn, a blank line between two; without turns it is any text. */
function areTurnsOf(turns: GenerationRecord["turns"], prompt: Uint8Array): boolean {
  if (turns.length === 0) return true;
  let at = 0;
  for (const [i, { role, bytes }] of turns.entries()) {
    const head = utf8(`${i === 0 ? "" : "\n\n"}${ROLES[role]}: `);
    if (!equal(prompt.subarray(at, at + head.length), head)) return false;
    at += head.length + bytes;
    // A turn ends between two characters.
    if (at > prompt.length || ((prompt[at] ?? 0) & 0xc0) === 0x80) return false;
  }
  return at === prompt.length;
}
