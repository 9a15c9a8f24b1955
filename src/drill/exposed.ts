import { type Moment, now, toSeconds, wallClock } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { everyOne } from '../clock/every-one.ts';
import { SuspensionWatch } from '../clock/suspensions.ts';
import { DeadlineError, EnvironmentError, messageOf } from '../contract/errors.ts';
import type { Blow } from '../faults/fault.ts';
import { setMark } from '../faults/mark.ts';
import { steadyHoldMs, uncertainHoldMs, undoDeadlineMs, undoFaults } from '../faults/undo.ts';
import { LockHeldError } from '../monitor/lock.ts';
import { describeNodes, isSettled, settledPrimary } from '../monitor/nodes.ts';
import { TrippedError } from '../probes/watch.ts';
import { Aftermath } from './aftermath/aftermath.ts';
import { Course, type Stage } from './course.ts';
import { Strike } from './strike.ts';
import { overrunMs } from './time-limits.ts';

/** Where the server that the drill goes through is lost, it is on its way again by another within this time. */
const otherWayMs = 15_000;
const lookAgainMs = 300;

/** The part of a drill in which containers are hurt. Never throws: what happens goes into the record. */
export async function exposed(stage: Stage): Promise<void> {
  await new Exposure(stage).run();
}

/** What keeps the containers safe: guard and mark before the fault, and the undo after it, whatever came of it. */
class Exposure {
  private readonly stage: Stage;
  private readonly course: Course;
  private readonly strike: Strike;
  private readonly aftermath: Aftermath;

  constructor(stage: Stage) {
    this.stage = stage;
    this.course = new Course(stage);
    this.strike = new Strike(this.course);
    this.aftermath = new Aftermath(this.course, this.strike);
  }

  async run(): Promise<void> {
    const blow = await this.prepared();
    if (blow === undefined) return;
    const suspensions = new SuspensionWatch((at, lastedMs) => this.noteSuspension(at, lastedMs));
    try {
      await this.underGuard(blow);
    } catch (error) {
      this.course.record.interrupted ??= messageOf(error);
    } finally {
      suspensions.stop();
    }
  }

  /** Durations that it falls into are longer than they seem, whoever saw them: no figure of this drill is to be trusted. */
  private noteSuspension(at: Moment, lastedMs: number): void {
    const { record, faultAt, options } = this.course;
    const lasted = `this machine was suspended for ${toSeconds(lastedMs).toFixed(1)} s, while its clock stood still`;
    options.log.warn(`${wallClock(at)} ${lasted}`);
    if (faultAt !== undefined)
      record.disturbed ??= `${lasted} (noticed ${this.course.offset(at)} s after the fault)`;
  }

  private async prepared(): Promise<Blow | undefined> {
    const { record, options } = this.course;
    try {
      return await this.course.entry.prepare(this.course.scene, this.course.targets, options.signal);
    } catch (error) {
      if (options.signal.aborted) record.interrupted = messageOf(error);
      else record.impossible = messageOf(error);
      return undefined;
    }
  }

