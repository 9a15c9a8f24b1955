import { either, type Interval, inTurn } from '../clock/interval.ts';
import type { Timings } from './timings.ts';

/**
 * When a primary that is cut off takes no more writes. Its keeper looks for a standby once in each of its rounds in which
 * it failed to reach the monitor, and stops Postgres when it has heard neither for more than
 * network_partition_timeout (service_keeper.c, is_network_healthy and in_network_partition). What a round
 * costs was measured: docs/timings.md, "How a cut-off primary fences itself".
 */

type FencingTimings = Pick<Timings, 'networkPartitionTimeoutSeconds' | 'walSenderTimeoutMs'>;

/**
 * A keeper whose monitor does not answer looks for its standby first 2 to 4.5 s after the cut, and again
 * every 4 s: its connections for notifications and for the report take 2 s each to fail, and it may have been
 * about to sleep for 1 s (which leaves out the first of them) or have been busy.
 */
export const firstLook: Interval = { least: 2000, most: 4500 };
export const lookEveryMs = 4000;

/** A standby tells its position once a second, so its connection may end that much before W is over. */
export const standbyReportMs = 1000;

/** From the order to fence until Postgres takes no more writes, or until a standby has left it. */
const stop: Interval = { least: 0, most: 300 };

/**
 * How long after its last sight of a standby the keeper gives the order to fence. Only a look notices, and more than N
 * whole seconds must have passed by a clock of whole seconds: a fraction more than N may do, N + 1 always does.
 */
function partitionNoticed(
  t: Pick<FencingTimings, 'networkPartitionTimeoutSeconds'>,
  everyMs: number,
): Interval {
  const looks = (durationMs: number) => Math.ceil(durationMs / everyMs) * everyMs;
  const nMs = t.networkPartitionTimeoutSeconds * 1000;
  return { least: looks(nMs), most: looks(nMs + 1000) };
}

/**
 * When Postgres gives up a standby that fell silent: W after its last word, which came up to
 * wal_receiver_status_interval before the cut. An idle standby is asked at W/2 and answers, so it is never more.
 */
export function connectionEnds(t: FencingTimings, statusIntervalMs: number): Interval {
  const w = t.walSenderTimeoutMs;
  const silent = statusIntervalMs === 0 ? w / 2 : Math.min(statusIntervalMs, w / 2);
  return { least: w - silent, most: w };
}

/**
 * Whether the standby's connection may end before the keeper first looks for it. A keeper that never saw its standby
 * without the monitor never fences: its last_secondary_contact is 0.
 */
export function mayNeverSeeStandby(t: FencingTimings, statusIntervalMs: number): boolean {
  return connectionEnds(t, statusIntervalMs).least < firstLook.most;
}

/** A standby on a busy machine may speak so much later than it means to (48.4 s with W 30 s and N 20 s). */
const lateWordMs = 1000;

/** When a keeper whose connections fail in silence last sees a standby whose connection ends then. */
function lastSight(ends: Interval): Interval {
  const looks = Math.max(0, Math.ceil((ends.most - firstLook.least) / lookEveryMs) - 1);
  return {
    least: Math.max(firstLook.least, ends.least - lookEveryMs),
    most: Math.min(ends.most, firstLook.most + looks * lookEveryMs),
  };
}

/** How long a primary that is cut off from everything takes writes, where its keeper runs on time. */
export function fullCutFenced(t: FencingTimings, statusIntervalMs: number): Interval {
  const { least, most } = connectionEnds(t, statusIntervalMs);
  const ends = { least: Math.max(0, least - lateWordMs), most };
  const silent = inTurn(lastSight(ends), partitionNoticed(t, lookEveryMs), stop);
  // Where connections fail at once the keeper looks all the time, so it sees the standby's connection to its end.
  const refused = inTurn(ends, partitionNoticed(t, 1000), stop);
  if (!mayNeverSeeStandby(t, statusIntervalMs)) return either(silent, refused);
  // One that saw a standby in an earlier cut, and none in this, need only miss the monitor for N.
  const soonestMs = Math.max(firstLook.least, t.networkPartitionTimeoutSeconds * 1000);
  return either(silent, refused, { least: soonestMs, most: refused.most });
}

/**
 * How long a primary that is cut off from the monitor alone takes writes after its standby was told to leave it: the
 * standby goes at once, and may have been seen a moment or a whole round ago.
 */
export function demotingFenced(t: FencingTimings): Interval {
  const { least, most } = partitionNoticed(t, lookEveryMs);
  return inTurn({ least: least - lookEveryMs, most }, stop, stop);
}
