import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timingsErrors } from '../../../src/formation/safe-timings.ts';
import { type Timings, timingsProfiles } from '../../../src/formation/timings.ts';
import type { LiveSettings } from '../../../src/prediction/basis.ts';
import { predict } from '../../../src/prediction/prediction.ts';
import { type FaultClass, faultClasses, type Span } from '../../../src/prediction/record.ts';
import { liveOf } from './live.ts';

const ms = fc.integer({ min: 1, max: 60_000 });
const anyTimings: fc.Arbitrary<Timings> = fc.record({
  healthCheckPeriodMs: ms,
  healthCheckTimeoutMs: ms,
  healthCheckRetryDelayMs: ms,
  healthCheckMaxRetries: fc.integer({ min: 0, max: 9 }),
  nodeConsideredUnhealthyTimeoutMs: ms,
  primaryDemoteTimeoutMs: ms,
  networkPartitionTimeoutSeconds: fc.integer({ min: 1, max: 60 }),
  walSenderTimeoutMs: fc.oneof(ms, fc.integer({ min: 4000, max: 8000 })),
});
const nodeCounts = fc.integer({ min: 2, max: 4 });
const forgetful = { quickNameLookups: true, monitorKeepalives: true, remembersStandby: false };

const isSpan = ({ least, most }: Span) => {
  expect(least).toBeGreaterThanOrEqual(0);
  expect(most).toBeGreaterThanOrEqual(least);
};

describe('whatever the clocks', () => {
  it('every interval is one, and the parts add up to the whole', () => {
    fc.assert(
      fc.property(anyTimings, nodeCounts, (timings, nodes) => {
        const prediction = predict(liveOf(timings, nodes));
        for (const fault of faultClasses) {
          const { promotion, outage, parts, fencing } = prediction[fault];
          const whole = (promotion ?? outage) as Span;
          for (const span of [whole, outage as Span, ...parts]) isSpan(span);
          expect(parts.reduce((sum, { least }) => sum + least, 0)).toBeCloseTo(whole.least, 6);
          expect(parts.reduce((sum, { most }) => sum + most, 0)).toBeCloseTo(whole.most, 6);
          if (fencing?.fenced) isSpan(fencing.fenced);
          if (fencing?.margin) expect(fencing.margin.most).toBeGreaterThanOrEqual(fencing.margin.least);
        }
      }),
    );
  });

  it.each([
    'healthCheckPeriodMs',
    'healthCheckTimeoutMs',
    'healthCheckRetryDelayMs',
    'healthCheckMaxRetries',
    'nodeConsideredUnhealthyTimeoutMs',
    'primaryDemoteTimeoutMs',
  ] as const)('a greater %s promotes no sooner', (clock) => {
    fc.assert(
      fc.property(anyTimings, nodeCounts, fc.integer({ min: 1, max: 20_000 }), (timings, nodes, more) => {
        const before = predict(liveOf(timings, nodes));
        const after = predict(liveOf({ ...timings, [clock]: timings[clock] + more }, nodes));
        for (const fault of faultClasses) {
          const [sooner, later] = [before[fault].outage as Span, after[fault].outage as Span];
          expect(later.least).toBeGreaterThanOrEqual(sooner.least);
          expect(later.most).toBeGreaterThanOrEqual(sooner.most);
        }
      }),
    );
  });

  it.each(['networkPartitionTimeoutSeconds', 'walSenderTimeoutMs'] as const)(
    'a greater %s fences no sooner, and promotes at the same time',
    (clock) => {
      fc.assert(
        fc.property(anyTimings, nodeCounts, fc.integer({ min: 1, max: 60 }), (timings, nodes, more) => {
          const before = predict(liveOf(timings, nodes));
          const after = predict(liveOf({ ...timings, [clock]: timings[clock] + more }, nodes));
          for (const fault of ['full-cut', 'monitor-cut'] as const) {
            const [sooner, later] = [before[fault].fencing?.fenced, after[fault].fencing?.fenced];
            expect(later?.least).toBeGreaterThanOrEqual(sooner?.least as number);
            expect(later?.most).toBeGreaterThanOrEqual(sooner?.most as number);
            expect(after[fault].promotion).toEqual(before[fault].promotion);
          }
        }),
      );
    },
  );

  it('a margin is left after each cut exactly where a formation file with these clocks is taken', () => {
    const seen = new Set<boolean>();
    fc.assert(
      fc.property(anyTimings, (timings) => {
        const prediction = predict(liveOf(timings, 2, { helpers: forgetful }));
        const leaves = (fault: FaultClass) => (prediction[fault].fencing?.margin?.least ?? 0) > 0;
        const sound = leaves('full-cut') && leaves('monitor-cut');
        seen.add(sound);
        expect(sound).toBe(timingsErrors(timings).length === 0);
      }),
      { numRuns: 5000 },
    );
    expect(seen.size).toBe(2);
  });

  it('is plain data', () => {
    fc.assert(
      fc.property(anyTimings, nodeCounts, (timings, nodes) => {
        const prediction = predict(liveOf(timings, nodes));
        expect(JSON.parse(JSON.stringify(prediction))).toEqual(prediction);
      }),
    );
  });
});

