import { describe, expect, it } from 'vitest';
import { type ClockReading, clockSetBy, dated } from '../../../src/monitor/dating.ts';

/** The monitor's clock is ahead of ours by so much. */
const ahead = 1_700_000_000_000;
const look = (asked: number, tookMs = 4, offset = ahead): ClockReading => ({
  asked,
  answered: asked + tookMs,
  clock: asked + tookMs / 2 + offset,
});

describe('what happened while nobody listened', () => {
  const seen = { before: look(13_000), after: look(33_000) };

  it('has the time that the monitor wrote down, good to the round trips and its transaction', () => {
    const { at, between } = dated(25_300 + ahead, seen, undefined, 500);
    expect(at).toBeCloseTo(25_300, 3);
    expect(between.least).toBeCloseTo(25_298, 3);
    expect(between.most).toBeCloseTo(25_802, 3);
  });

  it('lies between the readings on both sides, whatever the clock says', () => {
    const { between } = dated(32_900 + ahead, seen, undefined, 500);
    expect(between.most).toBe(seen.after.answered);
    expect(dated(13_000 + ahead - 1, seen, undefined, 500).between.least).toBe(13_000);
  });

  it('may lie anywhere between what the clock says before and after it was set', () => {
    const after = look(33_000, 4, ahead + 6000);
    const { between } = dated(25_300 + ahead + 6000, { before: seen.before, after }, undefined, 500);
    expect(between.least).toBeLessThanOrEqual(25_300);
    expect(between.most).toBeGreaterThanOrEqual(31_300);
  });

  it('lies anywhere between the readings where the clock says what cannot be', () => {
    const { at, between } = dated(99_000 + ahead, seen, undefined, 500);
    expect(between).toEqual({ least: 13_000, most: seen.after.answered });
    expect(at).toBe(seen.after.answered);
  });
});

describe('what was heard of', () => {
  it('happened when it was heard of, where that was at once', () => {
    const seen = { before: look(9500), after: look(10_000) };
    expect(dated(9900 + ahead, seen, 9906, 500).at).toBe(9906);
  });

  it('happened when the monitor wrote it down, where this process did not get to run', () => {
    const seen = { before: look(13_000), after: look(38_010) };
    const { at, between } = dated(25_300 + ahead, seen, 38_000, 500);
    expect(at).toBeCloseTo(25_300, 3);
    expect(between.most).toBeLessThan(25_900);
  });

  it('waited for its turn, where the readings before did not show it', () => {
    const seen = { before: look(13_000), after: look(13_500) };
    expect(dated(9000 + ahead, seen, 13_400, 500)).toEqual({
      at: 13_400,
      between: { least: 13_000, most: 13_400 },
    });
  });
});

it('a clock that was set is noticed, and one that drifts is not', () => {
  const before = look(0);
  expect(clockSetBy({ before, after: look(20_000) })).toBe(0);
  expect(clockSetBy({ before, after: look(20_000, 4, ahead + 9) })).toBe(0);
  expect(clockSetBy({ before, after: look(20_000, 4, ahead + 2000) })).toBeGreaterThan(1900);
  expect(clockSetBy({ before, after: look(20_000, 4, ahead - 2000) })).toBeLessThan(-1900);
  expect(clockSetBy({ before, after: look(20_000, 3000) })).toBe(0);
});
