import { describe, expect, it } from 'vitest';
import { parseFormation } from '../../../src/formation/file/load.ts';
import { membersOf } from '../../../src/formation/formation.ts';
import { timingsProfiles } from '../../../src/formation/timings.ts';
import { keyLine } from '../../corpus/values.ts';
import { builtInFormation, formationOf } from '../builders.ts';

const nodeDefaults = { candidatePriority: 50, quorum: true, limits: {}, target: undefined };
const everyDefault = {
  name: 'default',
  environment: 'production',
  image: 'images:ubuntu/22.04',
  baseImage: true,
  incus: {
    remote: 'local',
    project: 'default',
    profiles: ['default'],
    network: undefined,
    domain: 'incus',
  },
  postgres: {
    version: 16,
    port: 5432,
    dataDirectory: '/var/lib/postgresql/pgaf',
    packages: { source: 'pgdg', component: 'main', pins: {}, extra: [] },
    settings: {},
    database: 'veza',
    user: 'veza',
    databases: [{ name: 'veza', owner: 'veza', extensions: [] }],
    users: [{ name: 'veza', databases: ['veza'], clients: ['10.0.0.0/8'] }],
    access: [],
  },
  tls: 'self-signed',
  replication: { syncStandbys: 1, quorum: true },
  timingsName: 'balanced',
  timings: timingsProfiles.balanced,
  monitor: { name: 'pgaf-monitor', limits: {}, target: undefined },
  nodes: [
    { name: 'pgaf-primary', ...nodeDefaults },
    { name: 'pgaf-replica', ...nodeDefaults },
  ],
};

describe('the built-in formation', () => {
  it('is a monitor and two data nodes, declared a lab', () => {
    expect(builtInFormation()).toEqual({ ...everyDefault, environment: 'lab' });
  });

  it('has its monitor first, then the data nodes in the order in which they register', () => {
    expect(membersOf(builtInFormation())).toEqual([
      {
        role: 'monitor',
        name: 'pgaf-monitor',
        host: 'pgaf-monitor.incus',
        pgdata: '/var/lib/postgresql/pgaf/monitor',
        limits: {},
        target: undefined,
      },
      {
        role: 'data',
        name: 'pgaf-primary',
        host: 'pgaf-primary.incus',
        pgdata: '/var/lib/postgresql/pgaf/node',
        limits: {},
        target: undefined,
      },
      {
        role: 'data',
        name: 'pgaf-replica',
        host: 'pgaf-replica.incus',
        pgdata: '/var/lib/postgresql/pgaf/node',
        limits: {},
        target: undefined,
      },
    ]);
  });
});

describe('a formation file that leaves something out', () => {
  it('is production unless it says otherwise, so that no placeholder password gets into it', () => {
    expect(formationOf('formation: default')).toEqual(everyDefault);
  });

  it.each([
    ['the whole of incus', 'incus: {}'],
    ['the whole of postgres', 'postgres: {}'],
    ['the whole of replication', 'replication: {}'],
    ['everything but a comment', '# the defaults will do\n'],
  ])('has every default where it leaves out %s', (_, yaml) => {
    expect(formationOf(yaml)).toEqual(everyDefault);
  });

  it.each([
    ['incus: { project: lab }', { incus: { ...everyDefault.incus, project: 'lab' } }],
    ['incus: { profiles: [default, db] }', { incus: { ...everyDefault.incus, profiles: ['default', 'db'] } }],
    ['postgres: { version: 15 }', { postgres: { ...everyDefault.postgres, version: 15 } }],
    [
      'postgres: { packages: distribution }',
      {
        postgres: {
          ...everyDefault.postgres,
          packages: { ...everyDefault.postgres.packages, source: 'distribution' },
        },
      },
    ],
    ['timings: fast', { timingsName: 'fast', timings: timingsProfiles.fast }],
    ['monitor: { name: eye }', { monitor: { ...everyDefault.monitor, name: 'eye' } }],
  ])('keeps every other default besides `%s`', (yaml, changed) => {
    expect(formationOf(yaml)).toEqual({ ...everyDefault, ...changed });
  });

  it("takes the main component and the codename's suite of a repository that names neither", () => {
    const formation = formationOf(
      `postgres: { packages: { repository: 'https://apt.example/pg', ${keyLine} } }`,
    );
    expect(formation.postgres.packages).toEqual({
      source: 'repository',
      repository: 'https://apt.example/pg',
      suite: undefined,
      component: 'main',
      key: expect.stringContaining('BEGIN PGP PUBLIC KEY BLOCK'),
      proxy: undefined,
      pins: {},
      extra: [],
    });
  });

  it('shares no default with the next one', () => {
    const first = parseFormation('', 'one');
    first.nodes.pop();
    first.incus.profiles.push('stray');
    first.postgres.users[0]?.clients.push('0.0.0.0/0');
    first.timings.primaryDemoteTimeoutMs = 1;
    expect(parseFormation('', 'two')).toEqual(everyDefault);
  });
});
