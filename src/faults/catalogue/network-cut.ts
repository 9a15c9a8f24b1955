import type { Fault, Prepare } from '../fault.ts';
import { cut } from '../links.ts';
import { packetFilter } from '../packet-filter.ts';

const prepare: Prepare = (scene, [target], signal) =>
  cut(scene, { target, peers: [scene.monitor, ...scene.standbys], filterFor: () => 'isolate' }, signal);

export const networkCut = {
  does: 'every packet from and to the primary is dropped in silence',
  expected: 'failover',
  because: 'the primary is lost to everybody, and fences itself meanwhile',
  hits: 'primary',
  lasts: 'until-promotion',
  leaves: packetFilter,
  deed: (container) => `${container} was cut off from the network`,
  state: 'cut off',
  end: 'link back',
  predictedAs: 'full-cut',
  prepare,
} as const satisfies Fault;
