import type { Outcome } from '../contract/outcome.ts';
import { worstOutcome } from '../contract/outcome.ts';
import { catalogue } from '../faults/catalogue.ts';
import { clientConclusions, clientWrongs } from './clients-verdict.ts';
import { isFailoverSign } from './failover.ts';
import type { DrillRecord } from './record.ts';

export interface DrillVerdict {
  outcome: Outcome;
  /** One sentence. */
  message: string;
  rtoSeconds: number | undefined;
  rejoinSeconds: number | undefined;
  /** What follows is undefined where the application's clients were not watched. */
  clientRtoSeconds: number | undefined;
  writeOutageSeconds: number | undefined;
  acknowledgedWrites: number | undefined;
  lostWrites: number | undefined;
  unknownWrites: number | undefined;
  dualPrimarySeconds: number | undefined;
}

type Conclusion = [Outcome, string];

/** Judges a recorded drill. Pure. */
export function judgeDrill(record: DrillRecord): DrillVerdict {
  const rtoSeconds = record.promotion?.seconds;
  const rejoinSeconds =
    record.settledSeconds !== undefined && record.undoSeconds !== undefined
      ? round(record.settledSeconds - record.undoSeconds)
      : undefined;
  const found = conclusions(record, rejoinSeconds);
  const outcome = worstOutcome(found.map(([kind]) => kind));
  const gravest = found.filter(([kind]) => kind === outcome);
  // Writes that are lost hide behind nothing.
  const wrongs = outcome === 'missed' ? [] : clientWrongs(record);
  const message = [...gravest, ...wrongs].map(([, text]) => text).join('; ');
  const ledger = record.clients?.ledger;
  return {
    outcome,
    message,
    rtoSeconds,
    rejoinSeconds,
    clientRtoSeconds: ledger?.clientRtoSeconds,
    // Where nobody took over, writes were out for as long as clients waited longest.
    writeOutageSeconds: rtoSeconds === undefined ? ledger?.longestPauseSeconds : ledger?.writeOutageSeconds,
    acknowledgedWrites: ledger?.acknowledgedWrites,
    lostWrites: ledger?.lost.count,
    unknownWrites: ledger?.unknownWrites,
    dualPrimarySeconds: ledger?.dualPrimarySeconds,
  };
}

function conclusions(record: DrillRecord, rejoinSeconds: number | undefined): Conclusion[] {
  const found = [...trouble(record), ...unfit(record)];
  const { target } = record;
  if (record.faultAt === undefined || target === undefined)
    return found.length > 0 ? found : [['error', 'no fault was injected']];
  found.push(...unproven(record, target));
  const asExpected = { failover, none, either }[record.expected];
  found.push(...asExpected(record, catalogue[record.fault].deed(target)));
  found.push(...clientConclusions(record));
  if (record.interrupted === undefined) found.push(...afterwards(record, rejoinSeconds));
  return found.length > 0 ? found : [['pass', praise(record, target, rejoinSeconds)]];
}

