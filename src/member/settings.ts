import type { Formation } from '../formation/formation.ts';
import type { Timings } from '../formation/timings.ts';

/** Postgres settings, by name, as postgresql.conf has them. */
export type Settings = Record<string, string>;

/** A standby whose value is below its primary's does not start (Postgres, "Hot standby: administrator's overview"). */
export const notBelowPrimary: readonly string[] = [
  'max_connections',
  'max_prepared_transactions',
  'max_locks_per_transaction',
  'max_wal_senders',
  'max_worker_processes',
];

/** The monitor's clocks (pg_auto_failover's configuration reference; all reloadable). */
export function monitorSettings(timings: Timings): Settings {
  return {
    'pgautofailover.health_check_period': `${timings.healthCheckPeriodMs}ms`,
    'pgautofailover.health_check_timeout': `${timings.healthCheckTimeoutMs}ms`,
    'pgautofailover.health_check_max_retries': String(timings.healthCheckMaxRetries),
    'pgautofailover.health_check_retry_delay': `${timings.healthCheckRetryDelayMs}ms`,
    'pgautofailover.node_considered_unhealthy_timeout': `${timings.nodeConsideredUnhealthyTimeoutMs}ms`,
    'pgautofailover.primary_demote_timeout': `${timings.primaryDemoteTimeoutMs}ms`,
  };
}

/** What a data node's Postgres needs besides what pg_auto_failover writes: its clock, and the file's settings. */
export function dataNodeSettings(formation: Formation): Settings {
  return {
    wal_sender_timeout: `${formation.timings.walSenderTimeoutMs}ms`,
    // An idle standby speaks only when asked, at half of wal_sender_timeout, and would be given up that much early.
    wal_receiver_status_interval: '1s',
    ...formation.postgres.settings,
  };
}
