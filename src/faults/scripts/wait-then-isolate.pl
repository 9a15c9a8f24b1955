# Run behind packet-filter.pl's preparations: waits for its moment with everything ready, so that several containers of a
# host fall within a millisecond of each other. Orders come by standard input, one a line; its end, as when the drill has
# been killed, ends this without having done anything.
#
# All containers of a host share its monotonic clock (no container of Incus has a time namespace of its own). perl-base
# has no Time::HiRes, so the kernel is asked by the number that clock_gettime has on each machine (asm/unistd.h).
use strict;
use warnings;

sub clock {
  require POSIX;
  my %numbers = (x86_64 => 228, aarch64 => 113, riscv64 => 113, ppc64le => 246, s390x => 260);
  my $number = length(pack "l!", 0) == 8 ? $numbers{(POSIX::uname())[4]} : undef;
  return unless $number;
  my $bytes = pack "l! l!", 0, 0;
  # CLOCK_MONOTONIC
  return unless syscall($number, 1, $bytes) == 0;
  my ($seconds, $nanoseconds) = unpack "l! l!", $bytes;
  return $seconds * 1000 + $nanoseconds / 1e6;
}
sub told { my $clock = clock(); return defined $clock ? sprintf("%.3f", $clock) : "none" }
sub wait_for_the_moment {
  $| = 1;
  while (1) {
    print "clock ", told(), "\n";
    my $order = <STDIN>;
    exit 0 unless defined $order;
    next if $order eq "clock\n";
    exit 1 unless $order =~ /^at (none|[\d.]+)$/;
    my ($at, $clock) = ($1, clock());
    if ($at ne "none" && defined $clock) {
      my $left = $at - $clock;
      # Longer is nobody's meaning.
      exit 1 if $left > 10_000;
      select(undef, undef, undef, ($left - 3) / 1000) if $left > 3;
      # The last stretch is not slept through: a sleeper is woken when there is time.
      1 while clock() < $at;
    }
    return;
  }
}