/** What came between the drill and its end. */
function trouble(record: DrillRecord): Conclusion[] {
  const found: Conclusion[] = [];
  const { target } = record;
  if (record.undoFailed !== undefined) {
    const hand =
      record.fault === 'stop'
        ? 'start it by hand and run check-formation'
        : 'run provision-pgaf, which undoes it';
    found.push(['error', `${target} could not be brought back: ${record.undoFailed}; ${hand}`]);
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
  return found;
}

/** Why the formation was no place for this fault. */
function unfit({ faultAt, baseline, impossible, fault }: DrillRecord): Conclusion[] {
  const found: Conclusion[] = [];
  if (faultAt !== undefined && baseline === undefined)
    found.push(['error', 'the formation was not read before the fault, so the drill proves nothing']);
  if (baseline !== undefined && baseline.outcome !== 'pass') {
    found.push([
      baseline.outcome,
      `no drill on a formation that is not healthy, nothing was stopped: ${baseline.message}`,
    ]);
  }
  if (impossible !== undefined)
    found.push(['error', `fault not proven: ${fault} cannot be shown here: ${impossible}`]);
  return found;
}

function unproven(
  { proof, interrupted, disturbed, expected, serving, announcements, primary = '' }: DrillRecord,
  target: string,
): Conclusion[] {
  const found: Conclusion[] = [];
  if (proof === undefined && interrupted === undefined)
    found.push(['error', `nothing shows that the fault took hold on ${target}, so the drill proves nothing`]);
  if (disturbed !== undefined) found.push(['error', `${disturbed}, so the drill proves nothing`]);
  // Once a failover has begun, nobody looks at the old primary any more.
  const began = announcements.some((heard) => heard.seconds >= 0 && isFailoverSign(heard, primary));
  if (
    expected === 'none' &&
    proof !== undefined &&
    serving === undefined &&
    interrupted === undefined &&
    !began
  )
    found.push(['error', 'nobody looked whether the primary went on serving, so the drill proves nothing']);
  return found;
}

function failover(record: DrillRecord, deed: string): Conclusion[] {
  if (record.promotion !== undefined) return late(record, deed);
  if (record.interrupted !== undefined) return [];
  return [['missed', `no standby was promoted in the ${record.promotionDeadlineSeconds} s after ${deed}`]];
}

function late({ promotion, rtoTargetSeconds }: DrillRecord, deed: string): Conclusion[] {
  if (promotion === undefined || promotion.seconds <= rtoTargetSeconds) return [];
  return [
    [
      'missed',
      `${promotion.node} took over ${promotion.seconds.toFixed(3)} s after ${deed}; the target is ${rtoTargetSeconds} s`,
    ],
  ];
}

function none(record: DrillRecord, deed: string): Conclusion[] {
  const { promotion, primary = '' } = record;
  if (promotion !== undefined)
    return [
      [
        'missed',
        `${promotion.node} took over ${promotion.seconds.toFixed(3)} s after ${deed}, where no failover should have come of it`,
      ],
    ];
  const sign = record.announcements.find((heard) => heard.seconds >= 0 && isFailoverSign(heard, primary));
  if (sign !== undefined)
    return [
      [
        'missed',
        `a failover began ${sign.seconds.toFixed(3)} s after ${deed}, where none should have come of it: ${sign.node} was to be ${sign.goalState}`,
      ],
    ];
  return record.serving === false ? [['missed', `${primary} took no writes any more after ${deed}`]] : [];
}

function either(record: DrillRecord, deed: string): Conclusion[] {
  if (record.promotion !== undefined) return late(record, deed);
  const sign = record.announcements.find(
    (heard) => heard.seconds >= 0 && isFailoverSign(heard, record.primary ?? ''),
  );
  if (sign === undefined || record.interrupted !== undefined) return [];
  return [
    [
      'missed',
      `a failover began ${sign.seconds.toFixed(3)} s after ${deed}, and no standby was promoted in the ${record.promotionDeadlineSeconds} s that followed`,
    ],
  ];
}

/** Healthy again, and in the roles that the promotion, or its absence, left. */
function afterwards(record: DrillRecord, rejoinSeconds: number | undefined): Conclusion[] {
  const { final, promotion, primary, handedBack, handBackFailed } = record;
  if (rejoinSeconds === undefined)
    return [['missed', 'the formation did not converge in time after the fault was undone']];
  if (final?.outcome !== 'pass')
    return [['missed', `the formation converged but is not healthy: ${final?.message ?? 'it was not read'}`]];
  // A promotion that was due and did not come is told already.
  if (promotion === undefined && record.expected === 'failover') return [];
  if (handBackFailed !== undefined)
    return [['missed', `${primary} could not be made primary again: ${handBackFailed}`]];
  const wanted = handedBack === undefined ? (promotion?.node ?? primary) : primary;
  if (final.primary === wanted) return [];
  return [['missed', `${wanted} should be primary afterwards, and ${final.primary ?? 'no node'} is`]];
}

function praise(record: DrillRecord, target: string, rejoinSeconds: number | undefined): string {
  const { promotion, rtoTargetSeconds, primary, watchSeconds, fault } = record;
  const { deed, lasts } = catalogue[fault];
  const rejoin = rejoinSeconds?.toFixed(3);
  if (promotion === undefined) {
    const healthy = lasts === 'a-moment' ? 'afterwards' : `${rejoin} s after the undo`;
    return `${primary} stayed primary in the ${watchSeconds} s after ${deed(target)}${kept(record)}; all nodes healthy ${healthy}`;
  }
  const took = `${promotion.node} took over from ${primary} in ${promotion.seconds.toFixed(3)} s (target ${rtoTargetSeconds} s)`;
  const since = lasts === 'a-moment' ? 'that' : 'its return';
  return `${took}${kept(record)}; all nodes healthy ${rejoin} s after ${since}`;
}

/** What the clients saw of a drill that went well. */
function kept({ clients, promotion }: DrillRecord): string {
  if (clients === undefined) return '';
  const { clientRtoSeconds, longestPauseSeconds, acknowledgedWrites } = clients.ledger;
  const again =
    promotion === undefined
      ? `clients waited ${longestPauseSeconds?.toFixed(3)} s at most`
      : `clients wrote again after ${clientRtoSeconds?.toFixed(3)} s`;
  return `, ${again}, and none of ${acknowledgedWrites} acknowledged writes was lost`;
}

/** Seconds to the millisecond. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
