import type { Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { asPostgres } from './files.ts';

/**
 * A keeper fences its primary only when it remembers that it once saw a standby while the monitor was away
 * (service_keeper.c, in_network_partition: `last_secondary_contact > 0`). One that never did goes on taking
 * writes for as long as it is cut off, wherever its first look comes after the standby's connection has ended
 * (docs/timings.md, "What a node needs besides"). So every keeper is given that memory, which it keeps from then
 * on: a number of seconds in its state file (state.h, KeeperStateData: the same in 2.0 and 2.2).
 */

/** The keeper's state file; in the folder of postgres (XDG_DATA_HOME's default). */
export const stateFileOf = (pgdata: string) =>
  `/var/lib/postgresql/.local/share/pg_autoctl${pgdata}/pg_autoctl.state`;

/** Bytes of the state file that are read here. */
export const stateBytes = 72;

const layout = { version: 1, lastMonitorContact: 48, lastStandbyContact: 64 };
/** 2017: before pg_auto_failover was there. */
const earliestSeconds = 1_483_228_800n;

/**
 * What a keeper remembers of standbys: `yes` (it fences), `no` (it would not), or `unknown` for a file that is not
 * there or not laid out as the one that we know, which is then left alone.
 */
export type StandbyMemory = 'yes' | 'no' | 'unknown';

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

/**
 * Writes the memory, eight bytes at once, and looks again: a keeper that runs reads its state at the start of a
 * round, once a second, and writes it at the end. Held over two rounds it stays.
 */
const remember = `
use strict;
my ($file, $offset, $rounds) = @ARGV;
my $held = 0;
for (1 .. $rounds) {
  open(my $state, "+<", $file) or die "$file: $!\\n";
  sysseek($state, $offset, 0); sysread($state, my $bytes, 8) == 8 or die "$file is too short\\n";
  if (unpack("q<", $bytes) > 0) { exit 0 if ++$held > 1 }
  else { $held = 0; sysseek($state, $offset, 0); syswrite($state, pack("q<", time)) == 8 or die "$file: $!\\n" }
  close($state);
  exit 0 if $rounds == 1;
  select(undef, undef, undef, 1.3);
}
die "the keeper does not keep it\\n";
`;

/**
 * Gives a keeper its memory of a standby.
 * @param runs whether the keeper runs, and may write its state meanwhile
 * @throws as Incus.exec
 */
export async function rememberStandby(
  incus: Incus,
  member: Member,
  runs: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const rounds = runs ? 20 : 1;
  const args = [stateFileOf(member.pgdata), String(layout.lastStandbyContact), String(rounds)];
  await incus.exec(member.name, asPostgres('perl', '-e', remember, ...args), { deadlineMs: 45_000, signal });
}
