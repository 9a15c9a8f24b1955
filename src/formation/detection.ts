import { type Interval, inParallel } from '../clock/interval.ts';
import type { Timings } from './timings.ts';

/**
 * When the monitor may give a primary up. It takes both: no report for longer than
 * node_considered_unhealthy_timeout, and failed health checks (group_state_machine.c, IsUnhealthy).
 */

/** Keepers report once a second (PG_AUTOCTL_KEEPER_SLEEP_TIME), so a node's last report may be that old at a fault. */
export const reportMs = 1000;

export type Detection = Pick<
  Timings,
  | 'healthCheckPeriodMs'
  | 'healthCheckTimeoutMs'
  | 'healthCheckRetryDelayMs'
  | 'healthCheckMaxRetries'
  | 'nodeConsideredUnhealthyTimeoutMs'
>;

/**
 * How long after a node fell silent its health checks have failed (health_check_worker.c): a round of them begins
 * every period, tries once and max_retries times more, waits for the time-out at each try and for the delay after it,
 * the last delay included (WaitForEvent, before ManageHealthCheck counts the tries).
 */
export function silentChecksFail(t: Detection): Interval {
  const least = (t.healthCheckMaxRetries + 1) * (t.healthCheckTimeoutMs + t.healthCheckRetryDelayMs);
  return { least, most: t.healthCheckPeriodMs + least };
}

/**
 * The same for a node that is gone. Its name and address outlive it for a while; who asks for an address that nobody has
 * is told so after 3 s (Linux, neigh/mcast_solicit 3 times retrans_time_ms 1000), where the time-out is longer.
 */
export function goneChecksFail(t: Detection): Interval {
  const tryMs = Math.min(t.healthCheckTimeoutMs, addressUnansweredMs);
  const least = (t.healthCheckMaxRetries + 1) * (tryMs + t.healthCheckRetryDelayMs);
  return { least, most: silentChecksFail(t).most };
}

const addressUnansweredMs = 3000;

/**
 * How often a keeper waits for the monitor's host in one round: it opens four connections, each with TCP, TLS and a login, and
 * asks the name server for each. Measured with hosts up to 50 ms apart: docs/timings.md, "Hosts that are far apart".
 */
const reportRoundTrips = 60;

/** How much later a node's reports are for the way to the monitor's host. */
export function reportWayMs(roundTripMs: number): number {
  return reportRoundTrips * roundTripMs;
}

/** A health check of a node that is well: TCP, the question whether there is TLS, TLS, and the login (libpq). */
export function healthCheckMs(roundTripMs: number): number {
  return 5 * roundTripMs;
}

/**
 * How long after a fault the monitor may give the node up; it does so when a standby next reports.
 *
 * @param reportAgeMs how old the node's last report may be at the fault
 */
export function detection(t: Detection, checks: Interval, reportAgeMs: number): Interval {
  const overdueMs = t.nodeConsideredUnhealthyTimeoutMs;
  return inParallel({ least: overdueMs - reportAgeMs, most: overdueMs }, checks);
}

/**
 * By when, after the primary was lost, the monitor has told a standby to take over: it decides when a standby
 * reports, and where it has not decided by then, it does not.
 */
export function decidesWithinMs(t: Detection): number {
  const unheardMs = t.nodeConsideredUnhealthyTimeoutMs + reportMs;
  return Math.max(unheardMs, silentChecksFail(t).most) + 2 * reportMs;
}

/**
 * The longest freeze of the primary that must not become a failover, whole seconds: it takes both missing
 * reports (the last one may be a second old, the next one a second late) and failed health checks.
 */
export function ridesOutMs(t: Detection): number {
  const heardMs = t.nodeConsideredUnhealthyTimeoutMs - 2 * reportMs;
  return Math.floor(Math.max(heardMs, cautiousChecksMs(t) - reportMs) / 1000) * 1000;
}

/**
 * How long after a cut the node is certainly not given up: what its fence may count on. The last delay of the health
 * checks is left out, to be on the safe side.
 *
 * @param wayMs what the way to the monitor adds to the age of a report
 */
export function keptForMs(t: Detection, wayMs = 0): number {
  return Math.max(t.nodeConsideredUnhealthyTimeoutMs - reportMs - wayMs, cautiousChecksMs(t));
}

export function cautiousChecksMs(t: Detection): number {
  return silentChecksFail(t).least - t.healthCheckRetryDelayMs;
}
