import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeLedger } from '../../../src/evidence/ledger/ledger.ts';
import type { LedgerRead } from '../../../src/evidence/record.ts';
import { type RowKey, rangesOf } from '../../../src/evidence/rows.ts';
import { type HistoryEvent, mergeHistories, type WriteHistory } from '../../../src/evidence/write-history.ts';
import { anyFailover, eventsOf, type Made, readOf, rowsIn, type ToldFailover } from './histories.ts';

const verdictOn = ({ history, reads, scene }: ToldFailover) => judgeLedger(history, reads, scene);
const none = { count: 0, rows: {} };
const exactly = (keys: readonly RowKey[]) => ({ count: keys.length, rows: rangesOf(keys) });
const clean = {
  lost: none,
  phantoms: none,
  vanished: none,
  overlap: none,
  unverifiedWrites: 0,
  inconclusive: [],
};
const ofClients = ({ actor }: Made) => actor !== 'local-witness';

function without(read: LedgerRead, keys: readonly RowKey[]): LedgerRead {
  const gone = new Set(keys.map(({ connection, seq }) => `${connection} ${seq}`));
  const rows = [...rowsIn(read.rows)].filter(({ connection, seq }) => !gone.has(`${connection} ${seq}`));
  return { ...read, rows: rangesOf(rows) };
}
const having = (read: LedgerRead, keys: readonly RowKey[]): LedgerRead => ({
  ...read,
  rows: rangesOf([...rowsIn(read.rows), ...keys]),
});
/** Some of what `from` tells of a failover, at least one, picked by numbers that any list can be picked by. */
const anyPicks = fc.array(fc.nat(), { minLength: 1, maxLength: 3 });
function pick<T>(from: readonly T[], picks: readonly number[]): T[] {
  return [...new Set(picks.map((n) => from[n % from.length]).filter((item) => item !== undefined))];
}

describe('a clean failover', () => {
  it('gives no finding, whatever becomes of its unknown writes', () => {
    fc.assert(
      fc.property(anyFailover, (told) => {
        const verdict = verdictOn(told);
        expect(verdict).toMatchObject(clean);
        const count = (outcome: Made['outcome']) =>
          told.made.filter((made) => ofClients(made) && made.outcome === outcome);
        expect(verdict.acknowledgedWrites).toBe(count('acknowledged').length);
        expect(verdict.failedWrites).toBe(count('failed').length);
        expect(verdict.unknownWrites).toBe(count('unknown').length);
        expect(verdict.unknownPresent).toBe(
          count('unknown').filter(({ committedAt }) => committedAt !== undefined).length,
        );
      }),
    );
  });

  it('gives the times that its clients saw', () => {
    fc.assert(
      fc.property(anyFailover, (told) => {
        const { firstAt, made, scene } = told;
        const lastBefore = Math.max(
          ...made
            .filter(
              ({ actor, outcome, endedAt }) =>
                actor === 'application' && outcome === 'acknowledged' && endedAt < firstAt,
            )
            .map(({ endedAt }) => endedAt),
        );
        expect(verdictOn(told)).toMatchObject({
          clientRtoSeconds: (firstAt - scene.faultAt) / 1000,
          writeOutageSeconds: (firstAt - lastBefore) / 1000,
          dualPrimarySeconds: 0,
          overlapSeconds: 0,
        });
      }),
    );
  });

  it('is judged the same in any order of its events, from one journal or several, told once or twice', () => {
    const anyOrder = anyFailover.chain((told) =>
      fc.tuple(
        fc.constant(told),
        fc.shuffledSubarray(told.history.events, { minLength: told.history.events.length }),
        fc.nat(),
        fc.nat(),
      ),
    );
    fc.assert(
      fc.property(anyOrder, ([told, events, cut, overlap]) => {
        const at = cut % (events.length + 1);
        const part = (some: HistoryEvent[]): WriteHistory => ({ run: 'run', events: some });
        const again = events.slice(Math.max(0, at - (overlap % 5)));
        const merged = mergeHistories(part(again), part(events.slice(0, at)));
        const judged = judgeLedger(merged, told.reads.toReversed(), told.scene);
        expect(judged).toEqual(verdictOn(told));
      }),
    );
  });
});

