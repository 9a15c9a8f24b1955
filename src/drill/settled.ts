import { type Moment, now } from '../clock/clock.ts';
import type { Formation } from '../formation/formation.ts';
import { isSettled } from '../monitor/nodes.ts';
import type { MonitorWatch } from '../monitor/watch.ts';

/**
 * Waits until the monitor has every node converged and healthy, by a report and a check of each since the undo.
 * @returns the moment it announced the last of it; where it had nothing to announce, the moment this was seen
 */
export async function settled(
  watch: MonitorWatch,
  formation: Formation,
  undoAt: Moment,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<Moment> {
  return await watch.until('the formation to converge', { deadlineMs, signal }, (nodes, announcements) => {
    const isFresh = nodes.every(({ reportedAt, checkedAt }) => Math.min(reportedAt, checkedAt) > undoAt);
    if (nodes.length < formation.nodes.length || !isSettled(nodes) || !isFresh) return undefined;
    const announcedAt = announcements.at(-1)?.at ?? undoAt;
    return announcedAt > undoAt ? announcedAt : now();
  });
}
