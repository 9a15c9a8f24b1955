import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messageOf, onOneLine } from '../../../src/contract/errors.ts';

describe('a text of several lines', () => {
  it.each([
    ['one', 'one'],
    ['  one  ', '  one  '],
    ['one \n  two\r\n\r\n \t\r three', 'one | two | three'],
  ])('%j is shown as %j', (text, line) => {
    expect(onOneLine(text, ' | ')).toBe(line);
  });

  it('is joined where lines end, blanks around it included', () => {
    const text = fc.string({ unit: fc.constantFrom('a', ' ', '\t', '\n', '\r', '|'), maxLength: 30 });
    fc.assert(
      fc.property(text, (given) => {
        expect(onOneLine(given, ' | ')).toBe(given.replace(/\s*[\r\n]\s*/g, ' | '));
      }),
    );
  });

  it.each([' ', '\n', ' \n', 'a '])('is joined in no time where a server sent megabytes of %j', (unit) => {
    const started = performance.now();
    messageOf(new Error(unit.repeat(4_000_000 / unit.length)));
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
