import { type ExecFileException, execFile } from 'node:child_process';
import {
  CancelledError,
  CommandError,
  DeadlineError,
  EnvironmentError,
  lastLines,
} from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';

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
}

/** More output than any command of ours prints; beyond it the command is killed rather than our memory filled. */
const mostOutputBytes = 16 * 1024 * 1024;

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
  const { deadlineMs, stdin, signal, log, until, maxBytes = mostOutputBytes } = options;
  signal?.throwIfAborted();
  const argv = [file, ...(options.shownArgs ?? args)];
  log?.debug(`run: ${shown(argv)}`);
  return await new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      {
        // execFile takes whole milliseconds, and 0 for none.
        timeout: Math.max(1, Math.ceil(deadlineMs)),
        killSignal: 'SIGKILL',
        maxBuffer: maxBytes,
        encoding: 'utf8',
        // Its messages are read by us, so they come untranslated.
        env: { ...process.env, LC_ALL: 'C', LANGUAGE: '' },
        ...(signal && { signal }),
      },
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        if (signal?.aborted) return reject(signal.reason ?? new CancelledError('cancelled'));
        reject(explain(argv, error, stdout, stderr, { deadlineMs, maxBytes }));
      },
    );
    if (until !== undefined) {
      let output = '';
      child.stdout?.on('data', (text: string) => {
        output += text;
        if (!output.endsWith(until)) return;
        resolve(output);
        child.kill('SIGKILL');
      });
    }
    // A command that ends without reading its input is judged by its exit code, not by our broken pipe.
    child.stdin?.on('error', () => {});
    child.stdin?.end(stdin ?? '');
  });
}

/** argv for people: scripts of several lines are left out. */
function shown(argv: readonly string[]): string {
  return withoutScripts(argv).join(' ');
}

function withoutScripts(argv: readonly string[]): string[] {
  return argv.map((argument) => (argument.includes('\n') ? '(script)' : argument));
}

function explain(
  argv: readonly string[],
  error: ExecFileException,
  stdout: string,
  stderr: string,
  { deadlineMs, maxBytes }: { deadlineMs: number; maxBytes: number },
): Error {
  const file = argv[0] ?? '';
  if (error.code === 'ENOENT')
    return new EnvironmentError(`\`${file}\` is not on PATH; install it or add its folder to PATH`);
  if (error.code === 'EACCES')
    return new EnvironmentError(`\`${file}\` may not be executed by this user; check its permissions`);
  if ((error.code as unknown) === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return new CommandError(argv, `printed more than ${maxBytes} bytes and was ended`, '');
  }
  if (error.killed) return new DeadlineError(`\`${shown(argv)}\``, deadlineMs);
  const reason = error.signal ? `was ended by ${error.signal}` : `failed with exit code ${error.code}`;
  return new CommandError(withoutScripts(argv), reason, stderr.trim() ? stderr : lastLines(stdout, 3));
}
