import { EnvironmentError } from '../contract/errors.ts';
import type { Member } from '../formation/formation.ts';
import type { ContainerRelay } from '../incus/relay/container-relay.ts';
import { keeperConfigPath } from '../member/keeper-config.ts';
import { type StandbyMemory, standbyMemory, stateFileOf } from '../member/keeper-state.ts';
import { passwordFile } from '../member/roles.ts';
import { caPem, renewBeforeSeconds, serverPem } from '../member/tls.ts';
import { runtimeFolderPath, unitOf, unitPathOf } from '../member/unit.ts';
import certificateState from './certificates/scripts/certificate-state.sh';
import { parseMulticast, type ResolverFacts, resolverPath } from './containers/resolver.ts';
import multicastInUse from './containers/scripts/multicast.sh';
import { managedSettingsPath } from './members/settings.ts';
import { packageFiles } from './packages/apt-files.ts';
import { type PackageFacts, parsePackageFacts } from './packages/package-facts.ts';
import packageState from './packages/scripts/package-state.sh';
import contentOfFiles from './scripts/content-of-files.pl';
import facts from './scripts/facts.sh';
import factsOfPostgres from './scripts/facts-of-postgres.pl';
import factsOfRoot from './scripts/facts-of-root.pl';

/** What a container holds now, as far as provisioning cares. Read in one round trip. */
export interface Facts extends ResolverFacts {
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
  /** Postgres of this data directory runs, be it that it takes no sessions. */
  postgresRuns: boolean;
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
  /** pg_hba.conf and pg_ident.conf of the data directory, '' when there is none, undefined when it cannot be read. */
  hba: string | undefined;
  ident: string | undefined;
  /** libpq's password file of the user postgres, undefined when it cannot be read; secret. And its owner and mode, as `postgres 600`. */
  passwordFile: string | undefined;
  passwordFileMode: string;
  /** What is to be said of key and certificate: `good`, `missing`, `expiring`, `mismatch`, `otherhost`. */
  certificate: string;
  /** SHA-256 of the file with key and certificate, '' when there is none. */
  serverPemHash: string;
  ca: string;
  /** Names of the settings that we set, one a line. */
  managedSettings: string;
}

/** What is known of a container that does not exist yet; not of one that was not read. */
export const noFacts: Facts = {
  packages: { codename: '', versions: new Map(), files: new Map(), certificates: false },
  postgresVersion: undefined,
  unit: '',
  runtimeFolder: '',
  serviceActive: false,
  serviceEnabled: false,
  mistakenPostmaster: false,
  postgresRuns: false,
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
  multicast: [],
  resolver: '',
  resolverBehind: false,
};

const configurations = '/var/lib/postgresql/.config/pg_autoctl';

/** Files that are root's, by key. */
const filesOfRoot = (member: Member) => ({
  unit: unitPathOf(member),
  tmpfiles: runtimeFolderPath,
  ca: caPem,
  settings: managedSettingsPath,
  resolver: resolverPath,
});

/** What all of these files together may have; a user who fills them up is told, and nobody's memory is filled. */
const probeBytes = 16 * 1024 * 1024;

/** Reads a running container's facts. @throws as ContainerRelay.read, and as parseFacts */
export async function readFacts(relay: ContainerRelay, member: Member, signal?: AbortSignal): Promise<Facts> {
  const command = [
    ...['sh', '-c', `${packageState}${certificateState}${multicastInUse}${facts}`, 'sh'],
    ...[member.pgdata, member.host, serverPem, String(renewBeforeSeconds), packageFiles],
    ...[`${contentOfFiles}${factsOfRoot}`, `${contentOfFiles}${factsOfPostgres}`],
    ...[configurations, stateFileOf(member.pgdata), passwordFile],
    ...[unitOf(member), resolverPath, ...Object.entries(filesOfRoot(member)).flat()],
  ];
  return parseFacts(await relay.read(command, { deadlineMs: 20_000, maxBytes: probeBytes, signal }), member);
}

/** What decides whether there is data, and whose; unread it must not pass for absent. */
const indispensable = (member: Member): Record<string, string> => ({
  keeper: keeperConfigPath(member),
  version: `${member.pgdata}/PG_VERSION`,
});

/** Files are there that postgres cannot read, without which nothing may be changed. */
export class UnreadFilesError extends EnvironmentError {
  /** @param what the container, with these files and why each could not be read, in a sentence */
  constructor(readonly what: string) {
    super(
      `${what}; what it holds is not known then, and nothing is changed; give them back (chown postgres: FILE in the container), and run this again`,
    );
  }
}

/** @throws UnreadFilesError */
export function parseFacts(output: string, member: Member): Facts {
  const lines = output.split('\n').map((line) => line.split(' '));
  const value = (key: string) => lines.find((line) => line[0] === key)?.[1] ?? '';
  // Latin-1 keeps every byte of a file that is compared and written back.
  const content = (key: string) => Buffer.from(value(key), 'hex').toString('latin1');
  const text = (key: string) => Buffer.from(value(key), 'hex').toString('utf8');
  const unread = new Map(
    lines.flatMap(([kind, key = '', why = '']) =>
      kind === 'unread' ? [[key, Buffer.from(why, 'hex').toString('utf8')]] : [],
    ),
  );
  const missed = Object.entries(indispensable(member)).filter(([key]) => unread.has(key));
  if (missed.length > 0) {
    const told = missed.map(([key, path]) => `${path} (${unread.get(key)})`).join(', ');
    throw new UnreadFilesError(`${member.name} has files that its user postgres cannot read: ${told}`);
  }
  return {
    packages: parsePackageFacts(lines),
    unit: content('unit'),
    runtimeFolder: content('tmpfiles'),
    serviceActive: value('active') === 'active',
    serviceEnabled: value('enabled') === 'enabled',
    mistakenPostmaster: value('mistaken') === 'yes',
    postgresRuns: value('runs') === 'yes',
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
    hba: unread.has('hba') ? undefined : content('hba'),
    ident: unread.has('ident') ? undefined : content('ident'),
    passwordFile: unread.has('passwords') ? undefined : text('passwords'),
    passwordFileMode: value('passwordmode').replace(':', ' '),
    certificate: value('certificate') || 'missing',
    serverPemHash: value('pemhash'),
    ca: text('ca'),
    managedSettings: content('settings'),
    multicast: parseMulticast(output),
    resolver: content('resolver'),
    resolverBehind: value('resolverbehind') === 'yes',
  };
}

/** Whether nothing of a member was ever made in it; what an interrupted creation left is something. */
export const isBlank = ({ keeperConfig, postgresVersion, created }: Facts): boolean =>
  keeperConfig === '' && postgresVersion === undefined && !created;
