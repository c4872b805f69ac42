// What an engine said of its own words, quantised once (docs/spec/engines.md, 4): its bounds and its commitment.
import type { Alternative, TokenLogProb } from "./bundle.ts";
import { Refusal, bigEndian, concat, equal, keccak } from "./bytes.ts";

const TAG = 0x0a;
const MAX_BYTES = 1 << 20;
const MAX_ALTERNATIVES = 20;
const LEAST = -1_000_000_000;

/** Why log-probabilities do not belong to an answer. */
export class LogProbsError extends Refusal {}

/** Checks that the tokens are the beginning of an answer, and every bound. Throws `LogProbsError`. */
export function checkLogProbs(tokens: TokenLogProb[], answer: Uint8Array): void {
  if (tokens.length === 0) throw new LogProbsError("there are none", "não há nenhuma");
  let at = 0;
  tokens.forEach((token, i) => {
    const end = at + token.bytes.length;
    if (!equal(answer.subarray(at, end), token.bytes)) {
      throw new LogProbsError(`token ${i} is not what the answer holds there`, `o token ${i} não é o que a resposta tem ali`);
    }
    at = end;
    if (token.top.length > MAX_ALTERNATIVES) {
      throw new LogProbsError(`token ${i} has more than ${MAX_ALTERNATIVES} alternatives`, `o token ${i} tem mais de ${MAX_ALTERNATIVES} alternativas`);
    }
    if ([token, ...token.top].some(({ micronats }) => micronats > 0 || micronats < LEAST)) {
      throw new LogProbsError(
        `token ${i} has a log-probability above 0 or below the least`,
        `o token ${i} tem uma log-probabilidade acima de 0 ou abaixo da menor`,
      );
    }
  });
  if (encode(tokens).length > MAX_BYTES) {
    throw new LogProbsError(`they are longer than ${MAX_BYTES} bytes`, `elas passam de ${MAX_BYTES} bytes`);
  }
}

/** `H(0a ‖ u32 tokens ‖ (alternative ‖ u8 alternatives ‖ alternative*)*)`, of tokens that were checked. */
export const logProbsHash = (tokens: TokenLogProb[]): Uint8Array => keccak(encode(tokens));

function encode(tokens: TokenLogProb[]): Uint8Array {
  const parts = [Uint8Array.of(TAG), bigEndian(tokens.length, 4)];
  // `u32 length ‖ bytes ‖ i32 millionths`, a negative number as its two's complement.
  const put = ({ bytes, micronats }: Alternative) =>
    parts.push(bigEndian(bytes.length, 4), bytes, bigEndian(BigInt.asUintN(32, BigInt(micronats)), 4));
  for (const token of tokens) {
    put(token);
    parts.push(Uint8Array.of(token.top.length));
    token.top.forEach(put);
  }
  return concat(...parts);
}
