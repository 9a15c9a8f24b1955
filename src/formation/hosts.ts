import { type Formation, keeps, membersOf } from './formation.ts';

/** What the file says of the hosts of its containers: members of the Incus cluster, by name or as `@group`. Pure. */

/** Whether the file says where the container belongs. Of a monitor that is left to others it says nothing. */
export function isHostAsked(formation: Formation, name: string): boolean {
  if (name === formation.monitor.name && keeps(formation, 'monitor')) return false;
  return formation.hosts !== undefined || targetOf(formation, name) !== undefined;
}

/** The hosts on which the file wants the container; undefined where it says nothing. */
export function hostsFor<T extends { name: string; groups: readonly string[] }>(
  formation: Formation,
  name: string,
  hosts: readonly T[],
): T[] | undefined {
  const target = targetOf(formation, name);
  const asked = target === undefined ? formation.hosts : [target];
  if (asked === undefined) return undefined;
  const found = new Set(asked.flatMap((word) => matchingHosts(word, hosts)));
  return hosts.filter((host) => found.has(host));
}

/** The host of that name, or those of that `@group`. */
export const matchingHosts = <T extends { name: string; groups: readonly string[] }>(
  word: string,
  hosts: readonly T[],
): readonly T[] =>
  hosts.filter(({ name, groups }) => (word.startsWith('@') ? groups.includes(word.slice(1)) : name === word));

/** Every place in the file that names a host or a group of them, with its key. */
export function hostWords({ hosts, monitor, nodes }: Formation): { key: string; word: string }[] {
  const target = (key: string, word: string | undefined) => (word === undefined ? [] : [{ key, word }]);
  return [
    ...(hosts ?? []).map((word, index) => ({ key: `hosts[${index}]`, word })),
    ...target('monitor.target', monitor.target),
    ...nodes.flatMap((node, index) => target(`nodes[${index}].target`, node.target)),
  ];
}

const targetOf = (formation: Formation, name: string): string | undefined =>
  membersOf(formation).find((member) => member.name === name)?.target;
