# Runs inside a container and carries connections from there, and the output of commands, over its standard input
# and output, all of them over the one pair: an `incus exec` costs 180 ms of processor time in the lab. perl-base
# is part of every Debian and Ubuntu.
#
# Frames both ways: number of the connection or command (0: the relay itself), one letter, length, bytes.
# To it: o address port (open TCP), u path (open Postgres' socket), r argv (run, with NUL between arguments),
# l how path (flock a file, s for shared, e for alone, until the relay ends or u), d (data), c (close, kill), p (ping). From it: o (opened), d (data, or what the command printed), e (what it
# printed on standard error), x code (it ended), c reason, p.
# Its arguments: a name of its own, and those of others that were started in this container and whose clients are gone without
# that Incus has noticed; it ends them, with what they hold.
# It takes addresses and no names, as a look-up would hold up every connection. At the end of its input it ends.
#
# Postgres' socket is opened as the user postgres: peer authentication, no password. The relay stays away from a
# Postgres that listens on no address (line 6 of postmaster.pid). That is how pg_autoctl starts one for crash
# recovery before pg_rewind, and it then stops it with SIGTERM, the smart shutdown, which waits for sessions: one of
# ours would make the rewind fail and the node stay down (primary_standby.c, postgres_maybe_do_crash_recovery; seen
# in the lab).
use strict; use Socket qw(:DEFAULT :addrinfo inet_pton TCP_NODELAY IPPROTO_TCP AF_INET6 pack_sockaddr_in6); use Fcntl qw(:DEFAULT :flock);
use Errno qw(EINPROGRESS EAGAIN EINTR);
my ($in, %socket, %opening, %out, %pid, %pipe, %lock) = ('');
$SIG{PIPE} = 'IGNORE';
sub leave { kill(-9, $_) for values %pid; exit 0 }
$SIG{TERM} = \&leave;
sub is_one { my ($pid, $names) = @_;
  open(my $file, '<', "/proc/$pid/cmdline") or return 0;
  local $/; my @argv = split /\0/, <$file> // '';
  return ($argv[0] // '') eq 'perl' && $names->{$argv[3] // ''} }
sub end_others { my %name = map { $_ => 1 } @_;
  my @found = grep { $_ != $$ && is_one($_, \%name) } map { m{(\d+)} } glob '/proc/[0-9]*';
  for my $signal ('TERM', 'KILL') { for (1 .. 10) {
    @found = grep { kill(0, $_) } @found or return;
    kill($signal, $_) for @found; select(undef, undef, undef, 0.05) } } }
sub tell_ { my ($id, $kind, $body) = @_;
  my $bytes = pack('NaN/a*', $id, $kind, $body // '');
  for (my $o = 0; $o < length $bytes; ) {
    my $w = syswrite(STDOUT, $bytes, length($bytes) - $o, $o); next if !defined $w && $!{EINTR}; leave() unless $w; $o += $w } }
sub drop { my ($id, $why) = @_; close $socket{$id}; delete $_->{$id} for \%socket, \%opening, \%out; tell_($id, 'c', $why) if defined $why }
sub connect_ { my ($id, $s, $where) = @_;
  fcntl($s, F_SETFL, O_NONBLOCK); $socket{$id} = $s; $opening{$id} = 1; $out{$id} = '';
  connect($s, $where) or $!{EINPROGRESS} or drop($id, "connect: $!") }
sub tcp { my ($id, $address, $port) = @_;
  my $v6 = $address =~ /:/;
  my $packed = inet_pton($v6 ? AF_INET6 : AF_INET, $address) or return tell_($id, 'c', "not an address: $address");
  socket(my $s, $v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or return tell_($id, 'c', "socket: $!");
  setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1);
  connect_($id, $s, $v6 ? pack_sockaddr_in6($port, $packed) : pack_sockaddr_in($port, $packed)) }
sub lines { sysopen(my $file, $_[0], O_RDONLY | O_NONBLOCK) or die "Postgres does not run ($_[0]: $!)\n";
  -f $file or die "Postgres does not run ($_[0] is no file)\n"; sysread($file, my $text, 4096); split /\n/, $text }
sub postgres { my ($id, $path) = @_;
  my (undef, undef, $uid, $gid) = getpwnam('postgres') or return tell_($id, 'c', 'there is no user postgres');
  my @own = ($>, $)); $) = "$gid $gid"; $> = $uid;
  eval {
    my @postmaster = lines((lines("$path.lock"))[1] . '/postmaster.pid');
    die "Postgres listens on no address: pg_autoctl recovers it from a crash\n" unless length($postmaster[5] // '');
    socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n";
    connect_($id, $s, pack_sockaddr_un($path)); 1 } or tell_($id, 'c', $@);
  $> = $own[0]; $) = $own[1] }
sub run { my ($id, @argv) = @_;
  pipe(my $output, my $stdout) and pipe(my $errors, my $stderr) or return tell_($id, 'c', "pipe: $!");
  my $pid = fork; defined $pid or return tell_($id, 'c', "fork: $!");
  if (!$pid) {
    setpgrp; $SIG{PIPE} = 'DEFAULT';
    open(STDIN, '<', '/dev/null'); open(STDOUT, '>&', $stdout); open(STDERR, '>&', $stderr);
    exec { $argv[0] } @argv or do { print STDERR "$argv[0]: $!\n"; exit 127 } }
  setpgrp($pid, $pid);
  $pid{$id} = $pid; $pipe{$id} = { d => $output, e => $errors } }
sub lock_ { my ($id, $how, $path) = @_;
  if ($how eq 'u') { delete $lock{$path}; return tell_($id, 'x', 0) }
  return tell_($id, 'x', 0) if $lock{$path};
  open(my $file, '>>', $path) or return tell_($id, 'c', "$path: $!");
  if (flock($file, ($how eq 's' ? LOCK_SH : LOCK_EX) | LOCK_NB)) { $lock{$path} = $file; tell_($id, 'x', 0) }
  elsif ($!{EAGAIN}) { tell_($id, 'x', 1) } else { tell_($id, 'c', "$path: $!") } }
sub hear_ { my ($id, $kind) = @_;
  my $n = sysread($pipe{$id}{$kind}, my $bytes, 65536);
  if ($n) { tell_($id, $kind, $bytes) } elsif (defined $n || !$!{EINTR}) { delete $pipe{$id}{$kind} } }
sub reap { for my $id (keys %pid) {
  next if %{$pipe{$id}} || waitpid($pid{$id}, 1) != $pid{$id};
  my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8; delete $_->{$id} for \%pid, \%pipe; tell_($id, 'x', $code) } }
sub heard { my ($id, $kind, $body) = @_;
  if ($kind eq 'p') { tell_($id, 'p') } elsif ($kind eq 'o') { tcp($id, split / /, $body) }
  elsif ($kind eq 'u') { postgres($id, $body) } elsif ($kind eq 'r') { run($id, split /\0/, $body, -1) }
  elsif ($kind eq 'l') { lock_($id, split / /, $body) }
  elsif ($kind eq 'c' && $pid{$id}) { kill(-9, $pid{$id}) }
  elsif (!$socket{$id}) { } elsif ($kind eq 'd') { $out{$id} .= $body } else { drop($id) } }
sub opened { my $id = $_[0]; my $e = unpack('i', getsockopt($socket{$id}, SOL_SOCKET, SO_ERROR));
  if ($e) { $! = $e; return drop($id, "$!") } delete $opening{$id}; tell_($id, 'o') }
sub flush_ { my $id = $_[0]; my $w = syswrite($socket{$id}, $out{$id});
  if (defined $w) { substr($out{$id}, 0, $w) = '' } elsif (!$!{EAGAIN} && !$!{EINTR}) { drop($id, "$!") } }
sub take { my $id = $_[0]; my $n = sysread($socket{$id}, my $bytes, 65536);
  if ($n) { tell_($id, 'd', $bytes) } elsif (defined $n) { drop($id, '') } elsif (!$!{EAGAIN} && !$!{EINTR}) { drop($id, "$!") } }
my (undef, @others) = @ARGV;
end_others(@others) if @others;
tell_(0, 'o');
while (1) {
  my ($r, $w) = ('', ''); vec($r, 0, 1) = 1;
  for my $id (keys %socket) { my $n = fileno $socket{$id};
    if ($opening{$id}) { vec($w, $n, 1) = 1 } else { vec($r, $n, 1) = 1; vec($w, $n, 1) = 1 if length $out{$id} } }
  vec($r, fileno $_, 1) = 1 for map { values %$_ } values %pipe;
  # One that has closed its output has yet to end. waitpid's 1 is WNOHANG.
  my $ending = grep { !%$_ } values %pipe;
  my $ready = select($r, $w, undef, $ending ? 0.005 : undef);
  reap() if %pid;
  next if $ready <= 0;
  for my $id (keys %socket) { my $n = fileno $socket{$id};
    if (vec($w, $n, 1)) { $opening{$id} ? opened($id) : flush_($id) }
    take($id) if $socket{$id} && !$opening{$id} && vec($r, $n, 1) }
  for my $id (keys %pipe) { for my $kind ('d', 'e') {
    hear_($id, $kind) if $pipe{$id}{$kind} && vec($r, fileno $pipe{$id}{$kind}, 1) } }
  if (vec($r, 0, 1)) {
    my $n = sysread(STDIN, $in, 65536, length $in); leave() unless $n;
    while (length $in >= 9 && length $in >= 9 + unpack('x5N', $in)) {
      my ($id, $kind, $body) = unpack('NaN/a*', $in); substr($in, 0, 9 + length $body) = ''; heard($id, $kind, $body) } }
}
