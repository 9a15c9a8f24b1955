import type { BadFile } from './bad-file.ts';
import { keyLine } from './values.ts';

/** Files of which every key is well by itself; only the action refuses them. */

const nodes = (count: number) =>
  `nodes: [${Array.from({ length: count }, (_, index) => `{ name: pg${index + 1} }`).join(', ')}]\n`;
const replication = (keys: string) => `replication: { ${keys} }\n`;
const three = (...keys: string[]) =>
  `nodes:\n${['a', 'b', 'c'].map((name, index) => `  - { name: ${name}${keys[index] ? `, ${keys[index]}` : ''} }\n`).join('')}`;
const packages = (lines: string) => `postgres:\n  packages:\n    ${lines}\n`;
const postgres = (...lines: string[]) => `postgres:\n${lines.map((line) => `  ${line}\n`).join('')}`;
const rule = (method: string) => `- { user: veza, database: veza, clients: [10.0.0.0/8], method: ${method} }`;

export const badNames: BadFile[] = [
  ['two nodes of one name', 'nodes:\n  - name: a\n  - name: a\n', '3: nodes.1.name', /a is used twice/],
  [
    'a probe with a header of the connection itself',
    'probes:\n  - { name: a, http: { url: "http://a/", headers: { Transfer-Encoding: x } } }\n',
    '2: probes.0.http.headers.Transfer-Encoding',
    /name of a header/,
  ],
  [
    'two probes of one name',
    'probes:\n  - { name: a, command: [x] }\n  - { name: a, command: [y] }\n',
    '3: probes.1.name',
    /a is named twice/,
  ],
  [
    'a probe that asks nothing',
    'probes: [{ name: a }]',
    '1: probes.0',
    /a must have one of http, tcp, sql, command, and has none/,
  ],
  [
    'a probe that asks in two ways',
    'probes: [{ name: a, command: [x], tcp: { host: b, port: 1 } }]',
    '1: probes.0',
    /has tcp and command/,
  ],
  [
    'a probe that may take longer than it has',
    'probes:\n  - name: a\n    http:\n      url: http://b/\n      within: 3\n',
    '5: probes.0.http.within',
    /longer than its timeout of 2 s/,
  ],
  [
    'a probe with a CA for nothing',
    'probes:\n  - name: a\n    http: { url: "http://b/", ca: c.pem }\n',
    '3: probes.0.http.ca',
    /nothing to verify/,
  ],
  [
    'a probe with input for no command',
    'probes:\n  - name: a\n    tcp: { host: b, port: 1 }\n    stdin: secret:c\n',
    '4: probes.0.stdin',
    /it is for a command/,
  ],
  [
    'two nodes whose names differ in case',
    'nodes:\n  - name: a\n  - name: A\n',
    '3: nodes.1.name',
    /A is used twice/,
  ],
  [
    'a node and the monitor of one name',
    'monitor: { name: b }\nnodes:\n  - name: a\n  - name: b\n',
    '4: nodes.1.name',
    /b is used twice/,
  ],
  [
    'a node and the monitor whose names differ in case',
    'monitor: { name: A }\nnodes: [{ name: a }, { name: b }]',
    '2: nodes.0.name',
    /a is used twice/,
  ],
  [
    'a node named as the built-in monitor',
    'nodes: [{ name: pgaf-monitor }, { name: b }]',
    '1: nodes.0.name',
    /used twice/,
  ],
  [
    'a name too long for a certificate',
    `nodes:\n  - name: ${'a'.repeat(60)}\n  - name: b\n`,
    '2: nodes.0.name',
    /has 66 characters;? .*certificate.* holds 64: shorten/,
  ],
  [
    'a monitor too long for a certificate',
    `monitor: { name: monitor }\nincus: { domain: ${'a'.repeat(57)} }\nnodes: [{ name: a }, { name: b }]`,
    '1: monitor.name',
    /has 65 characters/,
  ],
];

