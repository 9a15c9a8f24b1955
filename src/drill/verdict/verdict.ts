import * as v from 'valibot';
import { type Outcome, outcomes, worstOutcome } from '../../contract/outcome.ts';
import { count, maybe, seconds, text } from '../../contract/shape.ts';
import { faultCatalogue } from '../../faults/catalogue.ts';
import type { DrillRecord, Told } from '../record.ts';
import { clientConclusions, clientWrongs } from './clients-verdict.ts';
import { heldTooLong, signIn } from './failover.ts';
import { lostOf, noneLost } from './loss.ts';
import { probeConclusions, probesKept, probesUnfit } from './probes-verdict.ts';
import { targetNames, targetsOf } from './targets.ts';
import {
  boundsOf,
  cameWithin,
  describeBlindness,
  describeTold,
  finalUntold,
  healthyAfter,
  isBlindAtEnd,
  lateRejoin,
  rejoinOf,
} from './told.ts';

export const drillVerdict = v.object({
  outcome: v.picklist(outcomes),
  message: text('One sentence.'),
  rtoSeconds: maybe(seconds("Fault to the monitor's announcement of the promotion.")),
  rejoinSeconds: maybe(seconds('Undo to every node converged and healthy.')),
  /** What follows is undefined where the application's clients were not watched. */
  clientRtoSeconds: maybe(seconds('Fault to the first write acknowledged to a client by the new primary.')),
  writeOutageSeconds: maybe(
    seconds('Last acknowledged write before, to first after; without a promotion the longest pause.'),
  ),
  /** Of clients by the application's own connection string; undefined where nobody went by it. */
  uriRtoSeconds: maybe(seconds('The same to the first write of a client by client-uri.')),
  uriOutageSeconds: maybe(seconds('The same as writeOutageSeconds, of clients by client-uri.')),
  uriAddsSeconds: maybe(
    seconds(
      'How much later they wrote again than those straight to the nodes; without a promotion, how much longer they paused.',
    ),
  ),
  acknowledgedWrites: maybe(count('Writes acknowledged to clients.')),
  writesAtRisk: maybe(count('Of these, by the old primary before the new one took its first.')),
  writesInFlight: maybe(count('Asked of the old primary as long, and left without an answer.')),
  lostWrites: maybe(count('Acknowledged, and gone.')),
  unknownWrites: maybe(count('Neither acknowledged nor certainly not committed.')),
  dualPrimarySeconds: maybe(seconds('For how long both primaries took writes.')),
});

export type DrillVerdict = v.InferOutput<typeof drillVerdict>;

type Conclusion = [Outcome, string];

/** Judges a recorded drill. Pure. */
export function judgeDrill(record: DrillRecord): Required<DrillVerdict> {
  const rtoSeconds = record.promotion?.seconds;
  const found = conclusions(record);
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
    rejoinSeconds: healthyAfter(record)?.seconds,
    clientRtoSeconds: ledger?.clientRtoSeconds,
    // Where nobody took over, writes were out for as long as clients waited longest.
    writeOutageSeconds: rtoSeconds === undefined ? ledger?.longestPauseSeconds : ledger?.writeOutageSeconds,
    ...uriFigures(record),
    acknowledgedWrites: ledger?.acknowledgedWrites,
    writesAtRisk: ledger?.writesAtRisk,
    writesInFlight: ledger?.writesInFlight,
    lostWrites: ledger && lostOf(ledger),
    unknownWrites: ledger?.unknownWrites,
    dualPrimarySeconds: ledger?.dualPrimarySeconds,
  };
}

/** What the application's own way took, and what it took more than the straight one: of RTO, or of the pause without a promotion. */
function uriFigures({ clients, promotion }: DrillRecord) {
  const ledger = clients?.ledger;
  const byUri = ledger?.byUri;
  const isPromoted = promotion !== undefined;
  const [own, direct] = isPromoted
    ? [byUri?.clientRtoSeconds, ledger?.clientRtoSeconds]
    : [byUri?.longestPauseSeconds, ledger?.longestPauseSeconds];
  return {
    uriRtoSeconds: byUri?.clientRtoSeconds,
    uriOutageSeconds: isPromoted ? byUri?.writeOutageSeconds : byUri?.longestPauseSeconds,
    uriAddsSeconds:
      own === undefined || direct === undefined ? undefined : Math.round((own - direct) * 1000) / 1000,
  };
}

/**
 * Whether a drill saw the formation miss more than a target, whatever else became of the drill; not where its fault or
 * its evidence was not what it should have been. Pure.
 */
export function wentWrong(record: DrillRecord): boolean {
  if (record.proof === undefined || record.disturbed !== undefined) return false;
  const isWhole = record.clients?.ledger.inconclusive.length === 0;
  const judged = {
    ...record,
    rtoTargetSeconds: Number.POSITIVE_INFINITY,
    clients: isWhole ? record.clients : undefined,
  };
  const found = [...conclusions(judged), ...clientWrongs(record)];
  return found.some(([kind]) => kind === 'missed');
}

