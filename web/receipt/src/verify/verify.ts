// Every check that needs nothing but the bundle: the second implementation of `fonte_types::bundle::verify`, with the
// same names in the same order and the same word for what differs.
import {
  NOBODY,
  PPM,
  PROMPT,
  WINDOW,
  type CitedContribution,
  type DatanetVersion,
  type DocumentOpening,
  type ReceiptBundle,
  type Run,
  type TokenLogProb,
} from "./bundle.ts";
import { bigEndian, concat, equal, keccak, toHex, utf8, type Text } from "./bytes.ts";
import { checkGeneration } from "./generation.ts";
import { LogProbsError, checkLogProbs, logProbsHash } from "./log_probs.ts";
import { ANSWER, PROMPT_TEXT, OpeningError, checkDocument, commit, evidenceHash, metadataHash, openedFrom } from "./merkle.ts";
import { feeOf, isWhole, sharesOf } from "./money.ts";
import { SignatureError, countersignatureDigest, idOfWords, receiptWords, recover, requestId } from "./receipt.ts";

const FORMAT = 1;
const MAX_RUNS = 8_192;
/** Where a witness must end: chunks are numbered by 32 bits. */
const WITNESS_END = 1n << 42n;

export type Outcome =
  | { outcome: "passed"; note?: Text }
  | { outcome: "failed"; differs: string; why: Text }
  | { outcome: "not_checkable"; without: Text };

export type Check = { name: string } & Outcome;

export interface Verification {
  ok: boolean;
  /** The first thing that differs. */
  differs: string | undefined;
  checks: Check[];
}

/** Thrown by a check: the first thing that differs, as a path into the bundle, and what was found. */
class Differs extends Error {
  constructor(
    readonly differs: string,
    readonly why: Text,
  ) {
    super(`${differs}: ${why.en}`);
  }
}

function fail(differs: string, en: string, pt: string): never {
  throw new Differs(differs, { en, pt });
}

/** Offline checks, in the order in which they are made: what names a field precisely comes first. */
const OFFLINE: [name: string, check: (bundle: ReceiptBundle) => Text | void][] = [
  ["format", checkFormat],
  ["receipt fields", checkFields],
  ["receipt id", checkId],
  ["worker signature", checkWorker],
  ["countersignature", checkCountersignature],
  ["request id", checkRequest],
  ["prompt", checkPrompt],
  ["answer", checkAnswer],
  ["evidence", checkEvidence],
  ["witnesses", checkWitnesses],
  ["membership", checkMembership],
  ["shares", checkShares],
  ["tokens", checkTokens],
  ["fee", checkFee],
];

/** Sums up a list of checks. */
export function summary(checks: Check[]): Verification {
  const failed = checks.find((check) => check.outcome === "failed");
  return { ok: failed === undefined, differs: failed?.outcome === "failed" ? failed.differs : undefined, checks };
}

export function verify(bundle: ReceiptBundle): Verification {
  const checks = OFFLINE.map(([name, check]): Check => {
    try {
      const note = check(bundle);
      return note ? { name, outcome: "passed", note } : { name, outcome: "passed" };
    } catch (error) {
      if (!(error instanceof Differs)) throw error;
      return { name, outcome: "failed", differs: error.differs, why: error.why };
    }
  });
  checks.push({
    name: "completeness",
    outcome: "not_checkable",
    without: {
      en: "the texts of the named versions: that no earlier contribution shares a window",
      pt: "os textos das versões citadas: que nenhuma contribuição anterior tem uma janela em comum",
    },
  });
  return summary(checks);
}

function checkFormat({ format }: ReceiptBundle): void {
  if (format !== FORMAT) {
    fail("format", `format ${format} is not ${FORMAT}: use a matching release`, `o formato ${format} não é ${FORMAT}: use uma versão compatível`);
  }
}

function checkFields({ receipt, signedWords }: ReceiptBundle): void {
  const words = receiptWords(receipt);
  if (signedWords.length !== words.length) {
    const [got, due] = [signedWords.length, words.length];
    fail("signed_words", `${got} words, ${due} were signed`, `${got} palavras, ${due} foram assinadas`);
  }
  words.forEach(([name, word], i) => {
    const signed = signedWords[i];
    if (signed === undefined || !equal(word, signed)) {
      fail(`receipt.${name}`, "is not what was signed", "não é o que foi assinado");
    }
  });
}

function checkId({ signedWords, network, id }: ReceiptBundle): void {
  const found = idOfWords(signedWords, network);
  if (!equal(found, id)) {
    fail("id", `the signed words on this network lead to ${toHex(found)}`, `as palavras assinadas nesta rede levam a ${toHex(found)}`);
  }
}

