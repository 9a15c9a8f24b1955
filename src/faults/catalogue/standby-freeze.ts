import type { Fault } from '../fault.ts';
import { freeze } from './freeze.ts';

export const standbyFreeze = {
  does: 'every process of a standby is frozen, as on a host that hangs; its connections look alive',
  expected: 'none',
  because:
    'the primary stays; its commits hang until the standby is given up, then go on without waiting for it',
  hits: 'standby',
  lasts: 'while-watched',
  deed: (container) => `the standby ${container} was frozen`,
  state: 'frozen',
  end: 'thawed',
  prepare: freeze.prepare,
} as const satisfies Fault;
