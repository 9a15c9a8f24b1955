import { describe, expect, it } from 'vitest';
import { namedSecrets } from '../../../src/runner/secrets-input.ts';

describe('lines of NAME=VALUE', () => {
  it('are read as they stand, up to their ends', () => {
    expect([...namedSecrets.parse('a=b=c\r\n\n  token = Bearer x y \nuri=postgres://u:p@h/d\n')]).toEqual([
      ['a', 'b=c'],
      ['token', 'Bearer x y'],
      ['uri', 'postgres://u:p@h/d'],
    ]);
    expect(namedSecrets.parse('').size).toBe(0);
  });

  it.each([
    ['hush-hush', /line 1 is none/],
    ['a=b\na=hush', /a name twice, in line 2/],
    ['a=', /no value in line 1/],
    ['two words=hush', /line 1 is none/],
    ['a=hush\ufffd', /no UTF-8/],
  ])('that are none are told by their number alone: %j', (given, says) => {
    expect(() => namedSecrets.parse(given)).toThrow(says);
    expect(() => namedSecrets.parse(given)).not.toThrow(/hush/);
  });

  it('are masked whole, and in what would give them away', () => {
    const masked = namedSecrets.secrets?.(
      'token=Bearer abcdefgh\nuri=postgres://u:pass%20word@h/d\nurl=https://h/?key=12345678\nuser=https://me:secret@h/\nalone-in-a-line',
    );
    for (const each of ['Bearer abcdefgh', 'abcdefgh', 'pass word', '12345678', 'secret', 'alone-in-a-line'])
      expect(masked).toContain(each);
    expect(masked).toContain(Buffer.from('me:secret').toString('base64'));
    expect(masked).not.toContain('Bearer');
  });
});
