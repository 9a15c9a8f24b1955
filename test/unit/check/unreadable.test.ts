import { describe, expect, it } from 'vitest';
import { describeRemedy } from '../../../src/check/check.ts';
import type { Observation } from '../../../src/check/observation.ts';
import { judge, type Verdict } from '../../../src/check/verdict.ts';
import type { Formation } from '../../../src/formation/formation.ts';
import {
  builtInFormation,
  formationOf,
  healthyObservation,
  observedContainer,
  observedInstance,
  rowOf,
} from '../builders.ts';

function unreachable(name: string, status: string, formation: Formation = builtInFormation()): Observation {
  const observation = healthyObservation(formation);
  const failed = { ok: false, failed: `the container is ${status}` } as const;
  observation.instances[name] = observedInstance({ status });
  observation.containers[name] = failed;
  if (name === formation.monitor.name) observation.monitor = failed;
  else observation.nodes[name] = failed;
  return observation;
}

const withStatus = (verdict: Verdict, status: string) =>
  verdict.findings.filter((finding) => finding.status === status).map((finding) => finding.check);

describe('a container that does not answer', () => {
  it.each([
    ['missing', /run provision-pgaf/],
    ['Stopped', /: incus start pgaf-replica --project default$/],
    ['Frozen', /: incus resume pgaf-replica --project default$/],
    ['Running', /incus exec pgaf-replica --project default --cwd \/ -- journalctl/],
    ['Error', /incus info pgaf-replica/],
  ])('and is %s comes with the remedy that fits', (status, remedy) => {
    const verdict = judge(unreachable('pgaf-replica', status), builtInFormation());
    expect(withStatus(verdict, 'fail')).toEqual(['nodes-reachable']);
    const found = verdict.findings.find((finding) => finding.check === 'nodes-reachable');
    expect(found?.faults).toMatchObject([
      { subject: 'pgaf-replica', evidence: `the container is ${status}` },
    ]);
    expect(found?.faults[0] && describeRemedy(found.faults[0].remedy)).toMatch(remedy);
    expect(verdict.outcome).toBe('unhealthy');
  });

  it('for an order that its keeper cannot follow has that order taken back', () => {
    const observation = unreachable('pgaf-replica', 'Running');
    Object.assign(rowOf(observation, 'pgaf-replica'), { goalState: 'join_primary' });
    const found = judge(observation, builtInFormation()).findings.find(
      (finding) => finding.check === 'nodes-reachable',
    );
    expect(found?.faults[0]?.remedy.run).toContain('SET goalstate = reportedstate WHERE nodeid = 2');
  });

  it('on a remote Incus is named with its remote in the remedy', () => {
    const formation = formationOf('incus: { remote: far, project: ha }');
    const verdict = judge(unreachable('pgaf-replica', 'Stopped', formation), formation);
    const remedies = verdict.findings.flatMap((finding) =>
      finding.faults.map((problem) => problem.remedy.run),
    );
    expect(remedies).toContain('incus start far:pgaf-replica --project ha');
  });
});

describe('a monitor that does not answer', () => {
  const verdict = judge(unreachable('pgaf-monitor', 'Stopped'), builtInFormation());

  it('is a problem of its own, and leaves unknown what only it could tell', () => {
    expect(withStatus(verdict, 'fail')).toEqual(['monitor-reachable']);
    expect(withStatus(verdict, 'unknown')).toEqual([
      'nodes-registered',
      'no-maintenance',
      'keepers-report',
      'no-stuck-transition',
      'states-converged',
      'nodes-healthy',
      'one-writable-primary',
      'sync-standbys-possible',
      'synchronous-replication',
      'failover-possible',
      'hosts-near-enough',
    ]);
    expect(verdict.outcome).toBe('unhealthy');
    expect(verdict.message).toBe('formation default is not healthy: pgaf-monitor: the container is Stopped');
  });

  it('names no primary and no standby', () => {
    expect(verdict).toMatchObject({ primary: undefined, standbys: [] });
  });

  it('does not hide what the data nodes say', () => {
    expect(withStatus(verdict, 'pass')).toEqual(
      expect.arrayContaining(['timelines-agree', 'application-login']),
    );
  });
});

describe('data nodes none of which answers', () => {
  const observation = healthyObservation();
  for (const name of Object.keys(observation.nodes))
    observation.nodes[name] = { ok: false, failed: 'silence' };
  const verdict = judge(observation, builtInFormation());

  it('leave unknown what only they could tell', () => {
    expect(withStatus(verdict, 'unknown')).toEqual([
      'synchronous-replication',
      'standbys-streaming',
      'timelines-agree',
      'replication-lag',
      'commits-finish',
      'application-login',
      'passwords-last',
    ]);
  });

  it('are each a problem', () => {
    const found = verdict.findings.find((finding) => finding.check === 'nodes-reachable');
    expect(found?.faults.map((problem) => problem.subject)).toEqual(['pgaf-primary', 'pgaf-replica']);
  });
});

describe('a container that could not be read, with a Postgres that answers', () => {
  it('is never a pass: what only it could tell is unknown, and the message says why', () => {
    const observation = healthyObservation();
    observation.containers['pgaf-replica'] = { ok: false, failed: 'the probe was lost' };
    const verdict = judge(observation, builtInFormation());
    expect(withStatus(verdict, 'unknown')).toEqual([
      'services-run',
      'unit-file',
      'open-files',
      'disk-space',
      'certificate-valid',
      'names-resolve',
      'clocks-agree',
      'versions-equal',
      'release-known',
      'keepers-fence',
    ]);
    expect(verdict.outcome).toBe('error');
    expect(verdict.message).toContain('pgaf-replica: the probe was lost');
  });

  it('does not hide what the others say', () => {
    const observation = healthyObservation();
    observation.containers['pgaf-replica'] = { ok: false, failed: 'the probe was lost' };
    observedContainer(observation, 'pgaf-primary').service.active = 'failed';
    const verdict = judge(observation, builtInFormation());
    expect(withStatus(verdict, 'fail')).toEqual(['services-run']);
    expect(verdict.outcome).toBe('unhealthy');
  });
});
