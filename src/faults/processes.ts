import { retryUntil } from '../clock/deadline.ts';
import { DeadlineError } from '../contract/errors.ts';

/** A killed process is gone within milliseconds, unless its host is busy. */
const goneMs = 3000;

/**
 * Looks until something is gone, for three seconds.
 * @param what to follow "waiting for", and to be followed by "to be gone"
 * @param look returns the proof, undefined where it is still there
 * @returns the proof; undefined where there was none in time
 */
export async function seenGone(
  what: string,
  look: (signal: AbortSignal) => Promise<string | undefined>,
): Promise<string | undefined> {
  try {
    return await retryUntil(`${what} to be gone`, { deadlineMs: goneMs, pauseMs: 100 }, look);
  } catch (error) {
    if (error instanceof DeadlineError) return undefined;
    throw error;
  }
}
