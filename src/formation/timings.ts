import { seconds } from '../clock/clock.ts';
import { cautiousChecksMs, keptForMs, reportMs } from './detection.ts';
import {
  demotingFenced,
  firstLook,
  fullCutFenced,
  lookEveryMs,
  mayNeverSeeStandby,
  standbyReportMs,
} from './fencing.ts';

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

/** The faults of a set of timings, each a sentence that spells out the broken invariant; empty when sound. */
export function timingsFaults(t: Timings): string[] {
  const faults: string[] = [];
  const [u, d, w] = [t.nodeConsideredUnhealthyTimeoutMs, t.primaryDemoteTimeoutMs, t.walSenderTimeoutMs];
  const n = t.networkPartitionTimeoutSeconds;
  const promotedMs = keptForMs(t) + d;
  const fencedMs = fullCutFenced(t, standbyReportMs).most;
  if (promotedMs <= fencedMs) {
    const deciding =
      promotedMs === u - reportMs + d
        ? `node-considered-unhealthy-timeout ${seconds(u)} s - ${seconds(reportMs)} s`
        : `health checks ${seconds(cautiousChecksMs(t))} s`;
    faults.push(
      `two primaries after a full cut: the standby may take writes ${seconds(promotedMs)} s after it ` +
        `(${deciding} + primary-demote-timeout ${seconds(d)} s), the old primary until ${seconds(fencedMs)} s ` +
        `(wal-sender-timeout ${seconds(w)} s, network-partition-timeout ${n} s, and the keeper's rounds)`,
    );
  }
  const leftMs = demotingFenced(t).most;
  if (d <= leftMs) {
    faults.push(
      `two primaries after a cut between primary and monitor: the standby takes writes ` +
        `primary-demote-timeout ${seconds(d)} s after it was told to leave the old primary, which may take them for ` +
        `${seconds(leftMs)} s more (network-partition-timeout ${n} s in the keeper's rounds of ${seconds(lookEveryMs)} s)`,
    );
  }
  if (mayNeverSeeStandby(t, standbyReportMs)) {
    const seenMs = firstLook.most + standbyReportMs;
    faults.push(
      `two primaries after a full cut: wal-sender-timeout ${seconds(w)} s is less than ${seconds(seenMs)} s, so the ` +
        `standby's connection may end before the old primary's keeper first looks for it, and a keeper that ` +
        `never saw its standby without the monitor never fences`,
    );
  }
  return faults;
}
