import { expect, it } from 'vitest';
import { clientsOf, rulesBeyond } from '../../../src/adoption/clients.ts';
import type { NodeFound } from '../../../src/adoption/read.ts';
import { rule, upstreamRules } from './foreign.ts';

const node = (rules: string[], given: Partial<NodeFound> = {}): NodeFound => ({
  inRecovery: false,
  walSenderTimeoutMs: 30_000,
  databases: [
    { name: 'shop', owner: 'shop' },
    { name: 'audit', owner: 'auditor' },
  ],
  roles: [
    { name: 'auditor', databases: ['audit', 'shop'] },
    { name: 'pgautofailover_replicator', databases: ['audit', 'shop'] },
    { name: 'shop', databases: ['shop'] },
    { name: 'unused', databases: ['shop'] },
  ],
  superusers: [],
  hbaRules: [...upstreamRules, ...rules.map(rule)],
  ...given,
});

it('the application is the owner of the database that is used most, and others are who gets in', () => {
  const found = node(['hostssl shop shop 10.1.0.0/16 scram-sha-256', 'host audit auditor 10.2.0.0/16 md5']);
  expect(clientsOf([found], {})).toEqual({
    database: 'shop',
    user: 'shop',
    databases: [{ name: 'audit', owner: 'auditor' }],
    users: [
      { name: 'auditor', databases: ['audit'], clients: ['10.2.0.0/16'] },
      { name: 'shop', databases: ['shop'], clients: ['10.1.0.0/16'] },
    ],
    access: [],
    superusers: [],
    remarks: [],
  });
});

it('whoever says which is the application is believed', () => {
  const found = node(['host all all 10.0.0.0/8 md5']);
  expect(clientsOf([found], { database: 'audit', user: 'auditor' })).toMatchObject({
    database: 'audit',
    user: 'auditor',
    databases: [{ name: 'shop', owner: 'shop' }],
  });
});

it('a rule for all lets in whoever may connect', () => {
  const { users } = clientsOf([node(['host all all 10.0.0.0/8 scram-sha-256'])], {});
  expect(users.map(({ name, databases }) => `${name} ${databases.join()}`)).toEqual([
    'auditor shop,audit',
    'shop shop',
    'unused shop',
  ]);
});

it('the first rule that fits decides: who is rejected before is not let in', () => {
  const { users, remarks } = clientsOf(
    [node(['host shop shop 10.0.0.0/8 reject', 'host shop shop 10.0.0.0/8 scram-sha-256'])],
    {},
  );
  expect(users).toEqual([{ name: 'shop', databases: ['shop'], clients: [] }]);
  expect(remarks).toEqual([
    expect.stringContaining('no rule of pg_hba.conf lets shop in'),
    expect.stringContaining('the database audit belongs to auditor'),
  ]);
});

it('who gets in without a password goes on doing so, and is told apart', () => {
  const { access, users } = clientsOf([node(['host shop shop 10.0.0.0/8 trust'])], {});
  expect(access).toEqual([{ user: 'shop', database: 'shop', clients: ['10.0.0.0/8'], method: 'trust' }]);
  expect(users).toEqual([{ name: 'shop', databases: ['shop'], clients: ['10.0.0.0/8'] }]);
});

it('a rule on one node is enough: that others lack it is for the check to find', () => {
  const { users } = clientsOf([node([]), node(['hostssl shop shop 10.0.0.0/8 scram-sha-256'])], {});
  expect(users).toEqual([{ name: 'shop', databases: ['shop'], clients: ['10.0.0.0/8'] }]);
});

it('names that no file says are left out, and told', () => {
  const found = node(['host all all 10.0.0.0/8 md5'], {
    databases: [{ name: 'Shop', owner: 'shop' }],
    roles: [{ name: 'a b', databases: ['Shop'] }],
  });
  expect(clientsOf([found], {})).toMatchObject({
    database: undefined,
    user: undefined,
    remarks: [expect.stringContaining('the database "Shop"'), expect.stringContaining('the role "a b"')],
  });
});

it('a database of the superuser has an owner that the file can say, which is told', () => {
  const found = node(['host shop shop 10.0.0.0/8 md5'], { databases: [{ name: 'shop', owner: 'postgres' }] });
  expect(clientsOf([found], {})).toMatchObject({
    user: 'shop',
    remarks: ['the database shop belongs to postgres; provision-pgaf would give it to shop'],
  });
});

const known = { users: [{ name: 'shop', databases: ['shop'], clients: [] }], superusers: [] };

it.each([
  ['local all exporter peer'],
  ['host replication backup 10.0.0.9/32 scram-sha-256'],
  ['host all all 10.0.0.0/8 gss'],
  ['host all all 10.0.0.0/8 reject'],
  ['host shop shop app.example.org scram-sha-256'],
  ['host shop stranger 10.0.0.0/8 scram-sha-256'],
  // Backups and consumers of changes, of whatever name.
  ['host replication all 10.0.0.0/8 scram-sha-256'],
  // An administrator's way in.
  ['host all postgres 10.0.0.0/8 scram-sha-256'],
  // An exporter's, of a role that the file has otherwise.
  ['host postgres shop 10.0.0.9/32 scram-sha-256'],
  // Clients that use no TLS: the file's all do.
  ['hostnossl shop shop 10.0.0.0/8 scram-sha-256'],
])('%s would be lost', (text) => {
  expect(rulesBeyond([...upstreamRules, rule(text)], known, ['db1'])).toEqual([text]);
});

it('a rule for all would be lost to superusers, who are in no file', () => {
  const text = 'host all all 10.0.0.0/8 scram-sha-256';
  expect(rulesBeyond([...upstreamRules, rule(text)], { ...known, superusers: ['dba'] }, ['db1'])).toEqual([
    text,
  ]);
});

it('what initdb, pg_autoctl and pgha write would not', () => {
  const own = [
    'hostssl shop shop 10.0.0.0/8 scram-sha-256',
    'host all all 10.0.0.0/8 md5',
    'host shop shop all md5',
    'host all postgres 127.0.0.1/32 trust',
    'host sameuser,shop shop 10.0.0.0/8 md5',
  ];
  expect(rulesBeyond([...upstreamRules, ...own.map(rule)], known, ['db1'])).toEqual([]);
});

it.each([
  ['hostssl postgres postgres 10.77.7.249/32 trust', '10.77.7.249'],
  ['hostssl postgres postgres node1.example trust', 'node1.example'],
])("nor would %s, by which pg_autoctl lets postgres in from the node's own host", (text, host) => {
  expect(rulesBeyond([rule(text)], known, ['db1', host])).toEqual([]);
  // From any other it is somebody's way in.
  expect(rulesBeyond([rule(text)], known, ['10.77.7.24'])).toEqual([text]);
});

it('a line that Postgres cannot read is told with its reason', () => {
  const broken = { ...rule('  '), error: 'invalid connection type "hots"' };
  expect(rulesBeyond([broken], { users: [], superusers: [] }, ['db1'])).toEqual([
    'a line that Postgres cannot read (invalid connection type "hots")',
  ]);
});

it("a database of the superuser is not the application's where a role that is let in has one", () => {
  const found = node(['hostssl shop shop 10.0.0.0/8 scram-sha-256'], {
    databases: [
      { name: 'orders', owner: 'postgres' },
      { name: 'shop', owner: 'shop' },
    ],
  });
  expect(clientsOf([found], {})).toMatchObject({
    database: 'shop',
    user: 'shop',
    databases: [],
    remarks: ['the database orders belongs to postgres, and nobody in this file uses it: it is left out'],
  });
});