function conclusions(record: DrillRecord): Conclusion[] {
  const found = [...trouble(record), ...unfit(record)];
  const target = targetNames(record);
  if (record.faultAt === undefined || target === '')
    return found.length > 0 ? found : [['error', 'no fault was injected']];
  found.push(...unproven(record, target));
  const asExpected = { failover, none, either, outage }[record.expected];
  found.push(...asExpected(record, faultCatalogue[record.fault].deed(target)));
  found.push(...clientConclusions(record));
  found.push(...probeConclusions(record));
  // Of a formation that nobody watched any more nothing is told.
  if (record.interrupted === undefined && record.undoFailed === undefined) found.push(...afterwards(record));
  return found.length > 0 ? found : [['pass', praise(record, target)]];
}

/** What came between the drill and its end. */
function trouble(record: DrillRecord): Conclusion[] {
  const found: Conclusion[] = [];
  const target = targetNames(record);
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
          ? `${target} ${targetsOf(record).length > 1 ? 'were' : 'was'} brought back, and a failover that had begun may still complete: run check-formation`
          : '';
    found.push(['error', `the drill was interrupted: ${record.interrupted}${undone ? `; ${undone}` : ''}`]);
  }
  return found;
}

/** Why the formation was no place for this fault. */
function unfit(record: DrillRecord): Conclusion[] {
  const { faultAt, held, baseline, impossible, fault } = record;
  const found: Conclusion[] = probesUnfit(record);
  if (held !== undefined) found.push(['unhealthy', `drills are held, nothing was touched: ${held}`]);
  if (faultAt !== undefined && baseline === undefined)
    found.push(['error', 'the formation was not read before the fault, so the drill proves nothing']);
  if (baseline !== undefined && baseline.outcome !== 'pass') {
    found.push([
      baseline.outcome,
      `no drill on a formation ${baseline.outcome === 'error' ? 'whose health cannot be told' : 'that is not healthy'}, nothing was stopped: ${baseline.message}`,
    ]);
  }
  if (impossible !== undefined)
    found.push(['error', `fault not proven: ${fault} cannot be shown here: ${impossible}`]);
  return found;
}

function unproven(record: DrillRecord, target: string): Conclusion[] {
  const { proof, interrupted, disturbed, expected, serving } = record;
  const found: Conclusion[] = [];
  if (proof === undefined && interrupted === undefined)
    found.push(['error', `nothing shows that the fault took hold on ${target}, so the drill proves nothing`]);
  if (disturbed !== undefined) found.push(['error', `${disturbed}, so the drill proves nothing`]);
  if (isBlindAtEnd(record) && interrupted === undefined)
    found.push([
      'error',
      `what the monitor did after the fault cannot be told: ${describeBlindness(record)}`,
    ]);
  // Once a failover has begun, nobody looks at the old primary any more.
  const began = signIn(record) !== undefined;
  if (
    expected === 'none' &&
    proof !== undefined &&
    serving === undefined &&
    interrupted === undefined &&
    record.tripped === undefined &&
    !began
  )
    found.push(['error', 'nobody looked whether the primary went on serving, so the drill proves nothing']);
  return found;
}

function failover(record: DrillRecord, deed: string): Conclusion[] {
  if (record.promotion !== undefined) return late(record, deed);
  // A monitor that was not seen again may have promoted one.
  if (record.interrupted !== undefined || isBlindAtEnd(record)) return [];
  // Nobody waited any longer.
  if (record.tripped !== undefined) return [];
  return [['missed', `no standby was promoted in the ${record.promotionDeadlineSeconds} s after ${deed}`]];
}

function late(record: DrillRecord, deed: string): Conclusion[] {
  const { promotion, rtoTargetSeconds } = record;
  if (promotion === undefined) return [];
  const took = `took over ${describeTold(promotion)} after ${deed}`;
  const blind = describeBlindness(record);
  if (boundsOf(promotion).least < 0)
    return [
      ['error', `whether ${promotion.node} took over before the fault or after it cannot be told: ${blind}`],
    ];
  const inTime = cameWithin(promotion, rtoTargetSeconds);
  if (inTime === true) return [];
  if (inTime === false) return [['missed', `${promotion.node} ${took}; the target is ${rtoTargetSeconds} s`]];
  return [
    [
      'error',
      `whether the target of ${rtoTargetSeconds} s was met cannot be told: ${promotion.node} ${took}${blind && `, as ${blind}`}`,
    ],
  ];
}

function none(record: DrillRecord, deed: string): Conclusion[] {
  const found = unwanted(record, deed);
  if (found.length > 0) return found;
  return record.serving === false
    ? [['missed', `${record.primary} took no writes any more after ${deed}`]]
    : [];
}

/**
 * Nobody can take over while the fault lasts, and nothing is asked of whoever was primary. Once it is undone, a monitor that
 * is up before the primary may have another one take over.
 */
function outage(record: DrillRecord, deed: string): Conclusion[] {
  const { promotion, undoSeconds = Number.POSITIVE_INFINITY } = record;
  const isDuring = (told: Told) => boundsOf(told).most <= undoSeconds;
  return unwanted(
    {
      ...record,
      promotion: promotion !== undefined && isDuring(promotion) ? promotion : undefined,
      announcements: record.announcements.filter(isDuring),
    },
    deed,
  );
}

