import { expect } from 'vitest';
import { parse, stringify } from 'yaml';
import { labFormation } from '../lab/formations.ts';
import { runAction } from '../lab/harness.ts';
import { secrets } from './runner.ts';

/** The formation of the runner tests: the lab's, with quick timings, a user more and names of its own. */

export const nodes = ['r-alpha', 'r-beta'];
export const containers = ['r-monitor', ...nodes];

const file = parse(labFormation(12).yaml) as { postgres: object };

export const runnerFormation = formationWith({});

function formationWith(changes: Record<string, unknown>): string {
  return stringify({
    ...file,
    postgres: { ...file.postgres, users: [{ name: 'reporter', databases: ['veza'] }] },
    monitor: { name: 'r-monitor' },
    nodes: nodes.map((name) => ({ name })),
    ...changes,
  });
}

/** For provision-pgaf outside the runner. */
export function provisionInputs(yaml = runnerFormation): Record<string, string> {
  return { formation: yaml, 'app-password': secrets.APP_PASSWORD, 'user-passwords': secrets.USER_PASSWORDS };
}

/** Explicit timings by which a primary that lost its power is given up after a minute and a half. */
export const slowFormation = givenUpAfter(90);

/** Half a minute: long enough for what happens in the middle of a fault, and within the target of the examples. */
export const unhurriedFormation = givenUpAfter(35);

function givenUpAfter(seconds: number): string {
  const timings = {
    'health-check-period': 0.5,
    'health-check-timeout': 1,
    'health-check-retry-delay': 0.6,
    'health-check-max-retries': 2,
    'node-considered-unhealthy-timeout': 4.4,
    'primary-demote-timeout': seconds,
    'network-partition-timeout': 1,
    'wal-sender-timeout': 6,
  };
  return formationWith({ timings });
}

export async function provisioned(yaml = runnerFormation): Promise<void> {
  // A test that failed may have left a drill that goes on.
  const inputs = { ...provisionInputs(yaml), 'wait-for-lock-seconds': '90' };
  const { code, log } = await runAction('provision-pgaf', inputs);
  expect(code, log).toBe(0);
}
