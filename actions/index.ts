import { exitCodeOf, type Outcome } from '../src/contract/outcome.ts';
import { acceptance as runAcceptance } from './acceptance/main.ts';
import { alert as runAlert } from './alert/main.ts';
import { checkFormation as runCheck } from './check-formation/main.ts';
import { failoverDrill as runDrill } from './failover-drill/main.ts';
import { failoverDrillPost as runDrillPost } from './failover-drill/post.ts';
import { provisionPgaf as runProvision } from './provision-pgaf/main.ts';

/**
 * What the entries in dist/ call (start.cjs); the whole product is bundled from here. Each returns the exit code of the
 * process, the guard none.
 */
const entry = (run: () => Promise<Outcome>) => async (): Promise<number> => exitCodeOf(await run());

export const acceptance = entry(runAcceptance);
export const alert = entry(runAlert);
export const checkFormation = entry(() => runCheck());
export const failoverDrill = entry(() => runDrill());
export const failoverDrillPost = entry(runDrillPost);
export const provisionPgaf = entry(() => runProvision());
export { guard } from './guard.ts';
export { terminal } from './terminal.ts';