export const badPolicies: BadFile[] = [
  [
    'two of one standby',
    replication('sync-standbys: 2') + nodes(2),
    '1: replication.sync-standbys',
    /2 is impossible with 1 standby in the quorum: at most 1/,
  ],
  [
    'two of two standbys',
    replication('sync-standbys: 2') + nodes(3),
    '1: replication.sync-standbys',
    /2 is impossible with 2 standbys in the quorum: at most 1/,
  ],
  [
    'three of three standbys',
    replication('sync-standbys: 3') + nodes(4),
    '1: replication.sync-standbys',
    /3 is impossible with 3 standbys in the quorum: at most 2/,
  ],
  [
    'two of three standbys, one of them out of the quorum',
    `replication: { sync-standbys: 2 }\n${three('', '', 'quorum: false')}`,
    '1: replication.sync-standbys',
    /2 is impossible with 1 standby in the quorum/,
  ],
  [
    'a synchronous standby without a quorum',
    replication('quorum: false'),
    '1: replication.quorum',
    /at least two data nodes .*found 0/,
  ],
  [
    'a quorum of one',
    three('', 'quorum: false', 'quorum: false'),
    '1: replication.quorum',
    /at least two data nodes .*found 1/,
  ],
  [
    'no synchronous standby with a quorum',
    replication('sync-standbys: 0'),
    '1: replication.sync-standbys',
    /0 needs quorum: false/,
  ],
  [
    'no synchronous standby with one in the quorum',
    replication('sync-standbys: 0, quorum: false') + three('', 'quorum: true'),
    '1: replication.sync-standbys',
    /0 needs quorum: false for every node/,
  ],
  [
    'one candidate',
    three('', 'candidate-priority: 0', 'candidate-priority: 0'),
    '1: nodes',
    /candidate-priority is above 0 for one node only/,
  ],
  [
    'no candidate',
    three('candidate-priority: 0', 'candidate-priority: 0', 'candidate-priority: 0'),
    '1: nodes',
    /for no node/,
  ],
  [
    'too few WAL senders',
    `postgres: { settings: { max_wal_senders: 3 } }\n${nodes(4)}`,
    '1: postgres.settings.max_wal_senders',
    /at least that of the data nodes.*here 4.*"3"/,
  ],
  [
    'too few replication slots',
    'postgres: { settings: { max_replication_slots: 0 } }',
    '1: postgres.settings.max_replication_slots',
    /at least/,
  ],
  [
    'no WAL for a standby',
    'postgres: { settings: { wal_level: minimal } }',
    '1: postgres.settings.wal_level',
    /replica or logical/,
  ],
  [
    'commits that wait for nobody',
    'postgres: { settings: { synchronous_commit: false } }',
    '1: postgres.settings.synchronous_commit',
    /on or remote_apply/,
  ],
  ['no fsync', 'postgres: { settings: { fsync: off } }', '1: postgres.settings.fsync', /must be on/],
  [
    'no full pages',
    'postgres: { settings: { full_page_writes: no } }',
    '1: postgres.settings.full_page_writes',
    /must be on/,
  ],
];

export const badReferences: BadFile[] = [
  [
    "a database of the application's name",
    postgres('database: app', 'databases:', '  - name: app'),
    '4: postgres.databases.0.name',
    /app is named twice: it is postgres\.database already/,
  ],
  [
    'two databases of one name',
    postgres('databases:', '  - name: b', '  - name: b'),
    '4: postgres.databases.1.name',
    /b is named twice/,
  ],
  [
    "a user of the application's name",
    postgres('users:', '  - { name: veza, databases: [veza] }'),
    '3: postgres.users.0.name',
    /veza is named twice: it is postgres\.user already/,
  ],
  [
    'two users of one name',
    postgres('users:', '  - { name: b, databases: [veza] }', '  - { name: b, databases: [veza] }'),
    '4: postgres.users.1.name',
    /b is named twice/,
  ],
  [
    'an owner that is not there',
    postgres('databases:', '  - name: b', '    owner: bob'),
    '4: postgres.databases.0.owner',
    /there is no user bob in this file; it has veza/,
  ],
  [
    'a database that is not there',
    postgres('users:', '  - name: bob', '    databases: [veza, vega]'),
    '4: postgres.users.0.databases.1',
    /there is no database vega/,
  ],
  [
    'access for a user that is not there',
    postgres('access:', '  - { user: bob, database: veza, clients: [10.0.0.0/8], method: trust }'),
    '3: postgres.access.0.user',
    /there is no user bob/,
  ],
  [
    'access to a database that is not there',
    postgres('access:', '  - { user: veza, database: bob, clients: [10.0.0.0/8], method: trust }'),
    '3: postgres.access.0.database',
    /there is no database bob/,
  ],
  [
    'two access rules for the same',
    postgres('access:', `  ${rule('trust')}`, `  ${rule('scram-sha-256')}`),
    '4: postgres.access.1.clients.0',
    /postgres\.access\.0 decides about veza from 10\.0\.0\.0\/8 to veza already/,
  ],
  [
    'certificates of clients without a CA',
    `tls: self-signed\n${postgres('access:', `  ${rule('cert')}`)}`,
    '4: postgres.access.0.method',
    /cert needs a CA .*verify-ca or verify-full/,
  ],
  [
    'a repository without its key',
    packages('repository: https://apt.example'),
    '2: postgres.packages.key',
    /required/,
  ],
  ['a key without its repository', packages(keyLine), '2: postgres.packages.repository', /required/],
  [
    'a source that needs a repository',
    packages(`source: repository\n    ${keyLine}`),
    '2: postgres.packages.repository',
    /required/,
  ],
  [
    'a suite of the distribution',
    packages('source: distribution\n    suite: bookworm'),
    '4: postgres.packages.suite',
    /has no meaning with source: distribution/,
  ],
];
