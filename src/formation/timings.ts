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
