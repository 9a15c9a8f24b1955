import type { Fault, Prepare } from '../fault.ts';

/** No shutdown, no flush, every connection gone. */
const prepare: Prepare = async ({ incus }, [{ name }]) => ({
  inject: () => incus.forceStop(name),
  proof: async () =>
    (await incus.instance(name))?.status === 'Stopped' ? 'Incus shows the container as Stopped' : undefined,
});

export const stop = {
  does: "the primary's container is stopped by force, as in a power cut",
  expected: 'failover',
  because: 'a primary that is gone is replaced',
  hits: 'primary',
  lasts: 'until-promotion',
  deed: (container) => `the power of ${container} was cut`,
  state: 'down',
  end: 'power back',
  predictedAs: 'crash-stop',
  prepare,
} as const satisfies Fault;
