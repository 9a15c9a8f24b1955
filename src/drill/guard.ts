import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { now, wallClock } from '../clock/clock.ts';
import { sleep, withDeadline } from '../clock/deadline.ts';
import { CancelledError, EnvironmentError, messageOf } from '../contract/errors.ts';
import { makeFolder } from '../disk/folder.ts';
import type { DrillMark } from '../faults/mark.ts';
import { uncertainHoldMs, undoDeadlineMs, undoFaults } from '../faults/undo.ts';
import { childEnvironment } from '../incus/child-environment.ts';
import { Incus } from '../incus/incus.ts';
import { isLeaseHeld } from '../incus/lease.ts';

/**
 * The guard is a process of its own session that undoes the fault when the drill dies. Runners kill a
 * cancelled step with SIGKILL, often the whole process group, and delete its folders, the checkout with this
 * very program included: nothing inside the drill's own process can be relied on, and the guard has loaded all
 * that it needs before it says that it is armed (the bundle imports nothing later). It hears of the drill's death by the
 * closing of the channel between the two, which no signal prevents; of what the drill left behind by its lease. The
 * drill in turn does nothing without its guard: it hears of its end, and asks it every second whether it answers.
 */
interface Orders {
  remote: string;
  /** Other remotes of the same cluster: the drill has looked for them, and its folders may be gone. */
  others: readonly string[];
  project: string;
  containers: readonly string[];
  /** What the mark on each of them says, or would say if the drill was killed before it stood. */
  mark: Omit<DrillMark, 'since'>;
  /** What brings their host's power back, which is on no mark: it may hold what lets one in at a switch. */
  powerOn?: readonly string[];
  /** The fault is undone after this time even if the drill still lives. */
  overrunMs: number;
}

const armDeadlineMs = 10_000;
/** A guard that is stopped, or whose host has no time for it, is as good as none. */
const askEveryMs = 1000;
const mostUnanswered = 10;
/** The other way round: a drill that is stopped, or that waits for whoever should read its log. */
const mostSilent = 60;
/** Nobody else is left to try. */
const guardDeadlineMs = 5 * undoDeadlineMs;
/** For so long it goes on where something that may still hurt the container does not end. */
const longestWatchMs = 6 * 3600_000;

/** What the two say to each other, besides the orders. */
type ToGuard = 'answer' | 'disarm';
type FromGuard = 'armed' | 'here' | { undoing: string };

