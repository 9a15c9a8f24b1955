import { humanDuration, now } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import type { Log } from '../contract/log.ts';
import { LockHeldError } from './lock.ts';

export interface LockWait {
  /** How long the other run may take to end; 0 does not wait. */
  waitMs: number;
  log: Log;
  signal: AbortSignal;
}

/** How often it tries: each try asks in every container. */
const pauseMs = 5000;

/**
 * Does `work` once no other run has the formation's locks.
 * @param work takes the locks before it changes anything, so that it can be begun anew; it gets whether it is
 * @param mayBeginAnew false once it has changed something: then what it throws is its end
 * @throws LockHeldError where another run has them, and did not end in time; as `work`
 */
export async function onceFree<T>(
  { waitMs, log, signal }: LockWait,
  work: (isAnew: boolean) => Promise<T>,
  mayBeginAnew: () => boolean = () => true,
): Promise<T> {
  const startedAt = now();
  let told = false;
  for (;;) {
    try {
      return await work(told);
    } catch (error) {
      if (!(error instanceof LockHeldError) || waitMs === 0 || !mayBeginAnew()) throw error;
      const waited = now() - startedAt;
      if (waited >= waitMs)
        throw new LockHeldError(
          error.held,
          `it did not end in ${humanDuration(waitMs)} (input wait-for-lock-seconds)`,
        );
      if (!told) log.info(`${error.held}; waiting up to ${humanDuration(waitMs)} for it to end`);
      told = true;
      await sleep(Math.min(pauseMs, waitMs - waited), signal);
    }
  }
}
