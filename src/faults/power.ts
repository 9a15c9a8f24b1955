import { EnvironmentError } from '../contract/errors.ts';
import { readOtherHosts } from '../monitor/nodes.ts';
import type { Prepare } from './fault.ts';

/** Faults of a whole container, by way of Incus alone. */

/** No shutdown, no flush, every connection gone. */
export const powerCut: Prepare = async ({ incus }, { name }) => ({
  inject: () => incus.forceStop(name),
  proof: async () =>
    (await incus.instance(name))?.status === 'Stopped' ? 'Incus shows the container as Stopped' : undefined,
});

/** The same of a monitor. One that serves other formations too is theirs as well. */
export const monitorPowerCut: Prepare = async (scene, target, signal) => {
  const session = await scene.openMonitor(signal);
  try {
    const others = await readOtherHosts(session, scene.formation.name);
    if (others.length > 0)
      throw new EnvironmentError(
        `${target.name} serves other formations too (${others.join(', ')}), which could not fail over meanwhile`,
      );
  } finally {
    session.close();
  }
  return await powerCut(scene, target, signal);
};

/** Nothing runs, yet the kernel goes on answering for the container's sockets. */
export const freeze: Prepare = async ({ incus }, { name }) => ({
  inject: () => incus.pause(name),
  proof: async () =>
    (await incus.instance(name))?.status === 'Frozen' ? 'Incus shows the container as Frozen' : undefined,
});

/** In order: systemd stops pg_autoctl, which stops Postgres; then everything starts again. */
export const restart: Prepare = async ({ incus }, { name }, signal) => {
  const before = (await incus.state(name, signal)).pid;
  if (before <= 0) throw new EnvironmentError(`Incus does not tell the first process of ${name}`);
  return {
    inject: () => incus.restart(name),
    async proof() {
      const { pid } = await incus.state(name);
      return pid > 0 && pid !== before
        ? `the container's first process is ${pid} on its host, and was ${before}`
        : undefined;
    },
  };
};
