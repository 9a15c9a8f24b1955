import { describe, expect, it } from 'vitest';
import { clientRules, formationUri, membersOf } from '../../../src/formation/formation.ts';
import { keyLine } from '../../corpus/values.ts';
import { formationOf } from '../builders.ts';

/** What the keys beyond the first example mean. */

describe('containers', () => {
  const formation = formationOf(`
base-image: false
incus: { network: pgnet, domain: db.example }
limits: { cpu: 2, memory: 2GiB }
postgres: { data-directory: /srv/pg }
monitor: { name: eye, limits: { memory: 512MiB }, target: host-c }
nodes:
  - { name: a, limits: { cpu: 4, disk: 20GiB }, target: host-a }
  - { name: b, candidate-priority: 100, target: host-b }
  - { name: c, candidate-priority: 0, quorum: false }
`);

  it('take their own limits over those of the file, and each its place', () => {
    expect(membersOf(formation)).toEqual([
      {
        role: 'monitor',
        name: 'eye',
        host: 'eye.db.example',
        pgdata: '/srv/pg/monitor',
        limits: { cpu: 2, memory: '512MiB' },
        target: 'host-c',
      },
      {
        role: 'data',
        name: 'a',
        host: 'a.db.example',
        pgdata: '/srv/pg/node',
        limits: { cpu: 4, memory: '2GiB', disk: '20GiB' },
        target: 'host-a',
      },
      expect.objectContaining({ name: 'b', limits: { cpu: 2, memory: '2GiB' }, target: 'host-b' }),
      expect.objectContaining({ name: 'c', target: undefined }),
    ]);
  });

  it('come from the image and network that the file names', () => {
    expect(formation.baseImage).toBe(false);
    expect(formation.incus.network).toBe('pgnet');
  });

  it("have their priority and their place in the quorum, the formation's where they name none", () => {
    expect(formation.nodes.map(({ candidatePriority, quorum }) => [candidatePriority, quorum])).toEqual([
      [50, true],
      [100, true],
      [0, false],
    ]);
    const other =
      'replication: { quorum: false }\nnodes: [{ name: a, quorum: true }, { name: b, quorum: true }, { name: c }]';
    expect(formationOf(other).nodes.map(({ quorum }) => quorum)).toEqual([true, true, false]);
  });
});

describe('packages', () => {
  const packages = (keys: string) => formationOf(`postgres: { packages: { ${keys} } }`).postgres.packages;

  it('come from PGDG by a mirror and a proxy, pinned, with more of them', () => {
    expect(
      packages(
        `source: pgdg, repository: 'https://mirror.example/pgdg', proxy: 'http://proxy:3128', pins: { pg-auto-failover-cli: '2.1*' }, extra: [postgresql-16-cron]`,
      ),
    ).toMatchObject({
      source: 'pgdg',
      repository: 'https://mirror.example/pgdg',
      key: undefined,
      proxy: 'http://proxy:3128',
      pins: { 'pg-auto-failover-cli': '2.1*' },
      extra: ['postgresql-16-cron'],
    });
  });

  it('come from a repository where there is one', () => {
    expect(
      packages(`repository: 'http://[fd00::1]:8080/apt', ${keyLine}, suite: noble, component: db/ha`),
    ).toMatchObject({
      source: 'repository',
      suite: 'noble',
      component: 'db/ha',
    });
    expect(packages("proxy: 'http://proxy'").source).toBe('pgdg');
  });
});

describe('settings', () => {
  it('are what postgresql.conf has for them', () => {
    const settings = `
postgres:
  settings:
    jit: false
    log_checkpoints: true
    random_page_cost: 1.1
    max_connections: 200
    work_mem: 16MB
    archive_command: test -f \${DIR}/%f
    log_line_prefix: ''
    auto_explain.log_min_duration: 5s
    wal_level: logical
    synchronous_commit: remote_apply
    max_wal_senders: 20
`;
    expect(formationOf(settings).postgres.settings).toEqual({
      jit: 'off',
      log_checkpoints: 'on',
      random_page_cost: '1.1',
      max_connections: '200',
      work_mem: '16MB',
      archive_command: `test -f \${DIR}/%f`,
      log_line_prefix: '',
      'auto_explain.log_min_duration': '5s',
      wal_level: 'logical',
      synchronous_commit: 'remote_apply',
      max_wal_senders: '20',
    });
  });
});

describe('databases, users and access', () => {
  const formation = formationOf(`
tls: verify-full
postgres:
  database: app
  user: app
  clients: [10.1.0.0/16]
  extensions: [pg_trgm]
  databases:
    - { name: audit, owner: auditor, extensions: [hstore, uuid-ossp] }
    - { name: queue }
  users:
    - { name: auditor, databases: [audit, app], clients: [10.2.0.0/16] }
    - { name: worker, databases: [queue] }
  access:
    - { user: worker, database: queue, clients: ['fd00::/8'], method: cert }
`);

  it("begin with the application's own", () => {
    expect(formation.postgres.databases).toEqual([
      { name: 'app', owner: 'app', extensions: ['pg_trgm'] },
      { name: 'audit', owner: 'auditor', extensions: ['hstore', 'uuid-ossp'] },
      { name: 'queue', owner: 'app', extensions: [] },
    ]);
    expect(formation.postgres.users).toEqual([
      { name: 'app', databases: ['app'], clients: ['10.1.0.0/16'] },
      { name: 'auditor', databases: ['audit', 'app'], clients: ['10.2.0.0/16'] },
      { name: 'worker', databases: ['queue'], clients: ['10.1.0.0/16'] },
    ]);
  });

  it('become one rule for each user and database, those of the file first', () => {
    expect(
      clientRules(formation).map(({ user, database, method }) => `${user} ${database} ${method}`),
    ).toEqual([
      'worker queue cert',
      'app app scram-sha-256',
      'auditor audit scram-sha-256',
      'auditor app scram-sha-256',
      'worker queue scram-sha-256',
    ]);
  });

  it('are reached by a connection string that verifies as the file says', () => {
    expect(formationUri(formation)).toMatch(/^postgres:\/\/app@.*\/app\?.*sslmode=verify-full$/);
  });
});
