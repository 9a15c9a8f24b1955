# Prints `key hex` lines. Constant text in perl-base, which every Debian and Ubuntu has; what varies comes as
# arguments: data directory, the keeper's state file and how much of it to read, unit, its file, the certificate's file
# where the keeper names no other, the monitor's host and port where the way there is to be timed, or two empty ones, then the
# members' hosts. Files of postgres are read as postgres: a link in its
# folders leads to nothing but what is its own.
use strict; use Socket; use Socket qw(getaddrinfo getnameinfo SOCK_STREAM NI_NUMERICHOST NI_NAMEREQD NIx_NOSERV);
use Errno qw(ECONNREFUSED); use Fcntl;
my ($pgdata, $state, $state_bytes, $unit, $unit_path, $pem_path, $monitor, $port, @hosts) = @ARGV;
$ENV{LC_ALL} = "C";
sub report { print "$_[0] ", unpack("H*", $_[1]), "\n" }
sub start { my @c = @_; my $pid = open(my $out, "-|"); defined $pid or return;
  if (!$pid) { open(STDERR, ">", "/dev/null"); exec @c or exit 1 } $out }
sub rest { my $f = shift; return "" unless $f; local $/; my $t = <$f>; close $f; defined $t ? $t : "" }
sub content { open(my $f, "<", $_[0]) or return ""; read($f, my $t, $_[1]); $t // "" }
report("clock", rest(start("date", "+%s.%N")));
my $service = start("systemctl", "show", $unit, "--property=ActiveState,UnitFileState,NRestarts");
my $disk = start("stat", "-f", "-c", "%S %b %a %c %d", $pgdata);
my $packages = start("dpkg-query", "-W", "-f", '${db:Status-Status} ${Package} ${Version}\n', "postgresql-[0-9]*", "pg-auto-failover-cli", "libpq5");
my $addresses = start("ip", "-o", "addr", "show", "scope", "global");
report("unit", content($unit_path, 65536));
sub certificate { ($_[0] // "") =~ /(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----)/s ? $1 : undef }
my $pem = certificate(content($pem_path, 262144));
my (undef, undef, $uid, $gid) = getpwnam("postgres");
if (defined $uid) {
  my @root = ($>, $));
  $) = "$gid $gid"; $> = $uid;
  my $config = "/var/lib/postgresql/.config/pg_autoctl$pgdata/pg_autoctl.cfg";
  # pg_autoctl writes it in place: for a moment it is empty.
  for (1 .. 5) { last if -s $config || ! -f $config; select(undef, undef, undef, 0.1) }
  if (open(my $file, "<", $config)) { read($file, my $text, 262144); report("keeper", $text // "");
    $pem = certificate(content($1, 262144)) if ($text // "") =~ m{^cert_file *= *(/\S+)}m && $1 ne $pem_path }
  elsif (!$!{ENOENT} && !$!{ENOTDIR}) { report("unread", "$!") }
  report("state", content($state, $state_bytes));
  my ($pid) = content("$pgdata/postmaster.pid", 100) =~ /^(\d+)\n/;
  $> = $root[0]; $) = $root[1];
  if ($pid) {
    my ($limit) = content("/proc/$pid/limits", 8192) =~ /^Max open files +(\S+)/m;
    my ($possible) = content("/proc/1/limits", 8192) =~ /^Max open files +\S+ +(\S+)/m;
    report("nofile", "$limit $possible") if defined $limit && defined $possible;
  }
}
report("certificate", $pem) if defined $pem;
for my $host (@hosts) {
  my ($e, @found) = getaddrinfo($host, "", { socktype => SOCK_STREAM });
  my (@numbers, @names);
  for (@found) {
    my (undef, $number) = getnameinfo($_->{addr}, NI_NUMERICHOST, NIx_NOSERV);
    my ($failed, $name) = getnameinfo($_->{addr}, NI_NAMEREQD, NIx_NOSERV);
    push @numbers, $number; push @names, $failed ? "" : $name;
  }
  report("name", join(" ", $host, join(",", @numbers), join(",", @names)));
}
# A round trip: how long TCP takes to be answered, if only by a refusal. The least of three, as this machine may be busy,
# and one where it is next to nothing. By monotonic-clock.pl, which is appended.
if ($monitor ne "" && defined monotonic_ms()) {
  my ($e, $at) = getaddrinfo($monitor, $port, { socktype => SOCK_STREAM });
  my ($least, $until) = (undef, monotonic_ms() + 1000);
  for (1 .. ($at ? 3 : 0)) {
    socket(my $s, $at->{family}, SOCK_STREAM, 0) or last;
    fcntl($s, F_SETFL, O_NONBLOCK);
    my $from = monotonic_ms();
    if (!connect($s, $at->{addr})) {
      last if !$!{EINPROGRESS};
      vec(my $w = "", fileno $s, 1) = 1;
      last if $until <= $from || !select(undef, $w, undef, ($until - $from) / 1000);
    }
    my $took = monotonic_ms() - $from;
    my $error = unpack("i", getsockopt($s, SOL_SOCKET, SO_ERROR));
    last if $error && $error != ECONNREFUSED();
    $least = $took if !defined $least || $took < $least;
    last if $least < 1;
  }
  report("way", $least) if defined $least;
}
report("addresses", rest($addresses));
report("service", rest($service));
report("disk", rest($disk));
report("packages", rest($packages));
exit 0;
