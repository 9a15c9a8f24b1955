import { toSeconds } from '../../clock/clock.ts';
import type { FaultName } from '../../faults/catalogue.ts';

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
  /** Whether steps before it are in it whose end was not announced: then nobody knows which setting it was. */
  isMixed?: true;
}

/** A moment that ends a step, by what is announced; those after it begin there. */
interface Mark {
  name: string;
  setting: string | null;
  reached(announced: Announced, successor: string): boolean;
}

/** Where the monitor is told, by an operator or by the keeper of a Postgres that is down, no clock of it runs. */
const told: readonly FaultName[] = ['switchover', 'kill-postgres', 'disk-full'];
/** Nor does anybody wait for an old primary that answers. */
const answers: readonly FaultName[] = [...told, 'reboot'];

const marksOf = (fault: FaultName): readonly Mark[] => [
  {
    name: told.includes(fault)
      ? 'the monitor is told, and gives the primary up'
      : 'detection: the monitor gives the primary up',
    setting: told.includes(fault) ? null : 'pgautofailover.node_considered_unhealthy_timeout, health_check_*',
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
    name: answers.includes(fault)
      ? 'demotion: the old primary shuts down, or has its time to'
      : 'demotion wait: the old primary has its time to fence itself',
    setting: answers.includes(fault) ? null : 'pgautofailover.primary_demote_timeout',
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
 * handover skips some) is part of the next, which then has no setting. Empty where nobody was promoted.
 *
 * @param announcements in order, from shortly before the fault
 * @param successor the node that was promoted
 * @param given.fault decides which settings bear on it
 * @param given.clientRtoSeconds when a client's first write was acknowledged; undefined where none was watched
 */
export function waterfall(
  announcements: readonly Announced[],
  successor: string | undefined,
  { fault = 'stop', clientRtoSeconds }: { fault?: FaultName; clientRtoSeconds?: number | undefined } = {},
): WaterfallStep[] {
  if (successor === undefined) return [];
  const steps: WaterfallStep[] = [];
  const after = announcements.filter(({ seconds: at }) => at > 0);
  let [from, isMixed] = [0, false];
  for (const { name, setting, reached } of marksOf(fault)) {
    const end = after.find(
      (announced) => announced.seconds >= from && reached(announced, successor),
    )?.seconds;
    if (end === undefined) isMixed = true;
    else {
      steps.push(
        isMixed
          ? { name: `${name}; and what came before`, from, to: end, setting: null, isMixed }
          : { name, from, to: end, setting },
      );
      [from, isMixed] = [end, false];
    }
  }
  // Most clients write before the announcement, as the new primary opens before it reports: that takes no step.
  if (clientRtoSeconds !== undefined && steps.length > 0 && clientRtoSeconds > from)
    steps.push({ name: 'client recovery: its first write', from, to: clientRtoSeconds, setting: null });
  return steps;
}

/** The step that took longest, whether or not a setting decides it; undefined where there are none. */
export function costliest(steps: readonly WaterfallStep[]): WaterfallStep | undefined {
  return steps.reduce<WaterfallStep | undefined>(
    (most, step) => (most === undefined || lasts(step) > lasts(most) ? step : most),
    undefined,
  );
}

export const lasts = ({ from, to }: WaterfallStep): number => toSeconds((to - from) * 1000);
