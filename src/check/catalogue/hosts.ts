import type { Formation } from '../../formation/formation.ts';
import { hostsFor, isHostAsked } from '../../formation/hosts.ts';
import { settledPrimary } from '../../monitor/nodes.ts';
import type { Check, Problem } from '../check.ts';
import type { Observation, ObservedHost } from '../observation.ts';
import { Remedies } from '../remedies/remedies.ts';
import { answeringNodes, lifeSign, monitorNodes } from './from-observation.ts';

/** The hosts that the containers are on: members of an Incus cluster. */

/** What the loss of a host amounts to, to follow "m2 takes". Undefined where the formation gets over it. */
export function lossOf(
  taken: readonly string[],
  observation: Observation,
  formation: Formation,
): string | undefined {
  const nodes = formation.nodes.map(({ name }) => name);
  const left = nodes.filter((name) => !taken.includes(name));
  const takesMonitor = taken.includes(formation.monitor.name);
  if (left.length === 0)
    return `${takesMonitor ? 'the monitor and ' : ''}every data node with it: nobody takes writes, and nobody takes over`;
  const primary = primaryOf(observation, nodes);
  if (primary === undefined) return undefined;
  if (taken.includes(primary)) {
    if (takesMonitor) return `the primary, ${primary}, and the monitor with it: no failover`;
    if (!left.some((name) => mayTakeOver(observation, formation, name)))
      return `the primary, ${primary}, and every node that may take over with it: no failover`;
    // An election among several standbys needs number_sync_standbys + 1 of them (group_state_machine.c).
    return nodes.length > 2 && left.length <= neededOf(observation)
      ? `the primary, ${primary}, and more standbys with it than an election can do without (number_sync_standbys ${neededOf(observation)}): no failover`
      : undefined;
  }
  // in_network_partition of service_keeper.c: a primary that has lost the monitor and every standby stops itself.
  if (takesMonitor && left.length === 1)
    return `the monitor and every standby with it: ${primary}, cut off from them all, stops taking writes`;
  const needed = neededOf(observation);
  return left.length - 1 < needed
    ? `more standbys with it than commits can do without (number_sync_standbys ${needed}): they wait`
    : undefined;
}

const neededOf = ({ monitor }: Observation): number => (monitor.ok ? monitor.value.numberSyncStandbys : 0);

/** As the monitor has it; where it does not answer, the one that takes writes, or the only one that is not a standby. */
function primaryOf(observation: Observation, nodes: readonly string[]): string | undefined {
  const settled = settledPrimary(monitorNodes(observation) ?? [])?.name;
  if (settled !== undefined) return settled;
  const answering = answeringNodes(observation);
  const writable = answering.find(([, node]) => !node.inRecovery)?.[0];
  const unread = nodes.filter((name) => !answering.some(([each]) => each === name));
  return writable ?? (unread.length === 1 ? unread[0] : undefined);
}

function mayTakeOver(observation: Observation, { nodes }: Formation, name: string): boolean {
  const row = monitorNodes(observation)?.find((node) => node.name === name);
  const asked = nodes.find((node) => node.name === name);
  return (row?.candidatePriority ?? asked?.candidatePriority ?? 1) > 0;
}

/** The formation's members by host, as far as those are known. */
function membersByHost({ instances }: Observation): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, { location }] of Object.entries(instances))
    if (location !== undefined) found.set(location, [...(found.get(location) ?? []), name]);
  return found;
}

export const hostsOnline: Check = {
  id: 'hosts-online',
  meaning:
    'the host of every container answers, and lets containers start: in a cluster each is on a member of it',
  severity: 'error',
  problems(observation, formation, asked) {
    const { instances, hosts } = observation;
    const remedies = new Remedies(formation, asked);
    // What follows of a host's loss is said once a host.
    const told = new Set<string>();
    const problems = Object.entries(instances).flatMap(([subject, { unheard, location }]): Problem[] => {
      const host = location === undefined || !hosts?.ok ? undefined : hosts.value[location];
      const found = () => {
        if (unheard !== undefined)
          return silent(observation, formation, { name: subject, unheard, told }, remedies);
        if (location === undefined) return undefined;
        if (isStarting(observation, subject)) return starting(location, remedies);
        return host && host.status !== 'Online' ? shown(location, host, remedies) : undefined;
      };
      const problem = found();
      return problem === undefined ? [] : [{ subject, ...problem }];
    });
    // An evacuated host looks like any other where nobody tells of it.
    return problems.length === 0 && hosts !== undefined && !hosts.ok ? undefined : problems;
  },
};

