// From credited bytes to shares, from a fee to amounts (docs/spec/receipt.md, 2 and 4). Every division rounds down.
import { MAX_SHARES, NOBODY, PPM, PROMPT, type ReceiptBundle, type Run, type Share, type Splits, type Terms } from "./bundle.ts";

const MILLION = BigInt(PPM);
const MAX_U128 = (1n << 128n) - 1n;

/** `floor(10^6 × bytes / answerBytes)` per contribution, largest first, at most 16. */
export function sharesOf(runs: Run[], answerBytes: number): Share[] {
  const bytes = new Map<bigint, bigint>();
  for (const run of runs) {
    if (run.source === NOBODY || run.source === PROMPT) continue;
    bytes.set(run.source, (bytes.get(run.source) ?? 0n) + BigInt(run.end - run.start));
  }
  return [...bytes]
    .map(([contribution, count]) => ({ contribution, ppm: Number((count * MILLION) / BigInt(answerBytes)) }))
    .filter((share) => share.ppm > 0)
    .sort((a, b) => b.ppm - a.ppm || (a.contribution < b.contribution ? -1 : 1))
    .slice(0, MAX_SHARES);
}

/** The fee of a request, rounded up to a wei; `undefined` if it does not fit. */
export function feeOf(prices: Terms["prices"], inputTokens: number, outputTokens: number): bigint | undefined {
  const [input, output] = [prices.input * BigInt(inputTokens), prices.output * BigInt(outputTokens)];
  return input > MAX_U128 || output > MAX_U128 || input + output > MAX_U128 ? undefined : (input + output + 999n) / 1000n;
}

export const isWhole = (splits: Splits): boolean =>
  splits.protocol + splits.worker + splits.developer + splits.data === PPM;

/** `amount × ppm / 10^6`. */
export const part = (amount: bigint, ppm: number): bigint => (amount * BigInt(ppm)) / MILLION;

/** What one receipt pays to whom; contributions and their datanets' curators in the order of the shares. */
export interface Credits {
  dataPool: bigint;
  worker: bigint;
  developer: bigint;
  contributions: bigint[];
  curators: bigint[];
  treasury: bigint;
}

/** A curator's cut is taken from the contribution's credit: it costs nobody else anything. */
export function credits({ receipt, terms, cited }: Pick<ReceiptBundle, "receipt" | "terms" | "cited">): Credits {
  const { fee, shares } = receipt;
  const dataPool = part(fee, terms.splits.data);
  const [worker, developer] = [part(fee, terms.splits.worker), part(fee, terms.splits.developer)];
  const earned = shares.map((share) => part(dataPool, share.ppm));
  const curators = shares.map(({ contribution }, i) => {
    const cut = cited.find((one) => one.contribution === contribution)?.curatorPpm ?? 0;
    return part(earned[i] ?? 0n, Math.min(cut, PPM));
  });
  const contributions = earned.map((amount, i) => amount - (curators[i] ?? 0n));
  const treasury = earned.reduce((rest, amount) => rest - amount, fee - worker - developer);
  return { dataPool, worker, developer, contributions, curators, treasury };
}
