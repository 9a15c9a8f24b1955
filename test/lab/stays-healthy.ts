import { reportMs, silentChecksFail } from '../../src/formation/detection.ts';
import { timingsProfiles } from '../../src/formation/timings.ts';
import { checkPasses } from './harness.ts';
import { tolerable } from './meter.ts';

/** A round of the monitor's health checks that fails, and a report. */
const anewMs = silentChecksFail(timingsProfiles.fast).most + reportMs;

/**
 * After an action that left the formation healthy: it is so still. On a busy machine the monitor may doubt a node for a
 * moment, until it has checked it anew, or the check may not get its answers in time.
 */
export async function staysHealthy(formation: string): Promise<void> {
  await checkPasses(formation, tolerable(anewMs / 3));
}
