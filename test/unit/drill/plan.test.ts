import { describe, expect, it } from 'vitest';
import { onRelease, planOf } from '../../../src/drill/plan.ts';
import { faultCatalogue, faultNames } from '../../../src/faults/catalogue.ts';
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
      if (faultCatalogue[fault].expected === 'failover') continue;
      expect(watchMs).toBeGreaterThan(decidesWithinMs(timings));
      expect(watchMs).toBeGreaterThanOrEqual(holdMs);
    }
  });

  it('is never shortened by a short hold, and prolonged by a long one', () => {
    expect(planOf('packet-loss', fast, 2000)).toEqual({ holdMs: 2000, watchMs: 10_400 });
    expect(planOf('packet-loss', fast, 60_000)).toEqual({ holdMs: 60_000, watchMs: 60_000 });
  });

  it('is as long as the fault is held where both are right: nobody looks out after the undo', () => {
    expect(planOf('disk-full', fast, 2000)).toEqual({ holdMs: 2000, watchMs: 2000 });
    expect(planOf('disk-full', fast, 60_000)).toEqual({ holdMs: 60_000, watchMs: 60_000 });
    expect(planOf('disk-full', fast, undefined)).toEqual({ holdMs: 10_400, watchMs: 10_400 });
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

describe('a release of pg_auto_failover that is not known', () => {
  it('is none of these', () => {
    for (const version of ['2.0', '2.1', '2.2', ''])
      for (const fault of faultNames) expect(onRelease(fault, version)).toEqual({});
  });

  it('refuses the faults whose expectation rests on what the next one does otherwise', () => {
    const refused = faultNames.filter((fault) => onRelease(fault, '2.3').refused !== undefined);
    expect(refused).toEqual(['reboot', 'standby-cut']);
    expect(onRelease('standby-cut', '2.3').refused).toMatch(
      /^pg_auto_failover 2\.3 is newer .* replication_stall_timeout, and did not yet when it was tried \(92acc7f6, #1149; docs\/versions\.md\)$/,
    );
  });

  it('lets the others go on, with a warning', () => {
    expect(onRelease('stop', '1.6')).toEqual({
      warning:
        'pg_auto_failover 1.6 is older than the releases that this pgha knows (2.0 to 2.2): what is expected of stop is what those do (docs/versions.md)',
    });
  });
});
