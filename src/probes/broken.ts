import { DeadlineError, messageOf } from '../contract/errors.ts';
import { shortened } from '../contract/size.ts';

/** Of what a probe was answered, in a report. */
const mostOfWhy = 300;

/** A look that found no good answer. Its message says what there was in its place, to follow a name and a colon. */
export class BrokenError extends Error {
  override readonly name: string = 'BrokenError';
}

/** The good answer did not come in time: nothing is known of it where this process itself did not get to run meanwhile. */
export class LateAnswerError extends BrokenError {
  override readonly name = 'LateAnswerError';
  constructor(
    message: string,
    /** What it had. */
    readonly limitMs: number,
  ) {
    super(message);
  }
}

/** Of the codes of Node's sockets and names, those that people meet. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was closed without an answer',
  EPIPE: 'the connection was closed without an answer',
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'its name could not be resolved',
  ETIMEDOUT: 'nothing answered on the network',
  EHOSTUNREACH: 'there is no way to it (EHOSTUNREACH)',
  ENETUNREACH: 'there is no way to it (ENETUNREACH)',
};

/** What was thrown by a look, in its own words. Addresses that are secrets are not repeated where a code says it all. */
export function brokenBy(error: unknown, timeoutMs: number): BrokenError {
  if (error instanceof BrokenError) return error;
  if (error instanceof DeadlineError)
    return new LateAnswerError(`no answer in ${timeoutMs / 1000} s`, timeoutMs);
  const code = codeIn(error);
  const known = code === undefined ? undefined : reasons[code];
  return new BrokenError(known ?? shortened(messageOf(error), mostOfWhy));
}

function codeIn(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
