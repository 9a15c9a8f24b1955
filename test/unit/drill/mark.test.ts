import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { markedBy } from '../../../src/drill/mark.ts';

describe('a mark on a container tells the drill that left it', () => {
  it('when it is one of ours', () => {
    expect(markedBy('{"drill":"0123456789ab","fault":"stop","since":"2025-01-01T00:00:00.000Z"}')).toBe(
      '0123456789ab',
    );
  });

  it.each(['by hand', '', '{"drill":7}', '{}', '42', '"drill"', '[]', 'null'])(
    'and is told as it stands when somebody else wrote it: %j',
    (mark) => {
      expect(markedBy(mark)).toBe(mark);
    },
  );

  it('whatever it holds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (mark) => {
        expect(markedBy(mark)).toBeTypeOf('string');
      }),
    );
  });
});
