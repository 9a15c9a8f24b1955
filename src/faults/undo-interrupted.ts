import { retryUntil } from '../clock/deadline.ts';
import { everyOne } from '../clock/every-one.ts';
import { EnvironmentError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { drillMarkKey } from '../incus/labels.ts';
import { isLeaseHeld } from '../incus/lease.ts';
import { markedBy, readMark } from './mark.ts';
import { powerBack, uncertainHoldMs, undoDeadlineMs, undoFault, untold } from './undo.ts';

/**
 * Undoes what interrupted drills left behind: every container of the formation that bears a mark, or only
 * those of the drill `onlyDrill`, which is waited for where a command of its may still come to mark one.
 * @returns the names of the containers it brought back
 * @throws as undoFault; EnvironmentError where Incus does not tell whether a container bears a mark, once the others are undone
 */
export async function undoInterrupted(
  formation: Formation,
  incus: Incus,
  log: Log,
  onlyDrill?: string,
): Promise<string[]> {
  return await undoDrill(
    membersOf(formation).map(({ name }) => name),
    incus,
    log,
    { onlyDrill },
  );
}

/**
 * The same of a formation of which no more is known than its containers.
 * @param powerOn what brings the power of a host back, where one is not heard of
 */
export async function undoDrill(
  containers: readonly string[],
  incus: Incus,
  log: Log,
  { onlyDrill, powerOn }: { onlyDrill: string | undefined; powerOn?: readonly string[] | undefined },
): Promise<string[]> {
  if (powerOn !== undefined) await untilHeard(containers, incus, log, powerOn);
  const brought = await repairMarked(containers, incus, log, onlyDrill);
  if (brought.length > 0 || !(await isLeaseHeld(onlyDrill))) return brought;
  log.info(
    `no container bears the mark of drill ${onlyDrill}, but a command of its still runs; waiting for it`,
  );
  await retryUntil(
    `the commands that drill ${onlyDrill} left behind to end`,
    { deadlineMs: undoDeadlineMs, pauseMs: 500 },
    async () => ((await isLeaseHeld(onlyDrill)) ? undefined : true),
  );
  return await repairMarked(containers, incus, log, onlyDrill);
}

/** A container whose host has no power does not show its mark. */
async function untilHeard(
  containers: readonly string[],
  incus: Incus,
  log: Log,
  powerOn: readonly string[],
): Promise<void> {
  const areHeard = async (signal?: AbortSignal) =>
    [...(await incus.instances(signal, containers))].every(
      ([name, { unheard }]) => unheard === undefined || !containers.includes(name),
    );
  if (await areHeard()) return;
  log.warn('a container is not heard of; having the power of its host brought back');
  const trouble = await powerBack(incus, containers, powerOn);
  if (trouble !== undefined) log.warn(trouble);
  await retryUntil(
    'every container to be heard of',
    { deadlineMs: undoDeadlineMs, pauseMs: 1000 },
    async (signal) => (await areHeard(signal)) || undefined,
  );
}

async function repairMarked(
  containers: readonly string[],
  incus: Incus,
  log: Log,
  onlyDrill: string | undefined,
): Promise<string[]> {
  const instances = await incus.instances();
  const there = containers.flatMap((name) => instances.get(name) ?? []);
  const unread = there.filter(({ config }) => config === undefined);
  const marks = new Map(
    there.flatMap(({ name, config }): [string, string][] => {
      const mark = config?.[drillMarkKey];
      const isMeant = mark !== undefined && (onlyDrill === undefined || markedBy(mark) === onlyDrill);
      return isMeant ? [[name, mark]] : [];
    }),
  );
  const marked = [...marks.keys()];
  // Side by side: a monitor that is started long before its primary gives that up.
  await everyOne(marked, async (name) => {
    // What another drill has marked since is let stand.
    const known = readMark(marks.get(name) ?? '');
    const did = await undoFault(incus, name, {
      ...{ deadlineMs: undoDeadlineMs, holdMs: uncertainHoldMs, known },
      warn: log.warn.bind(log),
    });
    log.warn(
      `${name} bore the mark of an interrupted drill; it was brought back (${did}) and the mark removed`,
    );
  });
  if (unread.length > 0) throw new EnvironmentError(unread.map(untold).join('; '));
  return marked;
}
