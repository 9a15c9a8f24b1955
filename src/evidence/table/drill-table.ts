import { serverSetting } from '../../postgres/startup.ts';

/**
 * The one table that a drill writes to, in the application's database. It holds a run's rows until the run is over, and
 * those of a run that was killed for `keptDays`. It is made by the superuser and stays his, in a schema of his: a
 * superuser writes and reads there, and would run what an owner hangs onto a table (a trigger, a rule, a view).
 */

export const drillSchema = 'pgha';
export const drillTable = `${drillSchema}.drill`;

export const keptDays = 3;

/** For the superuser; with nothing that a default could add. */
export const createTable = `
  CREATE TABLE ${drillTable} (
    run text NOT NULL,
    connection text NOT NULL,
    seq integer NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run, connection, seq))`;

/** As `lookAtTable` tells them. */
export const tableColumns = [
  'run text NOT NULL',
  'connection text NOT NULL',
  'seq integer NOT NULL',
  'at timestamp with time zone NOT NULL DEFAULT now()',
];

/** What the application's user needs of it, and no more. */
export const tableRights = ['SELECT', 'INSERT', 'DELETE'];

/** $1 days. */
export const deleteOldRuns = `
  DELETE FROM ${drillTable} WHERE at < now() - make_interval(days => $1)`;

/** $1 run. */
export const deleteRun = `DELETE FROM ${drillTable} WHERE run = $1`;

/**
 * $1 run, $2 connection, $3 seq. Answers with the timeline that the server writes on: the name of a WAL file begins
 * with it. (pg_control_checkpoint() has the old one until the first checkpoint after a promotion.)
 */
export const insertRow = `
  INSERT INTO ${drillTable} (run, connection, seq) VALUES ($1, $2, $3)
  RETURNING ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int AS timeline`;

/** $1 run, $2 connection, $3 seq: whether the server takes writes, and whether it has the row. */
export const probeRow = `
  SELECT current_setting('transaction_read_only') = 'on' AS read_only,
         EXISTS (SELECT FROM ${drillTable} WHERE run = $1 AND connection = $2 AND seq = $3) AS present`;

/**
 * The same for a superuser's session, which may write whatever is the default: it asks what the server itself has, by
 * which pg_auto_failover keeps a node read-only.
 */
export const probeRowAsSuperuser = `
  SELECT current_setting('transaction_read_only') = 'on'
           OR ${serverSetting('default_transaction_read_only')}::boolean AS read_only,
         EXISTS (SELECT FROM ${drillTable} WHERE run = $1 AND connection = $2 AND seq = $3) AS present`;

/** A drill's rows are a range or two for each of its connections; more than that are somebody else's. */
export const mostRanges = 20_000;
/** Characters of a connection's name, of which a drill's has a few. */
const mostOfName = 60;

/**
 * $1 run: its rows as ranges, [connection, from, to] each, and one more than there may be where there are too many. A
 * longer name than the drill gives is cut, and ends with an ellipsis as none of the drill's does.
 */
export const readRun = `
  SELECT pg_is_in_recovery() AS in_recovery,
         coalesce(json_agg(json_build_array(connection, first, last) ORDER BY connection, first), '[]') AS ranges
    FROM (SELECT CASE WHEN length(connection) <= ${mostOfName} THEN connection
                      ELSE left(connection, ${mostOfName}) || '…' END AS connection, min(seq) AS first, max(seq) AS last
            FROM (SELECT connection, seq, seq - row_number() OVER (PARTITION BY connection ORDER BY seq) AS island
                    FROM ${drillTable} WHERE run = $1) AS numbered
           GROUP BY numbered.connection, island
           LIMIT ${mostRanges + 1}) AS ranged`;

/** The answer of `readRun` where there is no table. */
export const readNoTable = "SELECT pg_is_in_recovery() AS in_recovery, '[]'::json AS ranges";
