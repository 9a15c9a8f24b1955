import { worstOutcome } from '../contract/outcome.ts';
import type { CampaignRecord, CampaignVerdict, JudgedDrill, Proof } from './campaign-record.ts';
import { percent } from './proof.ts';

/** Judges a campaign, or the single drill that it is. Pure. */
export function judgeCampaign(campaign: CampaignRecord): CampaignVerdict {
  if (campaign.selfTest) return selfTestVerdict(campaign);
  const { drills, endedEarly, rounds, trouble } = campaign;
  const slower = campaign.proofs.filter(({ regression }) => regression?.failed);
  const drilled = worstOutcome(drills.map(({ verdict }) => verdict.outcome));
  const outcome = worstOutcome([
    drilled,
    ...slower.map(() => 'missed' as const),
    // What was cut short proves nothing, though every drill of it passed.
    ...(drills.length < rounds && drilled === 'pass' ? (['error'] as const) : []),
    ...trouble.map(() => 'error' as const),
  ]);
  const [first] = drills;
  if (first === undefined) return { outcome: 'error', message: 'there was no drill' };
  const told = rounds === 1 ? [first.verdict.message] : [summary(campaign)];
  told.push(...slower.map(slowdown));
  const endTold = endedEarly !== undefined && rounds > 1;
  if (endTold) told.push(`it ended after ${drills.length} of ${rounds} rounds: ${endedEarly}`);
  told.push(...trouble.filter((each) => !(endTold && each === endedEarly)));
  return { outcome, message: told.join('; ') };
}

function summary({ drills, proofs }: CampaignRecord): string {
  const failed = drills.filter(({ verdict }) => verdict.outcome !== 'pass');
  const rounds = `${drills.length} drill${drills.length === 1 ? '' : 's'}`;
  if (failed.length === 0) {
    const bounds = proofs.map(({ fault, now, pooled }) => {
      const rto =
        now.rto === undefined
          ? ''
          : `RTO ${now.rto.median.toFixed(3)} s at the median, ${now.rto.greatest.toFixed(3)} s at most; `;
      if (pooled.drills === 0) return `${fault}: ${rto}nothing is proven of the target`;
      return `${fault}: ${rto}at 95 % confidence at most ${percent(pooled.breachAtMost)} of such drills breach the target`;
    });
    return [`${rounds}, all of them passed`, ...bounds, lossOf(drills)].join('; ');
  }
  const worst = worstOutcome(failed.map(({ verdict }) => verdict.outcome));
  const gravest = failed.find(({ verdict }) => verdict.outcome === worst) as JudgedDrill;
  return `${failed.length} of ${rounds} did not pass: round ${drills.indexOf(gravest) + 1}, ${gravest.record.fault}: ${gravest.verdict.message}`;
}

/** What the drills that clients watched say of lost writes, of none of which there was one. */
function lossOf(drills: readonly JudgedDrill[]): string {
  const watched = drills.flatMap(({ record, verdict }) => (record.clients === undefined ? [] : [verdict]));
  if (watched.length === 0) return 'no clients were watched, so nothing is told of their writes';
  const where =
    watched.length < drills.length
      ? ` in the ${watched.length} drill${watched.length === 1 ? '' : 's'} that clients watched`
      : '';
  if (watched.some(({ writesAtRisk }) => writesAtRisk === undefined))
    return `no write was found lost${where}, of how many at risk is not known`;
  // Where nobody took over, what stood before the fault was at its risk, and no failover's.
  const of = (isPromoted: boolean) =>
    watched
      .filter(({ rtoSeconds }) => (rtoSeconds !== undefined) === isPromoted)
      .reduce((sum, { writesAtRisk = 0 }) => sum + writesAtRisk, 0);
  const told = [
    ...(of(true) > 0 ? [`${of(true)} writes at risk`] : []),
    ...(of(false) > 0 ? [`${of(false)} writes from before a fault without a failover`] : []),
  ];
  return told.length === 0
    ? `there was no acknowledged write at risk to be lost${where}`
    : `none of ${told.join(', or of ')} was lost${where}`;
}

function slowdown({ fault, regression }: Proof): string {
  const { nowSeconds = 0, beforeSeconds = 0, allowedPercent = 0 } = regression ?? {};
  return `${fault}: the median RTO is ${nowSeconds.toFixed(3)} s, more than ${allowedPercent} % slower than the ${beforeSeconds.toFixed(3)} s before`;
}

/** From the cut on, a primary that waits for nobody acknowledges what no standby has. */
const leastAcknowledgedSeconds = 0.5;

/**
 * Whether the ledger found what must be there: every round lost writes by design, as commits waited for no standby
 * while the link was cut.
 */
function selfTestVerdict({ drills, rounds, endedEarly }: CampaignRecord): CampaignVerdict {
  const found = drills.map(selfTested);
  if (drills.length < rounds || drills.length === 0)
    found.push({
      outcome: 'error',
      message: `it ended after ${drills.length} of ${rounds} rounds: ${endedEarly}`,
    });
  const outcome = worstOutcome(found.map((each) => each.outcome));
  const sum = (of: (verdict: JudgedDrill['verdict']) => number | undefined) =>
    drills.reduce((all, { verdict }) => all + (of(verdict) ?? 0), 0);
  const lost = sum(({ lostWrites }) => lostWrites);
  const atRisk = drills.every(({ verdict }) => verdict.writesAtRisk !== undefined)
    ? ` of ${sum(({ writesAtRisk }) => writesAtRisk)} at risk`
    : '';
  const message =
    outcome === 'pass'
      ? `the ledger found lost writes in ${drills.length === 1 ? 'the drill' : `each of ${drills.length} drills`} that had to lose some, ${lost}${atRisk} in all: its green verdicts mean something`
      : found
          .filter((each) => each.outcome === outcome)
          .map((each) => each.message)
          .join('; ');
  return { outcome, message };
}

function selfTested({ record, verdict }: JudgedDrill): CampaignVerdict {
  const ledger = record.clients?.ledger;
  const spoilt = record.interrupted ?? record.disturbed ?? record.undoFailed;
  if (
    ledger === undefined ||
    record.promotion === undefined ||
    ledger.inconclusive.length > 0 ||
    spoilt !== undefined
  )
    return { outcome: 'error', message: `the self-test could not tell: ${verdict.message}` };
  const { phantoms, vanished, overlap } = ledger;
  if (phantoms.count + vanished.count + overlap.count > 0 || record.handBackFailed !== undefined)
    return { outcome: 'missed', message: `more than lost writes was wrong: ${verdict.message}` };
  if (record.final?.outcome !== 'pass')
    return {
      outcome: 'missed',
      message: `the formation is not healthy after the self-test: ${verdict.message}`,
    };
  if (ledger.lost.count > 0) return { outcome: 'pass', message: verdict.message };
  return (ledger.lastAcknowledgedSeconds ?? 0) < leastAcknowledgedSeconds
    ? { outcome: 'error', message: 'the self-test could not tell: no write was acknowledged after the cut' }
    : {
        outcome: 'missed',
        message:
          'acknowledged writes must have been lost, and the ledger found none: its green verdicts mean nothing',
      };
}
