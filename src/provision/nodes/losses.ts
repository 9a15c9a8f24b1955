import { InputError } from '../../contract/errors.ts';
import type { Instance } from '../../incus/answers.ts';
import { protectionErrors } from '../../incus/protection.ts';
import type { Context } from '../context.ts';
import { nodesOf, pruneErrors, type Registered, type Registration, registrationOf } from './registration.ts';

/**
 * How the nodes of the file and those that the monitor knows go together.
 * @param prune whether nodes that the file does not name are to be dropped
 * @throws InputError where anything would be lost
 */
export function checkedRegistration(
  { formation, incus, facts }: Context,
  prune: boolean,
  instances: ReadonlyMap<string, Instance>,
  registered: Registered,
): Registration {
  const registration = registrationOf(formation, {
    containers: new Set(instances.keys()),
    facts,
    registered,
  });
  const errors = [...registration.errors];
  if (prune && errors.length === 0) errors.push(...pruneErrors(registration, nodesOf(registered)));
  if (prune) {
    const strays = registration.strays.map(({ name }) => instances.get(name));
    const found = strays.filter((each) => each !== undefined);
    errors.push(...protectionErrors(incus, found));
    for (const { name, config, status, unheard } of found)
      if (config === undefined)
        errors.push(
          `input prune: whose the container ${name} is cannot be told: ${unheard ?? `it is ${status}`}; bring that back, and run this again`,
        );
  }
  if (errors.length > 0) throw new InputError(errors);
  return registration;
}
