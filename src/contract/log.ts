/** Where a use case tells people what it does. The runner and the tests each bring their own. */
export interface Log {
  /** A line that every reader sees. */
  info(line: string): void;
  warn(line: string): void;
  /** Detail for the debug log: argv of commands, stack traces. Never a secret. */
  debug(line: string): void;
}
