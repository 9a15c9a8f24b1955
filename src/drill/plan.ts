import { seconds } from '../clock/clock.ts';
import { InputError } from '../contract/errors.ts';
import { catalogue, type FaultName } from '../faults/catalogue.ts';
import { decidesWithinMs, ridesOutMs } from '../formation/detection.ts';
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

/**
 * @param heldMs how long the caller wants the fault held; undefined: what the timings call for
 * @throws InputError when a freeze that is meant to be ridden out would not be
 */
export function planOf(fault: FaultName, timings: Timings, heldMs: number | undefined): Plan {
  const { expected, lasts } = catalogue[fault];
  const watchMs = expected === 'failover' ? 0 : decidesWithinMs(timings) + marginMs;
  switch (lasts) {
    case 'until-promotion':
      return { holdMs: heldMs ?? 0, watchMs };
    case 'a-moment':
      return { holdMs: 0, watchMs };
    case 'while-watched':
      return { holdMs: heldMs ?? watchMs, watchMs: Math.max(watchMs, heldMs ?? 0) };
    case 'briefly': {
      const longestMs = ridesOutMs(timings);
      if (heldMs !== undefined && heldMs > longestMs)
        throw new InputError([
          `input hold-seconds: ${fault} of ${seconds(heldMs)} s is longer than the ${seconds(longestMs)} s that these timings ride out; the fault freeze is for more`,
        ]);
      return { holdMs: heldMs ?? longestMs, watchMs: watchMs + (heldMs ?? longestMs) };
    }
  }
}
