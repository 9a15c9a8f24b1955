import { describe, expect, it } from 'vitest';
import { timingsErrors } from '../../../src/formation/safe-timings.ts';
import { type Timings, timingsProfiles } from '../../../src/formation/timings.ts';
import { formationOf } from '../builders.ts';
import { errorsOf, expectSentences } from '../refusal.ts';

const fullCut = expect.stringMatching(/^two primaries after a full cut: the standby may take writes /);
const monitorCut = expect.stringMatching(/^two primaries after a cut between primary and monitor: /);
const neverSeen = expect.stringMatching(/^two primaries after a full cut: wal-sender-timeout /);

/** Sound clocks: U 12 s, D 12 s, N 3 s, W 16 s. */
const clocks = (given: Partial<Timings> = {}): Timings => ({
  ...timingsProfiles.balanced,
  nodeConsideredUnhealthyTimeoutMs: 12_000,
  primaryDemoteTimeoutMs: 12_000,
  networkPartitionTimeoutSeconds: 3,
  walSenderTimeoutMs: 16_000,
  ...given,
});
/** The three that decide a full cut; D is 12 s. */
const cut = (u: number, n: number, w: number) =>
  clocks({
    nodeConsideredUnhealthyTimeoutMs: u,
    networkPartitionTimeoutSeconds: n,
    walSenderTimeoutMs: w,
  });

describe('the profiles', () => {
  it.each(['balanced', 'fast'] as const)(
    '%s fences the old primary before the new one takes writes',
    (name) => {
      expect(timingsErrors(timingsProfiles[name])).toEqual([]);
    },
  );

  it("upstream's own defaults do not", () => {
    expect(timingsErrors(timingsProfiles.upstream)).toEqual([fullCut]);
  });

  it.each([
    ['balanced', 30_000, 10_000],
    ['fast', 12_000, 3000],
  ] as const)(
    '%s promotes within %i ms of a crash-stop and sits out a freeze of %i ms',
    (name, promotedWithin, ridesOut) => {
      const t = timingsProfiles[name];
      const checksFailMs =
        t.healthCheckPeriodMs +
        (t.healthCheckMaxRetries + 1) * t.healthCheckTimeoutMs +
        t.healthCheckMaxRetries * t.healthCheckRetryDelayMs;
      // The monitor acts when the standby reports, once a second: at the detection and at the end of D.
      const detectedMs = Math.max(t.nodeConsideredUnhealthyTimeoutMs, checksFailMs) + 1000;
      expect(detectedMs + t.primaryDemoteTimeoutMs + 1000).toBeLessThanOrEqual(promotedWithin);
      expect(t.nodeConsideredUnhealthyTimeoutMs).toBeGreaterThanOrEqual(ridesOut + 1400);
    },
  );
});

describe('a full cut: the old primary must be fenced before the new one may take writes', () => {
  it.each([
    // Where connections fail in silence: the last look before W, then rounds of 4 s until more than N is over.
    ['W 16, N 3: last look at 16, one round: 20.3', cut(9301, 3, 16_000), []],
    ['W 16, N 3, U - 1 + D = 20.3', cut(9300, 3, 16_000), [fullCut]],
    ['W 14, N 4: last look at 12.5, two rounds: 20.8', cut(9801, 4, 14_000), []],
    ['W 14, N 4, U - 1 + D = 20.8', cut(9800, 4, 14_000), [fullCut]],
    // Where they fail at once: W + N + 1.
    ['W 22, N 7: last look at 20.5, two rounds: 28.8; at once: 30.3', cut(19_301, 7, 22_000), []],
    ['W 22, N 7, U - 1 + D = 30.3', cut(19_300, 7, 22_000), [fullCut]],
    // The monitor needs failed health checks as well: 8 s here.
    ['a short U', cut(1000, 1, 15_000), []],
    ['a short U, D + 8 = 20', cut(1000, 1, 16_000), [fullCut]],
    [
      'the obvious tuning (U 3, D 5, N 3, W 30), which had two primaries for 22 s',
      clocks({
        healthCheckTimeoutMs: 1000,
        healthCheckRetryDelayMs: 500,
        healthCheckMaxRetries: 1,
        nodeConsideredUnhealthyTimeoutMs: 3000,
        primaryDemoteTimeoutMs: 5000,
        networkPartitionTimeoutSeconds: 3,
        walSenderTimeoutMs: 30_000,
      }),
      [fullCut],
    ],
    [
      'U 4, D 5, N 3, W 5, which had 0.5 s to spare once, and never fenced in a silent cut',
      clocks({
        healthCheckTimeoutMs: 1000,
        healthCheckRetryDelayMs: 500,
        healthCheckMaxRetries: 1,
        nodeConsideredUnhealthyTimeoutMs: 4000,
        primaryDemoteTimeoutMs: 5000,
        networkPartitionTimeoutSeconds: 3,
        walSenderTimeoutMs: 5000,
      }),
      [fullCut, neverSeen],
    ],
  ])('%s', (_, timings, errors) => {
    expect(timingsErrors(timings)).toEqual(errors);
  });

  it('the error spells out the numbers', () => {
    expect(timingsErrors(cut(8000, 3, 16_000))).toEqual([
      'two primaries after a full cut: the standby may take writes 20 s after it ' +
        '(health checks 8 s + primary-demote-timeout 12 s), the old primary until 20.3 s ' +
        "(wal-sender-timeout 16 s, network-partition-timeout 3 s, and the keeper's rounds)",
    ]);
    expect(timingsErrors(timingsProfiles.upstream)).toEqual([
      expect.stringContaining(
        'may take writes 49 s after it (node-considered-unhealthy-timeout 20 s - 1 s + primary-demote-timeout 30 s)',
      ),
    ]);
  });
});

