import { withoutPasswords } from '../contract/secrecy.ts';
import { type Formation, isLab, monitorDatabase } from '../formation/formation.ts';
import { autoctlRole, replicationRole } from '../member/roles.ts';
import { dataNodeSettings, notBelowPrimary } from '../member/settings.ts';
import { readNodes } from '../monitor/nodes.ts';
import type { HbaRule } from '../postgres/hba-rules.ts';
import { readAccess } from '../postgres/obstacles.ts';
import { isPlaceholder } from '../postgres/placeholder.ts';
import { missingLibraries, preloadsSql } from '../postgres/preloads.ts';
import type { Row, Session } from '../postgres/session.ts';
import { sessionDefaultsOf, sessionDefaultsSql } from '../postgres/session-defaults.ts';
import { serverSetting } from '../postgres/startup.ts';
import type { ObservedMonitor, ObservedNode, ObservedSlot, ObservedStandby } from './observation.ts';
import { type Waiting, waitingCommits, waitingSql } from './waiting-commits.ts';

/** What Postgres says, one query a database. Each is read with the rights of the superuser and changes nothing. */

const hbaFile =
  "convert_from(pg_read_binary_file(current_setting('hba_file'), 0, 1048576, true), 'LATIN1') AS hba_text";

/** Roles and what Postgres stores of their passwords: read only to be held against the placeholder, and kept nowhere. */
const verifiers = (roles: string) =>
  `(SELECT coalesce(json_object_agg(rolname, coalesce(rolpassword, '')), '{}') FROM pg_authid WHERE rolname = ANY(${roles})) AS verifiers`;

function placeholdersIn(row: Row | undefined): string[] {
  const found = Object.entries((row?.['verifiers'] ?? {}) as Record<string, string>);
  return found.filter(([role, stored]) => isPlaceholder(role, stored)).map(([role]) => role);
}

export async function observeMonitor(session: Session, formation: Formation): Promise<ObservedMonitor> {
  const [settings, nodes] = await Promise.all([
    session.query(
      `SELECT current_setting('server_version_num')::int AS server,
              (SELECT extversion FROM pg_extension WHERE extname = 'pgautofailover') AS version,
              (SELECT default_version FROM pg_available_extensions WHERE name = 'pgautofailover') AS available,
              (SELECT number_sync_standbys FROM pgautofailover.formation WHERE formationid = $1) AS number,
              (SELECT coalesce(json_object_agg(replace(name, 'pgautofailover.', ''), setting), '{}')
                 FROM pg_settings WHERE name LIKE 'pgautofailover.%' AND vartype = 'integer') AS clocks,
              (SELECT coalesce(json_agg(formationid ORDER BY formationid), '[]')
                 FROM pgautofailover.formation) AS formations,
              pgautofailover.formation_uri($1) AS uri,
              current_setting('ssl_ca_file') AS authority,
              ${sessionDefaultsSql([autoctlRole, 'postgres'], monitorDatabase)} AS defaults,
              ${preloadsSql},
              ${verifiers('$2')},
              ${hbaFile}`,
      [formation.name, isLab(formation) ? [] : [autoctlRole]],
    ),
    readNodes(session, formation),
  ]);
  const [row] = settings;
  const { ofServer } = await missingLibraries(session, row, []);
  return {
    serverVersion: Number(row?.['server']),
    extensionVersion: String(row?.['version'] ?? ''),
    availableExtensionVersion: String(row?.['available'] ?? ''),
    numberSyncStandbys: Number(row?.['number'] ?? -1),
    clocks: Object.fromEntries(
      Object.entries((row?.['clocks'] ?? {}) as Record<string, string>).map(([name, value]) => [
        name,
        Number(value),
      ]),
    ),
    formations: (row?.['formations'] ?? []) as string[],
    formationUri: String(row?.['uri'] ?? ''),
    sessionDefaults: sessionDefaultsOf(row, 'defaults'),
    missingLibraries: ofServer,
    hbaText: withoutPasswords(String(row?.['hba_text'] ?? '')),
    sslCaFile: String(row?.['authority'] ?? ''),
    placeholders: placeholdersIn(row),
    nodes,
  };
}

