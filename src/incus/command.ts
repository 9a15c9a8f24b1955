import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { onAbort } from '../clock/abort.ts';
import {
  CancelledError,
  CommandError,
  DeadlineError,
  EnvironmentError,
  lastLines,
  messageOf,
} from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { childEnvironment } from './child-environment.ts';
import type { Lease } from './lease.ts';

export interface CommandOptions {
  /** The command is killed (SIGKILL: a client waiting for a silent server ignores less) at this deadline. */
  deadlineMs: number;
  /** Written to the command's standard input. The way for secrets: never argv, never the environment. */
  stdin?: string | Buffer;
  signal?: AbortSignal | undefined;
  log?: Log | undefined;
  /** More output than that ends the command. */
  maxBytes?: number;
  /** Ends the command, as one that succeeded, once its output so far ends with this text. */
  until?: string;
  /** What people are shown in place of the arguments, where those hold more than is meant. */
  shownArgs?: readonly string[];
  /** Held by the command for as long as it, or what it started, runs. */
  lease?: Pick<Lease, 'fd'> | undefined;
  /** In a process group of its own, which is killed as a whole: whatever it started goes with it. */
  group?: boolean;
}

/** More output than any command of ours prints; beyond it the command is killed rather than our memory filled. */
const mostOutputBytes = 16 * 1024 * 1024;
/** Of what it complains about, the last is kept. */
const mostErrorCharacters = 64 * 1024;

/**
 * Runs `file` with `args` (no shell) and returns its standard output.
 *
 * @throws CommandError when it exits with another code than 0, DeadlineError at the deadline,
 *   EnvironmentError when it is not on PATH, the signal's reason when that aborts
 */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> {
  const { deadlineMs, stdin, signal, log, lease, group = false } = options;
  signal?.throwIfAborted();
  const argv = [file, ...(options.shownArgs ?? args)];
  log?.debug(`run: ${shown(argv)}`);
  const fd = lease?.fd;
  return await new Promise((resolve, reject) => {
    const child = started(file, args, { more: fd === undefined ? [] : [fd], group });
    const output = new Output(child, options);
    const end = (settle: () => void) => {
      clearTimeout(deadline);
      forget();
      settle();
    };
    /** Its own end is not waited for: a process that a device holds up does not even die by SIGKILL. */
    const kill = (settle: () => void) => {
      if (group) killGroup(child);
      else child.kill('SIGKILL');
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
      end(settle);
    };
    const fail = (error: Error) => kill(() => reject(error));
    const judge = () => {
      if (child.exitCode === 0) resolve(output.text());
      else reject(failed(argv, child, output));
    };
    const aborted = () => kill(() => reject(signal?.reason ?? new CancelledError('cancelled')));
    const deadline = setTimeout(
      // One that has ended may have left its output with a child of its own.
      () => (hasEnded(child) ? kill(judge) : fail(new DeadlineError(`\`${shown(argv)}\``, deadlineMs))),
      deadlineMs,
    );
    const forget = onAbort(signal, aborted);
    output.onComplete = () => kill(() => resolve(output.text()));
    output.onTooMuch = (most) =>
      fail(new CommandError(argv, `printed more than ${most} bytes and was ended`, ''));
    child.once('error', (error) => end(() => reject(unstartable(file, error))));
    child.once('close', () => end(judge));
    // A command that ends without reading its input is judged by its exit code, not by our broken pipe.
    child.stdin?.on('error', () => {});
    child.stdin?.end(stdin ?? '');
  });
}

/** What a command prints, as far as there is room for it. */
class Output {
  onComplete: (() => void) | undefined;
  onTooMuch: ((mostBytes: number) => void) | undefined;
  errors = '';
  private readonly chunks: Buffer[] = [];
  private bytes = 0;

  constructor(child: ChildProcess, { until, maxBytes = mostOutputBytes }: CommandOptions) {
    const end = until === undefined ? undefined : Buffer.from(until);
    child.stdout?.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.bytes += chunk.length;
      if (this.bytes > maxBytes) this.onTooMuch?.(maxBytes);
      else if (end !== undefined && this.endsWith(end)) this.onComplete?.();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors = (this.errors + text).slice(-mostErrorCharacters);
    });
  }

  private endsWith(end: Buffer): boolean {
    let tail = Buffer.alloc(0);
    for (let at = this.chunks.length - 1; at >= 0 && tail.length < end.length; at--)
      tail = Buffer.concat([this.chunks[at] as Buffer, tail]);
    return tail.subarray(-end.length).equals(end);
  }

  text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }
}

export type Child = ChildProcessByStdio<Writable, Readable, Readable>;

interface Start {
  /** Descriptors that it holds. */
  more: readonly number[];
  group?: boolean;
}

/** Its messages are read by us, so they come untranslated. */
function started(file: string, args: readonly string[], { more, group = false }: Start): Child {
  return spawn(file, args, {
    detached: group,
    stdio: ['pipe', 'pipe', 'pipe', ...more],
    env: { ...childEnvironment(), LC_ALL: 'C', LANGUAGE: '' },
  }) as Child;
}

/** What a process started may outlive it, and is of its group. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null;

/** argv for people: scripts of several lines are left out. */
function shown(argv: readonly string[]): string {
  return withoutScripts(argv).join(' ');
}

function withoutScripts(argv: readonly string[]): string[] {
  return argv.map((argument) => (argument.includes('\n') ? '(script)' : argument));
}

export function unstartable(file: string, error: NodeJS.ErrnoException): Error {
  if (error.code === 'ENOENT')
    return new EnvironmentError(`\`${file}\` is not on PATH; install it or add its folder to PATH`);
  if (error.code === 'EACCES')
    return new EnvironmentError(`\`${file}\` may not be executed by this user; check its permissions`);
  return new EnvironmentError(`\`${file}\` could not be started: ${messageOf(error)}`);
}

function failed(argv: readonly string[], { exitCode, signalCode }: ChildProcess, output: Output): Error {
  const reason = signalCode ? `was ended by ${signalCode}` : `failed with exit code ${exitCode}`;
  const errors = withoutHints(output.errors);
  const said = errors.trim() ? errors : lastLines(withoutHints(output.text()), 3);
  return new CommandError(withoutScripts(argv), reason, said);
}

/** What the client said, without what it says to a newcomer before its error, and without our own mark. */
export function withoutHints(text: string): string {
  return text
    .split('\n')
    .filter((line) => !clientHints.test(line.trim()))
    .join('\n');
}

const clientHints =
  /^(?:If this is your first time running Incus|To start your first container|Or for a virtual machine|pgha: end of output)/;

/**
 * An `incus` client that goes on: connections and locks in a container. @param args without `incus`
 * @param lease held by it for as long as it, or what it started, runs
 */
export const startClient = (args: readonly string[], lease?: Pick<Lease, 'fd'>): Child =>
  started('incus', args, { more: lease?.fd === undefined ? [] : [lease.fd] });
