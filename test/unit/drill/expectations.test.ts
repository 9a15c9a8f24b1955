import { describe, expect, it } from 'vitest';
import type { DrillRecord } from '../../../src/drill/record.ts';
import { judgeDrill } from '../../../src/drill/verdict/verdict.ts';
import { type FaultName, faultCatalogue, faultNames } from '../../../src/faults/catalogue.ts';
import { expectedOf, healthyVerdict, passingDrill, unhealthyVerdict } from '../builders.ts';

const heard = (seconds: number, node: string, goalState: string, reportedState = goalState) => ({
  seconds,
  node,
  reportedState,
  goalState,
  health: 1,
});

/** A drill in which everything went as the catalogue says, the primary staying where it may. */
function drillOf(fault: FaultName, given: Partial<DrillRecord> = {}): DrillRecord {
  const { hits } = faultCatalogue[fault];
  const expected = expectedOf(fault);
  const failedOver = expected === 'failover';
  return passingDrill({
    fault,
    expected,
    target: {
      ...{ primary: 'pgaf-primary', host: 'pgaf-primary' },
      ...{ 'primary-and-monitor': 'pgaf-primary', 'primary-and-standbys': 'pgaf-primary' },
      ...{ standby: 'pgaf-replica', monitor: 'pgaf-monitor' },
    }[hits],
    watchSeconds: failedOver ? 0 : 10.4,
    ...(!failedOver && {
      promotion: undefined,
      serving: true,
      announcements: [heard(-3, 'pgaf-primary', 'primary')],
      final: healthyVerdict(),
    }),
    ...given,
  });
}

const judged = (fault: FaultName, given: Partial<DrillRecord> = {}) => judgeDrill(drillOf(fault, given));
const promotion = {
  node: 'pgaf-replica',
  seconds: 9.8,
  at: '2025-01-01T00:00:10.800Z',
  heardBy: 'table',
} as const;
const replicaIsPrimary = { ...healthyVerdict(), primary: 'pgaf-replica' };

it.each(faultNames)('a drill with %s in which all went as it should passes', (fault) => {
  const { outcome, message } = judged(fault);
  expect(outcome, message).toBe('pass');
  expect(message).not.toMatch(/undefined|NaN/);
});

describe('where no failover should come of a fault', () => {
  it('the verdict tells for how long one was looked out for', () => {
    expect(judged('standby-cut').message).toBe(
      'pgaf-primary stayed primary in the 10.4 s after pgaf-primary was cut off from its standbys; no clients were watched, so nothing is told of their writes; all nodes healthy 4.250 s after the undo',
    );
    expect(judged('kill-postgres').message).toMatch(/all nodes healthy afterwards$/);
  });

  it.each<[string, Partial<DrillRecord>, RegExp]>([
    [
      'a promotion misses the objective, however quick',
      { promotion, final: replicaIsPrimary },
      /^pgaf-replica took over 9\.800 s after .*, where no failover should have come of it$/,
    ],
    [
      'a failover that only began does so too',
      { announcements: [heard(5.1, 'pgaf-replica', 'prepare_promotion', 'secondary')] },
      /^a failover began 5\.100 s after .*: pgaf-replica was to be prepare_promotion$/,
    ],
    [
      'a primary that no longer takes writes does so too',
      { serving: false },
      /^pgaf-primary took no writes any more after/,
    ],
    [
      'and so does another primary in the end, whoever announced it or not',
      { final: replicaIsPrimary },
      /^pgaf-primary should be primary afterwards, and pgaf-replica is$/,
    ],
    ['and a formation that does not recover', { final: unhealthyVerdict() }, /converged but is not healthy/],
    ['or does not converge', { settledSeconds: undefined, final: undefined }, /did not converge in time/],
  ])('%s', (_, given, message) => {
    const verdict = judged('standby-stop', given);
    expect(verdict.outcome).toBe('missed');
    expect(verdict.message).toMatch(message);
  });

  it('what the monitor announced before the fault does not count', () => {
    const announcements = [heard(-20, 'pgaf-replica', 'prepare_promotion', 'secondary')];
    expect(judged('monitor-stop', { announcements }).outcome).toBe('pass');
  });

  it('a primary that waits for its standby is no failover', () => {
    const announcements = [
      heard(6, 'pgaf-replica', 'catchingup', 'secondary'),
      heard(6.5, 'pgaf-primary', 'wait_primary'),
      heard(11, 'pgaf-replica', 'secondary'),
      heard(11.2, 'pgaf-primary', 'primary'),
    ];
    expect(judged('standby-stop', { announcements }).outcome).toBe('pass');
  });

  it.each<[string, Partial<DrillRecord>, RegExp]>([
    ['without a proof', { proof: undefined }, /nothing shows that the fault took hold/],
    ['when nobody looked at the primary', { serving: undefined }, /nobody looked whether the primary/],
    [
      'when the fault was over early',
      { disturbed: 'it was back' },
      /it was back, so the drill proves nothing/,
    ],
  ])('it cannot be told %s: an error, never a pass', (_, given, message) => {
    const verdict = judged('packet-loss', given);
    expect(verdict.outcome).toBe('error');
    expect(verdict.message).toMatch(message);
  });
});

describe('where a failover may come of a fault or not', () => {
  it('one that comes is held against the target', () => {
    const given = { promotion, final: replicaIsPrimary };
    expect(judged('reboot', given)).toMatchObject({ outcome: 'pass', rtoSeconds: 9.8 });
    expect(judged('reboot', { ...given, rtoTargetSeconds: 9 }).outcome).toBe('missed');
  });

  it('one that begins must come to an end', () => {
    const announcements = [heard(5.1, 'pgaf-replica', 'prepare_promotion', 'secondary')];
    const verdict = judged('reboot', { announcements });
    expect(verdict.outcome).toBe('missed');
    expect(verdict.message).toMatch(
      /^a failover began 5\.100 s after pgaf-primary was restarted, and no standby/,
    );
  });

  it('the new primary is the one that was promoted', () => {
    expect(judged('reboot', { promotion }).message).toBe(
      'pgaf-replica should be primary afterwards, and pgaf-primary is',
    );
  });
});
