import { stringify } from 'yaml';
import { type Kept, keptNames } from '../formation/formation.ts';
import { timingsErrors } from '../formation/safe-timings.ts';
import { type Timings, timingsProfiles } from '../formation/timings.ts';
import { configured, partitionTimeoutOf, tlsFilesIn } from '../member/keeper-config.ts';
import { type Clients, clientsOf, rulesBeyond } from './clients.ts';
import { differenceRemarks } from './differences.ts';
import type { Found, FoundMember, FoundNode } from './found.ts';

/** A formation's file, made of what was found of it. Pure. */
export interface Description {
  /** The YAML. */
  text: string;
  /** What people should know before they use it, a sentence each; the file has them as comments, too. */
  remarks: string[];
}

/** @param asked the application's database and role, where somebody says which they are */
export function describe(
  found: Found,
  asked: { database?: string | undefined; user?: string | undefined },
): Description {
  const { monitor, nodes, formation } = found;
  const [first] = nodes;
  if (first === undefined) throw new Error('a formation that is described has nodes');
  const answering = nodes.flatMap(({ postgres }) => (postgres === undefined ? [] : [postgres]));
  const clients = clientsOf(
    [...answering.filter((each) => !each.inRecovery), ...answering.filter((each) => each.inRecovery)],
    asked,
  );
  const timings = timingsOf(found);
  const domain = domainOf(found);
  const folder = folderOf(found);
  const kept = keptOf(found, clients);
  const remarks = [
    ...clients.remarks,
    ...(clients.database === undefined ? [noDatabase(answering.length > 0)] : []),
    ...timings.remarks,
    ...differenceRemarks(found),
    ...tlsRemarks(found),
    ...replicationRemarks(found),
    ...serviceRemarks(found),
    ...kept.remarks,
  ];
  const file = {
    formation: formation.name,
    environment: 'production',
    image: imageOf(first),
    incus: { ...found.incus, domain },
    postgres: {
      version: first.postgresVersion,
      port: first.port,
      packages: isFromPgdg(first) ? 'pgdg' : 'distribution',
      ...(folder !== undefined && { 'data-directory': folder }),
      ...postgresKeys(clients),
    },
    tls: tlsOf(first),
    replication: replicationOf(found),
    timings: timings.file,
    ...(kept.keep.length > 0 && { keep: kept.keep }),
    monitor: { name: monitor.container, ...memberKeys(monitor, domain, folder && `${folder}/monitor`) },
    nodes: nodes.map((node) => ({
      name: node.container,
      ...(node.row.name !== node.container && { 'node-name': node.row.name }),
      ...memberKeys(node, domain, folder && `${folder}/node`),
      ...(node.row.candidatePriority !== 50 && { 'candidate-priority': node.row.candidatePriority }),
      ...(!node.row.quorum && nodes.some(({ row }) => row.quorum) && { quorum: false }),
    })),
  };
  return { text: written(file, remarks, found), remarks };
}

const noDatabase = (isKnown: boolean) =>
  isKnown
    ? 'no database of an application was found: say its name and user'
    : 'which databases and users there are is not known, since no node answers: say those of the application before anything is provisioned';

function written(file: Record<string, unknown>, remarks: readonly string[], { monitor }: Found): string {
  const flow = (value: unknown) => stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();
  const head = [
    `# Written by \`pgha adopt\`: the formation as it was found on the monitor in ${monitor.container}.`,
    '# docs/formation.md of pgha explains every key. environment: production requires passwords from your vault.',
    ...(remarks.length > 0 ? ['#', ...remarks.map((remark) => `# - ${remark.replace(/\p{C}/gu, '?')}`)] : []),
  ];
  const lines = Object.entries(file).flatMap(([key, value]) => {
    if (key === 'nodes') return ['nodes:', ...(value as unknown[]).map((each) => `  - ${flow(each)}`)];
    if (key === 'postgres')
      return [
        'postgres:',
        ...Object.entries(value as object).map(([name, inner]) => `  ${name}: ${flow(inner)}`),
      ];
    return [`${key}: ${flow(value)}`];
  });
  return `${[...head, ...lines].join('\n')}\n`;
}

/** What a member has otherwise than pgha would decide. */
function memberKeys(
  { container, host, pgdata, unit }: FoundMember,
  domain: string,
  pgdataByFolder: string | undefined,
): Record<string, string> {
  return {
    ...(host !== `${container}.${domain}` && { host }),
    ...(pgdata !== pgdataByFolder && { pgdata }),
    ...(unit !== '' && unit !== 'pg_autoctl.service' && { unit }),
  };
}

