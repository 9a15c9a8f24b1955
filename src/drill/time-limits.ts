import { undoDeadlineMs } from '../faults/undo.ts';
import { preludePatienceMs } from './clients.ts';
import type { DrillOptions } from './options.ts';
import type { Plan } from './plan.ts';

/** Clients have so long to find the new primary once it is announced, where the target does not give them more. */
export const followMs = 30_000;

/** After how long the guard undoes a fault whose drill still lives. */
export function overrunMs(
  plan: Plan,
  { promotionDeadlineMs, rejoinDeadlineMs, holdBackMs, clients }: DrillOptions,
): number {
  const beforeMs = preludePatienceMs(clients) + holdBackMs;
  const waitsMs = beforeMs + promotionDeadlineMs + rejoinDeadlineMs + plan.holdMs + plan.watchMs;
  return waitsMs + 2 * followMs + 2 * undoDeadlineMs;
}

/** No drill takes longer: what outlives it ends by itself. */
export function longestMs(plan: Plan, options: DrillOptions): number {
  return overrunMs(plan, options) + 2 * options.rejoinDeadlineMs + 300_000;
}
