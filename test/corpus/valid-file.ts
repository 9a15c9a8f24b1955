import fc from 'fast-check';
import { timingsProfileNames } from '../../src/formation/timings.ts';

const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$/);
const identifier = fc.stringMatching(/^x[a-z0-9_]{0,30}$/);
const octet = fc.nat(255);
const network = fc
  .tuple(octet, octet, octet, octet, fc.nat(32))
  .map(([a, b, c, d, prefix]) => `${a}.${b}.${c}.${d}/${prefix}`);

const word = fc.constantFrom('a', 'b', 'c1', 'some_name');
const words = fc.uniqueArray(identifier, { minLength: 1, maxLength: 3 });
const networks = fc.uniqueArray(network, { minLength: 1, maxLength: 4 });
const size = fc
  .tuple(fc.integer({ min: 1, max: 900 }), fc.constantFrom('GB', 'GiB', 'TiB'))
  .map((parts) => parts.join(''));
const limits = fc.record(
  { cpu: fc.integer({ min: 1, max: 64 }), memory: size, disk: size },
  { requiredKeys: [] },
);

/** A formation file that holds every key, with values that are allowed. */
export const validFile = fc
  .record({
    names: fc.uniqueArray(name, { minLength: 3, maxLength: 9 }),
    formation: identifier,
    environment: fc.constantFrom('lab', 'staging', 'production'),
    image: fc.constantFrom('images:debian/12', 'local-image', 'images:ubuntu/24.04/cloud'),
    'base-image': fc.boolean(),
    incus: fc.record({
      remote: name,
      project: name,
      profiles: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
      network: name,
      domain: fc.constantFrom('incus', 'lab.example'),
    }),
    limits,
    nodeLimits: limits,
    target: name,
    postgres: fc.record({
      version: fc.integer({ min: 13, max: 17 }),
      port: fc.integer({ min: 1024, max: 65_535 }),
      'data-directory': fc.constantFrom('/srv/pg', '/var/lib/postgresql/pgaf', '/data/a/b.c'),
      packages: fc.constantFrom('pgdg', 'distribution'),
      settings: fc.dictionary(
        fc.constantFrom('work_mem', 'jit', 'log_line_prefix', 'auto_explain.log_min_duration'),
        fc.oneof(fc.stringMatching(/^[ -~]{0,20}$/), fc.boolean(), fc.integer()),
      ),
      database: identifier,
      user: identifier,
      clients: networks,
      extensions: words,
    }),
    other: fc.record({ database: word, user: word, extensions: words, clients: networks }),
    tls: fc.constantFrom('verify-ca', 'verify-full'),
    method: fc.constantFrom('scram-sha-256', 'cert', 'trust'),
    priorities: fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 9, maxLength: 9 }),
    'allowed-hours': fc.record({
      'time-zone': fc.constantFrom('UTC', 'Europe/Paris'),
      windows: fc.constantFrom(['Mon-Fri 09:00-17:00'], ['daily 22:00-04:00', 'Sun 00:00-24:00']),
    }),
    probes: fc.uniqueArray(
      fc.record({
        name: fc.stringMatching(/^[a-z]{1,10}$/),
        tcp: fc.record({
          host: fc.constantFrom('a.example', '10.0.0.1'),
          port: fc.integer({ min: 1, max: 65_535 }),
        }),
        interval: fc.integer({ min: 1, max: 60 }),
        timeout: fc.integer({ min: 1, max: 60 }),
        'abort-when': fc.integer({ min: 1, max: 3600 }),
      }),
      { minLength: 1, maxLength: 4, selector: ({ name: of }) => of },
    ),
    timings: fc.constantFrom(...timingsProfileNames),
    standbyShare: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ names, nodeLimits, target, postgres, other, method, priorities, standbyShare, ...rest }) => {
    const [monitor = '', ...nodes] = names;
    const possible = nodes.length === 2 ? 1 : nodes.length - 2;
    const syncStandbys = Math.round(standbyShare * possible);
    return {
      ...rest,
      postgres: {
        ...postgres,
        databases: [{ name: other.database, owner: other.user, extensions: other.extensions }],
        users: [{ name: other.user, databases: [other.database, postgres.database], clients: other.clients }],
        access: [{ user: other.user, database: postgres.database, clients: other.clients, method }],
      },
      replication: { 'sync-standbys': syncStandbys, quorum: syncStandbys > 0 },
      monitor: { name: monitor, limits: nodeLimits, target },
      nodes: nodes.map((node, index) => ({
        name: node,
        'candidate-priority': priorities[index] ?? 1,
        quorum: syncStandbys > 0,
        limits: nodeLimits,
        target,
      })),
    };
  });
