import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type { Finding } from '../../src/check/check.ts';
import { serverPem } from '../../src/member/tls.ts';
import {
  becomesHealthy,
  eventually,
  type Finished,
  figure,
  incus,
  inside,
  root,
  runAction,
} from './harness.ts';

/**
 * One thing broken in a real formation: told by one check, by nothing else, and mended by the command line that
 * the report prints. Who reads the report has nothing more either.
 */
export interface Breakage {
  check: string;
  what: string;
  breakIt(): Promise<unknown>;
  /** For remedies that are words: does what they say. Where this is missing, the printed command line must mend it. */
  byHand?: (() => Promise<unknown>) | undefined;
  /** Further inputs of check-formation. */
  inputs?: Record<string, string>;
  /** Of a formation that is mended but, in this, not the one that the file says: what goes on being told. */
  leaves?: string[];
  /** Checks that must be told as consequences. */
  follows?: string[];
}

const run = promisify(execFile);
const detectDeadlineMs = 30_000;
const mendSeconds = 60;

/** A formation's file on disk: a command line names it by its path. */
export function writtenFormation(yaml: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'pgha-formation-')), 'formation.yml');
  writeFileSync(path, yaml);
  return path;
}

export async function check(path: string, inputs: Record<string, string> = {}): Promise<Finished> {
  return await runAction('check-formation', { formation: path, 'fail-on': 'warning', ...inputs });
}

/** Waits until nothing is told any more, and nothing to warn of; returns how long that took. */
export async function isMended(path: string, inputs: Record<string, string> = {}): Promise<number> {
  return await becomesHealthy(path, mendSeconds * 1000, { 'fail-on': 'warning', ...inputs });
}

export function reportedFindings({ report }: Finished): Finding[] {
  const { formations } = report as unknown as { formations: { verdict?: { findings: Finding[] } }[] };
  return formations[0]?.verdict?.findings ?? [];
}

/** Ids of the checks that failed by themselves, and of those that are told as consequences. */
export function toldOf(finished: Finished): { failed: string[]; follows: string[] } {
  const of = (status: Finding['status']) =>
    reportedFindings(finished)
      .filter((finding) => finding.status === status)
      .map((finding) => finding.check);
  return { failed: of('fail'), follows: of('follows') };
}

interface Timed {
  check: string;
  what: string;
  detectSeconds: number;
  mendSeconds: number;
  how: string;
}

const timed: Timed[] = [];

/** Breaks it, has it told, mends it as told, and sees that it is mended. */
export async function isToldAndMended(path: string, breakage: Breakage): Promise<void> {
  const { check: id, what, inputs = {}, leaves = [] } = breakage;
  await breakage.breakIt();
  const brokenAt = performance.now();
  // While the monitor is changing a node's state, some are only told to wait and look.
  const isReady = (found: Finished) =>
    breakage.byHand !== undefined || problemsOf(found, id).every(({ remedy }) => remedy.run !== undefined);
  const found = await untilTold(path, id, inputs, isReady);
  const toldAt = performance.now();
  const told = toldOf(found);
  expect(told.failed, found.log).toEqual([id]);
  expect(found.code, found.log).toBe(1);
  if (breakage.follows) expect(told.follows, found.log).toEqual(expect.arrayContaining(breakage.follows));

  for (const { remedy } of problemsOf(found, id)) {
    if (remedy.look !== undefined) expect(await asShown(remedy.look), remedy.look).not.toBe('');
    if (breakage.byHand === undefined)
      expect(remedy.run, `${id} prints no command line that mends it:\n${found.log}`).toBeDefined();
    else expect(remedy.run, `${id} prints a command line: it should mend this`).toBeUndefined();
    if (remedy.run !== undefined) await asPrinted(remedy.run);
  }
  await breakage.byHand?.();
  let mendedAt = performance.now();
  if (leaves.length === 0) {
    mendedAt += await isMended(path, inputs);
  } else {
    await eventually(`nothing but ${leaves.join(', ')} to be told`, mendSeconds * 1000, async () => {
      const { failed } = toldOf(await check(path, inputs));
      return failed.join() === leaves.join();
    });
    mendedAt = performance.now();
  }
  timed.push({
    check: id,
    what,
    detectSeconds: (toldAt - brokenAt) / 1000,
    mendSeconds: (mendedAt - toldAt) / 1000,
    how: breakage.byHand === undefined ? 'as printed' : 'by hand',
  });
}

const problemsOf = (found: Finished, id: string) =>
  reportedFindings(found).find((finding) => finding.check === id)?.faults ?? [];

/** Checks until that check fails by itself, and so; what else is told with it is for the caller to judge. */
export async function untilTold(
  path: string,
  id: string,
  inputs: Record<string, string> = {},
  isReady: (found: Finished) => boolean = () => true,
): Promise<Finished> {
  const until = performance.now() + detectDeadlineMs;
  for (;;) {
    const found = await check(path, inputs);
    if (toldOf(found).failed.includes(id) && isReady(found)) return found;
    if (performance.now() > until)
      throw new Error(`${id} was not told within ${detectDeadlineMs / 1000} s:\n${found.log}`);
  }
}

