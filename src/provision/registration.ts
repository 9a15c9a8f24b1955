import { type Formation, membersOf } from '../formation/formation.ts';
import { configured, isMonitorDisabled } from '../member/keeper-config.ts';
import { type MonitorNode, settledPrimary } from '../monitor/nodes.ts';
import type { Facts } from './facts.ts';
import { pinFaults } from './packages.ts';

/** What was found before anything is touched. */
export interface Found {
  /** Names of the containers that exist. */
  containers: ReadonlySet<string>;
  /** Of those that run. */
  facts: ReadonlyMap<string, Facts>;
  /** The formation's data nodes on the monitor; undefined when no monitor answers. */
  registered: readonly MonitorNode[] | undefined;
}

/** How the nodes of the file and the nodes that the monitor knows go together. Pure. */
export interface Registration {
  /** Why nothing may be done: what would lose data, each with the way to do it by hand. */
  faults: string[];
  /** The monitor knows them, the file does not. */
  strays: MonitorNode[];
  /** The monitor knows them, and their data is gone, be it with the container: dropped, then made anew. */
  gone: MonitorNode[];
  /** They have data, and the monitor does not know them: it is a new one, and they register again. */
  orphans: string[];
}

export function registrationOf(formation: Formation, found: Found): Registration {
  const wanted = formation.nodes.map(({ name }) => name);
  const registered = found.registered ?? [];
  const strays = registered.filter(({ name }) => !wanted.includes(name));
  const gone = registered.filter(({ name }) => wanted.includes(name) && isGone(name, found));
  const known = new Set(registered.map(({ name }) => name));
  const withData = wanted.filter((name) => found.facts.get(name)?.created === true);
  const orphans = withData.filter((name) => !known.has(name));
  return {
    faults: [
      ...memberFaults(formation, found),
      ...primaryFaults(formation, registered, strays),
      ...lossFaults(registered, gone, strays, found),
      // A monitor that knows nobody is a new one, to which they come back.
      ...(registered.length > 0 ? orphans.filter((name) => isEnabled(found.facts.get(name))) : []).map(
        droppedFault,
      ),
    ],
    strays,
    gone,
    orphans,
  };
}

/** Why nothing may be pruned: no registered node would be left with its data, whoever is primary just now. Pure. */
export function pruneFaults({ strays }: Registration, registered: readonly MonitorNode[]): string[] {
  if (strays.length === 0 || strays.length < registered.length) return [];
  const names = strays.map(({ name }) => name).join(', ');
  return [
    `input prune: the file names none of the registered data nodes (${names}), and all data would go with them; add those to the file that are to stay`,
  ];
}

/** No container, or a new one: a creation that was interrupted left pg_autoctl's configuration at the least. */
function isGone(name: string, { containers, facts }: Found): boolean {
  return !containers.has(name) || facts.get(name)?.keeperConfig === '';
}

const isEnabled = (facts: Facts | undefined) => !isMonitorDisabled(facts?.keeperConfig ?? '');

function droppedFault(name: string): string {
  return `nodes: ${name} holds data, and the monitor does not know it any more; where that data is not needed any more, delete the container (incus delete --force ${name}) and run this again: the node is then made anew from the primary`;
}

/** What a running container holds against what the file says of it. */
function memberFaults(formation: Formation, { facts, containers }: Found): string[] {
  const { version, port } = formation.postgres;
  const [monitor, ...nodes] = membersOf(formation);
  return [monitor, ...nodes].flatMap(({ name, pgdata, role }) => {
    const found = facts.get(name);
    if (!found) return [];
    const faults: string[] = [];
    if (found.postgresVersion !== undefined && found.postgresVersion !== version) {
      faults.push(
        `postgres.version: ${version} asked for, and ${name} holds data of ${found.postgresVersion}; an upgrade is not done here: say ${found.postgresVersion}, or move the data by hand (pg_dump, or pg_upgrade) into a new formation`,
      );
    }
    if (found.created) faults.push(...pinFaults(formation, name, found.packages));
    const other = found.dataDirectories.find((path) => path !== pgdata);
    if (other !== undefined) {
      faults.push(
        `postgres.data-directory: ${name} keeps its data in ${other}, and the file asks for ${pgdata}; data is not moved here: say ${other.replace(/\/[^/]*$/, '')}, or make a new formation and move the data by hand (pg_dump)`,
      );
    }
    const foundPort = configured(found.keeperConfig, 'port');
    if (foundPort !== '' && foundPort !== String(port)) {
      faults.push(
        `postgres.port: ${port} asked for, and ${name} listens on ${foundPort}; the port of a node that exists is not changed here: say ${foundPort}`,
      );
    }
    const atMonitor = /@([^:/]+)/.exec(configured(found.keeperConfig, 'monitor'))?.[1];
    const otherMonitor = atMonitor?.split('.')[0];
    if (
      role === 'data' &&
      atMonitor !== undefined &&
      atMonitor !== monitor.host &&
      containers.has(otherMonitor ?? '')
    ) {
      faults.push(
        `monitor.name: ${name} is registered at ${otherMonitor}, and the file says ${monitor.name}; a monitor is not renamed here: say ${otherMonitor}, or delete that container first, and the nodes register at the new one with their data`,
      );
    }
    return faults;
  });
}

function primaryFaults(
  formation: Formation,
  registered: readonly MonitorNode[],
  strays: readonly MonitorNode[],
): string[] {
  const primary = settledPrimary(registered);
  if (primary === undefined || !strays.some(({ name }) => name === primary.name)) return [];
  const byHand = `add ${primary.name} to the file; to retire it, run this with the new node, let it catch up, switch over (incus exec ${formation.monitor.name} -- runuser -u postgres -- pg_autoctl perform switchover --pgdata ${membersOf(formation)[0].pgdata} --formation ${formation.name}), then take it out of the file with prune: true`;
  return [
    `nodes: the primary is ${primary.name}, which the file does not name; a node is not renamed: ${byHand}`,
  ];
}

/** The monitor knows nodes, and no container of any of them is left: a new first node would start empty. */
function lossFaults(
  registered: readonly MonitorNode[],
  gone: readonly MonitorNode[],
  strays: readonly MonitorNode[],
  found: Found,
): string[] {
  const lost = [...gone, ...strays.filter(({ name }) => isGone(name, found))];
  if (registered.length === 0 || lost.length < registered.length) return [];
  return [
    `nodes: the data of every registered data node (${lost.map(({ name }) => name).join(', ')}) is gone; a new primary would start empty. Bring one back (incus import, or a snapshot), or give the formation up with mode: destroy and provision it anew`,
  ];
}
