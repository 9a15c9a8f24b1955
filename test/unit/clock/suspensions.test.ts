import { expect, it } from 'vitest';
import { type Reading, SuspensionWatch } from '../../../src/clock/suspensions.ts';

const told = (...readings: Reading[]) => {
  const found: number[][] = [];
  const left = [...readings];
  const watch = new SuspensionWatch(
    (...suspension) => found.push(suspension),
    () => left.shift() as Reading,
  );
  while (left.length > 1) watch.look();
  watch.stop();
  return found;
};
const reading = (at: number, sinceBoot: number, tookMs = 0): Reading => ({
  asked: at,
  sinceBoot,
  answered: at + tookMs,
});

it('a machine that was suspended is told of, with how long it lasted', () => {
  const found = told(
    reading(1000, 500_000),
    reading(2000, 501_000),
    reading(3000, 562_000),
    reading(4000, 563_000),
  );
  expect(found).toEqual([[3000, 60_000]]);
});

it('a process that did not get to run is none, wherever that was', () => {
  expect(told(reading(1000, 501_000), reading(26_000, 526_010))).toEqual([]);
  // Between one clock and the other.
  expect(told(reading(1000, 501_000, 5000), reading(7000, 507_000))).toEqual([]);
  expect(told(reading(1000, 505_900, 5000), reading(7000, 507_000))).toEqual([]);
  expect(told(reading(1000, 501_000), reading(2000, 506_900, 5000))).toEqual([]);
});

it('this machine, which was not suspended, tells of none', () => {
  const found: number[] = [];
  const watch = new SuspensionWatch((_, lastedMs) => found.push(lastedMs));
  watch.stop();
  expect(found).toEqual([]);
});
