import { beforeAll, expect, it } from 'vitest';
import { parseFormation } from '../../src/formation/load.ts';
import { Incus } from '../../src/incus/incus.ts';
import { drillMarkKey } from '../../src/incus/labels.ts';
import { labFormation } from './formations.ts';
import { runAction } from './harness.ts';

/** The client of Incus as several runs use it at once. */

const { yaml, monitor } = labFormation(12);

beforeAll(async () => {
  const { code, log } = await runAction('provision-pgaf', { formation: yaml });
  expect(code, log).toBe(0);
});

it("sets and removes an instance's keys, whoever else changes it at the moment", async () => {
  const clients = Array.from({ length: 6 }, () => new Incus(parseFormation(yaml, 'formation.yml').incus));
  await Promise.all(
    clients.map((client, index) => client.setConfig(monitor, `user.pgha.test-${index}`, 'here')),
  );
  const { config } = (await clients[0]?.instance(monitor)) ?? { config: {} };
  expect(Object.keys(config).filter((key) => key.startsWith('user.pgha.test-'))).toHaveLength(6);
  await clients[0]?.setLabel(monitor, drillMarkKey, 'to be removed');
  // The same key by all of them, as after a drill that several find interrupted.
  await Promise.all(clients.map((client) => client.removeLabel(monitor, drillMarkKey)));
  await Promise.all(clients.map((client, index) => client.setConfig(monitor, `user.pgha.test-${index}`, '')));
  const after = await clients[0]?.instance(monitor);
  expect(Object.keys(after?.config ?? {}).filter((key) => /test-|drill/.test(key))).toEqual([]);
});
