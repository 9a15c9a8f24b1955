import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countRows,
  describeRows,
  firstRanges,
  holdsRow,
  type RowKey,
  rangesOf,
  rowsWithout,
} from '../../../src/evidence/rows.ts';
import { rowsIn } from './histories.ts';

const anyKeys = fc.array(
  fc.record({
    connection: fc.constantFrom('app1.1', 'app1.2', 'local.1', '__proto__'),
    seq: fc.integer({ min: 1, max: 40 }),
  }),
);
const told = (keys: Iterable<RowKey>) =>
  [...new Set([...keys].map(({ connection, seq }) => `${connection} ${seq}`))].sort();

describe('ranges of rows', () => {
  it('hold the rows they were made of, each once, and no other', () => {
    fc.assert(
      fc.property(anyKeys, anyKeys, (keys, others) => {
        const ranges = rangesOf(keys);
        expect(told(rowsIn(ranges))).toEqual(told(keys));
        expect(countRows(ranges)).toBe(told(keys).length);
        for (const key of [...keys, ...others])
          expect(holdsRow(ranges, key)).toBe(told(keys).includes(`${key.connection} ${key.seq}`));
      }),
    );
  });

  it('are as few as can be, and the same in whatever order the rows come', () => {
    fc.assert(
      fc.property(anyKeys, (keys) => {
        const ranges = rangesOf(keys);
        expect(rangesOf(keys.toReversed())).toEqual(ranges);
        for (const parts of Object.values(ranges))
          for (const [index, [from]] of parts.entries())
            expect(from).toBeGreaterThan((parts[index - 1]?.[1] ?? -1) + 1);
      }),
    );
  });

  it('lack the rows that are taken out of them, and no other', () => {
    fc.assert(
      fc.property(anyKeys, anyKeys, (keys, others) => {
        const left = rowsWithout(rangesOf(keys), rangesOf(others));
        expect(told(rowsIn(left))).toEqual(told(keys).filter((key) => !told(others).includes(key)));
        expect(left).toEqual(rangesOf(rowsIn(left)));
      }),
    );
  });

  it('are cut after so many ranges', () => {
    fc.assert(
      fc.property(anyKeys, fc.nat(10), (keys, most) => {
        const first = firstRanges(rangesOf(keys), most);
        expect(Object.values(first).flat()).toEqual(Object.values(rangesOf(keys)).flat().slice(0, most));
      }),
    );
  });

  it('are told to people', () => {
    const rows = [3, 7, 8, 9].map((seq) => ({ connection: 'app1.1', seq }));
    expect(describeRows(rangesOf([...rows, { connection: 'app2.1', seq: 4 }]))).toBe(
      'app1.1: 3, 7–9; app2.1: 4',
    );
  });
});
