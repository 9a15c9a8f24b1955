import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { connectDeadlineMs, connectTold } from '../../../src/application/by-uri.ts';
import { type ClientUri, parseClientUri, shownHost } from '../../../src/application/client-uri.ts';
import { uriAccess } from '../../../src/application/uri-access.ts';
import { formationOf } from '../builders.ts';

/** An application's own connection string, read as libpq reads it; it holds a password, and no error repeats anything of it. */

const read = (text: string): ClientUri => {
  const found = parseClientUri(text);
  if ('errors' in found) throw new Error(found.errors.join('; '));
  return found.uri;
};
const errorsOf = (text: string): string => {
  const found = parseClientUri(text);
  return 'errors' in found ? found.errors.join('; ') : '';
};

const right = 'postgres://veza:hunter2@a.incus:5432,b.incus:5432/veza?target_session_attrs=read-write';

describe('a connection string', () => {
  it.each([
    [right, ['a.incus:5432', 'b.incus:5432']],
    ['postgresql://pooler/veza', ['pooler:5432']],
    ['postgres://u:p@[fd00::1]:6432,10.0.0.9/veza', ['[fd00::1]:6432', '10.0.0.9:5432']],
    ['postgres:///veza?host=a,b&port=6432', ['a:6432', 'b:6432']],
    ['postgres://x:1/veza?host=a,b&port=1,2', ['a:1', 'b:2']],
    ['host=pooler port=6432 user=veza dbname=veza', ['pooler:6432']],
    ["  host = 'a,b'  port='5432,' ", ['a:5432', 'b:5432']],
    ['hostaddr=10.0.0.1,10.0.0.2 user=veza', ['10.0.0.1:5432', '10.0.0.2:5432']],
  ])('%s has these hosts', (text, hosts) => {
    expect(read(text).hosts.map(shownHost)).toEqual(hosts);
  });

  it('has the rest as libpq has it: decoded, quoted, and the last of a name', () => {
    expect(
      read(
        'postgres://us%40er:p%2F%40ss@h/d%25b?sslmode=disable&sslmode=require&connect_timeout=1&options=-c%20statement_timeout%3D5s&application_name=x&load_balance_hosts=random',
      ),
    ).toMatchObject({
      user: 'us@er',
      password: 'p/@ss',
      database: 'd%b',
      sslMode: 'require',
      // libpq's least.
      connectTimeoutSeconds: 2,
      options: '-c statement_timeout=5s',
      applicationName: 'x',
      isBalanced: true,
      target: 'any',
    });
    expect(read("host=h password='it\\'s \\\\ me' user=veza")).toMatchObject({ password: "it's \\ me" });
    expect(read('postgres://h/d?ssl=true')).toMatchObject({ sslMode: 'require' });
    // + is no blank.
    expect(read('postgres://h/d?application_name=a+b')).toMatchObject({ applicationName: 'a+b' });
  });

  it('is taken for what follows libpq, and says what it does otherwise', () => {
    const uri = read('postgres://h,i/d?keepalives=1&pool_max_conns=4&sslmode=prefer&search_path=x');
    expect(uri).toMatchObject({ ignored: ['keepalives'], unknown: [2, 4], sslMode: 'prefer' });
    expect(connectTold(uri).join('\n')).toMatch(
      /up to 130 s for a host that is silent, before it tries the next[\s\S]*keepalives[\s\S]*parameters 2, 4/,
    );
    expect(connectTold(read('postgres://h/d?connect_timeout=3'))).toEqual([]);
    expect(connectDeadlineMs(read('postgres://h/d?connect_timeout=3'))).toBe(3000);
    expect(connectDeadlineMs(read('postgres://h/d?connect_timeout=0'))).toBe(130_000);
  });

  it.each([
    ['with an @ in its password', right.replace('hunter2', 'hunter2@S3cretTail'), /one @ too many/],
    ['with a / in its password', right.replace('hunter2', 'hunter2/S3cretTail'), /one @ too many|port/],
    [
      'whose percent signs make no sense',
      right.replace('/veza?', '/%zz?'),
      /its database is not percent-encoded/,
    ],
    ['with a password of that kind', right.replace('hunter2', '%zz'), /its password is not percent-encoded/],
    ['that is a password', 'S3cretTail', /it is no postgres:\/\/ URI, nor key=value pairs/],
    ['of JDBC', 'jdbc:postgresql://a/veza?password=S3cretTail', /it is no postgres:\/\/ URI/],
    ['without a host', 'postgres:///veza', /it names no host/],
    ['of a Unix socket', 'host=/var/run/S3cretTail dbname=veza', /a Unix socket/],
    [
      'of a port that is none',
      right.replace(':5432', ':S3cretTail'),
      /a port of it is no number from 1 to 65535/,
    ],
    ['of another number of ports', 'host=a,b,c port=1,2', /2 ports for 3 hosts/],
    ['of an unknown sslmode', `${right}&sslmode=S3cretTail`, /sslmode is none of disable, allow/],
    [
      'of an unknown target',
      right.replace('read-write', 'S3cretTail'),
      /target_session_attrs is none of any/,
    ],
    ['of a time-out that is none', `${right}&connect_timeout=S3cretTail`, /no whole number of seconds/],
    [
      'with a client certificate',
      `${right}&sslcert=S3cretTail`,
      /sslcert: client certificates are not supported/,
    ],
    ['by a service file', 'service=S3cretTail host=a', /service: the service file/],
    ['with a parameter of two values', `${right}&a=b=S3cretTail`, /parameter 2 is not one name, one =/],
    ['with a quote that does not end', "host=a password='S3cretTail", /its pair 2 is not a name/],
  ])('%s is refused without it', (_, given, says) => {
    const said = errorsOf(given);
    expect(said).toMatch(says);
    expect(said).not.toMatch(/S3cret|Tail|hunter2/);
  });

  it('is never repeated, wherever in it the password stands', () => {
    const sign = fc.constantFrom('@', '/', ':', '?', '#', '%', ',', '&', '=', ' ', "'", '%zz', '');
    fc.assert(
      fc.property(fc.array(sign, { minLength: 8, maxLength: 8 }), fc.nat(right.length), (signs, at) => {
        const secret = ['Zq7', 'Xw9', 'Kj3', 'Vp5'].map((part, index) => `${signs[index]}${part}`).join('');
        const said = errorsOf(`${right.slice(0, at)}${secret}${signs[4]}${right.slice(at)}`);
        expect(said).not.toMatch(/Zq7|Xw9|Kj3|Vp5/);
      }),
      { numRuns: 500 },
    );
  });
});

