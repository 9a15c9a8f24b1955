import {
  CommandError,
  DeadlineError,
  EnvironmentError,
  InputError,
  messageOf,
} from '../../contract/errors.ts';
import type { Log } from '../../contract/log.ts';
import { listCommand } from '../../formation/command-line.ts';
import type { Formation } from '../../formation/formation.ts';
import type { Image, Profile } from '../../incus/answers.ts';
import type { Incus } from '../../incus/incus.ts';
import type { Run } from '../member-container.ts';
import { bake, CannotBakeError } from './baking.ts';
import { removeOlder } from './leftovers.ts';
import { aliasOf, type BaseImage, keyOf } from './recipe.ts';

/**
 * The base image: the formation's image with its packages in it, made once and kept on the Incus server, so that a new
 * container takes a second or two in place of an installation. Its alias is the hash of all that went into it; where
 * any of that changes, another is made and the old one removed.
 *
 * It is made in a container of its own, named after the same hash. Who makes it holds a lock inside that container by
 * way of a pipe, which ends with its holder; others wait for the image, or go on with a container whose holder is gone.
 */

/**
 * The formation's base image, there or not. Touches nothing.
 * @throws InputError when the formation's image, or one of its profiles, is not available
 */
export async function baseImageOf(
  incus: Incus,
  formation: Formation,
  signal?: AbortSignal,
): Promise<BaseImage> {
  const [source, images, profiles] = await Promise.all([
    fingerprintOf(incus, formation, signal),
    incus.images.list(signal),
    Promise.all(formation.incus.profiles.map((name) => incus.profile(name, signal))),
  ]);
  const key = keyOf(formation, source, profiles);
  const alias = aliasOf(key);
  return { key, alias, source, exists: images.some(({ aliases }) => aliases.includes(alias)) };
}

/**
 * The image to launch the formation's containers from: its base image, which is made when it is not there yet, or the
 * formation's own image where the formation file or the Incus server does not want it otherwise (one warning).
 *
 * @throws InputError, EnvironmentError, CommandError as installPackages does
 */
export async function findOrBakeImage(run: Run, log: Log): Promise<string> {
  const { formation, incus, steps, signal } = run;
  if (!formation.baseImage) return formation.image;
  let found: BaseImage;
  try {
    found = await baseImageOf(incus, formation, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof EnvironmentError || error instanceof DeadlineError)) throw error;
    const kept = await newestKept(incus, formation, signal);
    if (kept === undefined) throw error;
    log.warn(
      `whether there is a newer image cannot be told; containers are made from the base image ${kept.alias}, of ${kept.baked}: ${messageOf(error)}`,
    );
    return kept.alias;
  }
  if (found.exists) return found.alias;
  signal.throwIfAborted();
  try {
    await steps.take(formation.name, `make a base image from ${formation.image}`, () => bake(run, found));
  } catch (error) {
    if (!(error instanceof CannotBakeError)) throw error;
    log.warn(
      `no base image could be made, so every container installs its packages itself (base-image: false says so from the start): ${error.message}`,
    );
    return formation.image;
  }
  if (steps.planning) return found.alias;
  await removeOlder(incus, formation, found, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    log.warn(`older base images could not be removed: ${messageOf(error)}`);
  });
  return found.alias;
}

/** The newest base image there is, whatever it was made from; undefined where there is none, or Incus does not tell. */
async function newestKept(
  incus: Incus,
  formation: Formation,
  signal: AbortSignal,
): Promise<{ alias: string; baked: string } | undefined> {
  try {
    const [images, profiles] = await Promise.all([
      incus.images.list(signal),
      Promise.all(formation.incus.profiles.map((name) => incus.profile(name, signal))),
    ]);
    return keptAmong(images, formation, profiles);
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** Of a server's images, the newest that has what the formation's containers need, but for the image it was made from. Pure. */
export function keptAmong(
  images: readonly Image[],
  formation: Formation,
  profiles: readonly Profile[],
): { alias: string; baked: string } | undefined {
  const fitting = images.flatMap(({ aliases, properties, uploadedAt }) => {
    // The key has the fingerprint of the image it was made from, and not its name.
    const source = properties['pgha.image'] === formation.image ? properties['pgha.fingerprint'] : undefined;
    const alias = source === undefined ? undefined : aliasOf(keyOf(formation, source, profiles));
    return alias !== undefined && aliases.includes(alias)
      ? [{ alias, baked: properties['pgha.baked'] ?? 'an unknown time', uploadedAt }]
      : [];
  });
  const newest = fitting.sort((a, b) => b.uploadedAt - a.uploadedAt)[0];
  return newest && { alias: newest.alias, baked: newest.baked };
}

async function fingerprintOf(incus: Incus, formation: Formation, signal?: AbortSignal): Promise<string> {
  const { image } = formation;
  try {
    return await incus.images.fingerprintOf(image, signal);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new InputError([
      `image: ${image} is not available: ${messageOf(error)}; \`${listCommand(formation, 'image')}\` shows what is there`,
    ]);
  }
}
