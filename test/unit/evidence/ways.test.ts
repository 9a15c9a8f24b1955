import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blindSpots } from '../../../src/evidence/ledger/blind-spots.ts';
import { judgeLedger } from '../../../src/evidence/ledger/ledger.ts';
import type { HistoryEvent } from '../../../src/evidence/write-history.ts';
import { anyFailover, surveyOf } from './histories.ts';

/** Two ways for clients and witnesses, of which one may break. Moments are milliseconds. */

const roles = { faultAt: 10_000, oldPrimary: 'alpha', newPrimary: 'beta' };
const witnesses = ['writer', 'reader', 'local'];
const seconds = Array.from({ length: 70 }, (_, index) => index * 1000);
/** The witnesses of a way look every second but between two moments. */
const looks = (way: number, blindFrom = 1e9, blindTo = 1e9): HistoryEvent[] =>
  witnesses.flatMap((witness) =>
    seconds
      .filter((at) => at <= blindFrom || at >= blindTo)
      .map((at): HistoryEvent => ({ kind: 'looked', at, witness, way })),
  );
const broken = (way: number, wholeUntil: number, at: number): HistoryEvent => ({
  kind: 'broken',
  at,
  way,
  wholeUntil,
  why: `way ${way} broke`,
});
const mended = (way: number, at: number): HistoryEvent => ({ kind: 'mended', at, way });
const ending: HistoryEvent = { kind: 'ending', at: 70_000 };
const told = (...events: HistoryEvent[]) => blindSpots(surveyOf([...events, ending], roles)).told;
const whole = (...events: HistoryEvent[]) =>
  judgeLedger({ run: 'run', events }, [], roles).inconclusive.filter((why) => why.startsWith('way '));

describe('two ways', () => {
  const away = [broken(1, 20_000, 26_000), mended(1, 40_000)];

  it('of which one breaks: those who go the other look for all', () => {
    expect(told(...looks(1, 20_000, 41_000), ...looks(2), ...away)).toEqual([]);
    expect(whole(...away)).toEqual([]);
  });

  it('a look by a way that was broken is none, whoever takes it for one', () => {
    const blind = [...looks(1), ...looks(2, 18_000, 33_000)];
    expect(told(...blind)).toEqual([]);
    expect(told(...blind, ...away)).toHaveLength(3);
    expect(told(...blind, ...away)[0]).toContain(
      'the witness that writes as a client saw nothing of alpha for 13.0 s',
    );
    // Until it was last whole, and once it was mended, it was looked by it.
    expect(told(...blind, broken(1, 30_000, 32_000), mended(1, 32_500))).toEqual([]);
    expect(told(...blind, broken(1, 12_000, 14_000), mended(1, 17_500))).toEqual([]);
    // For good.
    expect(told(...looks(1), ...looks(2, 18_000, 33_000), broken(1, 20_000, 26_000))).toHaveLength(3);
  });

  it.each([
    ['at once', [broken(1, 20_000, 26_000), broken(2, 21_000, 26_000), mended(1, 27_000), mended(2, 27_000)]],
    ['the other while the one is away', [...away, broken(2, 35_000, 38_000), mended(2, 39_000)]],
    ['the other before those who go the one are back', [...away, broken(2, 44_000, 46_000)]],
    ['the one for good, and the other at last', [broken(1, 20_000, 26_000), broken(2, 60_000, 62_000)]],
  ])('of which both break, %s: nobody saw what came meanwhile', (_, events) => {
    expect(whole(...events)).toEqual(['way 1 broke', 'way 2 broke']);
    expect(whole(...events.toReversed())).toEqual(['way 1 broke', 'way 2 broke']);
  });

  it('of which one breaks again and again, or the other long after: something was seen all the time', () => {
    expect(whole(...away, broken(1, 50_000, 52_000))).toEqual([]);
    expect(whole(...away, broken(2, 50_000, 52_000), mended(2, 53_000))).toEqual([]);
  });

  it('leave what was seen as it was seen', () => {
    fc.assert(
      fc.property(anyFailover, fc.integer({ min: 1, max: 2 }), (failover, way) => {
        const { history, reads, scene } = failover;
        const at = scene.faultAt + 3000;
        const events = [...history.events, broken(way, scene.faultAt, at), mended(way, at + 1000)];
        expect(judgeLedger({ run: 'run', events }, reads, scene)).toEqual(judgeLedger(history, reads, scene));
      }),
      { numRuns: 50 },
    );
  });
});
