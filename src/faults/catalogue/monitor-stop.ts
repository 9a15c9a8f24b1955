import type { Fault } from '../fault.ts';
import { ofOneFormation } from '../shared-monitor.ts';
import { stop } from './stop.ts';

export const monitorStop = {
  does: "the monitor's container is stopped by force",
  expected: 'none',
  because: 'without it nobody decides anything, and the primary goes on serving',
  hits: 'monitor',
  lasts: 'while-watched',
  clientsOnStandby: true,
  deed: (container) => `the power of the monitor ${container} was cut`,
  state: 'down',
  end: 'power back',
  prepare: ofOneFormation(stop.prepare),
} as const satisfies Fault;
