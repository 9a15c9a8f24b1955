import type { Fault } from '../../fault.ts';
import { stop } from '../stop.ts';

/** It may cost writes: docs/faults.md, "Two losses at once". */
export const earlyReturn = {
  does: "the primary's container is stopped by force, and started again as soon as the monitor has begun the failover",
  expected: 'failover',
  because:
    'a failover that has begun is completed, and who comes back in the middle of it joins as a standby',
  hits: 'primary',
  lasts: 'until-failover-begins',
  deed: (container) => `the power of ${container} was cut`,
  state: 'down',
  end: 'power back',
  prepare: stop.prepare,
} as const satisfies Fault;
