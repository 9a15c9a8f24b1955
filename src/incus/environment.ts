import { InputError } from '../contract/errors.ts';
import { type Formation, isLab, membersOf } from '../formation/formation.ts';
import type { Instance } from './answers.ts';
import type { Incus } from './incus.ts';
import { environmentKey, formationKey } from './labels.ts';

/**
 * What a formation is, a lab or not, stands on its containers. A file that says `lab` lets the placeholder password in,
 * and so does an input that was forgotten: a formation that was production is never made a lab by either.
 */

/** `new`: it has no container yet. `unknown`: it has some that say nothing, as those made by an earlier pgha do. */
export type Remembered = 'new' | 'unknown' | 'lab' | 'production';

type Instances = ReadonlyMap<string, Instance>;

/** The formation's own: a monitor that belongs to another formation tells of that one. */
export function ownContainers({ name }: Formation, instances: Instances): Instance[] {
  return [...instances.values()].filter(({ config }) => config?.[formationKey] === name);
}

export function rememberedEnvironment(formation: Formation, instances: Instances): Remembered {
  const own = ownContainers(formation, instances);
  const said = own.map(({ config }) => config?.[environmentKey]);
  // Of one that Incus tells nothing of, nobody knows what it says.
  const isUntold = membersOf(formation).some(({ name }) => {
    const instance = instances.get(name);
    return instance !== undefined && instance.config === undefined;
  });
  if (said.some((environment) => environment !== undefined && !isLab({ environment }))) return 'production';
  if (said.includes(undefined) || isUntold) return 'unknown';
  return said.length === 0 ? 'new' : 'lab';
}

/** Why a file that says `lab` is not this formation's. Pure. */
export function environmentErrors(formation: Formation, instances: Instances): string[] {
  if (!isLab(formation) || rememberedEnvironment(formation, instances) !== 'production') return [];
  const marked = ownContainers(formation, instances).filter(
    ({ config }) => config?.[environmentKey] !== undefined && !isLab({ environment: config[environmentKey] }),
  );
  const { remote, project } = formation.incus;
  const on = (name: string) => `${remote === 'local' ? '' : `${remote}:`}${name} --project ${project}`;
  const told = marked.map(({ name, config }) => `${name} says ${config?.[environmentKey]}`).join(', ');
  const commands = marked.map(({ name }) => `incus config set ${on(name)} ${environmentKey}=lab`);
  return [
    `environment: lab is asked for, but formation ${formation.name} is not a lab (${told}); give the formation's own file (with none, the input formation means a lab called default), or say environment: production and pass its passwords; if it is to be a lab from now on, say so on its containers first: ${commands.join(' && ')}`,
  ];
}

/**
 * For what a lab alone may do.
 * @param what it is, for the message: `input self-test`; undefined where anything else than production will do
 * @throws InputError where a file that says `lab` is not this formation's
 */
export async function requireLab(
  formation: Formation,
  incus: Incus,
  what: string | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const instances = await incus.instances(signal);
  const errors = environmentErrors(formation, instances);
  if (errors.length === 0 && what !== undefined && rememberedEnvironment(formation, instances) === 'unknown')
    errors.push(
      `${what}: nothing on the containers of formation ${formation.name} says that it is a lab; run provision-pgaf with its file, which notes it`,
    );
  if (errors.length > 0) throw new InputError(errors);
}
