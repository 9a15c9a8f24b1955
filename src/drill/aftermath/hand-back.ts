import { now } from '../../clock/clock.ts';
import type { Scene } from '../../faults/fault.ts';
import { settledPrimary } from '../../monitor/nodes.ts';
import { performPromotion } from '../../monitor/switchover.ts';
import type { MonitorWatch } from '../../monitor/watch.ts';
import { type Settled, untilSettled } from './settled.ts';

/**
 * Makes the drill's old primary primary again, by a planned switchover.
 * @returns the moment when every node had converged
 * @throws DeadlineError with what is in the way, or the signal's reason
 */
export async function handBack(
  { formation, primary, openMonitor }: Scene,
  watch: MonitorWatch,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<Settled> {
  const askedAt = now();
  const session = await openMonitor(signal);
  try {
    await performPromotion(session, formation, primary.name, signal);
  } finally {
    session.close();
  }
  await watch.until(`${primary.name} to be primary again`, { deadlineMs, signal }, (nodes) =>
    settledPrimary(nodes)?.name === primary.name ? true : undefined,
  );
  // One deadline for both.
  const leftMs = Math.max(1, deadlineMs - (now() - askedAt));
  return await untilSettled(watch, formation, askedAt, { deadlineMs: leftMs, signal });
}
