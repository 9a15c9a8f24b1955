import type { DrillRecord } from '../drill/record.ts';
import { wentWrong } from '../drill/verdict/verdict.ts';
import type { Formation } from '../formation/formation.ts';
import type { JudgedDrill } from './campaign-record.ts';
import type { HistoryEntry } from './drill-history.ts';
import { conditionsOf, fingerprint } from './fingerprint.ts';

/**
 * A drill as the history has it. What was measured of a fault that was not proven, or by evidence that is not whole, is
 * not known. Undefined versions stand for what could not be read: such a drill told nothing.
 */
export function entryOf(drill: JudgedDrill, formation: Formation): HistoryEntry {
  const { fault, versions = { postgres: 0, autoFailover: '' } } = drill.record;
  return entryWith(drill, fingerprint(formation, fault, versions, conditionsOf(drill.record)));
}

export function entryWith({ record, verdict }: JudgedDrill, configuration: string): HistoryEntry {
  const orNull = (value: number | undefined) => value ?? null;
  const ledger = record.clients?.ledger;
  const isProven = record.proof !== undefined && record.disturbed === undefined;
  const measured = (value: number | undefined) => (isProven ? orNull(value) : null);
  // Of an outage that lasts until the undo no time is held against a target.
  const timely = (value: number | null) => (record.expected === 'outage' ? null : value);
  const seen = (value: number | undefined) => (ledger?.inconclusive.length === 0 ? measured(value) : null);
  return {
    fingerprint: configuration,
    drill: record.id,
    at: record.startedAt,
    formation: record.formation,
    fault: record.fault,
    outcome: verdict.outcome,
    failover: record.expected === 'failover',
    rtoSeconds: timely(measured(verdict.rtoSeconds)),
    rtoAtMostSeconds: timely(measured(record.promotion?.between?.most)),
    unpromotedSeconds: measured(unpromotedSeconds(record)),
    clientRtoSeconds: timely(seen(verdict.clientRtoSeconds)),
    writeOutageSeconds: timely(seen(verdict.writeOutageSeconds)),
    rejoinSeconds: measured(verdict.rejoinSeconds),
    acknowledgedWrites: orNull(verdict.acknowledgedWrites),
    writesAtRisk: orNull(verdict.writesAtRisk),
    lostWrites: orNull(verdict.lostWrites),
    dualPrimarySeconds: orNull(ledger?.overlapSeconds),
    longestPauseSeconds: timely(seen(ledger?.longestPauseSeconds)),
    // For another reason than its target.
    wrong: wentWrong(record),
  };
}

/** For how long a promotion that was due was looked out for in vain; undefined where one came, or none was due. */
function unpromotedSeconds({
  expected,
  proof,
  promotion,
  tripped,
  undoSeconds,
  blind = [],
}: DrillRecord): number | undefined {
  if (expected !== 'failover' || proof === undefined || promotion !== undefined) return undefined;
  // A probe had its fault undone before anybody had waited for long.
  if (tripped !== undefined) return undefined;
  // What came while nobody saw the monitor is not known.
  const unseen = blind.find(({ to }) => to === undefined)?.from ?? Number.POSITIVE_INFINITY;
  return undoSeconds === undefined ? undefined : Math.max(0, Math.min(undoSeconds, unseen));
}
