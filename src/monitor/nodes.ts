import { containerOf, type KnownFormation } from '../formation/formation.ts';
import type { Session } from '../postgres/session.ts';

/**
 * A data node as the monitor's table pgautofailover.node has it (pg_auto_failover 2.0 to 2.2). The reported
 * state is what the node's keeper said last; the goal state is what the monitor wants of it.
 */
export interface MonitorNode {
  nodeId: number;
  /** Of its container, where the formation's file names it; else its name on the monitor. */
  name: string;
  host: string;
  port: number;
  reportedState: string;
  goalState: string;
  /** 1 good, 0 bad, -1 not known yet: the result of the monitor's health checks. */
  health: number;
  /**
   * Whether its Postgres runs, as its keeper reported last. A standby's that has come back says no at first: then the
   * monitor gives the node up when the primary next reports, whatever its health checks say (IsUnhealthy).
   */
  postgresRuns: boolean;
  candidatePriority: number;
  replicationQuorum: boolean;
  reportedTimeline: number;
  reportedLsn: string;
  /** What pg_stat_replication says of the standby on the primary: `sync`, `quorum`, `async`, … */
  reportedReplicationState: string;
  /** Seconds since the keeper last reported, the monitor last checked, and the state last changed; its clock. */
  secondsSinceReport: number;
  secondsSinceHealthCheck: number;
  secondsSinceStateChange: number;
}

/** A formation's data nodes, in order of registration. */
export async function readNodes(
  session: Session,
  formation: KnownFormation,
  deadlineMs = 5000,
): Promise<MonitorNode[]> {
  const rows = await session.query(
    `SELECT nodeid::int, nodename, nodehost, nodeport, reportedstate::text, goalstate::text, health,
            reportedpgisrunning, candidatepriority, replicationquorum, reportedtli, reportedlsn::text, reportedrepstate,
            extract(epoch FROM now() - reporttime)::float8 AS since_report,
            extract(epoch FROM now() - healthchecktime)::float8 AS since_check,
            extract(epoch FROM now() - statechangetime)::float8 AS since_change
       FROM pgautofailover.node WHERE formationid = $1 ORDER BY nodeid`,
    [formation.name],
    { deadlineMs },
  );
  return rows.map((row) => ({
    nodeId: Number(row['nodeid']),
    name: containerOf(formation, String(row['nodename'])),
    host: String(row['nodehost']),
    port: Number(row['nodeport']),
    reportedState: String(row['reportedstate']),
    goalState: String(row['goalstate']),
    health: Number(row['health']),
    postgresRuns: row['reportedpgisrunning'] === true,
    candidatePriority: Number(row['candidatepriority']),
    replicationQuorum: row['replicationquorum'] === true,
    reportedTimeline: Number(row['reportedtli']),
    reportedLsn: String(row['reportedlsn']),
    reportedReplicationState: String(row['reportedrepstate']),
    secondsSinceReport: Number(row['since_report']),
    secondsSinceHealthCheck: Number(row['since_check']),
    secondsSinceStateChange: Number(row['since_change']),
  }));
}

/** Hosts of the data nodes of every other formation on the monitor, each once, in order. */
export async function readOtherHosts(session: Session, formation: string): Promise<string[]> {
  const rows = await session.query(
    'SELECT DISTINCT nodehost FROM pgautofailover.node WHERE formationid <> $1 ORDER BY nodehost',
    [formation],
  );
  return rows.map((row) => String(row['nodehost']));
}

/** Names of the other formations that have nodes on the monitor, in order. */
export async function readOtherFormations(session: Session, formation: string): Promise<string[]> {
  const rows = await session.query(
    'SELECT DISTINCT formationid FROM pgautofailover.node WHERE formationid <> $1 ORDER BY formationid',
    [formation],
  );
  return rows.map((row) => String(row['formationid']));
}

/** States in which a node's Postgres takes the application's writes, reported by its own keeper. */
export const writableStates: readonly string[] = ['primary', 'wait_primary', 'single'];

type States = Pick<MonitorNode, 'reportedState' | 'goalState'>;

/** The node has reached the state that the monitor wants of it. */
export function isConverged(node: States): boolean {
  return node.reportedState === node.goalState;
}

/**
 * The node was promoted: it reports, and is meant to be, the primary. A goal of wait_primary alone is only
 * permission, and the monitor's get_primary() can name a demoted node.
 */
export function isPromoted(node: States): boolean {
  return isConverged(node) && (node.goalState === 'wait_primary' || node.goalState === 'primary');
}

/** The node that is settled as the one writable node, or undefined when there is none or more than one. */
export function settledPrimary<T extends States>(nodes: readonly T[]): T | undefined {
  const writable = nodes.filter((node) => isConverged(node) && writableStates.includes(node.goalState));
  return writable.length === 1 ? writable[0] : undefined;
}

/**
 * The one node that takes writes and is to go on, also where it is on its way between such states: from wait_primary to
 * primary it waits for a standby, for ever where that one is gone (fsm_primary_standby.c: "we don't have a quorum candidate
 * yet"; seen in the lab). Undefined when there is none or more than one.
 */
export function servingPrimary<T extends States>(nodes: readonly T[]): T | undefined {
  const wanted = nodes.filter(({ goalState }) => writableStates.includes(goalState));
  const [one] = wanted;
  return wanted.length === 1 && one && writableStates.includes(one.reportedState) ? one : undefined;
}

/**
 * Whether a node that took writes when it reported last is to do so no longer: let go on after it was frozen, it would,
 * until its keeper hears of that. Undefined where the monitor does not know it.
 */
export function isSucceeded(
  name: string,
  nodes: readonly (States & { name: string })[],
): boolean | undefined {
  const own = nodes.find((node) => node.name === name);
  if (own === undefined) return undefined;
  const isWritable = (node: States) => writableStates.includes(node.goalState);
  return (
    writableStates.includes(own.reportedState) &&
    (!isWritable(own) || nodes.some((node) => node !== own && isWritable(node)))
  );
}

type Rested = States & Pick<MonitorNode, 'health' | 'postgresRuns'>;

/** A node is where the monitor wants it, and nothing will make the monitor give it up. */
export const isAtRest = (node: Rested): boolean =>
  isConverged(node) && node.health === 1 && node.postgresRuns;

/** Every node is at rest: one primary, the rest secondaries. */
export function isSettled(nodes: readonly Rested[]): boolean {
  return (
    nodes.length >= 2 &&
    nodes.every(isAtRest) &&
    nodes.filter((node) => node.goalState === 'primary').length === 1 &&
    nodes.filter((node) => node.goalState === 'secondary').length === nodes.length - 1
  );
}

/** `pgaf-primary: primary (healthy), pgaf-replica: catchingup → secondary (not healthy)` */
export function describeNodes(nodes: readonly (States & Pick<MonitorNode, 'health' | 'name'>)[]): string {
  if (nodes.length === 0) return 'no node is registered';
  return nodes
    .map((node) => {
      const state = isConverged(node) ? node.reportedState : `${node.reportedState} → ${node.goalState}`;
      return `${node.name}: ${state}${node.health === 1 ? '' : ' (not healthy)'}`;
    })
    .join(', ');
}
