import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeDrill } from '../../../src/drill/verdict/verdict.ts';
import { blindSpots } from '../../../src/evidence/ledger/blind-spots.ts';
import { judgeLedger } from '../../../src/evidence/ledger/ledger.ts';
import type { Roles } from '../../../src/evidence/record.ts';
import type { HistoryEvent } from '../../../src/evidence/write-history.ts';
import { clientsRecord, watchedDrill } from '../builders.ts';
import { anyFailover, surveyOf, type ToldFailover } from './histories.ts';

const roles = { faultAt: 10_000, oldPrimary: 'alpha', newPrimary: 'beta' };
const endingAt = 70_000;
const names = ['writer', 'reader', 'local'];
const every = (ms: number) => Array.from({ length: 80_000 / ms }, (_, index) => index * ms);
const looks = (witness: string, moments: readonly number[]): HistoryEvent[] =>
  moments.map((at) => ({ kind: 'looked', at, witness }));
const ending: HistoryEvent = { kind: 'ending', at: endingAt };
const told = (events: HistoryEvent[], of: Roles = roles) => blindSpots(surveyOf(events, of));
const gap = (from: number, to: number) => every(1000).filter((at) => at <= from || at >= to);

describe('witnesses', () => {
  it('that look once in a while have seen what there was', () => {
    expect(told([...names.flatMap((name) => looks(name, every(4000))), ending])).toEqual({
      told: [],
      ofSecondPrimary: false,
    });
  });

  it.each([
    ['writer', 'the witness that writes as a client', 'a second primary', true],
    ['reader', 'the witness that reads as a client', 'stale reads', false],
    ['local', 'the witness in the container', 'a second primary', true],
  ])('of which the %s did not look for a while saw nothing of it', (blind, who, what, ofSecondPrimary) => {
    const moments = (name: string) => (name === blind ? gap(12_000, 37_000) : every(1000));
    expect(told([...names.flatMap((name) => looks(name, moments(name))), ending])).toEqual({
      told: [
        `${who} saw nothing of alpha for 25.0 s, from 2 s after the fault on, so nothing tells of ${what} meanwhile`,
      ],
      ofSecondPrimary,
    });
  });

  it('that are lost for good saw nothing to the end, and those that never looked nothing at all', () => {
    const events = [...looks('writer', every(1000)), ...looks('local', gap(20_000, 1e9)), ending];
    expect(told(events).told).toEqual([
      'the witness that reads as a client saw nothing of alpha for 60.0 s, from 0 s after the fault on, so nothing tells of stale reads meanwhile',
      'the witness in the container saw nothing of alpha for 50.0 s, from 10 s after the fault on, so nothing tells of a second primary meanwhile',
    ]);
  });

  it('need not have looked before the fault, nor at the end, nor where nobody took over', () => {
    const early = names.flatMap((name) => looks(name, gap(0, 14_000)));
    expect(told([...early, ending]).told).toEqual([]);
    const late = names.flatMap((name) => looks(name, gap(66_000, 1e9)));
    expect(told([...late, ending]).told).toEqual([]);
    const lost = names.flatMap((name) => looks(name, gap(12_000, 1e9)));
    expect(told([...lost, ending], { ...roles, newPrimary: undefined }).told).toEqual([]);
  });

  it('are not released by an end that is told while clients still write, wherever it stands', () => {
    const early: HistoryEvent = { kind: 'ending', at: 14_000 };
    const writes = every(500)
      .filter((at) => at < endingAt)
      .map((at, index): HistoryEvent => ({ kind: 'invoked', at, connection: 'app1.1', seq: index + 1 }));
    const lost = names.flatMap((name) => looks(name, gap(14_000, 1e9)));
    for (const events of [
      [early, ...lost, ...writes],
      [early, ...lost, ...writes, ending],
      [ending, ...lost, early],
    ])
      expect(told(events).told).toHaveLength(3);
    expect(told([...lost, early]).told).toEqual([]);
  });

  it('are blind who never looked at all, in a history that has its end', () => {
    expect(told([ending]).told).toHaveLength(3);
    expect(told([ending]).ofSecondPrimary).toBe(true);
  });

  it('are blind by any gap of more than five seconds, wherever it lies after the fault', () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 60 }), fc.integer({ min: 1, max: 30 }), (from, lasts) => {
        const to = Math.min(from + lasts, 70);
        const events = names.flatMap((name) => looks(name, gap(from * 1000, to * 1000)));
        expect(told([...events, ending]).told).toHaveLength(to - from > 5 ? 3 : 0);
      }),
    );
  });
});

