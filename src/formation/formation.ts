import type { AllowedHours } from './allowed-hours.ts';
import type { PackageSource } from './file/package-source.ts';
import type { Probe } from './probes.ts';
import type { Timings } from './timings.ts';

/** A formation as its file describes it, every default filled in. Plain data. */
export interface Formation {
  /** The name the monitor knows it by. */
  name: string;
  /** `lab` permits the placeholder password; every other name is treated as production. */
  environment: string;
  /** Incus image of new containers, e.g. `images:ubuntu/22.04`. */
  image: string;
  /** Whether new containers come from a base image with the packages in it, which is kept for the next ones. */
  baseImage: boolean;
  incus: {
    remote: string;
    project: string;
    profiles: string[];
    /** Network of new containers, besides what the profiles say. */
    network: string | undefined;
    domain: string;
  };
  postgres: {
    /** Major version. */
    version: number;
    port: number;
    /** Parent of the data directories of monitor and nodes. */
    dataDirectory: string;
    packages: PackageSource;
    /** Settings of the data nodes' Postgres, by name, as postgresql.conf has them. */
    settings: Record<string, string>;
    /** The application's own database and role. */
    database: string;
    user: string;
    /** All databases and roles, the application's own first. */
    databases: Database[];
    users: User[];
    /** Rules asked for by name, besides those of the users. */
    access: ClientRule[];
  };
  /** How nodes and clients verify each other's certificates; pgha makes self-signed ones itself. */
  tls: 'self-signed' | 'verify-ca' | 'verify-full';
  replication: { syncStandbys: number; quorum: boolean };
  /** The profile's name, or `explicit`. */
  timingsName: string;
  timings: Timings;
  /** What provisioning leaves as it found it; undefined: nothing. */
  keep?: readonly Kept[];
  /** Members of the Incus cluster, and `@group`s of them, that containers may be on; undefined: any. */
  hosts?: readonly string[];
  /** When drills may begin; undefined: at any time. */
  allowedHours?: AllowedHours;
  /** What services of the user's own must answer while it is drilled; undefined: none is asked. */
  probes?: readonly Probe[];
  monitor: Container;
  /** Data nodes in the order in which they register; the first becomes primary. */
  nodes: DataNode[];
}

/** What an existing formation may have better than pgha would make it. */
export const keptNames = ['access', 'certificates', 'monitor'] as const;
export type Kept = (typeof keptNames)[number];

/** A container as the file describes it. */
export interface Container {
  name: string;
  /** Where an existing member has these otherwise than pgha makes them: see `Member`. */
  host?: string | undefined;
  pgdata?: string | undefined;
  unit?: string | undefined;
  limits: Limits;
  /** Member of the Incus cluster that it belongs on, or a `@group` of them; undefined: as the formation's hosts say. */
  target: string | undefined;
}

/** In Incus' own terms: number of CPUs, sizes such as `4GiB`. */
export interface Limits {
  cpu?: number | undefined;
  memory?: string | undefined;
  disk?: string | undefined;
}

export interface DataNode extends Container {
  /** Its name on the monitor; undefined where that is the container's. */
  nodeName?: string | undefined;
  /** 0 to 100; a node with 0 is never promoted. */
  candidatePriority: number;
  /** Whether the primary may wait for it. */
  quorum: boolean;
}

export interface Database {
  name: string;
  owner: string;
  extensions: string[];
}

export interface User {
  name: string;
  /** Databases that it is let into, from its clients' networks (CIDR). */
  databases: string[];
  clients: string[];
}

/** Who may connect to what, from which networks (CIDR), and how it proves who it is. */
export interface ClientRule {
  user: string;
  database: string;
  clients: string[];
  method: 'scram-sha-256' | 'cert' | 'trust';
}

/** Whether the placeholder password may stand for one that was not given. */
export function isLab({ environment }: Pick<Formation, 'environment'>): boolean {
  return environment === 'lab';
}

/** Whether provisioning leaves it as it is. */
export function keeps({ keep }: Pick<Formation, 'keep'>, what: Kept): boolean {
  return keep?.includes(what) === true;
}

