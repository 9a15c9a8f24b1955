/**
 * How much a run of the lab tests covers. `PGHA_TESTS=all` takes everything; without it, what takes minutes and is the
 * same in both releases of Debian is shown on one of them, so that CI stays below an hour.
 */
export const everything = process.env['PGHA_TESTS'] === 'all';
export const debians: readonly (12 | 13)[] = everything ? [12, 13] : [12];

/** All of a list, or the first so many of it: the most telling stand first. */
export function some<T>(all: readonly T[], few: number): readonly T[] {
  return everything ? all : all.slice(0, few);
}
