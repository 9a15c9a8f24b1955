import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appendHistory, type HistoryEntry, readHistory } from '../../../src/campaign/drill-history.ts';
import { type Conditions, fingerprint } from '../../../src/campaign/fingerprint.ts';
import { entryOf } from '../../../src/campaign/history-entry.ts';
import { proofLines, proofOf } from '../../../src/campaign/proof.ts';
import { planRounds } from '../../../src/campaign/rounds.ts';
import { judge } from '../../../src/check/verdict.ts';
import {
  builtInFormation,
  formationOf,
  healthyObservation,
  judgedDrill,
  monitorOf,
  passingDrill,
} from '../builders.ts';

let drills = 0;
/** A drill of its own each time. */
const entry = (given: Partial<HistoryEntry> = {}): HistoryEntry => ({
  fingerprint: 'f',
  drill: `d${drills++}`,
  at: '2026-01-01T00:00:00.000Z',
  formation: 'default',
  fault: 'stop',
  outcome: 'pass',
  failover: true,
  rtoSeconds: 10,
  rtoAtMostSeconds: null,
  unpromotedSeconds: null,
  clientRtoSeconds: 10.2,
  writeOutageSeconds: 10.3,
  rejoinSeconds: 4,
  acknowledgedWrites: 400,
  writesAtRisk: 120,
  lostWrites: 0,
  dualPrimarySeconds: 0,
  longestPauseSeconds: null,
  wrong: false,
  ...given,
});
const entries = (count: number, given: Partial<HistoryEntry> = {}) =>
  Array.from({ length: count }, () => entry(given));

describe('what drills prove', () => {
  it('pools those of the same fingerprint, and of no other', () => {
    const before = [...entries(28), ...entries(100, { fingerprint: 'another' })];
    const { now, pooled } = proofOf(entries(1), before, { targetSeconds: 60 });
    expect([now.drills, pooled.drills]).toEqual([1, 29]);
    expect(pooled.breachAtMost).toBeLessThan(0.1);
    expect(pooled.stillNeeded).toEqual({ p95: 30, p99: 270 });
  });

  it('leaves out what could not be judged, and counts whatever was missed', () => {
    const run = [
      entry(),
      entry({ outcome: 'error', rtoSeconds: null }),
      entry({ outcome: 'missed', rtoSeconds: null }),
      entry({ outcome: 'missed', lostWrites: 2 }),
      entry({ outcome: 'missed', dualPrimarySeconds: 0.2 }),
      entry({ outcome: 'missed', clientRtoSeconds: 61 }),
      entry({ outcome: 'missed', longestPauseSeconds: 61 }),
      entry({ outcome: 'error', lostWrites: 2 }),
      entry({ outcome: 'error', dualPrimarySeconds: 0.2 }),
      entry({ outcome: 'error', rtoSeconds: 61 }),
      entry({ outcome: 'missed', rejoinSeconds: null }),
    ];
    const { now } = proofOf(run, [], { targetSeconds: 60 });
    expect([now.drills, now.breaches]).toEqual([10, 9]);
  });

  it('holds earlier drills against the target of today', () => {
    const before = entries(10, { outcome: 'missed', rtoSeconds: 20 });
    expect(proofOf(entries(1), before, { targetSeconds: 60 }).pooled.breaches).toBe(0);
    expect(proofOf(entries(1), before, { targetSeconds: 15 }).pooled.breaches).toBe(10);
  });

  it('fails the gate for a median that is more than the allowed percentage slower, once there is a past', () => {
    const slower = entries(3, { rtoSeconds: 12.6 });
    expect(proofOf(slower, entries(5), { targetSeconds: 60, allowedPercent: 25 }).regression).toMatchObject({
      failed: true,
      beforeSeconds: 10,
    });
    expect(proofOf(slower, entries(5), { targetSeconds: 60, allowedPercent: 30 }).regression).toMatchObject({
      failed: false,
    });
    expect(proofOf(slower, entries(4), { targetSeconds: 60, allowedPercent: 25 }).regression).toBeUndefined();
    expect(proofOf(slower, entries(5), { targetSeconds: 60 }).regression).toBeUndefined();
  });

  it('is told in sentences', () => {
    expect(proofLines(proofOf(entries(1), entries(9), { targetSeconds: 60, allowedPercent: 10 }))).toEqual([
      'stop: 10 drills (9 of them earlier), none breached its target: at 95 % confidence at most 26 % of all would',
      'stop: still needed to prove the target: 49 more without a breach for 95 %, 289 more without a breach for 99 %',
      'stop: of 10 drills with at least 100 writes at risk none lost any: at 95 % confidence at most 26 % of all would',
      'stop: median RTO 10.000 s against 10.000 s before (not more than 10 % slower)',
    ]);
  });
});

