import { retryUntil, sleep } from '../clock/deadline.ts';
import { EnvironmentError } from '../contract/errors.ts';
import type { Incus } from '../incus/incus.ts';
import { drillMarkKey } from '../incus/labels.ts';
import { catalogue, type FaultEntry } from './catalogue.ts';
import { emptyDisk } from './disk.ts';
import { clearMark, type ReadMark, readMark } from './mark.ts';
import { liftFilter } from './packet-filter.ts';
import { restoreUnit } from './processes.ts';

/** Undoing has its own deadline: it happens whatever became of the drill. */
export const undoDeadlineMs = 120_000;

/**
 * How long a container must be seen running without a trace of the fault and with no operation of Incus on
 * it, before it is believed. A start can report success for a container that ends at once.
 */
export const steadyHoldMs = 1000;
/** The same where the fault may still be on its way, because its client was killed or gave up. */
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
}

/**
 * Takes back whatever a drill did to a container, and removes the drill's mark: the mark alone tells what
 * that is, and where it cannot be read, every fault is undone. Tries again until the deadline: Incus may be
 * busy with the very operation that is being undone. Safe to call when there is nothing to undo, and from
 * several processes at once.
 *
 * @returns what it found and did
 * @throws DeadlineError, EnvironmentError when there is no such container
 */
export async function undoFault(
  incus: Incus,
  container: string,
  { deadlineMs, holdMs, known = {} }: UndoOptions,
): Promise<string> {
  const done = new Set<string>();
  let successor: string | undefined;
  let isGone = false;
  await retryUntil(`${container} to be as before the fault`, { deadlineMs, pauseMs: 300 }, async (signal) => {
    for (;;) {
      const instance = await incus.instance(container, signal);
      if (!instance) {
        isGone = true;
        return true;
      }
      const mark = { ...known, ...readMark(instance.config[drillMarkKey] ?? '') };
      if (known.drill !== undefined && mark.drill !== known.drill) {
        successor = mark.drill;
        return true;
      }
      if (instance.status === 'Running') {
        const removed = await removeTraces(incus, container, mark, signal);
        for (const trace of removed) done.add(trace);
        if (await staysWhole(incus, container, mark, holdMs, signal)) return true;
      } else if (instance.status === 'Frozen') {
        await incus.resume(container, signal);
        done.add('resumed');
      } else {
        await incus.start(container, signal);
        done.add('started');
      }
    }
  });
  if (isGone) throw new EnvironmentError(`there is no container ${container}`);
  if (successor !== undefined) return `left to drill ${successor}, which has marked the container since`;
  await clearMark(incus, container);
  return done.size === 0 ? 'was running' : [...done].join(', ');
}

type Trace = FaultEntry['leaves'];

const removers: Record<
  Trace,
  (incus: Incus, container: string, mark: ReadMark, signal: AbortSignal) => Promise<string | undefined>
> = {
  nothing: async () => undefined,
  filter: async (incus, container, _, signal) =>
    (await liftFilter(incus, container, signal)) ? 'packet filter lifted' : undefined,
  unit: async (incus, container, _, signal) =>
    (await restoreUnit(incus, container, signal)) ? 'pg_autoctl started' : undefined,
  file: async (incus, container, { fill }, signal) =>
    fill !== undefined && (await emptyDisk(incus, container, fill, signal)) ? 'disk emptied' : undefined,
};

/** Of a container that runs. @returns what was there and is gone */
async function removeTraces(
  incus: Incus,
  container: string,
  mark: ReadMark,
  signal: AbortSignal,
): Promise<string[]> {
  const traces =
    mark.fault === undefined ? (Object.keys(removers) as Trace[]) : [catalogue[mark.fault].leaves];
  const removed = await Promise.all(traces.map((trace) => removers[trace](incus, container, mark, signal)));
  return removed.filter((what) => what !== undefined);
}

async function staysWhole(
  incus: Incus,
  container: string,
  mark: ReadMark,
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
    // Another drill has come: its fault is not ours to take back.
    const marked = readMark(instance.config[drillMarkKey] ?? '').drill;
    if (marked !== undefined && marked !== mark.drill) return false;
    if ((await removeTraces(incus, container, mark, signal)).length > 0) return false;
  }
  return true;
}
