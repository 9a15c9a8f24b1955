import { describe, expect, it } from 'vitest';
import { catalogue } from '../../../src/check/catalogue.ts';
import type { Observation } from '../../../src/check/observation.ts';
import { judge } from '../../../src/check/verdict.ts';
import {
  builtInFormation,
  hbaRule,
  healthyObservation,
  monitorNode,
  monitorOf,
  nodeOf,
  rowOf,
} from '../builders.ts';

type Break = (observation: Observation) => void;
/** Sets what was read otherwise. */
const on =
  <T extends object>(pick: (observation: Observation) => T, given: Partial<T>): Break =>
  (observation) => {
    Object.assign(pick(observation), given);
  };
const primary = (observation: Observation) => nodeOf(observation, 'pgaf-primary');
const replica = (observation: Observation) => nodeOf(observation, 'pgaf-replica');
const replicaRow = (observation: Observation) => rowOf(observation, 'pgaf-replica');

/** The check that must fail, what breaks it, the subject it must name, and what evidence and remedy must say. */
const breakages: [string, string, Break, string, RegExp, RegExp][] = [
  [
    'nodes-registered',
    'a node that the monitor does not know',
    (o) => void monitorOf(o).nodes.pop(),
    'pgaf-replica',
    /does not know it/,
    /run provision-pgaf/,
  ],
  [
    'nodes-registered',
    'a node that the file does not know',
    (o) =>
      void monitorOf(o).nodes.push(monitorNode({ nodeId: 3, name: 'pgaf-stray', goalState: 'secondary' })),
    'pgaf-stray',
    /the formation file does not/,
    /drop node .*--name pgaf-stray/,
  ],
  [
    'states-converged',
    'a standby that catches up',
    on(replicaRow, { reportedState: 'catchingup' }),
    'pgaf-replica',
    /reported catchingup, goal secondary, for 120\.5 s; last report 0\.4 s ago/,
    /incus exec pgaf-replica .*journalctl/,
  ],
  [
    'states-converged',
    'a standby in maintenance',
    on(replicaRow, { reportedState: 'maintenance', goalState: 'maintenance' }),
    'pgaf-replica',
    /goal maintenance/,
    /pgaf-replica/,
  ],
  [
    'states-converged',
    'a report_lsn that does not end',
    on(replicaRow, { reportedState: 'report_lsn', goalState: 'report_lsn' }),
    'pgaf-replica',
    /report_lsn/,
    /pgaf-replica/,
  ],
  [
    'nodes-healthy',
    'a node that health checks do not reach',
    on(replicaRow, { health: 0 }),
    'pgaf-replica',
    /bad/,
    /incus exec pgaf-replica/,
  ],
  [
    'nodes-healthy',
    'a node whose Postgres started after the last health check',
    on(replica, { secondsSinceStart: 0.2 }),
    'pgaf-replica',
    /started 0\.2 s ago, and the monitor has not heard of it/,
    /again in a few seconds/,
  ],
  [
    'nodes-healthy',
    'a node not yet checked',
    on(replicaRow, { health: -1 }),
    'pgaf-replica',
    /not known yet/,
    /incus exec pgaf-replica/,
  ],
  [
    'one-writable-primary',
    'two nodes that take writes',
    on(replica, { inRecovery: false }),
    'default',
    /names pgaf-primary as primary; writes are taken by pgaf-primary and pgaf-replica/,
    /incus exec pgaf-replica .*stop pg_autoctl/,
  ],
  [
    'one-writable-primary',
    'a primary that is still fenced',
    on(primary, { readOnly: true }),
    'default',
    /names pgaf-primary as primary; writes are taken by none/,
    /incus exec pgaf-monitor .*show events/,
  ],
  [
    'synchronous-replication',
    'a leftover number_sync_standbys',
    on(monitorOf, { numberSyncStandbys: 1 }),
    'default',
    /number_sync_standbys is 1, the formation file asks for 0/,
    /provision-pgaf/,
  ],
  [
    'synchronous-replication',
    'a primary that waits for nobody',
    on(primary, { synchronousStandbyNames: '' }),
    'pgaf-primary',
    /synchronous_standby_names is '' and 1 standby/,
    /bring the standbys back/,
  ],
  [
    'synchronous-replication',
    'a standby that replicates asynchronously',
    on(primary, {
      standbys: [{ applicationName: 's', state: 'streaming', syncState: 'async', lagBytes: 0 }],
    }),
    'pgaf-primary',
    /0 standby\(s\) replicate synchronously; 1 asked for/,
    /bring the standbys back/,
  ],
  [
    'standbys-streaming',
    'a standby without a WAL receiver',
    on(replica, { walReceiver: '' }),
    'pgaf-replica',
    /WAL receiver is not running/,
    /incus exec pgaf-replica/,
  ],
  [
    'standbys-streaming',
    'a standby that waits for its primary',
    on(replica, { walReceiver: 'waiting' }),
    'pgaf-replica',
    /WAL receiver is waiting/,
    /incus exec pgaf-replica/,
  ],
  [
    'timelines-agree',
    'a node left on an old timeline',
    on(primary, { timeline: 2 }),
    'pgaf-replica',
    /timeline 1, the formation is on 2/,
    /incus exec pgaf-replica/,
  ],
  [
    'application-login',
    'a node without the role',
    on(replica, { roles: [] }),
    'pgaf-replica',
    /no role veza/,
    /provision-pgaf/,
  ],
  [
    'application-login',
    'a node without the database',
    on(primary, { databases: [] }),
    'pgaf-primary',
    /no database veza/,
    /provision-pgaf/,
  ],
  [
    'application-login',
    'a standby without a way in',
    on(replica, { hbaRules: [] }),
    'pgaf-replica',
    /no pg_hba\.conf entry for veza on veza from 10\.0\.0\.0\/8/,
    /provision-pgaf/,
  ],
  [
    'application-login',
    'a node that turns clients away',
    (o) => void replica(o).hbaRules.unshift(hbaRule({ method: 'reject' })),
    'pgaf-replica',
    /rejects veza/,
    /provision-pgaf/,
  ],
  [
    'application-login',
    'a file that does not load',
    (o) => void replica(o).hbaRules.push(hbaRule({ error: 'invalid CIDR mask' })),
    'pgaf-replica',
    /does not load: invalid CIDR mask/,
    /provision-pgaf/,
  ],
];

