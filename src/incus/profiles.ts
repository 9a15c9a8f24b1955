import type { Profile } from './answers.ts';
import type { Incus } from './incus.ts';

/** The devices that a container gets from its profiles, by name; of two of one name the last counts. Throws as Incus.profile. */
export async function devicesOfProfiles(
  incus: Pick<Incus, 'profile'>,
  profiles: readonly string[],
  signal?: AbortSignal,
): Promise<Profile['devices']> {
  const found = await Promise.all(profiles.map((name) => incus.profile(name, signal)));
  return Object.assign({}, ...found.map(({ devices }) => devices)) as Profile['devices'];
}
