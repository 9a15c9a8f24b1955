import { shortenedToRoom, widthOf } from './lettering.ts';
import { type Ink, lettered, line } from './svg.ts';

/** A moment with its name beside it, like a flag on its pole. */
export interface Flag {
  /** Where the pole stands. */
  x: number;
  label: string;
  ink: Ink;
  pole: 'dashed' | 'solid' | 'none';
}

export interface PlacedFlag extends Flag {
  /** How far from the picture's middle: 0 is next to it. */
  row: number;
}

const size = 12;
const air = 6;
export const flagHeight = 17;

/**
 * Finds a row for each flag so that no name lies upon another's, or on a pole. Every name stands to the left of its
 * pole, so it only has to keep clear of poles further left, whose names are further left still.
 */
export function placed(flags: readonly Flag[]): PlacedFlag[] {
  const done: PlacedFlag[] = [];
  for (const given of flags.toSorted((one, other) => one.x - other.x)) {
    const flag = { ...given, label: shortenedToRoom(given.label, given.x - 2 * air, size, true) };
    const left = flag.x - air - widthOf(flag.label, size, true) - air;
    const under = done.filter(({ x }) => x >= left).map(({ row }) => row);
    done.push({ ...flag, row: under.length === 0 ? 0 : Math.max(...under) + 1 });
  }
  return done;
}

export const heightOf = (flags: readonly PlacedFlag[]) =>
  (Math.max(-1, ...flags.map(({ row }) => row)) + 1) * flagHeight;

/** Names above `near`, poles from there to `far`, further down. */
export function flagsAbove(flags: readonly PlacedFlag[], near: number, far: number): string[] {
  return flags.map((flag) =>
    drawn(flag, near - flag.row * flagHeight - 5, near - flag.row * flagHeight - 15, far),
  );
}

/** Names below `near`, poles from there to `far`, further up. */
export function flagsBelow(flags: readonly PlacedFlag[], near: number, far: number): string[] {
  return flags.map((flag) =>
    drawn(flag, near + flag.row * flagHeight + 13, near + flag.row * flagHeight + 16, far),
  );
}

function drawn({ x, label, ink, pole }: PlacedFlag, base: number, from: number, to: number): string {
  const standing =
    pole === 'none'
      ? ''
      : line(ink, [x, from], [x, to], { width: pole === 'solid' ? 2 : 1, dashed: pole === 'dashed' });
  return `${standing}${lettered(ink, [x - air, base], label, { size, bold: pole !== 'dashed', anchor: 'end' })}`;
}
