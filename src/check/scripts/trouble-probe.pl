# Constant text in perl-base; data directory and unit come as arguments. All that lies in folders of postgres is read as
# postgres, at most 64 KiB of each file.
use strict; use Fcntl;
my ($pgdata, $unit) = @ARGV;
$ENV{LC_ALL} = "C";
sub report { print "$_[0] ", unpack("H*", $_[1]), "\n" }
sub tail { sysopen(my $f, $_[0], O_RDONLY | O_NONBLOCK) or return ""; -f $f or return "";
  my $size = -s $f; seek($f, $size - 65536, 0) if $size > 65536; my $t = ""; read($f, $t, 65536); $t }
my (undef, undef, $uid, $gid) = getpwnam("postgres");
exit 0 unless defined $uid;
my @root = ($>, $));
$) = "$gid $gid"; $> = $uid;
report("printed", tail("$pgdata/startup.log"));
my @log = map { /^(?:stderr|csvlog|jsonlog) (.+)$/ ? $1 : () } split /\n/, tail("$pgdata/current_logfiles");
report("log", tail($log[0] =~ m{^/} ? $log[0] : "$pgdata/$log[0]")) if @log;
report("altered", tail("$pgdata/postgresql.auto.conf"));
my $isStandby = -e "$pgdata/standby.signal";
my $isUnread = !sysopen(my $version, "$pgdata/PG_VERSION", O_RDONLY | O_NONBLOCK) && !$!{ENOENT} && !$!{ENOTDIR};
$> = $root[0]; $) = $root[1];
# Whose the directory and its first file are, which postgres cannot read.
if ($isUnread) { my @owners = map { my @stat = stat; @stat ? getpwuid($stat[4]) // $stat[4] : "" } ($pgdata, "$pgdata/PG_VERSION");
  report("unread", join(" ", @owners)) }
# A process that lost its parent between two looks is not there: no answer is one of them.
my ($runs, $keeper, $copies, @keepers) = (0, "", 0);
for my $proc (glob("/proc/[0-9]*")) {
  my @stat = stat($proc); next unless @stat && $stat[4] == $uid;
  my ($name, $state) = tail("$proc/stat") =~ /^\d+ \((.*)\) (\S)/s or next;
  my $line = tail("$proc/cmdline"); $line =~ tr/\0/ /;
  $runs = 1 if $name eq "postgres" && $state ne "Z" && (readlink("$proc/cwd") // "") eq $pgdata;
  $keeper = $state if $line =~ /^pg_autoctl: node active/;
  $copies = 1 if $name =~ /^pg_(basebackup|rewind)$/;
}
report("state", join(" ", $runs, $copies, $keeper));
# Who replays here, since when, what it has used, and whether it sleeps; who receives, and who works for the former.
sub replays { my ($pid, $used, $age, $sleeps, $receives, %children) = (0, "", 0, 0, 0);
  # Of the same clock as the start of others, whatever /proc/uptime of a container says.
  my $now = (split / /, tail("/proc/$$/stat") =~ /\) (.*)/s ? $1 : "")[19];
  for my $proc (glob("/proc/[0-9]*")) {
    my @stat = stat($proc); next unless @stat && $stat[4] == $uid;
    my ($name, $rest) = tail("$proc/stat") =~ /^\d+ \((.*)\) (.*)/s or next;
    my @f = split / /, $rest; $children{$f[1]} = 1 if $f[0] ne "Z";
    next if $name ne "postgres" || (readlink("$proc/cwd") // "") ne $pgdata;
    my $line = tail("$proc/cmdline");
    $receives = 1 if $line =~ /^postgres: (?:.*: )?walreceiver/;
    next unless $line =~ /^postgres: (?:.*: )?startup/;
    ($pid) = $proc =~ /(\d+)$/; my ($read) = tail("$proc/io") =~ /^rchar: (\d+)/m;
    $used = join(" ", $pid, $f[11] + $f[12], $read // 0);
    $sleeps = $f[0] eq "S"; $age = ($now - $f[19]) / 100;
  }
  return ($used, $age, $sleeps && !$children{$pid}, $receives) }
my ($used, $age, $sleeps, $receives) = $isStandby ? replays() : ("");
if ($used ne "") {
  my $still = 0;
  if ($sleeps && !$receives) {
    my @before = split / /, $used;
    select(undef, undef, undef, 1);
    ($used, $age, $sleeps, $receives) = replays();
    my @after = split / /, $used;
    $still = 1 if $sleeps && @after && $after[0] == $before[0] && $after[1] - $before[1] < 2 && $after[2] - $before[2] < 131072;
  }
  report("startup", join(" ", $age, $still, $receives ? 1 : 0, $used)) if $used ne "";
}
report("clock", time());
my $pid = open(my $journal, "-|");
if (defined $pid && !$pid) { open(STDERR, ">", "/dev/null");
  exec("journalctl", "--unit", $unit, "--lines", "100", "--output", "short-unix", "--no-pager") or exit 1 }
{ local $/; my $text = <$journal>; report("journal", substr($text // "", -65536)) }
exit 0;
