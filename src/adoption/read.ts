import type { HbaRule } from '../postgres/hba-rules.ts';
import type { Session } from '../postgres/session.ts';

/** What Postgres says of a formation that is to be described: read with the rights of the superuser, and nothing changed. */

/** The monitor's word on all of its formations. */
export interface MonitorFound {
  formations: FormationRow[];
  /** Its clocks, `pgautofailover.…` without the prefix, in milliseconds or as a number. */
  clocks: Record<string, number>;
  hbaRules: HbaRule[];
}

export interface FormationRow {
  name: string;
  numberSyncStandbys: number;
  nodes: NodeRow[];
}

export interface NodeRow {
  name: string;
  host: string;
  port: number;
  candidatePriority: number;
  quorum: boolean;
  /** The state that its keeper reported last. */
  state: string;
}

const deadlineMs = 10_000;

/** A line that Postgres cannot read has an error, and nothing else. */
const hbaRules = `
  (SELECT coalesce(json_agg(json_build_object(
            'type', coalesce(type, ''), 'databases', coalesce(database, '{}'), 'users', coalesce(user_name, '{}'),
            'address', address, 'netmask', netmask, 'method', coalesce(auth_method, ''), 'error', error)
            ORDER BY line_number), '[]') FROM pg_hba_file_rules) AS hba_rules`;

export async function readMonitor(session: Session): Promise<MonitorFound> {
  const [row] = await session.query(
    `SELECT (SELECT coalesce(json_agg(json_build_object(
                      'name', formationid, 'numberSyncStandbys', number_sync_standbys,
                      'nodes', (SELECT coalesce(json_agg(json_build_object(
                                         'name', nodename, 'host', nodehost, 'port', nodeport,
                                         'candidatePriority', candidatepriority, 'quorum', replicationquorum,
                                         'state', reportedstate::text) ORDER BY nodeid), '[]')
                                  FROM pgautofailover.node WHERE node.formationid = formation.formationid))
                    ORDER BY formationid), '[]') FROM pgautofailover.formation) AS formations,
            (SELECT coalesce(json_object_agg(replace(name, 'pgautofailover.', ''), setting::float8), '{}')
               FROM pg_settings WHERE name LIKE 'pgautofailover.%' AND vartype = 'integer') AS clocks,
            ${hbaRules}`,
    [],
    { deadlineMs },
  );
  return {
    formations: (row?.['formations'] ?? []) as FormationRow[],
    clocks: (row?.['clocks'] ?? {}) as Record<string, number>,
    hbaRules: (row?.['hba_rules'] ?? []) as HbaRule[],
  };
}

/** What a data node has for applications. */
export interface NodeFound {
  inRecovery: boolean;
  walSenderTimeoutMs: number;
  /** In the order of their use: the one with the most transactions first. */
  databases: { name: string; owner: string }[];
  /** Roles that may log in and are no superusers, with the databases that they may connect to. */
  roles: { name: string; databases: string[] }[];
  /** Those that are superusers and may log in, without the one that the cluster was made with. */
  superusers: string[];
  hbaRules: HbaRule[];
}

export async function readNode(session: Session): Promise<NodeFound> {
  const [row] = await session.query(
    `WITH base AS (SELECT d.oid, d.datname, pg_get_userbyid(d.datdba) AS owner,
                          coalesce((SELECT xact_commit FROM pg_stat_database AS s WHERE s.datid = d.oid), 0) AS used
                     FROM pg_database AS d
                    WHERE NOT d.datistemplate AND d.datallowconn AND d.datname <> 'postgres')
     SELECT pg_is_in_recovery() AS in_recovery,
            (SELECT setting::float8 FROM pg_settings WHERE name = 'wal_sender_timeout') AS wal_sender_timeout,
            (SELECT coalesce(json_agg(json_build_object('name', datname, 'owner', owner)
                      ORDER BY used DESC, datname), '[]') FROM base) AS databases,
            (SELECT coalesce(json_agg(json_build_object('name', rolname, 'databases',
                      (SELECT coalesce(json_agg(datname ORDER BY datname), '[]') FROM base
                        WHERE has_database_privilege(r.oid, base.oid, 'CONNECT'))) ORDER BY rolname), '[]')
               FROM pg_roles AS r WHERE rolcanlogin AND NOT rolsuper) AS roles,
            (SELECT coalesce(json_agg(rolname ORDER BY rolname), '[]') FROM pg_roles
              WHERE rolcanlogin AND rolsuper AND oid <> 10) AS superusers,
            ${hbaRules}`,
    [],
    { deadlineMs },
  );
  return {
    inRecovery: row?.['in_recovery'] === true,
    walSenderTimeoutMs: Number(row?.['wal_sender_timeout']),
    databases: (row?.['databases'] ?? []) as NodeFound['databases'],
    roles: (row?.['roles'] ?? []) as NodeFound['roles'],
    superusers: (row?.['superusers'] ?? []) as string[],
    hbaRules: (row?.['hba_rules'] ?? []) as HbaRule[],
  };
}
