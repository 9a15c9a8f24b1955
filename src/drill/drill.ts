import { randomBytes } from 'node:crypto';
import { observe } from '../check/observe.ts';
import { judge } from '../check/verdict.ts';
import { healthy } from '../check/wait.ts';
import { type Moment, now, seconds, wallClock } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { DeadlineError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { FormationLock, ownerReturnsMs } from '../monitor/lock.ts';
import { isPromoted, isSettled } from '../monitor/nodes.ts';
import { MonitorWatch } from '../monitor/watch.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import { faults } from './faults.ts';
import { armGuard } from './guard.ts';
import { setMark } from './mark.ts';
import type { DrillRecord, FaultName } from './record.ts';
import { repair } from './repair.ts';
import { steadyHoldMs, uncertainHoldMs, undoDeadlineMs, undoFault } from './undo.ts';

export interface DrillOptions {
  fault: FaultName;
  rtoTargetMs: number;
  /** How long to wait for a promotion; beyond the target, so that a miss is measured and not guessed. */
  promotionDeadlineMs: number;
  /** How long the formation may take to be healthy again once the fault is undone. */
  rejoinDeadlineMs: number;
  log: Log;
  signal: AbortSignal;
  /** Called with the drill's id before a container is touched, and with undefined once that is undone. */
  onExposed(drill: string | undefined): void;
}

/**
 * Runs one drill: baseline, fault on the primary, promotion as the monitor announces it, undo, rejoin.
 * Whatever it stops, it starts again: at its end, on any exception, on a signal, and through the guard when
 * its process is killed.
 *
 * @returns the record, complete as far as the drill came; how it ended is judged by judgeDrill
 * @throws only before anything was touched: no access to Incus, or another drill at work
 */
export async function drill(formation: Formation, incus: Incus, options: DrillOptions): Promise<DrillRecord> {
  const startedAt = now();
  const record: DrillRecord = {
    id: randomBytes(6).toString('hex'),
    formation: formation.name,
    fault: options.fault,
    startedAt: wallClock(startedAt),
    rtoTargetSeconds: seconds(options.rtoTargetMs),
    promotionDeadlineSeconds: seconds(options.promotionDeadlineMs),
    baseline: undefined,
    target: undefined,
    faultAt: undefined,
    injectedSeconds: undefined,
    proof: undefined,
    disturbed: undefined,
    promotion: undefined,
    undoSeconds: undefined,
    settledSeconds: undefined,
    final: undefined,
    announcements: [],
    interrupted: undefined,
    undoFailed: undefined,
    tookSeconds: 0,
  };
  const { log, signal } = options;
  record.baseline = judge(await observe(formation, incus, { signal }), formation);
  const interruptedBefore = record.baseline.findings.some(
    (finding) => finding.check === 'no-interrupted-drill' && finding.status === 'fail',
  );
  if (record.baseline.outcome !== 'pass' && !interruptedBefore) return finished(record, startedAt);

  const monitor = membersOf(formation)[0] as Member;
  // A drill whose mark this is may be alive and about to retake a lock that it lost.
  if (interruptedBefore) await sleep(ownerReturnsMs, signal);
  const openMonitor = (inner: AbortSignal) => openMemberSession(incus, formation, monitor, { signal: inner });
  const lock = await FormationLock.take(openMonitor, formation.name);
  let watch: MonitorWatch | undefined;
  try {
    if (interruptedBefore) {
      await repair(formation, incus, log);
      record.baseline = await healthy(formation, incus, options.rejoinDeadlineMs, signal);
    }
    const { outcome, primary } = record.baseline;
    if (outcome !== 'pass' || primary === undefined) return finished(record, startedAt);
    log.info(`baseline: ${record.baseline.message}`);
    watch = await MonitorWatch.start(formation.name, openMonitor, log);
    await exposed(primary, watch, record, formation, incus, options);
    record.interrupted ??= lock.lost;
    return finished(record, startedAt);
  } finally {
    await watch?.stop();
    lock.release();
  }
}

function finished(record: DrillRecord, startedAt: Moment): DrillRecord {
  record.tookSeconds = seconds(now() - startedAt);
  return record;
}

/** The part of a drill in which a container is hurt. Never throws: what happens goes into the record. */
async function exposed(
  target: string,
  watch: MonitorWatch,
  record: DrillRecord,
  formation: Formation,
  incus: Incus,
  options: DrillOptions,
): Promise<void> {
  const { log, signal, promotionDeadlineMs, rejoinDeadlineMs } = options;
  const fault = faults[options.fault];
  record.target = target;
  let faultAt: Moment | undefined;
  const offset = (moment: Moment) => seconds(moment - (faultAt ?? moment));

  const overrunMs = promotionDeadlineMs + rejoinDeadlineMs + 2 * undoDeadlineMs;
  const guard = await armGuard({
    remote: incus.remote,
    project: incus.project,
    drill: record.id,
    container: target,
    overrunMs,
  }).catch((error: unknown) => {
    record.interrupted = messageOf(error);
  });
  if (!guard) return;
  options.onExposed(record.id);
  try {
    await setMark(incus, target, { drill: record.id, fault: fault.name });
    signal.throwIfAborted();
    faultAt = now();
    record.faultAt = wallClock(faultAt);
    log.info(`${wallClock(faultAt)} fault: ${fault.name} on ${target}`);
    // Not to be aborted: a stop whose client is killed still happens, only later than one can tell.
    await fault.inject(incus, target);
    record.injectedSeconds = offset(now());
    record.proof = await fault.proof(incus, target);
    if (record.proof !== undefined) await promotion(watch, record, faultAt, promotionDeadlineMs, log, signal);
  } catch (error) {
    if (!(error instanceof DeadlineError) || signal.aborted) record.interrupted = messageOf(error);
    else log.warn(error.message);
  }
  // A fault that somebody else ended early proves nothing of one that lasts. An interrupted drill proves nothing
  // either, and the container comes first.
  if (
    record.interrupted === undefined &&
    record.proof !== undefined &&
    (await fault.proof(incus, target).catch(() => record.proof)) === undefined
  ) {
    record.disturbed = `${target} came back before the drill brought it back`;
  }
  const undoAt = now();
  try {
    log.info(`${wallClock(undoAt)} undo: bringing ${target} back`);
    await undoFault(incus, target, {
      deadlineMs: undoDeadlineMs,
      holdMs: record.injectedSeconds === undefined ? uncertainHoldMs : steadyHoldMs,
    });
    if (faultAt !== undefined) record.undoSeconds = offset(undoAt);
    guard.disarm();
    options.onExposed(undefined);
  } catch (error) {
    record.undoFailed = messageOf(error);
    // The guard stays armed: it goes on trying when this process has ended.
  }
  try {
    if (record.interrupted === undefined && record.undoFailed === undefined) {
      record.settledSeconds = offset(await settled(watch, formation, undoAt, rejoinDeadlineMs, signal));
      const leftMs = Math.max(5000, rejoinDeadlineMs - (now() - undoAt));
      record.final = await healthy(formation, incus, leftMs, signal);
      log.info(
        `rejoin: every node converged and healthy ${(record.settledSeconds - offset(undoAt)).toFixed(3)} s after the undo`,
      );
    }
  } catch (error) {
    if (signal.aborted) record.interrupted = messageOf(error);
    else log.warn(messageOf(error));
  }
  record.announcements = watch.announcements.map(({ at, name, reportedState, goalState, health }) => ({
    seconds: offset(at),
    node: name,
    reportedState,
    goalState,
    health,
  }));
}

/** Waits for the monitor to announce that another node was promoted. */
async function promotion(
  watch: MonitorWatch,
  record: DrillRecord,
  faultAt: Moment,
  deadlineMs: number,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const promoted = await watch.until(
    'the promotion of a standby',
    { deadlineMs, signal },
    (_, announcements) =>
      announcements.find((heard) => heard.at >= faultAt && heard.name !== record.target && isPromoted(heard)),
  );
  record.promotion = {
    node: promoted.name,
    seconds: seconds(promoted.at - faultAt),
    at: wallClock(promoted.at),
    heardBy: promoted.heardBy,
  };
  log.info(
    `${record.promotion.at} promotion: ${promoted.name} took over after ${record.promotion.seconds.toFixed(3)} s`,
  );
}

/**
 * Waits until the monitor has every node converged and healthy, by a report and a check of each since the undo.
 * @returns the moment it announced the last of it
 */
async function settled(
  watch: MonitorWatch,
  formation: Formation,
  undoAt: Moment,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<Moment> {
  return await watch.until('the formation to converge', { deadlineMs, signal }, (nodes, announcements) =>
    nodes.length >= formation.nodes.length &&
    isSettled(nodes) &&
    nodes.every(({ reportedAt, checkedAt }) => Math.min(reportedAt, checkedAt) > undoAt)
      ? Math.max(undoAt, announcements.at(-1)?.at ?? undoAt)
      : undefined,
  );
}