function unwanted(record: DrillRecord, deed: string): Conclusion[] {
  const { promotion } = record;
  const tooLong = heldTooLong(record);
  if (tooLong !== undefined) return [['error', tooLong]];
  if (promotion !== undefined)
    return [
      [
        'missed',
        `${promotion.node} took over ${describeTold(promotion)} after ${deed}, where no failover should have come of it`,
      ],
    ];
  const sign = signIn(record);
  if (sign !== undefined)
    return [
      [
        'missed',
        `a failover began ${describeTold(sign)} after ${deed}, where none should have come of it: ${sign.node} was to be ${sign.goalState}`,
      ],
    ];
  return [];
}

function either(record: DrillRecord, deed: string): Conclusion[] {
  if (record.promotion !== undefined) return late(record, deed);
  const sign = signIn(record);
  if (record.interrupted !== undefined || record.tripped !== undefined || isBlindAtEnd(record)) return [];
  // Staying primary is serving: one that is down and has no successor is an outage.
  if (sign === undefined)
    return record.serving === false
      ? [['missed', `${record.primary} took no writes any more after ${deed}, and no failover began`]]
      : [];
  return [
    [
      'missed',
      `a failover began ${describeTold(sign)} after ${deed}, and no standby was promoted in the ${record.promotionDeadlineSeconds} s that followed`,
    ],
  ];
}

/** Healthy again, and in the roles that the promotion, or its absence, left. */
function afterwards(record: DrillRecord): Conclusion[] {
  const converged = rejoinOf(record);
  const { final, promotion, primary, handedBack, handBackFailed } = record;
  if (converged === undefined && record.settledUntold !== undefined)
    return [['error', `whether the formation converged in time cannot be told: ${record.settledUntold}`]];
  if (converged === undefined)
    return [['missed', 'the formation did not converge in time after the fault was undone']];
  const untold = finalUntold(record);
  if (untold !== undefined) return [['error', untold]];
  if (final?.outcome !== 'pass')
    return [['missed', `the formation converged but is not healthy: ${final?.message}`]];
  const late = lateRejoin(record);
  if (late !== undefined) return [late];
  // A promotion that was due and did not come is told already.
  if (promotion === undefined && record.expected === 'failover' && record.tripped === undefined) return [];
  if (handBackFailed !== undefined)
    return [['missed', `${primary} could not be made primary again: ${handBackFailed}`]];
  const wanted = handedBack === undefined ? (promotion?.node ?? primary) : primary;
  if (final.primary === wanted) return [];
  return [['missed', `${wanted} should be primary afterwards, and ${final.primary ?? 'no node'} is`]];
}

function praise(record: DrillRecord, target: string): string {
  const { promotion, rtoTargetSeconds, primary, watchSeconds, fault } = record;
  const { deed, lasts } = faultCatalogue[fault];
  const told = rejoinOf(record);
  const rejoin = told === undefined ? '–' : describeTold(told);
  if (record.expected === 'outage') {
    const later = promotion === undefined ? '' : `, when ${promotion.node} took over`;
    return `nobody took over in the ${watchSeconds} s after ${deed(target)}, as was to be expected (${record.because ?? faultCatalogue[fault].because}): the service was out until the undo${later}${kept(record)}; all nodes healthy ${rejoin} after it`;
  }
  if (promotion === undefined) {
    const healthy = lasts === 'a-moment' ? 'afterwards' : `${rejoin} after the undo`;
    return `${primary} stayed primary in the ${watchSeconds} s after ${deed(target)}${kept(record)}; all nodes healthy ${healthy}`;
  }
  const blind = promotion.between === undefined ? '' : describeBlindness(record);
  const unseen = blind && `; ${blind}`;
  const took = `${promotion.node} took over from ${primary} in ${describeTold(promotion)} (target ${rtoTargetSeconds} s${unseen})`;
  const since = lasts === 'a-moment' ? 'that' : 'its return';
  return `${took}${kept(record)}; all nodes healthy ${rejoin} after ${since}`;
}

/** What the clients saw of a drill that went well. */
function kept(record: DrillRecord): string {
  const { clients, promotion } = record;
  const probes = probesKept(record);
  if (clients === undefined) return `${probes}; no clients were watched, so nothing is told of their writes`;
  const { byUri, ...straight } = clients.ledger;
  const figure = ({ clientRtoSeconds, longestPauseSeconds }: typeof straight | NonNullable<typeof byUri>) =>
    (promotion === undefined ? longestPauseSeconds : clientRtoSeconds)?.toFixed(3);
  const byOwnWay = byUri === undefined ? '' : ` (${figure(byUri)} s by client-uri)`;
  const again =
    promotion === undefined
      ? `clients waited ${figure(straight)} s at most${byOwnWay}`
      : `clients wrote again after ${figure(straight)} s${byOwnWay}`;
  return `${probes}, ${again}, and ${noneLost(clients)}`;
}
