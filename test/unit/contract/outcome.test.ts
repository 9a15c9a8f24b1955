import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CommandError,
  DeadlineError,
  InputError,
  lastLines,
  messageOf,
} from '../../../src/contract/errors.ts';
import { exitCodeOf, outcomes, worstOutcome } from '../../../src/contract/outcome.ts';

describe('exit codes', () => {
  it('are the contract with cron', () => {
    expect(outcomes.map((outcome) => [outcome, exitCodeOf(outcome)])).toEqual([
      ['pass', 0],
      ['unhealthy', 1],
      ['missed', 2],
      ['error', 3],
    ]);
  });

  it('the higher one stands where several apply', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...outcomes)), (found) => {
        expect(exitCodeOf(worstOutcome(found))).toBe(Math.max(0, ...found.map(exitCodeOf)));
      }),
    );
  });
});

describe('errors as sentences', () => {
  it('tell all errors of an input', () => {
    expect(messageOf(new InputError(['a: is bad', 'b: is worse']))).toBe('a: is bad; b: is worse');
  });

  it('tell the command, why it failed, and the end of what it said', () => {
    const error = new CommandError(
      ['incus', 'start', 'x'],
      'failed with exit code 1',
      'a\n\n b \nc\nError: no\n',
    );
    expect(error.message).toBe('`incus start x` failed with exit code 1: b | c | Error: no');
    expect(new CommandError(['true'], 'was ended by SIGKILL', ' \n').message).toBe(
      '`true` was ended by SIGKILL',
    );
  });

  it('tell a deadline in seconds', () => {
    expect(new DeadlineError('the guard', 10_500).message).toBe('gave up after 10.5 s waiting for the guard');
  });

  it.each([
    [new Error('two\n  lines'), 'two | lines'],
    [new Error('windows\r\nlines'), 'windows | lines'],
    [new Error('old\rlines'), 'old | lines'],
    [new TypeError(), 'TypeError'],
    ['a string', 'a string'],
    [undefined, 'undefined'],
    [null, 'null'],
  ])('are on one line, whatever was thrown: %s', (thrown, message) => {
    expect(messageOf(thrown)).toBe(message);
  });

  it('keep the end of a long output, where the reason is', () => {
    const text = `${'x'.repeat(10_000)}\nthe reason`;
    expect(lastLines(text, 3)).toHaveLength(600);
    expect(lastLines(text, 3)).toMatch(/ \| the reason$/);
    expect(lastLines(text, 1)).toBe('the reason');
  });
});
