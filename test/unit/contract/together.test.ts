import { describe, expect, it } from 'vitest';
import { EnvironmentError, InputError, together } from '../../../src/contract/errors.ts';
import { errorsOf } from '../refusal.ts';

const refuse = (...errors: string[]) => {
  throw new InputError(errors);
};

describe('pieces of work done together', () => {
  it('give each their own result', () => {
    expect(together({ one: () => 1, two: () => undefined, none: () => [] })).toEqual({
      one: 1,
      two: undefined,
      none: [],
    });
  });

  it('are refused for the errors of all, each told once', () => {
    expect(
      errorsOf(() => together({ a: () => refuse('x', 'y'), b: () => 1, c: () => refuse('y', 'z') })),
    ).toEqual(['x', 'y', 'z']);
  });

  it('end with any other error at once', () => {
    const fail = () => {
      throw new EnvironmentError('broken');
    };
    expect(() => together({ a: () => refuse('x'), b: fail })).toThrow(EnvironmentError);
  });
});