function signerOf(place: string, signature: Uint8Array, digest: Uint8Array): Uint8Array {
  try {
    return recover(signature, digest);
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    throw new Differs(place, error.text);
  }
}

function checkWorker({ workerSignature, signedWords, network, receipt }: ReceiptBundle): void {
  const signer = signerOf("worker_signature", workerSignature, idOfWords(signedWords, network));
  if (!equal(signer, receipt.worker)) {
    const [found, named] = [toHex(signer), toHex(receipt.worker)];
    fail("worker_signature", `${found} signed, the receipt names ${named}`, `${found} assinou, o recibo cita ${named}`);
  }
}

function checkCountersignature({ countersignature: counter, gatewaySignature, network, receipt, id }: ReceiptBundle): void {
  const signer = signerOf("gateway_signature", gatewaySignature, countersignatureDigest(counter, network));
  if (!equal(signer, receipt.gateway)) {
    const [found, named] = [toHex(signer), toHex(receipt.gateway)];
    fail(
      "gateway_signature",
      `${found} signed this countersignature, the receipt names ${named}`,
      `${found} assinou esta contra-assinatura, o recibo cita ${named}`,
    );
  }
  if (!equal(counter.receipt, id)) fail("countersignature.receipt", "names another receipt", "cita outro recibo");
  if (!equal(counter.answerRoot, receipt.answerRoot)) {
    fail("countersignature.answer_root", "names another answer", "cita outra resposta");
  }
  if (counter.fee !== receipt.fee) {
    fail("countersignature.fee", `${counter.fee} where the receipt says ${receipt.fee}`, `${counter.fee} onde o recibo diz ${receipt.fee}`);
  }
}

function checkRequest({ receipt }: ReceiptBundle): void {
  if (!equal(receipt.requestId, requestId(receipt.payer, receipt.gateway, receipt.nonce))) {
    fail("receipt.request_id", "does not follow from payer, gateway and nonce", "não decorre de pagador, gateway e número");
  }
}

function opened<T>(place: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof OpeningError)) throw error;
    throw new Differs(place, error.text);
  }
}

function checkPrompt({ prompt, receipt }: ReceiptBundle): void {
  const commitment = opened("prompt.text", () => commit(PROMPT_TEXT, utf8(prompt.text), prompt.salt));
  if (!equal(commitment, receipt.promptRoot)) {
    fail("prompt", "text and salt do not lead to receipt.prompt_root", "texto e sal não levam a receipt.prompt_root");
  }
}

function checkAnswer({ answer, receipt }: ReceiptBundle): void {
  const text = utf8(answer.text);
  const commitment = opened("answer.text", () => commit(ANSWER, text, answer.salt));
  if (!equal(commitment, receipt.answerRoot)) {
    fail("answer", "text and salt do not lead to receipt.answer_root", "texto e sal não levam a receipt.answer_root");
  }
  if (text.length !== receipt.answerBytes) {
    fail("receipt.answer_bytes", `the answer has ${text.length} bytes`, `a resposta tem ${text.length} bytes`);
  }
}

/** The run's leaf: `08 ‖ start ‖ end ‖ contribution ‖ document ‖ matchStart ‖ matchEnd ‖ offset`. */
export function runLeaf(run: Run): Uint8Array {
  return keccak(
    concat(
      Uint8Array.of(8),
      bigEndian(run.start, 4),
      bigEndian(run.end, 4),
      bigEndian(run.source, 8),
      bigEndian(run.document, 4),
      bigEndian(run.matchStart, 4),
      bigEndian(run.matchEnd, 4),
      bigEndian(run.offset, 8),
    ),
  );
}

/** The runs partition the answer and every witness is well-formed: the window rule. */
function checkPartition({ runs, receipt }: ReceiptBundle): void {
  const refuse = (en: string, pt: string) => fail("runs", en, pt);
  if (runs.length > MAX_RUNS) {
    refuse(`${runs.length} runs are over the limit of ${MAX_RUNS}`, `${runs.length} trechos passam do limite de ${MAX_RUNS}`);
  }
  let due = 0;
  runs.forEach((run, i) => {
    if (run.start !== due || run.end <= run.start) {
      refuse(`run ${i} starts at byte ${run.start} where ${due} was due`, `o trecho ${i} começa no byte ${run.start} onde se esperava ${due}`);
    }
    const wrong = (en: string, pt: string) =>
      refuse(`run ${i} has a malformed witness: ${en}`, `o trecho ${i} tem um testemunho malformado: ${pt}`);
    if (run.source === NOBODY) {
      if (run.document !== 0 || run.matchStart !== 0 || run.matchEnd !== 0 || run.offset !== 0n) {
        wrong("nobody's runs carry zeros", "trechos de ninguém levam zeros");
      }
    } else if (run.matchStart > run.start || run.end > run.matchEnd || run.matchEnd > receipt.answerBytes) {
      wrong("the run does not lie inside its match", "o trecho não está dentro da sua correspondência");
    } else if (run.matchEnd - run.matchStart < WINDOW) {
      wrong("the match is shorter than a window", "a correspondência é menor que uma janela");
    } else if (run.offset + BigInt(run.matchEnd - run.matchStart) > WITNESS_END) {
      wrong("the witness lies where no text can be opened", "o testemunho está onde nenhum texto pode ser aberto");
    }
    due = run.end;
  });
  if (due !== receipt.answerBytes || runs.length === 0) {
    const bytes = receipt.answerBytes;
    refuse(`the runs end at byte ${due} of an answer of ${bytes} bytes`, `os trechos terminam no byte ${due} de uma resposta de ${bytes} bytes`);
  }
}