describe('a planted breach is found, exactly', () => {
  it.each([
    ['after the promotion', [0]],
    ['after the rejoin', [1]],
    ['after both', [0, 1]],
  ])('a lost write, absent %s', (_, where) => {
    fc.assert(
      fc.property(anyFailover, anyPicks, (told, picks) => {
        const [first] = told.reads;
        const could = told.made.filter(
          (made) => ofClients(made) && made.outcome === 'acknowledged' && made.endedAt <= first.startedAt,
        );
        const lost = pick(could, picks);
        const reads = told.reads.map((read, index) => (where.includes(index) ? without(read, lost) : read));
        const verdict = judgeLedger(told.history, reads, told.scene);
        expect(verdict).toMatchObject({ ...clean, lost: exactly(lost) });
      }),
    );
  });

  it('a write acknowledged after the first read, absent from the second', () => {
    fc.assert(
      fc.property(anyFailover, anyPicks, (told, picks) => {
        const [first, second] = told.reads;
        const lost = pick(
          told.made.filter((made) => made.outcome === 'acknowledged' && made.endedAt > first.startedAt),
          picks,
        );
        const verdict = judgeLedger(told.history, [first, without(second, lost)], told.scene);
        expect(verdict).toMatchObject({ ...clean, lost: exactly(lost) });
      }),
    );
  });

  it('a row that nobody wrote, and one that was certainly not committed', () => {
    fc.assert(
      fc.property(anyFailover, anyPicks, fc.nat({ max: 1 }), (told, picks, where) => {
        const failed = pick(
          told.made.filter(({ outcome }) => outcome === 'failed'),
          picks,
        );
        const phantoms = [{ connection: 'app0.1', seq: 900 }, { connection: 'stranger', seq: 1 }, ...failed];
        const reads = told.reads.map((read, index) => (index === where ? having(read, phantoms) : read));
        const verdict = judgeLedger(told.history, reads, told.scene);
        expect(verdict).toMatchObject({ ...clean, phantoms: exactly(phantoms) });
      }),
    );
  });

  it('a row that is read before it was sent', () => {
    fc.assert(
      fc.property(anyFailover, (told) => {
        const [first, second] = told.reads;
        const early = told.made
          .filter(({ invokedAt, committedAt }) => committedAt && invokedAt > first.endedAt)
          .slice(0, 1);
        const verdict = judgeLedger(told.history, [having(first, early), second], told.scene);
        expect(verdict).toMatchObject({ ...clean, phantoms: exactly(early) });
      }),
    );
  });

  it('an unknown write that was there and then was not', () => {
    fc.assert(
      fc.property(anyFailover, anyPicks, (told, picks) => {
        const [first, second] = told.reads;
        const seen = told.made.filter(
          (made) =>
            ofClients(made) &&
            made.outcome === 'unknown' &&
            (made.committedAt ?? Number.POSITIVE_INFINITY) <= first.startedAt,
        );
        const vanished = pick(seen, picks);
        const verdict = judgeLedger(told.history, [first, without(second, vanished)], told.scene);
        expect(verdict).toMatchObject({ ...clean, vanished: exactly(vanished) });
      }),
    );
  });

  it.each(['witness', 'local-witness'] as const)(
    'a %s whose old primary takes writes beside the new one',
    (actor) => {
      fc.assert(
        fc.property(
          anyFailover,
          fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 5 }),
          (told, pauses) => {
            const connection = 'kept.1';
            let at = told.firstAt;
            const late = pauses.map((pauseMs, index) => {
              const invokedAt = at + pauseMs;
              at = invokedAt + 2;
              return {
                connection,
                seq: index + 1,
                actor,
                node: 'alpha',
                invokedAt,
                endedAt: at,
                outcome: 'acknowledged' as const,
              };
            });
            const opened = {
              kind: 'connected' as const,
              at: 1,
              connection,
              actor,
              node: 'alpha',
              server: '',
              backend: 1,
            };
            const events = [...told.history.events, opened, ...late.flatMap((write) => eventsOf(write, 1))];
            const lastRead = readOf(
              [...rowsIn(told.reads[1].rows), ...late],
              Math.max(at, told.reads[1].startedAt) + 1,
            );
            const verdict = judgeLedger({ run: 'run', events }, [lastRead], told.scene);
            const lasted = (at - told.firstAt) / 1000;
            const ofClient = actor === 'witness';
            expect(verdict).toMatchObject({
              ...clean,
              overlap: ofClient ? exactly(late) : none,
              dualPrimarySeconds: lasted,
              overlapSeconds: ofClient ? lasted : 0,
              lastTakenSeconds: (at - told.scene.faultAt) / 1000,
            });
          },
        ),
      );
    },
  );
});