/** Runs a command line as an operator would who copies it out of the report. */
export async function asPrinted(commandLine: string): Promise<string> {
  const cwd = mkdtempSync(join(tmpdir(), 'pgha-operator-'));
  const env = { ...process.env, PATH: `${root}:${process.env['PATH'] ?? ''}` };
  try {
    const running = run('sh', ['-c', commandLine], { cwd, env, timeout: 150_000, killSignal: 'SIGKILL' });
    running.child.stdin?.end();
    return (await running).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`the remedy failed: ${commandLine}\n${stdout}\n${stderr}`);
  }
}

/**
 * What a command line that only shows more shows: it may well end with a code that says "it is broken". Now and then
 * Incus loses what a command printed just before its end (src/incus/client.ts): an operator would ask again.
 */
async function asShown(commandLine: string): Promise<string> {
  for (let asked = 0; asked < 5; asked++) {
    const shown = await asPrinted(`${commandLine} 2>&1; code=$?; test $code -lt 126`);
    if (shown !== '') return shown;
  }
  return '';
}

/** What every breakage of a file took, for people. */
export function tellTimes(): void {
  for (const each of timed)
    figure(
      `check ${each.check}, ${each.what}`,
      `told after ${each.detectSeconds.toFixed(1)}, mended (${each.how}) after ${each.mendSeconds.toFixed(1)}`,
    );
}

/** One SQL statement as the superuser, in the container; its answer, unaligned. */
export async function sql(container: string, statement: string, database = 'postgres'): Promise<string> {
  const psql = ['runuser', '-u', 'postgres', '--', 'psql', '-AtXq', '-v', 'ON_ERROR_STOP=1'];
  const answer = await inside(container, ...psql, '-d', database, '-c', statement);
  return answer.trim();
}

export async function onMonitor(monitor: string, statement: string): Promise<string> {
  return await sql(monitor, statement, 'pg_auto_failover');
}

/** ALTER SYSTEM and a reload. */
export async function alterSystem(container: string, change: string): Promise<void> {
  await sql(container, `ALTER SYSTEM ${change}`);
  await sql(container, 'SELECT pg_reload_conf()');
}

/** pg_autoctl on a data node, as an operator uses it. */
export async function autoctl(container: string, ...args: string[]): Promise<void> {
  const bin = (await inside(container, 'sh', '-c', 'ls -d /usr/lib/postgresql/*/bin')).trim();
  const command = ['runuser', '-u', 'postgres', '--', 'env', `PATH=${bin}:/usr/bin:/bin`, 'pg_autoctl'];
  await inside(container, ...command, ...args, '--pgdata', '/var/lib/postgresql/pgaf/node');
}

const keeperConfig = '/var/lib/postgresql/.config/pg_autoctl/var/lib/postgresql/pgaf/node/pg_autoctl.cfg';

/**
 * What a reload that a standby's keeper lost leaves behind: its configuration says one thing, and it and its Postgres go
 * on with another, which is what these options of `pg_autoctl enable ssl` say, with this CA ('' for none).
 */
export async function losesReloadOfTls(standby: string, mode: string, authority: string): Promise<void> {
  await inside(standby, 'cp', '-p', keeperConfig, '/root/keeper.cfg');
  // It is restarted where it is to follow by another mode.
  const before = await sql(standby, "SELECT pg_postmaster_start_time(), current_setting('primary_conninfo')");
  const [started = '', conninfo = ''] = before.split('|');
  const restarts = !conninfo.endsWith(`sslmode=${mode}`);
  const own = ['--server-cert', serverPem, '--server-key', serverPem];
  const ca = authority === '' ? [] : ['--ssl-ca-file', authority];
  await autoctl(standby, 'enable', 'ssl', '--ssl-mode', mode, ...ca, ...own);
  const taken = `SELECT current_setting('ssl_ca_file') = '${authority}', (pg_postmaster_start_time() <> '${started}') = ${restarts}`;
  await eventually(
    `${standby} to follow with the CA '${authority}'`,
    20_000,
    async () => (await sql(standby, taken).catch(() => '')) === 't|t',
  );
  await inside(standby, 'cp', '-p', '/root/keeper.cfg', keeperConfig);
}

/** Brings containers back that a test which failed left stopped or frozen. */
export async function allRun(names: readonly string[]): Promise<void> {
  for (const name of names) {
    await incus('resume', name).catch(() => {});
    await incus('start', name).catch(() => {});
  }
}

/** Who is primary and who is its (first) standby now. */
export async function rolesOf(monitor: string): Promise<{ primary: string; standby: string }> {
  const rows = await onMonitor(
    monitor,
    'SELECT nodename, goalstate FROM pgautofailover.node ORDER BY nodeid',
  );
  const nodes = rows.split('\n').map((row) => row.split('|'));
  const first = (goal: string) => nodes.find(([, each]) => each === goal)?.[0];
  const [primary, standby] = [first('primary'), first('secondary')];
  if (primary === undefined || standby === undefined) throw new Error(`who is primary here? ${rows}`);
  return { primary, standby };
}

/** Statements of one transaction in a session that nobody waits for. Returns once the session is there. */
export async function inBackground(container: string, statements: string): Promise<void> {
  const script =
    'PGAPPNAME=pgha-background setsid runuser -u postgres -- psql -Xqc "BEGIN; $1; COMMIT" </dev/null >/dev/null 2>&1 &';
  await inside(container, 'sh', '-c', script, 'sh', statements);
  const isThere =
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgha-background' AND query LIKE 'BEGIN;%'";
  await eventually(
    'a session in the background',
    10_000,
    async () => (await sql(container, isThere)) !== '0',
  );
}
