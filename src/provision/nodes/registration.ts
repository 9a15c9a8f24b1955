import { containerTarget } from '../../formation/command-line.ts';
import { type Formation, keeps, membersOf } from '../../formation/formation.ts';
import { configured, isMonitorDisabled, keeperConfigPath } from '../../member/keeper-config.ts';
import { type MonitorNode, settledPrimary } from '../../monitor/nodes.ts';
import { otherMonitorOf } from '../containers/kinship.ts';
import { type Facts, isBlank } from '../facts.ts';
import { pinErrors } from '../packages/packages.ts';
import { releaseErrors } from '../packages/release.ts';

/** What was found before anything is touched. */
export interface FoundMembers {
  /** Names of the containers that exist. */
  containers: ReadonlySet<string>;
  /** Of those that were read. */
  facts: ReadonlyMap<string, Facts>;
  registered: Registered;
}

/** The formation's data nodes on the monitor, as far as one could ask it. */
export type Registered =
  | { kind: 'asked'; nodes: readonly MonitorNode[] }
  /** There is no monitor, for certain: it knows nobody. */
  | { kind: 'none' }
  /** There is one, and it could not be asked: it may know any of them. */
  | { kind: 'unread' };

/** How the nodes of the file and the nodes that the monitor knows go together. Pure. */
export interface Registration {
  /** Why nothing may be done: what would lose data, each with the way to do it by hand. */
  errors: string[];
  /** The monitor knows them, the file does not. */
  strays: MonitorNode[];
  /** The monitor knows them, and their data is gone, be it with the container: dropped, then made anew. */
  gone: MonitorNode[];
  /** They have data, and the monitor does not know them: it is a new one, and they register again. */
  orphans: string[];
}

export function registrationOf(formation: Formation, found: FoundMembers): Registration {
  const wanted = formation.nodes.map(({ name }) => name);
  const registered = nodesOf(found.registered);
  const strays = registered.filter(({ name }) => !wanted.includes(name));
  const gone = registered.filter(({ name }) => wanted.includes(name) && isGone(name, found));
  const known = new Set(registered.map(({ name }) => name));
  const withData = wanted.filter((name) => found.facts.get(name)?.created === true);
  const orphans = found.registered.kind === 'unread' ? [] : withData.filter((name) => !known.has(name));
  return {
    errors: [
      ...memberErrors(formation, found),
      ...primaryErrors(formation, registered, strays),
      ...lossErrors(registered, gone, strays, found),
      // A monitor that knows nobody is a new one, to which they come back.
      ...(registered.length > 0 ? orphans.filter((name) => isEnabled(found.facts.get(name))) : []).map(
        (each) => droppedError(formation, each),
      ),
    ],
    strays,
    gone,
    orphans,
  };
}

/** The nodes that the monitor was heard to know. */
export const nodesOf = (registered: Registered): readonly MonitorNode[] =>
  registered.kind === 'asked' ? registered.nodes : [];

/** Why nothing may be pruned: no registered node would be left with its data, whoever is primary just now. Pure. */
export function pruneErrors({ strays }: Registration, registered: readonly MonitorNode[]): string[] {
  if (strays.length === 0 || strays.length < registered.length) return [];
  const names = strays.map(({ name }) => name).join(', ');
  return [
    `input prune: the file names none of the registered data nodes (${names}), and all data would go with them; add to the file those that should stay`,
  ];
}

/** No container, or a new one: a creation that was interrupted left pg_autoctl's configuration at the least. */
function isGone(name: string, { containers, facts }: FoundMembers): boolean {
  const found = facts.get(name);
  return !containers.has(name) || (found !== undefined && isBlank(found));
}

const isEnabled = (facts: Facts | undefined) => !isMonitorDisabled(facts?.keeperConfig ?? '');

function droppedError(formation: Formation, name: string): string {
  return `nodes: ${name} holds data, and the monitor does not know it any more; if you no longer need that data, delete the container (incus delete --force ${containerTarget(formation, name)}) and run this again: the node is then made anew from the primary`;
}

