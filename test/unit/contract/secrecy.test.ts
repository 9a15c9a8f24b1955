import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  concealed,
  concealedJson,
  concealedMarkup,
  formsOf,
  holdsSecret,
  keepSecret,
  withoutPasswords,
  withoutUrlPasswords,
} from '../../../src/contract/secrecy.ts';
import { escapeHtml, escapeMarkdown } from '../../../src/report/table.ts';

const odd = `S3cret|*_"<&'%/@tail`;
keepSecret('hunter2-secret');
keepSecret(odd);
keepSecret('abc');

describe('a secret that was kept', () => {
  it.each([
    ['as it is', odd],
    ['in a URI', encodeURIComponent(odd)],
    ['in JSON', JSON.stringify({ why: odd })],
    ['in a page', escapeHtml(odd)],
    ['in Markdown', escapeMarkdown(odd)],
  ])('is concealed %s', (_, text) => {
    expect(concealed(`it said ${text}, and ${text}`)).not.toContain('S3cret');
    expect(holdsSecret(text)).toBe(true);
  });

  it('is concealed once it was decoded', () => {
    keepSecret('p%40ssword');
    expect(concealed('p@ssword')).toBe('***');
    expect(formsOf('%zz')).toContain('%zz');
  });

  it('leaves a text without it as it was, and short ones are no secret', () => {
    for (const text of ['abc', 'hunter2', '']) expect(concealed(text)).toBe(text);
  });

  it('leaves JSON to be JSON and markup to be markup', () => {
    keepSecret('123456');
    keepSecret('testcase');
    expect(JSON.parse(concealedJson({ at: 123456, why: ['is 123456'], a: { testcase: null } }))).toEqual({
      at: 123456,
      why: ['is ***'],
      a: { testcase: null },
    });
    expect(concealedMarkup('<testcase name="a testcase">hunter2-secret<b/>testcase</testcase>')).toBe(
      '<testcase name="a ***">***<b/>***</testcase>',
    );
  });
});

describe('a password in a URL', () => {
  it.each([
    ['http://u:hunter2@proxy:3128/', 'http://u:***@proxy:3128/'],
    ['see postgres://veza:p%40ss@a,b/veza?x=y.', 'see postgres://veza:***@a,b/veza?x=y.'],
    ['http://u:hu@nter2@proxy', 'http://u:***@proxy'],
    ['http://u:hunt/er#2@proxy', 'http://u:***@proxy'],
    ['"http://a:b" and "x@y"', '"http://a:b" and "x@y"'],
    ['http://host:8080/a@b', 'http://host:8080/a@b'],
    ['postgres://a:5432,b:5432/veza?x=y@z', 'postgres://a:5432,b:5432/veza?x=y@z'],
    ['postgres://veza@a:5432/veza', 'postgres://veza@a:5432/veza'],
  ])('%s', (text, shown) => {
    expect(withoutUrlPasswords(text)).toBe(shown);
  });

  it('is looked for in time linear to the text', () => {
    const started = performance.now();
    withoutUrlPasswords(`${'://a:'.repeat(100_000)}`);
    withoutUrlPasswords(`${'://a:'.repeat(50_000)} x@y`);
    withoutUrlPasswords(`://${'a'.repeat(500_000)}`);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('a configuration that others wrote', () => {
  it.each([
    ['password = hunter2 and more', 'password = ***'],
    ['password = ', 'password = '],
    ['Environment=PGPASSWORD=hunter2 LANG=C', 'Environment=PGPASSWORD=*** LANG=C'],
    ['Environment="API_TOKEN=hun ter2" "LANG=C"', 'Environment="API_TOKEN=***" "LANG=C"'],
    [
      'host all all 10.0.0.0/8 ldap ldapbindpasswd="hun ter2" x=1',
      'host all all 10.0.0.0/8 ldap ldapbindpasswd=*** x=1',
    ],
    [
      'host all all 10.0.0.0/8 radius radiussecrets="hunter2"',
      'host all all 10.0.0.0/8 radius radiussecrets=***',
    ],
    [
      'monitor = postgres://autoctl_node:hunt@er/2@host:5432/db?sslmode=require&password=hunter2&x=1',
      'monitor = postgres://autoctl_node:***@host:5432/db?sslmode=require&password=***&x=1',
    ],
    [
      'ERROR Failed to connect to "host=a password=hunter2 dbname=b"',
      'ERROR Failed to connect to "host=a password=*** dbname=b"',
    ],
    [
      'key_file = /etc/a\nnetwork_partition_timeout = 20',
      'key_file = /etc/a\nnetwork_partition_timeout = 20',
    ],
  ])('%s', (text, shown) => {
    expect(withoutPasswords(text)).toBe(shown);
  });

  it('is looked through in time linear to its length', () => {
    const started = performance.now();
    for (const part of ['password=', '"password=', 'passwd', 'x=', ' '])
      withoutPasswords(`${part.repeat(20_000)}password`);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

it('whatever is kept is in no text any more', () => {
  const secret = fc
    .string({ minLength: 8, maxLength: 40, unit: 'binary' })
    .filter((each) => each.trim().length >= 6);
  fc.assert(
    fc.property(secret, fc.string(), fc.string(), (given, before, after) => {
      keepSecret(given);
      expect(concealed(`${before}${given}${after}`)).not.toContain(given);
      expect(concealed(JSON.stringify(given))).not.toContain(JSON.stringify(given).slice(1, -1));
    }),
    { numRuns: 50 },
  );
});
