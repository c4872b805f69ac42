// Makes the chain's checks through a node and notes every question with its answer.
import { chainChecks, readStanding } from "../src/chain/checks.ts";
import { Chain, sender } from "../src/chain/rpc.ts";
import { readBundle } from "../src/verify/bundle.ts";

interface Call {
  method: string;
  params: unknown[];
  result: unknown;
}

export async function record(rpc: string, receipt: string, settlement: string): Promise<Call[]> {
  const calls: Call[] = [];
  const ask = sender(rpc);
  const chain = new Chain(async (method, params) => {
    const result = await ask(method, params);
    calls.push({ method, params, result });
    return result;
  });
  const { checks } = await chainChecks(chain, readBundle(receipt), readStanding(settlement));
  const open = checks.filter((check) => check.outcome !== "passed");
  if (open.length > 0) throw new Error(`not every check passed: ${JSON.stringify(open)}`);
  return calls;
}
