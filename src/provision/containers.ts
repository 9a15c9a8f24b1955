import { retryUntil } from '../clock/deadline.ts';
import { CommandError, EnvironmentError, InputError, messageOf } from '../contract/errors.ts';
import { uncertainHoldMs, undoDeadlineMs, undoFault } from '../faults/undo.ts';
import type { Formation, Limits, Member } from '../formation/formation.ts';
import type { Incus, Instance } from '../incus/incus.ts';
import { drillMarkKey, formationKey } from '../incus/labels.ts';
import type { Steps } from './steps.ts';

/** Waits, ten seconds at most, for an address, and its own name, $1, resolved: only then do HBA rules and connections by name work. */
const networkReady = `
for _ in $(seq 100); do
  ip -o addr show scope global | grep -q inet && getent hosts "$1" > /dev/null && exit 0
  sleep 0.1
done
exit 1
`;

/**
 * The faults of containers that have a member's name and are not this formation's: nothing of another's is
 * touched. A monitor may serve several formations.
 */
export function foreignFaults(
  formation: Formation,
  members: readonly Member[],
  instances: ReadonlyMap<string, Instance>,
): string[] {
  return members.flatMap(({ name, role }) => {
    const instance = instances.get(name);
    if (instance === undefined) return [];
    const owner = instance.config[formationKey];
    if (owner === formation.name || (owner !== undefined && role === 'monitor')) return [];
    const found = owner === undefined ? 'was not made by pgha' : `belongs to formation ${owner}`;
    return [
      `${role === 'monitor' ? 'monitor' : 'nodes'}: the container ${name} exists and ${found}; choose another name, or hand it over: incus config set ${name} ${formationKey}=${formation.name}`,
    ];
  });
}

/**
 * Launches what is missing, starts what is stopped or frozen, sets limits, undoes what a drill that was killed
 * has left and removes its mark.
 * @param image what a missing container is launched from: the formation's base image, or its image
 */
export async function ensureRunning(
  incus: Incus,
  formation: Formation,
  member: Member,
  instance: Instance | undefined,
  image: string,
  steps: Steps,
  signal?: AbortSignal,
): Promise<void> {
  const { name } = member;
  if (instance === undefined) {
    const base = image === formation.image ? '' : ` (base image ${image})`;
    await steps.take(name, `launch from ${formation.image}${base}`, async () => {
      await launch(incus, formation, member, image, signal);
      await waitForNetwork(incus, member, signal);
    });
    return;
  }
  await ensureLimits(incus, name, member.limits, instance, steps, signal);
  if (instance.status !== 'Running') {
    const frozen = instance.status === 'Frozen';
    await steps.take(
      name,
      frozen ? 'resume (it is frozen)' : `start (it is ${instance.status})`,
      async () => {
        await (frozen ? incus.resume(name, signal) : incus.start(name, signal));
        await waitForNetwork(incus, member, signal);
      },
    );
  }
  if (instance.config[drillMarkKey] !== undefined) {
    await steps.take(name, 'remove the mark of an interrupted drill, and what it left', async () => {
      await undoFault(incus, name, { deadlineMs: undoDeadlineMs, holdMs: uncertainHoldMs });
      await waitForNetwork(incus, member, signal);
    });
  }
}

/**
 * An instance once Incus has ended what it does with it: the creation that a killed run began, or a deletion, goes on
 * without its client.
 * @throws DeadlineError when it does not end
 */
export async function settledInstance(
  incus: Incus,
  name: string,
  signal?: AbortSignal,
): Promise<Instance | undefined> {
  const { instance } = await retryUntil(
    `Incus to end what it does with ${name}`,
    { deadlineMs: 300_000, pauseMs: 300, signal },
    async (inner) =>
      (await incus.isBusy(name, inner)) ? undefined : { instance: await incus.instance(name, inner) },
  );
  return instance;
}

/** Incus' configuration keys for a container's limits. */
function limitsConfig({ cpu, memory }: Limits): Record<string, string> {
  return {
    ...(cpu !== undefined && { 'limits.cpu': String(cpu) }),
    ...(memory !== undefined && { 'limits.memory': memory }),
  };
}

/** Limits that the file does not name are left as they are. */
async function ensureLimits(
  incus: Incus,
  name: string,
  limits: Limits,
  instance: Instance,
  steps: Steps,
  signal?: AbortSignal,
): Promise<void> {
  for (const [key, value] of Object.entries(limitsConfig(limits))) {
    if (instance.config[key] === value) continue;
    await steps.take(name, `set ${key} to ${value}`, () => incus.setConfig(name, key, value, signal));
  }
  const { disk } = limits;
  const root = instance.devices['root'];
  if (disk === undefined || root?.['size'] === disk) return;
  await steps.take(name, `set the size of its disk to ${disk}`, () =>
    incus.setRootSize(name, disk, root !== undefined, signal),
  );
}

async function launch(
  incus: Incus,
  formation: Formation,
  { name, limits, target }: Member,
  image: string,
  signal?: AbortSignal,
): Promise<void> {
  const { profiles, network } = formation.incus;
  const config = { [formationKey]: formation.name, ...limitsConfig(limits) };
  try {
    await incus.launch(name, image, { profiles, network, target, config, rootSize: limits.disk }, signal);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw explainLaunch(error, formation, name);
  }
}

/** The key of the formation file that a failed launch is about, and what to do. */
function explainLaunch(error: CommandError, formation: Formation, name: string): Error {
  const { stderr } = error;
  const said = messageOf(error);
  if (/already exists|instance is busy/i.test(stderr)) {
    return new EnvironmentError(
      `another run has launched ${name} meanwhile; let it finish, and start this one again (${said})`,
    );
  }
  const known: [RegExp, string, string][] = [
    [
      /image.*not found|couldn't find.*image|Failed getting image|requested image/i,
      `image: ${formation.image} cannot be had`,
      'image list',
    ],
    [/profile.*not found/i, 'incus.profiles', 'profile list'],
    [/network.*not found/i, `incus.network: ${formation.incus.network} cannot be had`, 'network list'],
    [/cluster member|--target|target.*cluster/i, `target of ${name}`, 'cluster list'],
  ];
  const fault = known.find(([pattern]) => pattern.test(stderr));
  return fault ? new InputError([`${fault[1]}: ${said}; \`incus ${fault[2]}\` shows what is there`]) : error;
}

/** @throws EnvironmentError when the container has no address or its name does not resolve within a minute */
export async function waitForNetwork(
  incus: Incus,
  { name, host }: Member,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await retryUntil(
      `${name} to have an address and to resolve ${host}`,
      { deadlineMs: 60_000, pauseMs: 100, signal },
      async (inner) => {
        await incus.exec(name, ['sh', '-c', networkReady, 'sh', host], { deadlineMs: 30_000, signal: inner });
        return true;
      },
    );
  } catch (error) {
    signal?.throwIfAborted();
    throw new EnvironmentError(
      `${messageOf(error)}; the network of the container's profile must give addresses and DNS (incus.domain names its domain)`,
    );
  }
}
