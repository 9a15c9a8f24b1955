import { type Moment, now } from '../../clock/clock.ts';
import type { Interval } from '../../clock/interval.ts';
import type { Formation } from '../../formation/formation.ts';
import { isSettled } from '../../monitor/nodes.ts';
import type { MonitorWatch } from '../../monitor/watch.ts';

/** When a formation had settled, and the two moments between which that lies for certain. */
export interface Settled {
  at: Moment;
  between: Interval;
}

/**
 * Waits until the monitor has every node converged and healthy, by a report and a check of each since the undo.
 * @returns the moment it announced the last of it; where it had nothing to announce, the moment this was seen
 */
export async function untilSettled(
  watch: MonitorWatch,
  formation: Formation,
  undoAt: Moment,
  { deadlineMs, signal }: { deadlineMs: number; signal: AbortSignal },
): Promise<Settled> {
  const found = () => {
    const nodes = watch.current;
    const isFresh = nodes.every(({ reportedAt, checkedAt }) => Math.min(reportedAt, checkedAt) > undoAt);
    if (nodes.length < formation.nodes.length || !isSettled(nodes) || !isFresh) return undefined;
    const last = watch.announcements.at(-1);
    if (last && last.between.most > undoAt) return { at: Math.max(undoAt, last.at), between: last.between };
    const seenAt = now();
    return { at: seenAt, between: { least: Math.max(undoAt, notSeenAt), most: seenAt } };
  };
  let notSeenAt = undoAt;
  return await watch.until('the formation to converge', { deadlineMs, signal }, () => {
    const settledAt = found();
    if (settledAt === undefined) notSeenAt = now();
    return settledAt;
  });
}
