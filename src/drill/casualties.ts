import { lossOf } from '../check/catalogue/hosts.ts';
import type { Observation } from '../check/observation.ts';
import { EnvironmentError, InputError } from '../contract/errors.ts';
import type { Expected, Fault, Scene, Targets } from '../faults/fault.ts';
import { type Member, membersOf } from '../formation/formation.ts';

/** Whom a fault hits, and what should come of it. */
export interface Casualties {
  targets: Targets;
  /** The host that is lost, where one is. */
  host?: string;
  expected: Expected;
  /** Why, where it follows from where the containers are. */
  because?: string;
}

/** Words of the input `host`; any other is the name of a host. */
export const hostsByRole = ['primary', 'standby', 'monitor'] as const;

/**
 * Pure.
 * @param lost the input `host`
 * @throws InputError where there is no such host, or nothing of the formation is on it; EnvironmentError where the loss of
 *   that host cannot be shown
 */
export function casualtiesOf(
  fault: Pick<Fault, 'hits' | 'expected'>,
  scene: Scene,
  observation: Observation,
  lost: string,
): Casualties {
  const { primary, standbys, monitor } = scene;
  const { hits, expected } = fault;
  if (hits !== 'host') {
    const targets: Record<typeof hits, Targets> = {
      primary: [primary],
      // The first standby of the file, where there are several.
      standby: [standbys[0] as Member],
      monitor: [monitor],
      'primary-and-monitor': [primary, monitor],
      'primary-and-standbys': [primary, ...standbys],
    };
    return { targets: targets[hits], expected: expected === 'by-placement' ? 'either' : expected };
  }
  const host = hostOf(lost, scene, observation);
  // The primary first, which the fault is about where it is there.
  const members = [primary, monitor, ...standbys];
  const there = members.filter(({ name }) => scene.locations[name] === host);
  const [first, ...others] = there;
  if (first === undefined)
    throw new InputError([`input host: no container of formation ${scene.formation.name} is on ${host}`]);
  if (there.length === members.length)
    throw new EnvironmentError(
      `every container of formation ${scene.formation.name} is on ${host}: nobody would be left to watch what comes of its loss`,
    );
  const targets: Targets = [first, ...others];
  const names = targets.map(({ name }) => name);
  const grave = lossOf(names, observation, scene.formation);
  if (grave !== undefined) return { targets, host, expected: 'outage', because: `${host} takes ${grave}` };
  return names.includes(primary.name)
    ? { targets, host, expected: 'failover', because: `${host} takes the primary, and leaves the monitor` }
    : {
        targets,
        host,
        expected: 'none',
        because: `${host} takes nothing that the primary cannot do without`,
      };
}

function hostOf(lost: string, { locations, ...scene }: Scene, { hosts }: Observation): string {
  const all = membersOf(scene.formation).map(({ name }) => name);
  if (all.every((name) => locations[name] === undefined))
    throw new EnvironmentError(
      'Incus is no cluster, so that one host has all of the formation: nobody would be left to watch what comes of its loss',
    );
  const unknown = all.filter((name) => locations[name] === undefined);
  if (unknown.length > 0)
    throw new EnvironmentError(`Incus does not tell on which host ${unknown.join(', ')} is`);
  const [standby] = scene.standbys;
  const named = { primary: scene.primary, standby, monitor: scene.monitor }[lost as 'primary'];
  if (named !== undefined) return locations[named.name] as string;
  const known = hosts?.ok ? Object.keys(hosts.value) : [...new Set(Object.values(locations))];
  if (!known.includes(lost))
    throw new InputError([
      `input host: ${lost} is no host of the cluster; it has ${known.sort().join(', ')}, and primary, standby or monitor name the host of that one`,
    ]);
  return lost;
}
