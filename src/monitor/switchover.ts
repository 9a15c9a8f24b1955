import { retryUntil } from '../clock/deadline.ts';
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
  await accepted(session, 'SELECT pgautofailover.perform_failover($1, 0)', [formation], signal);
}

/** The same, with the node named that is to be primary. */
export async function performPromotion(
  session: Session,
  formation: string,
  node: string,
  signal?: AbortSignal,
): Promise<void> {
  await accepted(session, 'SELECT pgautofailover.perform_promotion($1, $2)', [formation, node], signal);
}

/** It waits for the monitor's locks; one that is given up earlier may be carried out all the same. */
const acceptDeadlineMs = 30_000;

async function accepted(
  session: Session,
  query: string,
  values: string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const options = { deadlineMs: acceptDeadlineMs, pauseMs: 500, signal };
  await retryUntil('the monitor to accept a switchover', options, async (inner) => {
    await session.query(query, values, { deadlineMs: acceptDeadlineMs, signal: inner });
    return true;
  });
}
