import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { eventually, root } from '../lab/harness.ts';
import { commitAll, type GitServer, makeRepository, serveRepositories } from './git-server.ts';

/** Runs workflows by a real runner, which finds this checkout's files as veza/pgha@v1. */

const here = import.meta.dirname;

/** Searched for in every log: what the runner is given as secrets, and what is within them. */
export const secrets = {
  APP_PASSWORD: "hunter2-'quoted'-password",
  USER_PASSWORDS: 'reporter: Reporter-own-77',
  ALERT_WEBHOOK: 'http://127.0.0.1:9/Nobody-listens-here',
};
export const reporterPassword = 'Reporter-own-77';

export interface Run {
  child: ChildProcess;
  /** The log so far, debug lines and all. */
  log(): string;
  /** Resolves once the log says `wanted`; rejects after `deadlineMs`. */
  says(wanted: RegExp, deadlineMs?: number): Promise<void>;
  /** Cancels the run, as a person does in the runner's web page. */
  cancel(): void;
  ended: Promise<Ended>;
}

export interface Ended {
  /** Whether the runner called the run a success. */
  succeeded: boolean;
  log: string;
  /** What steps said by `seen NAME JSON`. */
  seen: Map<string, unknown>;
}

export interface RunOptions {
  event?: string;
  /** Files of the repository that the workflow belongs to, by path. */
  files?: Record<string, string>;
  /** Folder with the `node` that the runner finds. */
  node?: string;
  /** Further secrets, by name. */
  secrets?: Record<string, string>;
}

export class Runner {
  readonly name = process.env['PGHA_TEST_RUNNER'] || 'act';
  readonly logs: string[] = [];
  /** Everything that it runs lies in here. */
  readonly folder = mkdtempSync(join(tmpdir(), 'pgha-runner-'));
  private readonly checkout = join(this.folder, 'checkout');
  private readonly running = new Set<ChildProcess>();
  private server: GitServer | undefined;

  /** Exports what git has of this checkout: what a runner would get. */
  async open(): Promise<void> {
    const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0');
    for (const file of files.filter(Boolean)) {
      mkdirSync(dirname(join(this.checkout, file)), { recursive: true });
      cpSync(join(root, file), join(this.checkout, file));
    }
    const repositories = join(this.folder, 'repositories');
    makeRepository(repositories, 'veza/pgha', this.checkout, ['v1']);
    makeRepository(repositories, 'actions/upload-artifact', join(here, 'upload-artifact'), ['v3', 'v4']);
    this.server = await serveRepositories(repositories);
  }

  close(): void {
    // What a failed test left running.
    for (const { pid } of this.running) if (pid) process.kill(-pid, 'SIGKILL');
    this.server?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** @param workflow path of a workflow's file, relative to this checkout */
  async start(workflow: string, options: RunOptions = {}): Promise<Run> {
    const workspace = mkdtempSync(join(this.folder, 'workspace-'));
    const files = { [basename(workflow)]: readFileSync(join(root, workflow), 'utf8'), ...options.files };
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(workspace, path)), { recursive: true });
      writeFileSync(join(workspace, path), content);
    }
    commitAll(workspace);
    const [file = '', ...args] = commandOf(this.name, {
      event: options.event ?? 'push',
      workflow: basename(workflow),
      checkout: this.checkout,
      uploads: join(here, 'upload-artifact'),
      server: this.server?.url ?? '',
      port: String(await freePort()),
    });
    const child = spawn(file, args, {
      cwd: workspace,
      detached: true,
      env: {
        ...process.env,
        ...secrets,
        ...options.secrets,
        PATH: [options.node, process.env['PATH']].filter(Boolean).join(':'),
        XDG_CACHE_HOME: mkdtempSync(join(this.folder, 'cache-')),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.running.add(child);
    let log = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        log += chunk.toString();
      });
    }
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        this.running.delete(child);
        this.logs.push(log);
        resolve({ succeeded: code === 0, log, seen: seenIn(log) });
      });
    });
    return {
      child,
      log: () => log,
      async says(wanted, deadlineMs = 60_000) {
        await eventually(`the log to say ${wanted}`, deadlineMs, () => {
          if (child.exitCode !== null)
            throw new Error(`the run ended before it said ${wanted}:\n${told(log)}`);
          return Promise.resolve(wanted.test(log));
        });
      },
      cancel: () => child.kill('SIGINT'),
      ended,
    };
  }

  async run(workflow: string, options: RunOptions = {}): Promise<Ended> {
    return await (await this.start(workflow, options)).ended;
  }
}

/** The command of a runner of runners.yml, or of a template, its placeholders filled in. */
export function commandOf(runner: string, values: Record<string, string>): string[] {
  const known = parse(readFileSync(join(here, 'runners.yml'), 'utf8')) as Record<string, string>;
  const words = (known[runner] ?? runner).split(/\s+/).filter(Boolean);
  return words.map((word) =>
    word.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name];
      if (value === undefined)
        throw new Error(`PGHA_TEST_RUNNER: {${name}} is not known; see test/runner/runners.yml`);
      return value;
    }),
  );
}

/** A log without what the runner says of its own doings, for people. */
export function told(log: string): string {
  return log
    .split('\n')
    .filter((line) => !/\[DEBUG\]|level=debug|::set-output::|⚙/.test(line))
    .join('\n');
}

function seenIn(log: string): Map<string, unknown> {
  const lines = [...log.matchAll(/^.*?\| seen ([\w-]+) (\{.*\})\s*$/gm)];
  return new Map(lines.map(([, name = '', json = '']) => [name, JSON.parse(json)]));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
