import { sleep } from '../clock/deadline.ts';
import type { Session } from '../postgres/session.ts';
import type { ObservedNode } from './observation.ts';

/** A commit that waits longer has lost its standby; a healthy one answers in milliseconds. */
export const waitLimitSeconds = 5;

/**
 * Commits that wait for a standby. Postgres tells when their statements began, and not since when they wait: one that has
 * worked for a minute and waits for a moment looks like one that hangs.
 */
export const waitingSql = (which: string) => `
  (SELECT json_build_object('count', count(*),
            'longestSeconds', coalesce(extract(epoch FROM max(clock_timestamp() - query_start)), 0)::float8,
            'statements', coalesce(json_agg(concat_ws(' ', pid, query_start)), '[]'))
     FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND ${which})`;

export type Waiting = ObservedNode['waitingCommits'] & { statements: string[] };

/** A healthy standby answers in milliseconds: who waits still has a moment later is held up. */
const stillWaitsMs = 1000;

/** Those that wait still after a moment, where any may have waited for long. */
export async function waitingCommits(
  session: Session,
  { count, longestSeconds, statements }: Waiting = { count: 0, longestSeconds: 0, statements: [] },
): Promise<ObservedNode['waitingCommits']> {
  if (longestSeconds <= waitLimitSeconds) return { count, longestSeconds };
  await sleep(stillWaitsMs);
  const [row] = await session.query(
    `SELECT ${waitingSql("concat_ws(' ', pid, query_start) = ANY($1)")} AS waiting`,
    [statements],
  );
  const still = row?.['waiting'] as Waiting;
  return { count: still.count, longestSeconds: still.longestSeconds };
}
