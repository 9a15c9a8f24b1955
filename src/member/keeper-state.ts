/**
 * A keeper fences its primary only when it remembers that it once saw a standby while the monitor was away
 * (service_keeper.c, in_network_partition: `last_secondary_contact > 0`). One that never did goes on taking
 * writes for as long as it is cut off, wherever its first look comes after the standby's connection has ended
 * (docs/timings.md, "What a node needs besides"). So every keeper is given that memory, which it keeps from then
 * on: a number of seconds in its state file (state.h, KeeperStateData: the same in 2.0 and 2.2; `keeper-state-file` of
 * formation/releases.ts).
 */

/** The keeper's state file; in the folder of postgres (XDG_DATA_HOME's default). */
export const stateFileOf = (pgdata: string) =>
  `/var/lib/postgresql/.local/share/pg_autoctl${pgdata}/pg_autoctl.state`;

/** Bytes of the state file that are read here. */
export const stateBytes = 72;

export const layout = { version: 1, lastMonitorContact: 48, lastStandbyContact: 64 };
/** 2017: before pg_auto_failover was there. */
const earliestSeconds = 1_483_228_800n;

/**
 * What a keeper remembers of standbys: `yes` (it fences), `no` (it would not), or `unknown` for a file that is not
 * there or not laid out as the one that we know, which is then left alone.
 */
export type StandbyMemory = 'yes' | 'no' | 'unknown';

/** Seconds since 1970, by the container's clock; undefined where the file tells none. @param head as of standbyMemory */
export function lastMonitorContact(head: Buffer): number | undefined {
  if (standbyMemory(head) === 'unknown') return undefined;
  const seconds = Number(head.readBigInt64LE(layout.lastMonitorContact));
  return seconds > 0 ? seconds : undefined;
}

/** @param head the first bytes of pg_autoctl.state */
export function standbyMemory(head: Buffer): StandbyMemory {
  if (head.length < stateBytes || head.readInt32LE(0) !== layout.version) return 'unknown';
  const [monitor, standby] = [layout.lastMonitorContact, layout.lastStandbyContact].map((offset) =>
    head.readBigInt64LE(offset),
  ) as [bigint, bigint];
  const isTime = (seconds: bigint) => seconds === 0n || seconds >= earliestSeconds;
  if (!isTime(monitor) || !(isTime(standby) || standby === 1n)) return 'unknown';
  return standby > 0n ? 'yes' : 'no';
}
