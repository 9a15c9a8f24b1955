import { type Formation, type Member, membersOf } from '../../formation/formation.ts';
import { hostsFor, hostWords, isHostAsked, matchingHosts } from '../../formation/hosts.ts';

/**
 * Which host each container of a formation belongs on: a member of the Incus cluster. Pure.
 *
 * A node's `target`, else the formation's `hosts`, else all hosts say where it may be. Among those data nodes keep away from
 * each other, and the monitor from them: then the loss of one host leaves a node that takes over, and a monitor that has it
 * do so. A container that is where it may be stays there.
 */

/** A host, as far as placing needs it. */
export interface PlaceHost {
  name: string;
  /** `Online`, `Offline`, `Evacuated`, `Blocked`. */
  status: string;
  /** Why it has that status, in Incus' words. */
  message: string;
  groups: readonly string[];
  failureDomain: string;
  /** Whether Incus may choose it by itself (its `scheduler.instance` is neither `manual` nor `group`). */
  isScheduled: boolean;
}

export interface HostPlan {
  /** The host of each container that is not there yet, by name. */
  launches: ReadonlyMap<string, string>;
  /** Containers on a host on which the file does not want them. */
  moves: readonly Move[];
  /** What of the file cannot be, each with its key. */
  errors: readonly string[];
}

export interface Move {
  name: string;
  from: string;
  to: string;
}

/**
 * @param hosts all of the cluster
 * @param locations the host of each container that is there, by name; containers without an entry are yet to be made
 */
export function place(
  formation: Formation,
  hosts: readonly PlaceHost[],
  locations: ReadonlyMap<string, string>,
): HostPlan {
  const errors = nameErrors(formation, hosts);
  if (errors.length > 0) return { launches: new Map(), moves: [], errors };
  const members = membersOf(formation);
  const allowed = new Map(
    members.map((member) => [
      member.name,
      hostsFor(formation, member.name, hosts) ?? hosts.filter(({ isScheduled }) => isScheduled),
    ]),
  );
  const isStaying = ({ name }: Member) => {
    const at = locations.get(name);
    // Where nothing is said, wherever it is will do.
    if (at === undefined) return false;
    return !isHostAsked(formation, name) || (allowed.get(name) ?? []).some((host) => host.name === at);
  };
  const at = (name: string) => hosts.find((host) => host.name === locations.get(name));
  const placed = new Map<string, PlaceHost>();
  for (const { name } of members.filter(isStaying))
    placed.set(name, at(name) ?? lostHost(locations.get(name)));
  // Those with the least choice first; the monitor takes what the data nodes leave.
  const choices = ({ name }: Member) => usable(allowed.get(name) ?? []).length;
  const order = members
    .filter((member) => !isStaying(member))
    .sort((a, b) => choices(a) - choices(b) || Number(a.role === 'monitor') - Number(b.role === 'monitor'));
  for (const member of order) {
    const may = allowed.get(member.name) ?? [];
    const best = leastLoaded(usable(may), member, members, placed);
    if (best === undefined) errors.push(noHost(formation, member, may));
    else placed.set(member.name, best);
  }
  const launches = new Map(
    [...placed].flatMap(([name, host]) => (locations.has(name) ? [] : [[name, host.name] as const])),
  );
  const moves = [...placed].flatMap(([name, { name: to }]) => {
    const from = locations.get(name);
    return from === undefined || from === to ? [] : [{ name, from, to }];
  });
  return { launches, moves, errors };
}

/** Of a container that is on a host which the cluster does not list any more. */
const lostHost = (name = ''): PlaceHost => ({
  ...{ name, status: 'Unknown', message: 'not a member', groups: [], failureDomain: '', isScheduled: false },
});

function nameErrors(formation: Formation, hosts: readonly PlaceHost[]): string[] {
  const groups = [...new Set(hosts.flatMap((host) => host.groups))].sort();
  return hostWords(formation).flatMap(({ key, word }) => {
    if (matchingHosts(word, hosts).length > 0) return [];
    return word.startsWith('@')
      ? [`${key}: no host is in a group ${word.slice(1)}; there are the groups ${groups.join(', ')}`]
      : [`${key}: the cluster has no member ${word}; it has ${hosts.map(({ name }) => name).join(', ')}`];
  });
}

const usable = (hosts: readonly PlaceHost[]) => hosts.filter(({ status }) => status === 'Online');

/**
 * The host that has the fewest data nodes of the formation, then one whose failure domain has the fewest, then the one with
 * the fewest of its containers; of equals the first.
 */
function leastLoaded(
  hosts: readonly PlaceHost[],
  member: Member,
  members: readonly Member[],
  placed: ReadonlyMap<string, PlaceHost>,
): PlaceHost | undefined {
  const others = members.filter(({ name }) => name !== member.name);
  const data = others.filter(({ role }) => role === 'data');
  const count = (of: readonly Member[], isThere: (host: PlaceHost | undefined) => boolean) =>
    of.filter(({ name }) => isThere(placed.get(name))).length;
  const load = (host: PlaceHost): number => {
    const onHost = (other: PlaceHost | undefined) => other?.name === host.name;
    const inDomain = (other: PlaceHost | undefined) => other?.failureDomain === host.failureDomain;
    const most = members.length;
    return (count(data, onHost) * most + count(data, inDomain)) * most + count(others, onHost);
  };
  return [...hosts].sort((a, b) => load(a) - load(b))[0];
}

function noHost(formation: Formation, member: Member, may: readonly PlaceHost[]): string {
  const { name, role, target } = member;
  const index = formation.nodes.findIndex((node) => node.name === name);
  const key = role === 'monitor' ? 'monitor' : `nodes[${index}]`;
  const where = target === undefined ? (formation.hosts === undefined ? key : 'hosts') : `${key}.target`;
  const why = may.map((host) => `${host.name} is ${host.status.toLowerCase()} (${host.message})`).join(', ');
  return `${where}: no host that ${name} may be on takes containers: ${why || 'Incus may choose none by itself (scheduler.instance)'}; bring one back, or name others`;
}
