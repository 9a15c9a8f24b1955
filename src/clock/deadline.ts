import { CancelledError, DeadlineError } from '../contract/errors.ts';
import { onAbort } from './abort.ts';
import { now } from './clock.ts';

/** A timer that is later than this was held up by our own process, not by a busy machine's usual pace. */
const heldUpMs = 500;

/**
 * Runs `work` under a deadline. The promise settles at the deadline even if `work` ignores its signal;
 * the signal lets `work` release what it holds. If this process did not get to run when the deadline came, `work`
 * gets that time again, up to the deadline once more in all: an answer may have come that nobody has read.
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
    let timer: NodeJS.Timeout | undefined;
    const release = () => {
      clearTimeout(timer);
      forget();
    };
    const stop = (error: unknown) => {
      release();
      reject(error);
      controller.abort(error);
    };
    let spareMs = deadlineMs;
    const giveUpAfter = (ms: number) => {
      const due = now() + ms;
      timer = setTimeout(() => {
        const lateMs = now() - due;
        const givenMs = Math.min(lateMs, spareMs);
        if (lateMs < heldUpMs || givenMs <= 0) return stop(new DeadlineError(what, deadlineMs));
        spareMs -= givenMs;
        giveUpAfter(givenMs);
      }, ms);
    };
    giveUpAfter(deadlineMs);
    const forget = onAbort(parent, () =>
      stop(parent?.reason ?? new CancelledError(`cancelled while waiting for ${what}`)),
    );
    // A throw of `work` itself counts as its rejection.
    new Promise<T>((done) => done(work(controller.signal))).then(resolve, reject).finally(release);
  });
}

/** Sleeps, or rejects with the signal's reason when it aborts. */
export async function sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      forget();
      resolve();
    }, durationMs);
    const forget = onAbort(signal, () => {
      clearTimeout(timer);
      reject(signal?.reason as unknown);
    });
  });
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
