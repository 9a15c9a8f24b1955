import { describe, expect, it } from 'vitest';
import { readRows } from '../../../src/evidence/table/read-rows.ts';
import type { Session } from '../../../src/postgres/session.ts';

/** A session whose server answers so. */
const answering = (ranges: unknown) =>
  ({ query: () => Promise.resolve([{ in_recovery: false, ranges }]) }) as unknown as Session;

describe('what a node says of its rows', () => {
  it('is put in order', async () => {
    const told = [
      ['app.1', 5, 7],
      ['app.1', 1, 4],
      ['app.1', 6, 6],
    ];
    expect((await readRows(answering(told), 'beta', 'run')).rows).toEqual({ 'app.1': [[1, 7]] });
  });

  it.each([
    ['no list', { 'app.1': [1, 2] }, 'what is no list of rows'],
    ['no numbers', [['app.1', '1', 2]], 'rows that are none of the drill'],
    ['no whole numbers', [['app.1', 1, 2.5]], 'rows that are none of the drill'],
    ['no name', [[null, 1, 2]], 'rows that are none of the drill'],
    [
      'what has no end',
      Array.from({ length: 20_001 }, (_, at) => ['app.1', 2 * at, 2 * at]),
      'more than 20000',
    ],
  ])('is not believed where it is %s', async (_, ranges, why) => {
    await expect(readRows(answering(ranges), 'beta', 'run')).rejects.toThrow(why);
  });
});
