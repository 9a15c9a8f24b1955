import type { Database, Formation, User } from '../formation.ts';
import { type Timings, timingsProfiles } from '../timings.ts';
import { toPackageSource } from './package-source.ts';
import { toProbe } from './probe-schema.ts';
import type { FormationFile } from './schema.ts';

/** The formation that a checked file describes, every default filled in. */
export function toFormation(file: FormationFile): Formation {
  const { incus, postgres, replication } = file;
  const { quorum } = replication;
  return {
    name: file.formation,
    environment: file.environment,
    image: file.image,
    baseImage: file['base-image'],
    incus: { ...incus, network: incus.network },
    postgres: {
      version: postgres.version,
      port: postgres.port,
      dataDirectory: postgres['data-directory'],
      packages: toPackageSource(postgres.packages),
      settings: Object.fromEntries(
        Object.entries(postgres.settings).map(([name, value]) => [name, settingText(value)]),
      ),
      database: postgres.database,
      user: postgres.user,
      databases: toDatabases(postgres),
      users: toUsers(postgres),
      access: postgres.access,
    },
    tls: file.tls,
    replication: { syncStandbys: replication['sync-standbys'], quorum },
    timingsName: typeof file.timings === 'string' ? file.timings : 'explicit',
    timings: toTimings(file.timings),
    ...(file.keep.length > 0 && { keep: file.keep }),
    ...(file.hosts !== undefined && { hosts: file.hosts }),
    ...(file['allowed-hours'] !== undefined && {
      allowedHours: {
        timeZone: file['allowed-hours']['time-zone'],
        windows: file['allowed-hours'].windows,
      },
    }),
    ...(file.probes.length > 0 && { probes: file.probes.map(toProbe) }),
    monitor: {
      name: file.monitor.name,
      ...asFound(file.monitor),
      limits: { ...file.limits, ...file.monitor.limits },
      target: file.monitor.target,
    },
    nodes: file.nodes.map((node) => ({
      name: node.name,
      nodeName: node['node-name'],
      ...asFound(node),
      candidatePriority: node['candidate-priority'],
      quorum: node.quorum ?? quorum,
      limits: { ...file.limits, ...node.limits },
      target: node.target,
    })),
  };
}

const asFound = ({ host, pgdata, unit }: FormationFile['monitor']) => ({ host, pgdata, unit });

type PostgresKeys = FormationFile['postgres'];

/** The application's own first. */
function toDatabases({ database, user, extensions, databases }: PostgresKeys): Database[] {
  return [
    { name: database, owner: user, extensions: extensions ?? [] },
    ...databases.map((other) => ({
      name: other.name,
      owner: other.owner ?? user,
      extensions: other.extensions ?? [],
    })),
  ];
}

/** The application's own first. */
function toUsers({ database, user, clients, users }: PostgresKeys): User[] {
  return [
    { name: user, databases: [database], clients },
    ...users.map((other) => ({
      name: other.name,
      databases: other.databases,
      clients: other.clients ?? clients,
    })),
  ];
}

/** As postgresql.conf has it. */
function settingText(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

function toTimings(given: FormationFile['timings']): Timings {
  if (typeof given === 'string') return { ...timingsProfiles[given] };
  const ms = (s: number) => Math.round(s * 1000);
  return {
    healthCheckPeriodMs: ms(given['health-check-period']),
    healthCheckTimeoutMs: ms(given['health-check-timeout']),
    healthCheckRetryDelayMs: ms(given['health-check-retry-delay']),
    healthCheckMaxRetries: given['health-check-max-retries'],
    nodeConsideredUnhealthyTimeoutMs: ms(given['node-considered-unhealthy-timeout']),
    primaryDemoteTimeoutMs: ms(given['primary-demote-timeout']),
    networkPartitionTimeoutSeconds: given['network-partition-timeout'],
    walSenderTimeoutMs: ms(given['wal-sender-timeout']),
  };
}
