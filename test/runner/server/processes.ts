import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, isAlive } from '../../lab/harness.ts';

/** The processes of a server test: each is started here, and is ended by its id. */

/** A server's or a runner's program. @throws where there is none */
export function programNamed(name: string): string {
  const folder = process.env['PGHA_TEST_SERVERS'];
  const file = join(folder ?? '', name, name);
  if (folder && existsSync(file)) return file;
  const found = folder ? `there is no ${file}` : 'PGHA_TEST_SERVERS is not set';
  throw new Error(
    `PGHA_TEST_RUNNER=${process.env['PGHA_TEST_RUNNER']} needs ${name} in the folder that PGHA_TEST_SERVERS names, and ${found}. test/runner/README.md, "On a server", says what belongs there`,
  );
}

/** Runs a program to its end, while this process goes on with its own work: the front of a server is in it. */
export async function ended(
  file: string,
  args: readonly string[],
  { input = '', ...options }: { cwd: string; env: NodeJS.ProcessEnv; timeout: number; input?: string },
): Promise<void> {
  const going = promisify(execFile)(file, args, options);
  going.child.stdin?.on('error', () => {}); // It may have ended without having read that.
  going.child.stdin?.end(input);
  await going;
}

export class Process {
  readonly child: ChildProcess;
  private text = '';

  constructor(
    private readonly name: string,
    command: readonly string[],
    { cwd, env }: { cwd: string; env: NodeJS.ProcessEnv },
  ) {
    const [file = '', ...args] = command;
    this.child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.on('error', (error) => {
      this.text += `${error.message}\n`;
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.text += chunk.toString();
      });
  }

  get log(): string {
    return this.text;
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error(`${this.name} did not start: ${this.text}`);
    return pid;
  }

  get runs(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Ends it, first with SIGTERM, and all that it has started and not let go. */
  async end(): Promise<void> {
    if (!this.runs) return;
    const below = descendantsOf(this.pid);
    this.child.kill('SIGTERM');
    await eventually(`${this.name} to end`, 15_000, async () => !this.runs).catch(() => {
      process.kill(-this.pid, 'SIGKILL');
    });
    for (const pid of below) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  }

  /** Kills it alone: what it has started goes on without it. */
  kill(): void {
    process.kill(this.pid, 'SIGKILL');
  }
}

/** The ids of all processes that have this one as parent, or a parent that has; those that have ended are none. */
export function descendantsOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      // The name before it may hold spaces and parentheses.
      const [, parent = ''] =
        /.*\) [^Z] (\d+)/s.exec(readFileSync(join('/proc', name, 'stat'), 'utf8')) ?? [];
      if (parent) parents.set(Number(name), Number(parent));
    } catch {
      // It has ended.
    }
  }
  const found = [pid];
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child);
  return found.slice(1);
}
