import { type Moment, now, toSeconds, wallClock } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { messageOf } from '../contract/errors.ts';
import type { Blow } from '../faults/fault.ts';
import { packetFilter } from '../faults/packet-filter.ts';
import type { Course } from './course.ts';
import { outlookMs } from './plan.ts';
import { takesWrites } from './serving.ts';
import { followMs } from './time-limits.ts';
import { failoverSign, promotedSince, promotion } from './verdict/failover.ts';
import { boundsOf, describeTold } from './verdict/told.ts';

/** From the last look at a brief freeze until its undo has thawed the container, so that it is not longer than meant. */
const undoLeadMs = 250;

/** Behind a cut the old primary lives: its witnesses have this long to show that it takes writes beside the new one. */
const besideMs = 1000;

/** The fault, its proof, and what comes of it while it lasts. */
export class Strike {
  private readonly course: Course;
  /** Until when a promotion was waited for. */
  private waitedUntil: Moment | undefined;
  /** Ends a wait for what comes of the fault. */
  private signal: AbortSignal;

  constructor(course: Course) {
    this.course = course;
    this.signal = course.options.signal;
  }

  /**
   * The fault, its proof, and what should come of it.
   * @throws TrippedError once a probe stays broken for longer than it may
   */
  async inflict(blow: Blow): Promise<void> {
    const { probes, options } = this.course;
    this.signal = this.course.whileInForce;
    probes?.arm(now());
    try {
      await this.inflictAndWait(blow);
    } finally {
      probes?.disarm();
      this.signal = options.signal;
    }
    // It may have come when there was nothing left to wait for.
    if (probes?.tripped.aborted) throw probes.tripped.reason;
  }

  private async inflictAndWait(blow: Blow): Promise<void> {
    const { record, entry, plan, targetList } = this.course;
    const { log } = this.course.options;
    const faultAt = now();
    this.course.faultAt = faultAt;
    record.faultAt = wallClock(faultAt);
    log.info(`${record.faultAt} fault: ${this.course.options.fault} on ${targetList}`);
    const { remote } = this.course.scene.incus;
    await blow.inject();
    const injectedAt = now();
    const fallen = blow.fell?.();
    if (fallen !== undefined) this.course.noteFallen(fallen);
    record.injectedSeconds = this.course.offset(injectedAt);
    if (this.course.scene.incus.remote !== remote)
      record.disturbed ??= `the Incus server of the remote ${remote} was lost while the fault was inflicted, which took ${record.injectedSeconds} s: when it began cannot be told`;
    record.proof = await blow.proof();
    if (record.proof === undefined) return;
    log.info(`proof: ${record.proof}`);
    const isLasting = entry.lasts !== 'a-moment';
    const { expected } = record;
    if (entry.lasts === 'until-failover-begins') {
      // The promotion comes after the undo.
      this.waitedUntil = faultAt + this.course.options.promotionDeadlineMs;
      await this.failoverBegins(this.waitedUntil);
      return;
    }
    if (expected === 'failover') {
      await this.promotion(faultAt);
      await this.pause(injectedAt + plan.holdMs);
      return;
    }
    const holdMs = entry.lasts === 'briefly' ? plan.holdMs - undoLeadMs : plan.holdMs;
    const began = await this.failoverBegins(injectedAt + (isLasting ? holdMs : plan.watchMs));
    if (began && expected === 'either') await this.promotion(faultAt);
    else if (!began && entry.lasts !== 'briefly' && expected !== 'outage') await this.looksAtPrimary();
    if (!began && expected === 'either' && this.course.record.serving === false)
      await this.lateFailover(faultAt);
  }

  /** One that went down late, as by a disk that filled up slowly, is given up as late; or it serves again by then. */
  private async lateFailover(faultAt: Moment): Promise<void> {
    if (await this.failoverBegins(now() + outlookMs(this.course.scene.formation.timings)))
      await this.promotion(faultAt);
    else await this.looksAtPrimary();
  }

  private async promotion(faultAt: Moment): Promise<void> {
    const { record, watch, scene } = this.course;
    const { promotionDeadlineMs, log } = this.course.options;
    const { signal } = this;
    const options = { deadlineMs: promotionDeadlineMs, signal };
    this.waitedUntil = now() + promotionDeadlineMs;
    const promoted = await promotion(watch, faultAt, scene.primary.name, options);
    record.promotion = promoted;
    log.info(`${promoted.at} promotion: ${promoted.node} took over after ${describeTold(promoted)}`);
    if (this.course.clients === undefined) return;
    const until = Math.max(now() + followMs, faultAt + this.course.options.rtoTargetMs);
    await this.course.clients.follow(promoted.node, faultAt, until - now(), signal);
    if (this.course.entry.leaves === packetFilter) await sleep(besideMs, signal);
  }

  /**
   * Where none was waited for, one may have come all the same; and where one was, while nobody saw the monitor: the
   * table of events tells it afterwards.
   */
  noticePromotion(): void {
    const { faultAt, record } = this.course;
    const { waitedUntil } = this;
    if (faultAt === undefined || record.promotion !== undefined) return;
    const found = promotedSince(this.course.watch, faultAt, this.course.scene.primary.name);
    if (found === undefined) return;
    const inTime = boundsOf(found).least <= toSeconds((waitedUntil ?? faultAt) - faultAt);
    if (record.expected !== 'failover' || inTime) record.promotion = found;
  }

  /** Looks out for a failover since the fault, until the given moment. @returns whether one began */
  async failoverBegins(until: Moment): Promise<boolean> {
    const { watch, scene, faultAt = now() } = this.course;
    const { log } = this.course.options;
    const { signal } = this;
    const options = { deadlineMs: Math.max(1, until - now()), signal };
    const began = await failoverSign(watch, faultAt, scene.primary.name, options);
    if (began) log.info(`${wallClock(began.at)} a failover began: ${began.name} is to be ${began.goalState}`);
    return began !== undefined;
  }

  async looksAtPrimary(): Promise<void> {
    const { formation, incus, primary } = this.course.scene;
    this.course.record.serving = await takesWrites(incus, formation, primary, this.signal);
  }

  private async pause(until: Moment): Promise<void> {
    const leftMs = until - now();
    if (leftMs > 0) await sleep(leftMs, this.signal);
  }

  /**
   * A fault that somebody else ended early proves nothing of one that lasts. An interrupted drill proves nothing
   * either, and the container comes first.
   */
  async stillInForce(blow: Blow): Promise<void> {
    const { record, targets, targetList } = this.course;
    if (record.interrupted !== undefined || record.proof === undefined) return;
    if (this.course.entry.lasts === 'a-moment') return;
    try {
      record.proofAtUndo = await blow.proof();
      if (record.proofAtUndo === undefined)
        record.disturbed = `${targetList} ${targets.length === 1 ? 'was' : 'were'} back before the drill undid the fault`;
    } catch (error) {
      record.disturbed = `whether the fault was still in force on ${targetList} could not be told: ${messageOf(error)}`;
    }
  }
}
