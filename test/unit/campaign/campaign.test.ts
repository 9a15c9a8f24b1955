import { appendFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { proofsOf } from '../../../src/campaign/campaign.ts';
import type { Proof } from '../../../src/campaign/campaign-record.ts';
import { figuresOf } from '../../../src/campaign/figures.ts';
import { entryOf } from '../../../src/campaign/history-entry.ts';
import { replayed } from '../../../src/campaign/replay.ts';
import { judgeCampaign } from '../../../src/campaign/verdict.ts';
import { InputError } from '../../../src/contract/errors.ts';
import type { ClientsRecord, DrillRecord } from '../../../src/drill/record.ts';
import { Journal } from '../../../src/evidence/journal.ts';
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
      '3 drills, all of them passed; stop: RTO 11.000 s at the median, 12.000 s at most; at 95 % confidence at most 64 % of such drills breach the target; none of 960 writes at risk was lost',
    );
  });

  it('tells of loss only what its writes at risk and its clients tell', () => {
    const messageOf = (...records: DrillRecord[]) =>
      judgeCampaign(campaignOf(records.map((record) => judgedDrill(record)))).message;
    expect(messageOf(watchedDrill(), passingDrill())).toContain(
      'none of 320 writes at risk was lost in the 1 drill that clients watched',
    );
    expect(messageOf(passingDrill(), passingDrill())).toContain(
      'no clients were watched, so nothing is told of their writes',
    );
    const uncounted = clientsRecord(times, { writesAtRisk: undefined });
    const old = watchedDrill({ clients: { ...uncounted, leastWritesAtRisk: undefined } });
    expect(messageOf(watchedDrill(), old)).toContain('of how many at risk is not known');
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
    const before = Array.from({ length: 5 }, (_, index) => ({
      ...entryLike(drills, 10),
      drill: `d${index}`,
    }));
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
        rtoAtMostSeconds: null,
        unpromotedSeconds: null,
        clientRtoSeconds: null,
        longestPauseSeconds: null,
        writeOutageSeconds: null,
        rejoinSeconds: 4,
        acknowledgedWrites: null,
        writesAtRisk: null,
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
    expect(figures).toMatchObject({ writesAtRisk: 3 * 320, writesInFlight: 12 });
    const old = judgedDrill(watchedDrill({ clients: clientsRecord(times, { writesAtRisk: undefined }) }));
    expect(figuresOf(campaignOf([...drills, old])).writesAtRisk).toBeUndefined();
    expect(figures.breachProbability).toBeCloseTo(1 - 0.05 ** (1 / 3), 6);
    expect(figuresOf(campaignOf([judgedDrill(passingDrill())])).lostWrites).toBeUndefined();
  });

  it('tells no greatest of times of which one never came', () => {
    const well = judgedDrill(watchedDrill());
    const never = judgedDrill(passingDrill({ promotion: undefined, announcements: [] }));
    const ill = judgedDrill(watchedDrill({ final: unhealthyVerdict() }));
    const out = judgedDrill(watchedDrill({ clients: clientsRecord(times, { clientRtoSeconds: undefined }) }));
    expect(figuresOf(campaignOf([well])).rtoSeconds).toBe(9.8);
    expect(figuresOf(campaignOf([well, never])).rtoSeconds).toBeUndefined();
    expect(figuresOf(campaignOf([well])).rejoinSeconds).toBe(4.25);
    expect(figuresOf(campaignOf([well, ill])).rejoinSeconds).toBeUndefined();
    expect(figuresOf(campaignOf([well, out])).clientRtoSeconds).toBeUndefined();
  });

  it('tells no 0 of what one of its drills did not look for, and all that was seen', () => {
    const of = (given: Parameters<typeof clientsRecord>[1]) =>
      judgedDrill(watchedDrill({ clients: clientsRecord(times, given) }));
    const figures = (...drills: ReturnType<typeof of>[]) => {
      const { lostWrites, dualPrimarySeconds } = figuresOf(campaignOf(drills));
      return { lostWrites, dualPrimarySeconds };
    };
    const blind = of({ unverifiedWrites: 5, dualPrimarySeconds: undefined, inconclusive: ['not read'] });
    const lost = { count: 3, rows: { 'app1.1': [[1, 3]] as [number, number][] } };
    expect(figures(of({}), of({}))).toEqual({ lostWrites: 0, dualPrimarySeconds: 0 });
    expect(figures(of({}), blind)).toEqual({ lostWrites: undefined, dualPrimarySeconds: undefined });
    expect(figures(of({ lost, dualPrimarySeconds: 2 }), blind)).toEqual({
      lostWrites: 3,
      dualPrimarySeconds: 2,
    });
    const unjudged = judgedDrill(passingDrill({ clientsFailed: 'the journal is full' }));
    expect(figuresOf(campaignOf([of({}), unjudged])).lostWrites).toBeUndefined();
  });
});

