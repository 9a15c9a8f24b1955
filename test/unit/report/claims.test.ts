import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../../src/check/verdict.ts';
import type { DrillRecord } from '../../../src/drill/record.ts';
import { judgeDrill } from '../../../src/drill/verdict/verdict.ts';
import type { FaultName } from '../../../src/faults/catalogue.ts';
import { drillSections } from '../../../src/report/drill-report.ts';
import { drillCases } from '../../../src/report/junit/drill-cases.ts';
import { drillTimeline } from '../../../src/report/pictures/timeline.ts';
import {
  clientsRecord,
  expectedOf,
  healthyVerdict,
  judgedDrill,
  passingDrill,
  unhealthyVerdict,
  watchedDrill,
} from '../builders.ts';

/** What reports say of a drill is no more than what it saw. */

const casesOf = (record: DrillRecord) => drillCases(judgedDrill(record));
const kindOf = (record: DrillRecord, name: RegExp) =>
  casesOf(record).find((each) => name.test(each.name))?.result.kind;
const figureOf = (record: DrillRecord, name: RegExp) =>
  drillSections(record, judgeDrill(record))?.figures.table?.rows.find(([figure = '']) =>
    name.test(figure),
  )?.[1];
const eventsOf = (record: DrillRecord) =>
  (drillSections(record, judgeDrill(record))?.events.table?.rows ?? []).flat().join();
const pictureOf = (record: DrillRecord) => drillTimeline(record, judgeDrill(record));

/** A fault that the primary rode out. */
const quiet = (given: Partial<DrillRecord> = {}, fault: FaultName = 'standby-stop') =>
  passingDrill({
    fault,
    expected: expectedOf(fault),
    promotion: undefined,
    serving: true,
    watchSeconds: 10.4,
    announcements: [],
    final: healthyVerdict(),
    ...given,
  });

describe('a fault that nothing shows to have taken hold', () => {
  const record = passingDrill({ proof: undefined, promotion: undefined, announcements: [] });

  it('was followed by no promotion that anybody waited for', () => {
    expect(kindOf(record, /^a standby is promoted/)).toBe('skipped');
    expect(pictureOf(record)).not.toMatch(/no promotion|waited for a promotion/);
  });

  it('was followed by no watch either', () => {
    const unproven = quiet({ proof: undefined, serving: undefined }, 'kill-postgres');
    expect(kindOf(unproven, /^a standby is promoted/)).toBe('skipped');
    expect(figureOf(unproven, /^watched/)).toBe('–');
    expect(pictureOf(unproven)).not.toMatch(/no promotion/);
  });
});

describe('a watch that did not last', () => {
  it.each<[string, Partial<DrillRecord>]>([
    ['as the drill was interrupted', { interrupted: 'cancelled by SIGTERM' }],
    ['as the monitor was not seen again', { blind: [{ from: 2, why: 'Incus is gone' }] }],
    [
      'without a failover to be seen',
      {
        announcements: [
          { seconds: 4, node: 'pgaf-primary', reportedState: 'primary', goalState: 'draining', health: 0 },
        ],
      },
    ],
  ])('%s, is not told as one', (_, given) => {
    expect(figureOf(quiet(given), /^watched/)).toBe('–');
    expect(pictureOf(quiet(given))).not.toContain('no promotion in the');
    expect(figureOf(quiet(), /^watched/)).toBe('10.400 s');
    expect(pictureOf(quiet())).toContain('no promotion in the 10.4 s watched');
  });
});

describe('a formation that converged and was not healthy', () => {
  const record = passingDrill({ final: unhealthyVerdict() });

  it('has not rejoined, at no time', () => {
    expect(judgeDrill(record).rejoinSeconds).toBeUndefined();
    expect(figureOf(record, /^rejoin/)).toBe('–');
    expect(eventsOf(record)).toContain('every node converged');
    expect(eventsOf(record)).not.toContain('healthy**');
    expect(pictureOf(record)).toContain('all converged');
    expect(pictureOf(record)).not.toContain('all healthy');
  });
});

