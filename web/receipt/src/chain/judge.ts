// What the chain's answers mean for a receipt: the verdicts that docs/spec/receipt.md, 5, describes and `fonte receipt verify
// --chain` gives too (crates/fonte/src/receipt/on_chain.rs); fixtures/on_chain.json holds both to it.
import type { CitedContribution, DatanetVersion, Membership, ReceiptBundle, Terms } from "../verify/bundle.ts";
import { equal, toHex, type Text } from "../verify/bytes.ts";
import { isMember, type Outcome } from "../verify/verify.ts";

/** A version of a model's terms. */
export interface TermsVersion {
  /** Seconds since 1970 from which it applies; 0 for the first, which applies since ever. */
  since: bigint;
  terms: Terms;
}

/** What a model is registered with. */
export interface RegisteredModel {
  name: string;
  /** The terms in force. */
  now: Terms;
  /** Newest first, as far back as a receipt's time needs. */
  versions: TermsVersion[];
}

/** Seconds around a receipt's time within which terms count, as `Challenges.PRICE_GRACE` has it. */
const GRACE = 3600n;

/** What a contribution is registered with, and its datanet. */
export interface RegisteredContribution {
  root: Uint8Array;
  contributor: Uint8Array;
  membership: Membership;
  curator: Uint8Array;
  curatorPpm: number;
}

/** Whom a contribution pays: in the receipt's batch, or before there is one, now. */
export interface Payee {
  payee: Uint8Array;
  /** Whether the one that the receipt names is, or ever was, its payee. */
  namedWas: boolean;
}

export const passed = (note?: Text): Outcome => ({ outcome: "passed", ...(note && { note }) });
export const failed = (differs: string, en: string, pt: string): Outcome => ({ outcome: "failed", differs, why: { en, pt } });
export const missing = (en: string, pt: string): Outcome => ({ outcome: "not_checkable", without: { en, pt } });

const sameSplits = (a: Terms, b: Terms): boolean =>
  a.splits.protocol === b.splits.protocol &&
  a.splits.worker === b.splits.worker &&
  a.splits.developer === b.splits.developer &&
  a.splits.data === b.splits.data;

const samePrices = (a: Terms, b: Terms): boolean => a.prices.input === b.prices.input && a.prices.output === b.prices.output;

/** When a receipt was issued, as the contract sees it: never after its batch. */
export const issuedBy = ({ receipt }: ReceiptBundle, settledAt: bigint | undefined): bigint =>
  settledAt !== undefined && settledAt < receipt.issuedAt ? settledAt : receipt.issuedAt;

/** Whether a version applied all the time that counts, so that none before it did. */
export const precedes = ({ since }: TermsVersion, issued: bigint): boolean => since === 0n || since + GRACE <= issued;

/** By the terms that the contract holds the fee against: those in force from GRACE before the receipt's time to GRACE after,
 * and not after the batch. */
export function judgeTerms(bundle: ReceiptBundle, model: RegisteredModel | undefined, settledAt?: bigint): Outcome {
  if (model === undefined) return failed("receipt.model", "the chain knows no such model", "a cadeia não conhece este modelo");
  const { terms, modelName } = bundle;
  const issued = issuedBy(bundle, settledAt);
  const latest = settledAt !== undefined && settledAt < issued + GRACE ? settledAt : issued + GRACE;
  const begun = model.versions.filter(({ since }) => since <= latest);
  const last = begun.findIndex((version) => precedes(version, issued));
  const inForce = last < 0 ? begun : begun.slice(0, last + 1);
  const split = inForce.filter((version) => sameSplits(version.terms, terms));
  if (!split.some((version) => samePrices(version.terms, terms))) {
    if (last < 0) {
      return missing(
        "a search further back: all versions of the terms that were read are newer",
        "uma busca mais atrás: todas as versões dos termos que foram lidas são mais novas",
      );
    }
    return split.length === 0
      ? failed("terms.splits", "the model's terms then had other splits", "os termos do modelo tinham então outras divisões")
      : failed("terms.prices", "the model's terms then had other prices", "os termos do modelo tinham então outros preços");
  }
  if (model.name !== modelName) return failed("model_name", `the chain calls it ${model.name}`, `a cadeia o chama de ${model.name}`);
  const paid = settledAt === undefined ? undefined : model.versions.find(({ since }) => since <= settledAt)?.terms;
  if (paid !== undefined && !sameSplits(paid, terms)) {
    const { worker, developer, data } = paid.splits;
    return passed({
      en: `its batch paid by later terms: worker ${worker} ppm, developer ${developer}, data ${data}`,
      pt: `o lote pagou por termos posteriores: trabalhador ${worker} ppm, desenvolvedor ${developer}, dados ${data}`,
    });
  }
  if (sameSplits(model.now, terms) && samePrices(model.now, terms)) return passed();
  return passed({ en: "the model has other terms by now", pt: "o modelo já tem outros termos" });
}

export function judgeContribution(
  one: CitedContribution,
  registered: RegisteredContribution | undefined,
  versions: DatanetVersion[],
): Outcome {
  const place = `cited[${one.contribution}]`;
  if (registered === undefined) {
    return failed(place, "the chain knows no such contribution", "a cadeia não conhece esta contribuição");
  }
  const { root, contributor, membership, curator, curatorPpm } = registered;
  if (!equal(root, one.root)) return failed(place, `its root on chain is ${toHex(root)}`, `a raiz na cadeia é ${toHex(root)}`);
  if (!equal(contributor, one.contributor)) {
    return failed(`${place}.contributor`, `${toHex(contributor)} signed it`, `${toHex(contributor)} a assinou`);
  }
  if (!isMember({ membership }, versions)) {
    return failed(place, "it is in none of the named versions", "não está em nenhuma das versões citadas");
  }
  // It may have been withdrawn since; what was withdrawn stays so.
  const { datanet, added, withdrawn } = one.membership;
  const since = withdrawn === undefined || withdrawn === membership.withdrawn;
  if (datanet !== membership.datanet || added !== membership.added || !since) {
    const [net, from] = [membership.datanet, membership.added];
    return failed(
      `${place}.membership`,
      `the chain has it in datanet ${net} from version ${from} on`,
      `a cadeia a tem no datanet ${net} desde a versão ${from}`,
    );
  }
  if (!equal(curator, one.curator)) {
    return failed(`${place}.curator`, `the chain names ${toHex(curator)}`, `a cadeia cita ${toHex(curator)}`);
  }
  if (curatorPpm !== one.curatorPpm) {
    return failed(`${place}.curator_ppm`, `the datanet's cut is ${curatorPpm} ppm`, `a parte do datanet é ${curatorPpm} ppm`);
  }
  return passed();
}

/** An author may send what is to come to another address at any time: only a payee that never was one is a lie. */
export function judgePayee(one: CitedContribution, { payee, namedWas }: Payee): Outcome {
  const [due, named] = [toHex(payee), toHex(one.payee)];
  if (equal(payee, one.payee)) return passed();
  if (!namedWas) {
    return failed(
      `cited[${one.contribution}].payee`,
      `the chain pays ${due}, and never paid ${named} for it`,
      `a cadeia paga a ${due}, e nunca pagou a ${named} por ela`,
    );
  }
  return passed({
    en: `contribution ${one.contribution} pays ${due}: its payee changed, ${named} was another time's`,
    pt: `a contribuição ${one.contribution} paga a ${due}: quem recebe mudou, ${named} foi em outro momento`,
  });
}
