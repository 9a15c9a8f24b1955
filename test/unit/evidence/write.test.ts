import pg from 'pg';
import { describe, expect, it } from 'vitest';
import type { Opened } from '../../../src/application/way-in.ts';
import { DeadlineError, EnvironmentError } from '../../../src/contract/errors.ts';
import type { Journal } from '../../../src/evidence/journal.ts';
import { Writer, writeOutcomeOf } from '../../../src/evidence/write.ts';

const answer = (code: string) => {
  const cause = Object.assign(new pg.DatabaseError('no', 2, 'error'), { code });
  return new EnvironmentError('Postgres refused a statement: no', { cause });
};

it('is not sent where the journal takes no more: what stands in the table then is then of nobody', async () => {
  let sent = 0;
  const session = { onWarning() {}, query: () => Promise.resolve([{ timeline: ++sent }]) };
  const opened = { session, node: { name: 'alpha' }, server: '', backend: 1 } as unknown as Opened;
  const takes = { connected: true, invoked: true, acknowledged: true };
  const journal = { run: 'run', record: ({ kind }: { kind: keyof typeof takes }) => takes[kind] };
  const writer = new Writer(journal as unknown as Journal, 'application', 'app1.1', opened);
  expect(await writer.write(1000)).toEqual({ outcome: 'acknowledged' });
  takes.invoked = false;
  expect(await writer.write(1000)).toEqual({ outcome: 'failed', why: 'the journal takes no more' });
  expect(sent).toBe(1);
});

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
