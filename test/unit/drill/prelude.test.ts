import { describe, expect, it } from 'vitest';
import { openingBurst, preludePatienceMs } from '../../../src/drill/clients.ts';
import type { DrillOptions } from '../../../src/drill/options.ts';
import { overrunMs } from '../../../src/drill/time-limits.ts';

describe('the clients before the fault', () => {
  it('begin ten times as often, for the writes that must be at risk and for two seconds at most', () => {
    expect(openingBurst({ leastAtRisk: 100, writesPerSecond: 20 })).toEqual({
      writesPerSecond: 200,
      writes: 100,
      limitMs: 2000,
    });
    expect(openingBurst({ leastAtRisk: 100, writesPerSecond: 0.5 })?.writesPerSecond).toBe(5);
  });

  it.each([
    ['nothing need be at risk', { leastAtRisk: 0, writesPerSecond: 20 }],
    ['they write as often as they may already', { leastAtRisk: 100, writesPerSecond: 200 }],
  ])('keep to one pace where %s', (_, asked) => {
    expect(openingBurst(asked)).toBeUndefined();
  });

  it('never write more often than anybody may ask for', () => {
    expect(openingBurst({ leastAtRisk: 1, writesPerSecond: 150 })?.writesPerSecond).toBe(200);
  });

  it('have as much time as without a burst, as a slow database follows none, and the guard waits for them', () => {
    const asked = { leastAtRisk: 100, sessions: 4, writesPerSecond: 20 };
    expect(preludePatienceMs(asked)).toBe(15_000 + 2 * 1000);
    const overrun = (leastAtRisk: number) =>
      overrunMs({ holdMs: 0, watchMs: 0 }, {
        promotionDeadlineMs: 180_000,
        rejoinDeadlineMs: 180_000,
        lockWaitMs: 0,
        holdBackMs: 0,
        clients: { ...asked, leastAtRisk },
      } as DrillOptions);
    // The least that input allows: it takes 300 s, and as much again is left to a slow database.
    expect(overrun(30_000) - overrun(0)).toBe(600_000);
  });
});
