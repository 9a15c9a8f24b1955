import { describe, expect, it } from 'vitest';
import { CommandError, messageOf } from '../../../src/contract/errors.ts';
import { rootDiskOf } from '../../../src/incus/answers.ts';
import type { Incus } from '../../../src/incus/incus.ts';
import { ensureContainer } from '../../../src/provision/containers/containers.ts';
import { explainLaunch } from '../../../src/provision/containers/launch.ts';
import { MemberContainer } from '../../../src/provision/member-container.ts';
import { Steps } from '../../../src/provision/steps.ts';
import { formationOf, keptLog } from '../builders.ts';

const formation = formationOf('incus: { profiles: [default, ha], project: pgha }');
const explained = (stderr: string, given = formation, host?: string) => {
  const error = new CommandError(['incus', 'launch'], 'failed with exit code 1', `Error: ${stderr}`);
  return messageOf(explainLaunch(error, given, 'pgaf-primary', host));
};

describe('a launch that fails', () => {
  it.each<[string, string, RegExp]>([
    [
      'a full storage pool',
      'Failed instance creation: Failed creating instance from image: Error transferring instance data: write /x: no space left on device',
      /^the storage pool has no room for pgaf-primary/,
    ],
    [
      "the project's limits",
      'Failed instance creation: Reached maximum number of instances of type "container" in project "pgha"',
      /^the project pgha does not permit pgaf-primary.*incus project show pgha/,
    ],
    [
      "the project's restrictions",
      'Failed instance creation: Failed checking project restrictions: Network device "eth0" is forbidden',
      /^the project pgha does not permit/,
    ],
    [
      'profiles without a root disk',
      'Failed instance creation: Failed creating instance record: Failed initializing instance: Invalid devices: Failed detecting root disk device: No root device could be found',
      /^incus\.profiles: default, ha has no root disk .*incus profile device add/,
    ],
    [
      "a profile's network",
      'Failed instance creation: Failed initializing instance: Failed add validation for device "eth0": Failed loading network "br9": Network not found',
      /^incus\.profiles: a network that default, ha names is not available.*incus network list --project pgha/,
    ],
    [
      'an image',
      "Failed instance creation: Failed getting image: The requested image couldn't be found",
      /^image: images:ubuntu\/22\.04 is not available/,
    ],
  ])('is about %s', (_, stderr, expected) => {
    expect(explained(stderr)).toMatch(expected);
    expect(explained(stderr)).toContain(stderr);
  });

  it('is about a target only where there is one', () => {
    const stderr =
      'Failed instance creation: Target only allowed when not clustered: cluster member not found';
    const placed = formationOf('nodes: [{ name: pgaf-primary, target: host-2 }, { name: b }]');
    expect(explained(stderr, placed, 'host-2')).toMatch(/^target of pgaf-primary: host-2: /);
    expect(explained(stderr)).not.toMatch(/target of/);
  });

  it.each([
    ['', 'the host of pgaf-primary: m2, chosen to keep the formation'],
    ['hosts: [m2, "@data"]', 'hosts: m2, chosen for pgaf-primary of m2, @data: '],
    [
      'nodes: [{ name: pgaf-primary, target: "@data" }, { name: b }]',
      'target of pgaf-primary: m2, chosen of @data: ',
    ],
  ])('says which host was chosen, and why, where the file says "%s"', (yaml, told) => {
    const stderr = 'Failed instance creation: Missing event connection with target cluster member';
    expect(explained(stderr, formationOf(yaml), 'm2')).toContain(told);
  });
});

describe("a container's root disk", () => {
  const disk = { type: 'disk', path: '/', pool: 'default' };

  it('is what is mounted at /, whatever it is called', () => {
    expect(rootDiskOf({ eth0: { type: 'nic' }, data: { type: 'disk', path: '/srv' }, rootfs: disk })).toBe(
      'rootfs',
    );
    expect(rootDiskOf({ root: { type: 'disk', path: '/root' } })).toBeUndefined();
  });

  it.each([
    ["is a profile's", {}, false],
    ['is its own', { rootfs: { ...disk, size: '1GiB' } }, true],
  ])('is given its size by its name where it %s', async (_, devices, own) => {
    const asked: unknown[] = [];
    const incus = { setDiskSize: async (...args: unknown[]) => void asked.push(args.slice(0, 2)) };
    await resized(incus, devices);
    expect(asked).toEqual([['pgaf-primary', { device: 'rootfs', size: '2GiB', own }]]);
  });

  it('that does not take its size is told with what Incus said', async () => {
    const incus = {
      setDiskSize: () =>
        Promise.reject(new CommandError(['incus', 'config'], 'failed', 'Error: Failed: size is too small')),
    };
    await expect(resized(incus, {})).rejects.toThrow(
      /^limits\.disk: the root disk of pgaf-primary \(its device rootfs\) does not take the size 2GiB: .*too small/,
    );
  });

  async function resized(incus: object, devices: Record<string, Record<string, string>>): Promise<void> {
    const member = { name: 'pgaf-primary', limits: { disk: '2GiB' } };
    const config = { config: {}, expandedConfig: {}, devices, rootDisk: 'rootfs' };
    const instance = { name: 'pgaf-primary', status: 'Running', startedAt: '', ...config };
    const steps = new Steps(keptLog(), 'apply');
    const run = { formation, incus: incus as Incus, steps, signal: new AbortController().signal };
    const source = { image: '', target: undefined };
    await ensureContainer(new MemberContainer(run, member as never), instance, source);
  }
});
