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

/** A guard process that is getting ready, or watches. */
export class Guard {
  private readonly child: ChildProcess;
  private failed: Error | undefined;
  private hasOrders = false;

  private constructor(child: ChildProcess) {
    this.child = child;
    child.on('error', (error) => {
      this.failed = error;
    });
    child.unref();
    child.channel?.unref();
  }

  /** Starts the process, which loads what it needs while the drill has other things to do. Nothing is waited for. */
  static start(): Guard {
    // The entry stubs lie side by side in dist/<entry>/main.js; this process runs one of them.
    const entry = join(dirname(dirname(process.argv[1] ?? '')), 'guard', 'main.js');
    const { RUNNER_TRACKING_ID: _, ...env } = process.env; // GitHub's runner ends what carries it.
    const options = { detached: true, cwd: '/', env } as const;
    return new Guard(
      spawn(process.execPath, [entry], { ...options, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] }),
    );
  }

  /**
   * Gives it its orders and waits until it says that it watches.
   * @throws EnvironmentError when it does not: then there must be no fault either
   */
  async arm(orders: Orders): Promise<void> {
    const { child } = this;
    try {
      if (this.failed) throw this.failed;
      child.channel?.ref();
      this.hasOrders = true;
      await withDeadline('the guard to be armed', armDeadlineMs, () => armed(child, orders));
    } catch (error) {
      child.kill('SIGKILL');
      throw new EnvironmentError(
        `the guard process could not be started, so nothing was done to the formation: ${messageOf(error)}`,
      );
    } finally {
      child.channel?.unref();
    }
  }

  /** Ends it where it never had orders: there will be no fault. */
  dismiss(): void {
    if (!this.hasOrders) this.disarm();
  }

  /** Ends it: the fault is undone. */
  disarm(): void {
    const { child } = this;
    if (!child.connected) return;
    child.send({ disarm: true }, () => {
      if (child.connected) child.disconnect();
    });
  }
}

async function armed(child: ChildProcess, orders: Orders): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (!child.connected) return reject(new Error('it has ended already'));
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
  const orders = await new Promise<Orders | undefined>((resolve) => {
    process.once('message', (message) =>
      resolve('disarm' in (message as object) ? undefined : (message as Orders)),
    );
    process.once('disconnect', () => resolve(undefined));
  });
  // The drill never came to its fault.
  if (orders === undefined) return process.disconnect?.();
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
    if (process.connected) process.send?.('armed');
    else end('the drill died');
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
