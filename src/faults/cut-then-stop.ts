import type { Prepare } from './fault.ts';
import { standbyCut } from './links.ts';
import { powerCut } from './power.ts';

/**
 * The standbys get nothing more, and after the 1.5 s that it takes to show that, the primary is gone. A commit that
 * waits for a standby is not acknowledged in between; one that does not is, and is lost.
 */
export const cutThenStop: Prepare = async (scene, target, signal) => {
  const cut = await standbyCut(scene, target, signal);
  const stop = await powerCut(scene, target, signal);
  let silence: string | undefined;
  return {
    async inject() {
      await cut.inject();
      silence = await cut.proof();
      await stop.inject();
    },
    async proof() {
      const stopped = await stop.proof();
      return silence === undefined || stopped === undefined ? undefined : `${silence}; then ${stopped}`;
    },
  };
};
