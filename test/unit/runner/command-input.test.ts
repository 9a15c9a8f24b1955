import fc from 'fast-check';
import { expect, it } from 'vitest';
import { commandInput } from '../../../src/runner/command-input.ts';

it('a command is a list of texts as they stand', () => {
  expect(commandInput.parse('')).toBeUndefined();
  expect(commandInput.parse('[ipmitool, -H, 10.0.0.1, power, on, 007]')).toEqual([
    'ipmitool',
    '-H',
    '10.0.0.1',
    'power',
    'on',
    '007',
  ]);
  expect(commandInput.parse('["/usr/bin/x", "a b", ""]')).toEqual(['/usr/bin/x', 'a b', '']);
  expect(commandInput.parse('- lab\n- host\n')).toEqual(['lab', 'host']);
});

it.each([
  'reboot',
  '{a: b}',
  '[]',
  '[[a]]',
  '[a, {b: c}]',
  '[a, &x b, *x',
  `[${'a,'.repeat(65)}]`,
  '[./x]',
  '[""]',
])('and nothing else is one: %s', (given) => {
  expect(() => commandInput.parse(given)).toThrow(/^must /);
});

it('what may be a password in it is a secret', () => {
  expect(
    commandInput.secrets?.('[ipmitool, -P, hunter22, --password=secret77, --token, abcdef, on]'),
  ).toEqual(['hunter22', 'secret77', 'abcdef']);
});

it('never throws for its secrets', () => {
  fc.assert(
    fc.property(fc.string(), (given) => {
      expect(Array.isArray(commandInput.secrets?.(given))).toBe(true);
    }),
  );
});
