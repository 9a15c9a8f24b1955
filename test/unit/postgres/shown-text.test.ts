import { describe, expect, it } from 'vitest';
import { shownText } from '../../../src/postgres/shown-text.ts';

describe("a server's text", () => {
  it.each([
    [
      'is shown as it is',
      'no pg_hba.conf entry for host "10.0.0.1"',
      'no pg_hba.conf entry for host "10.0.0.1"',
    ],
    ['is put on one line', 'one\n  two\r\nthree', 'one | two | three'],
    ['loses what a terminal obeys', 'a\u001b[2Jb\u009b1mc\0', 'a\\u001b[2Jb\\u009b1mc\\u0000'],
    ['loses what turns the direction of writing', 'a\u202eb', 'a\\u202eb'],
    ['is cut', 'x'.repeat(2000), `${'x'.repeat(500)}… (1500 more characters)`],
    ['is cut between its characters', '🦉'.repeat(600), `${'🦉'.repeat(250)}… (700 more characters)`],
  ])('%s', (_, said, shown) => {
    expect(shownText(said)).toBe(shown);
  });

  it('is never half of a pair', () => {
    expect(shownText(`x${'🦉'.repeat(600)}`)).toBe(`x${'🦉'.repeat(249)}… (702 more characters)`);
  });

  it('takes time linear to its length', () => {
    const started = performance.now();
    shownText('\n\u001b'.repeat(20_000_000));
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
