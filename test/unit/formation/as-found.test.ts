import { describe, expect, it } from 'vitest';
import { containerOf, formationUri, keeps, membersOf, nodeNameOf } from '../../../src/formation/formation.ts';
import { formationOf } from '../builders.ts';
import { errorsOf } from '../refusal.ts';

/** A member that is there already may have what pgha would decide for a new one. */

const formation = formationOf(`
monitor: { name: eye, host: 10.0.0.10, pgdata: /var/lib/postgresql/monitor, unit: pgautofailover.service }
nodes:
  - { name: db1, node-name: node_1, host: 10.0.0.11, pgdata: /var/lib/postgresql/16/main, unit: pg_autoctl@main.service }
  - { name: db2, node-name: node_2, host: 'fd00::12', pgdata: /data/pgaf }
  - { name: db3 }
`);

describe('a member that the file names as it is', () => {
  it('has its own host, data directory and service, and any other those of its formation', () => {
    expect(membersOf(formation).map(({ host, pgdata, unit }) => [host, pgdata, unit])).toEqual([
      ['10.0.0.10', '/var/lib/postgresql/monitor', 'pgautofailover.service'],
      ['10.0.0.11', '/var/lib/postgresql/16/main', 'pg_autoctl@main.service'],
      ['fd00::12', '/data/pgaf', undefined],
      ['db3.incus', '/var/lib/postgresql/pgaf/node', undefined],
    ]);
  });

  it('is in the connection string by its host', () => {
    expect(formationUri(formation)).toContain('@10.0.0.11:5432,[fd00::12]:5432,db3.incus:5432/');
  });

  it('goes by its container, whatever the monitor calls it; a node of no container by what the monitor calls it', () => {
    expect(['node_1', 'node_2', 'db3', 'node_9'].map((name) => containerOf(formation, name))).toEqual([
      'db1',
      'db2',
      'db3',
      'node_9',
    ]);
    expect(['db1', 'db3', 'stranger'].map((name) => nodeNameOf(formation, name))).toEqual([
      'node_1',
      'db3',
      'stranger',
    ]);
  });

  it.each([
    ['a node name of two', '{ name: a, node-name: n }, { name: b, node-name: n }', 2],
    ['the name of another container', '{ name: a, node-name: b }, { name: b }', 1],
  ])('may not have %s', (_, nodes, count) => {
    const errors = errorsOf(() => formationOf(`nodes: [${nodes}]`));
    expect(errors.join('; ').match(/every node has a name of its own/g)).toHaveLength(count);
  });

  it('may have the name of a container whose node has another', () => {
    expect(
      formationOf('nodes: [{ name: a, node-name: b }, { name: b, node-name: a }]').nodes.map(
        ({ nodeName }) => nodeName,
      ),
    ).toEqual(['b', 'a']);
  });

  it.each([
    [
      'nodes: [{ name: a, host: 10.0.0.1 }, { name: b, host: 10.0.0.1 }]',
      /nodes\.1\.host: 10\.0\.0\.1 is the host of a/,
    ],
    ['nodes: [{ name: a, host: all }, { name: b }]', /must be a host name or an IP address/],
    ['nodes: [{ name: a, host: "a:b" }, { name: b }]', /must be a host name or an IP address/],
    ['nodes: [{ name: a, host: "10.0.0.0/8" }, { name: b }]', /must be a host name or an IP address/],
    ['nodes: [{ name: a, unit: pgautofailover }, { name: b }]', /must be the name of a systemd service/],
    ['nodes: [{ name: a, unit: "../x.service" }, { name: b }]', /must be the name of a systemd service/],
    ['nodes: [{ name: a, pgdata: /etc/postgresql/16 }, { name: b }]', /must be the absolute path/],
    ['nodes: [{ name: a, node-name: "a b" }, { name: b }]', /`pg_autoctl show state` gives it/],
  ])('is refused as %s', (yaml, message) => {
    expect(() => formationOf(yaml)).toThrow(message);
  });
});

describe('what a formation keeps', () => {
  it('is nothing, unless the file says what', () => {
    const keeping = formationOf('keep: [access, monitor]');
    expect([keeps(keeping, 'access'), keeps(keeping, 'monitor'), keeps(keeping, 'certificates')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(formationOf('keep: []').keep).toBeUndefined();
  });

  it.each([
    ['keep: access', /must be a list of things that stay/],
    ['keep: [hba]', /must be one of access, certificates, monitor/],
    ['keep: [access, access]', /is in the list twice/],
  ])('is refused as %s', (yaml, message) => {
    expect(() => formationOf(yaml)).toThrow(message);
  });
});
