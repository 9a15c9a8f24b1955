import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientChecks } from '../../../src/check/catalogue/clients.ts';
import type { Observation } from '../../../src/check/observation.ts';
import { formationUri } from '../../../src/formation/formation.ts';
import { formationOf } from '../builders.ts';

/** The application's connection string holds a password: whatever is wrong with it, nothing of it is repeated. */

const formation = formationOf('environment: lab\nnodes: [{ name: a }, { name: b }]\n');
const check = clientChecks.find(({ id }) => id === 'client-uri');
const told = (clientUri: string) =>
  (check?.problems({} as Observation, formation, { clientUri, rtoTargetSeconds: 60 }) ?? [])
    .map(({ evidence }) => evidence)
    .join('\n');

const right = 'postgres://veza:hunter2@a.incus:5432,b.incus:5432/veza?target_session_attrs=read-write';

describe('a connection string', () => {
  it('that leads to every node and to the one that takes writes is right', () => {
    expect(told(right)).toBe('');
    expect(told(right.replace('hunter2', '%40%2F%3f'))).toBe('');
    const named =
      'postgres:///veza?host=a.incus,b.incus&port=5432&target_session_attrs=primary&password=hunter2';
    expect(told(named)).toBe('');
  });

  it('that pgha itself gives is right, whatever the hosts are', () => {
    const file =
      'environment: lab\nnodes: [{ name: a, host: "fd00::1" }, { name: b, host: 10.0.0.2 }]\nmonitor: { name: m }\n';
    const byAddress = formationOf(file);
    const asked = { clientUri: formationUri(byAddress), rtoTargetSeconds: 60 };
    expect(check?.problems({} as Observation, byAddress, asked)).toEqual([]);
    const named = asked.clientUri.replace(/@[^/]*/, '@').replace('?', '?host=fd00::1,10.0.0.2&');
    expect(check?.problems({} as Observation, byAddress, { ...asked, clientUri: named })).toEqual([]);
  });

  it.each([
    ['with an @ in its password', right.replace('hunter2', 'hunter2@S3cretTail'), /one @ too many/],
    ['with a / in its password', right.replace('hunter2', 'hunter2/S3cretTail'), /one @ too many, or a \//],
    [
      'whose percent signs make no sense',
      right.replace('/veza?', '/%zz?'),
      /its database is not percent-encoded/,
    ],
    ['with a password of that kind', right.replace('hunter2', '%zz'), /^$/],
    ['that is key=value', 'host=a.incus password=S3cretTail', /it is no postgres:\/\/ URI/],
    ['that is a password', 'S3cretTail', /it is no postgres:\/\/ URI/],
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
    ['that names no database', right.replace('/veza?', '?'), /it names no database, not veza/],
    ['that takes any node', right.replace('read-write', 'S3cretTail'), /is none of read-write, primary/],
    [
      'that takes any node after all, by a later word',
      `${right}&target_session_attrs=S3cretTail`,
      /is none of read-write, primary/,
    ],
    ['whose parameters name other hosts', `${right}&host=S3cretTail`, /host 1 of its 1 is no data node/],
    [
      'whose parameters name another port',
      `${right}&port=6543`,
      /it leaves out a\.incus:5432, b\.incus:5432/,
    ],
    ['whose parameters name another database', `${right}&dbname=S3cretTail`, /it names another database/],
    ['whose parameters name an address', `${right}&hostaddr=10.0.0.9`, /it has the parameter hostaddr/],
    ['that says nothing of it', right.replace(/\?.*/, ''), /target_session_attrs is missing/],
  ])('%s is told without it', (_, given, says) => {
    const said = told(given);
    expect(said).toMatch(says);
    expect(said).not.toMatch(/S3cret|Tail|hunter2/);
  });

  it('is never repeated, wherever in it the password stands', () => {
    const sign = fc.constantFrom('@', '/', ':', '?', '#', '%', ',', '&', '=', ' ', "'", '%zz', '');
    fc.assert(
      fc.property(fc.array(sign, { minLength: 8, maxLength: 8 }), fc.nat(right.length), (signs, at) => {
        const secret = ['Zq7', 'Xw9', 'Kj3', 'Vp5'].map((part, index) => `${signs[index]}${part}`).join('');
        const said = told(`${right.slice(0, at)}${secret}${signs[4]}${right.slice(at)}`);
        expect(said).not.toMatch(/Zq7|Xw9|Kj3|Vp5/);
      }),
      { numRuns: 500 },
    );
  });
});
