import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import { eventually, root } from '../lab/harness.ts';
import {
  commitAll,
  exportCheckout,
  type GitServer,
  makeRepository,
  serveRepositories,
  writeFiles,
} from './git-server.ts';
import {
  type Ended,
  ownTag,
  type Runner,
  type RunOptions,
  secrets,
  seenIn,
  told,
  type WorkflowRun,
} from './runner.ts';

/** Runs workflows by a runner that is a command and no server, such as act: see runners.yml. */

const here = import.meta.dirname;

export class CommandRunner implements Runner {
  readonly logs: string[] = [];
  /** Everything that it runs lies in here. */
  readonly folder = mkdtempSync(join(tmpdir(), 'pgha-runner-'));
  private readonly checkout = join(this.folder, 'checkout');
  private readonly running = new Set<ChildProcess>();
  private server: GitServer | undefined;

  constructor(readonly name: string) {}

  async open(): Promise<void> {
    exportCheckout(this.checkout);
    const repositories = join(this.folder, 'repositories');
    makeRepository(repositories, 'veza/pgha', this.checkout, ['v1', ownTag]);
    makeRepository(repositories, 'actions/upload-artifact', join(here, 'upload-artifact'), ['v3', 'v4']);
    this.server = await serveRepositories(repositories);
  }

  async close(): Promise<void> {
    // What a failed test left running.
    for (const { pid } of this.running) if (pid) process.kill(-pid, 'SIGKILL');
    this.server?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** @param workflow path of a workflow's file, relative to this checkout */
  async start(workflow: string, options: RunOptions = {}): Promise<WorkflowRun> {
    const workspace = mkdtempSync(join(this.folder, 'workspace-'));
    writeFiles(workspace, {
      [basename(workflow)]: readFileSync(join(root, workflow), 'utf8'),
      ...options.files,
    });
    commitAll(workspace);
    const [file = '', ...args] = commandOf(this.name, {
      event: options.event ?? 'push',
      workflow: basename(workflow),
      checkout: this.checkout,
      tag: ownTag,
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
        resolve({ succeeded: code === 0, log, seen: seenIn(log), uploads: uploadsIn(log) });
      });
    });
    return {
      async says(wanted, deadlineMs = 60_000) {
        await eventually(`the log to say ${wanted}`, deadlineMs, () => {
          if (child.exitCode !== null)
            throw new Error(`the run ended before it said ${wanted}:\n${told(log)}`);
          return Promise.resolve(wanted.test(log));
        });
      },
      cancel: async () => void child.kill('SIGINT'),
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

/** What upload-artifact/action.yml said. */
function uploadsIn(log: string): Map<string, string[]> {
  const uploads = new Map<string, string[]>();
  for (const [, artifact = '', file = ''] of log.matchAll(/\| uploaded ([\w-]+): (\S+) \d+$/gm))
    uploads.set(artifact, [...(uploads.get(artifact) ?? []), file]);
  return uploads;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
