import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quoteIdentifier, quoteLiteral } from '../../../src/postgres/identifier.ts';

/**
 * Reads one SQL token as Postgres' scanner does (standard_conforming_strings on). Throws unless the text is
 * exactly that token, so that nothing can follow it.
 */
function readToken(text: string): { kind: 'identifier' | 'literal'; value: string } {
  const start = /^\s*(E?)(['"])/.exec(text);
  if (!start) throw new Error(`not a quoted token: ${text}`);
  const [head, escapes, quote = ''] = start;
  let value = '';
  for (let at = head.length; at < text.length; at++) {
    const character = text[at] ?? '';
    if (character === quote && text[at + 1] === quote) {
      value += quote;
      at++;
    } else if (character === quote) {
      if (at !== text.length - 1) throw new Error(`the token ends early: ${text}`);
      return { kind: quote === '"' ? 'identifier' : 'literal', value };
    } else if (character === '\\' && escapes === 'E') {
      if (!"\\'".includes(text[at + 1] ?? '?'))
        throw new Error(`an escape that means something else: ${text}`);
      value += text[++at];
    } else value += character;
  }
  throw new Error(`the token does not end: ${text}`);
}

const awkward = fc
  .array(fc.oneof(fc.constantFrom("'", '"', '\\', ';', '--', '\n', '$$', '%', 'E', ' '), fc.string()), {
    maxLength: 12,
  })
  .map((pieces) => pieces.join('').replaceAll('\0', ''));

describe('a quoted literal', () => {
  it('is read back by SQL as the text it was made of, whatever that is', () => {
    fc.assert(
      fc.property(awkward, (text) => {
        expect(readToken(quoteLiteral(text))).toEqual({ kind: 'literal', value: text });
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['', "''"],
    ["O'Brien", "'O''Brien'"],
    ["'; DROP TABLE x; --", "'''; DROP TABLE x; --'"],
    ['SCRAM-SHA-256$4096:c2FsdA==$a:b', "'SCRAM-SHA-256$4096:c2FsdA==$a:b'"],
  ])('%j is written %s', (text, quoted) => {
    expect(quoteLiteral(text)).toBe(quoted);
  });

  it('does not depend on standard_conforming_strings where it holds a backslash', () => {
    expect(quoteLiteral("\\'").trimStart()).toBe("E'\\\\'''");
  });

  it('cannot hold NUL', () => {
    expect(() => quoteLiteral('a\0b')).toThrow(/NUL/);
  });
});

describe('a quoted identifier', () => {
  it('is read back by SQL as the name it was made of, whatever that is', () => {
    fc.assert(
      fc.property(
        awkward.filter((name) => name !== ''),
        (name) => {
          expect(readToken(quoteIdentifier(name))).toEqual({ kind: 'identifier', value: name });
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each(['', 'a\0b'])('%j is none', (name) => {
    expect(() => quoteIdentifier(name)).toThrow(/not an SQL identifier/);
  });
});
