import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkCatalogue } from '../../../src/check/catalogue/catalogue.ts';
import { findingsOf, judge } from '../../../src/check/verdict.ts';
import {
  builtInFormation,
  formationOf,
  healthyObservation,
  monitorOf,
  nodeOf,
  observedInstance,
  rowOf,
} from '../builders.ts';

describe('the verdict on a formation', () => {
  it('passes a healthy one with the names of its primary and standby', () => {
    expect(judge(healthyObservation(), builtInFormation())).toMatchObject({
      outcome: 'pass',
      message: 'formation default is healthy: primary pgaf-primary, standby pgaf-replica',
      primary: 'pgaf-primary',
      standbys: ['pgaf-replica'],
    });
  });

  it('is unhealthy for a failed check, and its message is the first problem with the count of the others', () => {
    const observation = healthyObservation();
    rowOf(observation, 'pgaf-replica').health = 0;
    nodeOf(observation, 'pgaf-replica').walReceiver = '';
    nodeOf(observation, 'pgaf-replica').roles = [];
    const { outcome, message } = judge(observation, builtInFormation());
    expect(outcome).toBe('unhealthy');
    expect(message).toBe('formation default is not healthy: pgaf-replica: health bad (2 more checks failed)');
  });

  it('is an error where nothing failed but something could not be read: never a pass', () => {
    const { outcome, message } = judge({ ...healthyObservation(), nodes: {} }, builtInFormation());
    expect(outcome).not.toBe('pass');
    const observation = healthyObservation();
    observation.nodes = {};
    monitorOf(observation).nodes = [];
    expect(judge(observation, builtInFormation()).outcome).not.toBe('pass');
    expect(message).toMatch(/^formation default/);
  });

  it("an interrupted drill's mark is a warning that does not fail the formation", () => {
    const observation = healthyObservation();
    observation.instances['pgaf-primary'] = observedInstance({ drillMark: '{"drill":"abc"}' });
    const { outcome, findings } = judge(observation, builtInFormation());
    expect(outcome).toBe('pass');
    const found = findings.find((finding) => finding.check === 'no-interrupted-drill');
    expect(found).toMatchObject({ status: 'fail', severity: 'warning' });
    expect(found?.faults).toMatchObject([
      { subject: 'pgaf-primary', evidence: 'marked by a drill: {"drill":"abc"}' },
    ]);
    expect(found?.faults[0]?.remedy.say).toMatch(/failover-drill or provision-pgaf/);
  });

  it('judges the same observation the same way again, also after a round trip through its report', () => {
    const observation = healthyObservation();
    rowOf(observation, 'pgaf-replica').reportedState = 'catchingup';
    const recorded = JSON.parse(JSON.stringify(observation));
    expect(judge(recorded, builtInFormation())).toEqual(judge(observation, builtInFormation()));
  });
});

describe('three data nodes with one synchronous standby', () => {
  const formation = formationOf('nodes: [{ name: a }, { name: b }, { name: c }]');

  it('are healthy with number_sync_standbys 1', () => {
    expect(judge(healthyObservation(formation), formation)).toMatchObject({
      outcome: 'pass',
      standbys: ['b', 'c'],
    });
  });

  it('are not with 0, which one more standby would have to set', () => {
    const observation = healthyObservation(formation);
    monitorOf(observation).numberSyncStandbys = 0;
    expect(judge(observation, formation).outcome).toBe('unhealthy');
  });

  it('stay synchronous while one of the standbys is asynchronous', () => {
    const observation = healthyObservation(formation);
    const [standby] = nodeOf(observation, 'a').standbys;
    if (standby) standby.syncState = 'async';
    expect(judge(observation, formation).outcome).toBe('pass');
  });
});

describe('a formation that asks for no synchronous standby', () => {
  it('is healthy when its primary waits for nobody', () => {
    const formation = formationOf('replication: { sync-standbys: 0, quorum: false }');
    const observation = healthyObservation(formation);
    nodeOf(observation, 'pgaf-primary').synchronousStandbyNames = '';
    for (const standby of nodeOf(observation, 'pgaf-primary').standbys) standby.syncState = 'async';
    expect(judge(observation, formation).outcome).toBe('pass');
  });
});