describe('a cut from the monitor alone: D must exceed the rounds of 4 s in which N passes, and 0.6 s', () => {
  it.each([
    [
      'N 3: one round',
      clocks({ primaryDemoteTimeoutMs: 4601, nodeConsideredUnhealthyTimeoutMs: 30_000 }),
      [],
    ],
    [
      'N 3, D 4.6',
      clocks({ primaryDemoteTimeoutMs: 4600, nodeConsideredUnhealthyTimeoutMs: 30_000 }),
      [monitorCut],
    ],
    [
      'N 4: two rounds',
      clocks({
        networkPartitionTimeoutSeconds: 4,
        primaryDemoteTimeoutMs: 8600,
        nodeConsideredUnhealthyTimeoutMs: 30_000,
      }),
      [monitorCut],
    ],
  ])('%s', (_, timings, errors) => {
    expect(timingsErrors(timings)).toEqual(errors);
  });

  it('every error is told when several invariants are broken', () => {
    const timings = clocks({
      primaryDemoteTimeoutMs: 1000,
      walSenderTimeoutMs: 5499,
      nodeConsideredUnhealthyTimeoutMs: 1000,
    });
    expect(timingsErrors(timings)).toEqual([fullCut, monitorCut, neverSeen]);
  });
});

it('the keeper must see its standby once after it lost the monitor: W of at least 5.5 s', () => {
  expect(timingsErrors(clocks({ walSenderTimeoutMs: 5500 }))).toEqual([]);
  expect(timingsErrors(clocks({ walSenderTimeoutMs: 5499 }))).toEqual([neverSeen]);
});

describe('explicit timings in a file', () => {
  const file = (given: Record<string, number | boolean>) => {
    const sound = {
      'health-check-period': 1,
      'health-check-timeout': 0.75,
      'health-check-retry-delay': 0.5,
      'health-check-max-retries': 2,
      'node-considered-unhealthy-timeout': 10.5,
      'primary-demote-timeout': 10,
      'network-partition-timeout': 3,
      'wal-sender-timeout': 12.001,
      ...given,
    };
    return `environment: lab\ntimings: ${JSON.stringify(sound)}\n`;
  };
  const timings = {
    healthCheckPeriodMs: 1000,
    healthCheckTimeoutMs: 750,
    healthCheckRetryDelayMs: 500,
    healthCheckMaxRetries: 2,
    nodeConsideredUnhealthyTimeoutMs: 10_500,
    primaryDemoteTimeoutMs: 10_000,
    networkPartitionTimeoutSeconds: 3,
    walSenderTimeoutMs: 12_001,
  };

  it('are kept to the millisecond', () => {
    const formation = formationOf(file({}));
    expect(formation.timingsName).toBe('explicit');
    expect(formation.timings).toEqual(timings);
  });

  it.each([{}, { 'accept-dual-primary-risk': false }])(
    'that would leave two primaries are refused with the invariant, its line and what takes the risk: %o',
    (given) => {
      const errors = errorsOf(() => formationOf(file({ 'wal-sender-timeout': 60, ...given })));
      expectSentences(errors);
      expect(errors).toEqual([
        expect.stringMatching(
          /^f\.yaml:2: timings: two primaries after a full cut: .*wal-sender-timeout 60 s.* \(accept-dual-primary-risk: true takes the risk\)$/,
        ),
      ]);
    },
  );

  it('that would leave two primaries are taken with accept-dual-primary-risk: true', () => {
    const formation = formationOf(file({ 'wal-sender-timeout': 60, 'accept-dual-primary-risk': true }));
    expect(formation.timingsName).toBe('explicit');
    expect(formation.timings).toEqual({ ...timings, walSenderTimeoutMs: 60_000 });
    expect(timingsErrors(formation.timings)).toEqual([fullCut]);
  });
});
