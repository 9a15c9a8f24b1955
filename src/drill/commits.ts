import type { Observation } from '../check/observation.ts';
import { type Formation, isAsynchronous } from '../formation/formation.ts';

/**
 * Whether the application's commits wait for no standby: by the formation's policy, or by a default that somebody made
 * for its role or database, which its sessions take over. Pure.
 */
export function waitsForNobody({ nodes }: Pick<Observation, 'nodes'>, formation: Formation): boolean {
  const { user, database } = formation.postgres;
  const concerns = (override: string) => {
    const [, role = '', where = database, value = ''] = /^(.*?)(?: in (.*))?: ([^:]*)$/.exec(override) ?? [];
    const isOff = ['off', 'local', 'false', 'no', '0'].includes(value.trim().toLowerCase());
    return isOff && [user, 'every role'].includes(role) && where === database;
  };
  return (
    isAsynchronous(formation) ||
    Object.values(nodes).some((read) => read.ok && read.value.commitOverrides.some(concerns))
  );
}