describe('consequences', () => {
  const someProblems = fc.array(
    fc.record({
      check: fc.constantFrom(...checkCatalogue),
      subject: fc.constantFrom('pgaf-monitor', 'pgaf-primary', 'pgaf-replica', 'default'),
      own: fc.boolean(),
    }),
    { minLength: 1, maxLength: 20 },
  );

  it('hide no problem behind each other: whatever is found, something as grave fails by itself', () => {
    fc.assert(
      fc.property(someProblems, (given) => {
        const found = checkCatalogue.map((check) => ({
          check,
          problems: given
            .filter((each) => each.check === check)
            .map(({ subject, own }) => ({ subject, own, evidence: '', remedy: { say: '' } })),
        }));
        const failed = findingsOf(found).filter(({ status }) => status === 'fail');
        const severities = given.map(({ check }) => check.severity);
        expect(failed.map(({ severity }) => severity)).toContain(
          severities.includes('error') ? 'error' : 'warning',
        );
        const ids = failed.map(({ check }) => check);
        for (const { check } of given.filter(({ own }) => own)) expect(ids).toContain(check.id);
      }),
      { numRuns: 500 },
    );
  });

  it('go over several steps to a cause, which is told with each', () => {
    const found = checkCatalogue.map((check) => ({
      check,
      problems: ['services-run', 'nodes-reachable', 'keepers-report'].includes(check.id)
        ? [{ subject: 'pgaf-replica', evidence: '', remedy: { say: '' } }]
        : [],
    }));
    const findings = findingsOf(found).filter(({ status }) => status !== 'pass');
    expect(findings.map(({ check, status, because }) => [check, status, because])).toEqual([
      ['nodes-reachable', 'follows', ['services-run']],
      ['services-run', 'fail', []],
      ['keepers-report', 'follows', ['nodes-reachable', 'services-run']],
    ]);
  });

  it('follow from checks that there are', () => {
    const ids = checkCatalogue.map(({ id }) => id);
    for (const { follows = {} } of checkCatalogue)
      expect(ids).toEqual(expect.arrayContaining(Object.keys(follows)));
  });

  const onTheOldTimeline = (secondsSinceStateChange: number) => {
    const observation = healthyObservation();
    nodeOf(observation, 'pgaf-primary').timeline = 2;
    Object.assign(rowOf(observation, 'pgaf-replica'), {
      reportedState: 'join_secondary',
      secondsSinceStateChange,
      secondsSinceReport: 11,
    });
    const { findings } = judge(observation, builtInFormation());
    return (status: string) =>
      findings
        .filter((each) => each.status === status)
        .map(({ check, faults: problems }) => [check, problems[0]?.remedy.run]);
  };

  it('of a failover that is under way: the old timeline is none, and nothing is to be deleted', () => {
    const told = onTheOldTimeline(3);
    expect(told('fail')).toEqual([['keepers-report', undefined]]);
    expect(told('follows').map(([check]) => check)).not.toContain('timelines-agree');
  });

  it('of an old timeline that a node does not leave: its stuck transition is one', () => {
    const told = onTheOldTimeline(3600);
    expect(told('fail')).toEqual([
      ['timelines-agree', expect.stringContaining('incus delete --force pgaf-replica')],
    ]);
    expect(told('follows').map(([check]) => check)).toEqual(
      expect.arrayContaining(['no-stuck-transition', 'states-converged', 'keepers-report']),
    );
  });

  it('of two primaries: their timelines are one, and neither is to be deleted', () => {
    const observation = healthyObservation();
    Object.assign(nodeOf(observation, 'pgaf-replica'), { inRecovery: false, timeline: 2 });
    const { findings } = judge(observation, builtInFormation());
    const status = (id: string) => findings.find(({ check }) => check === id)?.status;
    expect(status('one-writable-primary')).toBe('fail');
    expect(status('timelines-agree')).toBe('follows');
  });
});
