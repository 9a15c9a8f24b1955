import type { Instance } from '../../incus/answers.ts';
import { ownContainers } from '../../incus/environment.ts';
import { environmentKey } from '../../incus/labels.ts';
import type { Run } from '../member-container.ts';

/** Writes the file's environment on those containers of the formation that say another, or nothing. */
export async function rememberEnvironment(
  { formation, incus, steps, signal }: Run,
  instances: ReadonlyMap<string, Instance>,
): Promise<void> {
  const { environment } = formation;
  const due = ownContainers(formation, instances).filter(
    ({ config }) => config?.[environmentKey] !== environment,
  );
  await Promise.all(
    due.map(({ name }) =>
      steps.take(name, `note on it that its environment is ${environment}`, () =>
        incus.setLabel(name, environmentKey, environment, signal),
      ),
    ),
  );
}
