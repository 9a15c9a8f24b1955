import type { Fault, Prepare } from '../fault.ts';
import { cut } from '../links.ts';
import { packetFilter } from '../packet-filter.ts';

const prepare: Prepare = (scene, [target], signal) =>
  cut(scene, { target, peers: scene.standbys, filterFor: (block) => ({ block }) }, signal);

export const standbyCut = {
  does: 'every packet between the primary and its standbys is dropped in silence',
  expected: 'none',
  because: 'the monitor reaches all of them; synchronous commits hang until the link is back (upstream #997)',
  hits: 'primary',
  reliesOn: 'commits-wait-for-the-link',
  lasts: 'while-watched',
  leaves: packetFilter,
  deed: (container) => `${container} was cut off from its standbys`,
  state: 'cut off from its standbys',
  end: 'link back',
  prepare,
} as const satisfies Fault;