/** By which the containers are found, where they are by name. */
function domainOf({ monitor, nodes }: Found): string {
  const domains = [monitor, ...nodes].flatMap(({ container, host }) =>
    host.startsWith(`${container}.`) ? [host.slice(container.length + 1)] : [],
  );
  return domains.find((domain) => /^[a-z0-9][a-z0-9.-]*$/.test(domain)) ?? 'incus';
}

/** The folder of all data directories, where they are called as pgha calls them. */
function folderOf({ monitor, nodes }: Found): string | undefined {
  const folder = /^(.+)\/monitor$/.exec(monitor.pgdata)?.[1];
  return folder !== undefined && nodes.every(({ pgdata }) => pgdata === `${folder}/node`)
    ? folder
    : undefined;
}

function imageOf({ system }: FoundMember): string {
  const [id = '', release = ''] = system.split(' ');
  return /^[a-z]+$/.test(id) && /^[\w.]+$/.test(release) ? `images:${id}/${release}` : 'images:ubuntu/22.04';
}

const isFromPgdg = ({ packages, postgresVersion }: FoundMember) =>
  (packages[`postgresql-${postgresVersion}`] ?? '').includes('pgdg');

function postgresKeys({ database, user, databases, users, access }: Clients): Record<string, unknown> {
  const own = users.find(({ name }) => name === user);
  const others = users.filter(({ name }) => name !== user);
  // Of another database that it is let into, the application's user has a rule of its own.
  const further = (own?.databases ?? []).filter((each) => each !== database);
  const rules = [
    ...access,
    ...further.flatMap((each) =>
      own && own.clients.length > 0
        ? [{ user: own.name, database: each, clients: own.clients, method: 'scram-sha-256' }]
        : [],
    ),
  ];
  return {
    ...(database !== undefined && { database }),
    ...(user !== undefined && { user }),
    ...(own && own.clients.length > 0 && { clients: own.clients }),
    ...(databases.length > 0 && { databases }),
    ...(others.length > 0 && {
      users: others.map(({ name, databases: into, clients }) => ({
        name,
        databases: into,
        ...(clients.length > 0 && { clients }),
      })),
    }),
    ...(rules.length > 0 && { access: rules }),
  };
}

function tlsOf(node: FoundMember): 'self-signed' | 'verify-ca' | 'verify-full' {
  const mode = configured(node.keeperConfig, 'sslmode');
  return mode === 'verify-ca' || mode === 'verify-full' ? mode : 'self-signed';
}

function tlsRemarks({ monitor, nodes }: Found): string[] {
  const plain = [monitor, ...nodes].filter(
    ({ keeperConfig }) =>
      !['require', 'verify-ca', 'verify-full'].includes(configured(keeperConfig, 'sslmode')),
  );
  return plain.length === 0
    ? []
    : [`${names(plain)}: connections need no TLS there; with this file they would`];
}

function replicationOf({ formation, nodes }: Found): Record<string, unknown> {
  const members = nodes.filter(({ row }) => row.quorum).length;
  if (members === 0) return { 'sync-standbys': 0, quorum: false };
  return { 'sync-standbys': members <= 2 ? 1 : Math.max(1, formation.numberSyncStandbys) };
}

function replicationRemarks({ formation, nodes }: Found): string[] {
  const members = nodes.filter(({ row }) => row.quorum).length;
  return members > 2 && formation.numberSyncStandbys === 0
    ? [
        `number_sync_standbys is 0 with ${members} nodes in the quorum, so that a commit waits for none once its standbys are gone; a file says 1 at least, and provision-pgaf would set it`,
      ]
    : [];
}

