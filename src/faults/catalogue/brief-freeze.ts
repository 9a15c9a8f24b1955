import type { Fault } from '../fault.ts';
import { freeze } from './freeze.ts';

export const briefFreeze = {
  does: 'the primary is frozen for less than the timings make a failover of, as in a live migration',
  expected: 'none',
  because: 'the timings are meant to ride it out',
  hits: 'primary',
  lasts: 'briefly',
  deed: (container) => `${container} was frozen for a moment`,
  state: 'frozen',
  end: 'thawed',
  prepare: freeze.prepare,
} as const satisfies Fault;
