import type { BadFile } from './bad-file.ts';
import { keyLine } from './values.ts';

/** Keys that are not known, at every level; each error tells those that are. */

export const explicitTimings = [
  'health-check-period: 1',
  'health-check-timeout: 1',
  'health-check-retry-delay: 0.5',
  'health-check-max-retries: 1',
  'node-considered-unhealthy-timeout: 5',
  'primary-demote-timeout: 6',
  'network-partition-timeout: 1',
  'wal-sender-timeout: 6',
];
export const timings = (lines: string[]) => `timings:\n${lines.map((line) => `  ${line}\n`).join('')}`;

export const unknownKeys: BadFile[] = [
  ['a key in the file', 'environment: lab\nformatoin: a\n', '2: formatoin', /formation, environment, image/],
  [
    'a key under incus',
    'incus:\n  remotes: a\n',
    '2: incus.remotes',
    /allowed here: remote, project, profiles, network, domain/,
  ],
  [
    'a key under postgres',
    'postgres: { role: a }',
    '1: postgres.role',
    /allowed here: version, port, data-directory, packages, settings, database/,
  ],
  ['a key under replication', 'replication: { sync: 1 }', '1: replication.sync', /sync-standbys, quorum/],
  ['a key under monitor', 'monitor: { name: m, role: m }', '1: monitor.role', /allowed here: name, host/],
  [
    'a key of a node',
    'nodes:\n  - name: a\n    role: primary\n  - name: b\n',
    '3: nodes.0.role',
    /allowed here: name, node-name, host, pgdata, unit, candidate-priority, quorum, limits, target/,
  ],
  [
    'a key of a package source',
    `postgres:\n  packages:\n    repository: http://a\n    ${keyLine}\n    keyring: x\n`,
    '5: postgres.packages.keyring',
    /allowed here: source, repository, suite, component, key/,
  ],
  [
    'a key of the timings',
    timings([...explicitTimings, 'demote-timeout: 3']),
    '10: timings.demote-timeout',
    /primary-demote-timeout/,
  ],
  ['a key as a merge', 'monitor: &m { name: m }\n<<: *m\n', '2: <<', /unknown key/],
  ['a key as a number', '1: 2', '1: 1', /unknown key/],
  ['a key that every object has', 'toString: 1', '1: toString', /unknown key/],
  [
    'a key that every object is made by',
    'postgres: { constructor: 1 }',
    '1: postgres.constructor',
    /unknown/,
  ],
  ['a key that would be a prototype', '__proto__: { formation: a }', '1: __proto__', /unknown key/],

  ['a key in limits', 'limits: { ram: 4GiB }', '1: limits.ram', /allowed here: cpu, memory, disk/],
  [
    'a key of a database',
    'postgres: { databases: [{ name: b, encoding: UTF8 }] }',
    '1: postgres.databases.0.encoding',
    /allowed here: name, owner, extensions/,
  ],
  [
    'a key of an access rule',
    'postgres: { access: [{ user: veza, database: veza, clients: [10.0.0.0/8], method: trust, port: 1 }] }',
    '1: postgres.access.0.port',
    /allowed here: user, database, clients, method/,
  ],
  ['a key in camel case', 'baseImage: false', '1: baseImage', /base-image/],
  [
    'a key of a probe',
    'probes: [{ name: a, command: [x], url: x }]',
    '1: probes.0.url',
    /allowed here: name, http, tcp, sql, command, stdin, interval, timeout, abort-when; it belongs at probes\[\]\.http\.url/,
  ],
  ['a key in capitals', 'Formation: a', '1: Formation', /unknown key/],
];
