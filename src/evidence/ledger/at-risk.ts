import type { Roles } from '../record.ts';
import type { WriteAttempt } from '../write-attempts.ts';
import type { FirstTaken } from './survey.ts';

/**
 * Whether the fault could lose a client's write: one that the old primary acknowledged, or that it was asked for and left
 * without an answer, before the new primary took its first. What the new primary took was never at risk, so it is no
 * evidence that nothing was lost. Nor does the local witness count, whose commits wait for nobody.
 *
 * Where nobody took over, only the writes from before the fault were at risk: what the primary acknowledged after
 * it, it acknowledged with the fault survived.
 *
 * @param first what the new primary acknowledged first to a client, by whichever way; undefined where it never did
 */
export function riskOf(
  { actor, node, outcome, invokedAt, endedAt = Number.POSITIVE_INFINITY }: WriteAttempt,
  { faultAt, oldPrimary, newPrimary }: Roles,
  first: Pick<FirstTaken, 'at'> | undefined,
): 'acknowledged' | 'in-flight' | undefined {
  if (actor === 'local-witness' || node !== oldPrimary) return undefined;
  const until = newPrimary === undefined ? faultAt : (first?.at ?? Number.POSITIVE_INFINITY);
  if (outcome === 'acknowledged') return endedAt <= until ? 'acknowledged' : undefined;
  if (outcome === 'failed') return undefined;
  // Without a promotion the silence may begin with the fault.
  return newPrimary === undefined || first === undefined || invokedAt < first.at ? 'in-flight' : undefined;
}
