/**
 * The one table that a drill writes to, in the application's database, made by the application's own user. It
 * holds a run's rows until the run is over, and those of a run that was killed for `keptDays`.
 */

export const keptDays = 3;

/** Whether there is the table, and whether it is the user's. */
export const lookForTable = `
  SELECT pg_has_role(relowner, 'USAGE') AS own FROM pg_class WHERE oid = to_regclass('public.pgha_drill')`;

export const createTable = `
  CREATE TABLE IF NOT EXISTS public.pgha_drill (
    run text NOT NULL,
    connection text NOT NULL,
    seq integer NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run, connection, seq))`;

/** $1 days. */
export const deleteOldRuns = `
  DELETE FROM public.pgha_drill WHERE at < now() - make_interval(days => $1)`;

/** $1 run. */
export const deleteRun = 'DELETE FROM public.pgha_drill WHERE run = $1';

/**
 * $1 run, $2 connection, $3 seq. Answers with the timeline that the server writes on: the name of a WAL file begins
 * with it. (pg_control_checkpoint() has the old one until the first checkpoint after a promotion.)
 */
export const insertRow = `
  INSERT INTO public.pgha_drill (run, connection, seq) VALUES ($1, $2, $3)
  RETURNING ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int AS timeline`;

/** $1 run, $2 connection, $3 seq: whether the server takes writes, and whether it has the row. */
export const probeRow = `
  SELECT current_setting('transaction_read_only') = 'on' AS read_only,
         EXISTS (SELECT FROM public.pgha_drill WHERE run = $1 AND connection = $2 AND seq = $3) AS present`;

/** $1 run: its rows as ranges, [connection, from, to] each. */
export const readRun = `
  SELECT pg_is_in_recovery() AS in_recovery,
         coalesce(json_agg(json_build_array(connection, first, last) ORDER BY connection, first), '[]') AS ranges
    FROM (SELECT connection, min(seq) AS first, max(seq) AS last
            FROM (SELECT connection, seq, seq - row_number() OVER (PARTITION BY connection ORDER BY seq) AS island
                    FROM public.pgha_drill WHERE run = $1) AS numbered
           GROUP BY connection, island) AS ranged`;

/** The answer of `readRun` where there is no table. */
export const readNoTable = "SELECT pg_is_in_recovery() AS in_recovery, '[]'::json AS ranges";
