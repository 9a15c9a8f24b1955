import { retryUntil, sleep } from '../clock/deadline.ts';
import { EnvironmentError } from '../contract/errors.ts';
import type { Incus } from '../incus/incus.ts';
import { clearMark } from './mark.ts';

/** Undoing has its own deadline: it happens whatever became of the drill. */
export const undoDeadlineMs = 120_000;

/**
 * How long a container must be seen running, with no operation of Incus on it, before it is believed. A start
 * can report success for a container that ends at once.
 */
export const steadyHoldMs = 1000;
/** The same where a stop may still be under way, because its client was killed or gave up. */
export const uncertainHoldMs = 6000;

export interface UndoOptions {
  deadlineMs: number;
  /** steadyHoldMs or uncertainHoldMs. */
  holdMs: number;
}

/**
 * Brings a container back from whatever a drill did to it, and removes the drill's mark. Tries again until
 * the deadline: Incus may be busy with the very operation that is being undone. Safe to call when there is
 * nothing to undo, and from several processes at once.
 *
 * @returns what it found and did
 * @throws DeadlineError, EnvironmentError when there is no such container
 */
export async function undoFault(
  incus: Incus,
  container: string,
  { deadlineMs, holdMs }: UndoOptions,
): Promise<string> {
  const done: string[] = [];
  await retryUntil(`${container} to run again`, { deadlineMs, pauseMs: 300 }, async (signal) => {
    for (;;) {
      const instance = await incus.instance(container, signal);
      if (!instance) throw new EnvironmentError(`there is no container ${container}`);
      if (instance.status === 'Running') {
        if (await staysRunning(incus, container, holdMs, signal)) return true;
      } else if (instance.status === 'Frozen') {
        await incus.resume(container, signal);
        done.push('resumed');
      } else {
        await incus.start(container, signal);
        done.push('started');
      }
    }
  });
  await clearMark(incus, container);
  return done.length === 0 ? 'was running' : done.join(', ');
}

async function staysRunning(
  incus: Incus,
  container: string,
  holdMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  for (let heldMs = 0; heldMs < holdMs; heldMs += 1000) {
    await sleep(1000, signal);
    const [instance, busy] = await Promise.all([
      incus.instance(container, signal),
      incus.isBusy(container, signal),
    ]);
    if (instance?.status !== 'Running' || busy) return false;
  }
  return true;
}
