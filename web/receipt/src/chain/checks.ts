// The checks that need the chain, made through any node's JSON-RPC: the names are those of `fonte receipt verify --chain`.
import { Field, PPM, ReadError, type CitedContribution, type ReceiptBundle, type Splits, type Terms } from "../verify/bundle.ts";
import { addressWord, bigEndian, concat, equal, keccak, toHex, word, type Hex } from "../verify/bytes.ts";
import { parseJson } from "../verify/json.ts";
import { OpeningError, rootFromPath } from "../verify/merkle.ts";
import { credits } from "../verify/money.ts";
import type { Check, Outcome } from "../verify/verify.ts";
import { decodeEvent, topicOf, type Value } from "./abi.ts";
import {
  failed,
  issuedBy,
  judgeContribution,
  judgePayee,
  judgeTerms,
  missing,
  passed,
  precedes,
  type Payee,
  type RegisteredContribution,
  type RegisteredModel,
  type TermsVersion,
} from "./judge.ts";
import { Chain, RpcError, abiOf, bytes, field, integer } from "./rpc.ts";

/** Where the gateway says that the receipt was settled; everything of it is checked. */
export interface Standing {
  state: string;
  batch: bigint;
  index: number;
  path: Uint8Array[];
  transaction: Hex | undefined;
}

/** Reads what `fonte receipt export` wrote beside the bundle; `undefined` before the settlement. */
export function readStanding(text: string): Standing | undefined {
  const json = parseJson(text);
  if (json === null) return undefined;
  const from = new Field(json, "settlement");
  const [batch, opening] = [from.optional("batch"), from.optional("opening")];
  if (batch === undefined || opening === undefined) return undefined;
  const tx = from.optional("tx")?.hash();
  return {
    state: from.get("state").text(),
    batch: batch.u64(),
    index: opening.get("index").u32(),
    path: opening.get("path").list().map((sibling) => sibling.hash()),
    transaction: tx && toHex(tx),
  };
}

export const CHAIN_CHECKS = ["network", "settled as written", "terms on chain", "contributions on chain", "payees", "credits"];

/** Versions of a model's terms that are looked through for one receipt. */
const MAX_TERMS = 64;

/** What a chain said of a receipt. */
export interface OnChain {
  checks: Check[];
  /** Whom each cited contribution pays, where the chain told. */
  payees: Map<bigint, Payee>;
  /** By which splits the batch paid that the receipt is said to be in. */
  splits?: Splits;
}

/** Makes them all. A node that fails to answer leaves the check open; only what the chain says can fail it. */
export async function chainChecks(chain: Chain, bundle: ReceiptBundle, standing: Standing | undefined): Promise<OnChain> {
  const network = await attempt(() => checkNetwork(chain, bundle));
  const checks: Check[] = [{ name: "network", ...network }];
  const told: OnChain = { checks, payees: new Map() };
  const isSettled = () => checks.some((check) => check.name === "settled as written" && check.outcome === "passed");
  const batch = async () =>
    isSettled() && standing ? chain.call("Settlement", bundle.network.settlement, "batch", standing.batch) : undefined;
  const rest: [string, () => Promise<Outcome>][] = [
    ["settled as written", () => checkSettled(chain, bundle, standing)],
    ["terms on chain", async () => checkTerms(chain, bundle, await batch())],
    ["contributions on chain", () => checkContributions(chain, bundle)],
    ["payees", async () => checkPayees(chain, bundle, await batch(), told.payees)],
    ["credits", () => checkCredits(chain, bundle, standing, told)],
  ];
  for (const [name, check] of rest) {
    const onIt = network.outcome === "passed";
    const outcome = onIt ? await attempt(check) : missing("a node of this receipt's network", "um nó da rede deste recibo");
    checks.push({ name, ...outcome });
  }
  return told;
}

async function attempt(check: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await check();
  } catch (error) {
    if (error instanceof ReadError || !(error instanceof Error)) throw error;
    return missing(`an answer of the node (${error.message})`, `uma resposta do nó (${error.message})`);
  }
}

