import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CampaignRecord } from '../../src/campaign/campaign-record.ts';
import { sleep } from '../../src/clock/deadline.ts';
import type { DrillRecord } from '../../src/drill/record.ts';
import { readJournal } from '../../src/evidence/journal.ts';
import { everything } from './extent.ts';
import { labFormation } from './formations.ts';
import { becomesHealthy, eventually, figure, inside, runAction, startAction, statusOf } from './harness.ts';
import { watchPace } from './meter.ts';
import { incusShim } from './shim.ts';

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

/** They began with a burst for the writes at risk, and wrote as often as they should when the fault came. */
function meetTheFaultAtTheirOwnPace(record: DrillRecord | undefined, report: string): void {
  const { burst, scene, journal } = record?.clients ?? {};
  expect(burst?.writesPerSecond).toBe(200);
  expect(burst?.from).toBeLessThan(burst?.to ?? 0);
  expect(burst?.to).toBeLessThanOrEqual(0);
  const { events } = readJournal(join(dirname(report), journal ?? '')).history;
  const faultAt = scene?.faultAt ?? 0;
  const slowAt = faultAt + (burst?.to ?? 0) * 1000;
  const sent = new Map<string, number[]>();
  for (const event of events)
    if (event.kind === 'invoked' && /^app/.test(event.connection) && event.at > slowAt && event.at < faultAt)
      sent.set(event.connection, [...(sent.get(event.connection) ?? []), event.at]);
  const moments = [...sent.values()];
  figure('last writes of the burst before the fault', (faultAt - slowAt) / 1000);
  // One that is under way when the pace changes may be followed by one that was due.
  for (const at of moments) expect(at.length, String(at)).toBeLessThanOrEqual(2 + (faultAt - slowAt) / 50);
}

const campaignOf = (report: Record<string, unknown> | undefined) =>
  (report as { campaign: CampaignRecord } | undefined)?.campaign as CampaignRecord;

