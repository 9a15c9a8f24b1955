import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { faultNames } from '../../../src/faults/catalogue.ts';
import { describeMark, markedBy, markText, readMark } from '../../../src/faults/mark.ts';

const old = '{"drill":"0123456789ab","fault":"stop","since":"2025-01-01T00:00:00.000Z"}';

describe('a mark on a container tells the drill that left it', () => {
  it('when it is one of ours', () => {
    expect(markedBy(old)).toBe('0123456789ab');
  });

  it.each(['by hand', '', '{"drill":7}', '{}', '42', '"drill"', '[]', 'null'])(
    'and is told as it stands when somebody else wrote it: %j',
    (mark) => {
      expect(markedBy(mark)).toBe(mark);
      expect(describeMark(mark)).toBe(`a drill: ${mark}`);
    },
  );

  it('whatever it holds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (mark) => {
        expect(markedBy(mark)).toBeTypeOf('string');
        expect(describeMark(mark)).toBeTypeOf('string');
      }),
    );
  });
});

describe('a mark tells how its fault is undone', () => {
  it('for every fault, as it was written', () => {
    for (const fault of faultNames) {
      const mark = { drill: 'abc', fault, place: '/srv/pgaf/pgha-drill.fill' };
      expect(readMark(markText(mark, 0))).toMatchObject(mark);
    }
  });

  it('as the first release wrote it', () => {
    expect(readMark(old)).toEqual({
      drill: '0123456789ab',
      fault: 'stop',
      since: '2025-01-01T00:00:00.000Z',
    });
    expect(describeMark(old)).toBe('drill 0123456789ab: stop, since 2025-01-01T00:00:00.000Z');
  });

  it('and leaves out what it cannot know: a fault of a later release, and a file that is not ours', () => {
    expect(readMark('{"drill":"abc","fault":"meteorite"}')).toEqual({ drill: 'abc' });
    for (const fill of [
      '/etc/passwd',
      'pgha-drill.fill',
      '/srv/../etc/pgha-drill.fill',
      '/srv/pgha-drill.fill/',
      '/srv/pgha-drill.fill\n/etc/passwd',
      7,
    ])
      expect(readMark(JSON.stringify({ fill })), String(fill)).toEqual({});
    expect(readMark('{"fault":"constructor"}')).toEqual({});
    expect(readMark('{"fault":"__proto__"}')).toEqual({});
  });

  it('never by throwing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (mark) => {
        expect(
          Object.keys(readMark(mark)).every((key) => ['drill', 'fault', 'since', 'place'].includes(key)),
        ).toBe(true);
      }),
    );
  });
});
