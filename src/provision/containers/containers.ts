import { uncertainHoldMs, undoDeadlineMs, undoFault } from '../../faults/undo.ts';
import { containerTarget, listCommand } from '../../formation/command-line.ts';
import { type Formation, keeps, type Member } from '../../formation/formation.ts';
import type { Instance } from '../../incus/answers.ts';
import { destroyKey, drillMarkKey, formationKey } from '../../incus/labels.ts';
import type { MemberContainer } from '../member-container.ts';
import { launch } from './launch.ts';
import { ensureLimits } from './limits.ts';
import { waitForNetwork } from './network.ts';

/**
 * The errors of containers that have a member's name and are not this formation's, or may be another's: nothing of
 * another's is touched. A monitor may serve several formations.
 */
export function foreignErrors(
  formation: Formation,
  members: readonly Member[],
  instances: ReadonlyMap<string, Instance>,
): string[] {
  return members.flatMap(({ name, role }) => {
    const instance = instances.get(name);
    if (role === 'monitor' && keeps(formation, 'monitor')) return keptMonitorFaults(name, instance);
    if (instance === undefined) return [];
    if (instance.config === undefined)
      return [
        `${role === 'monitor' ? 'monitor' : 'nodes'}: ${name} cannot be asked: ${instance.unheard}. Nothing was touched: bring that host back, or take it out of the cluster where it is lost for good (${listCommand(formation, 'cluster')} shows the hosts), and run this again`,
      ];
    const owner = instance.config[formationKey];
    if (owner === formation.name || (owner !== undefined && role === 'monitor')) return [];
    const found = owner === undefined ? 'was not made by pgha' : `belongs to formation ${owner}`;
    return [
      `${role === 'monitor' ? 'monitor' : 'nodes'}: the container ${name} exists and ${found}; choose another name, or hand it over: incus config set ${containerTarget(formation, name)} ${formationKey}=${formation.name}`,
    ];
  });
}

/** What there is to say of a container that does not run, to follow its name. */
const stateIn = ({ status, unheard }: Instance): string =>
  unheard === undefined ? `is ${status}` : `cannot be asked (${unheard})`;

/** One that is left as it is must be there, and run. */
function keptMonitorFaults(name: string, instance: Instance | undefined): string[] {
  if (instance?.status === 'Running') return [];
  const what = instance === undefined ? 'does not exist' : stateIn(instance);
  return [
    `monitor: the container ${name} ${what}, and keep: monitor leaves it to others; bring it back, and run this again`,
  ];
}

/**
 * Starts a container that is stopped, or lets a frozen one go on. One that runs by now is left alone.
 * @param mayNotGoOn why a frozen one is started anew instead, to follow "it is frozen, and"
 */
export async function ensureStarted(
  container: MemberContainer,
  { status }: Instance,
  mayNotGoOn: string | undefined,
): Promise<void> {
  if (status === 'Running') return;
  const { incus, name, signal } = container;
  const frozen = status === 'Frozen';
  const thaw =
    mayNotGoOn === undefined ? 'resume (it is frozen)' : `start anew (it is frozen, and ${mayNotGoOn})`;
  await container.take(frozen ? thaw : `start (it is ${status})`, async () => {
    if (frozen && mayNotGoOn === undefined) await incus.resume(name, signal);
    else {
      if (frozen) await incus.forceStop(name, signal);
      await incus.start(name, signal);
    }
    await waitForNetwork(container);
  });
}

/**
 * Launches what is missing, sets limits, undoes what a drill that was killed has left and removes its mark.
 * @param source what a missing container is launched from: the formation's base image, or its image; and the host, where it is
 *   chosen
 */
export async function ensureContainer(
  container: MemberContainer,
  instance: Instance | undefined,
  { image, target }: { image: string; target: string | undefined },
): Promise<void> {
  const { formation, incus, name, signal } = container;
  if (instance === undefined) {
    const base = image === formation.image ? '' : ` (base image ${image})`;
    const where = target === undefined ? '' : ` on ${target}`;
    await container.take(`launch from ${formation.image}${base}${where}`, async () => {
      await launch(container, { image, target });
      await waitForNetwork(container);
    });
    return;
  }
  await ensureLimits(container, instance);
  if (instance.config?.[destroyKey] !== undefined)
    await container.take('remove the mark of a deletion that was interrupted', () =>
      incus.removeLabel(name, destroyKey, signal),
    );
  if (instance.config?.[drillMarkKey] !== undefined) {
    await container.take('remove the mark of an interrupted drill, and what it left', async () => {
      await undoFault(incus, name, { deadlineMs: undoDeadlineMs, holdMs: uncertainHoldMs });
      await waitForNetwork(container);
    });
  }
}
