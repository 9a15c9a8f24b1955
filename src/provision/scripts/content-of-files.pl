# Prints `key CONTENT` for a regular file, its content in hexadecimal; nothing for one that is not there, and
# `unread KEY REASON` for one that is and cannot be read. One process for all files of a user.
use strict; use warnings; use Errno qw(ENOENT ENOTDIR);
# More than any of these files has; a larger one is none that we wrote.
my $max = 2 * 1024 * 1024;
sub unread { print "unread $_[0] ", unpack("H*", $_[1]), "\n" }
sub content { my ($key, $path) = @_;
  if (!-f $path) {
    my ($why, $absent) = ("$!", $!{ENOENT} || $!{ENOTDIR});
    if (-e $path) { unread($key, "it is no file") } elsif (!$absent) { unread($key, $why) }
    return }
  open(my $file, "<:raw", $path) or return unread($key, "$!");
  my $bytes = "";
  while ((my $left = $max - length($bytes)) > 0) {
    defined(my $n = sysread($file, $bytes, $left, length($bytes))) or return unread($key, "$!"); $n or last }
  print "$key ", unpack("H*", $bytes), "\n" }
