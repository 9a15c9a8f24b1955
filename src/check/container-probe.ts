import { X509Certificate } from 'node:crypto';
import type { Member } from '../formation/formation.ts';
import { type StandbyMemory, standbyMemory, stateBytes, stateFileOf } from '../member/keeper-state.ts';
import { serverPem } from '../member/tls.ts';
import { unitName, unitPath } from '../member/unit.ts';

/** What a container itself says of a member: its service, disk, certificate, names and packages. Plain data. */
export interface ObservedContainer {
  service: {
    /** systemd's words: `active`, `inactive`, `failed`, … and `enabled`, `disabled`, '' for no unit. */
    active: string;
    enabled: string;
    /** Text of the unit file, '' where there is none. */
    unit: string;
    restarts: number;
  };
  /**
   * RLIMIT_NOFILE of the running postmaster, and what the container could give at most (the hard limit of its
   * first process); undefined where no Postgres runs.
   */
  openFiles: { limit: number; possible: number } | undefined;
  /** The file system of the data directory; undefined where the directory is not there. */
  disk: { sizeBytes: number; availableBytes: number; inodes: number; inodesAvailable: number } | undefined;
  /** The certificate that Postgres serves; undefined where there is none. */
  certificate: ObservedCertificate | undefined;
  /** pg_autoctl.cfg; it holds no password. */
  keeperConfig: string;
  standbyMemory: StandbyMemory;
  /** Versions of what is installed, by package. */
  packages: Record<string, string>;
  /** Its own addresses, loopback and link-local left out. */
  addresses: string[];
  /** How each member's host resolves in here, and the name that each address leads back to. */
  names: Record<string, { addresses: string[]; reverse: string[] }>;
  /**
   * Its wall clock less ours, in seconds, and how far that may be off: half of the time that reading it took.
   * For telling clocks apart, never for a duration.
   */
  clock: { aheadSeconds: number; uncertainSeconds: number };
}

export interface ObservedCertificate {
  subject: string;
  /** ISO 8601. */
  notAfter: string;
  /** By the container's own clock. */
  secondsLeft: number;
  selfSigned: boolean;
}

/** Packages whose versions matter to a formation. */
const packagePatterns = ['postgresql-[0-9]*', 'pg-auto-failover-cli', 'libpq5'];

/**
 * Prints `key hex` lines. Constant text in perl-base, which every Debian and Ubuntu has; what varies comes as
 * arguments: data directory, then the members' hosts. Files of postgres are read as postgres: a link in its
 * folders leads to nothing but what is its own.
 */
const probe = `
use strict; use Socket; use Socket qw(getaddrinfo getnameinfo SOCK_STREAM NI_NUMERICHOST NI_NAMEREQD NIx_NOSERV);
my ($pgdata, @hosts) = @ARGV;
$ENV{LC_ALL} = "C";
sub report { print "$_[0] ", unpack("H*", $_[1]), "\\n" }
sub start { my @c = @_; my $pid = open(my $out, "-|"); defined $pid or return;
  if (!$pid) { open(STDERR, ">", "/dev/null"); exec @c or exit 1 } $out }
sub rest { my $f = shift; return "" unless $f; local $/; my $t = <$f>; close $f; defined $t ? $t : "" }
sub content { open(my $f, "<", $_[0]) or return ""; read($f, my $t, $_[1]); $t // "" }
report("clock", rest(start("date", "+%s.%N")));
my $service = start("systemctl", "show", "${unitName}", "--property=ActiveState,UnitFileState,NRestarts");
my $disk = start("stat", "-f", "-c", "%S %b %a %c %d", $pgdata);
my $packages = start("dpkg-query", "-W", "-f", '\${db:Status-Status} \${Package} \${Version}\\n', ${packagePatterns.map((pattern) => `"${pattern}"`).join(', ')});
my $addresses = start("ip", "-o", "addr", "show", "scope", "global");
report("unit", content("${unitPath}", 65536));
my ($pem) = content("${serverPem}", 262144) =~ /(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----)/s;
report("certificate", $pem) if defined $pem;
my (undef, undef, $uid, $gid) = getpwnam("postgres");
if (defined $uid) {
  my @root = ($>, $));
  $) = "$gid $gid"; $> = $uid;
  my $config = "/var/lib/postgresql/.config/pg_autoctl$pgdata/pg_autoctl.cfg";
  # pg_autoctl writes it in place: for a moment it is empty.
  for (1 .. 5) { last if -s $config || ! -f $config; select(undef, undef, undef, 0.1) }
  report("keeper", content($config, 262144));
  report("state", content("${stateFileOf('$pgdata')}", ${stateBytes}));
  my ($pid) = content("$pgdata/postmaster.pid", 100) =~ /^(\\d+)\\n/;
  $> = $root[0]; $) = $root[1];
  if ($pid) {
    my ($limit) = content("/proc/$pid/limits", 8192) =~ /^Max open files +(\\S+)/m;
    my ($possible) = content("/proc/1/limits", 8192) =~ /^Max open files +\\S+ +(\\S+)/m;
    report("nofile", "$limit $possible") if defined $limit && defined $possible;
  }
}
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
report("addresses", rest($addresses));
report("service", rest($service));
report("disk", rest($disk));
report("packages", rest($packages));
exit 0;
`;