describe('what a connection string leaves out', () => {
  const formation = formationOf('environment: lab\nnodes: [{ name: a }, { name: b }]\n');
  const access = (text: string, given: Partial<{ password: string; ca: string }> = {}) =>
    uriAccess(read(text), formation, { password: 'by-itself', ca: '', ...given });

  it('is filled in: the password that came by itself, the application, and its database', () => {
    expect(access('postgres://pooler/x')).toMatchObject({
      access: { user: 'veza', password: 'by-itself', database: 'x', ca: undefined },
    });
    expect(access('postgres://me:own@pooler')).toMatchObject({
      access: { user: 'me', password: 'own', database: 'me' },
    });
  });

  it.each([
    ['a password', access('postgres://pooler/x', { password: '' }), /it has no password/],
    ['a CA', access('postgres://pooler/x?sslmode=verify-full'), /give that as tls-ca/],
    [
      'a CA that is there',
      access('postgres://pooler/x?sslrootcert=/none/here'),
      /cannot be read on this machine/,
    ],
    ['a server that takes writes', access('postgres://a/x?target_session_attrs=standby'), /nobody can write/],
    [
      'whose names a root of the system holds',
      access('postgres://a/x?sslrootcert=system'),
      /verify-full alone/,
    ],
  ])('is told: %s', (_, found, says) => {
    expect('errors' in found ? found.errors.join('; ') : '').toMatch(says);
  });

  it('has a CA of the input before the file that it names', () => {
    expect(
      access('postgres://pooler/x?sslmode=verify-ca&sslrootcert=/none/here', { ca: 'PEM' }),
    ).toMatchObject({
      access: { ca: 'PEM' },
    });
  });
});