describe('a final state that could not be read', () => {
  it.each([
    undefined,
    { ...healthyVerdict(), outcome: 'error' as const, message: 'too little could be read' },
  ])('is not told as one that is not healthy', (final) => {
    const record = passingDrill({ final });
    const { outcome, message } = judgeDrill(record);
    expect([outcome, message]).toEqual([
      'error',
      expect.stringMatching(/^whether the formation is healthy afterwards cannot be told: /),
    ]);
    expect(kindOf(record, /^every node is healthy/)).toBe('error');
  });
});

describe('a machine that was suspended meanwhile', () => {
  it('shows nothing that any case passes by its times', () => {
    const record = watchedDrill({ disturbed: 'this machine was suspended for 20.0 s' });
    const passed = casesOf(record).filter(({ result }) => result.kind === 'passed');
    expect(passed.map(({ name }) => name)).toEqual([
      'the formation was healthy before',
      'no row that nobody can have written',
      'the evidence is conclusive',
    ]);
  });
});

describe('clients that could not write', () => {
  const times = { lastBefore: -0.02, firstAfter: 9.88, until: 15.4 };

  it.each<[string, DrillRecord]>([
    ['when all was over', watchedDrill({ clients: { ...clientsRecord(times), writeAtEnd: false } })],
    [
      'for longer than the target, once they had written again',
      watchedDrill({ clients: clientsRecord(times, { longestPauseSeconds: 61 }) }),
    ],
  ])('%s fail the case of their writes', (_, record) => {
    expect(judgeDrill(record).outcome).toBe('missed');
    expect(kindOf(record, /^clients write again/)).toBe('failed');
  });

  it('are an error where what they saw could not be judged', () => {
    const record = passingDrill({ clientsFailed: 'no row of them could be read' });
    expect(kindOf(record, /^the evidence is conclusive/)).toBe('error');
  });
});

describe('a primary that served no more, and had no successor', () => {
  it.each(['reboot', 'kill-postgres', 'disk-full'] as const)('is an outage after %s', (fault) => {
    const { outcome, message } = judgeDrill(quiet({ serving: false }, fault));
    expect(outcome).toBe('missed');
    expect(message).toMatch(/^pgaf-primary took no writes any more after .*, and no failover began$/);
    expect(judgeDrill(quiet({}, fault)).outcome).toBe('pass');
  });
});

describe('a brief freeze', () => {
  const sign = {
    seconds: 14,
    node: 'pgaf-primary',
    reportedState: 'primary',
    goalState: 'draining',
    health: 0,
  };
  const frozen = (undoSeconds: number, given: Partial<DrillRecord> = {}) =>
    quiet(
      { injectedSeconds: 0.2, holdSeconds: 10, undoSeconds, settledSeconds: undoSeconds + 3, ...given },
      'brief-freeze',
    );

  it('that lasted longer than it was to shows nothing by its failover', () => {
    const record = frozen(14.9, { announcements: [sign] });
    const { outcome, message } = judgeDrill(record);
    expect(outcome).toBe('error');
    expect(message).toMatch(/at least 14\.700 s, and was to be for 10 s, so that a failover proves nothing/);
    expect(kindOf(record, /^a standby is promoted/)).toBe('error');
  });

  it('that did not, or that led to none, is judged as ever', () => {
    expect(judgeDrill(frozen(9.95, { announcements: [sign] })).outcome).toBe('missed');
    expect(judgeDrill(frozen(14.9)).outcome).toBe('pass');
  });
});

