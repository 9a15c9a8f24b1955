import { createHash } from 'node:crypto';
import type { Formation } from '../../formation/formation.ts';
import type { Profile } from '../../incus/answers.ts';
import { packagesOf } from '../packages/packages.ts';

/** What goes into a base image, and the names that follow from it. */

/** Goes up when the recipe changes: what is installed and set besides the packages, and what is cleaned. */
export const recipeVersion = 3;

/** The property of an image by which it is one of ours. */
export const ownedProperty = 'pgha.key';

export interface BaseImage {
  /** Hash of what goes into the image. */
  key: string;
  alias: string;
  exists: boolean;
  /** Fingerprint of the formation's image, which it is made from. */
  source: string;
}

/**
 * Hash of everything that goes into the image.
 * @param profiles what the formation's profiles hold now: cloud-init runs what they say, and packages come through
 *   their network
 */
export function keyOf(
  formation: Formation,
  sourceFingerprint: string,
  profiles: readonly Profile[] = [],
): string {
  return hash([
    recipeVersion,
    sourceFingerprint,
    ...ingredients(formation),
    ...profiles.map(({ config, devices }) => [
      sorted(config),
      sorted(devices).map(([name, device]) => [name, sorted(device)]),
    ]),
  ]);
}

/** The same for every fingerprint and recipe: images of one line replace each other. */
export function lineOf(formation: Formation): string {
  return hash([formation.image, ...ingredients(formation)]);
}

function ingredients(formation: Formation): unknown[] {
  const { source, repository, suite, component, key, proxy, pins } = formation.postgres.packages;
  return [
    [source, repository, suite, component, key, proxy].map((value) => value ?? null),
    sorted(pins),
    packagesOf(formation).sort(),
    formation.incus.profiles,
    formation.incus.network ?? null,
  ];
}

function sorted<T>(map: Record<string, T>): [string, T][] {
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
}

function hash(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);
}

export function aliasOf(key: string): string {
  return `pgha-${key}`;
}

/** The container that it is made in. */
export function bakingContainer(key: string): string {
  return `pgha-bake-${key}`;
}
