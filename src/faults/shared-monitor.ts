import { EnvironmentError } from '../contract/errors.ts';
import type { Member } from '../formation/formation.ts';
import { readOtherHosts } from '../monitor/nodes.ts';
import type { Prepare, Scene } from './fault.ts';

/**
 * A monitor that serves other formations too is theirs as well.
 * @throws EnvironmentError where it does; as Scene.openMonitor where it cannot be asked
 */
export async function refuseShared(scene: Scene, monitor: Member, signal: AbortSignal): Promise<void> {
  const session = await scene.openMonitor(signal);
  try {
    const others = await readOtherHosts(session, scene.formation.name);
    if (others.length > 0)
      throw new EnvironmentError(
        `${monitor.name} serves other formations too (${others.join(', ')}), which could not fail over meanwhile`,
      );
  } finally {
    session.close();
  }
}

/** What is done to a monitor, and only where it serves no other formation. @throws as refuseShared, and as `prepare` */
export const ofOneFormation =
  (prepare: Prepare): Prepare =>
  async (scene, targets, signal) => {
    await refuseShared(scene, targets[0], signal);
    return await prepare(scene, targets, signal);
  };
