import { CommandError } from '../contract/errors.ts';
import { type Formation, type Member, monitorDatabase } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { autoctlRole } from './secrets.ts';
import { tlsOptions, tlsParameters } from './tls.ts';

/** pg_autoctl's commands, run in the containers as postgres. */

const commandDeadlineMs = 30_000;

/**
 * Runs pg_autoctl in a container as postgres, with the formation's Postgres binaries first on PATH.
 * @throws CommandError with its own lines of ERROR and FATAL, DeadlineError
 */
export async function pgAutoctl(
  incus: Incus,
  formation: Formation,
  container: string,
  args: readonly string[],
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const bin = `/usr/lib/postgresql/${formation.postgres.version}/bin`;
  const command = [
    'runuser',
    '-u',
    'postgres',
    '--',
    'env',
    '-C',
    '/var/lib/postgresql',
    // libpq finds the password file there.
    'HOME=/var/lib/postgresql',
    `PATH=${bin}:/usr/local/bin:/usr/bin:/bin`,
    'pg_autoctl',
    ...args,
  ];
  const shown = ['exec', container, '--', 'pg_autoctl', ...args.slice(0, 2)];
  try {
    await incus.exec(container, command, { deadlineMs, signal, shownArgs: shown });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    // Its last lines say "see above": the errors are what people need.
    const errors = error.stderr.split('\n').filter((line) => /\b(?:ERROR|FATAL)\b/.test(line));
    const told = errors.filter((line) => !/see above|sub-process supervision/i.test(line));
    throw told.length === 0 ? error : new CommandError(error.argv, error.reason, told.join('\n'));
  }
}

/** libpq waits for an answer without end: a cut in the midst of one would keep a primary from fencing itself. */
const impatience = 'keepalives_idle=1&keepalives_interval=1&keepalives_count=2&tcp_user_timeout=3000';

/** The monitor's connection string for keepers; the password is in the password file. */
export function monitorUri(formation: Formation, monitor: Member): string {
  return `postgres://${autoctlRole}@${monitor.host}:${formation.postgres.port}/${monitorDatabase}?${tlsParameters(formation)}&${impatience}`;
}

/** Whether a keeper's configuration has that connection string; pg_autoctl writes its parameters in an order of its own. */
export function hasMonitorUri(formation: Formation, monitor: Member, keeperConfig: string): boolean {
  const parts = (uri: string) => {
    const [base = '', parameters = ''] = uri.split('?');
    return [base.replace(/^postgresql:/, 'postgres:'), ...parameters.split('&').sort()].join('&');
  };
  return parts(configured(keeperConfig, 'monitor')) === parts(monitorUri(formation, monitor));
}

/** Another connection string to the same monitor; it takes effect at the next start or reload. */
export async function setMonitorUri(
  incus: Incus,
  formation: Formation,
  member: Member,
  monitor: Member,
  signal?: AbortSignal,
): Promise<void> {
  const pair = ['pg_autoctl.monitor', monitorUri(formation, monitor)];
  await onMember(incus, formation, member, ['config', 'set'], pair, signal);
}

/** Runs a pg_autoctl subcommand on a member's own configuration. */
async function onMember(
  incus: Incus,
  formation: Formation,
  member: Member,
  subcommand: readonly string[],
  args: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const all = [...subcommand, '--pgdata', member.pgdata, ...args];
  await pgAutoctl(incus, formation, member.name, all, commandDeadlineMs, signal);
}

/** Sets `timeout.network_partition_timeout` of a keeper; it takes effect at the next start or reload. */
export async function setPartitionTimeout(
  incus: Incus,
  formation: Formation,
  member: Member,
  signal?: AbortSignal,
): Promise<void> {
  const value = String(formation.timings.networkPartitionTimeoutSeconds);
  await onMember(
    incus,
    formation,
    member,
    ['config', 'set'],
    ['timeout.network_partition_timeout', value],
    signal,
  );
}

/** `pg_autoctl enable ssl`: another mode or other files; the service is reloaded by it. */
export async function enableTls(
  incus: Incus,
  formation: Formation,
  member: Member,
  signal?: AbortSignal,
): Promise<void> {
  await onMember(incus, formation, member, ['enable', 'ssl'], tlsOptions(formation), signal);
}

/** A node forgets its monitor (pg_auto_failover's operations guide, "Replacing the monitor online"). */
export async function disableMonitor(
  incus: Incus,
  formation: Formation,
  member: Member,
  signal?: AbortSignal,
): Promise<void> {
  await onMember(incus, formation, member, ['disable', 'monitor'], ['--force'], signal);
}

/** A node that forgot its monitor registers at this one, with the data that it has. */
export async function enableMonitor(
  incus: Incus,
  formation: Formation,
  member: Member,
  monitor: Member,
  signal?: AbortSignal,
): Promise<void> {
  await onMember(incus, formation, member, ['enable', 'monitor'], [monitorUri(formation, monitor)], signal);
}

/** The monitor drops a node, whether it still answers or not. */
export async function dropNode(
  incus: Incus,
  formation: Formation,
  monitor: Member,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  const args = ['--formation', formation.name, '--name', name, '--force'];
  await onMember(incus, formation, monitor, ['drop', 'node'], args, signal);
}

/** What a pg_autoctl.cfg says, '' for a key that is not there. In time linear to its length, whatever it holds. */
export function configured(keeperConfig: string, key: string): string {
  return (new RegExp(`^[ \\t]*${key}[ \\t]*=(.*)$`, 'm').exec(keeperConfig)?.[1] ?? '').trim();
}

/** The keeper's network_partition_timeout as its configuration file has it (upstream's default is 20 s). */
export function partitionTimeoutOf(keeperConfig: string): number {
  return Number(configured(keeperConfig, 'network_partition_timeout') || 20);
}

/** Whether a member's configuration has the formation's TLS mode and files. */
export function hasTls(formation: Formation, keeperConfig: string): boolean {
  const options = tlsOptions(formation);
  const option = (name: string) => options[options.indexOf(name) + 1] ?? '';
  const wanted: [string, string][] = [
    ['sslmode', option('--ssl-mode')],
    ['cert_file', option('--server-cert')],
    ['key_file', option('--server-key')],
    ['ca_file', options.includes('--ssl-ca-file') ? option('--ssl-ca-file') : ''],
  ];
  return wanted.every(([key, value]) => configured(keeperConfig, key) === value);
}

/** Whether a node was told to forget its monitor. */
export function isMonitorDisabled(keeperConfig: string): boolean {
  return configured(keeperConfig, 'monitor') === 'PG_AUTOCTL_DISABLED';
}
