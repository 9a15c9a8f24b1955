import { seconds } from '../clock/clock.ts';

/**
 * Where the time of a failover went: from the fault to the first write of a client on the new primary, step by step,
 * each with the setting that decides it. From what the monitor announced. Pure.
 */

/** What the monitor announced of a node: seconds since the fault. */
interface Announced {
  seconds: number;
  node: string;
  reportedState: string;
  goalState: string;
}

export interface WaterfallStep {
  name: string;
  /** Seconds since the fault. */
  from: number;
  to: number;
  /** The setting that makes it this long; null where none does. */
  setting: string | null;
}

/** A moment that ends a step, by what is announced; those after it begin there. */
interface Mark {
  name: string;
  setting: string | null;
  reached(announced: Announced, successor: string): boolean;
}

const marks: readonly Mark[] = [
  {
    name: 'detection: the monitor gives the primary up',
    setting: 'pgautofailover.node_considered_unhealthy_timeout, health_check_*',
    reached: ({ node, goalState }, successor) =>
      node === successor && ['prepare_promotion', 'report_lsn', 'stop_replication'].includes(goalState),
  },
  {
    name: 'election: the standby is chosen and prepares its promotion',
    setting: null,
    reached: ({ node, goalState }, successor) => node === successor && goalState === 'stop_replication',
  },
  {
    name: 'the standby leaves its primary and is promoted, read-only',
    setting: null,
    reached: ({ node, reportedState }, successor) =>
      node === successor && reportedState === 'stop_replication',
  },
  {
    name: 'demotion wait: the old primary has its time to fence itself',
    setting: 'pgautofailover.primary_demote_timeout',
    reached: ({ node, goalState }, successor) =>
      node === successor && ['wait_primary', 'primary'].includes(goalState),
  },
  {
    name: 'the new primary opens for writes and is announced',
    setting: null,
    reached: ({ node, reportedState, goalState }, successor) =>
      node === successor && reportedState === goalState && ['wait_primary', 'primary'].includes(goalState),
  },
];

/**
 * The steps of a failover, which add up to the time of its last; a step whose end was not announced (a planned
 * handover skips some) is part of the next. Empty where nobody was promoted.
 *
 * @param announcements in order, from shortly before the fault
 * @param successor the node that was promoted
 * @param clientRtoSeconds when a client's first write was acknowledged; undefined where none was watched
 */
export function waterfall(
  announcements: readonly Announced[],
  successor: string | undefined,
  clientRtoSeconds?: number,
): WaterfallStep[] {
  if (successor === undefined) return [];
  const steps: WaterfallStep[] = [];
  const after = announcements.filter(({ seconds: at }) => at > 0);
  let from = 0;
  for (const { name, setting, reached } of marks) {
    const end = after.find(
      (announced) => announced.seconds >= from && reached(announced, successor),
    )?.seconds;
    if (end === undefined) continue;
    steps.push({ name, from, to: end, setting });
    from = end;
  }
  // Most clients write before the announcement, as the new primary opens before it reports: that takes no step.
  if (clientRtoSeconds !== undefined && steps.length > 0 && clientRtoSeconds > from)
    steps.push({ name: 'client recovery: its first write', from, to: clientRtoSeconds, setting: null });
  return steps;
}

/** The step that took longest, among those that a setting decides. */
export function costliest(steps: readonly WaterfallStep[]): WaterfallStep | undefined {
  return steps
    .filter(({ setting }) => setting !== null)
    .reduce<WaterfallStep | undefined>(
      (most, step) => (most === undefined || lasts(step) > lasts(most) ? step : most),
      undefined,
    );
}

export const lasts = ({ from, to }: WaterfallStep): number => seconds((to - from) * 1000);
