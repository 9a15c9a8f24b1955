import { describe, expect, it } from 'vitest';
import type { MonitorNode } from '../../../src/monitor/nodes.ts';
import { type Facts, noFacts } from '../../../src/provision/facts.ts';
import {
  type FoundMembers,
  pruneErrors,
  type Registered,
  registrationOf,
} from '../../../src/provision/nodes/registration.ts';
import { builtInFormation, formationOf, monitorNode } from '../builders.ts';
import { expectSentences } from '../refusal.ts';

const formation = builtInFormation();
const cfg = (monitor = 'pgaf-monitor.incus', port = 5432) =>
  `[pg_autoctl]\nmonitor = postgres://autoctl_node@${monitor}:5432/pg_auto_failover?sslmode=require\n[postgresql]\nport = ${port}\n`;
const withData = (changes: Partial<Facts> = {}): Facts => ({
  ...noFacts,
  created: true,
  postgresVersion: 16,
  keeperConfig: cfg(),
  dataDirectories: ['/var/lib/postgresql/pgaf/node'],
  ...changes,
});
const primary = monitorNode({ nodeId: 1, name: 'pgaf-primary' });
const replica = monitorNode({
  nodeId: 2,
  name: 'pgaf-replica',
  reportedState: 'secondary',
  goalState: 'secondary',
});

function found({
  registered = [primary, replica],
  facts = { 'pgaf-primary': withData(), 'pgaf-replica': withData() },
  gone = [],
}: {
  registered?: MonitorNode[] | Registered;
  facts?: Record<string, Facts>;
  gone?: string[];
} = {}): FoundMembers {
  const containers = ['pgaf-monitor', ...Object.keys(facts)].filter((name) => !gone.includes(name));
  return {
    containers: new Set(containers),
    facts: new Map(Object.entries(facts)),
    registered: Array.isArray(registered) ? { kind: 'asked', nodes: registered } : registered,
  };
}

const refused = (given: FoundMembers, expected: RegExp, file = formation) => {
  const { errors } = registrationOf(file, given);
  expectSentences(errors);
  expect(errors).toEqual(expect.arrayContaining([expect.stringMatching(expected)]));
};

describe('the nodes of the file and those of the monitor', () => {
  it('are in order where both name the same', () => {
    expect(registrationOf(formation, found())).toEqual({ errors: [], strays: [], gone: [], orphans: [] });
  });

  it('are in order where nothing exists yet', () => {
    const nothing = {
      containers: new Set<string>(),
      facts: new Map(),
      registered: { kind: 'none' as const },
    };
    expect(registrationOf(formation, nothing)).toEqual({ errors: [], strays: [], gone: [], orphans: [] });
  });

  it('tell a node that the file does not name, and leave it', () => {
    const stray = monitorNode({ nodeId: 3, name: 'old', reportedState: 'secondary', goalState: 'secondary' });
    const { errors, strays } = registrationOf(formation, found({ registered: [primary, replica, stray] }));
    expect([errors, strays]).toEqual([[], [stray]]);
  });

  it('tell a node whose container is gone', () => {
    const facts = { 'pgaf-primary': withData() };
    expect(registrationOf(formation, found({ facts }))).toMatchObject({ errors: [], gone: [replica] });
  });

  it('tell a node whose container is another, without its data', () => {
    const facts = { 'pgaf-primary': withData(), 'pgaf-replica': noFacts };
    expect(registrationOf(formation, found({ facts }))).toMatchObject({ errors: [], gone: [replica] });
  });

  it('take a creation that was interrupted for what it is', () => {
    const begun = { ...noFacts, keeperConfig: cfg() };
    const facts = { 'pgaf-primary': withData(), 'pgaf-replica': begun };
    expect(registrationOf(formation, found({ facts }))).toMatchObject({ errors: [], gone: [] });
  });

  it('tell nodes with data whose monitor is gone: they register again', () => {
    const given = { ...found(), registered: { kind: 'none' as const } };
    expect(registrationOf(formation, given)).toMatchObject({
      errors: [],
      orphans: ['pgaf-primary', 'pgaf-replica'],
    });
  });

  it('tell nodes with data whose monitor was made anew, and knows nobody', () => {
    expect(registrationOf(formation, found({ registered: [] }))).toMatchObject({
      errors: [],
      orphans: ['pgaf-primary', 'pgaf-replica'],
    });
  });
});