describe('statistics do not err towards proof', () => {
  it('a drill that was past its target when it was cancelled breached it', () => {
    const run = [
      entry({ outcome: 'error', rtoSeconds: 100, clientRtoSeconds: null, rejoinSeconds: null }),
      entry({ outcome: 'error', rtoSeconds: null, unpromotedSeconds: 170 }),
      entry({ outcome: 'error', rtoSeconds: null, unpromotedSeconds: 30 }),
      entry({ outcome: 'error', rtoSeconds: 12 }),
    ];
    const { now } = proofOf(run, [], { targetSeconds: 60 });
    expect([now.drills, now.breaches, now.leftOut]).toEqual([2, 2, 2]);
  });

  it('a promotion that never came is among the RTOs with the time that it was waited for', () => {
    const never = entries(3, { outcome: 'missed', rtoSeconds: null, unpromotedSeconds: 180 });
    const proof = proofOf([...entries(2), ...never], entries(5), { targetSeconds: 60, allowedPercent: 20 });
    expect(proof.now.rto).toMatchObject({ n: 5, median: 180, greatest: 180 });
    expect(proof.regression).toMatchObject({ nowSeconds: 180, failed: true });
    expect(proofLines(proof).at(-1)).toBe(
      'stop: 3 drills saw no promotion: the time that it was waited for stands among the RTOs, which would have been more',
    );
  });

  it('clients that were let in by nobody are among the times with their longest pause', () => {
    const never = entries(1, {
      outcome: 'missed',
      clientRtoSeconds: null,
      writeOutageSeconds: null,
      longestPauseSeconds: 50,
    });
    const proof = proofOf([...entries(2), ...never], [], { targetSeconds: 60 });
    expect(proof.now.clientRto).toMatchObject({ n: 3, greatest: 50 });
    expect(proof.now.writeOutage).toMatchObject({ n: 3, greatest: 50 });
    expect(proof.notes?.join()).toMatch(/^in 1 drill no client wrote on the new primary/);
    // Of whom nobody was watched nothing is known.
    const unwatched = entries(1, { clientRtoSeconds: null, writeOutageSeconds: null });
    expect(proofOf(unwatched, [], { targetSeconds: 60 }).now.clientRto).toBeUndefined();
  });

  it('a time that is uncertain counts as the latest that it can have been', () => {
    const run = entries(1, { rtoSeconds: 58, rtoAtMostSeconds: 62 });
    expect(proofOf(run, [], { targetSeconds: 60 }).now.breaches).toBe(1);
  });

  it('a fault without a failover is held against the target of today by how long clients waited', () => {
    const reboots = (given: Partial<HistoryEntry>) =>
      entries(58, {
        fault: 'reboot',
        failover: false,
        rtoSeconds: null,
        clientRtoSeconds: null,
        writeOutageSeconds: null,
        ...given,
      });
    const judged = (given: Partial<HistoryEntry>, target: number) => {
      const { pooled } = proofOf(reboots(given).slice(0, 1), reboots(given), { targetSeconds: target });
      return [pooled.drills, pooled.breaches];
    };
    expect(judged({ longestPauseSeconds: 30 }, 10)).toEqual([59, 59]);
    expect(judged({ longestPauseSeconds: 30 }, 60)).toEqual([59, 0]);
    expect(judged({ longestPauseSeconds: 30, outcome: 'missed' }, 60)).toEqual([59, 0]);
    // As releases wrote it that did not keep the pause.
    expect(judged({ writeOutageSeconds: 30 }, 10)).toEqual([59, 59]);
    expect(judged({ wrong: true }, 60)).toEqual([59, 59]);
    expect(judged({ wrong: null, outcome: 'missed' }, 60)).toEqual([59, 59]);
    // Nobody waited, so nothing was measured.
    expect(judged({}, 60)).toEqual([0, 0]);
    expect(proofLines(proofOf(reboots({}), [], { targetSeconds: 60 }))[0]).toBe(
      'reboot: nothing is proven of the target: no drill measured what it speaks of',
    );
  });

  it('a bound is rounded up, so that none is told which is not proven yet', () => {
    const told = (drills: number) =>
      proofLines(proofOf(entries(drills), [], { targetSeconds: 60 })).slice(0, 2);
    expect(told(58)[0]).toMatch(/at most 5\.1 % of all would$/);
    expect(told(58)[1]).toMatch(/1 more without a breach for 95 %/);
    expect(told(59)[0]).toMatch(/at most 5\.0 % of all would$/);
    expect(told(28)[0]).toMatch(/at most 11 % of all would$/);
    expect(told(1)[0]).toMatch(/at most 95 % of all would$/);
  });

  it('a drill that missed for a reason which nobody kept may have missed for any', () => {
    const old = entries(58, { outcome: 'missed', wrong: null });
    const { pooled } = proofOf(entries(1), old, { targetSeconds: 60 });
    expect([pooled.drills, pooled.breaches]).toEqual([59, 58]);
  });

  it('one drill is one drill, however often it is written down', () => {
    const one = entry();
    const { pooled, notes, noRegression } = proofOf(
      entries(1),
      Array.from({ length: 58 }, () => one),
      { targetSeconds: 60, allowedPercent: 10 },
    );
    expect(pooled.drills).toBe(2);
    expect(notes).toEqual(['57 lines of the history repeat a drill, which counts once']);
    expect(noRegression).toBe('of 5 earlier drills that are needed there are 1');
    const [own] = entries(1);
    expect(proofOf(own ? [own] : [], own ? [own] : [], { targetSeconds: 60 }).pooled.drills).toBe(1);
  });

  it('of several accounts of one drill the worst counts, in whatever order, and that is told', () => {
    const [good, bad] = [entry({ drill: 'x' }), entry({ drill: 'x', rtoSeconds: 61 })];
    for (const before of [
      [good, bad],
      [bad, good],
    ]) {
      const { pooled, notes } = proofOf(entries(1), before, { targetSeconds: 60 });
      expect([pooled.drills, pooled.breaches]).toEqual([2, 1]);
      expect(notes?.join()).toContain('several accounts of 1 drill (x): the worst counts');
    }
  });

  it('pools no drill of another fault or formation, whatever its fingerprint says', () => {
    const before = [entry({ fault: 'freeze' }), entry({ formation: 'another' })];
    expect(proofOf(entries(1), before, { targetSeconds: 60 }).pooled.drills).toBe(1);
  });

  it('that nothing was lost is proven by drills with enough writes at risk alone', () => {
    const before = [
      ...entries(10, { lostWrites: null, acknowledgedWrites: null, writesAtRisk: null }),
      ...entries(20, { writesAtRisk: null }),
      ...entries(30, { writesAtRisk: 99 }),
      ...entries(4),
      entry({ outcome: 'error' }),
    ];
    expect(proofOf(entries(1), before, { targetSeconds: 60 }).pooled.loss).toMatchObject({
      drills: 5,
      losses: 0,
    });
    expect(
      proofOf(entries(1), before, { targetSeconds: 60, leastWritesAtRisk: 50 }).pooled.loss?.drills,
    ).toBe(35);
    const lossy = [...before, entry({ outcome: 'error', lostWrites: 2, writesAtRisk: null })];
    expect(proofOf(entries(1), lossy, { targetSeconds: 60 }).pooled.loss).toMatchObject({
      drills: 6,
      losses: 1,
    });
    const none = proofLines(
      proofOf(entries(3, { lostWrites: null, writesAtRisk: null }), [], { targetSeconds: 60 }),
    );
    expect(none).toContain('stop: nothing is proven of lost writes: no drill had as many as 100 at risk');
  });

  it('lines that could not be read are told', () => {
    const lines = proofLines(proofOf(entries(1), [], { targetSeconds: 60, unreadable: 2 }));
    expect(lines).toContain('stop: 2 lines of the history could not be read, and count for nothing');
  });
});

