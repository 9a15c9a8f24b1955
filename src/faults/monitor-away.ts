import { EnvironmentError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import { type ContainerLock, lockInContainer } from '../incus/container-lock.ts';
import type { Incus } from '../incus/incus.ts';
import { drillMarkKey } from '../incus/labels.ts';
import { uncertainHoldMs, undoDeadlineMs, undoFault } from './undo.ts';

/**
 * The formation's lock lives on the monitor. Whoever stops that holds another one meanwhile, in the container of
 * the first data node, so that the next to come can tell a drill that runs from one that was killed.
 * @throws EnvironmentError when somebody holds it
 */
export async function lockWithoutMonitor(
  formation: Formation,
  incus: Incus,
  signal?: AbortSignal,
): Promise<ContainerLock> {
  const [, first] = membersOf(formation);
  const lock = await lockInContainer(incus, first?.name ?? '', `drill-${formation.name}`, signal);
  if (lock) return lock;
  throw new EnvironmentError(
    `another drill on formation ${formation.name} has stopped the monitor and is at work; wait for it to end and start this one again`,
  );
}

/** Brings back a monitor that bears the mark of a killed drill. @throws EnvironmentError when that drill is alive */
export async function startMonitorAgain(
  formation: Formation,
  incus: Incus,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const [monitor] = membersOf(formation);
  const instance = await incus.instance(monitor.name, signal);
  // One that runs may be about to be stopped, or was started again just now.
  if (instance?.config[drillMarkKey] === undefined) return;
  const lock = await lockWithoutMonitor(formation, incus, signal);
  try {
    const did = await undoFault(incus, monitor.name, { deadlineMs: undoDeadlineMs, holdMs: uncertainHoldMs });
    log.warn(
      `${monitor.name} bore the mark of an interrupted drill; it was brought back (${did}) and the mark removed`,
    );
  } finally {
    lock.release();
  }
}
