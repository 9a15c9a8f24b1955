import { seconds } from '../clock/clock.ts';

/**
 * The clocks that decide how soon a formation fails over, and whether the old primary has fenced itself
 * by then. Sources: pg_auto_failover's configuration reference (monitor settings in milliseconds, keeper
 * timeouts in seconds) and its keeper state machine; measurements and reasons in docs/timings.md.
 */
export interface Timings {
  /** pgautofailover.health_check_period, _timeout and _retry_delay on the monitor. */
  healthCheckPeriodMs: number;
  healthCheckTimeoutMs: number;
  healthCheckRetryDelayMs: number;
  /** pgautofailover.health_check_max_retries on the monitor. */
  healthCheckMaxRetries: number;
  /** U: pgautofailover.node_considered_unhealthy_timeout on the monitor. */
  nodeConsideredUnhealthyTimeoutMs: number;
  /** D: pgautofailover.primary_demote_timeout on the monitor. */
  primaryDemoteTimeoutMs: number;
  /** N: the keeper's timeout.network_partition_timeout; whole seconds. */
  networkPartitionTimeoutSeconds: number;
  /** W: wal_sender_timeout of Postgres on each data node. */
  walSenderTimeoutMs: number;
}

export const timingsProfiles = {
  /** What pg_auto_failover does when nothing is configured. A crash-stop promotes after about 54 s. */
  upstream: {
    healthCheckPeriodMs: 5000,
    healthCheckTimeoutMs: 5000,
    healthCheckRetryDelayMs: 2000,
    healthCheckMaxRetries: 2,
    nodeConsideredUnhealthyTimeoutMs: 20_000,
    primaryDemoteTimeoutMs: 30_000,
    networkPartitionTimeoutSeconds: 20,
    walSenderTimeoutMs: 30_000,
  },
  /** Promotes within 30 s of a crash-stop; a freeze of 10 s passes without a failover. */
  balanced: {
    healthCheckPeriodMs: 2000,
    healthCheckTimeoutMs: 2000,
    healthCheckRetryDelayMs: 1000,
    healthCheckMaxRetries: 2,
    nodeConsideredUnhealthyTimeoutMs: 12_000,
    primaryDemoteTimeoutMs: 12_000,
    networkPartitionTimeoutSeconds: 3,
    walSenderTimeoutMs: 16_000,
  },
  /** Promotes within 12 s of a crash-stop; a freeze of 3 s passes without a failover. */
  fast: {
    healthCheckPeriodMs: 500,
    healthCheckTimeoutMs: 1000,
    healthCheckRetryDelayMs: 600,
    healthCheckMaxRetries: 2,
    nodeConsideredUnhealthyTimeoutMs: 4400,
    primaryDemoteTimeoutMs: 4700,
    networkPartitionTimeoutSeconds: 1,
    walSenderTimeoutMs: 6000,
  },
} as const satisfies Record<string, Timings>;

export type TimingsProfile = keyof typeof timingsProfiles;
export const timingsProfileNames = Object.keys(timingsProfiles) as TimingsProfile[];

/** Keepers report once a second, so the last report of a node may be that old when it is cut off. */
const reportMs = 1000;

/**
 * A keeper whose monitor does not answer looks for its standby first 2 to 4.5 s after the cut, and again
 * every 4 s: its connections for notifications and for the report take 2 s each to fail, and it may have been
 * about to sleep for 1 s (which leaves out the first of them) or have been busy.
 */
const firstLookMs = { least: 2000, most: 4500 };
const lookEveryMs = 4000;

/** A standby tells its position once a second, so its connection may end that much before W is over. */
const standbyReportMs = 1000;

/** From the order to fence until Postgres takes no more writes, or until a standby has left it. */
const stopMs = 300;

/** The least time in which the monitor's health checks of a node that does not answer fail. */
function healthChecksFailAfterMs(t: Timings): number {
  return (
    t.healthCheckTimeoutMs + t.healthCheckMaxRetries * (t.healthCheckRetryDelayMs + t.healthCheckTimeoutMs)
  );
}