/** A member on a host that does not answer. */
function silent(
  observation: Observation,
  formation: Formation,
  { name, unheard, told }: { name: string; unheard: string; told: Set<string> },
  remedies: Remedies,
): Omit<Problem, 'subject'> {
  const location = observation.instances[name]?.location;
  const host = location ?? 'its host';
  const alive = lifeSign(observation, formation, name);
  const taken = location === undefined ? [] : (membersByHost(observation).get(location) ?? []);
  const loss = told.has(host) ? undefined : lossOf(taken, observation, formation);
  if (loss !== undefined) told.add(host);
  // A sign of life is some seconds old: where the host has just been lost, this is what comes of it.
  const follows =
    loss && (alive === undefined ? `${host} takes ${loss}` : `if ${host} is lost, it takes ${loss}`);
  return {
    evidence: [unheard, alive, follows].filter(Boolean).join('; '),
    remedy: {
      say:
        alive === undefined
          ? `bring ${host} back (power, network, incusd); where it is lost for good, take it out of the cluster, and have provision-pgaf make what was on it anew. This shows the hosts`
          : `check again in half a minute: if it is heard of still, it lives, and Incus on ${host} alone does not answer: start incusd there, or mend the network to it. This shows the hosts`,
      look: remedies.hosts(),
    },
    ...(alive !== undefined && { severity: 'warning' as const }),
  };
}

/** What an Incus that is starting says (`Server isn't ready yet`, of Incus 6.0; `Daemon setup in progress` of its daemon.go). */
const notReady = /server isn't ready yet|daemon setup in progress/i;

function isStarting({ containers, monitor, nodes }: Observation, name: string): boolean {
  const reads = [containers[name], nodes[name] ?? monitor];
  return reads.some((read) => read !== undefined && !read.ok && notReady.test(read.failed));
}

const starting = (location: string, remedies: Remedies): Omit<Problem, 'subject'> => ({
  evidence: `Incus on its host ${location} is starting, and is not ready yet`,
  remedy: {
    say: 'check again in half a minute: it starts its containers first. This shows the hosts',
    look: remedies.hosts(),
  },
});

/** A host that answers, and is not in order. */
function shown(location: string, host: ObservedHost, remedies: Remedies): Omit<Problem, 'subject'> {
  if (host.status === 'Evacuated')
    return {
      evidence: `its host ${location} is evacuated: it runs, and once it stops it cannot be started there`,
      remedy: {
        say: `once the work on ${location} is done, have the cluster use it again: \`${remedies.restoreHost(location)}\`. This shows the hosts`,
        look: remedies.hosts(),
      },
    };
  return {
    evidence: `its host ${location} counts as ${host.status.toLowerCase()} (${host.message})`,
    remedy: { say: `see why the others do not hear from ${location}`, look: remedies.hosts() },
    severity: 'warning',
  };
}

export const failureDomains: Check = {
  id: 'failure-domains',
  meaning: 'the loss of one host leaves a node that takes over, and a monitor that has it do so',
  severity: 'warning',
  unasked({ instances, hosts }) {
    const there = Object.values(instances).filter(({ status }) => status !== 'missing');
    if (there.length > 0 && there.every(({ location }) => location === undefined))
      return 'Incus is no cluster';
    return hosts?.ok && Object.keys(hosts.value).length === 1 ? 'the cluster has one host' : undefined;
  },
  problems(observation, formation, asked) {
    if (this.unasked?.(observation, asked) !== undefined) return [];
    const remedies = new Remedies(formation, asked);
    const problems = [...membersByHost(observation)].flatMap(([host, taken]): Problem[] => {
      // What has come of a loss is told by hosts-online.
      if (taken.some((name) => observation.instances[name]?.unheard !== undefined)) return [];
      const loss = lossOf(taken, observation, formation);
      if (loss === undefined) return [];
      return [
        {
          subject: formation.name,
          evidence: `${host} takes ${loss}`,
          remedy: {
            say: `keep data nodes on different hosts, and the monitor on one of its own where there are three (hosts and target in the formation file say where they belong, and provision-pgaf moves them). This shows the hosts`,
            look: remedies.hosts(),
          },
        },
      ];
    });
    const isUnplaced = Object.values(observation.instances).some(
      ({ status, location }) => status !== 'missing' && location === undefined,
    );
    return problems.length === 0 && isUnplaced ? undefined : problems;
  },
};

export const placementMatchesFile: Check = {
  id: 'placement-matches-file',
  meaning: 'every container is on a host on which the file wants it (`hosts`, `target`)',
  severity: 'warning',
  problems(observation, formation, asked) {
    const { hosts, instances } = observation;
    const named = Object.keys(instances).filter((name) => isHostAsked(formation, name));
    if (named.every((name) => instances[name]?.status === 'missing')) return [];
    if (!hosts?.ok) return undefined;
    const all = Object.entries(hosts.value).map(([name, { groups = [] }]) => ({ name, groups }));
    const remedies = new Remedies(formation, asked);
    return named.flatMap((name): Problem[] => {
      const location = instances[name]?.location;
      const wanted = (hostsFor(formation, name, all) ?? []).map((host) => host.name);
      if (location === undefined || wanted.includes(location)) return [];
      const where = wanted.join(', ') || 'one that the cluster does not have';
      return [
        {
          subject: name,
          evidence: `it is on ${location}, and the file wants it on ${where}`,
          remedy: remedies.provision(
            'have provision-pgaf move it, a primary once another node has taken over (mode: plan says how); where it is to stay, change hosts or target in the file',
          ),
        },
      ];
    });
  },
};