describe('writes at risk', () => {
  it('are those that the old primary acknowledged or left unanswered before the new one took its first', () => {
    fc.assert(
      fc.property(anyFailover, (told) => {
        const { writesAtRisk, writesInFlight, acknowledgedWrites } = verdictOn(told);
        const asked = told.made.filter((made) => ofClients(made) && made.node === 'alpha');
        const of = (outcome: Made['outcome']) => asked.filter((made) => made.outcome === outcome).length;
        expect(writesAtRisk).toBe(of('acknowledged'));
        expect(writesInFlight).toBe(of('unknown'));
        expect(writesAtRisk).toBeLessThan(acknowledgedWrites);
      }),
    );
  });

  it('are no more for anything that the new primary takes, or the old one took after its first', () => {
    fc.assert(
      fc.property(anyFailover, fc.integer({ min: 1, max: 200 }), (told, count) => {
        const more = (node: 'alpha' | 'beta'): ToldFailover['history']['events'] => {
          const connection = `more-${node}`;
          const of = { actor: 'application', node, server: '', backend: 1 } as const;
          const writes = Array.from({ length: count }, (_, index) => ({
            ...{ connection, seq: index + 1, ...of },
            invokedAt: told.firstAt + 1 + index,
            endedAt: told.firstAt + 2 + index,
            outcome: 'acknowledged' as const,
          }));
          const opened = { kind: 'connected' as const, at: 1, connection, ...of };
          return [opened, ...writes.flatMap((write) => eventsOf(write, node === 'alpha' ? 1 : 2))];
        };
        const before = verdictOn(told);
        for (const node of ['alpha', 'beta'] as const) {
          const events = [...told.history.events, ...more(node)];
          const after = judgeLedger({ run: 'run', events }, told.reads, told.scene);
          expect(after.acknowledgedWrites).toBe(before.acknowledgedWrites + count);
          expect(after.writesAtRisk).toBe(before.writesAtRisk);
        }
      }),
    );
  });

  it('are those from before the fault where nobody took over', () => {
    fc.assert(
      fc.property(anyFailover, fc.nat({ max: 400 }), (told, at) => {
        const scene = { ...told.scene, newPrimary: undefined, faultAt: at };
        const { writesAtRisk } = judgeLedger(told.history, told.reads, scene);
        expect(writesAtRisk).toBe(
          told.made.filter(
            (made) =>
              ofClients(made) &&
              made.node === 'alpha' &&
              made.outcome === 'acknowledged' &&
              made.endedAt <= at,
          ).length,
        );
      }),
    );
  });
});

describe('writes that are no breach', () => {
  it('are those of the local witness that the new primary never got', () => {
    fc.assert(
      fc.property(anyFailover, (told) => {
        const local = told.made.filter((made) => !ofClients(made));
        const reads = told.reads.map((read) => without(read, local));
        expect(judgeLedger(told.history, reads, told.scene)).toMatchObject(clean);
      }),
    );
  });

  it('are those that the old primary acknowledges late but that were sent before', () => {
    fc.assert(
      fc.property(anyFailover, (told) => {
        const write = {
          connection: 'slow.1',
          seq: 1,
          actor: 'witness' as const,
          node: 'alpha',
          invokedAt: told.firstAt - 1,
          endedAt: told.firstAt + 50,
          outcome: 'acknowledged' as const,
        };
        const opened = { ...write, kind: 'connected' as const, at: 1, server: '', backend: 1 };
        const events = [...told.history.events, opened, ...eventsOf(write, 1)];
        const read = having({ ...told.reads[1], startedAt: told.reads[1].startedAt + 100 }, [write]);
        expect(judgeLedger({ run: 'run', events }, [read], told.scene)).toMatchObject({
          overlap: none,
          dualPrimarySeconds: 0,
        });
      }),
    );
  });

  it('are those of the old primary once it is promoted again, on a newer timeline', () => {
    fc.assert(
      fc.property(anyFailover, (told) => {
        const from = told.reads[1].endedAt;
        const write = {
          connection: 'back.1',
          seq: 1,
          actor: 'application' as const,
          node: 'alpha',
          invokedAt: from + 1,
          endedAt: from + 2,
          outcome: 'acknowledged' as const,
        };
        const opened = { ...write, kind: 'connected' as const, at: 1, server: '', backend: 1 };
        const events = [...told.history.events, opened, ...eventsOf(write, 3)];
        const read = { ...having(told.reads[1], [write]), startedAt: from + 5, endedAt: from + 6 };
        expect(judgeLedger({ run: 'run', events }, [read], told.scene)).toMatchObject({
          ...clean,
          dualPrimarySeconds: 0,
        });
      }),
    );
  });
});

