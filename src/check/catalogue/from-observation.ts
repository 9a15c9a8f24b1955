import type { Formation } from '../../formation/formation.ts';
import { monitorLetsIn } from '../../member/pg-hba.ts';
import { isConverged, type MonitorNode } from '../../monitor/nodes.ts';
import type { Check } from '../check.ts';
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

/**
 * A check on what containers say, which cannot tell where it finds nothing and one could not be read: that of a member
 * whose Postgres answers is told by no other check.
 */
export function onContainers(check: Check): Check {
  return {
    ...check,
    problems(observation, formation, asked) {
      const problems = check.problems(observation, formation, asked);
      return problems?.length === 0 && isBlind(observation) ? undefined : problems;
    },
  };
}

function isBlind({ containers, monitor, nodes }: Observation): boolean {
  const unread = Object.entries(containers).filter(([, read]) => !read.ok);
  const answers = (name: string) => (nodes[name] ?? monitor).ok;
  return unread.length === Object.keys(containers).length || unread.some(([name]) => answers(name));
}

/** The formation's rows on the monitor; undefined where no monitor answers. */
export function monitorNodes({ monitor }: Observation): MonitorNode[] | undefined {
  return monitor.ok ? monitor.value.nodes : undefined;
}

/** Whether the monitor's pg_hba.conf lets a host's keeper in; undefined where it could not be read. */
export function monitorAdmits({ monitor }: Observation, host: string): 'yes' | 'no' | 'maybe' | undefined {
  if (!monitor.ok || monitor.value.hbaText === '') return undefined;
  return monitorLetsIn(monitor.value.hbaText, host);
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

/** A keeper reports once a second; one cut off from a name server takes four. */
const silentAfterSeconds = { least: 4, most: 10 };

export function isSilent(observation: Observation, node: MonitorNode): boolean {
  const unhealthySeconds = clockSeconds(observation, 'node_considered_unhealthy_timeout', 20);
  const { least, most } = silentAfterSeconds;
  return node.secondsSinceReport > Math.max(least, Math.min(most, unhealthySeconds));
}

/** A keeper writes down every second or two when it heard from the monitor last. */
const recentContactSeconds = 10;

/**
 * How others know that a member lives whose host cannot be asked about it, to follow what Incus says; undefined where
 * nobody does. The monitor tells of nodes, and the nodes' keepers of the monitor. A node whose monitor cannot be asked either
 * may live where that monitor does, on the same host: then Incus alone is away there.
 */
export function lifeSign(observation: Observation, formation: Formation, name: string): string | undefined {
  const { instances } = observation;
  if (instances[name]?.unheard === undefined) return undefined;
  const monitor = formation.monitor.name;
  if (name === monitor) {
    const heard = answeringContainers(observation).flatMap(([from, { monitorContact }]) =>
      monitorContact !== undefined && monitorContact.secondsAgo <= recentContactSeconds
        ? [`${from} has heard from it ${monitorContact.secondsAgo.toFixed(0)} s ago`]
        : [],
    );
    return heard[0];
  }
  const host = instances[name]?.location;
  if (!observation.monitor.ok && host !== undefined && host === instances[monitor]?.location) {
    const sign = lifeSign(observation, formation, monitor);
    return sign?.replace('from it', `from ${monitor}, which is on the same host,`);
  }
  const row = monitorNodes(observation)?.find((node) => node.name === name);
  return row?.health === 1 && !isSilent(observation, row)
    ? `the monitor has heard from it ${row.secondsSinceReport.toFixed(1)} s ago`
    : undefined;
}

/** States that a node passes through, and must not stay in. */
const passing: readonly string[] = ['report_lsn', 'draining', 'demote_timeout', 'stop_replication'];

/** The node is not, or not meant to stay, where it is. */
export const isUnderWay = (node: MonitorNode) => !isConverged(node) || passing.includes(node.goalState);

/** A transition that lasts longer than this many times primary_demote_timeout does not end by itself. */
export const stuckFactor = 2;

export function isStuckOnItsWay(observation: Observation, node: MonitorNode): boolean {
  const limit = stuckFactor * clockSeconds(observation, 'primary_demote_timeout', 30);
  return isUnderWay(node) && node.secondsSinceStateChange > limit;
}

/** A setting's value to be compared: ALTER SYSTEM writes lists with blanks of its own. */
export const squeezed = (value: string | undefined) => value?.replace(/\s*,\s*/g, ',').replaceAll('"', '');

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** A size for people: `1.5 GB`. */
export function shownBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}