describe('a healthy formation', () => {
  it('passes every check', () => {
    const { findings, outcome } = judge(healthyObservation(), builtInFormation());
    expect(findings.filter((finding) => finding.status !== 'pass')).toEqual([]);
    expect(findings.map((finding) => finding.check)).toEqual(catalogue.map((check) => check.id));
    expect(outcome).toBe('pass');
  });
});

describe('one fault fails its own check and no other, and names where, what and what to do', () => {
  it.each(breakages)('%s: %s', (id, _, breakIt, subject, evidence, remedy) => {
    const observation = healthyObservation();
    breakIt(observation);
    const { findings, outcome } = judge(observation, builtInFormation());
    const notPassed = findings.filter((finding) => finding.status !== 'pass');
    expect(notPassed.map((finding) => [finding.check, finding.status])).toEqual([[id, 'fail']]);
    expect(notPassed[0]?.faults).toEqual([
      { subject, evidence: expect.stringMatching(evidence), remedy: expect.stringMatching(remedy) },
    ]);
    expect(outcome).toBe('unhealthy');
  });

  it('there is such a fault for every check that reads Postgres or the monitor', () => {
    const broken = new Set(breakages.map(([id]) => id));
    const others = ['monitor-reachable', 'nodes-reachable', 'no-interrupted-drill'];
    expect(catalogue.map((check) => check.id).filter((id) => !broken.has(id))).toEqual(others);
  });

  it("the monitor's primary that stands by while another takes writes is told with both names", () => {
    const observation = healthyObservation();
    Object.assign(primary(observation), { inRecovery: true, walReceiver: 'streaming' });
    replica(observation).inRecovery = false;
    const { findings } = judge(observation, builtInFormation());
    const found = findings.find((finding) => finding.check === 'one-writable-primary');
    expect(found?.faults[0]?.evidence).toBe(
      'the monitor names pgaf-primary as primary; writes are taken by pgaf-replica',
    );
  });
});

describe('the catalogue', () => {
  it('names every check once, in kebab case, with what it means', () => {
    const ids = catalogue.map((check) => check.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const check of catalogue) {
      expect(check.id).toMatch(/^[a-z]+(-[a-z]+)+$/);
      expect(check.meaning).toMatch(/^[a-z].{20,}[^.]$/);
    }
  });
});
