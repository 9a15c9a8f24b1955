/** How long something takes, in milliseconds: neither less than `least` nor more than `most`. */
export interface Interval {
  least: number;
  most: number;
}

export const exactly = (durationMs: number): Interval => ({ least: durationMs, most: durationMs });

/** One after the other. */
export function inTurn(...intervals: readonly Interval[]): Interval {
  return {
    least: intervals.reduce((sum, { least }) => sum + least, 0),
    most: intervals.reduce((sum, { most }) => sum + most, 0),
  };
}

/** When the last of several that began together is over. */
export function inParallel(...intervals: readonly Interval[]): Interval {
  return {
    least: Math.max(...intervals.map(({ least }) => least)),
    most: Math.max(...intervals.map(({ most }) => most)),
  };
}

/** One or the other. */
export function either(...intervals: readonly [Interval, ...Interval[]]): Interval {
  return {
    least: Math.min(...intervals.map(({ least }) => least)),
    most: Math.max(...intervals.map(({ most }) => most)),
  };
}
