import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { DeadlineError, EnvironmentError } from '../../../src/contract/errors.ts';
import { writeOutcomeOf } from '../../../src/evidence/write.ts';

const answer = (code: string) => {
  const cause = Object.assign(new pg.DatabaseError('no', 2, 'error'), { code });
  return new EnvironmentError('Postgres refused a statement: no', { cause });
};

describe('a write that ends in an error', () => {
  it.each(['25006', '23505', '23514'])('certainly failed with SQLSTATE %s', (code) => {
    expect(writeOutcomeOf(answer(code))).toBe('failed');
  });

  it.each([
    ['silence until the deadline', new DeadlineError('Postgres to answer a query', 2000)],
    ['a connection that ended', new EnvironmentError('the session with Postgres ended: ECONNRESET')],
    ['a shutdown', answer('57P01')],
    ['a cancelled statement', answer('57014')],
    ['a full disk', answer('53100')],
    ['whatever else', new Error('23505')],
  ])('may have happened all the same after %s', (_, error) => {
    expect(writeOutcomeOf(error)).toBe('unknown');
  });
});
