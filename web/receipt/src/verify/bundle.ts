// A receipt with all that is needed to check it offline, as `fonte receipt show` writes it, and its reader: types and
// bounds are those of the Rust vocabulary, and whatever does not fit is refused with its place.
import { fromHex, type Text } from "./bytes.ts";
import { readGeneration, type GenerationRecord } from "./generation.ts";
import { JsonError, parseJson, type Json } from "./json.ts";

export const NOBODY = 0n;
export const PROMPT = 0xffff_ffff_ffff_ffffn;
export const PPM = 1_000_000;
export const WINDOW = 32;
export const MAX_SHARES = 16;

export interface Network {
  chainId: bigint;
  networkId: Uint8Array;
  settlement: Uint8Array;
  datanets: Uint8Array;
}

export interface Share {
  contribution: bigint;
  ppm: number;
}

export interface DatanetVersion {
  datanet: number;
  version: number;
}

export interface AnswerReceipt {
  requestId: Uint8Array;
  payer: Uint8Array;
  gateway: Uint8Array;
  nonce: bigint;
  worker: Uint8Array;
  model: number;
  modelHash: Uint8Array;
  adapterHash: Uint8Array;
  engineClass: number;
  visibility: number;
  versions: DatanetVersion[];
  promptRoot: Uint8Array;
  answerRoot: Uint8Array;
  answerBytes: number;
  inputTokens: number;
  outputTokens: number;
  seed: bigint;
  fee: bigint;
  methodVersion: number;
  shares: Share[];
  evidenceHash: Uint8Array;
  issuedAt: bigint;
}

export interface Countersignature {
  receipt: Uint8Array;
  answerRoot: Uint8Array;
  fee: bigint;
  countersignedAt: bigint;
}

/** Bytes `[start, end)` of the answer. `source`: 0 nobody, 2^64-1 the prompt, otherwise a contribution. */
export interface Run {
  start: number;
  end: number;
  source: bigint;
  document: number;
  matchStart: number;
  matchEnd: number;
  offset: bigint;
}

export interface TextOpening {
  kind: number;
  length: bigint;
  extra: Uint8Array;
  index: number;
  leafSalt: Uint8Array;
  chunk: Uint8Array;
  path: Uint8Array[];
}

export interface DocumentOpening {
  index: number;
  documents: number;
  path: Uint8Array[];
  chunks: TextOpening[];
}

export interface Metadata {
  title: string;
  url: string;
  author: string;
  date: string;
  language: string;
  licence: string;
}

export interface CitedDocument {
  metadata: Metadata;
  opening: DocumentOpening;
}

export interface Membership {
  datanet: number;
  added: number;
  withdrawn: number | undefined;
}

export interface CitedContribution {
  contribution: bigint;
  root: Uint8Array;
  membership: Membership;
  contributor: Uint8Array;
  payee: Uint8Array;
  curator: Uint8Array;
  curatorPpm: number;
  documents: CitedDocument[];
}

export interface Splits {
  protocol: number;
  worker: number;
  developer: number;
  data: number;
}

export interface Terms {
  splits: Splits;
  prices: { input: bigint; output: bigint };
}

/** A token and its log-probability, in millionths of a nat. */
export interface Alternative {
  bytes: Uint8Array;
  micronats: number;
}

/** A token of the answer, and what else might have stood there. */
export interface TokenLogProb extends Alternative {
  top: Alternative[];
}

export interface ReceiptBundle {
  format: number;
  id: Uint8Array;
  network: Network;
  modelName: string;
  terms: Terms;
  receipt: AnswerReceipt;
  signedWords: Uint8Array[];
  workerSignature: Uint8Array;
  countersignature: Countersignature;
  gatewaySignature: Uint8Array;
  prompt: { text: string; salt: Uint8Array };
  answer: { text: string; salt: Uint8Array };
  runs: Run[];
  runLeaves: Uint8Array[];
  otherChannels: { context: Uint8Array; influence: Uint8Array };
  cited: CitedContribution[];
  generation: GenerationRecord | undefined;
  generationWords: Uint8Array[];
  /** The engine's log-probabilities, where it told them: their hash is `otherChannels.context`, or stands in `generation`. */
  logProbs: TokenLogProb[] | undefined;
}

/** The bundle cannot be read: `place` is the first thing that does not fit. */
export class ReadError extends Error {
  constructor(
    readonly place: string,
    readonly why: Text,
  ) {
    super(`${place}: ${why.en}`);
  }
}

/** Reads a bundle from its JSON text. Throws `ReadError`. */
export function readBundle(text: string): ReceiptBundle {
  try {
    return bundle(new Field(parseJson(text), ""));
  } catch (error) {
    if (error instanceof JsonError) throw new ReadError("JSON", error.text);
    throw error;
  }
}

/** A value and where it stands. */
export class Field {
  constructor(
    readonly value: Json,
    readonly place: string,
  ) {}

  refuse(en: string, pt: string): never {
    throw new ReadError(this.place || "bundle", { en, pt });
  }

