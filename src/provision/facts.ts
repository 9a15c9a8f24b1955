import type { Member } from '../formation/formation.ts';
import type { ContainerRelay } from '../incus/container-relay.ts';
import { type StandbyMemory, standbyMemory, stateFileOf } from '../member/keeper-state.ts';
import { caPem, serverPem } from '../member/tls.ts';
import { unitPath } from '../member/unit.ts';
import { type PackageFacts, packageProbe, parsePackageFacts } from './packages.ts';
import { passwordFile } from './secrets.ts';
import { runtimeFolderPath } from './service.ts';
import { managedSettingsPath } from './settings.ts';
import { certificateProbe } from './tls.ts';

/** What a container holds now, as far as provisioning cares. Read in one round trip. */
export interface Facts {
  packages: PackageFacts;
  /** Major version of the data directory, undefined when there is none. */
  postgresVersion: number | undefined;
  /** Content of pg_autoctl.service, '' when there is none. */
  unit: string;
  /** What keeps pg_autoctl's runtime folder, '' when nothing does. */
  runtimeFolder: string;
  serviceActive: boolean;
  serviceEnabled: boolean;
  /** postmaster.pid names a process that is not this data directory's Postgres, and pg_autoctl takes it for that. */
  mistakenPostmaster: boolean;
  /**
   * postgresql.conf stands in the data directory, pg_autoctl has its configuration, and its service was set up,
   * which comes last: what gates `pg_autoctl create`, which finishes what an interrupted one began.
   */
  created: boolean;
  /** The distribution's own clusters that run or would start at boot, as `16 main`. */
  distributionClusters: string[];
  /** pg_autoctl's own configuration file, '' when there is none. */
  keeperConfig: string;
  /** Whether the keeper remembers a standby, without which it never fences itself. */
  standbyMemory: StandbyMemory;
  /** Data directories that pg_autoctl is configured for in this container, ours or not. */
  dataDirectories: string[];
  /** pg_hba.conf and pg_ident.conf of the data directory, '' when there is none. */
  hba: string;
  ident: string;
  /** libpq's password file of the user postgres; secret. And its owner and mode, as `postgres 600`. */
  passwordFile: string;
  passwordFileMode: string;
  /** What is to be said of key and certificate: `good`, `missing`, `expiring`, `mismatch`, `otherhost`. */
  certificate: string;
  /** SHA-256 of the file with key and certificate, '' when there is none. */
  serverPemHash: string;
  ca: string;
  /** Names of the settings that we set, one a line. */
  managedSettings: string;
}

/** What is known of a container that does not exist yet. */
export const noFacts: Facts = {
  packages: { codename: '', versions: new Map(), files: new Map(), certificates: false },
  postgresVersion: undefined,
  unit: '',
  runtimeFolder: '',
  serviceActive: false,
  serviceEnabled: false,
  mistakenPostmaster: false,
  created: false,
  distributionClusters: [],
  keeperConfig: '',
  standbyMemory: 'unknown',
  dataDirectories: [],
  hba: '',
  ident: '',
  passwordFile: '',
  passwordFileMode: '',
  certificate: 'missing',
  serverPemHash: '',
  ca: '',
  managedSettings: '',
};

const configurations = '/var/lib/postgresql/.config/pg_autoctl';

/** More than any of these files has; a larger one is none that we wrote. */
const maxFileBytes = 2 * 1024 * 1024;

/** Perl: prints `key CONTENT` for a regular file, its content in hexadecimal. One process for all files of a user. */
const content = `
use strict; use warnings;
sub content { my ($key, $path) = @_;
  -f $path && open(my $file, "<:raw", $path) or return;
  my $bytes = "";
  while ((my $left = ${maxFileBytes} - length($bytes)) > 0) { sysread($file, $bytes, $left, length($bytes)) or last }
  print "$key ", unpack("H*", $bytes), "\\n" }
`;

/** Perl. @param files by key, absolute paths without quotes in them */
const contentsOf = (files: Record<string, string>) =>
  `${content}${Object.entries(files)
    .map(([key, path]) => `content("${key}", "${path}");`)
    .join('\n')}\n`;

/** What lies in folders of postgres. It is read as postgres: a link there leads to nothing but what is its own. */
const probeOfPostgres = `
my ($pgdata) = @ARGV;
my $home = "${configurations}";
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
print "pgdata ", substr($_, 1), "\\n" for @configured;
# Where another data directory is configured, its data is what a refusal must tell of.
my $data = $pgdata;
if (@configured && !-f "$home$data/pg_autoctl.cfg") { $data = $configured[0]; $data =~ s{/pg_autoctl\\.cfg$}{} }
content("hba", "$pgdata/pg_hba.conf");
content("ident", "$pgdata/pg_ident.conf");
my $keeper = "$home$data/pg_autoctl.cfg";
# pg_autoctl writes it in place: for a moment it is empty.
for (1 .. 5) { last if !-f $keeper || -s _; select(undef, undef, undef, 0.1) }
content("keeper", $keeper);
content("state", "${stateFileOf('$pgdata')}");
content("passwords", "${passwordFile}");
if (my @stat = stat("${passwordFile}")) {
  printf "passwordmode %s:%o\\n", scalar(getpwuid($stat[4])) // $stat[4], $stat[2] & 07777;
}
# What unit.ts has of such a file; kill answers this user as it answers pg_autoctl. What cannot be read is not judged.
if (-f "$pgdata/postmaster.pid" && open(my $file, "<", "$pgdata/postmaster.pid")) {
  my ($pid) = (<$file> // "") =~ /^-?(\\d+)$/;
  if ($pid && kill(0, $pid)) {
    my ($theirs, $ours) = map { join(":", (stat)[0, 1]) } ("/proc/$pid/cwd", $pgdata);
    print "mistaken yes\\n" if $theirs ne "" && $theirs ne $ours && kill(0, $pid);
  }
}
if (open(my $file, "<", "$data/PG_VERSION")) { read($file, my $version, 20); print "version ", split(/\\n/, $version), "\\n" }
`;

