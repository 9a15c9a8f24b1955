import type { Fault, Prepare } from '../fault.ts';
import { packetFilter } from '../packet-filter.ts';
import { standbyCut } from './standby-cut.ts';
import { stop } from './stop.ts';

/**
 * The standbys get nothing more, and after the 1.5 s that it takes to show that, the primary is gone. A commit that
 * waits for a standby is not acknowledged in between; one that does not is, and is lost.
 */
const prepare: Prepare = async (scene, targets, signal) => {
  const cut = await standbyCut.prepare(scene, targets, signal);
  const power = await stop.prepare(scene, targets, signal);
  let silence: string | undefined;
  return {
    async inject() {
      await cut.inject();
      silence = await cut.proof();
      await power.inject();
    },
    async proof() {
      const stopped = await power.proof();
      return silence === undefined || stopped === undefined ? undefined : `${silence}; then ${stopped}`;
    },
  };
};

export const cutThenStop = {
  does: "the link between the primary and its standbys is cut, then the primary's container is stopped by force",
  expected: 'failover',
  because:
    'a primary that is gone is replaced; what it acknowledged meanwhile is lost unless commits wait for a standby',
  hits: 'primary',
  lasts: 'until-promotion',
  leaves: packetFilter,
  deed: (container) => `${container} was cut off from its standbys, and then its power cut`,
  state: 'cut off, then down',
  end: 'power back',
  prepare,
} as const satisfies Fault;