describe('lost writes', () => {
  const unread = clientsRecord(
    { lastBefore: -0.02, firstAfter: 9.88, until: 15.4 },
    { unverifiedWrites: 320, inconclusive: ['the rows on pgaf-replica were not read after the fault'] },
  );

  it('are not none where nobody looked for them', () => {
    const record = watchedDrill({ clients: unread });
    expect(judgeDrill(record).lostWrites).toBeUndefined();
    expect(figureOf(record, /^lost writes/)).toBe('–');
  });

  it('are as many as were found, whoever looked for the rest', () => {
    const lost = { count: 2, rows: { 'app1.1': [[1, 2]] as [number, number][] } };
    const clients = { ...unread, ledger: { ...unread.ledger, lost } };
    expect(judgeDrill(watchedDrill({ clients })).lostWrites).toBe(2);
  });
});

describe("JUnit's cases and the verdict", () => {
  /** Mostly as it should be, so that what is not does not hide behind something else. */
  const mostly = <T, U>(good: T, ...others: U[]) =>
    fc.oneof({ weight: 8, arbitrary: fc.constant<T | U>(good) }, fc.constantFrom<T | U>(...others));
  const faults = ['stop', 'standby-stop', 'kill-postgres', 'brief-freeze', 'disk-full'] as const;
  const promotion = {
    node: 'pgaf-replica',
    at: '2025-01-01T00:00:10.800Z',
    heardBy: 'notification',
  } as const;
  const anything = fc.record({
    fault: fc.constantFrom(...faults),
    hasPromotion: fc.boolean(),
    rtoSeconds: mostly(9.8, 60, 60.001),
    serving: mostly(true, false, undefined),
    proof: mostly('seen', undefined),
    disturbed: mostly(undefined, 'it was back'),
    settled: mostly(14, undefined, 200),
    final: mostly<Verdict, Verdict | undefined>(healthyVerdict(), undefined, unhealthyVerdict(), {
      ...healthyVerdict(),
      outcome: 'error',
    }),
    sign: mostly(false, true),
    watched: fc.boolean(),
    writeAtEnd: mostly(true, false),
    pause: mostly(9.9, 61),
    lateBySeconds: mostly(0.01, 51),
    lost: mostly(0, 3),
    writesAtRisk: mostly(300, 99),
    inconclusive: mostly<string[], string[]>([], ['a witness saw nothing']),
  });

  type Given = typeof anything extends fc.Arbitrary<infer T> ? T : never;

  const recordOf = (given: Given): DrillRecord => {
    const { fault, final, sign, hasPromotion: promoted } = given;
    const clients = clientsRecord(
      {
        lastBefore: -0.02,
        firstAfter: given.rtoSeconds + 0.08,
        until: 80,
        newPrimary: promoted ? 'pgaf-replica' : null,
      },
      {
        longestPauseSeconds: given.pause,
        lateBySeconds: given.lateBySeconds,
        lost: { count: given.lost, rows: {} },
        writesAtRisk: given.writesAtRisk,
        inconclusive: given.inconclusive,
      },
    );
    return passingDrill({
      fault,
      expected: expectedOf(fault),
      watchSeconds: 10.4,
      holdSeconds: 3,
      promotion: promoted ? { ...promotion, seconds: given.rtoSeconds } : undefined,
      serving: given.serving,
      proof: given.proof,
      disturbed: given.disturbed,
      settledSeconds: given.settled,
      final: final && { ...final, primary: promoted ? 'pgaf-replica' : 'pgaf-primary' },
      announcements: sign
        ? [{ seconds: 4, node: 'pgaf-primary', reportedState: 'primary', goalState: 'draining', health: 0 }]
        : [],
      clients: given.watched ? { ...clients, writeAtEnd: given.writeAtEnd } : undefined,
    });
  };

  it('agree: a drill passes where none of them is bad, and nowhere else', () => {
    fc.assert(
      fc.property(anything, (given) => {
        const record = recordOf(given);
        const bad = casesOf(record).filter(({ result }) => ['failed', 'error'].includes(result.kind));
        const { outcome, message } = judgeDrill(record);
        expect(bad.length === 0, `${message}: ${bad.map(({ name }) => name)}`).toBe(outcome === 'pass');
      }),
      { numRuns: 400 },
    );
  });
});
