import { describe, expect, it } from 'vitest';
import { describeHolders, type LockHolder, tellHolders } from '../../../src/evidence/table/lock-holders.ts';
import type { Session } from '../../../src/postgres/session.ts';

const holder: LockHolder = {
  pid: 1234,
  user: 'veza',
  application: 'psql',
  kind: null,
  state: 'idle in transaction',
  since: '2026-11-29T00:10:00Z',
  seconds: 42,
  waits: false,
};

describe('who holds a lock that a drill waits for', () => {
  it('is named by process, user, application, state and time, with what to do', () => {
    expect(describeHolders([holder])).toBe(
      'a lock is in the way, held by process 1234 (user veza, application psql, idle in transaction, its transaction began at 2026-11-29T00:10:00Z, 42 s ago); see whose it is and let it end; if nobody needs it, end it as a superuser (SELECT pg_terminate_backend(1234))',
    );
  });

  it('is nobody where there is none', () => {
    expect(describeHolders([])).toBeUndefined();
  });

  it('may be a prepared transaction, which no process holds', () => {
    const prepared = { ...holder, pid: 0, user: null, application: null, state: null, since: null };
    expect(describeHolders([prepared])).toBe(
      'a lock is in the way, held by a prepared transaction; see pg_prepared_xacts, and commit it or roll it back',
    );
  });

  it('may be many, of whom some are named', () => {
    const many = [1, 2, 3, 4, 5].map((pid) => ({ ...holder, pid, waits: pid > 1 }));
    expect(describeHolders(many)).toMatch(/^a lock .* process 1 \(.* process 3 \(.* itself.*\) and 2 more; /);
  });

  it('may call himself what he likes', () => {
    const told = describeHolders([{ ...holder, application: '\u001b[2J\nERROR' }]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
    expect(told).not.toMatch(/[\u0000-\u001f]/);
  });

  it('is not told where nobody can be asked, and that is no error', async () => {
    const troubles: string[] = [];
    const told = await tellHolders(
      1,
      () => Promise.reject(new Error('no way in')) as Promise<Session>,
      (why) => troubles.push(why),
    );
    expect(told).toBeUndefined();
    expect(troubles).toEqual(["who holds the drill's sessions up could not be told: no way in"]);
  });
});
