import type { Fault } from '../fault.ts';
import { stop } from './stop.ts';

export const standbyStop = {
  does: "a standby's container is stopped by force",
  expected: 'none',
  because:
    'the primary stays; its commits hang until the standby is given up, then go on without waiting for it',
  hits: 'standby',
  lasts: 'while-watched',
  deed: (container) => `the power of the standby ${container} was cut`,
  state: 'down',
  end: 'power back',
  prepare: stop.prepare,
} as const satisfies Fault;
