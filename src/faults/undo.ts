import { retryUntil, sleep } from '../clock/deadline.ts';
import { everyOne } from '../clock/every-one.ts';
import { DeadlineError, EnvironmentError, messageOf } from '../contract/errors.ts';
import type { Instance } from '../incus/answers.ts';
import type { Incus } from '../incus/incus.ts';
import { drillMarkKey } from '../incus/labels.ts';
import { isLeaseHeld } from '../incus/lease.ts';
import { faultCatalogue, traces } from './catalogue.ts';
import { clearMark, type ReadMark, readMark } from './mark.ts';
import { runSwitch } from './power-switch.ts';

/** Undoing has its own deadline: it happens whatever became of the drill. */
export const undoDeadlineMs = 120_000;

/**
 * How long a container must be seen running without a trace of the fault and with no operation of Incus on
 * it, before it is believed. A start can report success for a container that ends at once.
 */
export const steadyHoldMs = 1000;
/**
 * The same where the fault may still be on its way, because its client was killed or gave up: what a client that has
 * ended had sent, Incus has begun by then. A client of the drill that has not ended on this machine is waited for.
 */
export const uncertainHoldMs = 6000;

export interface UndoOptions {
  deadlineMs: number;
  /** steadyHoldMs or uncertainHoldMs. */
  holdMs: number;
  /**
   * What the caller knows of the fault, for where the mark is gone or was never set. With a drill in it, what
   * another drill has marked since is let stand.
   */
  known?: ReadMark;
  /** Is told at once why a container cannot be brought back just now, each reason once: it goes on trying. */
  warn?: (line: string) => void;
}

/** @param powerOn what brings their host's power back */
export type UndoManyOptions = UndoOptions & { powerOn?: readonly string[] | undefined };

/**
 * Takes back whatever a drill did to a container, and removes the drill's mark: the mark alone tells what
 * that is, and where it cannot be read, every fault is undone. Tries again until the deadline: Incus may be
 * busy with the very operation that is being undone. While the drill, or a command that it left behind, may still
 * hurt the container (Lease), it goes on looking and undoing, and the mark stays. Safe to call when there is nothing to
 * undo, and from several processes at once.
 *
 * @returns what it found and did
 * @throws DeadlineError, EnvironmentError when there is no such container
 */
export async function undoFault(
  incus: Incus,
  container: string,
  { deadlineMs, holdMs, known = {}, warn }: UndoOptions,
): Promise<string> {
  const done = new Set<string>();
  let successor: string | undefined;
  let isGone = false;
  // What was seen to be on its way may have been sent at the last moment.
  const hold = { ms: holdMs };
  const what = `${container} to be as before the fault`;
  const attempt = async (signal: AbortSignal) => {
    for (;;) {
      const instance = await incus.instance(container, signal);
      if (!instance) {
        isGone = true;
        return true;
      }
      // Unread, it may be another drill's.
      if (instance.config === undefined) throw new EnvironmentError(untold(instance));
      const mark = { ...known, ...readMark(instance.config[drillMarkKey] ?? '') };
      if (known.drill !== undefined && mark.drill !== known.drill) {
        successor = mark.drill;
        return true;
      }
      if (instance.status === 'Running') {
        const removed = await removeTraces(incus, container, mark, signal);
        for (const trace of removed) done.add(trace);
        if (await staysWhole(incus, container, mark, { hold, signal })) return true;
      } else if (instance.status === 'Frozen') {
        await incus.resume(container, signal);
        done.add('resumed');
      } else {
        await incus.start(container, signal);
        done.add('started');
      }
    }
  };
  const aloud = toldOnce(attempt, (why) => warn?.(`${container} is not brought back yet: ${why}`));
  await retryUntil(what, { deadlineMs, pauseMs: 300 }, aloud).catch(async (error: unknown) => {
    if (!(error instanceof DeadlineError) || !(await isLeaseHeld(known.drill))) throw error;
    const still = `drill ${known.drill}, or a command that it left behind, still runs on this machine and may hurt it again`;
    throw new DeadlineError(`${what}: ${still}`, deadlineMs);
  });
  if (isGone) throw new EnvironmentError(`there is no container ${container}`);
  if (successor !== undefined) return `left to drill ${successor}, which has marked the container since`;
  await clearMark(incus, container);
  return done.size === 0 ? 'was running' : [...done].join(', ');
}

