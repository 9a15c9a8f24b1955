import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shortfall } from '../../../src/drill/shortfall.ts';
import { judgedAtOnce, judgeLedger } from '../../../src/evidence/ledger/ledger.ts';
import { burstOf } from '../../../src/evidence/ledger/pace.ts';
import type { Roles } from '../../../src/evidence/record.ts';
import { type HistoryEvent, isHistoryEvent } from '../../../src/evidence/write-history.ts';
import { anyFailover, surveyOf } from './histories.ts';

const paced = (at: number, writesPerSecond: number): HistoryEvent => ({ kind: 'paced', at, writesPerSecond });

const roles = { faultAt: 2000, oldPrimary: 'alpha', newPrimary: 'beta' };

/** A client that has so many writes acknowledged, one after the other. */
const writing = (node: string, from: number, everyMs: number, count: number): HistoryEvent[] => {
  const connection = `${node}-${from}.1`;
  return [
    { kind: 'connected', at: from, connection, actor: 'application', node },
    ...Array.from({ length: count }, (_, index): HistoryEvent[] => {
      const [seq, at] = [index + 1, from + index * everyMs];
      return [
        { kind: 'invoked', connection, seq, at },
        { kind: 'acknowledged', connection, seq, at: at + 1, timeline: 1 },
      ];
    }).flat(),
  ];
};

describe('what servers took of what they were offered', () => {
  const of = (events: HistoryEvent[], given: Roles = roles) =>
    judgedAtOnce({ run: 'r', events }, [], given).throughput;

  it('is told apart before the fault and after it, without the burst at the beginning', () => {
    const events = [
      ...[paced(0, 200), ...writing('alpha', 0, 1, 900), paced(1000, 20)],
      ...writing('alpha', 1000, 10, 100),
      ...writing('beta', 5000, 5, 201),
      // Not of the primary of then.
      ...writing('gamma', 1500, 1, 300),
    ];
    expect(of(events)).toMatchObject({
      before: { writesPerSecond: 100, seconds: 1 },
      after: { writesPerSecond: 201, seconds: 1 },
    });
    const still = of(writing('alpha', 1000, 10, 300), { ...roles, newPrimary: undefined });
    expect(still.before?.writesPerSecond).toBeCloseTo(100, -1);
    expect(still.after?.writesPerSecond).toBeCloseTo(100, -1);
  });

  it('is not told of a moment', () => {
    expect(of(writing('alpha', 1990, 1, 5))).toMatchObject({ before: undefined, after: undefined });
  });

  it('goes with when the drill itself did not run, and how busy it was', () => {
    const slept = (from: number, at: number): HistoryEvent => ({ kind: 'slept', from, at });
    const end: HistoryEvent = { kind: 'stalled', at: 9000, longestMs: 1500, busyShare: 0.93 };
    expect(of([slept(100, 700), slept(3000, 4500), end])).toMatchObject({
      stalls: { count: 2, seconds: 2.1, longest: 1.5 },
      busyShare: 0.93,
    });
  });

  it('is said where it is less', () => {
    const said = (writesPerSecond: number, busyShare?: number, seconds = 2) =>
      shortfall(
        {
          ...{ sessions: 200, writesPerSecond: 25 },
          throughput: {
            before: { writesPerSecond, seconds },
            stalls: { count: 0, seconds: 0, longest: 0 },
            busyShare,
          },
        },
        'alpha',
      );
    expect(said(4600)).toBeUndefined();
    expect(said(1234.5, 0.4, 0.5)).toBeUndefined();
    expect(said(1234.5, 0.4)).toBe(
      'of 5000 writes a second that were offered, alpha took 1234.5 before the fault',
    );
    expect(said(1234.5, 0.97)).toBe(
      'of 5000 writes a second that were offered, alpha took 1234.5 before the fault; the drill itself was at work for 97 % of its time, so that it may be what was too slow',
    );
  });
});

describe('the pace of clients', () => {
  it('is told where they began faster, in seconds since the fault', () => {
    const events = [paced(1000, 200), paced(1250, 20)];
    expect(burstOf(surveyOf(events, roles))).toEqual({ writesPerSecond: 200, from: -1, to: -0.75 });
  });

  it('is not told where they kept to one, nor of a burst that nobody ended', () => {
    expect(burstOf(surveyOf([], roles))).toBeUndefined();
    expect(burstOf(surveyOf([paced(1000, 200)], roles))).toBeUndefined();
  });

  it('stands in the journal, and needs its moment there', () => {
    expect(isHistoryEvent(paced(1000, 200))).toBe(true);
    expect(isHistoryEvent({ kind: 'paced', writesPerSecond: 20 })).toBe(false);
  });

  it('changes nothing of what the writes prove', () => {
    fc.assert(
      fc.property(anyFailover, ({ history, reads, scene }) => {
        const events = [paced(0, 200), ...history.events, paced(1, 20)];
        expect(judgeLedger({ ...history, events }, reads, scene)).toEqual(judgeLedger(history, reads, scene));
      }),
    );
  });
});
