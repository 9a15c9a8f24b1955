import { describe, expect, it } from 'vitest';
import { humanDuration, now, toSeconds, wallClock } from '../../../src/clock/clock.ts';

describe('a duration', () => {
  it.each([
    [0, 0],
    [1, 0.001],
    [9_799.6, 9.8],
    [53_700.4, 53.7],
    [86_400_000, 86_400],
    [-3000, -3],
  ])('of %d ms is %d s, to the millisecond', (ms, expected) => {
    expect(toSeconds(ms)).toBe(expected);
  });

  it.each([
    [0, '0.00 s'],
    [840, '0.84 s'],
    [9_800, '9.80 s'],
    [12_345, '12.3 s'],
    [119_900, '119.9 s'],
    [125_000, '2 min 5 s'],
    [179_700, '3 min 0 s'],
    [3_600_000, '60 min 0 s'],
  ])('of %d ms reads %s', (ms, expected) => {
    expect(humanDuration(ms)).toBe(expected);
  });
});

describe('a moment', () => {
  it('has a wall-clock stamp in UTC with milliseconds', () => {
    const stamp = wallClock(now());
    expect(stamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Math.abs(Date.parse(stamp) - Date.now())).toBeLessThan(2000);
  });

  it('never goes back', () => {
    const moments = Array.from({ length: 100 }, () => now());
    expect(moments).toEqual([...moments].sort((a, b) => a - b));
  });

  it('and another are as far apart on the wall as on the clock', () => {
    expect(Date.parse(wallClock(5000)) - Date.parse(wallClock(1000))).toBe(4000);
  });
});
