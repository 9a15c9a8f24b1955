import type { Outcome } from '../contract/outcome.ts';
import { worstOutcome } from '../contract/outcome.ts';
import { faults } from './faults.ts';
import type { DrillRecord } from './record.ts';

export interface DrillVerdict {
  outcome: Outcome;
  /** One sentence. */
  message: string;
  rtoSeconds: number | undefined;
  rejoinSeconds: number | undefined;
}

/** Judges a recorded drill. Pure. */
export function judgeDrill(record: DrillRecord): DrillVerdict {
  const rtoSeconds = record.promotion?.seconds;
  const rejoinSeconds =
    record.settledSeconds !== undefined && record.undoSeconds !== undefined
      ? round(record.settledSeconds - record.undoSeconds)
      : undefined;
  const found = conclusions(record, rejoinSeconds);
  const outcome = worstOutcome(found.map(([kind]) => kind));
  const message = found
    .filter(([kind]) => kind === outcome)
    .map(([, text]) => text)
    .join('; ');
  return { outcome, message, rtoSeconds, rejoinSeconds };
}

function conclusions(record: DrillRecord, rejoinSeconds: number | undefined): [Outcome, string][] {
  const found: [Outcome, string][] = [];
  const { baseline, target, promotion, rtoTargetSeconds, final } = record;
  if (record.undoFailed !== undefined) {
    found.push([
      'error',
      `${target} could not be brought back: ${record.undoFailed}; start it by hand and run check-formation`,
    ]);
  }
  if (record.interrupted !== undefined) {
    const undone =
      record.faultAt === undefined
        ? 'nothing had been stopped'
        : record.undoFailed === undefined
          ? `${target} was brought back, and a failover that had begun may still complete: run check-formation`
          : '';
    found.push(['error', `the drill was interrupted: ${record.interrupted}${undone ? `; ${undone}` : ''}`]);
  }
  if (record.faultAt !== undefined && baseline === undefined)
    found.push(['error', 'the formation was not read before the fault, so the drill proves nothing']);
  if (baseline !== undefined && baseline.outcome !== 'pass') {
    found.push([
      baseline.outcome,
      `no drill on a formation that is not healthy, nothing was stopped: ${baseline.message}`,
    ]);
  }
  if (record.faultAt === undefined || target === undefined)
    return found.length > 0 ? found : [['error', 'no fault was injected']];

  const deed = faults[record.fault].deed(target);
  if (record.proof === undefined && record.interrupted === undefined) {
    found.push(['error', `nothing shows that the fault took hold on ${target}, so the drill proves nothing`]);
  }
  if (record.disturbed !== undefined)
    found.push(['error', `${record.disturbed}, so the drill proves nothing`]);
  if (promotion === undefined) {
    if (record.interrupted === undefined)
      found.push([
        'missed',
        `no standby was promoted in the ${record.promotionDeadlineSeconds} s after ${deed}`,
      ]);
  } else if (promotion.seconds > rtoTargetSeconds) {
    found.push([
      'missed',
      `${promotion.node} took over ${promotion.seconds.toFixed(3)} s after ${deed}; the target is ${rtoTargetSeconds} s`,
    ]);
  }
  if (record.interrupted === undefined) {
    if (rejoinSeconds === undefined)
      found.push(['missed', 'the formation did not converge in time after the fault was undone']);
    else if (final?.outcome !== 'pass')
      found.push([
        'missed',
        `the formation converged but is not healthy: ${final?.message ?? 'it was not read'}`,
      ]);
  }
  if (found.length > 0 || promotion === undefined) return found;
  return [
    [
      'pass',
      `${promotion.node} took over from ${target} in ${promotion.seconds.toFixed(3)} s (target ${rtoTargetSeconds} s); all nodes healthy ${rejoinSeconds?.toFixed(3)} s after its return`,
    ],
  ];
}

/** Seconds to the millisecond. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
