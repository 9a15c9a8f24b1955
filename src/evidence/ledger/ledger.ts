import { setImmediate } from 'node:timers/promises';
import { toSeconds } from '../../clock/clock.ts';
import type { Activity, BurstRecord, LedgerRead, LedgerVerdict, Roles, Throughput } from '../record.ts';
import { type WriteAttempt, WriteAttempts } from '../write-attempts.ts';
import { inOrder, type WriteHistory } from '../write-history.ts';
import { ActivityTally } from './activity.ts';
import { blindSpots } from './blind-spots.ts';
import { UriTally } from './by-uri.ts';
import { burstOf, ThroughputTally } from './pace.ts';
import { HistorySurvey } from './survey.ts';
import { TimesTally } from './times.ts';
import { blindBreaks, breaksOf } from './ways.ts';
import { WritesTally, wrongRows } from './writes.ts';

/** All that a history says of clients. */
export interface JudgedHistory {
  ledger: Required<LedgerVerdict>;
  activity: Activity[];
  burst: BurstRecord | undefined;
  throughput: Throughput;
}

/** So many events at a time: some milliseconds. */
const turn = 2000;

/**
 * Judges every write of a run. Pure: a recorded history is judged again to the same verdict, whatever the
 * order of its events. It goes through them twice, in the order of their moments, and keeps of them what does not grow with
 * writes.
 *
 * @param reads what was read of the run's rows; only those of the primary after the fault count
 */
function* judge(
  history: WriteHistory,
  reads: readonly LedgerRead[],
  roles: Roles,
): Generator<void, JudgedHistory> {
  const events = inOrder(history.events);
  let taken = 0;
  const survey = new HistorySurvey(roles);
  for (const event of events) {
    survey.take(event);
    if (++taken % turn === 0) yield;
  }
  const attempts = new WriteAttempts(survey.openers);
  const writes = new WritesTally(survey, reads);
  const times = new TimesTally(survey);
  const activity = new ActivityTally(roles);
  const throughput = new ThroughputTally(survey);
  const byUri = new UriTally(survey);
  const tallies = [writes, times, byUri, activity, throughput];
  const takeWrite = (attempt: WriteAttempt) => {
    const known = survey.attributed(attempt);
    for (const tally of tallies) tally.takeWrite(known);
  };
  for (const event of events) {
    const attempt = attempts.take(event);
    if (attempt !== undefined) takeWrite(attempt);
    times.takeEvent(event);
    byUri.takeEvent(event);
    if (++taken % turn === 0) yield;
  }
  for (const attempt of attempts.left()) takeWrite(attempt);
  const contradictions = [...new Set([...survey.contradictions, ...attempts.contradictions])].sort();
  return {
    ledger: { ...verdictOf(survey, writes, times, contradictions), byUri: byUri.times },
    activity: activity.activity,
    burst: burstOf(survey),
    throughput: throughput.throughput,
  };
}

function verdictOf(
  survey: HistorySurvey,
  writes: WritesTally,
  times: TimesTally,
  contradictions: readonly string[],
): Omit<Required<LedgerVerdict>, 'byUri'> {
  const blind = blindSpots(survey);
  // What was seen stands; that nothing was seen means nothing where nobody looked.
  const unseen =
    blind.ofSecondPrimary && !times.isDual
      ? { dualPrimarySeconds: undefined, overlapSeconds: undefined }
      : {};
  return {
    ...writes.found,
    overlap: wrongRows(times.overlapping),
    ...times.times,
    ...unseen,
    lateBySeconds: longestStall(survey),
    inconclusive: [
      ...failures(survey),
      ...contradictions.map((what) => `the journal contradicts itself: ${what}`),
      ...blind.told,
      ...writes.missing,
    ],
  };
}

function longestStall(survey: HistorySurvey): number | undefined {
  const stalls = survey.all('stalled').map(({ longestMs }) => longestMs);
  return stalls.length === 0 ? undefined : toSeconds(Math.max(...stalls));
}

function failures(survey: HistorySurvey): string[] {
  const failing = survey.all('failing').map(({ why }) => why);
  return [...new Set([...failing, ...blindBreaks(breaksOf(survey.notable))])].sort();
}

/** At once. */
export function judgedAtOnce(
  history: WriteHistory,
  reads: readonly LedgerRead[],
  roles: Roles,
): JudgedHistory {
  const steps = judge(history, reads, roles);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** So that whoever else is at work gets to run meanwhile: an hour of writes takes many seconds. @throws the signal's reason */
export async function judgedInTurns(
  history: WriteHistory,
  reads: readonly LedgerRead[],
  roles: Roles,
  signal?: AbortSignal,
): Promise<JudgedHistory> {
  const steps = judge(history, reads, roles);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await setImmediate();
    signal?.throwIfAborted();
  }
}

/** The verdict alone, at once. */
export const judgeLedger = (...given: Parameters<typeof judgedAtOnce>): Required<LedgerVerdict> =>
  judgedAtOnce(...given).ledger;