describe('what would lose data is refused, with the way to do it by hand', () => {
  it('another major version', () =>
    refused(
      found({ facts: { 'pgaf-primary': withData({ postgresVersion: 15 }), 'pgaf-replica': withData() } }),
      /^postgres\.version: 16 asked for, and pgaf-primary holds data of 15;.*pg_dump/,
    ));

  it('another data directory', () =>
    refused(
      found(),
      /^postgres\.data-directory: pgaf-primary keeps its data in \/var\/lib\/postgresql\/pgaf\/node.*say \/var\/lib\/postgresql\/pgaf,/,
      formationOf('postgres: { data-directory: /srv/pgdata }'),
    ));

  it('a data directory that no file can name', () =>
    refused(
      found({
        facts: {
          'pgaf-primary': withData({ dataDirectories: ['/var/lib/postgresql/15/main'] }),
          'pgaf-replica': withData(),
        },
      }),
      /pgaf-primary keeps its data in \/var\/lib\/postgresql\/15\/main.*: say pgdata: \/var\/lib\/postgresql\/15\/main for it \(docs\/existing-formation\.md\)$/,
    ));

  it('another port', () =>
    refused(
      found(),
      /^postgres\.port: 5433 asked for, and pgaf-primary listens on 5432/,
      formationOf('postgres: { port: 5433 }'),
    ));

  it('a renamed monitor whose container is still there', () =>
    refused(
      found({ facts: { 'pgaf-primary': withData({ keeperConfig: cfg('pgaf-monitor.incus') }) } }),
      /^monitor\.name: pgaf-primary is registered at pgaf-monitor, and the file says eye/,
      formationOf('monitor: { name: eye }'),
    ));

  it('a renamed primary', () =>
    refused(
      found(),
      /^nodes: the primary is pgaf-primary, which the file does not name.*perform switchover/,
      formationOf('nodes: [{ name: fresh }, { name: pgaf-replica }]'),
    ));

  it('every registered node by prune, whoever is primary', () => {
    const moving = [{ ...primary, goalState: 'draining' }, replica];
    const fresh = formationOf('nodes: [{ name: fresh }, { name: other }]');
    const registration = registrationOf(fresh, found({ registered: moving }));
    expect(registration.errors).toEqual([]);
    expect(pruneErrors(registration, moving)[0]).toMatch(
      /^input prune: the file names none of the registered data nodes \(pgaf-primary, pgaf-replica\)/,
    );
    expect(pruneErrors(registrationOf(formation, found()), [primary, replica])).toEqual([]);
  });

  it('every registered node without its data', () =>
    refused(
      found({ facts: { 'pgaf-primary': noFacts }, gone: ['pgaf-primary'] }),
      /^nodes: the data of every registered data node \(pgaf-primary, pgaf-replica\) is gone.*mode: destroy/,
    ));

  it('a node with data that the monitor dropped', () =>
    refused(
      found({ registered: [primary] }),
      /^nodes: pgaf-replica holds data, and the monitor does not know it any more;.*incus delete --force pgaf-replica/,
    ));
});

describe('what could not be read', () => {
  it('is no monitor that knows nobody: no node is told to forget it', () => {
    expect(registrationOf(formation, found({ registered: { kind: 'unread' } })).orphans).toEqual([]);
    expect(registrationOf(formation, found({ registered: { kind: 'none' } })).orphans).toEqual([
      'pgaf-primary',
      'pgaf-replica',
    ]);
  });

  it('is no node without data: one whose configuration is gone is not dropped', () => {
    const facts = {
      'pgaf-primary': withData(),
      'pgaf-replica': withData({ keeperConfig: '', created: false }),
    };
    expect(registrationOf(formation, found({ facts })).gone).toEqual([]);
    refused(found({ facts }), /^nodes: pgaf-replica holds data .*configuration of it is gone/);
  });
});
