import { describe, expect, it } from 'vitest';
import { waitingCommits } from '../../../src/check/waiting-commits.ts';
import type { Session } from '../../../src/postgres/session.ts';

/** What Postgres makes of the statement is for the lab. */
describe('commits that wait', () => {
  const asked = async (longestSeconds: number, still: { count: number; longestSeconds: number }) => {
    const values: unknown[] = [];
    const session = {
      query: async (_: string, given: unknown[]) => {
        values.push(given);
        return [{ waiting: { ...still, statements: [] } }];
      },
    } as unknown as Session;
    const told = await waitingCommits(session, { count: 3, longestSeconds, statements: ['17 then'] });
    return { told, values };
  };

  it('are told at once where none can have waited for long', async () => {
    const { told, values } = await asked(4.9, { count: 0, longestSeconds: 0 });
    expect(told).toEqual({ count: 3, longestSeconds: 4.9 });
    expect(values).toEqual([]);
  });

  it('are those of a moment later where one may have, since a statement may have worked for all that time', async () => {
    const { told, values } = await asked(60, { count: 0, longestSeconds: 0 });
    expect(told).toEqual({ count: 0, longestSeconds: 0 });
    expect(values).toEqual([[['17 then']]]);
    expect((await asked(60, { count: 2, longestSeconds: 61 })).told).toEqual({
      count: 2,
      longestSeconds: 61,
    });
  });
});
