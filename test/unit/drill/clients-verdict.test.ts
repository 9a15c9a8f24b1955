import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeDrill } from '../../../src/drill/verdict/verdict.ts';
import type { LedgerVerdict, WrongRows } from '../../../src/evidence/record.ts';
import { clientsRecord, passingDrill, watchedDrill } from '../builders.ts';

const times = { lastBefore: -0.02, firstAfter: 9.88, until: 15.4 };
const with_ = (given: Partial<LedgerVerdict>, record = {}) =>
  judgeDrill(watchedDrill({ clients: clientsRecord(times, given), ...record }));
const some: WrongRows = { count: 2, rows: { 'app1.1': [[7, 8]] } };

describe('a drill that clients watched', () => {
  it('passes when they lost nothing, and says so', () => {
    const { outcome, message, clientRtoSeconds, lostWrites, dualPrimarySeconds } = judgeDrill(watchedDrill());
    expect(outcome).toBe('pass');
    expect(message).toMatch(
      /clients wrote again after 9\.880 s, and none of 320 writes at risk was lost \(4 more had no answer\)/,
    );
    expect({ clientRtoSeconds, lostWrites, dualPrimarySeconds }).toEqual({
      clientRtoSeconds: 9.88,
      lostWrites: 0,
      dualPrimarySeconds: 0,
    });
  });

  it.each<[string, Partial<LedgerVerdict>, RegExp]>([
    ['a write is lost', { lost: some }, /^2 writes acknowledged to clients are lost \(app1\.1: 7–8\)$/],
    ['a row is there that nobody wrote', { phantoms: some }, /^2 writes that no client made are there/],
    ['what was seen vanished', { vanished: some }, /^2 writes that stood on the new primary vanished/],
    [
      'two primaries acknowledged',
      { overlap: some, overlapSeconds: 0.25 },
      /^two primaries: the old one acknowledged 2 writes of clients .* for 0\.250 s/,
    ],
    [
      'they wrote again too late',
      { clientRtoSeconds: 61 },
      /^clients could write on pgaf-replica after 61\.000 s; the target is 60 s$/,
    ],
    [
      'they never wrote again',
      {
        clientRtoSeconds: undefined,
        refusals: [{ node: 'pgaf-replica', why: 'no pg_hba.conf entry', seconds: 12 }],
      },
      /^pgaf-replica was promoted, and no client could write on it: pgaf-replica said "no pg_hba\.conf entry"$/,
    ],
  ])('misses its objective when %s', (_, ledger, says) => {
    const { outcome, message } = with_(ledger);
    expect(outcome).toBe('missed');
    expect(message).toMatch(says);
  });

  it('misses its objective for what a witness could write on the old primary where commits wait for nobody', () => {
    const clients = clientsRecord(times);
    const ledger = { ...clients.ledger, dualPrimarySeconds: 1.5 };
    const judged = (asynchronous: boolean) =>
      judgeDrill(
        watchedDrill({ clients: { ...clients, ledger, scene: { ...clients.scene, asynchronous } } }),
      );
    expect(judged(false)).toMatchObject({ outcome: 'pass', dualPrimarySeconds: 1.5 });
    expect(judged(true).outcome).toBe('missed');
    expect(judged(true).message).toMatch(
      /^two primaries: the old one took writes for 1\.500 s .*, and lost$/,
    );
  });

  it('misses its objective when they no longer write at the end, whatever they did before', () => {
    const clients = { ...clientsRecord(times), writeAtEnd: false };
    const { outcome, message } = judgeDrill(watchedDrill({ clients }));
    expect(outcome).toBe('missed');
    expect(message).toBe('clients could not write on pgaf-replica when all was over');
  });

  it('misses its objective when they stood still again after the promotion', () => {
    const { outcome, message } = with_({ longestPauseSeconds: 70.5 });
    expect(outcome).toBe('missed');
    expect(message).toBe('clients could not write for 70.500 s; the target is 60 s');
  });

  it('cannot tell when what they saw could not be judged', () => {
    const { outcome, message } = judgeDrill(passingDrill({ clientsFailed: 'no space' }));
    expect(outcome).toBe('error');
    expect(message).toBe('what clients saw could not be judged: no space');
  });

  it('cannot tell when the evidence is not whole, and hides no lost write behind that', () => {
    const { outcome, message } = with_({ inconclusive: ['the way broke'], lost: some });
    expect(outcome).toBe('error');
    expect(message).toMatch(/^the clients' evidence is not whole: the way broke; 2 writes acknowledged/);
  });

  it('tells once what keeps the evidence from being whole, however many reasons there are', () => {
    const clients = {
      ...clientsRecord(times, { inconclusive: ['the way broke', 'a witness was blind'] }),
      unread: ['the rows on pgaf-replica could not be read'],
    };
    const { outcome, message } = judgeDrill(watchedDrill({ clients }));
    expect(outcome).toBe('error');
    expect(message).toBe(
      "the clients' evidence is not whole: the way broke; a witness was blind; the rows on pgaf-replica could not be read",
    );
  });

  it.each([
    [0, 'pgaf-primary had acknowledged 0 writes at risk, and fewer than 100 (least-writes-at-risk)'],
    [99, 'pgaf-primary had acknowledged 99 writes at risk, and fewer than 100 (least-writes-at-risk)'],
  ])('cannot tell of loss with %i writes at risk, whatever was acknowledged later', (writesAtRisk, says) => {
    const { outcome, message } = with_({ writesAtRisk, acknowledgedWrites: 10_000 });
    expect(outcome).toBe('error');
    expect(message).toContain(says);
    expect(message).not.toContain('10000');
  });

  it('shows a loss by however few', () => {
    expect(with_({ writesAtRisk: 3, lost: some }).outcome).toBe('missed');
  });

  it('claims no more of loss than was counted, and passes where few were asked for', () => {
    const of = (leastWritesAtRisk: number | undefined, ledger: Partial<LedgerVerdict>) =>
      judgeDrill(watchedDrill({ clients: { ...clientsRecord(times, ledger), leastWritesAtRisk } }));
    expect(of(1, { writesAtRisk: 1, writesInFlight: 0 })).toMatchObject({ outcome: 'pass', writesAtRisk: 1 });
    expect(of(1, { writesAtRisk: 1, writesInFlight: 0 }).message).toContain(
      'the one acknowledged write at risk was not lost;',
    );
    expect(of(0, { writesAtRisk: 0 }).message).toContain(
      'there was no acknowledged write at risk to be lost',
    );
    // A report from before they were counted, without its journal.
    const old = of(undefined, { writesAtRisk: undefined, writesInFlight: undefined });
    expect(old).toMatchObject({ outcome: 'pass', writesAtRisk: undefined });
    expect(old.message).toContain('no write was found lost, of how many at risk is not known');
    expect(of(100, { writesAtRisk: undefined }).outcome).toBe('error');
  });

  it('of a fault without a failover is held against the longest that clients waited', () => {
    const staying = {
      fault: 'kill-postgres' as const,
      expected: 'none' as const,
      promotion: undefined,
      serving: true,
      announcements: [],
      final: { ...passingDrill().final, primary: 'pgaf-primary' } as never,
    };
    const ledger = { clientRtoSeconds: undefined, writeOutageSeconds: undefined };
    const quick = with_({ ...ledger, longestPauseSeconds: 1.5 }, staying);
    expect(quick).toMatchObject({ outcome: 'pass', writeOutageSeconds: 1.5 });
    const still = { ...clientsRecord({ ...times, newPrimary: null }) };
    expect(judgeDrill(watchedDrill({ clients: still, ...staying })).message).toMatch(
      /and none of \d+ writes from before the fault was lost/,
    );
    const slow = with_({ ...ledger, longestPauseSeconds: 60.5 }, staying);
    expect(slow.outcome).toBe('missed');
    expect(slow.message).toContain('clients could not write for 60.500 s, without a failover');
  });

  it('never passes with a write lost, whatever else is in the record', () => {
    const anything = fc.record({
      acknowledgedWrites: fc.nat(),
      clientRtoSeconds: fc.option(fc.double({ min: 0, max: 100, noNaN: true }), { nil: undefined }),
      inconclusive: fc.array(fc.string(), { maxLength: 2 }),
      overlap: fc.constantFrom(some, { count: 0, rows: {} }),
    });
    fc.assert(
      fc.property(anything, (ledger) => {
        const { outcome, message } = with_({ ...ledger, lost: some });
        expect(['missed', 'error']).toContain(outcome);
        expect(message).toContain('2 writes acknowledged to clients are lost');
      }),
    );
  });
});

describe('a drill that handed the role back', () => {
  const back = { handedBack: { seconds: 20, because: 'that was asked for' } };

  it('passes where the old primary has it again', () => {
    const final = { ...watchedDrill().final, primary: 'pgaf-primary' } as never;
    expect(judgeDrill(watchedDrill({ ...back, final })).outcome).toBe('pass');
    expect(judgeDrill(watchedDrill(back)).message).toBe(
      'pgaf-primary should be primary afterwards, and pgaf-replica is',
    );
  });

  it('misses its objective where that could not be done', () => {
    const { outcome, message } = judgeDrill(watchedDrill({ handBackFailed: 'the monitor said no' }));
    expect(outcome).toBe('missed');
    expect(message).toBe('pgaf-primary could not be made primary again: the monitor said no');
  });
});
