import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { breachBound, drillsStillNeeded, quantile, quantilesOf } from '../../../src/campaign/statistics.ts';

describe('quantiles of a sample', () => {
  it('are values that were measured, by nearest rank', () => {
    const sample = Array.from({ length: 20 }, (_, index) => index + 1);
    expect(quantilesOf(sample)).toEqual({ n: 20, least: 1, median: 10, p90: 18, p95: 19, greatest: 20 });
    expect(quantile([3], 0.01)).toBe(3);
    expect(quantilesOf([])).toBeUndefined();
  });

  it('leave at least their share of the sample below or at them, and one value fewer does not', () => {
    const samples = fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 100 }), (sample, percent) => {
        const value = quantile(sample, percent / 100);
        expect(sample).toContain(value);
        const below = sample.filter((each) => each <= value).length;
        expect(below * 100).toBeGreaterThanOrEqual(percent * sample.length - 1e-6);
        const under = sample.filter((each) => each < value).length;
        expect(under * 100).toBeLessThan(percent * sample.length + 1e-6);
      }),
    );
  });

  it.each([0, -0.1, 1.01, Number.NaN])('know no share of %d', (share) => {
    expect(() => quantile([1], share)).toThrow(RangeError);
  });
});

describe('the bound of the breach probability at 95 %', () => {
  // Clopper and Pearson's one-sided bounds, as R's binom.test(k, n, alternative = "less") has them.
  it.each([
    [1, 0, 0.95],
    [10, 0, 0.258866],
    [29, 0, 0.098145],
    [59, 0, 0.049512],
    [299, 0, 0.009969],
    [10, 1, 0.394163],
    [20, 2, 0.282619],
    [100, 5, 0.10225],
    [1000, 10, 0.016896],
    [0, 0, 1],
    [3, 3, 1],
  ])('of %d drills with %d breaches', (drills, breaches, bound) => {
    expect(breachBound(drills, breaches)).toBeCloseTo(bound, 4);
  });

  it('falls with every drill that keeps the target and rises with every breach', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 0, max: 30 }), (drills, some) => {
        const breaches = Math.min(some, drills - 1);
        const bound = breachBound(drills, breaches);
        expect(bound).toBeGreaterThan(breaches / drills);
        expect(breachBound(drills + 1, breaches)).toBeLessThan(bound);
        expect(breachBound(drills, breaches + 1)).toBeGreaterThanOrEqual(bound);
      }),
    );
  });
});

describe('the drills still needed', () => {
  it.each([
    [0.9, 29],
    [0.95, 59],
    [0.99, 299],
  ])('for %d are %d in all without a breach', (share, drills) => {
    expect(drillsStillNeeded(0, 0, share)).toBe(drills);
    expect(drillsStillNeeded(10, 0, share)).toBe(drills - 10);
    expect(drillsStillNeeded(drills, 0, share)).toBe(0);
    expect(drillsStillNeeded(drills - 1, 0, share)).toBe(1);
  });

  it('are more after a breach, and just enough', () => {
    const needed = drillsStillNeeded(10, 1, 0.95);
    expect(breachBound(10 + needed, 1)).toBeLessThanOrEqual(0.05);
    expect(breachBound(9 + needed, 1)).toBeGreaterThan(0.05);
    expect(needed).toBe(93 - 10);
  });
});
