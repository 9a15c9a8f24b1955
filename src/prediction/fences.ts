import { toSeconds } from '../clock/clock.ts';
import { type Interval, inTurn } from '../clock/interval.ts';
import { keptForMs, silentChecksFail } from '../formation/detection.ts';
import { connectionEnds, demotingFenced, firstLook, fullCutFenced } from '../formation/fencing.ts';
import type { LiveNode, LiveSettings } from './basis.ts';
import { chosen, demotionAwaited, givenUp, onTheWayMs, opened, roundMs } from './failover-steps.ts';

/** When an old primary takes no more writes, against when the new one takes its first. Milliseconds. */
export interface Fence {
  /** From the fault, where the keeper runs on time; null where it is not to be relied upon. */
  fenced: Interval | null;
  /** New primary writable minus old primary fenced; negative where two take writes. */
  margin: Interval | null;
  /** How long two primaries may take writes; null: for as long as the cut lasts. */
  overlapMs: number | null;
  /** The same where the cut falls amid a report, or the machine is too busy to run the keeper on time. */
  overlapWhenLateMs: number | null;
  /** What decides: a sentence. */
  reason: string;
}

/**
 * A cut amid a report costs up to tcp_user_timeout more: docs/timings.md, "Why these values". It is the URI's as long as
 * `uri-limits-silence` of formation/releases.ts holds.
 */
export const lateMs = 3000;

/** A thawed primary was demoted 0.2 to 3.4 s after the thaw: its keeper's first report tells it. */
const thawMs = 4000;

const unreliable = (reason: string): Fence => ({
  fenced: null,
  margin: null,
  overlapMs: null,
  overlapWhenLateMs: null,
  reason,
});

export const frozen: Fence = {
  fenced: null,
  margin: null,
  overlapMs: thawMs,
  overlapWhenLateMs: thawMs,
  reason:
    'a frozen primary is never fenced, as nothing runs that could: thawed after the promotion it takes writes until its ' +
    `keeper's first report, for up to ${toSeconds(thawMs)} s`,
};

/** Nothing arrives at the old primary, nor from it. */
export function fullCutFence(live: LiveSettings, primary: LiveNode, writable: Interval): Fence {
  const statusMs = standbysSpeakEveryMs(live, primary);
  const { helpers, name, walSenderTimeoutMs } = primary;
  if (walSenderTimeoutMs === 0)
    return unreliable(
      `${name} may never fence itself: wal_sender_timeout is 0, so it never gives its standby up; set it`,
    );
  if (!helpers.quickNameLookups)
    return unreliable(
      `${name} may never fence itself: a keeper that is cut off from its name server waits for look-ups until its standby's ` +
        'connection is over; set RES_OPTIONS=timeout:1 attempts:1 in the environment of pg_autoctl',
    );
  if (!helpers.monitorKeepalives) return waitsWithoutEnd(name);
  const ends = connectionEnds(primary, statusMs).least;
  if (ends < firstLook.most && !helpers.remembersStandby)
    return unreliable(
      `${name} may never fence itself: its standby's connection may end after ${toSeconds(ends)} s, before its keeper first ` +
        `looks for it, after up to ${toSeconds(firstLook.most)} s; raise wal_sender_timeout, or set ` +
        'wal_receiver_status_interval to 1s',
    );
  const fenced = fullCutFenced(primary, statusMs);
  const margin = {
    least:
      keptForMs(live.monitor, onTheWayMs(live.nodes)) + live.monitor.primaryDemoteTimeoutMs - fenced.most,
    most: writable.most - fenced.least,
  };
  const missesWhenLate = ends < firstLook.most + lateMs && !helpers.remembersStandby;
  return relied(
    fenced,
    margin,
    missesWhenLate,
    `wal_sender_timeout ${toSeconds(walSenderTimeoutMs)} s and network_partition_timeout ${primary.networkPartitionTimeoutSeconds} s ` +
      `of ${name} decide when it is fenced`,
  );
}

/** Nothing arrives between the old primary and the monitor; its standby does hear it, and leaves it when told to. */
export function monitorCutFence(live: LiveSettings, primary: LiveNode): Fence {
  const { monitor, nodes } = live;
  const { helpers, name } = primary;
  if (!helpers.monitorKeepalives) return waitsWithoutEnd(name);
  const wayMs = onTheWayMs(nodes);
  const given = givenUp(monitor, silentChecksFail(monitor), wayMs).takes;
  const choice = chosen(nodes.length, wayMs).takes;
  // Of several standbys each leaves before it reports its position; a single one when D begins.
  const leavesLate = nodes.length > 2 ? 0 : choice.least;
  const leaves = inTurn(given, { least: 0, most: roundMs + wayMs }, { least: leavesLate, most: choice.most });
  const afterwards = demotingFenced(primary);
  const demotionMs = demotionAwaited(monitor.primaryDemoteTimeoutMs).takes.most;
  const margin = {
    least: monitor.primaryDemoteTimeoutMs - afterwards.most,
    most:
      (nodes.length > 2 ? choice.most : 0) +
      demotionMs +
      roundMs +
      wayMs +
      opened.takes.most -
      afterwards.least,
  };
  const missesWhenLate = given.least < firstLook.most + lateMs && !helpers.remembersStandby;
  return relied(
    inTurn(leaves, afterwards),
    margin,
    missesWhenLate,
    `network_partition_timeout ${primary.networkPartitionTimeoutSeconds} s of ${name} decides when it is fenced, once its ` +
      'standby has left it',
  );
}

function relied(fenced: Interval, margin: Interval, missesWhenLate: boolean, reason: string): Fence {
  const rest = missesWhenLate
    ? '; it never saw a standby while the monitor was away, and if it looks too late for this one it never fences itself'
    : '';
  return {
    fenced,
    margin,
    overlapMs: Math.max(0, -margin.least),
    overlapWhenLateMs: missesWhenLate ? null : Math.max(0, lateMs - margin.least),
    reason: reason + rest,
  };
}

function waitsWithoutEnd(name: string): Fence {
  return unreliable(
    `${name} may never fence itself: a cut that strikes while its keeper awaits the monitor's answer hangs it; add keepalives_idle, ` +
      "keepalives_interval, keepalives_count and tcp_user_timeout to its monitor's URI",
  );
}

/** The keeper is content with any standby, so the one that speaks most often is seen longest. */
function standbysSpeakEveryMs({ nodes }: LiveSettings, primary: LiveNode): number {
  const intervals = nodes
    .filter((node) => node !== primary)
    .map(({ walReceiverStatusIntervalMs }) => walReceiverStatusIntervalMs)
    .filter((intervalMs) => intervalMs > 0);
  return intervals.length === 0 ? 0 : Math.min(...intervals);
}
