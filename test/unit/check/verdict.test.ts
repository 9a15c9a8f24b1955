import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/check/verdict.ts';
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

  it('is unhealthy for a failed check, and its message is the first fault with the count of the others', () => {
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
