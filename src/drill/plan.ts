import { toSeconds } from '../clock/clock.ts';
import { InputError } from '../contract/errors.ts';
import { type FaultName, faultCatalogue } from '../faults/catalogue.ts';
import type { Fault } from '../faults/fault.ts';
import { decidesWithinMs, ridesOutMs } from '../formation/detection.ts';
import { unknownRelease, unreliedOn } from '../formation/releases.ts';
import type { Timings } from '../formation/timings.ts';

/** How long a drill holds its fault, and how long it looks out for a failover that should not come. */
export interface Plan {
  /** From when the fault is in force; at least so long, where a promotion ends it. */
  holdMs: number;
  /** From when it is in force, whatever becomes of it. 0 where a failover is expected: then that is what is waited for. */
  watchMs: number;
}

/** A failover that begins has this long to be announced, on a machine that is busy. */
const marginMs = 3000;

/** For how long a failover is looked out for: no decision of the monitor takes longer. */
export const outlookMs = (timings: Timings): number => decidesWithinMs(timings) + marginMs;

/**
 * @param heldMs how long the caller wants the fault held; undefined: what the timings call for
 * @param expected what should come of it
 * @throws InputError when a freeze that is meant to be ridden out would not be
 */
export function planOf(
  fault: FaultName,
  timings: Timings,
  heldMs: number | undefined,
  // Where it follows from the placement, that is known when the formation has been read.
  expected: Fault['expected'] = faultCatalogue[fault].expected,
): Plan {
  const { lasts } = faultCatalogue[fault];
  const watchMs = expected === 'failover' ? 0 : outlookMs(timings);
  switch (lasts) {
    case 'until-promotion':
      return { holdMs: heldMs ?? (expected === 'failover' ? 0 : watchMs), watchMs };
    case 'until-failover-begins':
    case 'a-moment':
      return { holdMs: 0, watchMs };
    case 'while-watched':
      // Where either is right, nobody looks out any more once the fault is undone.
      return expected === 'either'
        ? { holdMs: heldMs ?? watchMs, watchMs: heldMs ?? watchMs }
        : { holdMs: heldMs ?? watchMs, watchMs: Math.max(watchMs, heldMs ?? 0) };
    case 'briefly': {
      const longestMs = ridesOutMs(timings);
      if (heldMs !== undefined && heldMs > longestMs)
        throw new InputError([
          `input hold-seconds: ${fault} of ${toSeconds(heldMs)} s is longer than the ${toSeconds(longestMs)} s that these timings ride out; the fault freeze is for more`,
        ]);
      return { holdMs: heldMs ?? longestMs, watchMs: watchMs + (heldMs ?? longestMs) };
    }
  }
}

/**
 * What is expected of a fault is what the known releases of pg_auto_failover do. On another one, a fault whose expectation
 * rests on what is done otherwise there is refused, and the rest go on with a warning. Pure.
 * @param version the extension's, as the monitor says it; '' where it was not read
 */
export function onRelease(fault: FaultName, version: string): { refused?: string; warning?: string } {
  const unknown = version === '' ? undefined : unknownRelease(version);
  if (unknown === undefined) return {};
  const { reliesOn } = faultCatalogue[fault];
  const refused = reliesOn && unreliedOn(version, reliesOn);
  return refused === undefined
    ? { warning: `${unknown}: what is expected of ${fault} is what those do (docs/versions.md)` }
    : { refused };
}
