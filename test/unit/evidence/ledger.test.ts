import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type History, mergeHistories } from '../../../src/evidence/history.ts';
import { judgeLedger, type LedgerRead } from '../../../src/evidence/ledger.ts';
import { type RowKey, rangesOf, rowsIn } from '../../../src/evidence/rows.ts';
import { anyFailover, eventsOf, type Made, readOf, type Told } from './histories.ts';

const verdictOn = ({ history, reads, scene }: Told) => judgeLedger(history, reads, scene);
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
        const part = (some: History['events']): History => ({ run: 'run', events: some });
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
