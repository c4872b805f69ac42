// What the chain's answers mean for a receipt: the verdicts that docs/spec/receipt.md, 5, describes and `fonte receipt verify
// --chain` gives too (crates/fonte/src/receipt/on_chain.rs); fixtures/on_chain.json holds both to it.
import type { CitedContribution, DatanetVersion, Membership, ReceiptBundle, Terms } from "../verify/bundle.ts";
import { equal, toHex, type Text } from "../verify/bytes.ts";
import { isMember, type Outcome } from "../verify/verify.ts";

/** What a model is registered with. */
export interface RegisteredModel {
  name: string;
  terms: Terms;
}

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

export function judgeTerms({ terms, modelName }: ReceiptBundle, model: RegisteredModel | undefined): Outcome {
  if (model === undefined) return failed("receipt.model", "the chain knows no such model", "a cadeia não conhece este modelo");
  const [due, named] = [model.terms, terms];
  const { protocol, worker, developer, data } = due.splits;
  const split = named.splits;
  if (split.protocol !== protocol || split.worker !== worker || split.developer !== developer || split.data !== data) {
    return failed("terms.splits", "the chain has other splits for this model", "a cadeia tem outras divisões para este modelo");
  }
  if (named.prices.input !== due.prices.input || named.prices.output !== due.prices.output) {
    return failed("terms.prices", "the chain has other prices for this model", "a cadeia tem outros preços para este modelo");
  }
  if (model.name !== modelName) return failed("model_name", `the chain calls it ${model.name}`, `a cadeia o chama de ${model.name}`);
  return passed();
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
