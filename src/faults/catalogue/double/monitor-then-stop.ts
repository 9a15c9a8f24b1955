import type { Fault, Prepare } from '../../fault.ts';
import { refuseShared } from '../../shared-monitor.ts';
import { Stops } from './stops.ts';

const prepare: Prepare = async (scene, targets, signal) => {
  const { incus, monitor, primary } = scene;
  await refuseShared(scene, monitor, signal);
  const stops = new Stops(incus);
  return {
    async inject() {
      await stops.stop(monitor);
      await stops.stop(primary);
    },
    fell: () => stops.fell(),
    proof: () => stops.proof(targets),
  };
};

/** The limit of a formation with one monitor (pg_auto_failover's documentation, "Fault tolerance"). */
export const monitorThenStop = {
  does: "the monitor's container is stopped by force, then the primary's",
  expected: 'outage',
  because: 'without the monitor nobody has a standby take over, and the service is out until they are back',
  hits: 'primary-and-monitor',
  lasts: 'while-watched',
  clientsOnStandby: true,
  deed: (containers) => `the power of ${containers} was cut, the monitor's first`,
  state: 'down',
  end: 'power back',
  prepare,
} as const satisfies Fault;