describe('what the history keeps of a drill', () => {
  const keptOf = (record: DrillRecord) => {
    const drill = judgedDrill(record);
    const [proof] = proofsOf({ drills: [drill] }, [], builtInFormation(), { regressionPercent: undefined });
    return { entry: entryOf(drill, builtInFormation()), now: proof?.now };
  };
  const cancelled = { interrupted: 'cancelled by SIGTERM', settledSeconds: undefined, final: undefined };

  it.each<[string, Partial<DrillRecord>, number, number]>([
    ['past its target', promoted(100), 1, 1],
    ['170 s after the fault without a promotion', { promotion: undefined, undoSeconds: 170 }, 1, 1],
    ['before anything could be told', { promotion: undefined, undoSeconds: 20 }, 0, 0],
    ['after a promotion in time', promoted(10), 0, 0],
    ['past its target, of a fault that was not proven', { ...promoted(100), proof: undefined }, 0, 0],
    [
      'when the monitor had not been seen for long',
      { promotion: undefined, undoSeconds: 170, blind: [{ from: 20, why: 'away' }] },
      0,
      0,
    ],
  ])('that was cancelled %s', (_, given, drills, breached) => {
    const { now } = keptOf(passingDrill({ ...cancelled, ...given }));
    expect([now?.drills, now?.breaches]).toEqual([drills, breached]);
  });

  it('that went wrong before it came to an error of another kind', () => {
    const { entry, now } = keptOf(
      passingDrill({ fault: 'standby-stop', expected: 'none', undoFailed: 'no incus' }),
    );
    expect(entry).toMatchObject({ outcome: 'error', wrong: true });
    expect(now?.breaches).toBe(1);
  });

  it('holds no time by evidence that is not whole, and every lost write', () => {
    const clients = clientsRecord(times, {
      inconclusive: ['the way broke'],
      clientRtoSeconds: 100,
      longestPauseSeconds: 100,
    });
    expect(keptOf(watchedDrill({ clients })).entry).toMatchObject({
      clientRtoSeconds: null,
      longestPauseSeconds: null,
      wrong: false,
    });
    expect(keptOf(lossy(3, { inconclusive: ['the way broke'] })).now).toMatchObject({
      drills: 1,
      breaches: 1,
    });
  });

  it('keeps those apart whose clients were watched in some alone, or that were held longer', () => {
    const load = { sessions: 4, writesPerSecond: 20, via: 'vantage' } as const;
    const drills = [{ load }, { load }, {}, { load, holdSeconds: 30 }].map((given) =>
      judgedDrill(passingDrill(given)),
    );
    const proofs = proofsOf({ drills }, [], builtInFormation(), { regressionPercent: undefined });
    expect(proofs.map(({ now }) => now.drills)).toEqual([2, 1, 1]);
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
        'the ledger found lost writes in each of 2 drills that had to lose some, 150 of 640 at risk in all: its green verdicts mean something',
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

  it('is refused where it is nested so deeply that nothing could be written of it', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    writeFileSync(path, JSON.stringify(report()).replace('"formation":{', `"formation":{"x":${deep},`));
    expect(() => replayed(path, keptLog())).toThrow(/input replay: .*: it is nested deeper than any report/);
  });

  it.each(['hunter2-of-the-vault', '{"password":"hunter2"', '"hunter2"', '424242'])(
    'is refused where the file is another, and shows nothing of it: %s',
    (text) => {
      writeFileSync(path, text);
      let said = '';
      try {
        replayed(path, keptLog());
      } catch (error) {
        said = String(error);
      }
      expect(said).toMatch(
        /input replay: .*(cannot be read as JSON: it is none|it is no report of failover-drill)/,
      );
      expect(said.replace(path, '')).not.toMatch(/hunter|4242/);
    },
  );

  it('counts the writes at risk of an older report from its journal, and says that it cannot without', () => {
    const of = { writesAtRisk: undefined, writesInFlight: undefined };
    const clients = { ...clientsRecord(times, of), leastWritesAtRisk: undefined };
    const drill = watchedDrill({ clients, id: 'abcdef012345' });
    write(report(campaignOf([judgedDrill(drill)])));
    const messageOf = () => judgeCampaign(replayed(path, keptLog()).campaign).message;
    expect(messageOf()).toContain('no write was found lost, of how many at risk is not known');
    const journal = Journal.create(join(folder, clients.journal), drill.id);
    const write_ = (connection: string, node: string, seqs: number, at: number) => {
      const opened = { connection, actor: 'application', node, server: '', backend: 1 } as const;
      journal.record({ kind: 'connected', at, ...opened });
      for (let seq = 1; seq <= seqs; seq++) {
        journal.record({ kind: 'invoked', connection, seq, at: at + seq });
        journal.record({ kind: 'acknowledged', connection, seq, at: at + seq + 0.5, timeline: 1 });
      }
    };
    write_('app1.1', 'pgaf-primary', 9, clients.scene.faultAt - 100);
    write_('app1.2', 'pgaf-replica', 167, clients.scene.faultAt + 10_000);
    journal.record({ kind: 'stalled', at: clients.scene.faultAt + 20_000, longestMs: 1 });
    journal.close();
    const { writesAtRisk, acknowledgedWrites } =
      replayed(path, keptLog()).campaign.drills[0]?.record.clients?.ledger ?? {};
    expect({ writesAtRisk, acknowledgedWrites }).toEqual({ writesAtRisk: 9, acknowledgedWrites: 176 });
  });

  it('tells what the drills prove, whatever the report says of that', () => {
    const drills = [10, 61].map((seconds, index) =>
      judgedDrill(passingDrill({ ...promoted(seconds), id: `${index}` })),
    );
    const proofs = proofsOf({ drills }, [], builtInFormation(), { regressionPercent: undefined });
    const claimed = proofs.map((proof) => ({
      ...proof,
      now: { ...proof.now, breaches: 0 },
      pooled: { ...proof.pooled, drills: 400, breaches: 0, breachAtMost: 0.01 },
    }));
    const log = keptLog();
    write(report(campaignOf(drills, { proofs: claimed })));
    expect(replayed(path, log).campaign.proofs[0]?.pooled).toMatchObject({ drills: 2, breaches: 1 });
    expect(log.lines.join()).toContain('stop: the report says something else of what its drills prove');
    // What was told rightly stands, with the history that was pooled then.
    const honest = proofs.map((proof) => ({ ...proof, pooled: { ...proof.pooled, drills: 30 } }));
    write(report(campaignOf(drills, { proofs: honest })));
    expect(replayed(path, keptLog()).campaign.proofs[0]?.pooled.drills).toBe(30);
  });

  it('tells the figures of its drills, whatever it says of them, and that earlier ones are not at hand', () => {
    const drills = [10, 12].map((seconds, index) =>
      judgedDrill(passingDrill({ ...promoted(seconds), id: `${index}` })),
    );
    const [proof] = proofsOf({ drills }, [], builtInFormation(), { regressionPercent: undefined });
    const rto = { n: 2, least: 1, median: 1, p90: 1, p95: 1, greatest: 1 };
    const { now, pooled } = proof as Proof;
    const claimed = { ...(proof as Proof), now: { ...now, rto }, pooled: { ...pooled, rto } };
    const told = (given: Proof) => {
      write(report(campaignOf(drills, { proofs: [given] })));
      return replayed(path, keptLog()).campaign.proofs[0];
    };
    expect(told(claimed)).toEqual(JSON.parse(JSON.stringify(proof)));
    expect(told({ ...claimed, pooled: { ...pooled, drills: 400 } })?.notes?.join()).toContain(
      'what is said of earlier drills is what the report tells',
    );
  });

  it('judges those that were not alike each by its own', () => {
    const load = { sessions: 4, writesPerSecond: 20, via: 'vantage' } as const;
    const drills = [promoted(10), { ...promoted(61), load }].map((given, index) =>
      judgedDrill(passingDrill({ ...given, id: `${index}` })),
    );
    const proofs = proofsOf({ drills }, [], builtInFormation(), { regressionPercent: undefined });
    const claimed = proofs.map((proof) => ({ ...proof, now: { ...proof.now, breaches: 0 } }));
    write(report(campaignOf(drills, { proofs: claimed })));
    const breaches = replayed(path, keptLog()).campaign.proofs.map(({ now }) => now.breaches);
    expect(breaches).toEqual([0, 1]);
  });

  it('reckons again what follows from the counts, and tells nothing of faults that it holds no drill of', () => {
    const drills = [judgedDrill(passingDrill())];
    const [proof] = proofsOf({ drills }, [], builtInFormation(), { regressionPercent: undefined });
    const sure = { breachAtMost: 0.001, stillNeeded: { p95: 0, p99: 0 } };
    const claimed = {
      ...(proof as Proof),
      now: { ...(proof as Proof).now, ...sure },
      pooled: { ...(proof as Proof).pooled, ...sure },
      regression: { nowSeconds: 1, beforeSeconds: 8, allowedPercent: 10, failed: false },
    };
    const log = keptLog();
    write(report(campaignOf(drills, { proofs: [claimed, { ...claimed, fault: 'network-cut' }] })));
    const { campaign } = replayed(path, log);
    expect(campaign.proofs).toHaveLength(1);
    expect(campaign.proofs[0]?.pooled).toMatchObject({
      breachAtMost: proof?.pooled.breachAtMost,
      stillNeeded: proof?.pooled.stillNeeded,
    });
    expect(judgeCampaign(campaign).outcome).toBe('missed');
    expect(log.lines.join()).toContain(
      'network-cut: the report tells what drills prove that it does not hold',
    );
  });

  it('judges no writes by a journal that was cut off: those after it would be rows that nobody made', () => {
    const drill = watchedDrill({ id: 'abcdef012346' });
    const clients = { ...(drill.clients as ClientsRecord), journal: 'cut.journal.jsonl' };
    write(report(campaignOf([judgedDrill({ ...drill, clients })])));
    Journal.create(join(folder, clients.journal), drill.id).close();
    expect(() => replayed(path, keptLog())).toThrow('cut.journal.jsonl ends before its drill did');
    // What the drill itself could not write to its end is as whole as it ever was.
    const ledger = { ...clients.ledger, inconclusive: ['the journal could not be written: ENOSPC'] };
    write(report(campaignOf([judgedDrill({ ...drill, clients: { ...clients, ledger } })])));
    expect(judgeCampaign(replayed(path, keptLog()).campaign).message).toContain('ENOSPC');
  });

  it('judges no writes by a journal that was changed since its drill wrote it', () => {
    const drill = watchedDrill({ id: 'abcdef012347' });
    const clients = { ...(drill.clients as ClientsRecord), journal: 'changed.journal.jsonl' };
    const journal = Journal.create(join(folder, clients.journal), drill.id);
    journal.record({ kind: 'stalled', at: clients.scene.faultAt + 20_000, longestMs: 1 });
    journal.close();
    const judged = (journalDigest: string | undefined) => {
      write(report(campaignOf([judgedDrill({ ...drill, clients: { ...clients, journalDigest } })])));
      return replayed(path, keptLog()).campaign.drills[0]?.record.clients?.ledger.acknowledgedWrites;
    };
    expect(judged(journal.digest)).toBe(0);
    appendFileSync(join(folder, clients.journal), '{"kind":"ending","at":1}\n');
    expect(() => judged(journal.digest)).toThrow('changed.journal.jsonl is not what its drill wrote');
    // As earlier releases recorded it.
    expect(judged(undefined)).toBe(0);
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
    [
      'a drill that stands there twice',
      JSON.stringify(report(campaignOf([judgedDrill(passingDrill()), judgedDrill(passingDrill())]))),
    ],
    [
      'more announcements than can be drawn',
      JSON.stringify(
        report(
          campaignOf([
            judgedDrill(
              passingDrill({
                announcements: Array.from({ length: 200_000 }, (_, seconds) => ({
                  seconds,
                  node: 'x',
                  reportedState: 'primary',
                  goalState: 'primary',
                  health: 1,
                })),
              }),
            ),
          ]),
        ),
      ),
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
