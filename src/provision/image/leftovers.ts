import type { Formation } from '../../formation/formation.ts';
import type { Image, Instance } from '../../incus/answers.ts';
import { lockInContainer } from '../../incus/container-lock.ts';
import type { Incus } from '../../incus/incus.ts';
import { bakeKey } from '../../incus/labels.ts';
import { bakingContainer, lineOf, ownedProperty } from './recipe.ts';

/** What base images leave behind: older ones, and the containers that they were made in. */

/** An older image that was used this recently, by the server's clock, may be about to be launched from. */
const recentlyMs = 10 * 60_000;
const unusedMs = 30 * 24 * 3_600_000;

/** Removes base images that newer ones replace or that nobody uses. */
export async function removeOlder(
  incus: Incus,
  formation: Formation,
  current: { alias: string },
  signal: AbortSignal,
): Promise<void> {
  const images = await incus.images.list(signal);
  const mine = images.find(({ aliases }) => aliases.includes(current.alias));
  if (mine === undefined) return;
  for (const { fingerprint } of outdated(images, mine, lineOf(formation)))
    await incus.images.delete(fingerprint, signal);
}

const isBakeContainer = ({ name, config }: Instance) =>
  config?.[bakeKey] !== undefined && name === bakingContainer(config[bakeKey]);

export const bakeContainersIn = (instances: ReadonlyMap<string, Instance>): boolean =>
  [...instances.values()].some(isBakeContainer);

/**
 * Removes the containers in which images were made and with which nobody does anything any more, ours and those of makers
 * that are gone. At the end of a run: ext4 makes new files slowly, by the factor of five in the lab, for minutes after
 * many were deleted (recently_deleted in its ialloc.c), and a launch makes thousands.
 */
export async function removeBakeContainers(incus: Incus, signal: AbortSignal): Promise<void> {
  for (const instance of (await incus.instances(signal)).values()) {
    if (!isBakeContainer(instance)) continue;
    const { name, status } = instance;
    const lock =
      status === 'Running'
        ? await lockInContainer(incus, name, 'bake', signal).catch(() => signal.throwIfAborted())
        : undefined;
    const gone =
      lock !== undefined ||
      (status !== 'Running' &&
        !(await incus.isBusy(name, signal)) &&
        !(await incus.images.areBeingMade(signal)));
    if (gone) await incus.delete(name, signal).catch(() => signal.throwIfAborted());
    lock?.release();
  }
}

/**
 * Of the server's images, those that `mine`, just made, makes superfluous. Only ours, and none that somebody may be
 * launching from: ages are by the server's clock alone, on which `mine` has just been uploaded.
 */
export function outdated(images: readonly Image[], mine: Image, line: string): Image[] {
  return images.filter((image) => {
    if (image.fingerprint === mine.fingerprint || image.properties[ownedProperty] === undefined) return false;
    const age = mine.uploadedAt - Math.max(image.uploadedAt, image.usedAt);
    const superseded = image.properties['pgha.line'] === line || image.aliases.length === 0;
    return age > (superseded ? recentlyMs : unusedMs);
  });
}
