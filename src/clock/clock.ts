/**
 * One monotonic clock for every duration (performance.now, milliseconds since the process started), and
 * wall-clock stamps derived from it for people. Two machines' clocks are never compared.
 */

/** A moment on this process's monotonic clock, in milliseconds. */
export type Moment = number;

export function now(): Moment {
  return performance.now();
}

/** The wall-clock stamp of a moment, ISO 8601 in UTC with milliseconds: for people, never for arithmetic. */
export function wallClock(moment: Moment): string {
  return new Date(performance.timeOrigin + moment).toISOString();
}

/** A duration in seconds with millisecond precision. */
export function toSeconds(durationMs: number): number {
  return Math.round(durationMs) / 1000;
}

/** A duration for people: `0.84 s`, `12.3 s`, `2 min 5 s`. */
export function humanDuration(durationMs: number): string {
  if (durationMs < 10_000) return `${(durationMs / 1000).toFixed(2)} s`;
  if (durationMs < 120_000) return `${(durationMs / 1000).toFixed(1)} s`;
  const whole = Math.round(durationMs / 1000);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
