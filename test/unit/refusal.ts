import { expect } from 'vitest';
import { InputError } from '../../src/contract/errors.ts';
import type { BadFile } from '../corpus/bad-file.ts';
import { formationOf } from './builders.ts';

/** The errors that `work` is refused for. Anything but an InputError goes on up: it would be a bug of ours. */
export function errorsOf(work: () => unknown): readonly string[] {
  let accepted: unknown;
  try {
    accepted = work();
  } catch (error) {
    if (error instanceof InputError) return error.errors;
    throw error;
  }
  throw new Error(`nothing was refused; accepted as ${JSON.stringify(accepted)}`);
}

/** What no sentence for an operator holds: values that leaked, stacks, and the words of a library. */
const leaks = [
  /\bundefined\b|\bNaN\b.*\bnull\b|\[object |\[Function/,
  /\n|\r/,
  /\bat \S+ \(?\S+:\d+:\d+\)?/,
  /Maximum call stack|RangeError|TypeError/,
  /Expected .* but received|Invalid (?:type|format|content)/,
  /YAML\.[a-z]|ERR_[A-Z]/,
];

/** Every error is a sentence that an operator can act on. */
export function expectSentences(errors: readonly string[]): void {
  expect(errors.length).toBeGreaterThan(0);
  for (const error of errors) {
    for (const leak of leaks) expect(error).not.toMatch(leak);
    expect(error).toMatch(/^\S.* .*\S$/);
    expect(error.length).toBeLessThan(600);
  }
}

/** The file is refused with its one error, which names the line and the key and says what it must. */
export function expectOneError([, text, place, says]: BadFile): void {
  const errors = errorsOf(() => formationOf(text));
  expectSentences(errors);
  expect(errors).toEqual([expect.stringMatching(says)]);
  expect(errors[0]?.slice(0, `f.yaml:${place}: `.length)).toBe(`f.yaml:${place}: `);
}
