import { type Moment, toSeconds } from '../../clock/clock.ts';
import type { Interval } from '../../clock/interval.ts';
import type { DrillRecord, Told } from '../record.ts';

/** How far the times of a drill are to be trusted, and what may be concluded from them. */

/** What is known better than this is told as one moment. */
const exactMs = 100;

/** A moment as an offset from another, with its bounds where these matter. */
export function toldSince(origin: Moment, at: Moment, between: Interval): Told {
  const told = { seconds: toSeconds(at - origin) };
  if (between.most - between.least <= exactMs) return told;
  return {
    ...told,
    between: { least: toSeconds(between.least - origin), most: toSeconds(between.most - origin) },
  };
}

/** Earliest and latest, seconds. */
export const boundsOf = ({ seconds: at, between }: Told): Interval => between ?? { least: at, most: at };

/** Whether a moment came within a limit; undefined where it may have or not. */
export function cameWithin(told: Told, limitSeconds: number): boolean | undefined {
  const { least, most } = boundsOf(told);
  if (most <= limitSeconds) return true;
  return least > limitSeconds ? false : undefined;
}

/** `25.312 s`, or `25.312 s (between 25.301 and 25.801 s)`. */
export function describeTold({ seconds: at, between }: Told): string {
  const shown = (value: number) => value.toFixed(3);
  return between
    ? `${shown(at)} s (between ${shown(between.least)} and ${shown(between.most)} s)`
    : `${shown(at)} s`;
}

/** When the watch on the monitor saw nothing, to follow a colon or stand in brackets; empty where it always saw. */
export function describeBlindness({ blind = [] }: Pick<DrillRecord, 'blind'>): string {
  const signed = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)} s`;
  const spots = blind.map(({ from, to, why }) =>
    to === undefined ? `from ${signed(from)} on (${why})` : `from ${signed(from)} to ${signed(to)} (${why})`,
  );
  return spots.length === 0 ? '' : `the watch on the monitor was blind ${spots.join(', ')}`;
}

/** Whether the monitor was not seen again: what it did since, nobody knows. */
export const isBlindAtEnd = ({ blind = [] }: Pick<DrillRecord, 'blind'>): boolean =>
  blind.some(({ to }) => to === undefined);

/**
 * Why the formation was not healthy again in time, where it was healthy at last: `missed`, or `error` where that cannot
 * be told. Undefined where it was in time, was never healthy, or the record is of a release that kept no deadline.
 */
export function lateRejoin(record: DrillRecord): ['missed' | 'error', string] | undefined {
  const { rejoinDeadlineSeconds: deadline } = record;
  const told = rejoinOf(record);
  if (told === undefined || deadline === undefined) return undefined;
  const inTime = cameWithin(told, deadline);
  if (inTime === true) return undefined;
  const took = `all nodes were healthy ${describeTold(told)} after the fault was undone`;
  if (inTime === false) return ['missed', `${took}; the deadline is ${deadline} s`];
  const blind = describeBlindness(record);
  return [
    'error',
    `whether the formation was healthy within ${deadline} s cannot be told: ${took}${blind && `, as ${blind}`}`,
  ];
}

/** From the undo until every node had converged and was healthy; undefined where that was not seen. */
export function rejoinOf({
  undoSeconds,
  settledSeconds,
  settledBetween,
}: Pick<DrillRecord, 'undoSeconds' | 'settledSeconds' | 'settledBetween'>): Told | undefined {
  if (undoSeconds === undefined || settledSeconds === undefined) return undefined;
  const since = (at: number) => Math.max(0, toSeconds((at - undoSeconds) * 1000));
  return {
    seconds: since(settledSeconds),
    ...(settledBetween && {
      between: { least: since(settledBetween.least), most: since(settledBetween.most) },
    }),
  };
}

/** The same, where the formation was found healthy in the end: one that had converged alone has not rejoined yet. */
export const healthyAfter = (
  record: Parameters<typeof rejoinOf>[0] & Pick<DrillRecord, 'final'>,
): Told | undefined => (record.final?.outcome === 'pass' ? rejoinOf(record) : undefined);

/** Why it cannot be told whether the formation was healthy in the end; undefined where it was read. */
export function finalUntold({ final }: Pick<DrillRecord, 'final'>): string | undefined {
  if (final !== undefined && final.outcome !== 'error') return undefined;
  return `whether the formation is healthy afterwards cannot be told: ${final?.message ?? 'it was not read'}`;
}
