import { EnvironmentError, InputError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { lockWithoutMonitor } from '../faults/monitor-away.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import { lockInContainer } from '../incus/container-lock.ts';
import type { Incus } from '../incus/incus.ts';
import { drillMarkKey, formationKey } from '../incus/labels.ts';
import { lockFormation } from '../monitor/lock.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import type { Session } from '../postgres/session.ts';
import { foreignFaults } from './containers.ts';
import { type Change, Steps } from './steps.ts';

/**
 * Deletes a formation's containers with all their data: those of the file, and those that bear its label.
 * @param confirmed the formation's name, typed by a person
 * @throws InputError when it is not confirmed, or a container is not the formation's; EnvironmentError while a
 *   drill or a provisioning run is at work on it
 */
export async function destroy(
  formation: Formation,
  incus: Incus,
  { confirmed, log, signal }: { confirmed: string; log: Log; signal: AbortSignal },
): Promise<Change[]> {
  if (confirmed !== formation.name) {
    throw new InputError([
      `input confirm: mode destroy deletes every container of the formation with its data; type the formation's name, ${formation.name}, to confirm it (found ${confirmed === '' ? 'nothing' : 'something else'})`,
    ]);
  }
  const instances = await incus.instances(signal);
  const members = membersOf(formation);
  const faults = foreignFaults(formation, members, instances);
  if (faults.length > 0) throw new InputError(faults);
  const [monitor, ...dataNodes] = members;
  const labelled = [...instances.values()]
    .filter(({ config, name }) => config[formationKey] === formation.name && name !== monitor.name)
    .map(({ name }) => name);
  const doomed = new Set([
    ...dataNodes.map(({ name }) => name).filter((name) => instances.has(name)),
    ...labelled,
  ]);

  let session: Session | undefined;
  const found = instances.get(monitor.name);
  const lock =
    found?.status === 'Running' ? await lockInContainer(incus, monitor.name, formation.name) : 'none';
  // A drill that has stopped the monitor holds its lock elsewhere.
  const isDrilled = lock === 'none' && found?.config[drillMarkKey] !== undefined;
  const withoutMonitor =
    isDrilled && instances.get(dataNodes[0]?.name ?? '')?.status === 'Running'
      ? await lockWithoutMonitor(formation, incus, signal)
      : undefined;
  try {
    if (lock === undefined) {
      throw new EnvironmentError(
        `a provisioning run is at work on formation ${formation.name}; wait for it to end and start this one again`,
      );
    }
    session = await openMemberSession(incus, formation, monitor, { signal }).catch(() => undefined);
    signal.throwIfAborted();
    if (session) await lockFormation(session, formation.name);
    const others = session ? await otherFormations(session, formation.name) : [];
    if (found) {
      const owner = found.config[formationKey];
      if (session === undefined && owner !== formation.name)
        log.warn(
          `${monitor.name} belongs to formation ${owner} and does not answer: it stays, and so does what it knows of this one`,
        );
      else if (others.length > 0)
        log.warn(
          `${monitor.name} serves ${others.join(', ')} as well: it stays, and so does what it knows of this one`,
        );
      else doomed.add(monitor.name);
    }
    const steps = new Steps(log, 'apply');
    await Promise.all(
      [...doomed].map((name) => steps.take(name, 'delete the container', () => incus.delete(name, signal))),
    );
    return steps.changes;
  } finally {
    session?.close();
    if (typeof lock === 'object') lock.release();
    withoutMonitor?.release();
  }
}

/** Other formations with nodes on the same monitor. */
async function otherFormations(session: Session, formation: string): Promise<string[]> {
  const rows = await session.query(
    'SELECT DISTINCT formationid AS name FROM pgautofailover.node WHERE formationid <> $1 ORDER BY 1',
    [formation],
  );
  return rows.map((row) => String(row['name']));
}
