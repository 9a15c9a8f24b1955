# Prints `key hex` lines of a container that may hold a member of pg_auto_failover. Constant text in perl-base; what varies
# comes as arguments: hosts whose addresses are wanted. Files of postgres are read as postgres: a link in its folders
# leads to nothing but what is its own.
use strict; use Socket qw(getaddrinfo getnameinfo SOCK_STREAM NI_NUMERICHOST NIx_NOSERV);
$ENV{LC_ALL} = "C";
my $max = 262144;
sub report { my $key = shift; print "$key ", join(" ", map { unpack("H*", $_) } @_), "\n" }
sub content { open(my $f, "<", $_[0]) or return ""; -f $f or return ""; read($f, my $t, $max); $t // "" }
sub run { my @c = @_; my $pid = open(my $out, "-|"); defined $pid or return "";
  if (!$pid) { open(STDERR, ">", "/dev/null"); exec @c or exit 1 }
  local $/; my $t = <$out>; close $out; $t // "" }
my ($id) = content("/etc/os-release") =~ /^ID="?([\w.-]+)/m;
my ($release) = content("/etc/os-release") =~ /^VERSION_ID="?([\w.-]+)/m;
report("system", ($id // "") . " " . ($release // ""));
report("packages", run("dpkg-query", "-W", "-f", '${db:Status-Status} ${Package} ${Version}\n', "postgresql-[0-9]*", "pg-auto-failover-cli"));
report("addresses", run("ip", "-o", "addr", "show", "scope", "global"));
my (undef, undef, $uid, $gid, undef, undef, undef, $home) = getpwnam("postgres");
if (defined $uid) {
  report("home", $home);
  # The processes that systemd, or somebody, has started; of their children each has another as its parent.
  for my $proc (glob("/proc/[0-9]*")) {
    my @stat = stat($proc); next unless @stat && $stat[4] == $uid;
    next unless content("$proc/stat") =~ /^\d+ \(pg_autoctl\) \S (\d+)/;
    next if content("/proc/$1/stat") =~ /^\d+ \(pg_autoctl\)/;
    my ($unit) = content("$proc/cgroup") =~ m{/([^/\n]+\.service)\s*$}m;
    my @words = split /\0/, content("$proc/cmdline");
    my ($pgdata) = map { /^PGDATA=(.*)/ ? $1 : () } split /\0/, content("$proc/environ");
    for my $i (0 .. $#words) {
      $pgdata = $words[$i + 1] if $words[$i] =~ /^(?:-D|--pgdata)$/ && $i < $#words;
      $pgdata = $1 if $words[$i] =~ /^--pgdata=(.*)/;
    }
    report("process", $unit // "", $pgdata // "");
  }
  my @root = ($>, $));
  $) = "$gid $gid"; $> = $uid;
  my @folders = ("$home/.config/pg_autoctl");
  while (defined(my $folder = shift @folders)) {
    opendir(my $entries, $folder) or do { report("unread", $folder, "$!") unless $!{ENOENT}; next };
    for (sort readdir $entries) {
      next if $_ eq "." || $_ eq "..";
      my $path = "$folder/$_";
      if ($_ eq "pg_autoctl.cfg") {
        # pg_autoctl writes it in place: for a moment it is empty.
        my $text = "";
        for (1 .. 5) { $text = content($path); last if $text ne ""; select(undef, undef, undef, 0.1) }
        my ($data) = $text =~ /^pgdata *= *(\/\S+)/m;
        my ($file) = $text =~ /^cert_file *= *(\/\S+)/m;
        my ($version) = content(($data // "") . "/PG_VERSION") =~ /^(\d+)/;
        my ($pem) = defined $file ? content($file) =~ /(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----)/s : ();
        report("config", $path, $text, $version // "", $pem // "");
      }
      elsif (!-l $path && -d _) { push @folders, $path }
    }
  }
  $> = $root[0]; $) = $root[1];
}
for my $host (@ARGV) {
  my ($e, @found) = getaddrinfo($host, "", { socktype => SOCK_STREAM });
  report("host", $host, join(",", map { my (undef, $number) = getnameinfo($_->{addr}, NI_NUMERICHOST, NIx_NOSERV); $number // () } @found));
}
exit 0;
