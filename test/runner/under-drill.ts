import { eventually, labelsOf, statusOf } from '../lab/harness.ts';
import { containers, nodes } from './formation.ts';

/** Waits until a drill's fault has stopped a node; returns its name. */
export async function stopped(deadlineMs = 20_000): Promise<string> {
  let found = '';
  await eventually('a node to be stopped', deadlineMs, async () => {
    for (const name of nodes) if ((await statusOf(name)) === 'Stopped') found = name;
    return found !== '';
  });
  return found;
}

/** Waits until every container runs and `target` bears no mark: nobody lends a hand. */
export async function allRunUnmarked(target: string, deadlineMs = 60_000): Promise<void> {
  await eventually('every container to run and no mark to be left', deadlineMs, async () => {
    const states = await Promise.all(containers.map(statusOf));
    return states.every((state) => state === 'Running') && !('user.pgha.drill' in (await labelsOf(target)));
  });
}
