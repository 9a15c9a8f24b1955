import type { Outcome } from './outcome.ts';
import { concealed } from './secrecy.ts';
import { mostOfText, shortened } from './size.ts';

/**
 * An error that an action can end with. Its message is written for the operator: what was attempted, what came back,
 * what to do next. Anything else that is thrown is a bug of ours.
 */
export abstract class ExpectedError extends Error {
  /** What the action's outcome is then. */
  readonly outcome: Outcome = 'error';
}

/** The caller's mistake: a bad key, a missing file, an impossible topology. Always exit code 3. */
export class InputError extends ExpectedError {
  override readonly name = 'InputError';
  /** @param errors every error found, each one a sentence that names the key and what is allowed */
  constructor(errors: readonly string[]) {
    const each = [...new Set(errors)];
    super(each.join('; '));
    this.errors = each;
  }

  readonly errors: readonly string[];
}

/**
 * Does every piece of work, so that all their errors are told at once.
 * @throws InputError with the errors of all; anything else that one of them throws, at once
 */
export function together<T extends Record<string, () => unknown>>(
  works: T,
): { [K in keyof T]: ReturnType<T[K]> } {
  const errors: string[] = [];
  const results = Object.entries(works).map(([name, work]) => {
    try {
      return [name, work()];
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      errors.push(...error.errors);
      return [name, undefined];
    }
  });
  if (errors.length > 0) throw new InputError(errors);
  return Object.fromEntries(results) as { [K in keyof T]: ReturnType<T[K]> };
}

/** Something the action needs from its surroundings is missing: a tool, a permission, a host. Exit code 3. */
export class EnvironmentError extends ExpectedError {
  override readonly name = 'EnvironmentError';
}

/** A command ran and failed. */
export class CommandError extends ExpectedError {
  override readonly name = 'CommandError';
  constructor(
    readonly argv: readonly string[],
    readonly reason: string,
    readonly stderr: string,
  ) {
    const said = lastLines(stderr, 3);
    super(`\`${argv.join(' ')}\` ${reason}${said ? `: ${said}` : ''}`);
  }
}

/** A deadline passed. */
export class DeadlineError extends ExpectedError {
  override readonly name = 'DeadlineError';
  /** @param what the thing waited for, worded to follow "gave up after 5 s waiting for" */
  constructor(what: string, deadlineMs: number) {
    super(`gave up after ${deadlineMs / 1000} s waiting for ${what}`);
  }
}

/** The run was told to stop (SIGINT, SIGTERM). */
export class CancelledError extends ExpectedError {
  override readonly name = 'CancelledError';
}

/** The formation did not reach the state asked for in the time allowed. Exit code 2. */
export class NotConvergedError extends ExpectedError {
  override readonly name = 'NotConvergedError';
  override readonly outcome = 'missed';
}

/** The message of whatever was thrown, on one line, and no longer than a text may be: it may be a server's. */
export function messageOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  // One that is cut in two would not be found any more.
  return shortened(
    concealed(onOneLine(shortened(concealed(text), 2 * mostOfText), ' | ').trim()),
    mostOfText,
  );
}

/** Lines, without the blanks around them, joined to one. In time linear to its length, whatever a server sent. */
export function onOneLine(text: string, joint: string): string {
  const lines = text.split(/[\r\n]+/);
  if (lines.length === 1) return text;
  const inner = lines.map((line, index) => {
    if (index === 0) return line.trimEnd();
    return index === lines.length - 1 ? line.trimStart() : line.trim();
  });
  return inner.filter((line, index) => line !== '' || index === 0 || index === inner.length - 1).join(joint);
}

/** The last few non-empty lines of a command's output, joined to one line of at most 600 characters. */
export function lastLines(text: string, count: number): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.slice(-count).join(' | ').slice(-600);
}
