import { sleep } from '../clock/deadline.ts';
import { CommandError } from '../contract/errors.ts';
import type { Formation, Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { monitorUri } from '../member/keeper-config.ts';
import { tlsOptions } from '../member/tls.ts';

/** pg_autoctl's commands, run in the containers as postgres. */

const commandDeadlineMs = 30_000;

/** A configuration that is being written is whole again within milliseconds: this is patient enough for any machine. */
const rereads = { times: 10, pauseMs: 300 };

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
    for (let times = 1; ; times++) {
      try {
        return void (await incus.exec(container, command, { deadlineMs, signal, shownArgs: shown }));
      } catch (error) {
        if (!isEmptyConfiguration(error) || times === rereads.times) throw error;
        await sleep(rereads.pauseMs, signal);
      }
    }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    // Its last lines say "see above": the errors are what people need.
    const errors = error.stderr.split('\n').filter((line) => /\b(?:ERROR|FATAL)\b/.test(line));
    const told = errors.filter((line) => !/see above|sub-process supervision/i.test(line));
    throw told.length === 0 ? error : new CommandError(error.argv, error.reason, told.join('\n'));
  }
}

/**
 * Whether pg_autoctl found its configuration empty, before it did anything: it writes the file in place (fopen with "w",
 * keeper_config_write_file), so that who reads it while the service reloads may find nothing. Seen in the lab.
 */
function isEmptyConfiguration(error: unknown): boolean {
  return error instanceof CommandError && /Failed to find section pg_autoctl in/.test(error.stderr);
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