/** What a running container holds against what the file says of it. */
function memberErrors(formation: Formation, { facts, containers }: FoundMembers): string[] {
  const { version, port } = formation.postgres;
  const [monitor, ...nodes] = membersOf(formation);
  return [monitor, ...nodes].flatMap(({ name, pgdata, role }) => {
    const found = facts.get(name);
    if (!found) return [];
    const errors = isBlank(found) ? keptErrors(formation, name) : [];
    if (found.postgresVersion !== undefined && found.postgresVersion !== version) {
      errors.push(
        `postgres.version: ${version} asked for, and ${name} holds data of ${found.postgresVersion}; this does not upgrade it: say ${found.postgresVersion}, or move the data by hand (pg_dump, or pg_upgrade) into a new formation`,
      );
    }
    if (found.created) errors.push(...pinErrors(formation, name, found.packages));
    errors.push(...releaseErrors(formation, name, found.packages));
    const other = found.dataDirectories.find((path) => path !== pgdata);
    if (other !== undefined) {
      // The folder of the file is the one above; what is called otherwise there is said of the member.
      const isSayable = other.replace(/.*\//, '') === pgdata.replace(/.*\//, '');
      const byHand = isSayable
        ? `say ${other.replace(/\/[^/]*$/, '')}, or move the data by hand (docs/existing-formation.md)`
        : `say pgdata: ${other} for it (docs/existing-formation.md)`;
      errors.push(
        `postgres.data-directory: ${name} keeps its data in ${other}, and the file asks for ${pgdata}; data is not moved here: ${byHand}`,
      );
    }
    if (role === 'data' && found.keeperConfig === '' && found.postgresVersion !== undefined) {
      errors.push(
        `nodes: ${name} holds data of Postgres in ${pgdata}, and pg_autoctl's configuration of it is gone (${keeperConfigPath({ pgdata })}); bring that back, or, if you no longer need the data, delete the container (incus delete --force ${containerTarget(formation, name)}) and run this again: the node is then made anew from the primary`,
      );
    }
    const foundPort = configured(found.keeperConfig, 'port');
    if (foundPort !== '' && foundPort !== String(port)) {
      errors.push(
        `postgres.port: ${port} asked for, and ${name} listens on ${foundPort}; the port of an existing node cannot be changed: say ${foundPort}`,
      );
    }
    const otherMonitor = otherMonitorOf(formation, found.keeperConfig, containers);
    if (role === 'data' && otherMonitor !== undefined) {
      errors.push(
        `monitor.name: ${name} is registered at ${otherMonitor}, and the file says ${monitor.name}; a monitor cannot be renamed: say ${otherMonitor}, or delete that container first, and the nodes register at the new one with their data`,
      );
    }
    return errors;
  });
}

/** What is left as it is has nothing for a member that is to be made. */
function keptErrors(formation: Formation, name: string): string[] {
  return (['access', 'certificates'] as const)
    .filter((what) => keeps(formation, what))
    .map(
      (what) =>
        `keep: ${what} leaves that of the other members as it is, so that ${name}, which is to be made, would be without; take the word out of the file, and run this again`,
    );
}

function primaryErrors(
  formation: Formation,
  registered: readonly MonitorNode[],
  strays: readonly MonitorNode[],
): string[] {
  const primary = settledPrimary(registered);
  if (primary === undefined || !strays.some(({ name }) => name === primary.name)) return [];
  const byHand = `add ${primary.name} to the file; to retire it, run this with the new node, let it catch up, switch over (incus exec ${containerTarget(formation, formation.monitor.name)} -- runuser -u postgres -- pg_autoctl perform switchover --pgdata ${membersOf(formation)[0].pgdata} --formation ${formation.name}), then take it out of the file with prune: true`;
  return [
    `nodes: the primary is ${primary.name}, which the file does not name; a node cannot be renamed: ${byHand}`,
  ];
}

/** The monitor knows nodes, and no container of any of them is left: a new first node would start empty. */
function lossErrors(
  registered: readonly MonitorNode[],
  gone: readonly MonitorNode[],
  strays: readonly MonitorNode[],
  found: FoundMembers,
): string[] {
  const lost = [...gone, ...strays.filter(({ name }) => isGone(name, found))];
  if (registered.length === 0 || lost.length < registered.length) return [];
  return [
    `nodes: the data of every registered data node (${lost.map(({ name }) => name).join(', ')}) is gone; a new primary would start empty. Bring one back (incus import, or a snapshot), or give the formation up with mode: destroy and provision it anew`,
  ];
}
