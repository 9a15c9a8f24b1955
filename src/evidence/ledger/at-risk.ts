import type { Moment } from '../../clock/clock.ts';
import type { Roles } from '../record.ts';
import type { WriteAttempt } from '../write-attempts.ts';

/**
 * The clients' writes that the fault could lose: those that the old primary acknowledged, and those that it was asked
 * for and left without an answer, before the new primary took its first. What the new primary took was never at risk,
 * so it is no evidence that nothing was lost. Nor does the local witness count, whose commits wait for nobody.
 *
 * Where nobody took over, only the writes from before the fault were at risk: what the primary acknowledged after
 * it, it acknowledged with the fault survived.
 *
 * @param newTook when the new primary acknowledged its first write to the application; undefined where it never did
 */
export function writesAtRisk(
  attempts: readonly WriteAttempt[],
  { faultAt, oldPrimary, newPrimary }: Roles,
  newTook: Moment | undefined,
): { acknowledged: WriteAttempt[]; inFlight: WriteAttempt[] } {
  const until = newPrimary === undefined ? faultAt : (newTook ?? Number.POSITIVE_INFINITY);
  const asked = attempts.filter(({ actor, node }) => actor !== 'local-witness' && node === oldPrimary);
  return {
    acknowledged: asked.filter(
      ({ outcome, endedAt = Number.POSITIVE_INFINITY }) => outcome === 'acknowledged' && endedAt <= until,
    ),
    // Without a promotion the silence may begin with the fault.
    inFlight: asked.filter(
      ({ outcome, invokedAt }) =>
        outcome === 'unknown' && (newPrimary === undefined || newTook === undefined || invokedAt < newTook),
    ),
  };
}
