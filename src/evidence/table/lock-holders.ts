import { messageOf } from '../../contract/errors.ts';
import type { Session } from '../../postgres/session.ts';
import { shownText } from '../../postgres/shown-text.ts';
import { drillTable } from './drill-table.ts';

/** Who keeps sessions of a drill waiting; null where Postgres tells nothing. */
export interface LockHolder {
  /** 0: a prepared transaction, which no process holds any more. */
  pid: number;
  user: string | null;
  application: string | null;
  /** What kind of process, where it is no client's. */
  kind: string | null;
  state: string | null;
  /** When its transaction began, ISO 8601, and how long ago that was. */
  since: string | null;
  seconds: number | null;
  /** Whether it waits for a lock itself. */
  waits: boolean;
}

/** Sessions of a drill that wait for a lock: those on its table, and the one with the process $1. */
const waiting = `
  waiting AS (SELECT DISTINCT activity.pid FROM pg_stat_activity AS activity LEFT JOIN pg_locks USING (pid)
               WHERE application_name = 'pgha' AND wait_event_type = 'Lock' AND datname = current_database()
                 AND (activity.pid = $1 OR relation = to_regclass('${drillTable}')))`;

/**
 * Whoever waits himself comes last. No text of a query: it may hold a secret. (pg_blocking_pids, pg_stat_activity: "System
 * Information Functions" and "The Cumulative Statistics System" of Postgres' documentation.)
 */
const lookForHolders = `
  WITH ${waiting}, blocking AS (SELECT DISTINCT unnest(pg_blocking_pids(pid)) AS pid FROM waiting)
  SELECT coalesce(json_agg(json_build_object(
           'pid', blocking.pid, 'user', usename, 'application', application_name,
           'kind', nullif(backend_type, 'client backend'), 'state', state,
           'since', to_char(xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           'seconds', round(extract(epoch FROM clock_timestamp() - xact_start)),
           'waits', coalesce(wait_event_type = 'Lock', false))
         ORDER BY coalesce(wait_event_type = 'Lock', false), xact_start), '[]') AS holders
    FROM blocking LEFT JOIN pg_stat_activity AS activity USING (pid)
   WHERE blocking.pid NOT IN (SELECT pid FROM waiting)`;

/** A session that was closed from our end would wait on, and do its statement in the end. */
const endWaiting = `WITH ${waiting} SELECT pg_terminate_backend(pid) FROM waiting`;

/** So many are named. */
const most = 3;

/**
 * Finds out who holds what sessions of the drill wait for in vain, and ends these: they are given up.
 * @param backend the process of one that waits, on whatever table
 * @param open opens a superuser's session on the application's database of the node where they wait
 * @param onTrouble is told why nothing could be found out
 * @returns what there is to say of it and what to do; undefined where nobody holds them up, or nobody can tell. Never throws
 */
export async function tellHolders(
  backend: number | undefined,
  open: () => Promise<Session>,
  onTrouble: (why: string) => void,
): Promise<string | undefined> {
  try {
    const session = await open();
    try {
      const [row] = await session.query(lookForHolders, [backend ?? null]);
      await session.query(endWaiting, [backend ?? null]);
      return describeHolders((row?.['holders'] ?? []) as LockHolder[]);
    } finally {
      session.close();
    }
  } catch (error) {
    onTrouble(`who holds the drill's sessions up could not be told: ${messageOf(error)}`);
    return undefined;
  }
}

/** Names them, and says what to do. Pure. @returns undefined where there is none */
export function describeHolders(holders: readonly LockHolder[]): string | undefined {
  const [first] = holders;
  if (first === undefined) return undefined;
  const named = holders.slice(0, most).map(describe);
  const more = holders.length > most ? [`${holders.length - most} more`] : [];
  const end =
    first.pid === 0
      ? 'see pg_prepared_xacts, and commit it or roll it back'
      : `see whose it is and let it end; if nobody needs it, end it as a superuser (SELECT pg_terminate_backend(${first.pid}))`;
  return `a lock is in the way, held by ${[...named, ...more].join(' and ')}; ${end}`;
}

function describe({ pid, user, application, kind, state, since, seconds, waits }: LockHolder): string {
  if (pid === 0) return 'a prepared transaction';
  const about = [
    kind,
    user && `user ${user}`,
    application && `application ${application}`,
    state,
    waits && 'which waits for a lock itself',
    since && `its transaction began at ${since}, ${seconds} s ago`,
  ].filter(Boolean);
  return `process ${pid}${about.length === 0 ? '' : ` (${shownText(about.join(', '))})`}`;
}
