import { retryUntil } from '../clock/deadline.ts';
import { DeadlineError } from '../contract/errors.ts';
import { type KnownFormation, nodeNameOf } from '../formation/formation.ts';
import type { Session } from '../postgres/session.ts';

/**
 * Asks for a planned failover within the formation's only group, and returns when the monitor has agreed. It
 * may meet a deadlock with what the keepers report (upstream #1004), which a retry ends.
 * @throws DeadlineError with what the monitor answered last
 */
export async function performFailover(
  session: Session,
  formation: string,
  signal?: AbortSignal,
): Promise<void> {
  await untilAccepted(session, 'SELECT pgautofailover.perform_failover($1, 0)', [formation], signal);
}

/** The same, with the node named, by its container, that is to be primary. */
export async function performPromotion(
  session: Session,
  formation: KnownFormation,
  node: string,
  signal?: AbortSignal,
): Promise<void> {
  const { name } = formation;
  const query = 'SELECT pgautofailover.perform_promotion($1, $2)';
  await untilAccepted(session, query, [name, nodeNameOf(formation, node)], signal);
}

/** It waits for the monitor's locks; one that is given up earlier may be carried out all the same. */
const acceptDeadlineMs = 30_000;

/** @param values of the query, the formation's name first */
async function untilAccepted(
  session: Session,
  query: string,
  values: [formation: string, ...more: string[]],
  signal: AbortSignal | undefined,
): Promise<void> {
  const options = { deadlineMs: acceptDeadlineMs, pauseMs: 500, signal };
  await retryUntil('the monitor to accept a switchover', options, async (inner) => {
    await soonAfterReport(session, values[0], inner);
    await session.query(query, values, { deadlineMs: acceptDeadlineMs, signal: inner });
    return true;
  });
}

/** The keeper reports once a second: this leaves most of it. */
const freshMs = 250;
const freshDeadlineMs = 5000;

/**
 * Waits until the primary has just reported. A report that is under way while the monitor is asked is judged by what
 * the monitor knew before (NodeActive reads the node before it takes the group's lock, pg_auto_failover 2.0 to 2.2,
 * node_active_protocol.c): the monitor then gives the primary up to wait_primary, which acknowledges writes without its
 * standby until it is demoted, and all of them are lost. Seen in the lab: 615 writes in 7 s. A keeper that does not
 * report holds nobody up.
 */
export async function soonAfterReport(
  session: Session,
  formation: string,
  signal: AbortSignal,
): Promise<void> {
  const age = `
    SELECT extract(epoch FROM clock_timestamp() - max(reporttime))::float8 * 1000 AS age
      FROM pgautofailover.node WHERE formationid = $1 AND goalstate = 'primary'`;
  const options = { deadlineMs: freshDeadlineMs, pauseMs: 40, signal };
  try {
    await retryUntil('the primary to report', options, async () => {
      const [row] = await session.query(age, [formation], { signal });
      const ageMs = row?.['age'];
      return typeof ageMs === 'number' && ageMs < freshMs ? true : undefined;
    });
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
  }
}
