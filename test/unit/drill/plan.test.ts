import { describe, expect, it } from 'vitest';
import { planOf } from '../../../src/drill/plan.ts';
import { catalogue, faultNames } from '../../../src/faults/catalogue.ts';
import { decidesWithinMs, ridesOutMs } from '../../../src/formation/detection.ts';
import { timingsProfiles } from '../../../src/formation/timings.ts';

const { fast, balanced, upstream } = timingsProfiles;

describe('how long a drill holds its fault and looks out', () => {
  it('is until the promotion where one is expected, or longer where that is asked for', () => {
    expect(planOf('stop', fast, undefined)).toEqual({ holdMs: 0, watchMs: 0 });
    expect(planOf('network-cut', fast, 30_000)).toEqual({ holdMs: 30_000, watchMs: 0 });
  });

  it("follows the formation's timings where none is expected", () => {
    const held = [fast, balanced, upstream].map(
      (timings) => planOf('standby-stop', timings, undefined).holdMs,
    );
    expect(held).toEqual([10_400, 18_000, 31_000]);
  });

  it.each(faultNames)('outlasts every decision of the monitor that %s should not lead to', (fault) => {
    for (const timings of [fast, balanced, upstream]) {
      const { holdMs, watchMs } = planOf(fault, timings, undefined);
      if (catalogue[fault].expected === 'failover') continue;
      expect(watchMs).toBeGreaterThan(decidesWithinMs(timings));
      expect(watchMs).toBeGreaterThanOrEqual(holdMs);
    }
  });

  it('is never shortened by a short hold, and prolonged by a long one', () => {
    expect(planOf('packet-loss', fast, 2000)).toEqual({ holdMs: 2000, watchMs: 10_400 });
    expect(planOf('packet-loss', fast, 60_000)).toEqual({ holdMs: 60_000, watchMs: 60_000 });
  });

  it('is what the timings ride out for a brief freeze, and refused beyond that', () => {
    expect([fast, balanced, upstream].map(ridesOutMs)).toEqual([3000, 10_000, 18_000]);
    expect(planOf('brief-freeze', fast, undefined).holdMs).toBe(3000);
    expect(planOf('brief-freeze', balanced, 4000).holdMs).toBe(4000);
    expect(() => planOf('brief-freeze', fast, 3001)).toThrow(
      /^input hold-seconds: brief-freeze of 3\.001 s is longer than the 3 s that these timings ride out/,
    );
  });
});
