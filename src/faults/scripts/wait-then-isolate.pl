# Run behind packet-filter.pl's preparations: waits for its moment with everything ready, so that several containers of a
# host fall within a millisecond of each other. Orders come by standard input, one a line; its end, as when the drill has
# been killed, ends this without having done anything.
#
# The clock is that of monotonic-clock.pl, which is appended: all containers of a host share it.
use strict;
use warnings;

sub told { my $clock = monotonic_ms(); return defined $clock ? sprintf("%.3f", $clock) : "none" }
sub wait_for_the_moment {
  $| = 1;
  while (1) {
    print "clock ", told(), "\n";
    my $order = <STDIN>;
    exit 0 unless defined $order;
    next if $order eq "clock\n";
    exit 1 unless $order =~ /^at (none|[\d.]+)$/;
    my ($at, $clock) = ($1, monotonic_ms());
    if ($at ne "none" && defined $clock) {
      my $left = $at - $clock;
      # Longer is nobody's meaning.
      exit 1 if $left > 10_000;
      select(undef, undef, undef, ($left - 3) / 1000) if $left > 3;
      # The last stretch is not slept through: a sleeper is woken when there is time.
      1 while monotonic_ms() < $at;
    }
    return;
  }
}
