import { describe, expect, it } from 'vitest';
import type { UriEnd } from '../../../src/application/by-uri.ts';
import { type ClientUri, parseClientUri } from '../../../src/application/client-uri.ts';
import { clientChecks } from '../../../src/check/catalogue/clients.ts';
import type { Observation, ObservedUri } from '../../../src/check/observation.ts';
import { formationUri } from '../../../src/formation/formation.ts';
import { formationOf } from '../builders.ts';

/** The application's connection string holds a password: whatever is wrong with it, nothing of it is repeated. */

const formation = formationOf('environment: lab\nnodes: [{ name: a }, { name: b }]\n');
const check = clientChecks.find(({ id }) => id === 'client-uri');
/** What cannot be read is refused before (test/unit/application/client-uri.test.ts). */
const read = (text: string): ClientUri => {
  const found = parseClientUri(text);
  if ('errors' in found) throw new Error(found.errors.join('; '));
  return found.uri;
};
const told = (text: string) =>
  (check?.problems({} as Observation, formation, { clientUri: read(text), rtoTargetSeconds: 60 }) ?? [])
    .map(({ evidence }) => evidence)
    .join('\n');

const right = 'postgres://veza:hunter2@a.incus:5432,b.incus:5432/veza?target_session_attrs=read-write';

describe('a connection string', () => {
  it('that leads to every node and to the one that takes writes is right', () => {
    expect(told(right)).toBe('');
    expect(told(right.replace('hunter2', '%40%2F%3f'))).toBe('');
    // Its database is then that of its user's name.
    expect(told(right.replace('/veza?', '?'))).toBe('');
    const named =
      'postgres:///veza?host=a.incus,b.incus&port=5432&target_session_attrs=primary&password=hunter2';
    expect(told(named)).toBe('');
  });

  it('that pgha itself gives is right, whatever the hosts are', () => {
    const file =
      'environment: lab\nnodes: [{ name: a, host: "fd00::1" }, { name: b, host: 10.0.0.2 }]\nmonitor: { name: m }\n';
    const byAddress = formationOf(file);
    const own = formationUri(byAddress);
    const named = own.replace(/@[^/]*/, '@').replace('?', '?host=fd00::1,10.0.0.2&');
    for (const text of [own, named])
      expect(check?.problems({} as Observation, byAddress, { clientUri: read(text) })).toEqual([]);
  });

  it.each([
    ['that leaves a node out', right.replace(',b.incus:5432', ''), /it leaves out b\.incus:5432/],
    [
      'that names another host',
      right.replace('a.incus', 'S3cretTail'),
      /host 1 of its 2 is no data node at its port/,
    ],
    [
      'that names another database',
      right.replace('/veza?', '/S3cretTail?'),
      /it names another database, not veza/,
    ],
    [
      'that names no database',
      right.replace('veza:hunter2@', '').replace('/veza?', '?'),
      /it names no database, not veza/,
    ],
    ['that takes any node', right.replace('read-write', 'any'), /is none of read-write, primary/],
    [
      'that takes any node after all, by a later word',
      `${right}&target_session_attrs=standby`,
      /is none of read-write, primary/,
    ],
    [
      'whose parameters name other hosts',
      `${right}&host=S3cretTail&port=5432`,
      /host 1 of its 1 is no data node/,
    ],
    [
      'whose parameters name another port',
      `${right}&port=6543`,
      /it leaves out a\.incus:5432, b\.incus:5432/,
    ],
    ['whose parameters name another database', `${right}&dbname=S3cretTail`, /it names another database/],
    [
      'whose parameters name an address',
      `${right}&hostaddr=10.0.0.9,10.0.0.8`,
      /it has the parameter hostaddr/,
    ],
    ['that says nothing of it', right.replace(/\?.*/, ''), /target_session_attrs is none of/],
  ])('%s is told without it', (_, given, says) => {
    const said = told(given);
    expect(said).toMatch(says);
    expect(said).not.toMatch(/S3cret|Tail|hunter2/);
  });
});

describe('a connection string whose host is no data node is judged by where it leads', () => {
  const own = { ok: true, value: '7001' } as const;
  const end = (given: Partial<UriEnd> = {}) => ({
    ok: true as const,
    value: {
      ...{ inRecovery: false, readOnly: false, address: '10.0.0.1', database: 'veza', user: 'veza' },
      ...{ systemIdentifier: '7001' },
      ...given,
    },
  });
  const standby = end({ inRecovery: true, readOnly: true, address: '10.0.0.2' });
  const nobody = { ok: false, failed: 'nobody is there' } as const;
  const judged = (text: string, ends: ObservedUri['ends'], cluster: ObservedUri['own'] = own) =>
    (
      check?.problems({ uri: { own: cluster, ends } } as Observation, formation, { clientUri: read(text) }) ??
      []
    ).map(({ evidence, severity = 'error' }) => `${severity}: ${evidence}`);
  const pooler = 'postgres://veza@pooler:6432/anything';

  it('to the primary: right, whatever the pooler calls its database', () => {
    expect(judged(pooler, [end()])).toEqual([]);
    // What may not be asked is not held against it.
    expect(judged(pooler, [end({ systemIdentifier: undefined })])).toEqual([]);
    expect(judged(pooler, [end({ systemIdentifier: '9' })], nobody)).toEqual([]);
  });

  it.each([
    [
      'to another cluster',
      pooler,
      [end({ systemIdentifier: '9' })],
      /^error: it leads to 10\.0\.0\.1, which is of another cluster than formation default \(system identifier 9\)$/,
    ],
    ['to a standby', pooler, [standby], /^error: it leads to 10\.0\.0\.2, a standby$/],
    ['to a node that is read-only', pooler, [end({ readOnly: true })], /where its sessions are read-only/],
    ['nowhere', pooler, [nobody], /^error: it leads nowhere: nobody is there$/],
    ['to another database', pooler, [end({ database: 'other' })], /another database, not veza/],
    ['to another role', pooler, [end({ user: 'other' })], /another role, not veza/],
    [
      'to either, and asks for none',
      'postgres://veza@p,q/veza',
      [end(), standby],
      /host 2 of its 2 leads to 10\.0\.0\.2, a standby; target_session_attrs/,
    ],
    [
      'to the primary, and by one host nowhere',
      'postgres://veza@p,q/veza',
      [nobody, end()],
      /^warning: host 1 of its 2 leads nowhere/,
    ],
  ])('%s: told', (_, text, ends, says) => {
    expect(judged(text, ends).join('\n')).toMatch(says);
  });

  it('to a standby as well, where it asks for the one that takes writes: right', () => {
    expect(judged('postgres://veza@p,q/veza?target_session_attrs=read-write', [standby, end()])).toEqual([]);
  });

  it('and by its words where nobody could go by it', () => {
    expect(told(pooler)).toContain('host 1 of its 1 is no data node at its port');
  });
});
