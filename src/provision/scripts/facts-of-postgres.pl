# What lies in folders of postgres, by content-of-files.pl. It is read as postgres: a link there leads to nothing but what is its own.
use strict; use warnings;
my ($pgdata, $home, $state, $passwords) = @ARGV;
my (@configured, @folders);
@folders = ("");
while (defined(my $folder = shift @folders)) {
  opendir(my $entries, $home . $folder) or next;
  for (sort readdir $entries) {
    next if $_ eq "." || $_ eq "..";
    my $path = "$folder/$_";
    if ($_ eq "pg_autoctl.cfg") { push @configured, $path }
    elsif (!-l $home . $path && -d _) { push @folders, $path }
  }
}
print "pgdata ", substr($_, 1), "\n" for @configured;
# Where another data directory is configured, its data is what a refusal must tell of.
my $data = $pgdata;
if (@configured && !-f "$home$data/pg_autoctl.cfg") { $data = $configured[0]; $data =~ s{/pg_autoctl\.cfg$}{} }
content("hba", "$pgdata/pg_hba.conf");
content("ident", "$pgdata/pg_ident.conf");
my $keeper = "$home$data/pg_autoctl.cfg";
# pg_autoctl writes it in place: for a moment it is empty.
for (1 .. 5) { last if !-f $keeper || -s _; select(undef, undef, undef, 0.1) }
content("keeper", $keeper);
content("state", $state);
content("passwords", $passwords);
if (my @stat = stat($passwords)) {
  printf "passwordmode %s:%o\n", scalar(getpwuid($stat[4])) // $stat[4], $stat[2] & 0xfff;
}
# What unit.ts has of such a file; kill answers this user as it answers pg_autoctl. What cannot be read is not judged.
if (-f "$pgdata/postmaster.pid" && open(my $file, "<", "$pgdata/postmaster.pid")) {
  my ($pid) = (<$file> // "") =~ /^-?(\d+)$/;
  if ($pid && kill(0, $pid)) {
    my ($theirs, $ours) = map { join(":", (stat)[0, 1]) } ("/proc/$pid/cwd", $pgdata);
    print "mistaken yes\n" if $theirs ne "" && $theirs ne $ours && kill(0, $pid);
    print "runs yes\n" if $theirs eq $ours;
  }
}
if (open(my $file, "<", "$data/PG_VERSION")) { read($file, my $version, 20); print "version ", split(/\n/, $version), "\n" }
elsif (!$!{ENOENT} && !$!{ENOTDIR}) { unread("version", "$!") }
