import { type Interval, together } from '../clock/interval.ts';
import type { Timings } from './timings.ts';

/**
 * When the monitor may give a primary up. It takes both: no report for longer than
 * node_considered_unhealthy_timeout, and failed health checks (group_state_machine.c, IsUnhealthy).
 */

/** Keepers report once a second (PG_AUTOCTL_KEEPER_SLEEP_TIME), so a node's last report may be that old at a fault. */
export const reportMs = 1000;

type Detection = Pick<
  Timings,
  | 'healthCheckPeriodMs'
  | 'healthCheckTimeoutMs'
  | 'healthCheckRetryDelayMs'
  | 'healthCheckMaxRetries'
  | 'nodeConsideredUnhealthyTimeoutMs'
>;

/**
 * How long after a node fell silent its health checks have failed (health_check_worker.c): a round of them begins
 * every period, tries once and max_retries times more, waits for the time-out at each try and for the
 * delay after it, the last delay included. The least leaves the last delay out, to be on the safe side of a fence.
 */
export function silentChecksFail(t: Detection): Interval {
  const retries = t.healthCheckMaxRetries;
  return {
    least: t.healthCheckTimeoutMs + retries * (t.healthCheckRetryDelayMs + t.healthCheckTimeoutMs),
    most: t.healthCheckPeriodMs + (retries + 1) * (t.healthCheckTimeoutMs + t.healthCheckRetryDelayMs),
  };
}

/**
 * The same for a node that is gone. What becomes of a try then depends on what the network still knows of it: refused,
 * unreachable and unknown names fail at once, while packets to an address that nobody has time out.
 */
export function goneChecksFail(t: Detection): Interval {
  return {
    least: (t.healthCheckMaxRetries + 1) * t.healthCheckRetryDelayMs,
    most: silentChecksFail(t).most,
  };
}

/** How long after its last sign of life a node has not reported for too long. */
export function reportOverdue(t: Detection): Interval {
  const most = t.nodeConsideredUnhealthyTimeoutMs;
  return { least: Math.max(0, most - reportMs), most };
}

/** How long after a fault the monitor may give the node up; it does so when a standby next reports. */
export function detection(t: Detection, checks: Interval): Interval {
  return together(reportOverdue(t), checks);
}
