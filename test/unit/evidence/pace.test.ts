import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeLedger } from '../../../src/evidence/ledger/ledger.ts';
import { burstOf } from '../../../src/evidence/ledger/pace.ts';
import { type HistoryEvent, isHistoryEvent } from '../../../src/evidence/write-history.ts';
import { anyFailover } from './histories.ts';

const paced = (at: number, writesPerSecond: number): HistoryEvent => ({ kind: 'paced', at, writesPerSecond });

describe('the pace of clients', () => {
  it('is told where they began faster, in seconds since the fault', () => {
    const events = [paced(1000, 200), paced(1250, 20)];
    expect(burstOf({ run: 'r', events }, 2000)).toEqual({ writesPerSecond: 200, from: -1, to: -0.75 });
  });

  it('is not told where they kept to one, nor of a burst that nobody ended', () => {
    expect(burstOf({ run: 'r', events: [] }, 2000)).toBeUndefined();
    expect(burstOf({ run: 'r', events: [paced(1000, 200)] }, 2000)).toBeUndefined();
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