function checkEvidence(bundle: ReceiptBundle): Text | void {
  const { runs, runLeaves, otherChannels, receipt } = bundle;
  runs.forEach((run, i) => {
    const leaf = runLeaves[i];
    if (leaf !== undefined && !equal(runLeaf(run), leaf)) {
      fail(`runs[${i}]`, "is not the run that was committed", "não é o trecho que foi registrado");
    }
  });
  if (runs.length !== runLeaves.length || runs.length === 0) {
    const [got, due] = [runs.length, runLeaves.length];
    fail("runs", `${got} runs where ${due} were committed`, `${got} trechos onde ${due} foram registrados`);
  }
  checkPartition(bundle);
  const hash = evidenceHash(runs.map(runLeaf), otherChannels.context, otherChannels.influence);
  if (!equal(hash, receipt.evidenceHash)) {
    fail(
      "run_leaves",
      "runs and other channels do not lead to receipt.evidence_hash",
      "trechos e outros canais não levam a receipt.evidence_hash",
    );
  }
  const committed = checkGeneration(bundle, fail);
  if (bundle.logProbs !== undefined) return checkRecord(bundle.logProbs, bundle, committed);
  if (bundle.generation === undefined) return undefined;
  if (committed.some((byte) => byte !== 0)) fail("log_probs", "were committed and are missing", "foram registradas e faltam");
  return {
    en: "with what the answer is a function of: fonte receipt replay computes it again",
    pt: "com aquilo de que a resposta é função: fonte receipt replay a computa de novo",
  };
}

/** What the engine said of its own words belongs to this answer, and is what the evidence carries. */
function checkRecord(logProbs: TokenLogProb[], { answer }: ReceiptBundle, committed: Uint8Array): Text {
  try {
    checkLogProbs(logProbs, utf8(answer.text));
  } catch (error) {
    if (!(error instanceof LogProbsError)) throw error;
    throw new Differs("log_probs", error.text);
  }
  if (!equal(logProbsHash(logProbs), committed)) {
    fail("log_probs", "are not those that were committed", "não são as que foram registradas");
  }
  return {
    en: `with the engine's own log-probabilities of ${logProbs.length} tokens: recorded, not proved`,
    pt: `com as log-probabilidades de ${logProbs.length} tokens, ditas pelo motor: registradas, não provadas`,
  };
}

function checkCited(cited: CitedContribution, runs: Run[]): void {
  const isContribution = cited.contribution !== NOBODY && cited.contribution !== PROMPT;
  if (!isContribution || !runs.some((run) => run.source === cited.contribution)) {
    fail(`cited[${cited.contribution}]`, "no run names this contribution", "nenhum trecho cita esta contribuição");
  }
  for (const document of cited.documents) {
    const place = `cited[${cited.contribution}].documents[${document.opening.index}]`;
    opened(place, () => checkDocument(document.opening, cited.root));
    const hash = metadataHash(document.metadata);
    if (document.opening.chunks.some((chunk) => !equal(chunk.extra, hash))) {
      fail(`${place}.metadata`, "is not the metadata that was committed", "não são os metadados que foram registrados");
    }
    const indices = document.opening.chunks.map((chunk) => chunk.index);
    if (indices.some((index, i) => i > 0 && (indices[i - 1] ?? 0) >= index)) {
      fail(place, "its chunks do not ascend", "seus blocos não estão em ordem crescente");
    }
  }
}

