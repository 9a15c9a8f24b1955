/**
 * How much a run of the lab tests covers. `PGHA_TESTS=all` takes everything; without it, what takes minutes and is the
 * same in both releases of Debian is shown on one of them, and of what differs in little some are taken, so that CI stays
 * below an hour on a slow machine. `PGHA_TURN=n` takes the next ones: a scheduled run comes to all of them in its turn.
 */
export const everything = process.env['PGHA_TESTS'] === 'all';
export const debians: readonly (12 | 13)[] = everything ? [12, 13] : [12];
const turn = Number(process.env['PGHA_TURN'] ?? 0);

/**
 * For what is chosen at random: each turn has its own choice, which it repeats, and at the first one kills come amid what is
 * killed. `PGHA_SEED` gives another.
 */
export const seed = Number(process.env['PGHA_SEED'] ?? 2 + turn);

/** All of a list, or so many of it: at the first turn those that stand first, which are the most telling. */
export function some<T>(all: readonly T[], few: number): readonly T[] {
  if (everything || few >= all.length) return all;
  const first = (turn * few) % all.length;
  return [...all.slice(first), ...all.slice(0, first)].slice(0, few);
}
