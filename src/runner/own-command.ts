import { parseArgs } from 'node:util';
import { CancelledError, InputError, messageOf } from '../contract/errors.ts';
import { exitCodeOf } from '../contract/outcome.ts';
import { concealed, keepSecret } from '../contract/secrecy.ts';
import { nearest } from '../contract/spelling.ts';
import { secretsOfEnvironment } from '../incus/child-environment.ts';
import { withoutCommands } from './file-commands.ts';
import { endingSignals, outliveReaders } from './outlive.ts';

/** What the arguments of such a command say. */
export interface Flags<V extends string> {
  /** Values in the order in which they were given. */
  given: { name: V; value: string }[];
  debug: boolean;
  help: boolean;
  /** A sentence each. */
  errors: string[];
}

/** @param values names of the flags that take a value; --debug and --help take none */
export function readFlags<V extends string>(
  command: string,
  args: readonly string[],
  values: readonly V[],
): Flags<V> {
  const flags: Flags<V> = { given: [], debug: false, help: false, errors: [] };
  const { tokens } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(values.map((name) => [name, { type: 'string' as const }])),
      help: { type: 'boolean', short: 'h' },
    },
    // Strictly, it would tell the first error alone.
    strict: false,
    tokens: true,
  });
  const known = [...values, 'debug', 'help'];
  for (const token of tokens) {
    const { name, value } = token.kind === 'option' ? token : { name: undefined, value: undefined };
    const flag = values.find((each) => each === name);
    if (flag !== undefined && value) flags.given.push({ name: flag, value });
    else if (flag !== undefined) flags.errors.push(`--${flag} needs a value`);
    else if ((name === 'debug' || name === 'help') && value === undefined) flags[name] = true;
    else {
      const shown = args[token.index] ?? '';
      const meant = nearest(shown.replace(/^-+/, ''), known);
      flags.errors.push(
        `${shown} is not known${meant === undefined ? '' : ` (is --${meant} meant?)`}; ${command} takes ${known.map((each) => `--${each}`).join(', ')}`,
      );
    }
  }
  // Of a word of several short flags, each is one.
  return { ...flags, errors: [...new Set(flags.errors)] };
}

export interface OwnCommand {
  /** To standard output. No secret of the environment gets there, and nothing that a runner would obey. */
  print(line: string): void;
  /** To standard error. */
  complain(line: string): void;
  /** Aborted by the signals that end a process. */
  signal: AbortSignal;
}

/**
 * Runs a command of the terminal that is no action: `pgha doctor`, `pgha adopt`. What it throws is told, a line for each
 * error of an input.
 * @param work returns the exit code
 * @returns the exit code, 3 where it throws
 */
export async function runOwnCommand(work: (command: OwnCommand) => Promise<number>): Promise<number> {
  outliveReaders();
  for (const secret of secretsOfEnvironment(process.env)) keepSecret(secret);
  const print = (line: string) => void process.stdout.write(`${withoutCommands(concealed(line))}\n`);
  const complain = (line: string) => void process.stderr.write(`pgha: ${withoutCommands(concealed(line))}\n`);
  const ending = new AbortController();
  const end = (name: NodeJS.Signals) => ending.abort(new CancelledError(`interrupted by ${name}`));
  for (const name of endingSignals) process.on(name, end);
  try {
    return await work({ print, complain, signal: ending.signal });
  } catch (error) {
    for (const each of error instanceof InputError ? error.errors : [messageOf(error)]) complain(each);
    return exitCodeOf('error');
  } finally {
    for (const name of endingSignals) process.off(name, end);
    // A client of Incus that is gone may have left a child that holds our streams.
    setTimeout(() => process.exit(), 2000).unref();
  }
}
