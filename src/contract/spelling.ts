/** What somebody may have meant who wrote a name that there is not. */

/**
 * The one of `known` that is closest to `word`: the same but for case, `_` and `-`; or one whose words hold those of the
 * other (`rto-target`, `rto-target-seconds`); or one that is a slip of the hand away. Undefined where none is.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const plainWord = plain(word);
  let found: { name: string; distance: number } | undefined;
  for (const name of known) {
    const distance = distanceOf(plainWord, plain(name));
    if (distance !== undefined && (found === undefined || distance < found.distance))
      found = { name, distance };
  }
  return found?.name;
}

const plain = (name: string) =>
  name
    .slice(0, 100)
    .toLowerCase()
    .replace(/[\s_.-]+/g, '-');

/** How far apart two names are; undefined where they have nothing to do with each other. */
function distanceOf(a: string, b: string): number | undefined {
  const slips = slipsBetween(a, b);
  if (slips <= Math.max(1, Math.floor(Math.min(a.length, b.length) / 4))) return slips;
  const [shorter, longer] = [a.split('-'), b.split('-')].sort((one, other) => one.length - other.length);
  const holds = shorter?.every((part) => part.length > 2 && longer?.includes(part));
  return holds ? slips : undefined;
}

/** Letters to add, take out, change or swap with their neighbour (optimal string alignment). */
function slipsBetween(a: string, b: string): number {
  let [before, last]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(at(row, j - 1) + 1, at(last, j) + 1, at(last, j - 1) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, at(before, j - 2) + 1);
      row.push(least);
    }
    [before, last] = [last ?? [], row];
  }
  return at(last, b.length);
}

const at = (row: readonly number[] | undefined, index: number) => row?.[index] ?? Number.POSITIVE_INFINITY;