  private async underGuard(blow: Blow): Promise<void> {
    const { record, plan, options, targetNames, targetList } = this.course;
    const { guard, locks } = this.stage;
    const { incus, power } = this.course.scene;
    const { remote } = incus;
    const mark = {
      drill: record.id,
      fault: options.fault,
      ...(blow.place !== undefined && { place: blow.place }),
      locks: locks.places,
    };
    await guard.arm({
      remote,
      others: incus.endpoints.known,
      project: incus.project,
      containers: targetNames,
      mark,
      ...(power !== undefined && { powerOn: power.on }),
      overrunMs: overrunMs(plan, options),
    });
    this.tellExposed(record.id);
    for (const name of targetNames) locks.forgo(name);
    try {
      await everyOne(targetNames, (name) => setMark(incus, name, mark));
      await blow.arm?.();
      // What the clients write meanwhile is at risk too.
      await this.course.clients?.enoughAtRisk(this.course.scene.primary.name, options.signal);
      await sleep(options.holdBackMs, options.signal);
      await this.isStillWhole();
      if (await this.doProbesHold()) {
        await blow.moment?.();
        await guard.confirm();
        options.signal.throwIfAborted();
        await this.strike.inflict(blow);
      }
    } catch (error) {
      this.heard(error);
    }
    blow.disarm?.();
    await this.strike.stillInForce(blow);
    const undoAt = now();
    this.stage.lease.release();
    try {
      options.log.info(`${wallClock(undoAt)} undo: bringing ${targetList} back`);
      await undoFaults(incus, targetNames, {
        deadlineMs: undoDeadlineMs,
        // What a server that was lost had been told, it may have passed on at the last moment.
        holdMs:
          record.injectedSeconds === undefined || incus.remote !== remote ? uncertainHoldMs : steadyHoldMs,
        known: mark,
        warn: options.log.warn.bind(options.log),
        ...(power !== undefined && { powerOn: power.on }),
      });
      if (this.course.faultAt !== undefined) record.undoSeconds = this.course.offset(undoAt);
      guard.disarm();
      this.tellExposed(undefined);
    } catch (error) {
      record.undoFailed = messageOf(error);
      // The guard stays armed: it goes on trying when this process has ended.
    }
    await Promise.all([this.aftermath.see(undoAt), this.lockTargets()]);
    await this.course.watch.look();
    const before = record.promotion;
    this.strike.noticePromotion();
    if (record.promotion !== before)
      record.disturbed ??= `${record.promotion?.node} was promoted when all had been judged`;
    this.course.noteWatch();
    this.course.noteProbes();
  }

  /** A target has no lock any more where the fault stopped it. */
  private async lockTargets(): Promise<void> {
    const { record, targetNames, options } = this.course;
    const { locks } = this.stage;
    if (record.undoFailed !== undefined) return;
    // In the order of their names, as every run takes them.
    for (const name of [...targetNames].sort())
      try {
        await locks.addNew(name);
      } catch (error) {
        if (error instanceof LockHeldError) record.interrupted ??= messageOf(error);
        else options.log.debug(messageOf(error));
      }
  }

  /** For the post step, which is not the only one that undoes: without it the drill goes on. */
  private tellExposed(drill: string | undefined): void {
    try {
      this.course.options.onExposed(drill);
    } catch (error) {
      this.course.options.log.warn(`the post step will not know of this drill: ${messageOf(error)}`);
    }
  }

  /** They held when the drill began; who is hurt by something else already must not be hurt by a drill as well. */
  private async doProbesHold(): Promise<boolean> {
    const { record, probes, options } = this.course;
    const broken = (await probes?.known(options.signal)) ?? [];
    if (broken.length > 0) record.probesBroken = broken;
    return broken.length === 0;
  }

  /** What was waited for after the fault in vain is a result; what keeps the fault from coming is told as that. */
  private heard(error: unknown): void {
    const { signal, log } = this.course.options;
    if (error instanceof TrippedError && !signal.aborted) {
      const { at, ...trip } = error.trip;
      this.course.record.tripped = { ...trip, seconds: this.course.offset(at) };
      log.warn(`${error.message}; the fault is undone at once`);
      return;
    }
    if (!(error instanceof DeadlineError) || signal.aborted || this.course.faultAt === undefined)
      this.course.record.interrupted ??= messageOf(error);
    else log.warn(error.message);
  }

  /**
   * The baseline is as old as it took to get everything ready: what the monitor says now must be the same, and seen.
   * @throws EnvironmentError where it is not
   */
  private async isStillWhole(): Promise<void> {
    const { watch, scene, options } = this.course;
    const mendsUntil = now() + (scene.incus.endpoints.known.length > 0 ? otherWayMs : 0);
    let seen = await watch.look();
    while (!seen && now() < mendsUntil) {
      await sleep(lookAgainMs, options.signal);
      seen = await watch.look();
    }
    // Those that were lost with the way to their containers.
    await this.stage.locks.stand();
    const primary = settledPrimary(watch.current)?.name;
    if (seen && isSettled(watch.current) && primary === scene.primary.name) return;
    throw new EnvironmentError(
      seen
        ? `the formation is not any more what it was when it was found healthy: ${describeNodes(watch.current)}`
        : 'the monitor does not answer any more, and nobody would see what comes of a fault',
    );
  }
}
