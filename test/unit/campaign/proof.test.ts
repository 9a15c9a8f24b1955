import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fingerprint } from '../../../src/campaign/fingerprint.ts';
import { appendHistory, type HistoryEntry, readHistory } from '../../../src/campaign/history.ts';
import { planCampaign } from '../../../src/campaign/plan.ts';
import { proofLines, proofOf } from '../../../src/campaign/proof.ts';
import { formationOf } from '../builders.ts';

const entry = (given: Partial<HistoryEntry> = {}): HistoryEntry => ({
  fingerprint: 'f',
  drill: 'd',
  at: '2026-01-01T00:00:00.000Z',
  formation: 'default',
  fault: 'stop',
  outcome: 'pass',
  failover: true,
  rtoSeconds: 10,
  clientRtoSeconds: 10.2,
  writeOutageSeconds: 10.3,
  rejoinSeconds: 4,
  acknowledgedWrites: 400,
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
    const { now, pooled } = proofOf(entries(1), before, 60, undefined);
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
    const { now } = proofOf(run, [], 60, undefined);
    expect([now.drills, now.breaches]).toEqual([9, 8]);
  });

  it('holds earlier drills against the target of today', () => {
    const before = entries(10, { outcome: 'missed', rtoSeconds: 20 });
    expect(proofOf(entries(1), before, 60, undefined).pooled.breaches).toBe(0);
    expect(proofOf(entries(1), before, 15, undefined).pooled.breaches).toBe(10);
  });

  it('fails the gate for a median that is more than the allowed percentage slower, once there is a past', () => {
    const slower = entries(3, { rtoSeconds: 12.6 });
    expect(proofOf(slower, entries(5), 60, 25).regression).toMatchObject({ failed: true, beforeSeconds: 10 });
    expect(proofOf(slower, entries(5), 60, 30).regression).toMatchObject({ failed: false });
    expect(proofOf(slower, entries(4), 60, 25).regression).toBeUndefined();
    expect(proofOf(slower, entries(5), 60, undefined).regression).toBeUndefined();
  });

  it('is told in sentences', () => {
    expect(proofLines(proofOf(entries(1), entries(9), 60, 10))).toEqual([
      'stop: 10 drills (9 of them earlier), none breached its target: at 95 % confidence at most 26 % of all would',
      'stop: still needed to prove the target: 49 more without a breach for 95 %, 289 more without a breach for 99 %',
      'stop: median RTO 10.000 s against 10.000 s before (not more than 10 % slower)',
    ]);
  });
});

describe('the history', () => {
  const path = () => join(mkdtempSync(join(tmpdir(), 'pgha-history-')), 'sub', 'drills.jsonl');

  it('holds what was appended, in order', () => {
    const file = path();
    expect(readHistory(file)).toEqual({ entries: [], unreadable: 0 });
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
    expect(unreadable).toBe(1);
  });

  it('says what is wrong with a path that cannot be written to', () => {
    expect(() => appendHistory('/dev/null/x', entry())).toThrow(/history of drills cannot be written to/);
    expect(() => readHistory('/')).toThrow(/history of drills cannot be read from \//);
  });
});

describe('a fingerprint', () => {
  const versions = { postgres: 150_008, autoFailover: '2.0' };
  const of = (yaml: string, fault = 'stop') => fingerprint(formationOf(yaml), fault, versions);

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
      fingerprint(formationOf('timings: fast'), 'stop', { ...versions, autoFailover: '2.2' }),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('the plan of a campaign', () => {
  const plan = (seed: number, rounds = 20) =>
    planCampaign({ rounds, faults: ['stop', 'freeze', 'network-cut'], seed, periodMs: 3000 });

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
