import { parse, stringify } from 'yaml';
import { labFormation } from '../lab/formations.ts';
import { secrets } from './runner.ts';

/** The formation of the runner tests: the lab's, with quick timings, a user more and names of its own. */

export const nodes = ['r-alpha', 'r-beta'];
export const containers = ['r-monitor', ...nodes];

const file = parse(labFormation(12).yaml) as { postgres: object };

export const formation = formationWith({});

export function formationWith(changes: Record<string, unknown>): string {
  return stringify({
    ...file,
    postgres: { ...file.postgres, users: [{ name: 'reporter', databases: ['veza'] }] },
    monitor: { name: 'r-monitor' },
    nodes: nodes.map((name) => ({ name })),
    ...changes,
  });
}

/** For provision-pgaf outside the runner. */
export function provisionInputs(yaml = formation): Record<string, string> {
  return { formation: yaml, 'app-password': secrets.APP_PASSWORD, 'user-passwords': secrets.USER_PASSWORDS };
}
