import { type Moment, wallClock } from '../../clock/clock.ts';
import { DeadlineError } from '../../contract/errors.ts';
import { faultCatalogue } from '../../faults/catalogue.ts';
import type { Announcement } from '../../monitor/chronicle.ts';
import { isPromoted } from '../../monitor/nodes.ts';
import type { MonitorWatch } from '../../monitor/watch.ts';
import type { DrillRecord } from '../record.ts';
import { targetNames } from './targets.ts';
import { isBlindAtEnd, toldSince } from './told.ts';

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

/**
 * Whether the drill looked out to its end for a failover of a fault that took hold: not where it was interrupted, a probe
 * had it undo the fault at once, or the monitor was not seen again. Pure.
 */
export function lookedOut(record: DrillRecord): boolean {
  const { proof, interrupted, tripped } = record;
  return proof !== undefined && interrupted === undefined && tripped === undefined && !isBlindAtEnd(record);
}

/** The first sign of a failover since the fault that the monitor announced. Pure. */
export function signIn({
  announcements,
  primary = '',
}: DrillRecord): DrillRecord['announcements'][number] | undefined {
  return announcements.find((heard) => heard.seconds >= 0 && isFailoverSign(heard, primary));
}

/**
 * Why a failover proves nothing: a freeze that was to be ridden out lasted longer, as a runner that is busy makes it.
 * Undefined where it did not, or there was none. Pure.
 */
export function heldTooLong(record: DrillRecord): string | undefined {
  const { fault, injectedSeconds, undoSeconds, holdSeconds } = record;
  if (faultCatalogue[fault].lasts !== 'briefly') return undefined;
  if (injectedSeconds === undefined || undoSeconds === undefined || holdSeconds === undefined)
    return undefined;
  const lasted = undoSeconds - injectedSeconds;
  if (lasted <= holdSeconds || (record.promotion === undefined && signIn(record) === undefined))
    return undefined;
  return `${targetNames(record)} was under the fault for at least ${lasted.toFixed(3)} s, and was to be for ${holdSeconds} s, so that a failover proves nothing`;
}

/** Whether nothing came of the fault for as long as the drill was to look out for a failover. Pure. */
export function stayedQuiet(record: DrillRecord): boolean {
  return (
    record.promotion === undefined &&
    record.watchSeconds > 0 &&
    lookedOut(record) &&
    signIn(record) === undefined
  );
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
      ...toldSince(faultAt, heard.at, heard.between),
      at: wallClock(heard.at),
      heardBy: heard.heardBy,
    }
  );
}

/** Waits for such an announcement, and finds out when it was made. @throws DeadlineError that tells the last known state */
export async function promotion(
  watch: MonitorWatch,
  faultAt: Moment,
  primary: string,
  patience: Patience,
): Promise<Promotion> {
  const found = () => promotedSince(watch, faultAt, primary);
  const heard = await watch.until('the promotion of a standby', patience, found);
  // It may have been heard of late: the monitor's own table tells.
  await watch.look();
  return found() ?? heard;
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
