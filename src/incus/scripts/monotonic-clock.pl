# For a script that it is appended to: milliseconds of the kernel's monotonic clock, which all containers of a host share (no
# container of Incus has a time namespace of its own). perl-base has no Time::HiRes, so the kernel is asked by the number
# that clock_gettime has on each machine (asm/unistd.h); undef on others.
use strict;
use warnings;

sub monotonic_ms {
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

1;
