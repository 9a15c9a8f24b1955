import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { stateFolder } from '../../src/drill/guard.ts';
import { drillMarkKey } from '../../src/incus/labels.ts';
import { allContainers, labFormation } from '../lab/formations.ts';
import { becomesHealthy, incus, root, runAction } from '../lab/harness.ts';

/** What the cluster's tests do to its hosts, and the formations that they put on them. */

/** `lab host …`: boot and heal give up after a minute by themselves. */
export const host = async (...args: string[]) =>
  await promisify(execFile)(join(root, 'lab', 'lab'), ['host', ...args], { timeout: 170_000 });

/** A formation of three with a host for each: NAME-monitor, NAME-alpha and NAME-beta. */
export function formationOn(
  name: string,
  on: Record<'monitor' | 'alpha' | 'beta', string>,
  more: Record<string, unknown> = {},
) {
  const of = (role: keyof typeof on) => ({ name: `${name}-${role}`, target: on[role] });
  const made = labFormation(12, {
    ...{ formation: name, ...more, monitor: of('monitor') },
    nodes: [of('alpha'), of('beta')],
  });
  return {
    ...made,
    monitor: `${name}-monitor`,
    alpha: `${name}-alpha`,
    beta: `${name}-beta`,
    nodes: [`${name}-alpha`, `${name}-beta`] as [string, string],
  };
}

/** Whether these containers run and bear no mark of a drill, as a remote tells that is there. */
export async function areWholeBy(remote: string, ...names: string[]): Promise<boolean> {
  const found = await Promise.all(
    names.map(async (name) => JSON.parse(await incus('query', `${remote}:/1.0/instances/${name}`))),
  ).catch(() => []);
  return (
    found.length === names.length &&
    (found as { status: string; config: Record<string, string> }[]).every(
      ({ status, config }) => status === 'Running' && config[drillMarkKey] === undefined,
    )
  );
}

/** What the guards of this user have said so far. */
export function guardLog(): string {
  try {
    return readFileSync(join(stateFolder(), 'guard.log'), 'utf8');
  } catch {
    return '';
  }
}

/** Provisions them side by side. */
export async function provisioned(...formations: { yaml: string }[]): Promise<void> {
  const made = await Promise.all(
    formations.map(({ yaml }) => runAction('provision-pgaf', { formation: yaml })),
  );
  expect(made.map(({ code, log }) => (code === 0 ? 'made' : log))).toEqual(formations.map(() => 'made'));
}

/** Side by side: one after the other they took a busy machine more than a minute. */
export async function removeAll(): Promise<void> {
  await Promise.all((await allContainers()).map((name) => incus('delete', '--force', name)));
}

/** Has that node be the primary: a busy machine may have failed over. */
export async function leads(yaml: string, name: string): Promise<void> {
  const primary = async () => (await runAction('check-formation', { formation: yaml })).outputs['primary'];
  await becomesHealthy(yaml, 120_000);
  if ((await primary()) === name) return;
  const moved = await runAction('failover-drill', { formation: yaml, fault: 'switchover' });
  expect(moved.code, moved.log).toBe(0);
  await becomesHealthy(yaml, 120_000);
  expect(await primary()).toBe(name);
}
