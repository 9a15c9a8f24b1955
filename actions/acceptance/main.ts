import type { Outcome } from '../../src/contract/outcome.ts';
import { rawInput } from '../../src/runner/inputs.ts';
import { commonOutputs, type RunStep, runInOrder } from '../../src/runner/run-action.ts';
import { checkFormation } from '../check-formation/main.ts';
import { failoverDrill } from '../failover-drill/main.ts';
import { provisionPgaf } from '../provision-pgaf/main.ts';
import { applying, checking, inputs, outputs } from './contract.ts';

/**
 * The actions of a run, in their order.
 * @param replay the input of that name: where a report is judged again, no formation is touched
 */
export function stepsOf(replay: string): ((run: RunStep) => Promise<Outcome>)[] {
  return replay.trim() === ''
    ? [(run) => provisionPgaf(run, applying), (run) => checkFormation(run, checking), failoverDrill]
    : [failoverDrill];
}

/** The whole acceptance as one step: provision, check, drill; each only if the one before it passed. */
export async function acceptance(): Promise<Outcome> {
  return await runInOrder(stepsOf(rawInput('replay', process.env)), inputs, [...commonOutputs, ...outputs]);
}