/** Whether a keeper's way to the monitor stays: its account is the monitor's. */
export function keepsMonitorUri(formation: Pick<Formation, 'keep'>): boolean {
  return keeps(formation, 'access') || keeps(formation, 'monitor');
}

/** Where one of the formation's Postgres instances runs. */
export interface Member {
  role: 'monitor' | 'data';
  /** Incus instance name. A node has it within pgha, whatever the monitor calls it. */
  name: string;
  /** The name or address that other containers reach it by. */
  host: string;
  pgdata: string;
  /** The systemd service that runs pg_autoctl; undefined where it is pgha's own. */
  unit?: string | undefined;
  limits: Limits;
  /** Member of the Incus cluster that it belongs on, or a `@group` of them; undefined: as the formation's hosts say. */
  target: string | undefined;
}

/** The monitor first, then the data nodes in order of registration. */
export function membersOf(formation: Formation): [Member, ...Member[]] {
  const member = (role: Member['role'], container: Container, folder: string): Member => ({
    role,
    name: container.name,
    host: container.host ?? `${container.name}.${formation.incus.domain}`,
    pgdata: container.pgdata ?? `${formation.postgres.dataDirectory}/${folder}`,
    unit: container.unit,
    limits: container.limits,
    target: container.target,
  });
  return [
    member('monitor', formation.monitor, 'monitor'),
    ...formation.nodes.map((node) => member('data', node, 'node')),
  ];
}

/** A formation as its monitor has it: its name, and the names of its nodes. */
export type KnownFormation = Pick<Formation, 'name'> & {
  nodes: readonly Pick<DataNode, 'name' | 'nodeName'>[];
};

/** What the monitor calls the node in a container of the formation. */
export function nodeNameOf({ nodes }: Pick<KnownFormation, 'nodes'>, container: string): string {
  return nodes.find(({ name }) => name === container)?.nodeName ?? container;
}

/** The container of a node that the monitor calls so; the same name where the file does not name that node. */
export function containerOf({ nodes }: Pick<KnownFormation, 'nodes'>, nodeName: string): string {
  return nodes.find((node) => (node.nodeName ?? node.name) === nodeName)?.name ?? nodeName;
}

/** pg_auto_failover keeps the monitor's state in this database. */
export const monitorDatabase = 'pg_auto_failover';

/**
 * The monitor's number_sync_standbys for a requested number of synchronous standbys. With two data nodes in
 * the quorum it must be 0: the primary then runs `ANY 1 (…)` already, and pg_auto_failover refuses 1 ("At
 * least 2 standby nodes are required"). 0 requested standbys are expressed through replication-quorum.
 */
export function numberSyncStandbys(formation: Formation): number {
  const members = formation.nodes.filter((node) => node.quorum).length;
  return members <= 2 ? 0 : formation.replication.syncStandbys;
}

/** Whether commits wait for no standby at all. */
export function isAsynchronous({ nodes, replication }: Formation): boolean {
  return replication.syncStandbys === 0 || nodes.every(({ quorum }) => !quorum);
}

/** Every client's way in, one rule for each user and database: what pg_hba.conf must say on every data node. */
export function clientRules({ postgres }: Formation): ClientRule[] {
  return [
    ...postgres.access,
    ...postgres.users.flatMap(({ name, databases, clients }) =>
      databases.map((database): ClientRule => ({ user: name, database, clients, method: 'scram-sha-256' })),
    ),
  ];
}

/** libpq's sslmode for the nodes among themselves, and for clients. */
export function sslMode({ tls }: Formation): 'require' | 'verify-ca' | 'verify-full' {
  return tls === 'self-signed' ? 'require' : tls;
}

/** A host name or address as a URI has it. */
export const inUri = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** The application's connection string, with every data node and without a password. */
export function formationUri(formation: Formation): string {
  const { user, database, port } = formation.postgres;
  const hosts = membersOf(formation)
    .filter((member) => member.role === 'data')
    .map(({ host }) => `${inUri(host)}:${port}`)
    .join(',');
  return `postgres://${user}@${hosts}/${database}?target_session_attrs=read-write&sslmode=${sslMode(formation)}`;
}
