// The checks that need the chain, made through any node's JSON-RPC: the names are those of `fonte receipt verify --chain`.
import { Field, ReadError, type ReceiptBundle } from "../verify/bundle.ts";
import { addressWord, bigEndian, concat, equal, keccak, toHex, word, type Hex, type Text } from "../verify/bytes.ts";
import { parseJson } from "../verify/json.ts";
import { OpeningError, rootFromPath } from "../verify/merkle.ts";
import { credits } from "../verify/money.ts";
import { isMember, type Check, type Outcome } from "../verify/verify.ts";
import { decodeEvent, topicOf, type Value } from "./abi.ts";
import { Chain, abiOf, bytes, field, integer } from "./rpc.ts";

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

const passed = (note?: Text): Outcome => ({ outcome: "passed", ...(note && { note }) });
const failed = (differs: string, en: string, pt: string): Outcome => ({ outcome: "failed", differs, why: { en, pt } });
const missing = (en: string, pt: string): Outcome => ({ outcome: "not_checkable", without: { en, pt } });

export const CHAIN_CHECKS = ["network", "terms on chain", "contributions on chain", "settled as written", "credits"];

/** Makes them all. A node that fails to answer leaves the check open; only what the chain says can fail it. */
export async function chainChecks(chain: Chain, bundle: ReceiptBundle, standing: Standing | undefined): Promise<Check[]> {
  const network = await attempt(() => checkNetwork(chain, bundle));
  const checks = [{ name: "network", ...network }];
  const rest: [string, () => Promise<Outcome>][] = [
    ["terms on chain", () => checkTerms(chain, bundle)],
    ["contributions on chain", () => checkContributions(chain, bundle)],
    ["settled as written", () => checkSettled(chain, bundle, standing)],
    ["credits", () => checkCredits(chain, bundle, standing)],
  ];
  for (const [name, check] of rest) {
    const onIt = network.outcome === "passed";
    const outcome = onIt ? await attempt(check) : missing("a node of this receipt's network", "um nó da rede deste recibo");
    checks.push({ name, ...outcome });
  }
  return checks;
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

async function checkTerms(chain: Chain, { network, receipt, terms, modelName }: ReceiptBundle): Promise<Outcome> {
  const models = bytes(await chain.call("Settlement", network.settlement, "models"));
  const model = await chain.call("Models", models, "model", BigInt(receipt.model));
  const onChain = field(model, "terms");
  const splits = field(onChain, "splits");
  const same =
    integer(field(onChain, "priceIn")) === terms.prices.input &&
    integer(field(onChain, "priceOut")) === terms.prices.output &&
    integer(field(splits, "protocolPpm")) === BigInt(terms.splits.protocol) &&
    integer(field(splits, "workerPpm")) === BigInt(terms.splits.worker) &&
    integer(field(splits, "developerPpm")) === BigInt(terms.splits.developer) &&
    integer(field(splits, "dataPpm")) === BigInt(terms.splits.data);
  if (!same) return failed("terms", "the chain has other terms for this model", "a cadeia tem outros termos para este modelo");
  const name = field(model, "name");
  if (name !== modelName) return failed("model_name", `the chain calls it ${String(name)}`, `a cadeia o chama de ${String(name)}`);
  return passed();
}

async function checkContributions(chain: Chain, { network, receipt, cited }: ReceiptBundle): Promise<Outcome> {
  for (const one of cited) {
    const place = `cited[${one.contribution}]`;
    const record = await chain.call("Datanets", network.datanets, "contribution", one.contribution);
    const root = bytes(field(record, "root"));
    if (integer(field(record, "status")) === 0n) {
      return failed(place, "the chain knows no such contribution", "a cadeia não conhece esta contribuição");
    }
    if (!equal(root, one.root)) return failed(place, `its root on chain is ${toHex(root)}`, `a raiz na cadeia é ${toHex(root)}`);
    const contributor = bytes(field(record, "contributor"));
    if (!equal(contributor, one.contributor)) {
      return failed(place, `${toHex(contributor)} signed it`, `${toHex(contributor)} a assinou`);
    }
    const number = (name: string) => Number(integer(field(record, name)));
    const withdrawn = number("withdrawn");
    // 0 and 2^32-1 both say "never": which one depends on the contract's storage.
    const ever = withdrawn !== 0 && withdrawn !== 0xffff_ffff;
    const membership = { datanet: number("datanet"), added: number("added"), withdrawn: ever ? withdrawn : undefined };
    if (!isMember({ membership }, receipt.versions)) {
      return failed(place, "it is in none of the named versions", "não está em nenhuma das versões citadas");
    }
    const datanet = await chain.call("Datanets", network.datanets, "datanet", BigInt(membership.datanet));
    const curator = bytes(field(datanet, "curator"));
    if (!equal(curator, one.curator)) {
      return failed(`${place}.curator`, `the chain names ${toHex(curator)}`, `a cadeia cita ${toHex(curator)}`);
    }
    const cut = integer(field(field(datanet, "policy"), "curatorPpm"));
    if (cut !== BigInt(one.curatorPpm)) {
      return failed(`${place}.curator_ppm`, `the datanet's cut is ${cut}`, `a parte do datanet é ${cut}`);
    }
  }
  const count = cited.length;
  return passed({ en: `${count} on chain, with these roots`, pt: `${count} na cadeia, com estas raízes` });
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

/** Every payee's and curator's credit still stands in the batch, or was paid out of it. */
async function checkCredits(chain: Chain, bundle: ReceiptBundle, standing: Standing | undefined): Promise<Outcome> {
  if (standing === undefined) return NOT_SETTLED();
  const { network, receipt } = bundle;
  const batch = await chain.call("Settlement", network.settlement, "batch", standing.batch);
  const clock = integer(field(batch, "payeeClock"));
  const due = new Map<Hex, { payee: Uint8Array; amount: bigint }>();
  const add = (payee: Uint8Array, amount = 0n) => {
    const before = due.get(toHex(payee))?.amount ?? 0n;
    if (amount > 0n) due.set(toHex(payee), { payee, amount: before + amount });
  };
  const { contributions, curators } = credits(bundle);
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
