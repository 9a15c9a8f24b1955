import { type Moment, seconds } from '../clock/clock.ts';
import { type Attempt, attemptsOf, keyOf } from './attempts.ts';
import type { History } from './history.ts';
import { countRows, holdsRow, type RowKey, type RowRanges, rangesOf, rowsIn } from './rows.ts';
import { type Scene, type Times, timesOf } from './times.ts';

/** The rows of a run that stood on a node, read between two moments. */
export interface LedgerRead {
  node: string;
  startedAt: Moment;
  endedAt: Moment;
  /** A standby may lag behind, so what it lacks is not lost. */
  inRecovery: boolean;
  rows: RowRanges;
}

export interface Finding {
  count: number;
  rows: RowRanges;
}

/** What the writes prove. Plain data; times are seconds with millisecond precision. */
export interface LedgerVerdict extends Times {
  /** Writes by the application's way in. Those of the local witness, which wait for no standby, do not count. */
  acknowledgedWrites: number;
  failedWrites: number;
  unknownWrites: number;
  /** Unknown writes that stood in the last read. */
  unknownPresent: number;
  /** Acknowledged before a read of the primary after the fault, and absent from it. */
  lost: Finding;
  /** In such a read, though never sent, sent only later, or certainly not committed. */
  phantoms: Finding;
  /** Not acknowledged, in such a read, and absent from a later one: clients saw what then was not. */
  vanished: Finding;
  /**
   * Acknowledged to a client by the old primary on its old timeline, and sent after the new primary's first
   * acknowledgement: two primaries took the application's writes.
   */
  overlap: Finding;
  /** Acknowledged since the last read began, so that nothing tells whether they are lost. */
  unverifiedWrites: number;
  /**
   * By how much a moment may be late: the longest time for which the process that wrote and listened did not get to
   * run. A late first acknowledgement of the new primary makes for a longer RTO, and a shorter overlap.
   */
  lateBySeconds: number | undefined;
  /** Why the verdict is not the whole truth, one sentence each; none of this may pass. */
  inconclusive: string[];
}

/**
 * Judges every write of a run. Pure: a recorded history is judged again to the same verdict, whatever the
 * order of its events.
 *
 * @param reads what was read of the run's rows; only those of the primary after the fault count
 */
export function judgeLedger(history: History, reads: readonly LedgerRead[], scene: Scene): LedgerVerdict {
  const { byKey, contradictions } = attemptsOf(history);
  const attempts = [...byKey.values()];
  const clients = attempts.filter(({ actor }) => actor !== 'local-witness');
  const acknowledged = clients.filter(({ outcome }) => outcome === 'acknowledged');
  const unknown = clients.filter(({ outcome }) => outcome === 'unknown');
  const counted = countedReads(reads, scene);
  const last = counted.at(-1);

  const times = timesOf(history, attempts, scene);
  const unverified = acknowledged.filter(({ endedAt = 0 }) => last === undefined || endedAt > last.startedAt);
  return {
    acknowledgedWrites: acknowledged.length,
    failedWrites: clients.filter(({ outcome }) => outcome === 'failed').length,
    unknownWrites: unknown.length,
    unknownPresent: unknown.filter((attempt) => last !== undefined && holdsRow(last.rows, attempt)).length,
    lost: finding(counted.flatMap((read) => lostIn(read, acknowledged))),
    phantoms: finding(counted.flatMap((read) => phantomsIn(read, byKey))),
    vanished: finding(vanishedFrom(counted, unknown)),
    overlap: finding(times.late.filter(({ actor }) => actor !== 'local-witness')),
    unverifiedWrites: unverified.length,
    ...times.told,
    lateBySeconds: longestStall(history),
    inconclusive: [
      ...failures(history),
      ...contradictions.map((what) => `the journal contradicts itself: ${what}`),
      ...missingEvidence(attempts, scene, last, unverified.length),
    ],
  };
}

function countedReads(reads: readonly LedgerRead[], { faultAt, oldPrimary, newPrimary }: Scene) {
  const primary = newPrimary ?? oldPrimary;
  return reads
    .filter(({ node, startedAt, inRecovery }) => node === primary && startedAt > faultAt && !inRecovery)
    .sort((one, other) => one.startedAt - other.startedAt);
}

function lostIn({ startedAt, rows }: LedgerRead, acknowledged: readonly Attempt[]): RowKey[] {
  return acknowledged.filter(
    (attempt) => (attempt.endedAt ?? startedAt) <= startedAt && !holdsRow(rows, attempt),
  );
}

function phantomsIn({ endedAt, rows }: LedgerRead, byKey: ReadonlyMap<string, Attempt>): RowKey[] {
  return [...rowsIn(rows)].filter((row) => {
    const attempt = byKey.get(keyOf(row));
    return attempt === undefined || attempt.outcome === 'failed' || attempt.invokedAt > endedAt;
  });
}

function vanishedFrom(counted: readonly LedgerRead[], unknown: readonly Attempt[]): RowKey[] {
  return unknown.filter((attempt) => {
    const seen = counted.findIndex(({ rows }) => holdsRow(rows, attempt));
    return seen >= 0 && counted.slice(seen).some(({ rows }) => !holdsRow(rows, attempt));
  });
}

function finding(keys: readonly RowKey[]): Finding {
  const rows = rangesOf(keys);
  return { count: countRows(rows), rows };
}

function longestStall({ events }: History): number | undefined {
  const stalls = events.flatMap((event) => (event.kind === 'stalled' ? [event.longestMs] : []));
  return stalls.length === 0 ? undefined : seconds(Math.max(...stalls));
}

function failures({ events }: History): string[] {
  return [...new Set(events.filter((event) => event.kind === 'failing').map(({ why }) => why))].sort();
}

function missingEvidence(
  attempts: readonly Attempt[],
  { faultAt, oldPrimary, newPrimary }: Scene,
  last: LedgerRead | undefined,
  unverified: number,
): string[] {
  const acknowledgedBefore = (wanted: (attempt: Attempt) => boolean) =>
    attempts.some(
      (attempt) =>
        attempt.node === oldPrimary &&
        attempt.outcome === 'acknowledged' &&
        (attempt.endedAt ?? faultAt) < faultAt &&
        wanted(attempt),
    );
  const missing: string[] = [];
  if (!acknowledgedBefore(({ actor }) => actor === 'application'))
    missing.push(`no write of the application was acknowledged by ${oldPrimary} before the fault`);
  if (newPrimary !== undefined && !acknowledgedBefore(({ actor }) => actor !== 'application'))
    missing.push(`no witness wrote on ${oldPrimary} before the fault, so nothing tells of a second primary`);
  if (last === undefined)
    missing.push(`the rows on ${newPrimary ?? oldPrimary} were not read after the fault`);
  else if (unverified > 0)
    missing.push(`${unverified} acknowledged writes are newer than the last read of their rows`);
  return missing;
}
