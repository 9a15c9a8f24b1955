# Writes the memory, eight bytes at once, and looks again: a keeper that runs reads its state at the start of a
# round, once a second, and writes it at the end. Held over two rounds it stays.
use strict;
my ($file, $offset, $rounds) = @ARGV;
my $held = 0;
for (1 .. $rounds) {
  open(my $state, "+<", $file) or die "$file: $!\n";
  sysseek($state, $offset, 0); sysread($state, my $bytes, 8) == 8 or die "$file is too short\n";
  if (unpack("q<", $bytes) > 0) { exit 0 if ++$held > 1 }
  else { $held = 0; sysseek($state, $offset, 0); syswrite($state, pack("q<", time)) == 8 or die "$file: $!\n" }
  close($state);
  exit 0 if $rounds == 1;
  select(undef, undef, undef, 1.3);
}
die "the keeper does not keep it\n";
