import type { MonitorNode } from '../../monitor/nodes.ts';
import type { ObservedContainer } from '../container-probe.ts';
import type { Observation, ObservedNode } from '../observation.ts';

/** What several checks look for in an observation. */

export function answeringNodes({ nodes }: Observation): [string, ObservedNode][] {
  return Object.entries(nodes).flatMap(([name, read]) =>
    read.ok ? [[name, read.value] as [string, ObservedNode]] : [],
  );
}

export function answeringContainers({ containers }: Observation): [string, ObservedContainer][] {
  return Object.entries(containers).flatMap(([name, read]) =>
    read.ok ? [[name, read.value] as [string, ObservedContainer]] : [],
  );
}

/** The formation's rows on the monitor; undefined where no monitor answers. */
export function monitorNodes({ monitor }: Observation): MonitorNode[] | undefined {
  return monitor.ok ? monitor.value.nodes : undefined;
}

/** The node that takes writes by its own word, with what it says. */
export function writablePrimary(observation: Observation): [string, ObservedNode] | undefined {
  return answeringNodes(observation).find(([, node]) => !node.inRecovery);
}

/** pg_auto_failover names a standby's connection and slot after its node id. */
export const standbyName = (nodeId: number) => `pgautofailover_standby_${nodeId}`;

/** The names that pg_auto_failover gives its slots. */
export const isOwnSlot = (name: string) => /^pgautofailover_standby_\d+$/.test(name);

/** A clock of the monitor in seconds, `otherwise` where the monitor could not be read. */
export function clockSeconds({ monitor }: Observation, name: string, otherwise: number): number {
  const value = monitor.ok ? monitor.value.clocks[name] : undefined;
  return value === undefined ? otherwise : value / 1000;
}

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** A size for people: `1.5 GB`. */
export function size(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}
