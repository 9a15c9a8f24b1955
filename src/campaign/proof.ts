import type { HistoryEntry } from './history.ts';
import { breachBound, drillsStillNeeded, type Quantiles, quantilesOf } from './statistics.ts';

/** What the drills of one configuration and fault prove, those of this run and of earlier ones. Plain data. */
export interface Proof {
  fault: string;
  fingerprint: string;
  /** Of this run alone. */
  now: Sample;
  /** Of this run and the history together. */
  pooled: Sample;
  /** Undefined where no gate was asked for, or there is nothing to compare. */
  regression: Regression | undefined;
}

export interface Sample {
  /** Drills that tell something: those that could not be judged are left out. */
  drills: number;
  breaches: number;
  /** At 95 %, no more than this share of all drills breaches the target. */
  breachAtMost: number;
  /** Further drills within the target that would prove it for 95 % and for 99 % of all drills. */
  stillNeeded: { p95: number; p99: number };
  rto: Quantiles | undefined;
  clientRto: Quantiles | undefined;
  writeOutage: Quantiles | undefined;
  rejoin: Quantiles | undefined;
}

export interface Regression {
  /** Median RTO of this run, and of the history before it. */
  nowSeconds: number;
  beforeSeconds: number;
  allowedPercent: number;
  failed: boolean;
}

/** Fewer earlier drills say nothing about what is usual. */
const leastBefore = 5;

/**
 * @param entries of this run, all of one fault
 * @param before the whole history before this run
 * @param targetSeconds what every drill is held against, earlier ones too
 * @param allowedPercent how much slower than before the median may be; undefined for no gate
 */
export function proofOf(
  entries: readonly HistoryEntry[],
  before: readonly HistoryEntry[],
  targetSeconds: number,
  allowedPercent: number | undefined,
): Proof {
  const { fault = '', fingerprint = '' } = entries[0] ?? {};
  const told = (all: readonly HistoryEntry[]) => all.filter(tells);
  const alike = told(before.filter((entry) => entry.fingerprint === fingerprint));
  const own = told(entries);
  const regression = regressionOf(own, alike, allowedPercent);
  return {
    fault,
    fingerprint,
    now: sampleOf(own, targetSeconds),
    pooled: sampleOf([...alike, ...own], targetSeconds),
    regression,
  };
}

/** One that ended in an error, or never began, says nothing of the formation's failover, unless it saw it go wrong. */
const tells = (entry: HistoryEntry) =>
  entry.outcome === 'pass' || entry.outcome === 'missed' || wentWrong(entry);

const wentWrong = ({ wrong, lostWrites, dualPrimarySeconds }: HistoryEntry) =>
  wrong || (lostWrites ?? 0) > 0 || (dualPrimarySeconds ?? 0) > 0;

/** Whether a drill breaches what is asked: too slow, a write lost, two primaries, or whatever else was missed. */
export function breaches(entry: HistoryEntry, targetSeconds: number): boolean {
  const { failover, rtoSeconds, clientRtoSeconds, longestPauseSeconds } = entry;
  const late = (value: number | null) => value !== null && value > targetSeconds;
  if (wentWrong(entry)) return true;
  if (!failover) return entry.outcome !== 'pass';
  if (rtoSeconds === null || late(rtoSeconds) || late(clientRtoSeconds) || late(longestPauseSeconds))
    return true;
  // Missed for another reason than a target that was narrower then.
  return entry.outcome === 'missed' && entry.rejoinSeconds === null;
}

function sampleOf(entries: readonly HistoryEntry[], targetSeconds: number): Sample {
  const drills = entries.length;
  const breached = entries.filter((entry) => breaches(entry, targetSeconds)).length;
  const of = (key: 'rtoSeconds' | 'clientRtoSeconds' | 'writeOutageSeconds' | 'rejoinSeconds') =>
    quantilesOf(entries.flatMap((entry) => entry[key] ?? []));
  return {
    drills,
    breaches: breached,
    breachAtMost: breachBound(drills, breached),
    stillNeeded: {
      p95: drillsStillNeeded(drills, breached, 0.95),
      p99: drillsStillNeeded(drills, breached, 0.99),
    },
    rto: of('rtoSeconds'),
    clientRto: of('clientRtoSeconds'),
    writeOutage: of('writeOutageSeconds'),
    rejoin: of('rejoinSeconds'),
  };
}

function regressionOf(
  now: readonly HistoryEntry[],
  before: readonly HistoryEntry[],
  allowedPercent: number | undefined,
): Regression | undefined {
  if (allowedPercent === undefined) return undefined;
  const rto = (all: readonly HistoryEntry[]) => quantilesOf(all.flatMap((entry) => entry.rtoSeconds ?? []));
  const [own, earlier] = [rto(now), rto(before)];
  if (own === undefined || earlier === undefined || earlier.n < leastBefore) return undefined;
  return {
    nowSeconds: own.median,
    beforeSeconds: earlier.median,
    allowedPercent,
    failed: own.median > earlier.median * (1 + allowedPercent / 100),
  };
}

export const percent = (share: number) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;

/** The proof in sentences. */
export function proofLines({ fault, now, pooled, regression }: Proof): string[] {
  const lines = [];
  const history = pooled.drills - now.drills;
  const drills = `${pooled.drills} drill${pooled.drills === 1 ? '' : 's'}${history > 0 ? ` (${history} of them earlier)` : ''}`;
  const met =
    pooled.breaches === 0
      ? 'none breached its target'
      : `${pooled.breaches} breached ${pooled.breaches === 1 ? 'its' : 'their'} target`;
  lines.push(
    `${fault}: ${drills}, ${met}: at 95 % confidence at most ${percent(pooled.breachAtMost)} of all would`,
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
  if (regression)
    lines.push(
      `${fault}: median RTO ${regression.nowSeconds.toFixed(3)} s against ${regression.beforeSeconds.toFixed(3)} s before (${regression.failed ? 'more' : 'not more'} than ${regression.allowedPercent} % slower)`,
    );
  return lines;
}
