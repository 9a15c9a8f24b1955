import type { Incus } from '../incus/incus.ts';
import type { FaultName } from './record.ts';

/** A way to hurt a container, and how to know that it hurt. Undoing is `undoFault`, for every fault. */
export interface Fault {
  name: FaultName;
  /** For people, to follow "after": "the power of pgaf-primary was cut". */
  deed(container: string): string;
  inject(incus: Incus, container: string): Promise<void>;
  /** What shows that the fault took hold, or undefined when it did not. */
  proof(incus: Incus, container: string): Promise<string | undefined>;
}

/** Power loss: no shutdown, no flush, every connection gone. */
const stop: Fault = {
  name: 'stop',
  deed: (container) => `the power of ${container} was cut`,
  inject: (incus, container) => incus.forceStop(container),
  async proof(incus, container) {
    const status = (await incus.instance(container))?.status;
    return status === 'Stopped' ? 'Incus shows the container as Stopped' : undefined;
  },
};

export const faults: Record<FaultName, Fault> = { stop };
