import type { Fault } from '../fault.ts';
import { ofOneFormation } from '../shared-monitor.ts';
import { freeze } from './freeze.ts';

export const monitorFreeze = {
  does: 'every process of the monitor is frozen, as on a host that hangs; its connections look alive',
  expected: 'none',
  because: 'nobody decides anything meanwhile, and the primary goes on serving',
  hits: 'monitor',
  lasts: 'while-watched',
  clientsOnStandby: true,
  deed: (container) => `the monitor ${container} was frozen`,
  state: 'frozen',
  end: 'thawed',
  prepare: ofOneFormation(freeze.prepare),
} as const satisfies Fault;
