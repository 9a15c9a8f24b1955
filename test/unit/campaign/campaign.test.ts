import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { proofsOf } from '../../../src/campaign/campaign.ts';
import { figuresOf } from '../../../src/campaign/figures.ts';
import { replayed } from '../../../src/campaign/replay.ts';
import { judgeCampaign } from '../../../src/campaign/verdict.ts';
import { InputError } from '../../../src/contract/errors.ts';
import type { DrillRecord } from '../../../src/drill/record.ts';
import {
  builtInFormation,
  campaignOf,
  clientsRecord,
  judgedDrill,
  keptLog,
  passingDrill,
  unhealthyVerdict,
  watchedDrill,
} from '../builders.ts';

const promoted = (seconds: number): Partial<DrillRecord> => ({
  promotion: { node: 'pgaf-replica', seconds, at: '2025-01-01T00:00:10.800Z', heardBy: 'notification' },
});
const times = { lastBefore: -0.02, firstAfter: 9.88, until: 15.4 };
const lossy = (count: number, given = {}) =>
  watchedDrill({
    fault: 'cut-then-stop',
    clients: clientsRecord(times, {
      lost: { count, rows: count > 0 ? { 'app1.1': [[1, count]] } : {} },
      lastAcknowledgedSeconds: 1.8,
      ...given,
    }),
  });

describe('a campaign', () => {
  it('of one drill is judged as that drill', () => {
    const one = campaignOf();
    expect(judgeCampaign(one)).toEqual({
      outcome: 'pass',
      message: one.drills[0]?.verdict.message,
    });
  });

  it('passes when every drill does, and tells what that proves', () => {
    const drills = [10, 11, 12].map((seconds) => judgedDrill(watchedDrill(promoted(seconds))));
    const { outcome, message } = judgeCampaign(campaignOf(drills));
    expect(outcome).toBe('pass');
    expect(message).toBe(
      '3 drills, all of them passed; stop: RTO 11.000 s at the median, 12.000 s at most; at 95 % confidence at most 63 % of such drills breach the target',
    );
  });

  it('is as bad as its worst drill, and names it', () => {
    const drills = [judgedDrill(watchedDrill()), judgedDrill(watchedDrill(promoted(61)))];
    const { outcome, message } = judgeCampaign(campaignOf(drills));
    expect(outcome).toBe('missed');
    expect(message).toContain('1 of 2 drills did not pass: round 2, stop: pgaf-replica took over 61.000 s');
  });

  it.each([
    ['was cancelled after drills that passed', [watchedDrill()], 'error'],
    [
      'found the formation unhealthy',
      [passingDrill({ baseline: unhealthyVerdict(), faultAt: undefined, target: undefined })],
      'unhealthy',
    ],
  ] as const)('that %s proves nothing of its own', (_, records, outcome) => {
    const drills = records.map((record) => judgedDrill(record));
    const campaign = { ...campaignOf(drills), rounds: 5, endedEarly: 'it was cancelled' };
    const verdict = judgeCampaign(campaign);
    expect(verdict.outcome).toBe(outcome);
    expect(verdict.message).toContain('it ended after 1 of 5 rounds: it was cancelled');
  });

  it('tells once that it was cancelled', () => {
    const end = 'it was cancelled';
    const drills = [judgedDrill(passingDrill())];
    const { outcome, message } = judgeCampaign({
      ...campaignOf(drills),
      rounds: 5,
      endedEarly: end,
      trouble: [end],
    });
    expect(outcome).toBe('error');
    expect(message.match(/it was cancelled/g)).toHaveLength(1);
  });

  it('cannot tell where a round could not run or be noted, and hides no drill behind that', () => {
    const drills = [judgedDrill(watchedDrill(promoted(61)))];
    const campaign = { ...campaignOf(drills), rounds: 2, endedEarly: 'no incus', trouble: ['no incus'] };
    const { outcome, message } = judgeCampaign(campaign);
    expect(outcome).toBe('error');
    expect(message).toContain('took over 61.000 s');
    expect(message).toContain('no incus');
  });

  it('misses its objective when it has become slower than the history allows', () => {
    const drills = [judgedDrill(watchedDrill(promoted(13)))];
    const formation = builtInFormation();
    const before = Array.from({ length: 5 }, () => entryLike(drills, 10));
    const proofs = proofsOf({ drills }, before, formation, { regressionPercent: 25 });
    const { outcome, message } = judgeCampaign({ ...campaignOf(drills), proofs });
    expect(outcome).toBe('missed');
    expect(message).toMatch(
      /stop: the median RTO is 13\.000 s, more than 25 % slower than the 10\.000 s before$/,
    );
    const allowed = proofsOf({ drills }, before, formation, { regressionPercent: 31 });
    expect(judgeCampaign({ ...campaignOf(drills), proofs: allowed }).outcome).toBe('pass');

    function entryLike(from: typeof drills, rtoSeconds: number) {
      const { fingerprint, fault } = proofsOf({ drills: from }, [], formation, {
        regressionPercent: undefined,
      })[0] as { fingerprint: string; fault: string };
      return {
        fingerprint,
        fault,
        drill: 'd',
        at: '2025-01-01T00:00:00.000Z',
        formation: 'default',
        outcome: 'pass' as const,
        failover: true,
        rtoSeconds,
        clientRtoSeconds: null,
        longestPauseSeconds: null,
        writeOutageSeconds: null,
        rejoinSeconds: 4,
        acknowledgedWrites: null,
        lostWrites: null,
        dualPrimarySeconds: null,
        wrong: false,
      };
    }
  });

  it('tells the worst of its drills to the next step', () => {
    const drills = [10, 12, 11].map((seconds) => judgedDrill(watchedDrill(promoted(seconds))));
    const figures = figuresOf(campaignOf(drills));
    const writes = drills[0]?.verdict.acknowledgedWrites ?? 0;
    expect(figures).toMatchObject({ rtoSeconds: 12, lostWrites: 0, acknowledgedWrites: 3 * writes });
    expect(figures.breachProbability).toBeCloseTo(1 - 0.05 ** (1 / 3), 6);
    expect(figuresOf(campaignOf([judgedDrill(passingDrill())])).lostWrites).toBeUndefined();
  });
});

