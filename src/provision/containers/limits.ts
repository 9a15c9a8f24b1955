import { CommandError, InputError, messageOf } from '../../contract/errors.ts';
import type { Limits } from '../../formation/formation.ts';
import type { Instance } from '../../incus/answers.ts';
import type { MemberContainer } from '../member-container.ts';

/** Incus' configuration keys for a container's limits. */
export function limitsConfig({ cpu, memory }: Limits): Record<string, string> {
  return {
    ...(cpu !== undefined && { 'limits.cpu': String(cpu) }),
    ...(memory !== undefined && { 'limits.memory': memory }),
  };
}

/** Limits that the file does not name are left as they are. */
export async function ensureLimits(container: MemberContainer, instance: Instance): Promise<void> {
  const { incus, name, signal } = container;
  const { limits } = container.member;
  for (const [key, value] of Object.entries(limitsConfig(limits))) {
    if (instance.config?.[key] === value) continue;
    await container.take(`set ${key} to ${value}`, () => incus.setConfig(name, key, value, signal));
  }
  const { disk: size } = limits;
  if (size === undefined) return;
  const { rootDisk: device } = instance;
  if (device === undefined)
    throw new InputError([
      `limits.disk: ${name} has no root disk to give a size (a device of the type disk with the path /); \`incus config show --expanded ${name} --project ${incus.project}\` shows what it has`,
    ]);
  const own = instance.devices[device];
  if (own?.['size'] === size) return;
  await container.take(`set the size of its disk to ${size}`, async () => {
    try {
      await incus.setDiskSize(name, { device, size, own: own !== undefined }, signal);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      throw new InputError([
        `limits.disk: the root disk of ${name} (its device ${device}) does not take the size ${size}: ${messageOf(error)}; a disk cannot be smaller than what is on it, its storage pool needs the room, and the project must permit it; leave limits.disk out to leave the disk as it is`,
      ]);
    }
  });
}