async function checkNetwork(chain: Chain, { network }: ReceiptBundle): Promise<Outcome> {
  const chainId = await chain.chainId();
  if (chainId !== network.chainId) {
    return failed("network.chain_id", `the node is on chain ${chainId}`, `o nó está na cadeia ${chainId}`);
  }
  const id = bytes(await chain.call("Settlement", network.settlement, "networkId"));
  if (!equal(id, network.networkId)) {
    return failed("network.network_id", `the contract's is ${toHex(id)}`, `a do contrato é ${toHex(id)}`);
  }
  const datanets = bytes(await chain.call("Settlement", network.settlement, "datanets"));
  if (!equal(datanets, network.datanets)) {
    return failed("network.datanets", `the contract names ${toHex(datanets)}`, `o contrato cita ${toHex(datanets)}`);
  }
  return passed();
}

async function checkTerms(chain: Chain, bundle: ReceiptBundle, batch: Value | undefined): Promise<Outcome> {
  const settledAt = batch === undefined ? undefined : integer(field(batch, "settledAt"));
  return judgeTerms(bundle, await registeredModel(chain, bundle, issuedBy(bundle, settledAt)), settledAt);
}

const modelsOf = async (chain: Chain, { network }: ReceiptBundle): Promise<Uint8Array> =>
  bytes(await chain.call("Settlement", network.settlement, "models"));

async function registeredModel(chain: Chain, bundle: ReceiptBundle, issued: bigint): Promise<RegisteredModel | undefined> {
  const models = await modelsOf(chain, bundle);
  const id = BigInt(bundle.receipt.model);
  const count = integer(await chain.call("Models", models, "termsCount", id));
  if (count === 0n) return undefined;
  const model = await chain.call("Models", models, "model", id);
  const versions: TermsVersion[] = [];
  for (let number = count; number > 0n && versions.length < MAX_TERMS; number--) {
    const read = await chain.call("Models", models, "termsOf", id, number);
    // Its outputs have no names.
    const version = { since: number === 1n ? 0n : integer(field(read, "1")), terms: termsOf(field(read, "0")) };
    versions.push(version);
    if (precedes(version, issued)) break;
  }
  return { name: String(field(model, "name")), now: termsOf(field(model, "terms")), versions };
}

function termsOf(terms: Value): Terms {
  const ppm = (name: string) => Number(integer(field(field(terms, "splits"), name)));
  return {
    splits: { protocol: ppm("protocolPpm"), worker: ppm("workerPpm"), developer: ppm("developerPpm"), data: ppm("dataPpm") },
    prices: { input: integer(field(terms, "priceIn")), output: integer(field(terms, "priceOut")) },
  };
}

/** What a batch paid by: the terms in force when it was settled, whatever those of its receipts were. */
async function splitsAt(chain: Chain, bundle: ReceiptBundle, batch: Value): Promise<Splits> {
  const model = BigInt(bundle.receipt.model);
  const read = await chain.call("Models", await modelsOf(chain, bundle), "payoutsAt", model, integer(field(batch, "settledAt")));
  const ppm = (of: Value, name: string) => Number(integer(field(of, name)));
  const payouts = field(read, "developers");
  if (!Array.isArray(payouts)) throw new RpcError("it lists no developers");
  const [worker, data] = [ppm(read, "workerPpm"), ppm(read, "dataPpm")];
  const developer = payouts.reduce((sum: number, payout) => sum + ppm(payout, "ppm"), 0);
  return { protocol: PPM - worker - developer - data, worker, developer, data };
}

async function checkContributions(chain: Chain, { network, receipt, cited }: ReceiptBundle): Promise<Outcome> {
  for (const one of cited) {
    const judged = judgeContribution(one, await registered(chain, network.datanets, one.contribution), receipt.versions);
    if (judged.outcome !== "passed") return judged;
  }
  const count = cited.length;
  return passed({ en: `${count} on chain, with these roots`, pt: `${count} na cadeia, com estas raízes` });
}

