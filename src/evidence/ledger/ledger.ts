import { toSeconds } from '../../clock/clock.ts';
import type { LedgerRead, LedgerVerdict, Roles, RowRanges, WrongRows } from '../record.ts';
import {
  countRows,
  firstRanges,
  holdsRow,
  orderly,
  partsOf,
  type RowKey,
  rangesOf,
  rowsWithout,
} from '../rows.ts';
import { type WriteAttempt, writeAttemptsOf } from '../write-attempts.ts';
import { isWitness, type WriteHistory } from '../write-history.ts';
import { writesAtRisk } from './at-risk.ts';
import { blindSpots } from './blind-spots.ts';
import { attributed, uriTimes } from './by-uri.ts';
import { timesOf } from './times.ts';
import { blindBreaks, breaksOf } from './ways.ts';

const mostRangesTold = 1000;

/**
 * Judges every write of a run. Pure: a recorded history is judged again to the same verdict, whatever the
 * order of its events.
 *
 * @param reads what was read of the run's rows; only those of the primary after the fault count
 */
export function judgeLedger(
  history: WriteHistory,
  reads: readonly LedgerRead[],
  roles: Roles,
): Required<LedgerVerdict> {
  const { byKey, contradictions } = writeAttemptsOf(history);
  const attempts = attributed([...byKey.values()], roles);
  const clients = attempts.filter(({ actor }) => actor !== 'local-witness');
  const acknowledged = clients.filter(({ outcome }) => outcome === 'acknowledged');
  const unknown = clients.filter(({ outcome }) => outcome === 'unknown');
  const counted = countedReads(reads, roles);
  const last = counted.at(-1);

  const times = timesOf(history, attempts, roles);
  const blind = blindSpots(history, roles);
  // What was seen stands; that nothing was seen means nothing where nobody looked.
  const unseen =
    blind.ofSecondPrimary && times.late.length === 0
      ? { dualPrimarySeconds: undefined, overlapSeconds: undefined }
      : {};
  const atRisk = writesAtRisk(attempts, roles, times.newTook);
  const unverified = acknowledged.filter(({ endedAt = 0 }) => last === undefined || endedAt > last.startedAt);
  return {
    acknowledgedWrites: acknowledged.length,
    failedWrites: clients.filter(({ outcome }) => outcome === 'failed').length,
    unknownWrites: unknown.length,
    writesAtRisk: atRisk.acknowledged.length,
    writesInFlight: atRisk.inFlight.length,
    unknownPresent: unknown.filter((attempt) => last !== undefined && holdsRow(last.rows, attempt)).length,
    lost: wrongRows(rangesOf(counted.flatMap((read) => lostIn(read, acknowledged)))),
    phantoms: wrongRows(unionOf(counted.map((read) => phantomsIn(read, attempts)))),
    vanished: wrongRows(rangesOf(vanishedFrom(counted, unknown))),
    overlap: wrongRows(rangesOf(times.late.filter(({ actor }) => actor !== 'local-witness'))),
    unverifiedWrites: unverified.length,
    ...times.told,
    ...unseen,
    byUri: uriTimes(history, attempts, roles),
    lateBySeconds: longestStall(history),
    inconclusive: [
      ...failures(history),
      ...contradictions.map((what) => `the journal contradicts itself: ${what}`),
      ...blind.told,
      ...missingEvidence(attempts, roles, last, unverified.length),
    ],
  };
}

function countedReads(reads: readonly LedgerRead[], { faultAt, oldPrimary, newPrimary }: Roles) {
  const primary = newPrimary ?? oldPrimary;
  return reads
    .filter(({ node, startedAt, inRecovery }) => node === primary && startedAt > faultAt && !inRecovery)
    .map((read) => ({ ...read, rows: orderly(partsOf(read.rows)) }))
    .sort((one, other) => one.startedAt - other.startedAt);
}

function lostIn({ startedAt, rows }: LedgerRead, acknowledged: readonly WriteAttempt[]): RowKey[] {
  return acknowledged.filter(
    (attempt) => (attempt.endedAt ?? startedAt) <= startedAt && !holdsRow(rows, attempt),
  );
}

function phantomsIn({ endedAt, rows }: LedgerRead, attempts: readonly WriteAttempt[]): RowRanges {
  const possible = attempts.filter(({ outcome, invokedAt }) => outcome !== 'failed' && invokedAt <= endedAt);
  return rowsWithout(rows, possible);
}

const unionOf = (ranges: readonly RowRanges[]) => orderly(ranges.flatMap((each) => [...partsOf(each)]));

function vanishedFrom(counted: readonly LedgerRead[], unknown: readonly WriteAttempt[]): RowKey[] {
  return unknown.filter((attempt) => {
    const seen = counted.findIndex(({ rows }) => holdsRow(rows, attempt));
    return seen >= 0 && counted.slice(seen).some(({ rows }) => !holdsRow(rows, attempt));
  });
}

function wrongRows(rows: RowRanges): WrongRows {
  return { count: countRows(rows), rows: firstRanges(rows, mostRangesTold) };
}

function longestStall({ events }: WriteHistory): number | undefined {
  const longestMs = events.reduce<number | undefined>(
    (most, event) => (event.kind === 'stalled' ? Math.max(most ?? 0, event.longestMs) : most),
    undefined,
  );
  return longestMs === undefined ? undefined : toSeconds(longestMs);
}

function failures({ events }: WriteHistory): string[] {
  const failing = events.filter((event) => event.kind === 'failing').map(({ why }) => why);
  return [...new Set([...failing, ...blindBreaks(breaksOf(events))])].sort();
}

function missingEvidence(
  attempts: readonly WriteAttempt[],
  { faultAt, oldPrimary, newPrimary }: Roles,
  last: LedgerRead | undefined,
  unverified: number,
): string[] {
  const acknowledgedBefore = (wanted: (attempt: WriteAttempt) => boolean) =>
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
  if (newPrimary !== undefined && !acknowledgedBefore(({ actor }) => isWitness(actor)))
    missing.push(`no witness wrote on ${oldPrimary} before the fault, so nothing tells of a second primary`);
  if (last === undefined)
    missing.push(`the rows on ${newPrimary ?? oldPrimary} were not read after the fault`);
  else if (unverified > 0)
    missing.push(`${unverified} acknowledged writes are newer than the last read of their rows`);
  return missing;
}
