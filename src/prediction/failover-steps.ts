import { exactly, type Interval, inParallel } from '../clock/interval.ts';
import { type Detection, detection, reportWayMs } from '../formation/detection.ts';
import type { LiveNode } from './basis.ts';

/**
 * The steps from a fault to the announced promotion, in the order in which they come. Figures that no setting
 * causes were measured on two cores at loads of 5 to 30: docs/prediction.md.
 */

/** One step: how long it takes, and the setting that causes it, where one does. */
export interface FailoverStep {
  name: string;
  takes: Interval;
  cost: Cost | null;
}

export interface Cost {
  setting: string;
  /** How much of the step's most the setting makes. */
  costMs: number;
  /** How much shorter the step's most may become by lowering this setting alone. */
  gainMs: number;
}

/** A keeper's round is a second of waiting (PG_AUTOCTL_KEEPER_SLEEP_TIME), and its work, up to 0.5 s on a busy machine. */
export const roundMs = 1500;

/** What the way between hosts adds to a keeper's report; nothing where it is not known. The slowest node decides. */
export function onTheWayMs(nodes: readonly Pick<LiveNode, 'monitorRoundTripMs'>[]): number {
  return reportWayMs(Math.max(0, ...nodes.map(({ monitorRoundTripMs = 0 }) => monitorRoundTripMs)));
}

/**
 * The monitor acts on a node's report and on nothing else (ProceedGroupState in group_state_machine.c, called by
 * node_active): whatever has become true waits for the next one.
 *
 * @param wayMs what the way to the monitor adds to a report, here and below
 */
export function nextReport(name: string, wayMs: number): FailoverStep {
  return { name, cost: null, takes: { least: 0, most: roundMs + wayMs } };
}

/** @param checks how long the health checks of this fault take to fail */
export function givenUp(t: Detection, checks: Interval, wayMs: number): FailoverStep {
  return {
    name: 'the monitor may give the primary up',
    takes: detection(t, checks, roundMs + wayMs),
    cost: detectionCost(t, checks),
  };
}

/** Reports and health checks run side by side: the later decides, and is worth lowering down to the earlier. */
function detectionCost(t: Detection, checks: Interval): Cost {
  const overdueMs = t.nodeConsideredUnhealthyTimeoutMs;
  const setting = 'pgautofailover.node_considered_unhealthy_timeout';
  if (overdueMs >= checks.most) return { setting, costMs: overdueMs, gainMs: overdueMs - checks.most };
  const tries = t.healthCheckMaxRetries + 1;
  const shares: [string, number][] = [
    ['pgautofailover.health_check_timeout', tries * t.healthCheckTimeoutMs],
    ['pgautofailover.health_check_retry_delay', tries * t.healthCheckRetryDelayMs],
    ['pgautofailover.health_check_period', t.healthCheckPeriodMs],
  ];
  const [longest, costMs] = shares.reduce((most, one) => (one[1] > most[1] ? one : most));
  return { setting: longest, costMs, gainMs: Math.min(costMs, checks.most - overdueMs) };
}

/**
 * prepare_promotion asks nothing of a single standby: it reports it at once, and is told to stop replication. Of
 * several, each first starts its Postgres anew without the primary and reports its position (report_lsn), and the
 * monitor chooses when the last has (ProceedGroupStateForMSFailover); the chosen one may hear of it at its next round.
 * The slowest of the starts decides: 2.9 to 6.6 s in all as a rule, 9 s once, at a load of 24.
 */
export function chosen(nodes: number, wayMs: number): FailoverStep {
  return nodes > 2
    ? {
        name: 'the standbys report their positions, and the one that is chosen prepares its promotion',
        cost: null,
        takes: { least: 2000, most: 10_000 + wayMs },
      }
    : {
        name: 'the standby prepares its promotion',
        cost: null,
        takes: { least: 50, most: 1100 + wayMs },
      };
}

/** From the order to stop replication until Postgres is out of recovery; it runs while D does. */
const promoteMs: Interval = { least: 50, most: 3000 };

/** The old primary does not answer, so its whole time to demote itself must pass (IsDrainTimeExpired). */
export function demotionAwaited(demoteTimeoutMs: number): FailoverStep {
  return {
    name: 'the old primary has its time to demote itself, while the standby is promoted',
    takes: inParallel(exactly(demoteTimeoutMs), promoteMs),
    cost: {
      setting: 'pgautofailover.primary_demote_timeout',
      costMs: demoteTimeoutMs,
      gainMs: Math.max(0, demoteTimeoutMs - promoteMs.most),
    },
  };
}

/** default_transaction_read_only goes off, the first thing that wait_primary does. */
export const opened: FailoverStep = {
  name: 'the new primary opens for writes',
  cost: null,
  takes: { least: 20, most: 500 },
};

/** Its keeper reports as soon as it has done all that its new state asks for; for other standbys that is more. */
export function announced(nodes: number, wayMs: number): FailoverStep {
  return {
    name: 'the new primary reports and the monitor announces it',
    cost: null,
    takes: { least: 10, most: (nodes > 2 ? 2500 : 900) + wayMs },
  };
}

/** From the start of pg_autoctl perform switchover until the monitor has given its orders. */
export const commanded: FailoverStep = {
  name: "the operator's command reaches the monitor",
  cost: null,
  takes: { least: 30, most: 800 },
};

/**
 * A single standby whose primary ended the replication tries to connect once more, and then sleeps for
 * wal_retrieve_retry_interval: an order to be promoted that comes meanwhile waits for its end (seen in Postgres 15: 5.0 s
 * from "received promote request" to "redo done"). A primary that falls silent leaves it connected, and several standbys
 * have been restarted without a primary before: neither sleeps.
 */
function promotedAfterParting(nodes: number, retryMs: number): { most: number; cost: Cost | null } {
  if (nodes > 2) return { most: promoteMs.most, cost: null };
  const cost = { setting: 'wal_retrieve_retry_interval', costMs: retryMs, gainMs: retryMs };
  return { most: 2000 + retryMs, cost };
}

/**
 * The old primary answers, so nobody waits for primary_demote_timeout: its Postgres shuts down, with a checkpoint, and
 * its keeper says so; the standby is promoted meanwhile.
 */
export function handedOver(nodes: number, retryMs: number, wayMs: number): FailoverStep {
  const { most, cost } = promotedAfterParting(nodes, retryMs);
  return {
    name: 'the old primary shuts down, while the standby is promoted',
    cost,
    takes: { least: 300, most: Math.max(3100, most) + 2 * wayMs },
  };
}

/** The same where Postgres had crashed: D limits how long the old primary may take, but not the standby. */
export function demotedAfterCrash(nodes: number, demoteTimeoutMs: number, retryMs: number): FailoverStep {
  const promoted = promotedAfterParting(nodes, retryMs);
  return {
    name: 'the old primary demotes itself, while the standby is promoted',
    cost:
      demoteTimeoutMs >= promoted.most
        ? {
            setting: 'pgautofailover.primary_demote_timeout',
            costMs: demoteTimeoutMs,
            gainMs: demoteTimeoutMs - promoted.most,
          }
        : promoted.cost,
    takes: { least: promoteMs.least, most: Math.max(demoteTimeoutMs, promoted.most) },
  };
}

/**
 * The keeper's supervisor starts Postgres again at once, and what remains is recovery: 0.8 to 4.2 s on a machine whose disk
 * others keep busy, with next to nothing written since the last checkpoint. More than that, and it takes longer.
 */
export const restarted: FailoverStep = {
  name: 'the keeper starts Postgres again, which recovers',
  cost: null,
  takes: { least: 200, most: 6000 },
};
