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
  await retryUntil(
    'the monitor to accept a switchover',
    { deadlineMs: 30_000, pauseMs: 500, signal },
    async () => {
      await session.query('SELECT pgautofailover.perform_failover($1, 0)', [formation]);
      return true;
    },
  );
}
