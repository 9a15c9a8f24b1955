import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { eventually, incus, root } from './harness.ts';

/** The lab's own formation files, with quick timings, and names of their own per Debian release. */
export interface LabFormation {
  debian: 12 | 13;
  yaml: string;
  monitor: string;
  nodes: [string, string];
}

export function labFormation(debian: 12 | 13, changes: Record<string, unknown> = {}): LabFormation {
  const file = parse(readFileSync(join(root, 'lab', 'formations', `debian-${debian}.yml`), 'utf8')) as Record<
    string,
    unknown
  >;
  const names = {
    monitor: `d${debian}-monitor`,
    nodes: [`d${debian}-alpha`, `d${debian}-beta`] as [string, string],
  };
  const yaml = stringify({
    ...file,
    timings: 'fast',
    monitor: { name: names.monitor },
    nodes: names.nodes.map((name) => ({ name })),
    ...changes,
  });
  return { debian, yaml, ...names };
}

export function containersOf(formation: LabFormation): string[] {
  return [formation.monitor, ...formation.nodes];
}

/** The names of all containers of the lab. */
export async function allContainers(): Promise<string[]> {
  const listed = await incus('list', '--format', 'csv', '--columns', 'n');
  return listed.split('\n').filter((name) => name !== '');
}

/**
 * Deletes all containers of the lab, in whatever state they are, but those of these names. A disk that is busy takes its
 * time, and Incus goes on deleting for a client that has given up: what counts is that they are gone.
 */
export async function removeContainers(except: readonly string[] = []): Promise<void> {
  let last = '';
  const gone = async () => {
    const left = (await allContainers()).filter((name) => !except.includes(name));
    if (left.length === 0) return true;
    await incus('delete', '--force', ...left).catch((error: Error) => {
      last = error.message;
    });
    return false;
  };
  await eventually('the containers of other tests to be gone', 240_000, gone).catch((error: Error) => {
    throw new Error(`${error.message}; the last attempt: ${last}`);
  });
}
