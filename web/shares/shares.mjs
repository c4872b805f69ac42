// Shares, fees and credits exactly as docs/spec/shares.md says: integers only, every division written with its rounding.

const MILLION = 1_000_000n;
const MAX_SHARES = 16;
export const NOBODY = 0n;
export const PROMPT = 2n ** 64n - 1n;

/** `amount × ppm / 10^6`, rounded down. */
export const part = (amount, ppm) => (amount * ppm) / MILLION;

/** Shares of the contributions in a list of runs `{contribution, bytes}`: largest first, ties by smaller id, at most 16. */
export function sharesOf(runs) {
  const total = runs.reduce((sum, run) => sum + run.bytes, 0n);
  const bytes = new Map();
  for (const { contribution, bytes: length } of runs) {
    if (contribution === NOBODY || contribution === PROMPT) continue;
    bytes.set(contribution, (bytes.get(contribution) ?? 0n) + length);
  }
  return [...bytes]
    .map(([contribution, length]) => ({ contribution, ppm: (length * MILLION) / total })) // rounded down
    .filter(({ ppm }) => ppm > 0n)
    .sort((a, b) => (a.ppm === b.ppm ? compare(a.contribution, b.contribution) : compare(b.ppm, a.ppm)))
    .slice(0, MAX_SHARES);
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** `(input × priceIn + output × priceOut) / 1000`, rounded up to a wei. */
export const feeOf = ({ inputTokens, outputTokens, priceIn, priceOut }) =>
  (inputTokens * priceIn + outputTokens * priceOut + 999n) / 1000n;

/** What a row pays to whom. `curatorPpm(contribution)` is the cut of its datanet's curator. */
export function creditsOf(fee, shares, { workerPpm, dataPpm, developerPpms }, curatorPpm) {
  const pool = part(fee, dataPpm);
  const contributions = shares.map(({ contribution, ppm }) => {
    const credit = part(pool, ppm);
    const cut = part(credit, curatorPpm(contribution));
    return { contribution, ppm, credit: credit - cut, cut };
  });
  const worker = part(fee, workerPpm);
  const developers = developerPpms.map((ppm) => part(fee, ppm));
  const paid = [worker, ...developers, ...contributions.flatMap(({ credit, cut }) => [credit, cut])];
  const treasury = fee - paid.reduce((sum, amount) => sum + amount, 0n);
  return { contributions, worker, developers, treasury };
}
