import { type Moment, seconds, wallClock } from '../clock/clock.ts';
import { DeadlineError } from '../contract/errors.ts';
import { isPromoted } from '../monitor/nodes.ts';
import type { Announcement, MonitorWatch } from '../monitor/watch.ts';
import type { DrillRecord } from './record.ts';

/** What the monitor announced of a node, as far as it matters here. */
interface Announced {
  node: string;
  reportedState: string;
  goalState: string;
}

/** Goals that the monitor gives in a failover and at no other time (pg_auto_failover's group_state_machine.c). */
const goals: readonly string[] = [
  'draining',
  'demote_timeout',
  'demoted',
  'report_lsn',
  'fast_forward',
  'prepare_promotion',
  'stop_replication',
];

/** Whether an announcement says that the primary is being, or has been, replaced. Pure. */
export function isFailoverSign(announced: Announced, primary: string): boolean {
  return goals.includes(announced.goalState) || (announced.node !== primary && isPromoted(announced));
}

interface Patience {
  deadlineMs: number;
  signal: AbortSignal;
}

type Promotion = NonNullable<DrillRecord['promotion']>;

/** The first announcement since the fault that another node than the primary was promoted. */
export function promotedSince(
  { announcements }: Pick<MonitorWatch, 'announcements'>,
  faultAt: Moment,
  primary: string,
): Promotion | undefined {
  const heard = announcements.find(
    (announced) => announced.at >= faultAt && announced.name !== primary && isPromoted(announced),
  );
  return (
    heard && {
      node: heard.name,
      seconds: seconds(heard.at - faultAt),
      at: wallClock(heard.at),
      heardBy: heard.heardBy,
    }
  );
}

/** Waits for such an announcement. @throws DeadlineError that tells the last known state */
export async function promotion(
  watch: MonitorWatch,
  faultAt: Moment,
  primary: string,
  patience: Patience,
): Promise<Promotion> {
  return await watch.until('the promotion of a standby', patience, () =>
    promotedSince(watch, faultAt, primary),
  );
}

/** Looks out for the first sign of a failover since the fault. @returns undefined when none came by the deadline */
export async function failoverSign(
  watch: MonitorWatch,
  faultAt: Moment,
  primary: string,
  patience: Patience,
): Promise<Announcement | undefined> {
  try {
    return await watch.until('a failover to begin', patience, (_, announcements) =>
      announcements.find(
        (heard) => heard.at >= faultAt && isFailoverSign({ ...heard, node: heard.name }, primary),
      ),
    );
  } catch (error) {
    if (error instanceof DeadlineError) return undefined;
    throw error;
  }
}