/**
 * Prints `key value` lines, file contents in hexadecimal, apt's own in base64. Constant text; what varies comes as arguments:
 * data directory and host name. Of what is said as postgres only its own keys pass.
 */
const probe = `
pgdata=$1; host=$2
${packageProbe}
${certificateProbe}
systemctl show pg_autoctl.service --property=ActiveState --property=UnitFileState 2>/dev/null |
  sed -n 's/^ActiveState=/active /p; s/^UnitFileState=/enabled /p'
perl -e '${contentsOf({ unit: unitPath, tmpfiles: runtimeFolderPath, ca: caPem, settings: managedSettingsPath })}'
echo "certificate $(certificate_state ${serverPem} "$host")"
if [ -f ${serverPem} ]; then echo "pemhash $(sha256sum < ${serverPem} | cut -d' ' -f1)"; fi
for conf in /etc/postgresql/*/*/start.conf; do
  [ -f "$conf" ] || continue
  case $conf in *[!A-Za-z0-9._/-]*) continue ;; esac
  if grep -q '^auto' "$conf"; then d=\${conf%/start.conf}; v=\${d%/*}; echo "cluster \${v##*/} \${d##*/}"; fi
done
if [ -f "$pgdata/postgresql.conf" ]; then echo created yes; fi
if id postgres > /dev/null 2>&1; then
  # Taken for absent, they would be made anew.
  told=$(runuser -u postgres -- perl -e '${content}${probeOfPostgres}' "$pgdata") || { echo "the files of postgres cannot be read" >&2; exit 1; }
  printf '%s\\n' "$told" | grep -aE '^(hba|ident|keeper|state|passwords|passwordmode|pgdata|mistaken|version) '
fi
exit 0
`;

/** What all of these files together may have; a user who fills them up is told, and nobody's memory is filled. */
const probeBytes = 16 * 1024 * 1024;

/** Reads a running container's facts. @throws as ContainerRelay.read */
export async function readFacts(relay: ContainerRelay, member: Member, signal?: AbortSignal): Promise<Facts> {
  const command = ['sh', '-c', probe, 'sh', member.pgdata, member.host];
  return parseFacts(await relay.read(command, { deadlineMs: 20_000, maxBytes: probeBytes, signal }));
}

export function parseFacts(output: string): Facts {
  const lines = output.split('\n').map((line) => line.split(' '));
  const value = (key: string) => lines.find((line) => line[0] === key)?.[1] ?? '';
  // Latin-1 keeps every byte of a file that is compared and written back.
  const content = (key: string) => Buffer.from(value(key), 'hex').toString('latin1');
  const text = (key: string) => Buffer.from(value(key), 'hex').toString('utf8');
  return {
    packages: parsePackageFacts(lines),
    unit: content('unit'),
    runtimeFolder: content('tmpfiles'),
    serviceActive: value('active') === 'active',
    serviceEnabled: value('enabled') === 'enabled',
    mistakenPostmaster: value('mistaken') === 'yes',
    created:
      value('created') === 'yes' &&
      value('keeper') !== '' &&
      (value('unit') !== '' || value('active') === 'active'),
    postgresVersion: value('version') === '' ? undefined : Number(value('version')),
    // Folders of postgres, which may call them anything; pg_createcluster calls them so.
    distributionClusters: lines.flatMap(([key, version = '', name = '', ...more]) =>
      key === 'cluster' && /^\d+$/.test(version) && /^\w[\w.-]*$/.test(name) && more.length === 0
        ? [`${version} ${name}`]
        : [],
    ),
    keeperConfig: content('keeper'),
    standbyMemory: standbyMemory(Buffer.from(value('state'), 'hex')),
    dataDirectories: lines.flatMap(([key, path]) =>
      key === 'pgdata' && path ? [`/${path.replace(/\/?pg_autoctl\.cfg$/, '')}`] : [],
    ),
    hba: content('hba'),
    ident: content('ident'),
    passwordFile: text('passwords'),
    passwordFileMode: value('passwordmode').replace(':', ' '),
    certificate: value('certificate') || 'missing',
    serverPemHash: value('pemhash'),
    ca: text('ca'),
    managedSettings: content('settings'),
  };
}