describe('a drill that did not get to run', () => {
  const slept = (from: number, at: number): HistoryEvent => ({ kind: 'slept', from, at });
  const seen = names.flatMap((name) => looks(name, gap(12_000, 37_000)));

  it('looked at nothing, and its witnesses are not told again', () => {
    expect(told([...seen, slept(12_100, 37_000), ending])).toEqual({
      told: [
        'the drill itself did not run for 24.9 s, from 2.1 s after the fault on: nobody looked meanwhile',
      ],
      ofSecondPrimary: true,
    });
  });

  it('says so where nobody took over, too', () => {
    const still = { ...roles, newPrimary: undefined };
    expect(told([...seen, slept(12_000, 37_000), ending], still).told).toHaveLength(1);
  });

  it('is blind only where it matters, and for longer than a busy machine makes it', () => {
    const always = names.flatMap((name) => looks(name, every(1000)));
    for (const quiet of [
      slept(1000, 9000),
      slept(9000, 11_500),
      slept(20_000, 21_900),
      slept(71_000, 79_000),
    ])
      expect(told([...always, quiet, ending]).told).toEqual([]);
    expect(told([...always, slept(9000, 12_500), ending]).told[0]).toContain('for 2.5 s, from 0 s after');
  });

  it('is told of what was recorded before, though not when it was', () => {
    expect(told([{ kind: 'stalled', at: 70_000, longestMs: 25_300 }]).told).toEqual([
      'the drill itself did not run for 25.3 s, and when is not recorded: nobody looked meanwhile',
    ]);
    expect(told([{ kind: 'stalled', at: 70_000, longestMs: 900 }]).told).toEqual([]);
  });
});

describe('the ledger', () => {
  it('knows of no second primary where nobody looked, and still of one that was seen', () => {
    fc.assert(
      fc.property(anyFailover, (failover) => {
        const { history, reads } = failover;
        const from = failover.scene.faultAt;
        const events: HistoryEvent[] = [
          ...history.events,
          { kind: 'looked', at: 1, witness: 'local' },
          { kind: 'slept', from, at: from + 25_000 },
          { kind: 'ending', at: from + 60_000 },
        ];
        const verdict = judgeLedger({ run: 'run', events }, reads, failover.scene);
        expect(verdict.dualPrimarySeconds).toBeUndefined();
        expect(verdict.overlapSeconds).toBeUndefined();
        expect(verdict.inconclusive[0]).toContain('the drill itself did not run for 25.0 s');
      }),
    );
  });
});

describe('a drill of a formation whose commits wait for no standby', () => {
  const judged = (
    failover: ToldFailover,
    blind: (from: number) => { blinded: readonly string[]; events?: readonly HistoryEvent[] },
  ) => {
    const scene = { ...failover.scene, asynchronous: true };
    const end = scene.faultAt + 40_000;
    const { blinded, events = [] } = blind(scene.faultAt + 1000);
    const all = every(1000).filter((at) => at < end);
    const seen = names.flatMap((name) =>
      looks(name, blinded.includes(name) ? all.filter((at) => at < scene.faultAt) : all),
    );
    const history = {
      run: 'run',
      events: [...failover.history.events, ...seen, ...events, { kind: 'ending', at: end } as const],
    };
    const ledger = judgeLedger(history, failover.reads, scene);
    const told = clientsRecord({ lastBefore: -0.02, firstAfter: 9.88, until: 15.4 });
    return judgeDrill(watchedDrill({ clients: { ...told, leastWritesAtRisk: 0, scene, ledger } }));
  };

  it('never passes where the drill was stopped, or both witnesses that write were lost', () => {
    fc.assert(
      fc.property(anyFailover, (failover) => {
        // What makes the difference is that nobody looked, and nothing else of this failover.
        const whole = judged(failover, () => ({ blinded: [] }));
        expect(whole.outcome, whole.message).toBe('pass');
        for (const given of [
          judged(failover, (from) => ({
            blinded: [],
            events: [{ kind: 'slept', from, at: from + 34_000 }],
          })),
          judged(failover, () => ({ blinded: ['writer', 'local'] })),
        ]) {
          expect(given.outcome, given.message).toBe('error');
          expect(given.message).toMatch(
            /the drill itself did not run for 34\.0 s|nothing tells of a second primary/,
          );
          expect(given.dualPrimarySeconds).toBeUndefined();
        }
      }),
      { numRuns: 20 },
    );
  });
});
