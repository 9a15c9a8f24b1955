import type { Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { type StandbyMemory, standbyMemory, stateBytes, stateFileOf } from '../member/keeper-state.ts';
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

const content = `
content() { if [ -f "$2" ]; then echo "$1 $(head -c ${maxFileBytes} "$2" | base64 -w0)"; fi; }
`;

/** What lies in folders of postgres. It is read as postgres: a link there leads to nothing but what is its own. */
const probeOfPostgres = `
pgdata=$1; config=${configurations}; data=$pgdata
${content}
# Where another data directory is configured, its data is what a refusal must tell of.
if [ ! -f "$config$data/pg_autoctl.cfg" ]; then
  other=$(find "$config" -name pg_autoctl.cfg -printf "/%P\\n" 2>/dev/null | head -n 1)
  if [ -n "$other" ]; then data=\${other%/pg_autoctl.cfg}; fi
fi
content hba "$pgdata/pg_hba.conf"
content ident "$pgdata/pg_ident.conf"
# pg_autoctl writes it in place: for a moment it is empty.
if [ -f "$config$data/pg_autoctl.cfg" ]; then
  for again in 1 2 3 4 5; do [ -s "$config$data/pg_autoctl.cfg" ] && break; sleep 0.1; done
  content keeper "$config$data/pg_autoctl.cfg"
fi
if [ -f "${stateFileOf('$pgdata')}" ]; then echo "state $(head -c ${stateBytes} "${stateFileOf('$pgdata')}" | base64 -w0)"; fi
content passwords ${passwordFile}
if [ -f ${passwordFile} ]; then echo "passwordmode $(stat -c %U:%a ${passwordFile})"; fi
find ${configurations} -name pg_autoctl.cfg -printf "pgdata %P\\n" 2>/dev/null
if [ -f "$data/PG_VERSION" ]; then echo "version $(head -c 20 "$data/PG_VERSION")"; fi
exit 0
`;

/**
 * Prints `key value` lines, file contents in base64. Constant text; what varies comes as arguments:
 * data directory and host name. Of what is said as postgres only its own keys pass.
 */
const probe = `
pgdata=$1; host=$2
${packageProbe}
${certificateProbe}
${content}
systemctl show pg_autoctl.service --property=ActiveState --property=UnitFileState 2>/dev/null |
  sed -n 's/^ActiveState=/active /p; s/^UnitFileState=/enabled /p'
content unit ${unitPath}
content tmpfiles ${runtimeFolderPath}
content ca ${caPem}
content settings ${managedSettingsPath}
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
  told=$(runuser -u postgres -- sh -c '${probeOfPostgres}' sh "$pgdata") || { echo "the files of postgres cannot be read" >&2; exit 1; }
  printf '%s\\n' "$told" | grep -aE '^(hba|ident|keeper|state|passwords|passwordmode|pgdata|version) '
fi
exit 0
`;

/** Reads a running container's facts. @throws as Incus.exec */
export async function readFacts(incus: Incus, member: Member, signal?: AbortSignal): Promise<Facts> {
  const command = ['sh', '-c', probe, 'sh', member.pgdata, member.host];
  return parseFacts(await incus.read(member.name, command, { deadlineMs: 20_000, signal }));
}

export function parseFacts(output: string): Facts {
  const lines = output.split('\n').map((line) => line.split(' '));
  const value = (key: string) => lines.find((line) => line[0] === key)?.[1] ?? '';
  // Latin-1 keeps every byte of a file that is compared and written back.
  const content = (key: string) => Buffer.from(value(key), 'base64').toString('latin1');
  const text = (key: string) => Buffer.from(value(key), 'base64').toString('utf8');
  return {
    packages: parsePackageFacts(lines),
    unit: content('unit'),
    runtimeFolder: content('tmpfiles'),
    serviceActive: value('active') === 'active',
    serviceEnabled: value('enabled') === 'enabled',
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
    standbyMemory: standbyMemory(Buffer.from(value('state'), 'base64')),
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
