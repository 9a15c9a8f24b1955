/**
 * The errors an action can end with. Their messages are written for the operator: what was attempted,
 * what came back, what to do next. Anything else that is thrown is a bug of ours.
 */

/** The caller's mistake: a bad key, a missing file, an impossible topology. Always exit code 3. */
export class InputError extends Error {
  override readonly name = 'InputError';
  /** @param faults every fault found, each one a sentence that names the key and what is allowed */
  constructor(faults: readonly string[]) {
    const each = [...new Set(faults)];
    super(each.join('; '));
    this.faults = each;
  }

  readonly faults: readonly string[];
}

/**
 * Does every piece of work, so that all their faults are told at once.
 * @throws InputError with the faults of all; anything else that one of them throws, at once
 */
export function together<T extends Record<string, () => unknown>>(
  works: T,
): { [K in keyof T]: ReturnType<T[K]> } {
  const faults: string[] = [];
  const results = Object.entries(works).map(([name, work]) => {
    try {
      return [name, work()];
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      faults.push(...error.faults);
      return [name, undefined];
    }
  });
  if (faults.length > 0) throw new InputError(faults);
  return Object.fromEntries(results) as { [K in keyof T]: ReturnType<T[K]> };
}

/** Something the action needs from its surroundings is missing: a tool, a permission, a host. Exit code 3. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

/** A command ran and failed. */
export class CommandError extends Error {
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
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
  /** @param what the thing waited for, worded to follow "gave up after 5 s waiting for" */
  constructor(what: string, deadlineMs: number) {
    super(`gave up after ${deadlineMs / 1000} s waiting for ${what}`);
  }
}

/** The run was told to stop (SIGINT, SIGTERM). */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
}

/** The formation did not reach the state asked for in the time allowed. Exit code 2. */
export class NotConvergedError extends Error {
  override readonly name = 'NotConvergedError';
}

/** The message of whatever was thrown, on one line. */
export function messageOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  return onOneLine(text, ' | ').trim();
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
    .filter((line) => line !== '' && !clientHints.test(line));
  return lines.slice(-count).join(' | ').slice(-600);
}

/** What the incus client says to a newcomer before its error. */
const clientHints =
  /^(?:If this is your first time running Incus|To start your first container|Or for a virtual machine|pgha: end of output)/;
