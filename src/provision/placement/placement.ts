import { EnvironmentError, InputError } from '../../contract/errors.ts';
import { listCommand } from '../../formation/command-line.ts';
import { membersOf } from '../../formation/formation.ts';
import { isHostAsked } from '../../formation/hosts.ts';
import type { Instance } from '../../incus/answers.ts';
import { doesHostAnswer, type Hosts, shownMessage } from '../../incus/cluster/hosts.ts';
import { configOfProject } from '../../incus/project.ts';
import type { Context } from '../context.ts';
import { ownBridge } from './own-bridge.ts';
import { type HostPlan, type PlaceHost, place } from './place.ts';

/** Where Incus is no cluster there is nothing to say. */
const nowhere: HostPlan = { launches: new Map(), moves: [], errors: [] };

/**
 * Where the formation's containers belong. A single server is asked for it only where a container is to be made, or where
 * the file names hosts.
 * @throws InputError where the file names what is not there, what takes no containers, or what the project may not choose
 */
export async function planHosts(ctx: Context, instances: ReadonlyMap<string, Instance>): Promise<HostPlan> {
  const { formation, incus, signal, steps } = ctx;
  const members = membersOf(formation);
  const asked = members.filter(({ name }) => isHostAsked(formation, name));
  const there = members.flatMap(({ name }) => instances.get(name) ?? []);
  if (asked.length === 0 && there.length === members.length) return nowhere;
  const isCertainlySingle = there.length > 0 && there.every(({ location }) => location === undefined);
  const hosts = isCertainlySingle ? undefined : await incus.hosts(signal);
  if (hosts === undefined) {
    if (asked.length === 0) return nowhere;
    throw new InputError([
      `${formation.hosts === undefined ? 'target' : 'hosts'}: this Incus is a single server, which has no members to choose from; leave it out, or name the remote of a cluster (incus.remote)`,
    ]);
  }
  const locations = new Map(
    there.flatMap(({ name, location }) => (location === undefined ? [] : [[name, location] as const])),
  );
  const plan = place(formation, placeHosts(hosts), locations);
  if (plan.errors.length > 0)
    throw new InputError([...plan.errors, `\`${listCommand(formation, 'cluster')}\` shows the hosts`]);
  if (plan.launches.size === 0 && plan.moves.length === 0) return plan;
  const taken = new Set([...plan.launches.values(), ...plan.moves.flatMap(({ from, to }) => [from, to])]);
  const [refusal] = await Promise.all([targetRefusal(ctx), refuseSilent(ctx, [...taken])]);
  const bridge = await ownBridge(ctx, [...new Set([...locations.values(), ...taken])]);
  if (bridge !== undefined)
    throw new InputError([
      `${formation.incus.network === undefined ? 'incus.profiles' : 'incus.network'}: the network ${bridge} is a managed bridge, which each host of the cluster has by itself, so that the containers would not reach each other; name a network that all hosts share (docs/hosts.md says which there are), or one host (hosts)`,
    ]);
  if (refusal === undefined) return plan;
  if (asked.length > 0) throw new InputError([refusal]);
  steps.warn(`Incus chooses the hosts of new containers: ${refusal}`);
  return nowhere;
}

const placeHosts = (hosts: Hosts): PlaceHost[] =>
  Object.entries(hosts).map(([name, { scheduler, ...host }]) => ({
    ...{ ...host, name, message: shownMessage(host) },
    isScheduled: scheduler !== 'manual' && scheduler !== 'group',
  }));

const answerDeadlineMs = 4000;

/** @throws EnvironmentError where one of them does not answer: what is asked of it would be waited for in vain */
async function refuseSilent({ incus, signal, formation }: Context, hosts: readonly string[]): Promise<void> {
  const answers = await Promise.all(
    hosts.map(async (host) => ((await doesHostAnswer(incus, host, answerDeadlineMs, signal)) ? [] : [host])),
  );
  const silent = answers.flat();
  if (silent.length > 0)
    throw new EnvironmentError(
      `${silent.join(', ')} ${silent.length === 1 ? 'does' : 'do'} not answer, and containers are to be made there or moved; nothing was touched: bring that host back, or name others (hosts, target); \`${listCommand(formation, 'cluster')}\` shows them`,
    );
}

/** Why the project's containers cannot be given a host; undefined where they can (restricted.cluster.target of Incus' projects). */
async function targetRefusal({ formation, incus, signal }: Context): Promise<string | undefined> {
  const { project } = formation.incus;
  const config = await configOfProject(incus, signal);
  if (config['restricted'] !== 'true' || config['restricted.cluster.target'] === 'allow') return undefined;
  return `the project ${project} is restricted, and does not let its users choose a host; its administrator can permit that: incus project set ${project} restricted.cluster.target=allow`;
}
