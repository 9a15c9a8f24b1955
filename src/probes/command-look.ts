import { CommandError, lastLines } from '../contract/errors.ts';
import type { CommandProbe } from '../formation/probes.ts';
import { runCommand } from '../incus/command.ts';
import { BrokenError } from './broken.ts';

/** Of what it prints; one that prints on and on is ended. */
const mostBytes = 1024 * 1024;

/**
 * Runs a command once, in a process group of its own that is killed as a whole: by us, or, where we were killed, by
 * coreutils' `timeout`, as nothing else would end it then.
 * @throws BrokenError where it does not end with code 0, and as runCommand
 */
export async function lookByCommand(
  { argv }: CommandProbe,
  { stdin, timeoutMs }: { stdin: string | undefined; timeoutMs: number },
  signal: AbortSignal,
): Promise<void> {
  const limit = String(Math.ceil(timeoutMs / 1000) + 1);
  try {
    await runCommand('timeout', ['-s', 'KILL', limit, ...argv], {
      // Whoever asks has a deadline of its own, and aborts by it.
      deadlineMs: 2 * timeoutMs + 5000,
      group: true,
      maxBytes: mostBytes,
      shownArgs: argv,
      signal,
      ...(stdin !== undefined && { stdin }),
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const said = lastLines(error.stderr, 2);
    throw new BrokenError(`it ${error.reason}${said === '' ? '' : `: ${said}`}`);
  }
}
