import { describe, expect, it } from 'vitest';
import { formationOf } from '../builders.ts';
import { errorsOf, expectSentences } from '../refusal.ts';

const placesOf = (text: string) =>
  errorsOf(() => formationOf(text)).map((error) => error.split(': ').slice(0, 2).join(': ').slice(7));

describe('a file with several errors tells all of them at once', () => {
  it('on several keys', () => {
    const errors = errorsOf(() =>
      formationOf('formation: 1\npostgres:\n  version: 3\n  role: a\nnodes: [{ name: "" }, b]\nbla: 1\n'),
    );
    expectSentences(errors);
    expect(errors.map((error) => error.split(': ').slice(0, 2).join(': '))).toEqual([
      'f.yaml:1: formation',
      'f.yaml:3: postgres.version',
      'f.yaml:4: postgres.role',
      'f.yaml:5: nodes.0.name',
      'f.yaml:5: nodes.1',
      'f.yaml:6: bla',
    ]);
  });

  it('of the topology and the policy', () => {
    const errors = errorsOf(() =>
      formationOf('replication: { sync-standbys: 5, quorum: false }\nnodes: [{ name: a }, { name: a }]'),
    );
    expect(errors).toHaveLength(2);
  });

  it('of one key, and of several keys together', () => {
    const errors = errorsOf(() =>
      formationOf('postgres: { version: 3 }\nnodes: [{ name: a }, { name: a }]\n'),
    );
    expect(errors).toEqual([
      expect.stringMatching(/postgres\.version/),
      expect.stringMatching(/nodes\.1\.name: a is used twice/),
    ]);
  });

  it('of single keys, and of keys together that are not among them, in the order of the lines', () => {
    const text = `
nodes:
  - { name: a, candidate-priority: high }
  - { name: a, quorum: maybe }
  - name: ${'b'.repeat(62)}
tls: self-signed
replication: { sync-standbys: 7 }
postgres:
  version: 9
  settings: { fsync: off, port: 1 }
  packages: { keyring: x, repository: https://apt.example }
  database: app
  databases:
    - { name: app, extensions: [a b] }
  users:
    - { name: bob, databases: [nowhere], clients: [10.0.0.0/99] }
  access:
    - { user: nobody, database: app, clients: [10.0.0.0/8], method: cert }
`;
    expectSentences(errorsOf(() => formationOf(text)));
    expect(placesOf(text)).toEqual([
      '3: nodes.0.candidate-priority',
      '4: nodes.1.quorum',
      '4: nodes.1.name',
      '5: nodes.2.name',
      '9: postgres.version',
      '10: postgres.settings.port',
      '10: postgres.settings.fsync',
      '11: postgres.packages.keyring',
      '11: postgres.packages.key',
      '14: postgres.databases.0.extensions.0',
      '14: postgres.databases.0.name',
      '16: postgres.users.0.clients.0',
      '16: postgres.users.0.databases.0',
      '18: postgres.access.0.user',
      '18: postgres.access.0.method',
    ]);
  });

  it.each([
    [
      'a number of standbys by a quorum that cannot be read',
      'nodes: [{ name: a, quorum: x }, { name: b, quorum: false }]',
      ['1: nodes.0.quorum'],
    ],
    [
      'a quorum by a number of standbys that cannot be read',
      'replication: { sync-standbys: x, quorum: false }',
      ['1: replication.sync-standbys'],
    ],
    ['a name by a list that is none', 'monitor: { name: pgaf-primary }\nnodes: a', ['2: nodes']],
    ['a name by a name that is missing', 'nodes: [{}, {}]', ['1: nodes.0.name', '1: nodes.1.name']],
    ['a candidate by a node that is none', 'nodes: [{ name: a, candidate-priority: 0 }, 1]', ['1: nodes.1']],
    [
      'a database by a name that cannot be read',
      'postgres: { database: A, users: [{ name: b, databases: [a] }] }',
      ['1: postgres.database'],
    ],
    [
      'an access rule by a user without a name',
      'postgres: { users: [{ databases: [veza] }], access: [{ user: b, database: veza, clients: [10.0.0.0/8], method: trust }] }',
      ['1: postgres.users.0.name'],
    ],
    [
      'a certificate by tls that cannot be read',
      'tls: verify\npostgres: { access: [{ user: veza, database: veza, clients: [10.0.0.0/8], method: cert }] }',
      ['1: tls'],
    ],
    [
      'a key by a key that cannot be read',
      "postgres: { packages: { repository: 'http://a', key: x } }",
      ['1: postgres.packages.key'],
    ],
    [
      'a host name by a domain that cannot be read',
      `incus: { domain: A }\nnodes: [{ name: ${'a'.repeat(60)} }, { name: b }]`,
      ['1: incus.domain'],
    ],
    ['clocks by a clock that cannot be read', 'timings: { primary-demote-timeout: x }', 8],
    ['anything by a root that is none', '[]', 1],
    [
      'what an alias repeats by the one place that is wrong',
      'limits: &l { cpu: x }\nnodes: [{ name: a, limits: *l }, { name: a }]',
      ['1: limits.cpu', '2: nodes.0.limits.cpu', '2: nodes.1.name'],
    ],
  ])('never judging %s', (_, text, places) => {
    if (typeof places === 'number') expect(placesOf(text)).toHaveLength(places);
    else expect(placesOf(text)).toEqual(places);
  });
});