/** argv of the probe in a member's container. */
export function containerProbe(member: Member, hosts: readonly string[]): string[] {
  return ['perl', '-e', probe, member.pgdata, ...hosts];
}

/**
 * @param output what the probe printed
 * @param asked when it was asked and had answered, on our wall clock in milliseconds since 1970
 */
export function parseContainer(output: string, asked: { fromMs: number; toMs: number }): ObservedContainer {
  const told = new Map<string, string[]>();
  for (const line of output.split('\n')) {
    const [key = '', hex = ''] = line.split(' ');
    told.set(key, [...(told.get(key) ?? []), hex]);
  }
  const bytes = (key: string) => Buffer.from(told.get(key)?.[0] ?? '', 'hex');
  const text = (key: string) => bytes(key).toString('utf8');
  const service = Object.fromEntries(
    text('service')
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  ) as Partial<Record<string, string>>;
  const clockMs = Number(text('clock')) * 1000;
  return {
    service: {
      active: service['ActiveState'] ?? '',
      enabled: service['UnitFileState'] ?? '',
      unit: text('unit'),
      restarts: Number(service['NRestarts'] ?? 0),
    },
    openFiles: openFilesOf(text('nofile')),
    disk: diskOf(text('disk')),
    certificate: certificateOf(text('certificate'), clockMs),
    keeperConfig: text('keeper'),
    standbyMemory: standbyMemory(bytes('state')),
    packages: packagesOf(text('packages')),
    addresses: [...text('addresses').matchAll(/ inet6? ([0-9a-f.:]+)\//g)].map(([, address = '']) => address),
    names: Object.fromEntries(
      (told.get('name') ?? []).map((hex) => {
        const [host = '', addresses = '', reverse = ''] = Buffer.from(hex, 'hex').toString('utf8').split(' ');
        return [host, { addresses: listed(addresses), reverse: listed(reverse) }];
      }),
    ),
    clock: {
      aheadSeconds: (clockMs - (asked.fromMs + asked.toMs) / 2) / 1000,
      uncertainSeconds: (asked.toMs - asked.fromMs) / 2000,
    },
  };
}

const listed = (text: string) => [...new Set(text.split(',').filter((each) => each !== ''))];

function openFilesOf(text: string): ObservedContainer['openFiles'] {
  const [limit, possible] = text
    .split(' ')
    .map((each) => (each === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number.parseInt(each, 10)));
  return limit === undefined || possible === undefined ? undefined : { limit, possible };
}

function diskOf(text: string): ObservedContainer['disk'] {
  const [block, blocks, available, inodes, inodesAvailable] = text.trim().split(' ').map(Number);
  if (block === undefined || inodesAvailable === undefined || Number.isNaN(block)) return undefined;
  return {
    sizeBytes: block * (blocks ?? 0),
    availableBytes: block * (available ?? 0),
    inodes: inodes ?? 0,
    inodesAvailable,
  };
}

function certificateOf(pem: string, clockMs: number): ObservedCertificate | undefined {
  try {
    const certificate = new X509Certificate(pem);
    const notAfter = new Date(certificate.validTo);
    return {
      subject: certificate.subject.replaceAll('\n', ', '),
      notAfter: notAfter.toISOString(),
      secondsLeft: Math.round((notAfter.getTime() - clockMs) / 1000),
      selfSigned: certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey),
    };
  } catch {
    return undefined;
  }
}

function packagesOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [status, name, version] = line.split(' ');
      return status === 'installed' && name && version ? [[name, version]] : [];
    }),
  );
}
