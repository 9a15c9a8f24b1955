import { sleep } from '../../clock/deadline.ts';
import { CommandError } from '../../contract/errors.ts';
import { keeps, nodeNameOf } from '../../formation/formation.ts';
import { monitorUri, tlsFilesIn, wantedMonitorUri } from '../../member/keeper-config.ts';
import { programsFolder } from '../../member/programs.ts';
import { ownTlsFiles, tlsOptions } from '../../member/tls.ts';
import type { MemberContainer } from '../member-container.ts';

/** pg_autoctl's commands, run in the containers as postgres. */

const commandDeadlineMs = 30_000;

/** A configuration that is being written is whole again within milliseconds: this is patient enough for any machine. */
const rereads = { times: 10, pauseMs: 300 };

/**
 * Runs pg_autoctl in a container as postgres, with the formation's Postgres binaries first on PATH.
 * @throws CommandError with its own lines of ERROR and FATAL, DeadlineError
 */
export async function pgAutoctl(
  container: MemberContainer,
  args: readonly string[],
  deadlineMs: number,
): Promise<void> {
  const bin = programsFolder(container.formation.postgres.version);
  const command = [
    'runuser',
    '-u',
    'postgres',
    '--',
    'env',
    // Its last act is to have the service reload (cli_pg_autoctl_reload, cli_common.c, 2.0 to 2.2), by a pid file that after
    // a forced stop may name anything: this command itself, which died of it (seen in CI; upstream ignores it as well, #1127).
    // Commands that serve, as create does, set handlers of their own.
    '--ignore-signal=HUP',
    '-C',
    '/var/lib/postgresql',
    // libpq finds the password file there.
    'HOME=/var/lib/postgresql',
    `PATH=${bin}:/usr/local/bin:/usr/bin:/bin`,
    'pg_autoctl',
    ...args,
  ];
  const shownArgs = ['exec', container.name, '--', 'pg_autoctl', ...args.slice(0, 2)];
  try {
    for (let times = 1; ; times++) {
      try {
        return void (await container.exec(command, { deadlineMs, shownArgs }));
      } catch (error) {
        if (!isEmptyConfiguration(error) || times === rereads.times) throw error;
        await sleep(rereads.pauseMs, container.signal);
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
export async function setMonitorUri(container: MemberContainer, keeperConfig: string): Promise<void> {
  const uri = wantedMonitorUri(container.formation, container.monitor, keeperConfig);
  const pair = ['pg_autoctl.monitor', uri];
  await runOnMember(container, ['config', 'set'], pair);
}

/** Runs a pg_autoctl subcommand on a member's own configuration. */
async function runOnMember(
  container: MemberContainer,
  subcommand: readonly string[],
  args: readonly string[],
): Promise<void> {
  const all = [...subcommand, '--pgdata', container.member.pgdata, ...args];
  await pgAutoctl(container, all, commandDeadlineMs);
}

/** Sets `timeout.network_partition_timeout` of a keeper; it takes effect at the next start or reload. */
export async function setPartitionTimeout(container: MemberContainer): Promise<void> {
  const value = String(container.formation.timings.networkPartitionTimeoutSeconds);
  await runOnMember(container, ['config', 'set'], ['timeout.network_partition_timeout', value]);
}

/**
 * `pg_autoctl enable ssl`: another mode or other files; the service is reloaded by it.
 * @param keeperConfig names the files, where they stay
 */
export async function enableTls(container: MemberContainer, keeperConfig: string): Promise<void> {
  const { formation } = container;
  const files = keeps(formation, 'certificates') ? tlsFilesIn(keeperConfig) : ownTlsFiles(formation);
  await runOnMember(container, ['enable', 'ssl'], tlsOptions(formation, files));
}

/** A node forgets its monitor (pg_auto_failover's operations guide, "Replacing the monitor online"). */
export async function disableMonitor(container: MemberContainer): Promise<void> {
  await runOnMember(container, ['disable', 'monitor'], ['--force']);
}

/** A node that forgot its monitor registers at this one, with the data that it has. @param keeperConfig names its CA */
export async function enableMonitor(container: MemberContainer, keeperConfig: string): Promise<void> {
  const uri = monitorUri(container.formation, container.monitor, keeperConfig);
  await runOnMember(container, ['enable', 'monitor'], [uri]);
}

/** The monitor drops a node, whether it still answers or not. */
export async function dropNode(monitor: MemberContainer, name: string): Promise<void> {
  const args = [
    '--formation',
    monitor.formation.name,
    '--name',
    nodeNameOf(monitor.formation, name),
    '--force',
  ];
  await runOnMember(monitor, ['drop', 'node'], args);
}
