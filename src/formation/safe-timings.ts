import { toSeconds } from '../clock/clock.ts';
import { cautiousChecksMs, keptForMs, reportMs } from './detection.ts';
import {
  demotingFenced,
  firstLook,
  fullCutFenced,
  lookEveryMs,
  mayNeverSeeStandby,
  standbyReportMs,
} from './fencing.ts';
import type { Timings } from './timings.ts';

/** The errors of a set of timings, each a sentence that spells out the broken invariant; empty when sound. */
export function timingsErrors(t: Timings): string[] {
  const errors: string[] = [];
  const [u, d, w] = [t.nodeConsideredUnhealthyTimeoutMs, t.primaryDemoteTimeoutMs, t.walSenderTimeoutMs];
  const n = t.networkPartitionTimeoutSeconds;
  const promotedMs = keptForMs(t) + d;
  const fencedMs = fullCutFenced(t, standbyReportMs).most;
  if (promotedMs <= fencedMs) {
    const deciding =
      promotedMs === u - reportMs + d
        ? `node-considered-unhealthy-timeout ${toSeconds(u)} s - ${toSeconds(reportMs)} s`
        : `health checks ${toSeconds(cautiousChecksMs(t))} s`;
    errors.push(
      `two primaries after a full cut: the standby may take writes ${toSeconds(promotedMs)} s after it ` +
        `(${deciding} + primary-demote-timeout ${toSeconds(d)} s), the old primary until ${toSeconds(fencedMs)} s ` +
        `(wal-sender-timeout ${toSeconds(w)} s, network-partition-timeout ${n} s, and the keeper's rounds)`,
    );
  }
  const leftMs = demotingFenced(t).most;
  if (d <= leftMs) {
    errors.push(
      `two primaries after a cut between primary and monitor: the standby takes writes ` +
        `primary-demote-timeout ${toSeconds(d)} s after it was told to leave the old primary, which may take them for ` +
        `${toSeconds(leftMs)} s more (network-partition-timeout ${n} s in the keeper's rounds of ${toSeconds(lookEveryMs)} s)`,
    );
  }
  if (mayNeverSeeStandby(t, standbyReportMs)) {
    const seenMs = firstLook.most + standbyReportMs;
    errors.push(
      `two primaries after a full cut: wal-sender-timeout ${toSeconds(w)} s is less than ${toSeconds(seenMs)} s, so the ` +
        `standby's connection may end before the old primary's keeper first looks for it, and a keeper that ` +
        `never saw its standby without the monitor never fences`,
    );
  }
  return errors;
}
