import type { Fault, Prepare } from '../fault.ts';
import { cut } from '../links.ts';
import { packetFilter } from '../packet-filter.ts';

const prepare: Prepare = (scene, [target], signal) =>
  cut(scene, { target, peers: [scene.monitor], filterFor: (block) => ({ block }) }, signal);

export const monitorCut = {
  does: 'every packet between primary and monitor is dropped in silence',
  expected: 'failover',
  because: 'the monitor cannot tell such a primary from a dead one; the primary fences itself meanwhile',
  hits: 'primary',
  lasts: 'until-promotion',
  clientsOnStandby: true,
  leaves: packetFilter,
  deed: (container) => `${container} was cut off from the monitor`,
  state: 'cut off from the monitor',
  end: 'link back',
  predictedAs: 'monitor-cut',
  prepare,
} as const satisfies Fault;
