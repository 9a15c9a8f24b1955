import type { LossSample, Proof, Regression, Sample } from './campaign-record.ts';
import type { HistoryEntry } from './drill-history.ts';
import { breachBound, drillsStillNeeded, quantilesOf } from './statistics.ts';
import { eachOnce } from './usable.ts';

/** Fewer earlier drills say nothing about what is usual. */
const leastBefore = 5;

/** Fewer writes at risk say too little of loss. */
export const usualWritesAtRisk = 100;

export interface ProofOptions {
  /** What every drill is held against, earlier ones too. */
  targetSeconds: number;
  /** How much slower than before the median may be; undefined for no gate. */
  allowedPercent?: number | undefined;
  /** How many a drill must have had, earlier ones too, to count as one that lost none. */
  leastWritesAtRisk?: number | undefined;
  /** Lines of the history that could not be read. */
  unreadable?: number;
}

/**
 * @param entries of this run, all of one fault
 * @param before the whole history before this run
 */
export function proofOf(
  entries: readonly HistoryEntry[],
  before: readonly HistoryEntry[],
  { targetSeconds, allowedPercent, leastWritesAtRisk = usualWritesAtRisk, unreadable = 0 }: ProofOptions,
): Proof {
  const { fault = '', fingerprint = '', formation = '' } = entries[0] ?? {};
  const isAlike = (entry: HistoryEntry) =>
    entry.fingerprint === fingerprint && entry.fault === fault && entry.formation === formation;
  const isWorse = (entry: HistoryEntry, other: HistoryEntry) =>
    badness(entry, targetSeconds) > badness(other, targetSeconds);
  // The drills of this run are as many as they are; the history may hold them by now.
  const ids = new Set(entries.map(({ drill }) => drill));
  const history = eachOnce(before.filter(isAlike), isWorse);
  const alike = history.entries.filter(({ drill }) => !ids.has(drill));
  const sample = (all: readonly HistoryEntry[]) => sampleOf(all, targetSeconds, leastWritesAtRisk);
  const notes = [
    ...(history.repeated > 0
      ? [`${counted(history.repeated, 'line')} of the history repeat a drill, which counts once`]
      : []),
    ...(history.contradicted.length > 0
      ? [
          `the history has several accounts of ${counted(history.contradicted.length, 'drill')} (${shortList(history.contradicted)}): the worst counts`,
        ]
      : []),
    ...(unreadable > 0
      ? [`${counted(unreadable, 'line')} of the history could not be read, and count for nothing`]
      : []),
  ];
  notes.push(...neverNotes([...alike, ...entries].filter((entry) => tells(entry, targetSeconds))));
  const { regression, noRegression } = gate(entries, alike, targetSeconds, allowedPercent);
  return {
    fault,
    fingerprint,
    now: sample(entries),
    pooled: sample([...alike, ...entries]),
    regression,
    ...(noRegression !== undefined && { noRegression }),
    ...(notes.length > 0 && { notes }),
  };
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;
const shortList = (all: readonly string[]) => `${all.slice(0, 3).join(', ')}${all.length > 3 ? ', …' : ''}`;

/** A promotion that never came is no reason to leave its drill out: it took longer than it was waited for. */
const rtoOf = ({ rtoSeconds, failover, unpromotedSeconds }: HistoryEntry) =>
  rtoSeconds ?? (failover ? unpromotedSeconds : null);

/** Nor are clients that were let in by nobody: they waited for as long as their longest pause, and longer. */
const clientTimeOf =
  (key: 'clientRtoSeconds' | 'writeOutageSeconds') =>
  (entry: HistoryEntry): number | null =>
    entry[key] ?? (entry.rtoSeconds === null ? null : entry.longestPauseSeconds);

/** What stands among the times, and would have been more. */
function neverNotes(entries: readonly HistoryEntry[]): string[] {
  const unpromoted = entries.filter((entry) => entry.rtoSeconds === null && rtoOf(entry) !== null).length;
  const shutOut = entries.filter(
    (entry) => entry.clientRtoSeconds === null && clientTimeOf('clientRtoSeconds')(entry) !== null,
  ).length;
  return [
    ...(unpromoted === 0
      ? []
      : [
          `${counted(unpromoted, 'drill')} saw no promotion: the time that it was waited for stands among the RTOs, which would have been more`,
        ]),
    ...(shutOut === 0
      ? []
      : [
          `in ${counted(shutOut, 'drill')} no client wrote on the new primary: the longest pause stands among the clients' times, which would have been more`,
        ]),
  ];
}

const wentWrong = ({ wrong, lostWrites, dualPrimarySeconds }: HistoryEntry) =>
  wrong === true || (lostWrites ?? 0) > 0 || (dualPrimarySeconds ?? 0) > 0;

/** Whether something that was measured is beyond the target, whatever became of the drill afterwards. */
function isLate(entry: HistoryEntry, targetSeconds: number): boolean {
  const { rtoSeconds, rtoAtMostSeconds, clientRtoSeconds } = entry;
  const { longestPauseSeconds, writeOutageSeconds, unpromotedSeconds } = entry;
  return [
    rtoSeconds,
    rtoAtMostSeconds,
    clientRtoSeconds,
    longestPauseSeconds,
    writeOutageSeconds,
    unpromotedSeconds,
  ].some((value) => value !== null && value > targetSeconds);
}

/**
 * Whether a drill says something of the target. One that ended in an error, or never began, does not, unless it saw the
 * formation go wrong or miss the target before that. One without a failover says it by what clients waited, and nothing
 * where none were watched.
 */
function tells(entry: HistoryEntry, targetSeconds: number): boolean {
  if (wentWrong(entry) || isLate(entry, targetSeconds)) return true;
  if (entry.outcome === 'missed') return true;
  if (entry.outcome !== 'pass') return false;
  const { failover, rtoSeconds, longestPauseSeconds, writeOutageSeconds } = entry;
  return failover || rtoSeconds !== null || longestPauseSeconds !== null || writeOutageSeconds !== null;
}

/** Whether a drill breaches what is asked: too slow, a write lost, two primaries, or whatever else was missed. */
export function breaches(entry: HistoryEntry, targetSeconds: number): boolean {
  if (wentWrong(entry) || isLate(entry, targetSeconds)) return true;
  if (entry.failover && entry.rtoSeconds === null) return true;
  if (entry.outcome !== 'missed') return false;
  // Missed because of a target that was narrower then; or, as far as earlier releases tell, for another reason.
  return entry.rejoinSeconds === null || entry.wrong === null;
}

function badness(entry: HistoryEntry, targetSeconds: number): number {
  if (!tells(entry, targetSeconds)) return 1;
  if (!breaches(entry, targetSeconds)) return 0;
  return (entry.lostWrites ?? 0) > 0 ? 3 : 2;
}

function lossOf(entries: readonly HistoryEntry[], leastWritesAtRisk: number): LossSample {
  const lost = entries.filter(({ lostWrites }) => (lostWrites ?? 0) > 0).length;
  const kept = entries.filter(
    ({ outcome, lostWrites, writesAtRisk }) =>
      (outcome === 'pass' || outcome === 'missed') &&
      lostWrites === 0 &&
      writesAtRisk !== null &&
      writesAtRisk >= leastWritesAtRisk,
  ).length;
  return { drills: lost + kept, losses: lost, lossAtMost: breachBound(lost + kept, lost), leastWritesAtRisk };
}

function sampleOf(all: readonly HistoryEntry[], targetSeconds: number, leastWritesAtRisk: number): Sample {
  const entries = all.filter((entry) => tells(entry, targetSeconds));
  const drills = entries.length;
  const breached = entries.filter((entry) => breaches(entry, targetSeconds)).length;
  const of = (time: (entry: HistoryEntry) => number | null) =>
    quantilesOf(entries.flatMap((entry) => time(entry) ?? []));
  return {
    drills,
    leftOut: all.length - drills,
    breaches: breached,
    ...boundsOf(drills, breached),
    rto: of(rtoOf),
    clientRto: of(clientTimeOf('clientRtoSeconds')),
    writeOutage: of(clientTimeOf('writeOutageSeconds')),
    rejoin: of(({ rejoinSeconds }) => rejoinSeconds),
    loss: lossOf(all, leastWritesAtRisk),
  };
}

function boundsOf(drills: number, breached: number): Pick<Sample, 'breachAtMost' | 'stillNeeded'> {
  return {
    breachAtMost: breachBound(drills, breached),
    stillNeeded: {
      p95: drillsStillNeeded(drills, breached, 0.95),
      p99: drillsStillNeeded(drills, breached, 0.99),
    },
  };
}

/** A sample with what follows from its counts, whatever it was told to be. */
export function boundedBy(sample: Sample): Sample {
  const { drills, breaches: breached, loss } = sample;
  return {
    ...sample,
    ...boundsOf(drills, breached),
    ...(loss && { loss: { ...loss, lossAtMost: breachBound(loss.drills, loss.losses) } }),
  };
}

export function isSlower({ nowSeconds, beforeSeconds, allowedPercent }: Omit<Regression, 'failed'>): boolean {
  return nowSeconds > beforeSeconds * (1 + allowedPercent / 100);
}

function gate(
  now: readonly HistoryEntry[],
  before: readonly HistoryEntry[],
  targetSeconds: number,
  allowedPercent: number | undefined,
): Pick<Proof, 'regression' | 'noRegression'> {
  if (allowedPercent === undefined) return { regression: undefined };
  const rto = (all: readonly HistoryEntry[]) =>
    quantilesOf(all.filter((entry) => tells(entry, targetSeconds)).flatMap((entry) => rtoOf(entry) ?? []));
  const [own, earlier] = [rto(now), rto(before)];
  if (own === undefined) return { regression: undefined, noRegression: 'this run measured no RTO' };
  if (earlier === undefined || earlier.n < leastBefore)
    return {
      regression: undefined,
      noRegression: `of ${leastBefore} earlier drills that are needed there are ${earlier?.n ?? 0}`,
    };
  const compared = { nowSeconds: own.median, beforeSeconds: earlier.median, allowedPercent };
  return { regression: { ...compared, failed: isSlower(compared) } };
}

/** An upper bound, rounded up: what is told is no less than what is proven. */
export function percent(bound: number): string {
  const digits = bound < 0.1 ? 1 : 0;
  return `${roundedUp(bound * 100, digits).toFixed(digits)} %`;
}

/** @param digits after the point */
export function roundedUp(bound: number, digits: number): number {
  const unit = 10 ** digits;
  // 0.95 × 100 is 95.00000000000001 in some places.
  return Math.ceil(bound * unit - 1e-9) / unit;
}

/** The proof in sentences. */
export function proofLines({ fault, now, pooled, regression, noRegression, notes = [] }: Proof): string[] {
  const lines = [];
  const history = pooled.drills - now.drills;
  const drills = `${counted(pooled.drills, 'drill')}${history > 0 ? ` (${history} of them earlier)` : ''}`;
  const met =
    pooled.breaches === 0
      ? 'none breached its target'
      : `${pooled.breaches} breached ${pooled.breaches === 1 ? 'its' : 'their'} target`;
  lines.push(
    pooled.drills === 0
      ? `${fault}: nothing is proven of the target: no drill measured what it speaks of`
      : `${fault}: ${drills}, ${met}: at 95 % confidence at most ${percent(pooled.breachAtMost)} of all would`,
  );
  if (pooled.drills > 0 && (pooled.leftOut ?? 0) > 0)
    lines.push(
      `${fault}: ${counted(pooled.leftOut ?? 0, 'drill')} not counted, as they could not be judged or measured nothing`,
    );
  const { p95, p99 } = pooled.stillNeeded;
  const further = [
    ['95 %', p95],
    ['99 %', p99],
  ].flatMap(([share, count]) => (count === 0 ? [] : [`${count} more without a breach for ${share}`]));
  lines.push(
    further.length === 0
      ? `${fault}: proven for 99 % of all drills`
      : `${fault}: still needed to prove the target: ${further.join(', ')}`,
  );
  if (pooled.loss) lines.push(`${fault}: ${lossLine(pooled.loss)}`);
  if (regression)
    lines.push(
      `${fault}: median RTO ${regression.nowSeconds.toFixed(3)} s against ${regression.beforeSeconds.toFixed(3)} s before (${regression.failed ? 'more' : 'not more'} than ${regression.allowedPercent} % slower)`,
    );
  if (noRegression !== undefined)
    lines.push(`${fault}: the RTO was not compared with earlier ones: ${noRegression}`);
  lines.push(...notes.map((note) => `${fault}: ${note}`));
  return lines;
}

/** Only what was at risk could be lost: a drill without clients, or with few writes, says nothing of it. */
function lossLine({ drills, losses, lossAtMost, leastWritesAtRisk }: LossSample): string {
  if (drills === 0)
    return `nothing is proven of lost writes: no drill had as many as ${leastWritesAtRisk} at risk`;
  const found = losses === 0 ? 'none lost any' : `${losses} lost some`;
  return `of ${counted(drills, 'drill')} with at least ${leastWritesAtRisk} writes at risk ${found}: at 95 % confidence at most ${percent(lossAtMost)} of all would`;
}
