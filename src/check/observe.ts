import { now, wallClock } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { messageOf } from '../contract/errors.ts';
import { type Formation, type Member, membersOf, monitorDatabase } from '../formation/formation.ts';
import type { Incus, Instance } from '../incus/incus.ts';
import { drillMarkKey } from '../incus/labels.ts';
import { openSqlStream } from '../incus/sql-stream.ts';
import { readNodes } from '../monitor/nodes.ts';
import type { HbaRule } from '../postgres/hba.ts';
import { Session } from '../postgres/session.ts';
import type { Observation, ObservedInstance, ObservedMonitor, ObservedNode, Read } from './observation.ts';

/** How long one container may take to answer. A healthy one takes a tenth of a second. */
export const memberDeadlineMs = 5000;

/**
 * Reads the whole formation at once, each container in parallel and under its own deadline.
 * @throws only what keeps us from Incus itself (EnvironmentError, InputError, DeadlineError) or a cancellation
 */
export async function observe(
  formation: Formation,
  incus: Incus,
  signal?: AbortSignal,
): Promise<Observation> {
  const observedAt = wallClock(now());
  const instances = incus.instances(signal);
  const read = <T>(member: Member, work: (session: Session) => Promise<T>, database: string) =>
    readMember(member, instances, formation, incus, database, work, signal);

  const [monitorMember, ...dataMembers] = membersOf(formation);
  const [found, monitor, ...nodes] = await Promise.all([
    instances,
    read(monitorMember as Member, (session) => observeMonitor(session, formation.name), monitorDatabase),
    ...dataMembers.map((member) => read(member, (session) => observeNode(session, formation), 'postgres')),
  ]);
  return {
    observedAt,
    instances: Object.fromEntries(
      membersOf(formation).map(({ name }) => [name, observedInstance(found.get(name))]),
    ),
    monitor,
    nodes: Object.fromEntries(
      dataMembers.map(({ name }, index) => [name, nodes[index] as Read<ObservedNode>]),
    ),
  };
}

function observedInstance(instance: Instance | undefined): ObservedInstance {
  return { status: instance?.status ?? 'missing', drillMark: instance?.config[drillMarkKey] };
}

/** Opens a session in one container and reads it, unless Incus says meanwhile that it does not run. */
async function readMember<T>(
  member: Member,
  instances: Promise<Map<string, Instance>>,
  formation: Formation,
  incus: Incus,
  database: string,
  work: (session: Session) => Promise<T>,
  signal?: AbortSignal,
): Promise<Read<T>> {
  const stream = openSqlStream(incus, member.name, formation.postgres.port);
  const reading = withDeadline(
    `Postgres in ${member.name}`,
    memberDeadlineMs,
    async (inner): Promise<Read<T>> => {
      const session = await Session.open(stream, {
        database,
        connectDeadlineMs: memberDeadlineMs,
        signal: inner,
      });
      return { ok: true, value: await work(session) };
    },
    signal,
  ).catch((error: unknown): Read<T> => ({ ok: false, failed: messageOf(error) }));
  // A container that does not run need not be waited for: a frozen one would use up the deadline.
  const notRunning = instances.then((all): Promise<Read<T>> | Read<T> => {
    const status = all.get(member.name)?.status;
    if (status === undefined) return { ok: false, failed: `there is no container ${member.name}` };
    return status === 'Running' ? reading : { ok: false, failed: `the container is ${status}` };
  });
  try {
    return await notRunning;
  } finally {
    stream.destroy();
    signal?.throwIfAborted();
  }
}

async function observeMonitor(session: Session, formation: string): Promise<ObservedMonitor> {
  const [settings, nodes] = await Promise.all([
    session.query(
      `SELECT (SELECT extversion FROM pg_extension WHERE extname = 'pgautofailover') AS version,
              (SELECT number_sync_standbys FROM pgautofailover.formation WHERE formationid = $1) AS number`,
      [formation],
    ),
    readNodes(session, formation),
  ]);
  return {
    extensionVersion: String(settings[0]?.['version'] ?? ''),
    numberSyncStandbys: Number(settings[0]?.['number'] ?? -1),
    nodes,
  };
}

async function observeNode(session: Session, formation: Formation): Promise<ObservedNode> {
  const { users, databases } = formation.postgres;
  const [row] = await session.query(
    `SELECT current_setting('server_version_num')::int AS version,
            extract(epoch FROM now() - pg_postmaster_start_time())::float8 AS since_start,
            pg_is_in_recovery() AS in_recovery,
            current_setting('default_transaction_read_only') = 'on' AS read_only,
            coalesce((SELECT received_tli FROM pg_stat_wal_receiver),
                     (SELECT timeline_id FROM pg_control_checkpoint())) AS timeline,
            current_setting('synchronous_standby_names') AS sync_names,
            (SELECT coalesce(json_agg(json_build_object(
                      'applicationName', application_name, 'state', state, 'syncState', sync_state,
                      'lagBytes', CASE WHEN pg_is_in_recovery() THEN 0
                                  ELSE coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn), -1) END)), '[]')
               FROM pg_stat_replication) AS standbys,
            coalesce((SELECT status FROM pg_stat_wal_receiver), '') AS receiver,
            (SELECT coalesce(json_agg(rolname), '[]') FROM pg_roles
              WHERE rolname = ANY($1) AND rolcanlogin) AS roles,
            (SELECT coalesce(json_agg(datname), '[]') FROM pg_database WHERE datname = ANY($2)) AS databases,
            (SELECT coalesce(json_agg(json_build_object(
                      'type', type, 'databases', database, 'users', user_name, 'address', address,
                      'netmask', netmask, 'method', auth_method, 'error', error) ORDER BY line_number), '[]')
               FROM pg_hba_file_rules) AS hba_rules`,
    [users.map(({ name }) => name), databases.map(({ name }) => name)],
  );
  return {
    serverVersion: Number(row?.['version']),
    secondsSinceStart: Number(row?.['since_start']),
    inRecovery: row?.['in_recovery'] === true,
    readOnly: row?.['read_only'] === true,
    timeline: Number(row?.['timeline']),
    synchronousStandbyNames: String(row?.['sync_names'] ?? ''),
    standbys: (row?.['standbys'] ?? []) as ObservedNode['standbys'],
    walReceiver: String(row?.['receiver'] ?? ''),
    roles: (row?.['roles'] ?? []) as string[],
    databases: (row?.['databases'] ?? []) as string[],
    hbaRules: (row?.['hba_rules'] ?? []) as HbaRule[],
  };
}