/** How soon after a full cut the standby may take writes. */
function promotesAfterMs(t: Timings): number {
  const detectionMs = Math.max(t.nodeConsideredUnhealthyTimeoutMs - reportMs, healthChecksFailAfterMs(t));
  return detectionMs + t.primaryDemoteTimeoutMs;
}

/** How long after its last sight of a standby the keeper fences: N is over when more than N whole seconds have passed. */
function fencesAfterMs(t: Timings, everyMs: number): number {
  return Math.ceil(((t.networkPartitionTimeoutSeconds + 1) * 1000) / everyMs) * everyMs + stopMs;
}

/** How long a primary that is cut off from everything may take writes. */
function fencedAfterFullCutMs(t: Timings): number {
  // Where connections fail at once the keeper looks all the time, so it sees the standby's connection to its end.
  const whenRefused = t.walSenderTimeoutMs + fencesAfterMs(t, 1000);
  const looks = Math.max(0, Math.ceil((t.walSenderTimeoutMs - firstLookMs.least) / lookEveryMs) - 1);
  const lastSeenMs = Math.min(t.walSenderTimeoutMs, firstLookMs.most + looks * lookEveryMs);
  return Math.max(whenRefused, lastSeenMs + fencesAfterMs(t, lookEveryMs));
}

/** The faults of a set of timings, each a sentence that spells out the broken invariant; empty when sound. */
export function timingsFaults(t: Timings): string[] {
  const faults: string[] = [];
  const [u, d, w] = [t.nodeConsideredUnhealthyTimeoutMs, t.primaryDemoteTimeoutMs, t.walSenderTimeoutMs];
  const n = t.networkPartitionTimeoutSeconds;
  const promotedMs = promotesAfterMs(t);
  const fencedMs = fencedAfterFullCutMs(t);
  if (promotedMs <= fencedMs) {
    const detection =
      promotedMs === u - reportMs + d
        ? `node-considered-unhealthy-timeout ${seconds(u)} s - ${seconds(reportMs)} s`
        : `health checks ${seconds(healthChecksFailAfterMs(t))} s`;
    faults.push(
      `two primaries after a full cut: the standby may take writes ${seconds(promotedMs)} s after it ` +
        `(${detection} + primary-demote-timeout ${seconds(d)} s), the old primary until ${seconds(fencedMs)} s ` +
        `(wal-sender-timeout ${seconds(w)} s, network-partition-timeout ${n} s, and the keeper's rounds)`,
    );
  }
  const leftMs = fencesAfterMs(t, lookEveryMs) + stopMs;
  if (d <= leftMs) {
    faults.push(
      `two primaries after a cut between primary and monitor: the standby takes writes ` +
        `primary-demote-timeout ${seconds(d)} s after it was told to leave the old primary, which may take them for ` +
        `${seconds(leftMs)} s more (network-partition-timeout ${n} s in the keeper's rounds of ${seconds(lookEveryMs)} s)`,
    );
  }
  const seenMs = firstLookMs.most + standbyReportMs;
  if (w < seenMs) {
    faults.push(
      `two primaries after a full cut: wal-sender-timeout ${seconds(w)} s is less than ${seconds(seenMs)} s, so the ` +
        `standby's connection may end before the old primary's keeper first looks for it, and a keeper that ` +
        `never saw its standby without the monitor never fences`,
    );
  }
  return faults;
}

/**
 * By when, after the primary was lost, the monitor has told a standby to take over: it decides when a standby
 * reports, and where it has not decided by then, it does not.
 */
export function decidesWithinMs(t: Timings): number {
  const unheardMs = t.nodeConsideredUnhealthyTimeoutMs + reportMs;
  return Math.max(unheardMs, t.healthCheckPeriodMs + healthChecksFailAfterMs(t)) + 2 * reportMs;
}

/**
 * The longest freeze of the primary that must not become a failover, whole seconds: it takes both missing
 * reports (the last one may be a second old, the next one a second late) and failed health checks.
 */
export function ridesOutMs(t: Timings): number {
  const heardMs = t.nodeConsideredUnhealthyTimeoutMs - 2 * reportMs;
  return Math.floor(Math.max(heardMs, healthChecksFailAfterMs(t) - reportMs) / 1000) * 1000;
}
