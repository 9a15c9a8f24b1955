import type { Moment } from '../../clock/clock.ts';
import type { Notable } from './survey.ts';

/** When one of the clients' two ways was of no use. */
export interface Break {
  way: number;
  from: Moment;
  to: Moment;
  why: string;
}

/** Who has a way again has so long to be back on it. */
export const returnMs = 5000;

/** When each of the clients' ways was broken: since it was last known to be whole, and until it could be gone again. Pure. */
export function breaksOf(events: readonly Notable[]): Break[] {
  const mended = events.flatMap((event) => (event.kind === 'mended' ? [event] : []));
  return events.flatMap((event) => {
    if (event.kind !== 'broken') return [];
    const { way, at, wholeUntil, why } = event;
    const to = mended.reduce(
      (first, each) => (each.way === way && each.at >= at ? Math.min(first, each.at) : first),
      Number.POSITIVE_INFINITY,
    );
    return [{ way, from: wholeUntil, to, why }];
  });
}

/** Why nobody saw anything: of breaks of which one came before who goes the other way was back. Pure. */
export function blindBreaks(breaks: readonly Break[]): string[] {
  const isBeside = (one: Break, other: Break) =>
    one.way !== other.way && one.from <= other.to + returnMs && other.from <= one.to + returnMs;
  return breaks.filter((one) => breaks.some((other) => isBeside(one, other))).map(({ why }) => why);
}

/** Whether what went a way at a moment came to nothing. Pure. */
export const wasBroken = (breaks: readonly Break[], way: number | undefined, at: Moment): boolean =>
  breaks.some((each) => each.way === way && each.from < at && at <= each.to);
