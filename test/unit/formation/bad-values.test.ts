import { describe, it } from 'vitest';
import { badValues, subtlyBadValues } from '../../corpus/values.ts';
import { expectOneError } from '../refusal.ts';

describe('a value that is not allowed is refused with its key, its line and what is allowed', () => {
  it.each([...badValues, ...subtlyBadValues])('%s', (...bad) => expectOneError(bad));
});