async function registered(chain: Chain, datanets: Uint8Array, id: bigint): Promise<RegisteredContribution | undefined> {
  const record = await chain.call("Datanets", datanets, "contribution", id);
  const number = (name: string) => Number(integer(field(record, name)));
  if (number("status") === 0) return undefined;
  const datanet = await chain.call("Datanets", datanets, "datanet", BigInt(number("datanet")));
  const withdrawn = number("withdrawn");
  // 0 and 2^32-1 both say "never": which one depends on the contract's storage.
  const ever = withdrawn !== 0 && withdrawn !== 0xffff_ffff;
  return {
    root: bytes(field(record, "root")),
    contributor: bytes(field(record, "contributor")),
    membership: { datanet: number("datanet"), added: number("added"), withdrawn: ever ? withdrawn : undefined },
    curator: bytes(field(datanet, "curator")),
    curatorPpm: Number(integer(field(field(datanet, "policy"), "curatorPpm"))),
  };
}

/** Whom the cited contributions pay: as the batch noted it, or before the settlement, now. Fills in `payees`. */
async function checkPayees(
  chain: Chain,
  { network: { datanets }, cited }: ReceiptBundle,
  batch: Value | undefined,
  payees: OnChain["payees"],
): Promise<Outcome> {
  const clock = batch === undefined ? undefined : integer(field(batch, "payeeClock"));
  let verdict = passed();
  for (const one of cited) {
    const id = one.contribution;
    const payee = bytes(
      clock === undefined
        ? field(await chain.call("Datanets", datanets, "contribution", id), "payee")
        : await chain.call("Datanets", datanets, "payeeAt", id, clock),
    );
    const found = { payee, namedWas: await wasPayee(chain, datanets, one, payee) };
    payees.set(id, found);
    const judged = judgePayee(one, found);
    // The first that differs is told, and all are read: the page shows the chain's.
    if (verdict.outcome === "passed" && (judged.outcome !== "passed" || verdict.note === undefined)) verdict = judged;
  }
  return verdict;
}

/** Whether the payee that the receipt names ever was one. Only where there were several changes are old events needed. */
async function wasPayee(chain: Chain, datanets: Uint8Array, one: CitedContribution, payee: Uint8Array): Promise<boolean> {
  const { contribution: id, payee: named } = one;
  if (equal(payee, named)) return true;
  const isNamed = (value: Value) => equal(bytes(value), named);
  const now = field(await chain.call("Datanets", datanets, "contribution", id), "payee");
  if (isNamed(now) || isNamed(await chain.call("Datanets", datanets, "payeeAt", id, 0n))) return true;
  const changes = integer(await chain.call("Datanets", datanets, "payeeNonce", id));
  if (changes < 2n) return false;
  let seen = 0n;
  for await (const logs of chain.logs(datanets, 0n, [topicOf(abiOf("Datanets", "PayeeSet")), word(id)])) {
    if (logs.some(({ topics }) => equal(topics[2] ?? new Uint8Array(), addressWord(named)))) return true;
    seen += BigInt(logs.length);
    if (seen >= changes) return false;
  }
  throw new RpcError("it no longer has all changes of payees");
}

const NOT_SETTLED = () => missing("a settlement: it waits for its batch", "uma liquidação: o recibo espera o seu lote");

/** The leaf that says the receipt's row in full (tag 07 in docs/spec/receipt.md). */
export function rowLeaf({ id, receipt }: ReceiptBundle): Uint8Array {
  const { payer, model, worker, fee, versions, shares } = receipt;
  return keccak(
    concat(
      Uint8Array.of(7),
      payer,
      id,
      bigEndian(model, 4),
      worker,
      bigEndian(fee, 16),
      bigEndian(versions.length, 1),
      bigEndian(shares.length, 1),
      ...versions.flatMap((v) => [bigEndian(v.datanet, 4), bigEndian(v.version, 4)]),
      ...shares.flatMap((s) => [bigEndian(s.contribution, 8), bigEndian(s.ppm, 4)]),
    ),
  );
}