/** The clocks in force: the name of a profile, or all of them. */
function timingsOf({ clocks, nodes }: Found): { file: unknown; remarks: string[] } {
  const [first] = nodes;
  const walSenderTimeoutMs = nodes.find(({ postgres }) => postgres)?.postgres?.walSenderTimeoutMs;
  const upstream = timingsProfiles.upstream;
  const timings: Timings = {
    healthCheckPeriodMs: clocks['health_check_period'] ?? upstream.healthCheckPeriodMs,
    healthCheckTimeoutMs: clocks['health_check_timeout'] ?? upstream.healthCheckTimeoutMs,
    healthCheckRetryDelayMs: clocks['health_check_retry_delay'] ?? upstream.healthCheckRetryDelayMs,
    healthCheckMaxRetries: clocks['health_check_max_retries'] ?? upstream.healthCheckMaxRetries,
    nodeConsideredUnhealthyTimeoutMs:
      clocks['node_considered_unhealthy_timeout'] ?? upstream.nodeConsideredUnhealthyTimeoutMs,
    primaryDemoteTimeoutMs: clocks['primary_demote_timeout'] ?? upstream.primaryDemoteTimeoutMs,
    networkPartitionTimeoutSeconds: partitionTimeoutOf(first?.keeperConfig ?? ''),
    walSenderTimeoutMs: walSenderTimeoutMs ?? upstream.walSenderTimeoutMs,
  };
  const isSame = (profile: Timings) =>
    Object.entries(profile).every(([name, value]) => timings[name as keyof Timings] === value);
  const profile = Object.entries(timingsProfiles).find(([, each]) => isSame(each))?.[0];
  const errors = timingsErrors(timings);
  const remarks = errors.map(
    (error) => `the clocks in force allow ${error}; docs/timings.md says what does not`,
  );
  if (profile !== undefined) return { file: profile, remarks };
  const seconds = (ms: number) => ms / 1000;
  return {
    file: {
      'health-check-period': seconds(timings.healthCheckPeriodMs),
      'health-check-timeout': seconds(timings.healthCheckTimeoutMs),
      'health-check-retry-delay': seconds(timings.healthCheckRetryDelayMs),
      'health-check-max-retries': timings.healthCheckMaxRetries,
      'node-considered-unhealthy-timeout': seconds(timings.nodeConsideredUnhealthyTimeoutMs),
      'primary-demote-timeout': seconds(timings.primaryDemoteTimeoutMs),
      'network-partition-timeout': timings.networkPartitionTimeoutSeconds,
      'wal-sender-timeout': seconds(timings.walSenderTimeoutMs),
      ...(errors.length > 0 && { 'accept-dual-primary-risk': true }),
    },
    remarks,
  };
}

function serviceRemarks({ monitor, nodes }: Found): string[] {
  const without = [monitor, ...nodes].filter(({ unit }) => unit === '');
  return without.length === 0
    ? []
    : [
        `${names(without)}: no service of systemd runs pg_autoctl there, so that it does not come back after a reboot`,
      ];
}

/**
 * What stays as it is, since it is better than pgha would make it, or not this formation's alone; and why. What could not be
 * read stays as well: nobody knows what would go with it.
 */
function keptOf({ monitor, nodes, others }: Found, clients: Clients): { keep: Kept[]; remarks: string[] } {
  const hosts = [monitor, ...nodes].map(({ host }) => host);
  const beyond = [
    ...new Set([
      ...nodes.flatMap(({ postgres }) => rulesBeyond(postgres?.hbaRules ?? [], clients, hosts)),
      ...(others.length > 0 ? [] : rulesBeyond(monitor.hbaRules, clients, hosts)),
    ]),
  ];
  const silent = nodes.filter(({ postgres }) => postgres === undefined);
  const members = [monitor, ...nodes];
  const issued = members.filter(({ certificate }) => certificate?.isSelfSigned === false);
  const unread = members.filter(
    ({ certificate, keeperConfig }) =>
      certificate === undefined && tlsFilesIn(keeperConfig).certificate !== '',
  );
  const shown = beyond.length > 5 ? [...beyond.slice(0, 5), `and ${beyond.length - 5} more`] : beyond;
  const access = [
    ...(beyond.length > 0 ? [`pg_hba.conf has rules that no file says (${shown.join('; ')})`] : []),
    ...(silent.length > 0 ? [`what pg_hba.conf of ${names(silent)} says could not be read`] : []),
  ];
  const certificates = [
    ...(issued.length > 0 ? [`a CA has issued those of ${names(issued)}`] : []),
    ...(unread.length > 0 ? [`those of ${names(unread)} could not be read`] : []),
  ];
  const reasons: Partial<Record<Kept, string>> = {
    ...(others.length > 0 && {
      monitor: `keep: monitor, since the monitor serves ${others.join(', ')} as well`,
    }),
    ...(access.length > 0 && {
      access: `keep: access, since ${access.join(', and ')}; without it provision-pgaf would write the file anew, without them`,
    }),
    ...(certificates.length > 0 && {
      certificates: `keep: certificates, since ${certificates.join(', and ')}`,
    }),
  };
  return {
    keep: keptNames.filter((what) => reasons[what] !== undefined),
    remarks: Object.values(reasons),
  };
}

const names = (members: readonly (FoundMember | FoundNode)[]) =>
  members.map(({ container }) => container).join(', ');
