import type { Quantiles } from './campaign-record.ts';

/**
 * What a number of drills says. Drills are taken as independent and alike: they are only as far as the
 * configuration and the load are the same, which is why they are pooled by fingerprint.
 */

/**
 * The smallest value that at least `share` of the sample does not exceed (nearest rank, Hyndman & Fan's type 1):
 * always one that was measured, and never below what interpolation would say.
 * @param share from 0 (exclusive) to 1
 * @throws RangeError for an empty sample or a share out of its range
 */
export function quantile(sample: readonly number[], share: number): number {
  if (!(share > 0 && share <= 1))
    throw new RangeError(`a share lies above 0 and not above 1 (found ${share})`);
  const sorted = sample.toSorted((a, b) => a - b);
  // 0.95 × 20 is 19.000000000000004 here.
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length - 1e-9) - 1)];
  if (value === undefined) throw new RangeError('an empty sample has no quantiles');
  return value;
}

/** Undefined for an empty sample. */
export function quantilesOf(sample: readonly number[]): Quantiles | undefined {
  // Not by Math.min over arguments, of which a long history would have too many.
  const sorted = sample.toSorted((a, b) => a - b);
  const [least] = sorted;
  if (least === undefined) return undefined;
  return {
    n: sample.length,
    least,
    median: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p95: quantile(sorted, 0.95),
    greatest: quantile(sorted, 1),
  };
}

export const confidence = 0.95;

/**
 * The upper bound of the probability that a drill breaches its target, with 95 % confidence, after `breaches` of
 * `drills` did: the one-sided bound of Clopper and Pearson (Biometrika 26, 1934). For none of n it is
 * 1 − 0.05^(1/n), "the rule of three".
 */
export function breachBound(drills: number, breaches: number): number {
  if (drills === 0 || breaches >= drills) return 1;
  if (breaches === 0) return 1 - (1 - confidence) ** (1 / drills);
  let [low, high] = [breaches / drills, 1];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (atMost(breaches, drills, middle) > 1 - confidence) low = middle;
    else high = middle;
  }
  return high;
}

/** The probability of at most k successes in n trials of probability p. */
function atMost(k: number, n: number, p: number): number {
  // Each term from the one before, in logarithms: 0.5^2000 is no number.
  let log = n * Math.log1p(-p);
  let sum = Math.exp(log);
  for (let i = 1; i <= k; i++) {
    log += Math.log((n - i + 1) / i) + Math.log(p) - Math.log1p(-p);
    sum += Math.exp(log);
  }
  return Math.min(1, sum);
}

/** More than anybody will run. */
const mostDrills = 100_000;

/**
 * How many further drills, all within the target, prove with 95 % confidence that `share` of all drills are: 29
 * in all for p90 without a breach, 59 for p95, 299 for p99. 0 when it is proven already.
 */
export function drillsStillNeeded(drills: number, breaches: number, share: number): number {
  const isProven = (n: number) => breachBound(n, breaches) <= 1 - share + 1e-12;
  if (isProven(drills)) return 0;
  let [low, high] = [drills, mostDrills];
  if (!isProven(high)) return Number.POSITIVE_INFINITY;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isProven(middle)) high = middle;
    else low = middle;
  }
  return high - drills;
}