describe('a verdict is inconclusive', () => {
  const sample = () => fc.sample(anyFailover, { numRuns: 1, seed: 7 })[0] as ToldFailover;
  const only = (told: ToldFailover, keep: (made: Made) => boolean): WriteHistory => {
    const kept = new Set(told.made.filter(keep).map(({ connection, seq }) => `${connection} ${seq}`));
    const events = told.history.events.filter(
      (event) => !('seq' in event) || kept.has(`${event.connection} ${event.seq}`),
    );
    return { run: 'run', events };
  };
  const reasons = (history: WriteHistory, reads: LedgerRead[], { scene }: ToldFailover) =>
    judgeLedger(history, reads, scene).inconclusive;

  it('without any write', () => {
    const told = sample();
    expect(judgeLedger({ run: 'run', events: [] }, [], told.scene)).toMatchObject({
      acknowledgedWrites: 0,
      clientRtoSeconds: undefined,
      writeOutageSeconds: undefined,
      dualPrimarySeconds: undefined,
      inconclusive: [
        'no write of the application was acknowledged by alpha before the fault',
        'no witness wrote on alpha before the fault, so nothing tells of a second primary',
        'the rows on beta were not read after the fault',
      ],
    });
  });

  it('without an acknowledgement to the application before the fault', () => {
    const told = sample();
    const history = only(told, ({ actor, node }) => actor !== 'application' || node === 'beta');
    const rows = told.made.filter(
      ({ actor, node, committedAt }) =>
        committedAt !== undefined && (actor !== 'application' || node === 'beta'),
    );
    expect(reasons(history, [readOf(rows, told.reads[1].startedAt)], told)).toEqual([
      'no write of the application was acknowledged by alpha before the fault',
    ]);
  });

  it('without a witness, and then it knows of no second primary', () => {
    const told = sample();
    const history = only(told, ({ actor }) => actor === 'application');
    const verdict = judgeLedger(
      history,
      told.reads.map((read) =>
        without(
          read,
          told.made.filter(({ actor }) => actor !== 'application'),
        ),
      ),
      told.scene,
    );
    expect(verdict.inconclusive).toEqual([
      'no witness wrote on alpha before the fault, so nothing tells of a second primary',
    ]);
    expect(verdict.dualPrimarySeconds).toBeUndefined();
  });

  it('without a read of the new primary after its promotion', () => {
    const told = sample();
    const [first, second] = told.reads;
    const missing = ['the rows on beta were not read after the fault'];
    expect(reasons(told.history, [], told)).toEqual(missing);
    expect(reasons(told.history, [{ ...first, node: 'alpha' }], told)).toEqual(missing);
    expect(reasons(told.history, [{ ...first, inRecovery: true }], told)).toEqual(missing);
    expect(reasons(told.history, [{ ...second, startedAt: told.scene.faultAt - 1 }], told)).toEqual(missing);
  });

  it('where writes were acknowledged after the last read', () => {
    const told = sample();
    const early = readOf([...rowsIn(told.reads[0].rows)], told.firstAt + 0.5);
    const verdict = judgeLedger(told.history, [{ ...early, endedAt: 1e9 }], told.scene);
    expect(verdict.unverifiedWrites).toBeGreaterThan(0);
    expect(verdict.inconclusive).toEqual([
      `${verdict.unverifiedWrites} acknowledged writes are newer than the last read of their rows`,
    ]);
  });

  it('where the evidence itself was not whole, or contradicts itself', () => {
    const told = sample();
    const events = [
      ...told.history.events,
      { kind: 'failing' as const, at: 5, why: 'the disk is full' },
      { kind: 'acknowledged' as const, connection: 'app0.1', seq: 1, at: 77, timeline: 1 },
      { kind: 'unknown' as const, connection: 'nobody.1', seq: 1, at: 77, why: '' },
    ];
    expect(reasons({ run: 'run', events }, told.reads, told)).toEqual([
      'the disk is full',
      'the journal contradicts itself: write 1 of connection app0.1 ended twice',
      'the journal contradicts itself: write 1 of connection nobody.1 ended and was never sent',
    ]);
    expect(() => mergeHistories(told.history, { run: 'other', events: [] })).toThrow('two runs');
  });
});

