import { expect, it } from 'vitest';
import { formationOf } from '../builders.ts';
import { errorsOf, expectSentences } from '../refusal.ts';

// In a file of its own: what overflows the stack inside V8 may end the whole process.
it.each([
  ['lists', '['],
  ['block lists', '- '],
  ['maps', '{ a: '],
  ['complex keys', '? '],
])('no nesting of %s that fits into a formation file ends the process', (_, opening) => {
  const errors = errorsOf(() => formationOf(opening.repeat(Math.floor(250_000 / opening.length))));
  expectSentences(errors);
  expect(errors[0]).toMatch(/nest|deep/);
});
