import type { Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { layout, stateFileOf } from '../member/keeper-state.ts';
import { asPostgres } from './files.ts';

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
