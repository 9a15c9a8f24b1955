import { setTimeout as delay } from 'node:timers/promises';
import { CancelledError, DeadlineError } from '../contract/errors.ts';

/**
 * Runs `work` under a deadline. The promise settles at the deadline even if `work` ignores its signal;
 * the signal lets `work` release what it holds.
 *
 * @param what worded to follow "gave up after N s waiting for"
 * @param deadlineMs milliseconds from now
 * @param parent when it aborts, so does `work`
 * @throws DeadlineError at the deadline, CancelledError when `parent` aborts, else what `work` throws
 */
export async function withDeadline<T>(
  what: string,
  deadlineMs: number,
  work: (signal: AbortSignal) => Promise<T>,
  parent?: AbortSignal,
): Promise<T> {
  parent?.throwIfAborted();
  const controller = new AbortController();
  return await new Promise<T>((resolve, reject) => {
    const release = () => {
      clearTimeout(timer);
      parent?.removeEventListener('abort', onParentAbort);
    };
    const stop = (error: unknown) => {
      release();
      reject(error);
      controller.abort(error);
    };
    const onParentAbort = () =>
      stop(parent?.reason ?? new CancelledError(`cancelled while waiting for ${what}`));
    const timer = setTimeout(() => stop(new DeadlineError(what, deadlineMs)), deadlineMs);
    parent?.addEventListener('abort', onParentAbort, { once: true });
    // A throw of `work` itself counts as its rejection.
    new Promise<T>((done) => done(work(controller.signal))).then(resolve, reject).finally(release);
  });
}

/** Sleeps, or rejects with the signal's reason when it aborts. */
export async function sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  try {
    await delay(durationMs, undefined, signal ? { signal } : {});
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  }
}

/**
 * Calls `attempt` until it returns something other than undefined, pausing between calls.
 *
 * @throws DeadlineError at the deadline; the last error that `attempt` threw is its cause
 */
export async function retryUntil<T>(
  what: string,
  { deadlineMs, pauseMs, signal }: { deadlineMs: number; pauseMs: number; signal?: AbortSignal | undefined },
  attempt: (signal: AbortSignal) => Promise<T | undefined>,
): Promise<T> {
  let lastError: unknown;
  try {
    return await withDeadline(
      what,
      deadlineMs,
      async (inner) => {
        for (;;) {
          try {
            const found = await attempt(inner);
            if (found !== undefined) return found;
            lastError = undefined;
          } catch (error) {
            if (inner.aborted) throw error;
            lastError = error;
          }
          await sleep(pauseMs, inner);
        }
      },
      signal,
    );
  } catch (error) {
    if (error instanceof DeadlineError && lastError instanceof Error) {
      error.message += ` (last error: ${lastError.message})`;
      error.cause = lastError;
    }
    throw error;
  }
}
