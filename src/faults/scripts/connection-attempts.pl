# Tries to connect by TCP from a container: to each of the given addresses at one port, several times at
# once. A refusal is an answer as well, and counted by itself too. By address, since a name server may be out of reach too.
use strict; use Errno; use Socket qw(:DEFAULT inet_pton sockaddr_in6);
my ($port, $times, $seconds, @addresses) = @ARGV;
my (@sockets, %seen);
for my $address (@addresses) {
  $seen{$address} = [0, 0, 0];
  my $is6 = $address =~ /:/;
  my $bytes = inet_pton($is6 ? AF_INET6 : AF_INET, $address);
  for (1 .. $times) {
    # SOCK_NONBLOCK
    socket(my $socket, $is6 ? AF_INET6 : AF_INET, SOCK_STREAM | 2048, 0) or die "socket: $!";
    if (connect($socket, $is6 ? sockaddr_in6($port, $bytes) : sockaddr_in($port, $bytes))) { $seen{$address}[0]++ }
    elsif ($!{EINPROGRESS}) { push @sockets, [$socket, $address] }
    elsif ($!{ECONNREFUSED}) { $seen{$address}[$_]++ for 0, 2 }
    else { $seen{$address}[1]++ }
  }
}
my $left = $seconds;
while (@sockets && $left > 0) {
  my $waiting = '';
  vec($waiting, fileno($_->[0]), 1) = 1 for @sockets;
  # On Linux, select tells how much of the time is left.
  (undef, $left) = select(undef, my $ready = $waiting, undef, $left);
  my @rest;
  for (@sockets) {
    my ($socket, $address) = @$_;
    if (!vec($ready, fileno($socket), 1)) { push @rest, $_; next }
    $! = unpack "i", getsockopt($socket, SOL_SOCKET, SO_ERROR);
    my @kinds = !$! ? 0 : $!{ECONNREFUSED} ? (0, 2) : 1;
    $seen{$address}[$_]++ for @kinds;
  }
  @sockets = @rest;
}
print "$_ @{$seen{$_}}\n" for @addresses;