/** Each reason for which an attempt fails is told once, whatever moments and figures it names. */
export function toldOnce<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  tell: (why: string) => void,
): (signal: AbortSignal) => Promise<T> {
  const told = new Set<string>();
  return async (signal) => {
    try {
      return await attempt(signal);
    } catch (error) {
      const why = messageOf(error);
      const kind = why.replaceAll(/\d+/g, '#');
      if (!signal.aborted && !told.has(kind) && told.size < mostReasons) tell(why);
      told.add(kind);
      throw error;
    }
  };
}

const mostReasons = 10;

/**
 * The same of several containers, side by side: one that cannot be brought back keeps no other down.
 * @returns what it found and did, a line for each
 * @throws what undoFault throws of one; EnvironmentError of several, once all have been tried
 */
export async function undoFaults(
  incus: Incus,
  containers: readonly string[],
  { powerOn, ...options }: UndoManyOptions,
): Promise<string[]> {
  const trouble = powerOn === undefined ? undefined : await powerBack(incus, containers, powerOn);
  try {
    return await everyOne(containers, async (name) => `${name}: ${await undoFault(incus, name, options)}`);
  } catch (error) {
    if (trouble === undefined) throw error;
    throw new EnvironmentError(`${messageOf(error)}; the host's power did not come back: ${trouble}`);
  }
}

/**
 * Has the power of their host brought back, unless all of them run. Never throws: whether they come back is for who undoes
 * to see. @returns what went wrong
 */
export async function powerBack(
  incus: Incus,
  containers: readonly string[],
  powerOn: readonly string[],
): Promise<string | undefined> {
  try {
    const instances = await incus.instances(undefined, containers);
    if (containers.every((name) => instances.get(name)?.status === 'Running')) return undefined;
  } catch {
    // Who does not tell may be the host itself.
  }
  try {
    await runSwitch(powerOn);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Of an instance that is unheard of. */
export const untold = ({ name, unheard = 'its host does not answer' }: Instance): string =>
  `whether a drill has marked ${name} cannot be told: ${unheard}`;

/** Of a container that runs. @returns what was there and is gone */
async function removeTraces(
  incus: Incus,
  container: string,
  mark: ReadMark,
  signal: AbortSignal,
): Promise<string[]> {
  const { leaves } = mark.fault === undefined ? {} : faultCatalogue[mark.fault];
  const left = mark.fault === undefined ? traces : leaves ? [leaves] : [];
  const removed = await Promise.all(left.map((trace) => trace.remove(incus, container, mark.place, signal)));
  return removed.filter((what) => what !== undefined);
}

async function staysWhole(
  incus: Incus,
  container: string,
  mark: ReadMark,
  { hold, signal }: { hold: { ms: number }; signal: AbortSignal },
): Promise<boolean> {
  for (let heldMs = 0; heldMs < hold.ms; ) {
    await sleep(1000, signal);
    // Asked first: who lets go of it may have sent a request just before, which the others then show.
    const isHeld = await isLeaseHeld(mark.drill);
    if (isHeld) hold.ms = Math.max(hold.ms, uncertainHoldMs);
    heldMs = isHeld ? 0 : heldMs + 1000;
    const [instance, busy] = await Promise.all([
      incus.instance(container, signal),
      incus.isBusy(container, signal),
    ]);
    if (instance?.status !== 'Running' || busy) return false;
    // Another drill has come: its fault is not ours to take back.
    if (instance.config === undefined) return false;
    const marked = readMark(instance.config[drillMarkKey] ?? '').drill;
    if (marked !== undefined && marked !== mark.drill) return false;
    if ((await removeTraces(incus, container, mark, signal)).length > 0) return false;
  }
  return true;
}
