import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import type { CampaignRecord } from '../../src/campaign/campaign-record.ts';
import type { DrillRecord } from '../../src/drill/record.ts';
import { reportMs } from '../../src/formation/detection.ts';
import { Incus } from '../../src/incus/incus.ts';
import { parseFileCommands } from '../../src/runner/file-commands.ts';

/** Runs the committed dist as a runner does: inputs and files by environment, nothing else shared with it. */

export const root = resolve(import.meta.dirname, '..', '..');
const run = promisify(execFile);

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  outputs: Record<string, string>;
  state: Record<string, string>;
  summary: string;
  log: string;
  tookMs: number;
  /** The JSON report, or undefined when there is none. */
  report: Record<string, unknown> | undefined;
}

export interface Started {
  child: ChildProcess;
  /** The log so far. */
  log(): string;
  /** What it has saved for its post step so far. */
  saved(): Record<string, string>;
  /** Resolves once the log holds `text`; rejects after `deadlineMs`. */
  says(text: string | RegExp, deadlineMs?: number): Promise<void>;
  finished: Promise<Finished>;
}

export type ActionStep = 'main' | 'post';

const needed = ['PATH', 'HOME', 'INCUS_DIR', 'INCUS_SOCKET', 'INCUS_CONF'] as const;

/** Starts an action's main or post in a process group of its own, with action.yml's defaults for its inputs. */
export function startAction(
  action: string,
  inputs: Record<string, string>,
  {
    step = 'main',
    env = {},
    state = {},
    checkout = root,
  }: {
    step?: ActionStep;
    env?: Record<string, string>;
    state?: Record<string, string>;
    /** Where actions/ and dist/ are. */
    checkout?: string;
  } = {},
): Started {
  const file = parse(readFileSync(join(checkout, 'actions', action, 'action.yml'), 'utf8')) as {
    inputs: Record<string, { default?: string }>;
    runs: Record<ActionStep, string>;
  };
  const folder = mkdtempSync(join(tmpdir(), 'pgha-test-'));
  const paths = {
    GITHUB_OUTPUT: join(folder, 'output'),
    GITHUB_STATE: join(folder, 'state'),
    GITHUB_STEP_SUMMARY: join(folder, 'summary'),
  };
  for (const path of Object.values(paths)) writeFileSync(path, '');
  const given = Object.entries(file.inputs).map(([name, input]) => [
    `INPUT_${name.toUpperCase()}`,
    inputs[name] ?? input.default ?? '',
  ]);
  const states = Object.entries(state).map(([name, value]) => [`STATE_${name}`, value]);
  const surroundings = Object.fromEntries(needed.map((name) => [name, process.env[name] ?? '']));
  const started = performance.now();
  const child = spawn(process.execPath, [join(checkout, 'actions', action, file.runs[step])], {
    cwd: folder,
    detached: true,
    env: {
      ...surroundings,
      ...paths,
      GITHUB_WORKSPACE: folder,
      ...Object.fromEntries([...given, ...states]),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const saved = () => Object.fromEntries(parseFileCommands(readFileSync(paths.GITHUB_STATE, 'utf8')));
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const finished = new Promise<Finished>((done, failed) => {
    child.on('error', failed);
    child.on('close', (code, signal) => {
      const outputs = Object.fromEntries(parseFileCommands(readFileSync(paths.GITHUB_OUTPUT, 'utf8')));
      const report = outputs['report']
        ? (JSON.parse(readFileSync(outputs['report'], 'utf8')) as Record<string, unknown>)
        : undefined;
      const errors = report && schemaErrors(action, report);
      if (text.includes('MaxListenersExceededWarning'))
        return failed(new Error(`${action} made Node warn of listeners without end: ${text}`));
      if (errors) return failed(new Error(`the report of ${action} is not as its schema says: ${errors}`));
      done({
        code,
        signal,
        outputs,
        state: saved(),
        summary: readFileSync(paths.GITHUB_STEP_SUMMARY, 'utf8'),
        log: text,
        tookMs: performance.now() - started,
        report,
      });
      rmSync(folder, { recursive: true, force: true });
    });
  });
  const says = (wanted: string | RegExp, deadlineMs = 60_000) =>
    eventually(`the log to say ${String(wanted)}`, deadlineMs, () => {
      if (child.exitCode !== null)
        throw new Error(`the action ended before it said ${String(wanted)}:\n${text}`);
      return Promise.resolve(typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text));
    });
  return { child, log: () => text, saved, says, finished };
}

const ajv = new Ajv({ allErrors: true });
const reportSchemas = new Map(
  [
    ['check-formation', 'check'],
    ['failover-drill', 'drill'],
  ].map(([action = '', name = '']) => [
    action,
    ajv.compile(
      JSON.parse(readFileSync(join(root, 'schemas', `${name}-report.schema.json`), 'utf8')) as object,
    ),
  ]),
);

/** Every report of a lab test is held against the published schema. */
function schemaErrors(action: string, report: object): string | undefined {
  const validate = reportSchemas.get(action);
  return !validate || validate(report) ? undefined : ajv.errorsText(validate.errors);
}

/** The first drill that a report of failover-drill tells of. */
export function drilled(report: Record<string, unknown> | undefined): DrillRecord {
  const { campaign } = report as unknown as { campaign: CampaignRecord };
  const [first] = campaign.drills;
  if (first === undefined) throw new Error('the report tells of no drill');
  return first.record;
}

export async function runAction(
  action: string,
  inputs: Record<string, string>,
  options: { env?: Record<string, string> } = {},
): Promise<Finished> {
  return await startAction(action, inputs, options).finished;
}

/** Runs the incus client of the lab and returns what it printed. */
export async function incus(...args: string[]): Promise<string> {
  const running = run('incus', args, { timeout: 60_000 });
  // `incus launch` reads a configuration from a standard input that stays open.
  running.child.stdin?.end();
  return (await running).stdout;
}

/** Runs a command in a container and returns its output, whole (see Incus.read). */
export async function inside(container: string, ...command: string[]): Promise<string> {
  return await new Incus({ remote: 'local', project: 'default' }).read(container, command, {
    deadlineMs: 60_000,
  });
}

export async function statusOf(container: string): Promise<string> {
  const { status } = JSON.parse(await incus('query', `/1.0/instances/${container}`)) as { status: string };
  return status;
}

export async function labelsOf(container: string): Promise<Record<string, string>> {
  const { config } = JSON.parse(await incus('query', `/1.0/instances/${container}`)) as {
    config: Record<string, string>;
  };
  return Object.fromEntries(Object.entries(config).filter(([key]) => key.startsWith('user.pgha.')));
}

/** Polls until `holds` resolves to true. */
export async function eventually(
  what: string,
  deadlineMs: number,
  holds: () => Promise<boolean>,
): Promise<void> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    if (await holds()) return;
    if (performance.now() > until) throw new Error(`waited ${deadlineMs / 1000} s in vain for ${what}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

/** Waits until check-formation passes; returns how long that took. */
export async function checkPasses(
  formation: string,
  deadlineMs: number,
  inputs: Record<string, string> = {},
): Promise<number> {
  const started = performance.now();
  let last = '';
  await eventually('a healthy formation', deadlineMs, async () => {
    const { code, log } = await runAction('check-formation', { formation, ...inputs });
    last = log;
    return code === 0;
  }).catch((error: Error) => {
    throw new Error(`${error.message}; the last check:\n${last}`);
  });
  return performance.now() - started;
}

/** A keeper reports once a second: until then the monitor may go by what it saw while a node was cut off. */
const reportedAnewMs = 2 * reportMs;

/**
 * For what goes on to demand health at an instant: waits until check-formation passes, and passes again after every keeper
 * has reported; returns how long it took to be healthy, without that.
 */
export async function becomesHealthy(
  formation: string,
  deadlineMs: number,
  inputs: Record<string, string> = {},
): Promise<number> {
  const started = performance.now();
  for (;;) {
    await checkPasses(formation, Math.max(0, started + deadlineMs - performance.now()), inputs);
    const tookMs = performance.now() - started;
    await new Promise((next) => setTimeout(next, reportedAnewMs));
    if ((await runAction('check-formation', { formation, ...inputs })).code === 0) return tookMs;
  }
}

/** Whether a process of that id runs: one that nobody has reaped yet does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Figures for the closing note and for people who read CI's log. */
export function figure(what: string, value: number | string, unit = 's'): void {
  const shown = typeof value === 'number' ? value.toFixed(unit === 's' ? 3 : 1) : value;
  process.stdout.write(`figure: ${what}: ${shown} ${unit}\n`);
}

/** The machine's load average over a minute: what a figure has to be read with. */
export function loadAverage(): string {
  return readFileSync('/proc/loadavg', 'utf8').split(' ')[0] ?? '';
}
