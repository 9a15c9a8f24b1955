import type { ClientsRecord } from '../record.ts';

/** That no write was found lost says something of the writes at risk, and of nothing else: it is told with their number. */

type Watched = Pick<ClientsRecord, 'scene' | 'leastWritesAtRisk'> & {
  ledger: Pick<ClientsRecord['ledger'], 'lost' | 'writesAtRisk' | 'writesInFlight'>;
};

/** Of a drill that found none lost. */
export function noneLost({ scene, ledger: { writesAtRisk, writesInFlight = 0 } }: Watched): string {
  if (writesAtRisk === undefined) return 'no write was found lost, of how many at risk is not known';
  const which = scene.newPrimary === undefined ? ' from before the fault' : ' at risk';
  const flying = writesInFlight === 0 ? '' : ` (${writesInFlight} more had no answer)`;
  if (writesAtRisk === 0) return `there was no acknowledged write${which} to be lost${flying}`;
  const writes = writesAtRisk === 1 ? `the one acknowledged write${which}` : `${writesAtRisk} writes${which}`;
  return writesAtRisk === 1 ? `${writes} was not lost${flying}` : `none of ${writes} was lost${flying}`;
}

/** Why a drill that found none lost tells too little; undefined where it tells enough, or something was lost. */
export function tooFewAtRisk({
  scene,
  leastWritesAtRisk: least,
  ledger: { lost, writesAtRisk },
}: Watched): string | undefined {
  if (least === undefined || lost.count > 0) return undefined;
  if (writesAtRisk === undefined) return 'how many writes were at risk was not counted';
  if (writesAtRisk >= least) return undefined;
  return `${scene.oldPrimary} had acknowledged ${writesAtRisk} write${writesAtRisk === 1 ? '' : 's'} at risk, and fewer than ${least} (least-writes-at-risk) tell too little of loss`;
}

/** How many were lost; undefined where none was found so, and not all that were acknowledged were looked for. */
export function lostOf({
  lost,
  unverifiedWrites,
}: Pick<ClientsRecord['ledger'], 'lost' | 'unverifiedWrites'>): number | undefined {
  return lost.count === 0 && unverifiedWrites > 0 ? undefined : lost.count;
}