/** Settings whose value in force bears on durability, replication, fencing or who trusts whom. */
const watchedSettings = [
  ...notBelowPrimary,
  'archive_mode',
  'fsync',
  'full_page_writes',
  'recovery_min_apply_delay',
  'ssl_ca_file',
  'wal_receiver_status_interval',
  'wal_retrieve_retry_interval',
  'wal_sender_timeout',
];

/** @param salt of one observation, written down nowhere: what it is mixed into can be compared, and not guessed */
export async function observeNode(
  session: Session,
  formation: Formation,
  salt: string,
): Promise<ObservedNode> {
  const { users, databases } = formation.postgres;
  const names = users.map(({ name }) => name);
  const reading = readAccess(session, formation);
  const asking = session.query(
    `WITH position AS MATERIALIZED (
       SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS lsn),
     wal AS MATERIALIZED (SELECT name, size FROM pg_ls_waldir())
     SELECT current_setting('server_version_num')::int AS version,
            extract(epoch FROM now() - pg_postmaster_start_time())::float8 AS since_start,
            pg_is_in_recovery() AS in_recovery,
            (SELECT pg_wal_lsn_diff(checkpoint_lsn, '0/0')::float8 FROM pg_control_checkpoint()) AS checkpoint,
            ${serverSetting('default_transaction_read_only')}::boolean AS read_only,
            -- A standby's control file is of its last restart point, which may be on an older timeline than what it
            -- has received since. WAL segments are named by their timeline (XLogFileName).
            greatest((SELECT received_tli FROM pg_stat_wal_receiver),
                     (SELECT max(('x' || left(name, 8))::bit(32)::int) FROM wal WHERE name ~ '^[0-9A-F]{24}$'),
                     (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
                     (SELECT timeline_id FROM pg_control_checkpoint())) AS timeline,
            current_setting('synchronous_standby_names') AS sync_names,
            (SELECT coalesce(json_agg(json_build_object(
                      'applicationName', application_name, 'state', state, 'syncState', sync_state,
                      'lagBytes', coalesce(pg_wal_lsn_diff((SELECT lsn FROM position), flush_lsn), -1),
                      'replayLagBytes', coalesce(pg_wal_lsn_diff((SELECT lsn FROM position), replay_lsn), -1),
                      'replayLagSeconds', extract(epoch FROM replay_lag)::float8)), '[]')
               FROM pg_stat_replication) AS standbys,
            coalesce((SELECT status FROM pg_stat_wal_receiver), '') AS receiver,
            CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END AS paused,
            ${waitingSql('true')} AS waiting,
            (SELECT coalesce(json_agg(json_build_object(
                      'name', slot_name, 'active', active, 'walStatus', coalesce(wal_status, ''),
                      'retainedBytes', greatest(0, coalesce(
                         pg_wal_lsn_diff((SELECT lsn FROM position), restart_lsn), 0)))), '[]')
               FROM pg_replication_slots) AS slots,
            (SELECT coalesce(sum(size), 0)::float8 FROM wal) AS wal_bytes,
            (SELECT (sum(setting::float8) * 1024 * 1024)::float8 FROM pg_settings
              WHERE name IN ('max_wal_size', 'wal_keep_size')) AS max_wal_bytes,
            (SELECT json_build_object('enabled', current_setting('archive_mode') <> 'off', 'failing',
                      coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false))
               FROM pg_stat_archiver) AS archiver,
            (SELECT json_object_agg(name, current_setting(name)) FROM pg_settings WHERE name = ANY($3)) AS settings,
            ${serverSetting('synchronous_commit')} AS synchronous_commit,
            (SELECT coalesce(json_object_agg(name, setting), '{}') FROM
              (SELECT DISTINCT ON (name) name, setting FROM pg_file_settings
                WHERE sourcefile LIKE '%/postgresql.auto.conf' AND name = ANY($5) ORDER BY name, seqno DESC) AS file) AS altered,
            (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM pg_settings WHERE pending_restart) AS pending,
            (SELECT coalesce(json_object_agg(name, left(encode(sha256(convert_to($6 || setting, 'UTF8')), 'hex'), 16)), '{}') FROM
              (SELECT DISTINCT ON (name) name, file.setting FROM pg_file_settings AS file JOIN pg_settings AS known USING (name)
                WHERE known.context = 'postmaster' ORDER BY name, seqno DESC) AS last) AS filed,
            (SELECT coalesce(json_agg(concat_ws(' in ', coalesce(rolname, 'every role'), datname) || ': '
                      || split_part(setting, '=', 2)), '[]')
               FROM pg_db_role_setting
               LEFT JOIN pg_roles ON pg_roles.oid = setrole LEFT JOIN pg_database ON pg_database.oid = setdatabase,
               unnest(setconfig) AS setting
              WHERE setting LIKE 'synchronous_commit=%'
                AND split_part(setting, '=', 2) NOT IN ('on', 'remote_apply', 'true', 'yes', '1')) AS overrides,
            ${sessionDefaultsSql(['postgres'], 'postgres')} AS defaults,
            (SELECT coalesce(json_agg(rolname), '[]') FROM pg_roles
              WHERE rolname = ANY($1) AND rolcanlogin) AS roles,
            (SELECT coalesce(json_agg(datname), '[]') FROM pg_database WHERE datname = ANY($2)) AS databases,
            (SELECT coalesce(json_agg(json_build_object(
                      'type', type, 'databases', database, 'users', user_name, 'address', address,
                      'netmask', netmask, 'method', auth_method, 'error', error) ORDER BY line_number), '[]')
               FROM pg_hba_file_rules) AS hba_rules,
            ${verifiers('$4')},
            ${hbaFile}`,
    [
      names,
      databases.map(({ name }) => name),
      watchedSettings,
      isLab(formation) ? [] : [...names, replicationRole],
      // What else stands there may be secret, and goes into reports.
      [...Object.keys(dataNodeSettings(formation)), ...watchedSettings, 'synchronous_commit'],
      salt,
    ],
  );
  const [access, [row]] = await Promise.all([reading, asking]);
  return {
    serverVersion: Number(row?.['version']),
    secondsSinceStart: Number(row?.['since_start']),
    inRecovery: row?.['in_recovery'] === true,
    checkpointByte: Number(row?.['checkpoint']),
    readOnly: row?.['read_only'] === true,
    timeline: Number(row?.['timeline']),
    synchronousStandbyNames: String(row?.['sync_names'] ?? ''),
    standbys: ((row?.['standbys'] ?? []) as ObservedStandby[]).map((standby) => ({
      ...standby,
      replayLagSeconds: standby.replayLagSeconds ?? undefined,
    })),
    walReceiver: String(row?.['receiver'] ?? ''),
    replayPaused: row?.['paused'] === true,
    waitingCommits: await waitingCommits(session, row?.['waiting'] as Waiting | undefined),
    slots: (row?.['slots'] ?? []) as ObservedSlot[],
    walBytes: Number(row?.['wal_bytes']),
    maxWalBytes: Number(row?.['max_wal_bytes']),
    archiver: row?.['archiver'] as ObservedNode['archiver'],
    settings: {
      ...((row?.['settings'] ?? {}) as Record<string, string>),
      synchronous_commit: String(row?.['synchronous_commit']),
    },
    alteredSettings: (row?.['altered'] ?? {}) as Record<string, string>,
    pendingRestart: (row?.['pending'] ?? []) as string[],
    filedSettings: (row?.['filed'] ?? {}) as Record<string, string>,
    commitOverrides: (row?.['overrides'] ?? []) as string[],
    sessionDefaults: sessionDefaultsOf(row, 'defaults'),
    roles: (row?.['roles'] ?? []) as string[],
    access,
    placeholders: placeholdersIn(row),
    databases: (row?.['databases'] ?? []) as string[],
    hbaRules: (row?.['hba_rules'] ?? []) as HbaRule[],
    hbaText: withoutPasswords(String(row?.['hba_text'] ?? '')),
  };
}
