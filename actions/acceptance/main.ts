import { commonOutputs, runInOrder } from '../../src/runner/run-action.ts';
import { checkFormation } from '../check-formation/main.ts';
import { failoverDrill } from '../failover-drill/main.ts';
import { provisionPgaf } from '../provision-pgaf/main.ts';
import { applying, checking, outputs } from './contract.ts';

/** The whole acceptance as one step: provision, check, drill; each only if the one before it passed. */
export async function acceptance(): Promise<void> {
  await runInOrder(
    [(run) => provisionPgaf(run, applying), (run) => checkFormation(run, checking), failoverDrill],
    [...commonOutputs, ...outputs],
  );
}
