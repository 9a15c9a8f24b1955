import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CampaignRecord } from '../../src/campaign/campaign-record.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, figure, inside, runAction, statusOf } from './harness.ts';
import { tolerable } from './meter.ts';

/** The drill as its users run it, with the application's clients watched; evidence.test.ts has what these are made of. */

const formation = labFormation(12);
const folder = mkdtempSync(join(tmpdir(), 'pgha-drill-'));
const pgdata = '/var/lib/postgresql/pgaf/node';
const drill = (inputs: Record<string, string>, yaml = formation.yaml) =>
  runAction('failover-drill', { formation: yaml, 'report-folder': folder, ...inputs });
const provision = async (yaml: string) => {
  const { code, log } = await runAction('provision-pgaf', { formation: yaml });
  expect(code, log).toBe(0);
};

beforeAll(() => provision(formation.yaml));
beforeEach(() => becomesHealthy(formation.yaml, 60_000));
afterAll(() => rmSync(folder, { recursive: true }));

const campaignOf = (report: Record<string, unknown> | undefined) =>
  (report as { campaign: CampaignRecord } | undefined)?.campaign as CampaignRecord;

describe("a drill with the application's clients", () => {
  it('measures what they saw, and is judged and rendered again from its files to the same', async () => {
    const { code, outputs, log, report, summary, tookMs } = await drill({
      'require-client-evidence': 'true',
    });
    expect(code, log).toBe(0);
    const seconds = (name: string) => Number(outputs[`${name}-seconds`]);
    for (const name of ['rto', 'client-rto', 'write-outage', 'rejoin', 'predicted-rto'])
      expect(outputs[`${name}-seconds`], name).toMatch(/^\d+\.\d{3}$/);
    expect(seconds('client-rto')).toBeGreaterThan(seconds('rto') - 1);
    expect(seconds('client-rto')).toBeLessThan(seconds('rto') + 2);
    expect(seconds('write-outage')).toBeGreaterThan(seconds('client-rto') - 1);
    expect(Number(outputs['acknowledged-writes'])).toBeGreaterThan(200);
    expect(outputs).toMatchObject({ 'lost-writes': '0', 'dual-primary-seconds': '0.000' });
    const overhead = tookMs / 1000 - seconds('rto') - seconds('rejoin');
    figure('client RTO', seconds('client-rto'));
    figure('write outage', seconds('write-outage'));
    figure("drill's own overhead with clients (wall − RTO − rejoin)", overhead);
    expect(overhead).toBeLessThan(tolerable(2));
    expect(summary).toContain('acknowledged writes');

    const again = await runAction('failover-drill', {
      replay: outputs['report'] ?? '',
      'report-folder': folder,
    });
    expect(again.code, again.log).toBe(0);
    expect(again.outputs['message']).toBe(outputs['message']);
    expect(again.summary).toBe(summary);
    expect(campaignOf(again.report)).toEqual(campaignOf(report));
    const [html, junit] = ['html', 'junit'].map((name) => readFileSync(outputs[name] ?? '', 'utf8'));
    expect(html).toContain('<svg');
    expect(junit).toContain('<testsuites');
    for (const name of ['html', 'junit'])
      expect(readFileSync(again.outputs[name] ?? '', 'utf8').length).toBeGreaterThan(500);
    // No row of it is left behind; those of drills that were killed stay for some days.
    const primary = outputs['new-primary'] ?? '';
    expect(await rowsOn(primary, campaignOf(report).drills[0]?.record.id ?? '')).toBe('0');
  });

  it('does not believe a report whose journal tells of a write that is gone', async () => {
    const report = newest('.json');
    const journal = newest('.journal.jsonl');
    const text = readFileSync(journal, 'utf8');
    const lines = text.split('\n');
    const acknowledged = lines.findIndex(
      (line) => line.includes('"acknowledged"') && line.includes('"app1.1"'),
    );
    const { seq } = JSON.parse(lines[acknowledged] ?? '{}') as { seq: number };
    // The same write under a number that no row has.
    const planted = lines.map((line) =>
      line.includes('"app1.1"') ? line.replace(`"seq":${seq},`, `"seq":${seq + 100_000},`) : line,
    );
    writeFileSync(journal, planted.join('\n'));
    try {
      const { code, outputs } = await runAction('failover-drill', {
        replay: report,
        'report-folder': folder,
      });
      expect(code).toBe(2);
      expect(outputs['lost-writes']).toBe('1');
      expect(outputs['message']).toContain(
        `1 write acknowledged to clients is lost (app1.1: ${seq + 100_000})`,
      );
    } finally {
      writeFileSync(journal, text);
    }
  });

  it('misses its objective where only the old primary lets them in, and hands the role back', async () => {
    const { outputs: before } = await runAction('check-formation', { formation: formation.yaml });
    const { primary = '', standbys: standby = '' } = before;
    await inside(standby, 'sed', '-i', '/"veza"/d', `${pgdata}/pg_hba.conf`);
    await inside(standby, 'sh', '-c', `kill -HUP $(head -n 1 ${pgdata}/postmaster.pid)`);
    try {
      const { code, outputs, log } = await drill({ fault: 'switchover' });
      expect(code, log).toBe(2);
      expect(outputs['message']).toMatch(
        new RegExp(
          `^${standby} was promoted, and no client could write on it: ${standby} said "no pg_hba\\.conf entry for host "[\\d.]+", user "veza"`,
        ),
      );
      expect(outputs).toMatchObject({ 'client-rto-seconds': '', 'new-primary': standby, 'lost-writes': '0' });
      const { outputs: after } = await runAction('check-formation', { formation: formation.yaml });
      expect(after['primary']).toBe(primary);
    } finally {
      await provision(formation.yaml);
    }
  });

  it('says that their figures are missing where their password is not known, and refuses to go without if told so', async () => {
    const production = labFormation(12, { environment: 'production' }).yaml;
    const { code, outputs } = await drill({ 'require-client-evidence': 'true' }, production);
    expect(code).toBe(3);
    expect(outputs['message']).toMatch(
      /^input require-client-evidence: .*password of the application's user veza/,
    );
    const wrong = await drill({ 'app-password': 'none of theirs' });
    expect(wrong.code).toBe(3);
    expect(wrong.outputs['message']).toContain('password authentication failed for user "veza"');
    for (const node of formation.nodes) expect(await statusOf(node)).toBe('Running');
    const without = await drill({ fault: 'switchover' }, production);
    expect(without.code, without.log).toBe(0);
    expect(without.outputs).toMatchObject({ 'client-rto-seconds': '', 'lost-writes': '' });
    expect(without.summary).toContain('figures of clients are missing');
  });

  it('makes the old primary primary again where that is asked for', async () => {
    const { code, outputs, log } = await drill({ fault: 'switchover', 'restore-primary': 'true' });
    expect(code, log).toBe(0);
    const { outputs: after } = await runAction('check-formation', { formation: formation.yaml });
    expect(after['primary']).toBe(outputs['old-primary']);
  });
});

