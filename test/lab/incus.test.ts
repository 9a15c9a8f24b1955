import { beforeAll, expect, it } from 'vitest';
import { parseFormation } from '../../src/formation/file/load.ts';
import { membersOf } from '../../src/formation/formation.ts';
import { Incus } from '../../src/incus/incus.ts';
import { drillMarkKey } from '../../src/incus/labels.ts';
import { ensureContainer } from '../../src/provision/containers/containers.ts';
import { MemberContainer } from '../../src/provision/member-container.ts';
import { Steps } from '../../src/provision/steps.ts';
import { labFormation } from './formations.ts';
import { incus, runAction } from './harness.ts';

/** The client of Incus as several runs use it at once. */

const silent = { info: () => {}, warn: () => {}, debug: () => {} };
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
  const found = await clients[0]?.instance(monitor);
  expect(Object.keys(found?.config ?? {}).filter((key) => key.startsWith('user.pgha.test-'))).toHaveLength(6);
  await clients[0]?.setLabel(monitor, drillMarkKey, 'to be removed');
  // The same key by all of them, as after a drill that several find interrupted.
  await Promise.all(clients.map((client) => client.removeLabel(monitor, drillMarkKey)));
  await Promise.all(clients.map((client, index) => client.setConfig(monitor, `user.pgha.test-${index}`, '')));
  const after = await clients[0]?.instance(monitor);
  expect(Object.keys(after?.config ?? {}).filter((key) => /test-|drill/.test(key))).toEqual([]);
});

it('gives a root disk its size, whatever its profile calls it', async () => {
  const { yaml: text } = labFormation(12, {
    incus: { profiles: ['default', 'renamed'] },
    limits: { disk: '3GiB' },
  });
  const formation = parseFormation(text, 'formation.yml');
  const client = new Incus(formation.incus);
  const member = { ...membersOf(formation)[0], name: 'renamed-root', host: 'renamed-root.incus' };
  await incus('profile', 'copy', 'default', 'renamed-base');
  await incus('profile', 'device', 'remove', 'renamed-base', 'root');
  await incus('profile', 'create', 'renamed');
  await incus('profile', 'device', 'add', 'renamed', 'rootfs', 'disk', 'path=/', 'pool=default');
  formation.incus.profiles = ['renamed-base', 'renamed'];
  const sized = async () => {
    const found = await client.instance(member.name);
    const steps = new Steps(silent, 'apply');
    const { signal } = new AbortController();
    const container = new MemberContainer({ formation, incus: client, steps, signal }, member);
    await ensureContainer(container, found, { image: formation.image, target: undefined });
    return (await client.instance(member.name))?.devices;
  };
  try {
    expect(await sized()).toMatchObject({ rootfs: { size: '3GiB' } });
    await incus('config', 'device', 'remove', member.name, 'rootfs');
    expect(await sized()).toMatchObject({ rootfs: { size: '3GiB' } });
    member.limits = { disk: '4GiB' };
    expect(await sized()).toMatchObject({ rootfs: { size: '4GiB' } });
    formation.incus.profiles = ['renamed-base'];
    member.name = 'without-root';
    await expect(sized()).rejects.toThrow(/^incus\.profiles: renamed-base has no root disk/);
  } finally {
    await incus('delete', '--force', 'renamed-root').catch(() => {});
    for (const profile of ['renamed', 'renamed-base']) await incus('profile', 'delete', profile);
  }
}, 120_000);

it('tells of a root disk that its project protects, whatever Incus says: at a launch, and when it is to grow', async () => {
  const project = 'pgha-small';
  const { yaml: text } = labFormation(12, { incus: { project }, limits: { disk: '1GiB' } });
  const formation = parseFormation(text, 'formation.yml');
  const client = new Incus(formation.incus);
  const member = { ...membersOf(formation)[0], name: 'small-root', host: 'small-root.incus' };
  const features = ['features.images=false', 'features.profiles=false', 'limits.disk=2GiB'];
  await incus('project', 'create', project, ...features.flatMap((each) => ['--config', each]));
  const sized = async (disk: string) => {
    member.limits = { disk };
    const steps = new Steps(silent, 'apply');
    const { signal } = new AbortController();
    const container = new MemberContainer({ formation, incus: client, steps, signal }, member);
    await ensureContainer(container, await client.instance(member.name), {
      image: formation.image,
      target: undefined,
    });
    return (await client.instance(member.name))?.devices;
  };
  try {
    await expect(sized('3GiB')).rejects.toThrow(
      /^the project pgha-small does not permit small-root.*incus project show pgha-small.*Reached maximum/,
    );
    expect(await sized('1GiB')).toMatchObject({ root: { size: '1GiB' } });
    await expect(sized('3GiB')).rejects.toThrow(
      /^limits\.disk: the root disk of small-root \(its device root\) does not take the size 3GiB: .*Reached maximum.*the project must permit it; leave limits\.disk out/,
    );
    expect((await client.instance(member.name))?.devices).toMatchObject({ root: { size: '1GiB' } });
  } finally {
    await incus('delete', '--force', '--project', project, member.name).catch(() => {});
    await incus('project', 'delete', project);
  }
}, 120_000);