describe('the self-test', () => {
  const tested = (...records: DrillRecord[]) =>
    judgeCampaign({
      ...campaignOf(records.map((record) => judgedDrill(record))),
      selfTest: true,
      proofs: [],
    });

  it('passes when every drill lost writes', () => {
    expect(tested(lossy(120), lossy(30))).toEqual({
      outcome: 'pass',
      message:
        'the ledger found lost writes in each of 2 drills that had to lose some, 150 in all: its green verdicts mean something',
    });
  });

  it('fails when the ledger found none, though some were acknowledged behind the cut', () => {
    const { outcome, message } = tested(lossy(120), lossy(0));
    expect(outcome).toBe('missed');
    expect(message).toContain('its green verdicts mean nothing');
  });

  it.each([
    ['nothing was acknowledged behind the cut', lossy(0, { lastAcknowledgedSeconds: 0.1 })],
    ['the evidence is not whole', lossy(5, { inconclusive: ['the way broke'] })],
    ['no clients were watched', passingDrill({ fault: 'cut-then-stop' })],
    ['it was interrupted', { ...lossy(5), interrupted: 'cancelled by SIGTERM' }],
  ])('cannot tell when %s', (_, record) => {
    expect(tested(record).outcome).toBe('error');
  });
});

describe('the self-test of more than lost writes', () => {
  it('fails', () => {
    const record = lossy(5, { overlap: { count: 1, rows: { 'app1.1': [[9, 9]] } } });
    const campaign = { ...campaignOf([judgedDrill(record)]), selfTest: true, proofs: [] };
    expect(judgeCampaign(campaign).outcome).toBe('missed');
  });
});

describe('a replay', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-replay-'));
  const path = join(folder, 'report.json');
  const write = (content: unknown) => writeFileSync(path, JSON.stringify(content));
  const report = (campaign = campaignOf()) => ({
    action: 'failover-drill',
    outcome: 'pass',
    exitCode: 0,
    message: 'as it was told',
    formation: builtInFormation(),
    campaign,
  });

  it('judges every drill again, whatever its report says of it', () => {
    const drill = judgedDrill(watchedDrill(promoted(61)), { outcome: 'pass', message: 'all is well' });
    write(report(campaignOf([drill])));
    const { campaign } = replayed(path, keptLog());
    expect(judgeCampaign(campaign).outcome).toBe('missed');
  });

  it('says where a journal is missing, and follows no path out of the folder', () => {
    const clients = { ...clientsRecord(times), journal: '../../etc/passwd' };
    write(report(campaignOf([judgedDrill(watchedDrill({ clients }))])));
    const log = keptLog();
    replayed(path, log);
    expect(log.lines.join()).toContain('the journal ../../etc/passwd does not lie beside the report');
  });

  it.each([
    ['no JSON', '{'],
    ['another report', JSON.stringify({ action: 'check-formation' })],
    ['no drill at all', JSON.stringify(report({ ...campaignOf(), drills: [] }))],
    [
      'rows without end',
      JSON.stringify(
        report(
          campaignOf([
            judgedDrill(
              watchedDrill({
                clients: {
                  ...clientsRecord(times),
                  reads: [
                    { node: 'x', startedAt: 1, endedAt: 2, inRecovery: false, rows: { x: [[1, 1e17]] } },
                  ],
                },
              }),
            ),
          ]),
        ),
      ),
    ],
    [
      'a time without end',
      JSON.stringify(report(campaignOf([judgedDrill(watchedDrill({ settledSeconds: 1e300 }))]))),
    ],
    ['a drill without its fault', JSON.stringify(report({ ...campaignOf(), drills: [{}] as never }))],
  ])('refuses %s with every fault of it', (_, text) => {
    writeFileSync(path, text);
    expect(() => replayed(path, keptLog())).toThrow(InputError);
  });

  it('refuses a file that is not there', () => {
    expect(() => replayed(join(folder, 'none.json'), keptLog())).toThrow(
      /input replay: .*none\.json cannot be read/,
    );
  });
});
