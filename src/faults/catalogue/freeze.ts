import type { Fault, Prepare } from '../fault.ts';

/** Nothing runs, yet the kernel goes on answering for the container's sockets. */
const prepare: Prepare = async ({ incus }, [{ name }]) => ({
  inject: () => incus.pause(name),
  proof: async () =>
    (await incus.instance(name))?.status === 'Frozen' ? 'Incus shows the container as Frozen' : undefined,
});

export const freeze = {
  does: 'every process of the primary is frozen, as on a host that hangs; its connections look alive',
  expected: 'failover',
  because: 'the monitor hears nothing and its health checks get no answer',
  hits: 'primary',
  lasts: 'until-promotion',
  deed: (container) => `${container} was frozen`,
  state: 'frozen',
  end: 'thawed',
  predictedAs: 'freeze',
  prepare,
} as const satisfies Fault;