describe('what is told besides', () => {
  const opened = (connection: string, node: string, actor: 'application' | 'witness') => ({
    kind: 'connected' as const,
    at: 0,
    connection,
    node,
    actor,
    server: '',
    backend: 1,
  });
  const write = (connection: string, seq: number, invokedAt: number, timeline: number) =>
    eventsOf(
      {
        connection,
        seq,
        actor: 'application',
        node: '',
        invokedAt,
        endedAt: invokedAt + 10,
        outcome: 'acknowledged',
      },
      timeline,
    );
  const refused = (
    at: number,
    node: string,
    why: string,
    actor: 'application' | 'witness' = 'application',
  ) => ({ kind: 'refused' as const, at, node, why, actor });
  const before = [
    opened('app.1', 'alpha', 'application'),
    opened('w.1', 'alpha', 'witness'),
    ...write('app.1', 1, 0, 1),
    ...write('w.1', 1, 0, 1),
  ];
  const rows = (...keys: [string, number][]) =>
    rangesOf(keys.map(([connection, seq]) => ({ connection, seq })));
  const scene = { faultAt: 1000, oldPrimary: 'alpha', newPrimary: 'beta' };
  const readAt = (startedAt: number, read: LedgerRead['rows']): LedgerRead => ({
    node: 'beta',
    startedAt,
    endedAt: startedAt + 1,
    inRecovery: false,
    rows: read,
  });

  it('is why clients could not write after the promotion, in the words of each node', () => {
    const events = [
      ...before,
      refused(900, 'beta', 'before the fault'),
      refused(1500, 'beta', 'the session is read-only'),
      refused(2000, 'beta', 'no pg_hba.conf entry for host'),
      refused(1800, 'alpha', 'No route to host'),
      refused(2500, 'alpha', 'of a witness', 'witness'),
    ];
    const verdict = judgeLedger(
      { run: 'run', events },
      [readAt(3000, rows(['app.1', 1], ['w.1', 1]))],
      scene,
    );
    expect(verdict.clientRtoSeconds).toBeUndefined();
    expect(verdict.writeOutageSeconds).toBeUndefined();
    // From the last acknowledgement to the last attempt.
    expect(verdict.longestPauseSeconds).toBe(1.99);
    expect(verdict.refusals).toEqual([
      { node: 'alpha', why: 'No route to host', seconds: 0.8 },
      { node: 'beta', why: 'no pg_hba.conf entry for host', seconds: 1 },
    ]);
    expect(verdict).toMatchObject({
      refusedSeconds: 0.8,
      refusedBecause: 'No route to host',
      lastTakenSeconds: -0.99,
    });
    expect(verdict.inconclusive).toEqual([]);
  });

  it('is how often a read on the old primary lacked what the new one had acknowledged before', () => {
    const probe = (invokedAt: number, seq: number, present: boolean) => ({
      kind: 'probed' as const,
      invokedAt,
      at: invokedAt + 5,
      connection: 'w.1',
      row: { connection: 'app.2', seq },
      present,
    });
    const events = [
      ...before,
      opened('app.2', 'beta', 'application'),
      ...write('app.2', 1, 5000, 2),
      ...write('app.2', 2, 6000, 2),
      probe(5020, 1, false),
      probe(5900, 1, false),
      probe(5950, 1, true),
      // Not yet acknowledged when the read began.
      probe(6005, 2, false),
    ];
    const read = readAt(7000, rows(['app.1', 1], ['w.1', 1], ['app.2', 1], ['app.2', 2]));
    expect(judgeLedger({ run: 'run', events }, [read], scene)).toMatchObject({
      staleReads: 2,
      lastStaleReadSeconds: 4.905,
      clientRtoSeconds: 4.01,
      writeOutageSeconds: 5,
      longestPauseSeconds: 5,
    });
  });

  it('is by how much the moments may be late', () => {
    const stalled = [40, 310.4, 20].map((longestMs) => ({ kind: 'stalled' as const, at: 9000, longestMs }));
    const read = readAt(3000, rows(['app.1', 1], ['w.1', 1]));
    const judged = (events: WriteHistory['events']) => judgeLedger({ run: 'run', events }, [read], scene);
    expect(judged([...before, ...stalled]).lateBySeconds).toBe(0.31);
    expect(judged(before).lateBySeconds).toBeUndefined();
  });

  it('is the outage where Postgres came back by itself and nothing was promoted', () => {
    const events = [
      ...before,
      ...write('app.1', 2, 900, 1),
      ...write('app.1', 3, 2400, 1),
      ...write('app.1', 4, 2500, 1),
    ];
    const read = {
      ...readAt(3000, rows(['app.1', 1], ['app.1', 2], ['app.1', 3], ['app.1', 4], ['w.1', 1])),
      node: 'alpha',
    };
    const verdict = judgeLedger({ run: 'run', events }, [read], { ...scene, newPrimary: undefined });
    expect(verdict).toMatchObject({ ...clean, longestPauseSeconds: 1.5, clientRtoSeconds: undefined });
  });
});

