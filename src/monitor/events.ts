import { containerOf, type KnownFormation } from '../formation/formation.ts';
import type { Session } from '../postgres/session.ts';

/**
 * What the monitor wrote down when it notified of it: one row of pgautofailover.event for each notification, by the same
 * transaction (pg_auto_failover 2.0 to 2.2, NotifyStateChange in notifications.c).
 */
export interface MonitorEvent {
  id: number;
  /** When its transaction began, by the monitor's clock (milliseconds since 1970): it is committed a little later. */
  time: number;
  name: string;
  reportedState: string;
  goalState: string;
}

export interface EventsRead {
  /** The monitor's clock when it answered, milliseconds since 1970. */
  clock: number;
  /** The last number that was given to an event of any formation. */
  newest: number;
  /** Which server that is, since which start of it: nothing that it holds was there at another time. */
  server: string;
  events: MonitorEvent[];
}

/** An event's number is given before it is committed: one so far below the newest may still come. */
export const settlesWithin = 100;
/** Of one reading: the rest comes with the next. */
const mostEvents = 1000;

/**
 * The events of a formation, in order of their numbers, and the monitor's clock.
 * @param after the last number that is known; undefined: only those that may have been under way just now
 */
export async function readEvents(
  session: Session,
  formation: KnownFormation,
  after: number | undefined,
  deadlineMs: number,
): Promise<EventsRead> {
  const [row] = await session.query(
    `WITH newest AS (SELECT last_value AS id FROM pgautofailover.event_eventid_seq)
     SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS clock, newest.id::float8 AS newest,
            (SELECT system_identifier FROM pg_control_system()) || ' ' || extract(epoch FROM pg_postmaster_start_time())
              AS server,
            (SELECT json_agg(known ORDER BY known.id)
               FROM (SELECT eventid AS id, extract(epoch FROM eventtime)::float8 * 1000 AS "time", nodename AS name,
                            reportedstate::text AS reported, goalstate::text AS goal
                       FROM pgautofailover.event
                      WHERE formationid = $1 AND eventid > coalesce($2::bigint, newest.id) - ${settlesWithin}
                      ORDER BY eventid LIMIT ${mostEvents}) AS known) AS events
       FROM newest`,
    [formation.name, after ?? null],
    { deadlineMs },
  );
  const events = (row?.['events'] ?? []) as Record<'id' | 'time' | 'name' | 'reported' | 'goal', unknown>[];
  return {
    clock: Number(row?.['clock']),
    newest: Number(row?.['newest']),
    server: String(row?.['server']),
    events: events.map(({ id, time, name, reported, goal }) => ({
      id: Number(id),
      time: Number(time),
      name: containerOf(formation, String(name)),
      reportedState: String(reported),
      goalState: String(goal),
    })),
  };
}