/** A guard process that is getting ready, or watches. */
export class Guard {
  private readonly child: ChildProcess;
  private failed: Error | undefined;
  private hasOrders = false;
  private isDisarmed = false;
  private readonly gone = new AbortController();
  private asking: NodeJS.Timeout | undefined;
  private unanswered = 0;

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
    const { RUNNER_TRACKING_ID: _, ...env } = childEnvironment(); // GitHub's runner ends what carries it.
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
      this.watch();
    } catch (error) {
      child.kill('SIGKILL');
      throw new EnvironmentError(
        `the guard process could not be started, so nothing was done to the formation: ${messageOf(error)}`,
      );
    } finally {
      child.channel?.unref();
    }
  }

  /** Aborts when the guard is no more, or does not answer: then the fault must be undone at once. Not once it is disarmed. */
  get lost(): AbortSignal {
    return this.gone.signal;
  }

  /** Asks it once more, right before the fault. @throws CancelledError when it does not answer: no fault without a guard */
  async confirm(): Promise<void> {
    this.lost.throwIfAborted();
    const { child } = this;
    try {
      await withDeadline(
        'the guard to answer',
        armDeadlineMs,
        async () => {
          await new Promise<void>((resolve) => {
            child.once('message', () => resolve());
            this.ask();
          });
        },
        this.lost,
      );
    } catch (error) {
      if (!this.lost.aborted) this.lose(messageOf(error));
    }
    this.lost.throwIfAborted();
  }

  private watch(): void {
    const { child } = this;
    child.on('message', (message: FromGuard) => {
      this.unanswered = 0;
      if (typeof message === 'object') this.lose(`it undoes the fault by itself, as ${message.undoing}`);
    });
    child.once('exit', (code, signal) => this.lose(`it ended with ${signal ?? `code ${code}`}`));
    child.once('disconnect', () => this.lose('it no longer listens'));
    // Counted, not timed: while this process does not get to run, nobody can be heard.
    this.asking = setInterval(() => {
      if (this.unanswered >= mostUnanswered)
        this.lose(`it has not answered for ${(mostUnanswered * askEveryMs) / 1000} s`);
      else this.ask();
    }, askEveryMs);
    this.asking.unref();
  }

  private ask(): void {
    this.unanswered++;
    this.say('answer');
  }

  private say(what: ToGuard, then?: () => void): void {
    // One that is gone is told of by its end.
    if (this.child.connected) this.child.send(what, () => then?.());
  }

  private lose(why: string): void {
    clearInterval(this.asking);
    if (!this.isDisarmed)
      this.gone.abort(new CancelledError(`the guard that would undo the fault is gone (${why})`));
  }

  /** Ends it where it never had orders: there will be no fault. */
  dismiss(): void {
    if (!this.hasOrders) this.disarm();
  }

  /** Ends it: the fault is undone. */
  disarm(): void {
    const { child } = this;
    this.isDisarmed = true;
    clearInterval(this.asking);
    // One that is stopped would hear of it late, and think that the drill has died.
    if (this.lost.aborted) child.kill('SIGKILL');
    this.say('disarm', () => {
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
    process.once('message', (message) => resolve(message === 'disarm' ? undefined : (message as Orders)));
    process.once('disconnect', () => resolve(undefined));
  });
  // The drill never came to its fault.
  if (orders === undefined) return process.disconnect?.();
  // Whatever goes wrong in here, the containers come first.
  process.on('uncaughtException', (error) => note(orders, messageOf(error)));
  const reason = await new Promise<string | undefined>((resolve) => {
    const overrun = setTimeout(
      () => resolve(`the drill overran its ${orders.overrunMs / 1000} s`),
      orders.overrunMs,
    );
    let silent = 0;
    const listening = setInterval(() => {
      if (++silent > mostSilent)
        end(`the drill did not get to run for ${(mostSilent * askEveryMs) / 1000} s`);
    }, askEveryMs);
    const end = (why?: string) => {
      clearTimeout(overrun);
      clearInterval(listening);
      resolve(why);
    };
    process.once('disconnect', () => end('the drill died'));
    process.on('message', (message: ToGuard) => {
      silent = 0;
      if (message === 'disarm') end();
      else say('here');
    });
    if (process.connected) say('armed');
    else end('the drill died');
  });
  if (reason !== undefined) say({ undoing: reason });
  if (process.connected) process.disconnect();
  if (reason === undefined) return;
  note(orders, `${reason}; undoing the fault`);
  await undoForGood(orders);
}

/** A drill that has just died does not hear it. */
function say(what: FromGuard): void {
  if (process.connected) process.send?.(what, () => {});
}

/** Tries again where it could not, for as long as the drill's commands may hurt the containers. */
async function undoForGood(orders: Orders): Promise<void> {
  const giveUpAt = now() + longestWatchMs;
  const told = (line: string) => note(orders, line);
  const log = { debug() {}, info: told, warn: told };
  const incus = Incus.byAny(orders, log, orders.others);
  for (;;) {
    try {
      const did = await undoFaults(incus, orders.containers, {
        deadlineMs: guardDeadlineMs,
        holdMs: uncertainHoldMs,
        known: orders.mark,
        warn: told,
        powerOn: orders.powerOn,
      });
      return note(orders, did.join('; '));
    } catch (error) {
      note(orders, `could not undo the fault: ${messageOf(error)}`);
    }
    if (!(await isLeaseHeld(orders.mark.drill)) || now() > giveUpAt) return;
    await sleep(5000);
  }
}

/** The guard has no log but a file outside the job's folders. */
function note(orders: Orders, line: string): void {
  try {
    const folder = stateFolder();
    makeFolder(folder);
    appendFileSync(
      join(folder, 'guard.log'),
      `${wallClock(now())} drill ${orders.mark.drill}, ${orders.mark.fault} on ${orders.containers.join(', ')}: ${line}\n`,
    );
  } catch {
    // The log is for people; the containers come first.
  }
}

/** HOME may be a job's folder; the user's own is what the system says it is. */
export function stateFolder(): string {
  return join(userInfo().homedir, '.local', 'state', 'pgha');
}