describe('the profiles', () => {
  it.each([
    ['fast', 2, 6],
    ['balanced', 2, 8],
    ['upstream', 2, 13],
    ['fast', 3, 15],
    ['balanced', 3, 17],
  ] as const)(
    '%s with %i data nodes: no failover is told less exactly than is of use',
    (profile, nodes, width) => {
      const prediction = predict(liveOf(timingsProfiles[profile], nodes));
      for (const fault of ['crash-stop', 'freeze', 'full-cut', 'monitor-cut'] as const) {
        const { least, most } = prediction[fault].promotion as Span;
        expect(most - least).toBeLessThanOrEqual(width);
      }
    },
  );

  it('a switchover is told as exactly once wal_retrieve_retry_interval is 1 s', () => {
    const widthOf = (walRetrieveRetryIntervalMs: number) => {
      const live = liveOf(timingsProfiles.fast, 2, { walRetrieveRetryIntervalMs });
      const { least, most } = predict(live).switchover.promotion as Span;
      return most - least;
    };
    expect(widthOf(5000)).toBeLessThanOrEqual(10);
    expect(widthOf(1000)).toBeLessThanOrEqual(6);
  });

  it.each([
    ['fast', 'pgautofailover.primary_demote_timeout', 4.7],
    ['upstream', 'pgautofailover.primary_demote_timeout', 30],
    ['balanced', 'pgautofailover.node_considered_unhealthy_timeout', 12],
  ] as const)('%s: %s costs most', (profile, setting, costSeconds) => {
    expect(predict(liveOf(timingsProfiles[profile]))['crash-stop'].costliest).toMatchObject({
      setting,
      costSeconds,
    });
  });

  it('wal_retrieve_retry_interval costs most of a switchover with two data nodes, and nothing with more', () => {
    const { costliest, promotion } = predict(liveOf()).switchover;
    expect(costliest).toMatchObject({ setting: 'wal_retrieve_retry_interval', costSeconds: 5 });
    // Seen in the lab.
    expect(promotion?.most).toBeGreaterThan(7.991);
    expect(predict(liveOf(timingsProfiles.balanced, 3)).switchover.costliest).toBeNull();
  });

  it("upstream's own defaults may leave two primaries after a full cut", () => {
    const { fencing } = predict(liveOf(timingsProfiles.upstream))['full-cut'];
    expect(fencing?.overlapSeconds).toBeCloseTo(3.8, 6);
  });
});

describe('a Postgres that was killed', () => {
  it('is started again by its keeper, and may cost a failover all the same', () => {
    const { promotion, notPromoted, mayFailOver } = predict(liveOf(timingsProfiles.fast))['postgres-crash'];
    expect(promotion).toBeNull();
    expect(notPromoted).toMatch(/starts Postgres again/);
    // Seen in the lab: 6.7 s.
    expect(mayFailOver?.promotion.least).toBeLessThan(6.7);
    expect(mayFailOver?.promotion.most).toBeGreaterThan(6.7);
    const sum = mayFailOver?.parts.reduce((seconds, { most }) => seconds + most, 0);
    expect(sum).toBeCloseTo(mayFailOver?.promotion.most as number, 6);
  });

  it('costs none where there is nobody to fail over to', () => {
    const live = liveOf(timingsProfiles.fast, 3, { candidatePriority: 0 });
    expect(predict(live)['postgres-crash'].mayFailOver).toBeNull();
  });
});

describe('where nothing is promoted', () => {
  const onlyPrimary: LiveSettings = { ...liveOf(), nodes: liveOf().nodes.slice(0, 1) };
  const quorumOf = (numberSyncStandbys: number, standbysInQuorum: number) => {
    const live = liveOf(timingsProfiles.fast, 3);
    const nodes = live.nodes.map((node, index) => ({
      ...node,
      replicationQuorum: index <= standbysInQuorum,
    }));
    return { ...live, numberSyncStandbys, nodes };
  };

  it.each([
    ['there is no standby', onlyPrimary, /no other data node/],
    [
      'no standby may be promoted',
      liveOf(timingsProfiles.fast, 3, { candidatePriority: 0 }),
      /candidate priority 0/,
    ],
    [
      'fewer standbys than number_sync_standbys + 1 report',
      quorumOf(1, 1),
      /asks for 2 standbys .* there are 1/,
    ],
  ])('because %s, it says so', (_, live, why) => {
    const prediction = predict(live);
    for (const fault of ['crash-stop', 'freeze', 'full-cut', 'monitor-cut', 'switchover'] as const)
      expect(prediction[fault]).toMatchObject({
        promotion: null,
        notPromoted: expect.stringMatching(why) as string,
        outage: null,
        fencing: null,
      });
    expect(prediction['postgres-crash'].outage).not.toBeNull();
  });

  it.each([
    ['number_sync_standbys 0', quorumOf(0, 0)],
    ['enough of them', quorumOf(1, 2)],
  ])('a standby outside the quorum is no obstacle with %s', (_, live) => {
    expect(predict(live)['crash-stop'].promotion).not.toBeNull();
  });

  it('a primary that is none of the nodes is a mistake of the caller', () => {
    expect(() => predict({ ...liveOf(), primary: 'nobody' })).toThrow(/nobody is none of the nodes/);
  });
});