  get(name: string): Field {
    const value = this.#fields()[name];
    if (value === undefined) return new Field(null, this.#join(name)).refuse("is missing", "falta");
    return new Field(value, this.#join(name));
  }

  /** `undefined` where the field is missing or null. */
  optional(name: string): Field | undefined {
    const value = this.#fields()[name];
    return value === undefined || value === null ? undefined : new Field(value, this.#join(name));
  }

  has(name: string): boolean {
    return name in this.#fields();
  }

  list(): Field[] {
    if (!Array.isArray(this.value)) this.refuse("is no list", "não é uma lista");
    return this.value.map((value, i) => new Field(value, `${this.place}[${i}]`));
  }

  text(): string {
    return typeof this.value === "string" ? this.value : this.refuse("is no text", "não é um texto");
  }

  /** One of `names`, as its index. */
  oneOf(names: string[]): number {
    const index = names.indexOf(this.text());
    return index >= 0 ? index : this.refuse(`is none of ${names.join(", ")}`, `não é nenhum de ${names.join(", ")}`);
  }

  integer(bits: number): bigint {
    if (typeof this.value !== "bigint") this.refuse("is no integer", "não é um número inteiro");
    if (this.value < 0n || this.value >> BigInt(bits) !== 0n) this.refuse(`does not fit into ${bits} bits`, `não cabe em ${bits} bits`);
    return this.value;
  }

  u32(): number {
    return Number(this.integer(32));
  }

  u64(): bigint {
    return this.integer(64);
  }

  i32(): number {
    if (typeof this.value !== "bigint") this.refuse("is no integer", "não é um número inteiro");
    if (BigInt.asIntN(32, this.value) !== this.value) this.refuse("does not fit into 32 bits with a sign", "não cabe em 32 bits com sinal");
    return Number(this.value);
  }

  /** An amount: decimal digits in a string. */
  wei(): bigint {
    const text = this.text();
    if (!/^[0-9]{1,78}$/.test(text)) this.refuse("is no amount in wei", "não é um valor em wei");
    return new Field(BigInt(text), this.place).integer(128);
  }

  bytes(length?: number): Uint8Array {
    const bytes = fromHex(this.text());
    if (bytes === undefined) this.refuse("is no hexadecimal text", "não é um texto hexadecimal");
    const found = bytes.length;
    if (length !== undefined && found !== length) {
      this.refuse(`has ${found} bytes, ${length} are due`, `tem ${found} bytes, esperavam-se ${length}`);
    }
    return bytes;
  }

  hash(): Uint8Array {
    return this.bytes(32);
  }

  address(): Uint8Array {
    return this.bytes(20);
  }

  #fields(): { [name: string]: Json } {
    const value = this.value;
    if (value === null || typeof value !== "object" || Array.isArray(value)) this.refuse("is no object", "não é um objeto");
    return value;
  }

  #join(name: string): string {
    return this.place === "" ? name : `${this.place}.${name}`;
  }
}

function bundle(from: Field): ReceiptBundle {
  const terms = from.get("terms");
  const prices = terms.get("prices");
  const others = from.get("other_channels");
  const generation = from.optional("generation");
  return {
    format: from.get("format").u32(),
    id: from.get("id").hash(),
    network: network(from.get("network")),
    modelName: from.get("model_name").text(),
    terms: {
      splits: splits(terms.get("splits")),
      prices: { input: prices.get("input").wei(), output: prices.get("output").wei() },
    },
    receipt: receipt(from.get("receipt")),
    signedWords: from.get("signed_words").list().map((word) => word.hash()),
    workerSignature: from.get("worker_signature").bytes(),
    countersignature: countersignature(from.get("countersignature")),
    gatewaySignature: from.get("gateway_signature").bytes(),
    prompt: salted(from.get("prompt")),
    answer: salted(from.get("answer")),
    runs: from.get("runs").list().map(run),
    runLeaves: from.get("run_leaves").list().map((leaf) => leaf.hash()),
    otherChannels: { context: others.get("context").hash(), influence: others.get("influence").hash() },
    cited: from.get("cited").list().map(cited),
    generation: generation && readGeneration(generation),
    generationWords: from.optional("generation_words")?.list().map((word) => word.hash()) ?? [],
    logProbs: from.optional("log_probs")?.list().map(tokenLogProb),
  };
}

function alternative(from: Field): Alternative {
  return { bytes: from.get("bytes").bytes(), micronats: from.get("micronats").i32() };
}

function tokenLogProb(from: Field): TokenLogProb {
  return { ...alternative(from), top: from.has("top") ? from.get("top").list().map(alternative) : [] };
}

function network(from: Field): Network {
  return {
    chainId: from.get("chain_id").u64(),
    networkId: from.get("network_id").hash(),
    settlement: from.get("settlement").address(),
    datanets: from.get("datanets").address(),
  };
}

function splits(from: Field): Splits {
  const part = (name: string) => from.get(name).u32();
  return { protocol: part("protocol"), worker: part("worker"), developer: part("developer"), data: part("data") };
}

function receipt(from: Field): AnswerReceipt {
  return {
    requestId: from.get("request_id").hash(),
    payer: from.get("payer").address(),
    gateway: from.get("gateway").address(),
    nonce: from.get("nonce").u64(),
    worker: from.get("worker").address(),
    model: from.get("model").u32(),
    modelHash: from.get("model_hash").hash(),
    adapterHash: from.get("adapter_hash").hash(),
    engineClass: from.get("engine_class").oneOf(["exact", "tolerance"]),
    visibility: from.get("visibility").oneOf(["open", "private"]),
    versions: from.get("versions").list().map((v) => ({ datanet: v.get("datanet").u32(), version: v.get("version").u32() })),
    promptRoot: from.get("prompt_root").hash(),
    answerRoot: from.get("answer_root").hash(),
    answerBytes: from.get("answer_bytes").u32(),
    inputTokens: from.get("input_tokens").u32(),
    outputTokens: from.get("output_tokens").u32(),
    seed: from.get("seed").u64(),
    fee: from.get("fee").wei(),
    methodVersion: from.get("method_version").u32(),
    shares: shares(from.get("shares")),
    evidenceHash: from.get("evidence_hash").hash(),
    issuedAt: from.get("issued_at").u64(),
  };
}

/** Shares in canonical order: largest first, ties by smaller id, none zero, none twice, in all at most the pool. */
function shares(from: Field): Share[] {
  const list = from.list().map((s) => ({ contribution: s.get("contribution").u64(), ppm: s.get("ppm").u32() }));
  if (list.length > MAX_SHARES) {
    const count = list.length;
    from.refuse(`${count} shares are over the limit of ${MAX_SHARES}`, `${count} frações passam do limite de ${MAX_SHARES}`);
  }
  list.forEach((share, i) => {
    const before = list[i - 1];
    const ordered =
      before === undefined ||
      before.ppm > share.ppm ||
      (before.ppm === share.ppm && before.contribution < share.contribution);
    const fresh = list.findIndex((other) => other.contribution === share.contribution) === i;
    if (share.ppm === 0 || share.contribution === NOBODY || !ordered || !fresh) {
      from.refuse(
        `share ${i} is zero, out of order or names a contribution twice`,
        `a fração ${i} é zero, está fora de ordem ou repete uma contribuição`,
      );
    }
  });
  const sum = list.reduce((total, share) => total + share.ppm, 0);
  if (sum > PPM) from.refuse(`the shares add up to ${sum} ppm`, `as frações somam ${sum} ppm`);
  return list;
}

function countersignature(from: Field): Countersignature {
  return {
    receipt: from.get("receipt").hash(),
    answerRoot: from.get("answer_root").hash(),
    fee: from.get("fee").wei(),
    countersignedAt: from.get("countersigned_at").u64(),
  };
}

function salted(from: Field): { text: string; salt: Uint8Array } {
  return { text: from.get("text").text(), salt: from.get("salt").hash() };
}

function run(from: Field): Run {
  return {
    start: from.get("start").u32(),
    end: from.get("end").u32(),
    source: source(from.get("source")),
    document: from.get("document").u32(),
    matchStart: from.get("match_start").u32(),
    matchEnd: from.get("match_end").u32(),
    offset: from.get("offset").u64(),
  };
}

function source(from: Field): bigint {
  if (from.value === "nobody") return NOBODY;
  if (from.value === "prompt") return PROMPT;
  const id = typeof from.value === "bigint" ? from.u64() : NOBODY;
  if (id === NOBODY || id === PROMPT) {
    from.refuse(
      'a source is "nobody", "prompt" or a contribution id',
      'uma fonte é "nobody", "prompt" ou o id de uma contribuição',
    );
  }
  return id;
}

function cited(from: Field): CitedContribution {
  const membership = from.get("membership");
  return {
    contribution: from.get("contribution").u64(),
    root: from.get("root").hash(),
    membership: {
      datanet: membership.get("datanet").u32(),
      added: membership.get("added").u32(),
      withdrawn: membership.optional("withdrawn")?.u32(),
    },
    contributor: from.get("contributor").address(),
    payee: from.get("payee").address(),
    curator: from.get("curator").address(),
    curatorPpm: from.get("curator_ppm").u32(),
    documents: from.get("documents").list().map(document),
  };
}

function document(from: Field): CitedDocument {
  const metadata = from.get("metadata");
  const opening = from.get("opening");
  const known = (name: string) => metadata.optional(name)?.text() ?? "";
  return {
    metadata: {
      title: metadata.get("title").text(),
      url: known("url"),
      author: known("author"),
      date: known("date"),
      language: known("language"),
      licence: known("licence"),
    },
    opening: {
      index: opening.get("index").u32(),
      documents: opening.get("documents").u32(),
      path: opening.get("path").list().map((sibling) => sibling.hash()),
      chunks: opening.get("chunks").list().map(textOpening),
    },
  };
}

function textOpening(from: Field): TextOpening {
  return {
    kind: [2, 4, 5][from.get("kind").oneOf(["document", "answer", "prompt"])] ?? 0,
    length: from.get("length").u64(),
    extra: from.get("extra").hash(),
    index: from.get("index").u32(),
    leafSalt: from.get("leaf_salt").hash(),
    chunk: from.get("chunk").bytes(),
    path: from.get("path").list().map((sibling) => sibling.hash()),
  };
}