async function checkSettled(chain: Chain, bundle: ReceiptBundle, standing: Standing | undefined): Promise<Outcome> {
  if (standing === undefined) return NOT_SETTLED();
  const { batch: number, index, path } = standing;
  const batch = await chain.call("Settlement", bundle.network.settlement, "batch", number);
  const rows = Number(integer(field(batch, "rows")));
  if (rows === 0) return failed("row", `there is no batch ${number}`, `não há lote ${number}`);
  try {
    if (!equal(rootFromPath(rowLeaf(bundle), index, rows, path), bytes(field(batch, "rowsRoot")))) {
      return failed("row", `batch ${number} settled another row at ${index}`, `o lote ${number} liquidou outra linha em ${index}`);
    }
  } catch (error) {
    if (!(error instanceof OpeningError)) throw error;
    return failed("row", error.text.en, error.text.pt);
  }
  const [block, seconds] = [integer(field(batch, "settledBlock")), Number(integer(field(batch, "settledAt")))];
  const day = new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
  return passed({
    en: `row ${index} of batch ${number}, block ${block}, ${day} UTC`,
    pt: `linha ${index} do lote ${number}, bloco ${block}, ${day} UTC`,
  });
}

/** The bundle with the splits that its batch paid by. */
export const paidBy = (bundle: ReceiptBundle, splits: Splits): ReceiptBundle => ({ ...bundle, terms: { ...bundle.terms, splits } });

/** Every payee's and curator's credit still stands in the batch, or was paid out of it. Fills in the splits. */
async function checkCredits(
  chain: Chain,
  bundle: ReceiptBundle,
  standing: Standing | undefined,
  told: Pick<OnChain, "splits">,
): Promise<Outcome> {
  if (standing === undefined) return NOT_SETTLED();
  const { network, receipt } = bundle;
  const batch = await chain.call("Settlement", network.settlement, "batch", standing.batch);
  const clock = integer(field(batch, "payeeClock"));
  const due = new Map<Hex, { payee: Uint8Array; amount: bigint }>();
  const add = (payee: Uint8Array, amount = 0n) => {
    const before = due.get(toHex(payee))?.amount ?? 0n;
    if (amount > 0n) due.set(toHex(payee), { payee, amount: before + amount });
  };
  told.splits = await splitsAt(chain, bundle, batch);
  const { contributions, curators } = credits(paidBy(bundle, told.splits));
  for (const [i, { contribution }] of receipt.shares.entries()) {
    add(bytes(await chain.call("Datanets", network.datanets, "payeeAt", contribution, clock)), contributions[i]);
    const curator = bundle.cited.find((one) => one.contribution === contribution)?.curator;
    if (curator !== undefined) add(curator, curators[i]);
  }
  let paid = 0;
  for (const { payee, amount } of due.values()) {
    const pending = integer(await chain.call("Settlement", network.settlement, "pendingOf", standing.batch, payee));
    if (pending >= amount) continue;
    const out = await paidOut(chain, network.settlement, batch, standing.batch, payee, amount);
    if (out < amount) {
      const place = `cited payee ${toHex(payee)}`;
      const found = pending > out ? pending : out;
      return failed(
        place,
        `${found} wei in the batch where ${amount} were due: a challenge may have moved it`,
        `${found} wei no lote onde se deviam ${amount}: uma contestação pode ter movido o valor`,
      );
    }
    paid++;
  }
  const waiting = due.size - paid;
  return passed({
    en: `${paid} paid out, ${waiting} credited and waiting for the challenge window`,
    pt: `${paid} pagos, ${waiting} creditados à espera da janela de contestação`,
  });
}

/** What a batch has paid to somebody, counted until it is enough. */
async function paidOut(
  chain: Chain,
  settlement: Uint8Array,
  batch: Value,
  number: bigint,
  payee: Uint8Array,
  enough: bigint,
): Promise<bigint> {
  const events = [abiOf("Settlement", "Paid"), abiOf("Settlement", "PayFailed")];
  const topics = [events.map(topicOf), word(number), addressWord(payee)];
  let paid = 0n;
  for await (const logs of chain.logs(settlement, integer(field(batch, "settledBlock")), topics)) {
    // Both events carry the same words.
    for (const log of logs) paid += integer(field(decodeEvent(abiOf("Settlement", "Paid"), log.data), "amount"));
    if (paid >= enough) break;
  }
  return paid;
}