describe('a primary that may never fence itself', () => {
  const helpers = { quickNameLookups: true, monitorKeepalives: true, remembersStandby: true };
  const fencingOf = (fault: 'full-cut' | 'monitor-cut', node: Parameters<typeof liveOf>[2]) =>
    predict(liveOf(timingsProfiles.fast, 2, node))[fault].fencing;

  it.each([
    ['full-cut', { helpers: { ...helpers, quickNameLookups: false } }, /RES_OPTIONS/],
    ['full-cut', { helpers: { ...helpers, monitorKeepalives: false } }, /tcp_user_timeout/],
    ['monitor-cut', { helpers: { ...helpers, monitorKeepalives: false } }, /tcp_user_timeout/],
    ['full-cut', { walSenderTimeoutMs: 0 }, /wal_sender_timeout is 0/],
    ['full-cut', { walReceiverStatusIntervalMs: 10_000, helpers: forgetful }, /may end after 3 s/],
    ['full-cut', { walReceiverStatusIntervalMs: 0, helpers: forgetful }, /may end after 3 s/],
    ['full-cut', { walSenderTimeoutMs: 5000, helpers: forgetful }, /may end after 4 s/],
  ] as const)('%s with %o: there is no end to two primaries', (fault, node, reason) => {
    expect(fencingOf(fault, node)).toMatchObject({
      fenced: null,
      margin: null,
      overlapSeconds: null,
      overlapWhenLateSeconds: null,
      reason: expect.stringMatching(reason) as string,
    });
  });

  it('it does in a cut from the monitor alone, where the name server answers', () => {
    expect(
      fencingOf('monitor-cut', { helpers: { ...helpers, quickNameLookups: false } })?.fenced,
    ).not.toBeNull();
  });

  it('a keeper that never saw a standby without the monitor is relied upon only where it is on time', () => {
    for (const fault of ['full-cut', 'monitor-cut'] as const) {
      expect(fencingOf(fault, { helpers: forgetful })).toMatchObject({
        overlapSeconds: 0,
        overlapWhenLateSeconds: null,
        reason: expect.stringMatching(/never fences itself/) as string,
      });
      expect(fencingOf(fault, { helpers })?.overlapWhenLateSeconds).toBeGreaterThan(0);
    }
  });
});

describe('hosts that are far apart', () => {
  it('promote no sooner for it, and may take longer; what is not known adds nothing', () => {
    fc.assert(
      fc.property(anyTimings, nodeCounts, fc.integer({ min: 1, max: 200 }), (timings, nodes, roundTripMs) => {
        const near = predict(liveOf(timings, nodes));
        const far = predict(liveOf(timings, nodes, { monitorRoundTripMs: roundTripMs }));
        expect(predict(liveOf(timings, nodes, { monitorRoundTripMs: undefined }))).toEqual(near);
        for (const fault of ['crash-stop', 'freeze', 'full-cut', 'monitor-cut', 'switchover'] as const)
          expect((far[fault].promotion as Span).most).toBeGreaterThan((near[fault].promotion as Span).most);
      }),
    );
  });

  it('are as far as the farthest node', () => {
    const live = liveOf(timingsProfiles.fast);
    const [first, ...rest] = live.nodes;
    const one = { ...live, nodes: [{ ...first, monitorRoundTripMs: 50 }, ...rest] } as LiveSettings;
    const all = liveOf(timingsProfiles.fast, 2, { monitorRoundTripMs: 50 });
    expect(predict(one)).toEqual(predict(all));
  });

  it.each([
    ['fast', 50, false],
    ['balanced', 40, false],
    ['balanced', 60, true],
  ] as const)('with %s and %i ms, two primaries in a cut: %s', (profile, monitorRoundTripMs, overlaps) => {
    const predicted = predict(liveOf(timingsProfiles[profile], 2, { monitorRoundTripMs }));
    expect(predicted['full-cut'].fencing?.overlapSeconds !== 0).toBe(overlaps);
    expect(predicted['monitor-cut'].fencing?.overlapSeconds).toBe(0);
  });
});