describe('rows that a server told of', () => {
  const whole = { faultAt: 1000, oldPrimary: 'alpha', newPrimary: 'beta' };
  const events: HistoryEvent[] = [
    {
      kind: 'connected',
      at: 0,
      connection: 'app.2',
      actor: 'application',
      node: 'beta',
      server: 's',
      backend: 1,
    },
    ...[4, 5, 9].flatMap((seq): HistoryEvent[] => [
      { kind: 'invoked', connection: 'app.2', seq, at: 2000 + seq },
      { kind: 'acknowledged', connection: 'app.2', seq, at: 2001 + seq, timeline: 2 },
    ]),
  ];
  const reading = (rows: LedgerRead['rows']): LedgerRead => ({ ...readOf([], 5000), rows });
  const judged = (rows: LedgerRead['rows']) => judgeLedger({ run: 'run', events }, [reading(rows)], whole);

  it('are judged in no time however many a range holds', () => {
    const began = performance.now();
    const { phantoms, lost } = judged({ 'app.2': [[1, 2_000_000_000]], stranger: [[-5, 1_000_000_000]] });
    expect(performance.now() - began).toBeLessThan(1000);
    expect(phantoms).toEqual({
      count: 2_000_000_000 - 3 + 1_000_000_006,
      rows: {
        'app.2': [
          [1, 3],
          [6, 8],
          [10, 2_000_000_000],
        ],
        stranger: [[-5, 1_000_000_000]],
      },
    });
    expect(lost).toEqual(none);
  });

  it('are judged in order and once, however the server tells them', () => {
    const { phantoms, lost } = judged({
      'app.2': [
        [8, 12],
        [3, 5],
        [4, 4],
        [9, 10],
      ],
    });
    expect(lost).toEqual(none);
    expect(phantoms).toEqual({
      count: 5,
      rows: {
        'app.2': [
          [3, 3],
          [8, 8],
          [10, 12],
        ],
      },
    });
  });

  it('are counted to the last, and told as far as a report can hold them', () => {
    const apart = Array.from({ length: 20_000 }, (_, index): [number, number] => [
      10 + 2 * index,
      10 + 2 * index,
    ]);
    const began = performance.now();
    const { phantoms } = judged({ 'app.2': apart });
    expect(performance.now() - began).toBeLessThan(1000);
    expect(phantoms.count).toBe(20_000);
    expect(phantoms.rows['app.2']).toEqual(apart.slice(0, 1000));
  });
});