describe('a campaign', () => {
  it('drills its faults in an order of its seed, alternates the primaries, and says what that proves', async () => {
    const history = join(folder, 'history.jsonl');
    const inputs = { fault: 'switchover', rounds: '3', seed: '7', 'history-file': history };
    const { code, outputs, log, report } = await drill(inputs);
    expect(code, log).toBe(0);
    const { drills, proofs } = campaignOf(report);
    expect(drills).toHaveLength(3);
    const primaries = drills.map(({ record }) => record.primary);
    expect(primaries[0]).toBe(primaries[2]);
    expect(primaries[0]).not.toBe(primaries[1]);
    expect(proofs[0]?.pooled).toMatchObject({ drills: 3, breaches: 0 });
    // 1 − 0.05^(1/3)
    expect(outputs['breach-probability']).toBe('0.6316');
    const greatest = Math.max(...drills.map(({ verdict }) => verdict.rtoSeconds ?? 0));
    expect(outputs['rto-seconds']).toBe(greatest.toFixed(3));
    expect(readFileSync(history, 'utf8').trim().split('\n')).toHaveLength(3);
    const held = drills.map(({ record }) => record.holdBackSeconds);
    expect(new Set(held).size).toBe(3);

    const pooled = await drill({ ...inputs, rounds: '1', seed: '' });
    expect(pooled.outputs['breach-probability']).toBe('0.5271');
  });

  it('fails where the median RTO is slower than the history allows', async () => {
    const history = join(folder, 'history.jsonl');
    const lines = readFileSync(history, 'utf8').trim().split('\n');
    const [first = ''] = lines;
    const quick = first.replace(/"rtoSeconds":[\d.]+/, '"rtoSeconds":0.1');
    writeFileSync(history, `${Array.from({ length: 5 }, () => quick).join('\n')}\n`);
    const { code, outputs } = await drill({
      fault: 'switchover',
      'history-file': history,
      'regression-percent': '20',
    });
    expect(code).toBe(2);
    expect(outputs['message']).toMatch(
      /switchover: the median RTO is [\d.]+ s, more than 20 % slower than the 0\.100 s before$/,
    );
  });
});

describe('the self-test', () => {
  it('finds the writes that a formation must lose whose commits wait for no standby', async () => {
    const lossy = labFormation(12, { replication: { 'sync-standbys': 0, quorum: false } }).yaml;
    await provision(lossy);
    const rounds = process.env['PGHA_RUNS'] ?? '1';
    const { code, outputs, log } = await drill({ 'self-test': 'true', rounds }, lossy);
    await provision(formation.yaml);
    expect(code, log).toBe(0);
    figure(`self-test: writes found lost in ${rounds} drills`, outputs['lost-writes'] ?? '', '');
    expect(Number(outputs['lost-writes'])).toBeGreaterThan(50);
    expect(outputs['message']).toContain('its green verdicts mean something');
  });

  it('is refused where no write can be lost', async () => {
    const { code, outputs } = await drill({ 'self-test': 'true', fault: 'freeze' });
    expect(code).toBe(3);
    expect(outputs['message']).toContain('commits of formation default wait for a standby');
    expect(outputs['message']).toContain('it has a fault of its own');
  });
});

const newest = (ending: string) =>
  join(
    folder,
    readdirSync(folder).find((name) => name.endsWith(ending) && !name.includes('-replayed')) ?? 'none',
  );

async function rowsOn(node: string, run: string): Promise<string> {
  const query = `SELECT count(*) FROM public.pgha_drill WHERE run = '${run}'`;
  const psql = ['runuser', '-u', 'postgres', '--', 'psql', '-d', 'veza', '-Atc', query];
  return (await inside(node, ...psql)).trim();
}
