import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { now, wallClock } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { EnvironmentError, messageOf } from '../contract/errors.ts';
import { makeFolder } from '../disk/folder.ts';
import type { DrillMark } from '../faults/mark.ts';
import { uncertainHoldMs, undoDeadlineMs, undoFault } from '../faults/undo.ts';
import { Incus } from '../incus/incus.ts';

/**
 * The guard is a process of its own session that undoes the fault when the drill dies. Runners kill a
 * cancelled step with SIGKILL, often the whole process group, and delete its folders, the checkout with this
 * very program included: nothing inside the drill's own process can be relied on, and the guard has loaded all
 * that it needs before it says that it is armed (the bundle imports nothing later). It hears of the drill's death by the closing of the channel between
 * the two, which no signal prevents.
 */
interface Orders {
  remote: string;
  project: string;
  container: string;
  /** What the mark on the container says, or would say if the drill was killed before it stood. */
  mark: Omit<DrillMark, 'since'>;
  /** The fault is undone after this time even if the drill still lives. */
  overrunMs: number;
}

const armDeadlineMs = 10_000;
/** Nobody else is left to try. */
const guardDeadlineMs = 5 * undoDeadlineMs;

export interface Guard {
  /** Ends the guard: the fault is undone. */
  disarm(): void;
}

/**
 * Starts the guard and waits until it says that it watches.
 * @throws EnvironmentError when it cannot be started: then there must be no fault either
 */
export async function armGuard(orders: Orders): Promise<Guard> {
  // The entry stubs lie side by side in dist/<entry>/main.js; this process runs one of them.
  const entry = join(dirname(dirname(process.argv[1] ?? '')), 'guard', 'main.js');
  const { RUNNER_TRACKING_ID: _, ...env } = process.env; // GitHub's runner ends what carries it.
  const child = spawn(process.execPath, [entry], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    cwd: '/',
    env,
  });
  try {
    await withDeadline('the guard to be armed', armDeadlineMs, () => armed(child, orders));
  } catch (error) {
    child.kill('SIGKILL');
    throw new EnvironmentError(
      `the guard process could not be started, so nothing was done to the formation: ${messageOf(error)}`,
    );
  }
  child.on('error', () => {});
  child.unref();
  child.channel?.unref();
  return {
    disarm() {
      if (!child.connected) return;
      child.send({ disarm: true }, () => {
        if (child.connected) child.disconnect();
      });
    },
  };
}

async function armed(child: ChildProcess, orders: Orders): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`it ended with code ${code}`)));
    child.once('message', () => resolve());
    child.send(orders, (error) => error && reject(error));
  });
}

/** What the guard's own process does: watches over one fault. Returns when there is nothing left to do. */
export async function keepGuard(): Promise<void> {
  if (!process.send) throw new EnvironmentError('the guard is started by a drill, not by hand');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  const orders = await new Promise<Orders>((resolve) =>
    process.once('message', (message) => resolve(message as Orders)),
  );
  const reason = await new Promise<string | undefined>((resolve) => {
    const overrun = setTimeout(
      () => resolve(`the drill overran its ${orders.overrunMs / 1000} s`),
      orders.overrunMs,
    );
    const end = (why?: string) => {
      clearTimeout(overrun);
      resolve(why);
    };
    process.once('disconnect', () => end('the drill died'));
    process.once('message', () => end());
    process.send?.('armed');
  });
  if (process.connected) process.disconnect();
  if (reason === undefined) return;
  note(orders, `${reason}; undoing the fault`);
  try {
    note(
      orders,
      await undoFault(new Incus(orders), orders.container, {
        deadlineMs: guardDeadlineMs,
        holdMs: uncertainHoldMs,
        known: orders.mark,
      }),
    );
  } catch (error) {
    note(orders, `could not undo the fault: ${messageOf(error)}`);
  }
}

/** The guard has no log but a file outside the job's folders. */
function note(orders: Orders, line: string): void {
  try {
    const folder = stateFolder();
    makeFolder(folder);
    appendFileSync(
      join(folder, 'guard.log'),
      `${wallClock(now())} drill ${orders.mark.drill}, ${orders.mark.fault} on ${orders.container}: ${line}\n`,
    );
  } catch {
    // The log is for people; the container comes first.
  }
}

/** HOME may be a job's folder; the user's own is what the system says it is. */
function stateFolder(): string {
  return join(userInfo().homedir, '.local', 'state', 'pgha');
}