describe('the history', () => {
  const path = () => join(mkdtempSync(join(tmpdir(), 'pgha-history-')), 'sub', 'drills.jsonl');

  it('holds what was appended, in order', () => {
    const file = path();
    expect(readHistory(file)).toEqual({ entries: [], unreadable: [] });
    appendHistory(file, entry({ drill: 'a' }));
    appendHistory(file, entry({ drill: 'b', rtoSeconds: null }));
    expect(readHistory(file).entries.map(({ drill }) => drill)).toEqual(['a', 'b']);
  });

  it('survives a torn line and what another program wrote, and goes on after them', () => {
    const file = path();
    appendHistory(file, entry({ drill: 'a' }));
    writeFileSync(file, `${readFileSync(file, 'utf8')}{"fingerprint":"f","dri`);
    appendHistory(file, entry({ drill: 'b' }));
    const { entries: found, unreadable } = readHistory(file);
    expect(found.map(({ drill }) => drill)).toEqual(['a', 'b']);
    expect(unreadable).toEqual([{ line: 2, why: 'it is no whole JSON' }]);
  });

  it.each([
    ['a time below nothing', { rtoSeconds: -1 }, /^rtoSeconds/],
    ['a time without end', '{"rtoSeconds":1e999', /^rtoSeconds/],
    ['no drill', { drill: '' }, /^drill/],
    ['a future', { at: '2999-01-01T00:00:00.000Z' }, /^at: lies in the future/],
    ['no time', { at: 'yesterday' }, /^at: is no time/],
    ['words for numbers', { lostWrites: 'none' as never }, /^lostWrites/],
  ])('does not count a line that tells of %s, and says which and why', (_, given, why) => {
    const file = path();
    appendHistory(file, entry());
    const line =
      typeof given === 'string'
        ? JSON.stringify(entry())
            .replace('{', `${given},`)
            .replace(/,"rtoSeconds":10/, '')
        : JSON.stringify(entry(given as Partial<HistoryEntry>));
    writeFileSync(file, `${readFileSync(file, 'utf8')}${line}\n`);
    const { entries: found, unreadable } = readHistory(file);
    expect(found).toHaveLength(1);
    expect(unreadable).toHaveLength(1);
    expect(unreadable[0]?.line).toBe(2);
    expect(unreadable[0]?.why).toMatch(why);
  });

  it('reads what earlier releases wrote', () => {
    const file = path();
    appendHistory(file, entry());
    const { rtoAtMostSeconds: _, unpromotedSeconds: __, writesAtRisk: ___, ...old } = entry();
    writeFileSync(file, `${readFileSync(file, 'utf8')}${JSON.stringify(old)}\n`);
    expect(readHistory(file).entries).toMatchObject([{}, { writesAtRisk: null, unpromotedSeconds: null }]);
  });

  it.each([
    ["a formation's file", 'name: default\nnodes:\n  - { name: a }\n'],
    ['a report', JSON.stringify({ action: 'failover-drill', campaign: { drills: [entry()] } }, null, 2)],
    ['a key', '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----\n'],
    ['what is not text', '\u007fELF\u0001\u0000\u0000'],
  ])('refuses %s, so that nothing is appended to it', (_, content) => {
    const file = join(mkdtempSync(join(tmpdir(), 'pgha-history-')), 'drills.jsonl');
    writeFileSync(file, content);
    expect(() => readHistory(file)).toThrow(
      /is no history of drills, but something else, which is left as it is/,
    );
  });

  it.each([
    ['nothing', ''],
    ['an empty line', '\n'],
    ['one torn line', '{"fingerprint":"f","dri'],
  ])('goes on after %s', (_, content) => {
    const file = join(mkdtempSync(join(tmpdir(), 'pgha-history-')), 'drills.jsonl');
    writeFileSync(file, content);
    readHistory(file);
    appendHistory(file, entry({ drill: 'b' }));
    expect(readHistory(file).entries.map(({ drill }) => drill)).toEqual(['b']);
  });

  it('says what is wrong with a path that cannot be written to', () => {
    expect(() => appendHistory('/dev/null/x', entry())).toThrow(/history of drills cannot be written to/);
    expect(() => readHistory('/')).toThrow(/history of drills cannot be read from \//);
  });
});

describe('a fingerprint', () => {
  const versions = { postgres: 150_008, autoFailover: '2.0' };
  const conditions = {
    holdSeconds: 0,
    watchSeconds: 0,
    load: { sessions: 4, writesPerSecond: 20, via: 'vantage' },
    locations: {},
  };
  const of = (yaml: string, fault = 'stop', given: Partial<Conditions> = {}) =>
    fingerprint(formationOf(yaml), fault, versions, { ...conditions, ...given });

  it('is the same for the same configuration, whoever may log in, in whatever order it is written', () => {
    const one = of('timings: fast\npostgres: { settings: { work_mem: 1MB, jit: "off" } }');
    expect(one).toMatch(/^[0-9a-f]{16}$/);
    expect(
      of('postgres: { settings: { jit: "off", work_mem: 1MB }, clients: [10.1.0.0/16] }\ntimings: fast'),
    ).toBe(one);
  });

  it('is another for whatever bears on a failover', () => {
    const all = [
      of('timings: fast'),
      of('timings: balanced'),
      of('timings: fast', 'freeze'),
      of('timings: fast\nlimits: { cpu: 2 }'),
      of('timings: fast\nnodes: [{ name: a }, { name: b }, { name: c }]'),
      fingerprint(formationOf('timings: fast'), 'stop', { ...versions, autoFailover: '2.2' }, conditions),
      of('timings: fast', 'stop', { holdSeconds: 20 }),
      of('timings: fast', 'stop', { load: null }),
      of('timings: fast', 'stop', { load: { sessions: 1, writesPerSecond: 20, via: 'vantage' } }),
      of('timings: fast', 'stop', { locations: { 'pgaf-primary': 'one', 'pgaf-replica': 'one' } }),
      of('timings: fast', 'stop', { locations: { 'pgaf-primary': 'one', 'pgaf-replica': 'two' } }),
      of('timings: fast\nnodes: [{ name: pgaf-primary, target: one }, { name: pgaf-replica }]'),
      of('timings: fast\nincus: { profiles: [default, slow] }'),
      of('timings: fast\nincus: { network: other }'),
      of('timings: fast', 'stop', { drift: ['pgaf-monitor: primary_demote_timeout is 30000'] }),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  it("is another for a kept monitor's clocks, which its file does not set", () => {
    const kept = 'timings: fast\nkeep: [monitor]';
    const [slow, quick] = [30, 10].map((most) => ({ inForce: { least: 5, most } }));
    expect(of(kept, 'stop', slow)).not.toBe(of(kept, 'stop', quick));
    expect(of('timings: fast', 'stop', slow)).toBe(of('timings: fast', 'stop', quick));
  });

  it('is another where a drill found the formation otherwise than its file says', () => {
    const formation = builtInFormation();
    const observation = healthyObservation();
    monitorOf(observation).clocks['primary_demote_timeout'] = 30_000;
    const [one, other] = [judge(healthyObservation(), formation), judge(observation, formation)].map(
      (baseline) => entryOf(judgedDrill(passingDrill({ baseline })), formation),
    );
    expect(other?.fingerprint).not.toBe(one?.fingerprint);
  });
});

describe('the plan of a campaign', () => {
  const plan = (seed: number, rounds = 20) =>
    planRounds({ rounds, faults: ['stop', 'freeze', 'network-cut'], seed, periodMs: 3000 });

  it('is the same for the same seed and another for another', () => {
    expect(plan(7)).toEqual(plan(7));
    expect(plan(7)).not.toEqual(plan(8));
  });

  it('has every fault as often as any other, give or take one, at any moment of a period', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 60 }), (seed, rounds) => {
        const planned = plan(seed, rounds);
        expect(planned.map(({ number }) => number)).toEqual(
          Array.from({ length: rounds }, (_, index) => index + 1),
        );
        const counts = ['stop', 'freeze', 'network-cut'].map(
          (fault) => planned.filter((round) => round.fault === fault).length,
        );
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        for (const { holdBackMs } of planned) {
          expect(holdBackMs).toBeGreaterThanOrEqual(0);
          expect(holdBackMs).toBeLessThanOrEqual(3000);
        }
      }),
    );
    const moments = plan(1, 300).map(({ holdBackMs }) => holdBackMs);
    expect(Math.min(...moments)).toBeLessThan(100);
    expect(Math.max(...moments)).toBeGreaterThan(2900);
  });
});