describe("a drill with the application's clients", () => {
  it('measures what they saw, and is judged and rendered again from its files to the same', async () => {
    const pace = watchPace();
    const { code, outputs, log, report, summary, tookMs } = await drill({
      'require-client-evidence': 'true',
    });
    expect(code, log).toBe(0);
    const seconds = (name: string) => Number(outputs[`${name}-seconds`]);
    for (const name of ['rto', 'client-rto', 'write-outage', 'rejoin', 'predicted-rto'])
      expect(outputs[`${name}-seconds`], name).toMatch(/^\d+\.\d{3}$/);
    // The one is late by what kept the drill from hearing the monitor, the other by what kept clients from connecting.
    const lateSeconds = pace.worstMs() / 1000;
    expect(seconds('client-rto')).toBeGreaterThan(seconds('rto') - 1 - lateSeconds);
    expect(seconds('client-rto')).toBeLessThan(seconds('rto') + 2 + lateSeconds);
    expect(seconds('write-outage')).toBeGreaterThan(seconds('client-rto') - 1);
    const writes = (name: string) => Number(outputs[`${name}-writes`] ?? outputs[`writes-${name}`]);
    expect(writes('acknowledged')).toBeGreaterThan(200);
    expect(writes('at-risk')).toBeGreaterThanOrEqual(100);
    expect(writes('at-risk')).toBeLessThan(writes('acknowledged'));
    expect(outputs['message']).toContain(`none of ${outputs['writes-at-risk']} writes at risk was lost`);
    figure('writes at risk', writes('at-risk'), '');
    expect(outputs).toMatchObject({ 'lost-writes': '0', 'dual-primary-seconds': '0.000' });
    const overhead = tookMs / 1000 - seconds('rto') - seconds('rejoin');
    figure('client RTO', seconds('client-rto'));
    figure('write outage', seconds('write-outage'));
    figure("drill's own overhead with clients (wall − RTO − rejoin)", overhead);
    expect(overhead).toBeLessThan(pace.tolerable(2));
    meetTheFaultAtTheirOwnPace(campaignOf(report).drills[0]?.record, outputs['report'] ?? '');
    expect(summary).toContain('writes at risk');

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
    const told = readFileSync(report, 'utf8');
    const digestOf = (content: string) => createHash('sha256').update(content).digest('hex');
    const replayed = () => runAction('failover-drill', { replay: report, 'report-folder': folder });
    writeFileSync(journal, planted.join('\n'));
    try {
      const refused = await replayed();
      expect(refused.code, refused.log).toBe(3);
      expect(refused.outputs['message']).toContain('is not what its drill wrote');
      // Nor is what an honest drill would have written then judged by the report's own numbers.
      expect(told).toContain(digestOf(text));
      writeFileSync(report, told.replace(digestOf(text), digestOf(planted.join('\n'))));
      const { code, outputs, log } = await replayed();
      expect(code, log).toBe(2);
      expect(outputs['lost-writes']).toBe('1');
      expect(outputs['message']).toContain(
        `1 write acknowledged to clients is lost (app1.1: ${seq + 100_000})`,
      );
    } finally {
      writeFileSync(journal, text);
      writeFileSync(report, told);
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

  it('says which limit leaves too few connections, before anything is hurt', async () => {
    const limit = async (number: number) => {
      const { outputs } = await runAction('check-formation', { formation: formation.yaml });
      const statement = `ALTER ROLE veza CONNECTION LIMIT ${number}`;
      await inside(outputs['primary'] ?? '', 'runuser', '-u', 'postgres', '--', 'psql', '-c', statement);
    };
    await limit(12);
    try {
      const { code, outputs, log } = await drill({ fault: 'switchover', 'client-sessions': '16' });
      expect(code, log).toBe(3);
      expect(outputs['message']).toMatch(
        /input client-sessions: d12-\w+ has room for (?:9|1[0-2]) more connections of veza, and 16 sessions with their witnesses need 21; ask for fewer, or raise max_connections there \(or the limit of that user or database\)/,
      );
    } finally {
      await limit(-1);
    }
  });

  it('says who holds a lock on their table, and what to do about it', async () => {
    const { outputs: before } = await runAction('check-formation', { formation: formation.yaml });
    const primary = before['primary'] ?? '';
    const lock = 'BEGIN; LOCK TABLE pgha.drill; SELECT pg_sleep(90)';
    const held = asPostgres(primary, 'veza', lock).then(
      () => 'it went on to its end',
      (error: Error) => error.message,
    );
    const count = (query: string) => asPostgres(primary, 'veza', `SELECT count(*) FROM ${query}`);
    const isHeld = async () =>
      (await count("pg_locks WHERE relation = 'pgha.drill'::regclass AND mode = 'AccessExclusiveLock'")) ===
      '1';
    await eventually('the lock to be held', 10_000, isHeld);
    const { code, outputs, log } = await drill({ fault: 'switchover' });
    expect(code, log).toBe(3);
    const told = outputs['message'] ?? '';
    expect(told).toMatch(
      // What comes to wait first depends on the release of Postgres.
      /^Postgres in d12-\w+ did not (?:look at pgha\.drill, or make it,|delete the rows of old drills from pgha\.drill) in \d+ s: a lock is in the way, held by process (\d+) \(user postgres, application psql, active, its transaction began at \S+Z, \d+ s ago\); .*\(SELECT pg_terminate_backend\(\1\)\); then run this again$/,
    );
    expect(`${told}${log}`).not.toContain('pg_sleep');
    const waiting = "pg_stat_activity WHERE application_name = 'pgha' AND wait_event_type = 'Lock'";
    await eventually(
      'nobody of the drill to wait any more',
      5000,
      async () => (await count(waiting)) === '0',
    );
    await asPostgres(primary, 'veza', /SELECT pg_terminate_backend\(\d+\)/.exec(told)?.[0] ?? '');
    expect(await held).toContain('connection to server was lost');
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

  const defaults = [
    'search_path = public, pg_catalog',
    'role = veza',
    "local_preload_libraries = '$libdir/plugins/none'",
    'default_transaction_isolation = serializable',
    "statement_timeout = '1ms'",
    "lock_timeout = '1ms'",
    "idle_in_transaction_session_timeout = '1ms'",
    "idle_session_timeout = '1ms'",
    'standard_conforming_strings = off',
    'client_min_messages = error',
    "datestyle = 'German, DMY'",
  ];
  it.each<[string, readonly string[]]>([
    ['', []],
    [', whatever that user’s database has by default', defaults],
  ])('runs nothing that the application’s user planted%s; nor do check and provision', async (_, given) => {
    const { outputs: before } = await runAction('check-formation', { formation: formation.yaml });
    const { primary = '' } = before;
    const become = "if current_user <> 'veza' then alter role veza superuser; end if;";
    const planted = `
      SET SESSION AUTHORIZATION veza;
      CREATE FUNCTION public.become() RETURNS trigger LANGUAGE plpgsql AS $$ begin ${become} return new; end $$;
      CREATE TABLE IF NOT EXISTS public.pgha_drill (run text, connection text, seq integer, at timestamptz DEFAULT now());
      CREATE TRIGGER become BEFORE INSERT ON public.pgha_drill FOR EACH ROW EXECUTE FUNCTION public.become();
      CREATE FUNCTION public.shadow(text, text) RETURNS text LANGUAGE plpgsql AS $$ begin ${become} return $1; end $$;
      CREATE OPERATOR public.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = public.shadow);
      CREATE FUNCTION public.pg_is_in_recovery() RETURNS boolean LANGUAGE plpgsql AS $$ begin ${become} return false; end $$;
      CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$ begin ${become} return 'off'; end $$;`;
    const ofRoles = 'ALTER ROLE postgres IN DATABASE veza SET default_transaction_read_only = on';
    const wish = given.map((each) => `SET SESSION AUTHORIZATION veza; ALTER DATABASE veza SET ${each}`);
    await asPostgres(primary, 'veza', planted);
    if (given.length > 0) await asPostgres(primary, 'postgres', ofRoles);
    for (const text of wish) await asPostgres(primary, 'postgres', text);
    const isSuper = () =>
      asPostgres(primary, 'postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = 'veza'");
    let now = primary;
    try {
      const { code, outputs, log } = await drill({ fault: 'switchover' });
      now = outputs['new-primary'] || primary;
      expect(await isSuper(), log).toBe('f');
      expect(code, log).toBe(0);
      expect(outputs['lost-writes']).toBe('0');
      const again = await runAction('provision-pgaf', { formation: formation.yaml });
      expect(again.code, again.log).toBe(0);
      // A library that is not there keeps the application's own sessions out, and is no default to leave.
      const changes = ((again.report?.['changes'] ?? []) as { what: string }[]).map(({ what }) => what);
      expect(changes, again.log).toEqual(
        given.length === 0 ? [] : [expect.stringContaining('out of local_preload_libraries of every role')],
      );
      const checked = await runAction('check-formation', { formation: formation.yaml });
      expect(checked.code, checked.log).toBe(0);
      expect(await isSuper()).toBe('f');
    } finally {
      const reset = ['ALTER DATABASE veza RESET ALL', 'ALTER ROLE postgres IN DATABASE veza RESET ALL'];
      await asPostgres(now, 'postgres', ...reset);
      await asPostgres(
        now,
        'veza',
        'DROP TABLE public.pgha_drill; DROP OPERATOR public.|| (text, text); DROP FUNCTION public.become, public.shadow, public.pg_is_in_recovery, public.current_setting',
      );
    }
  });

  it('makes the old primary primary again where that is asked for', async () => {
    const { code, outputs, log } = await drill({ fault: 'switchover', 'restore-primary': 'true' });
    expect(code, log).toBe(0);
    const { outputs: after } = await runAction('check-formation', { formation: formation.yaml });
    expect(after['primary']).toBe(outputs['old-primary']);
  });
});

describe('who did not look saw nothing', () => {
  const clientsOf = (report: Record<string, unknown> | undefined) =>
    campaignOf(report).drills[0]?.record.clients;

  const lossy = labFormation(12, { replication: { 'sync-standbys': 0, quorum: false } }).yaml;

  it.each<[fault: string, lasts: number, where: string, yaml: string]>([
    ['switchover', 6, '', formation.yaml],
    ...(everything
      ? ([
          ['network-cut', 25, '', formation.yaml],
          ['stop', 34, ', where commits wait for no standby', lossy],
        ] satisfies [string, number, string, string][])
      : []),
  ])(
    'the drill itself, which was stopped after the proof of %s for %i s%s: code 3',
    { timeout: 240_000 },
    async (fault, lasts, _, yaml) => {
      if (yaml !== formation.yaml) await provision(yaml);
      const drilling = startAction('failover-drill', { formation: yaml, 'report-folder': folder, fault });
      await drilling.says('proof:');
      drilling.child.kill('SIGSTOP');
      await sleep(lasts * 1000);
      drilling.child.kill('SIGCONT');
      const { code, outputs, log, report } = await drilling.finished;
      if (yaml !== formation.yaml) await provision(formation.yaml);
      expect(code, log).toBe(3);
      expect(outputs['message']).toMatch(
        /the drill itself did not run for \S+ s, from \S+ s after the fault on/,
      );
      expect(outputs['dual-primary-seconds']).toBe('');
      const again = await runAction('failover-drill', {
        replay: outputs['report'] ?? '',
        'report-folder': folder,
      });
      expect(again.outputs['message']).toBe(outputs['message']);
      expect(clientsOf(again.report)).toEqual(clientsOf(report));
    },
  );

  it.each<[who: string, fault: string, command: string]>([
    ['whose client of Incus is gone', 'stop', ''],
    // Of one that is stopped Incus knows enough.
    ...(everything
      ? ([['whom Incus tells of it and lets in no more', 'network-cut', 'exec*']] satisfies [
          string,
          string,
          string,
        ][])
      : []),
  ])(
    'the witness in the container, %s: code 3',
    {
      timeout: 180_000,
    },
    async (_, fault, command) => {
      const { outputs: before } = await runAction('check-formation', { formation: formation.yaml });
      const shim = incusShim(
        `case "$*" in ${command}*${before['primary']}*) ! [ -e "$shim/gone" ] || exit 127 ;; esac`,
      );
      const gone = join(shim.folder, 'gone');
      const inputs = { formation: formation.yaml, 'report-folder': folder, fault };
      const drilling = startAction('failover-drill', inputs, { env: shim.env });
      await drilling.says('proof:');
      writeFileSync(gone, '');
      await drilling.says('promotion:');
      rmSync(gone);
      const { code, outputs, log } = await drilling.finished;
      expect(code, log).toBe(3);
      expect(outputs['message']).toContain('the witness in the container saw nothing of');
      expect(outputs['message']).toContain('so nothing tells of a second primary meanwhile');
      expect(outputs).toMatchObject({ 'dual-primary-seconds': '', 'lost-writes': '0' });
    },
  );
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
    // 1 − 0.05^(1/3), and below 1 − 0.05^(1/4), rounded up: a bound.
    expect(outputs['breach-probability']).toBe('0.6316');
    const greatest = Math.max(...drills.map(({ verdict }) => verdict.rtoSeconds ?? 0));
    expect(outputs['rto-seconds']).toBe(greatest.toFixed(3));
    expect(readFileSync(history, 'utf8').trim().split('\n')).toHaveLength(3);
    const held = drills.map(({ record }) => record.holdBackSeconds);
    expect(new Set(held).size).toBe(3);

    const pooled = await drill({ ...inputs, rounds: '1', seed: '' });
    expect(pooled.outputs['breach-probability']).toBe('0.5272');
  });

  it('fails where the median RTO is slower than the history allows', async () => {
    const history = join(folder, 'history.jsonl');
    const lines = readFileSync(history, 'utf8').trim().split('\n');
    const [first = ''] = lines;
    const quick = first.replace(/"rtoSeconds":[\d.]+/, '"rtoSeconds":0.1');
    const five = Array.from({ length: 5 }, (_, index) =>
      quick.replace(/"drill":"[^"]*"/, `"drill":"d${index}"`),
    );
    writeFileSync(history, `${five.join('\n')}\n`);
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

/** SQL as the superuser, who needs not wait for what defaults say. */
async function asPostgres(node: string, database: string, ...texts: string[]): Promise<string> {
  const options =
    'PGOPTIONS=-c default_transaction_read_only=off -c statement_timeout=0 -c role=none -c local_preload_libraries= -c lock_timeout=0 -c idle_session_timeout=0';
  const psql = [
    'runuser',
    '-u',
    'postgres',
    '--',
    'env',
    options,
    'psql',
    '-XqAt',
    '-v',
    'ON_ERROR_STOP=1',
    '-d',
    database,
  ];
  return (await inside(node, ...psql, ...texts.flatMap((text) => ['-c', text]))).trim();
}

async function rowsOn(node: string, run: string): Promise<string> {
  const query = `SELECT count(*) FROM pgha.drill WHERE run = '${run}'`;
  const psql = ['runuser', '-u', 'postgres', '--', 'psql', '-d', 'veza', '-Atc', query];
  return (await inside(node, ...psql)).trim();
}