function checkWitnesses({ answer: { text }, prompt, runs, cited }: ReceiptBundle): void {
  const answer = utf8(text);
  const question = utf8(prompt.text);
  for (const one of cited) checkCited(one, runs);
  runs.forEach((run, i) => {
    const place = `runs[${i}]`;
    if (run.matchStart > run.matchEnd || run.matchEnd > answer.length) {
      fail(place, "its match lies outside the answer", "a correspondência está fora da resposta");
    }
    const claimed = answer.subarray(run.matchStart, run.matchEnd);
    if (run.source === NOBODY) return;
    if (run.source === PROMPT) {
      const held = run.offset > BigInt(question.length) ? 0 : Number(run.offset);
      const end = held + claimed.length;
      if (BigInt(held) !== run.offset || end > question.length || !equal(question.subarray(held, end), claimed)) {
        fail(place, "the prompt does not hold these bytes there", "a pergunta não tem esses bytes ali");
      }
      return;
    }
    const [id, index] = [run.source, run.document];
    const document = cited.find((one) => one.contribution === id)?.documents.find((one) => one.opening.index === index);
    if (document === undefined) {
      fail(place, `document ${index} of contribution ${id} is not opened`, `o documento ${index} da contribuição ${id} não está aberto`);
    }
    const position = firstDifference(run, claimed, document.opening);
    if (position !== undefined) {
      fail(
        place,
        `document ${index} of contribution ${id} does not hold answer byte ${position}`,
        `o documento ${index} da contribuição ${id} não tem o byte ${position} da resposta`,
      );
    }
  });
}

/** First answer position whose byte the opened chunks do not confirm. Chunk by chunk: runs may be many, and each may name
 * a match as long as the answer. */
function firstDifference(run: Run, claimed: Uint8Array, opening: DocumentOpening): number | undefined {
  let step = 0;
  while (step < claimed.length) {
    const held = openedFrom(opening, run.offset + BigInt(step)).subarray(0, claimed.length - step);
    const differs = held.findIndex((byte, i) => byte !== claimed[step + i]);
    if (held.length === 0 || differs >= 0) return run.matchStart + step + Math.max(differs, 0);
    step += held.length;
  }
  return undefined;
}

/** `added <= version < withdrawn`, in the same datanet. */
export function isMember({ membership }: Pick<CitedContribution, "membership">, versions: DatanetVersion[]): boolean {
  const { datanet, added, withdrawn } = membership;
  return versions.some(
    (of) =>
      of.datanet === datanet &&
      added !== 0 &&
      added <= of.version &&
      (withdrawn === undefined || of.version < withdrawn),
  );
}

function checkMembership({ receipt, cited }: ReceiptBundle): void {
  for (const { contribution } of receipt.shares) {
    const one = cited.find((c) => c.contribution === contribution);
    if (one === undefined) fail(`cited[${contribution}]`, "is paid but not cited", "é paga, mas não citada");
    if (!isMember(one, receipt.versions)) {
      const { datanet } = one.membership;
      fail(
        `cited[${contribution}].membership`,
        `datanet ${datanet} at the named version does not hold it`,
        `o datanet ${datanet} na versão citada não a contém`,
      );
    }
  }
}

function checkShares(bundle: ReceiptBundle): void {
  checkPartition(bundle);
  const { receipt, runs } = bundle;
  const due = sharesOf(runs, receipt.answerBytes);
  const same = (share: { contribution: bigint; ppm: number }, i: number) =>
    share.contribution === receipt.shares[i]?.contribution && share.ppm === receipt.shares[i]?.ppm;
  if (due.length !== receipt.shares.length || !due.every(same)) {
    fail("receipt.shares", "do not follow from the runs", "não decorrem dos trechos");
  }
}

/** What the payer pays for is the text that is attributed, and no other length of it: four bytes of UTF-8 are a token. */
function checkTokens({ receipt, prompt, answer }: ReceiptBundle): void {
  const counted = [
    ["receipt.input_tokens", prompt.text, receipt.inputTokens],
    ["receipt.output_tokens", answer.text, receipt.outputTokens],
  ] as const;
  for (const [field, text, stated] of counted) {
    const tokens = Math.ceil(utf8(text).length / 4);
    if (tokens !== stated) {
      fail(field, `the text has ${tokens} tokens of four bytes`, `o texto tem ${tokens} tokens de quatro bytes`);
    }
  }
}

function checkFee({ terms, receipt }: ReceiptBundle): void {
  if (!isWhole(terms.splits)) fail("terms.splits", `do not add up to ${PPM}`, `não somam ${PPM}`);
  const fee = feeOf(terms.prices, receipt.inputTokens, receipt.outputTokens);
  if (fee === undefined) fail("terms.prices", "are too large", "são grandes demais");
  if (fee !== receipt.fee) {
    fail("receipt.fee", `tokens and prices lead to ${fee} wei`, `tokens e preços levam a ${fee} wei`);
  }
}
