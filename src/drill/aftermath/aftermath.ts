import { untilHealthy } from '../../check/wait.ts';
import { type Moment, now, wallClock } from '../../clock/clock.ts';
import { messageOf } from '../../contract/errors.ts';
import type { Course } from '../course.ts';
import { fitness } from '../fitness.ts';
import type { ClientsRecord } from '../record.ts';
import type { Strike } from '../strike.ts';
import { describeTold, rejoinOf, toldSince } from '../verdict/told.ts';
import { handBack } from './hand-back.ts';
import { type Settled, untilSettled } from './settled.ts';

/** What becomes of the formation once the fault is being undone. */
export class Aftermath {
  private readonly course: Course;
  private readonly strike: Strike;
  /** When a reading began that did not find everything whole yet. */
  private unwholeAt: Moment | undefined;

  constructor(course: Course, strike: Strike) {
    this.course = course;
    this.strike = strike;
  }

  /** Health again, no failover as a late consequence, and what the clients saw of it all. */
  async see(undoAt: Moment): Promise<void> {
    const { record } = this.course;
    if (record.interrupted !== undefined || record.undoFailed !== undefined) return;
    if (record.probesBroken !== undefined) return;
    await this.runPart(async () => await this.untilRejoined(undoAt));
    this.strike.noticePromotion();
    const whole = this.runPart(async () => await this.untilWhole(undoAt));
    await Promise.all([whole, this.runPart(async () => await this.concludeClients(whole))]);
    await this.runPart(async () => await this.handBackIfDue());
    await this.runPart(async () => await this.untilProbesHold(undoAt));
  }

  /** Runs one part. What keeps it from being told keeps no other: only an interruption does. */
  private async runPart(part: () => Promise<void>): Promise<void> {
    const { record, options } = this.course;
    if (record.interrupted !== undefined) return;
    try {
      await part();
    } catch (error) {
      if (options.signal.aborted) record.interrupted = messageOf(error);
      else options.log.warn(messageOf(error));
    }
  }

  private async untilRejoined(undoAt: Moment): Promise<void> {
    const { record, watch, entry, plan, faultAt } = this.course;
    const { formation } = this.course.scene;
    const { rejoinDeadlineMs, signal, log } = this.course.options;
    try {
      this.noteSettled(
        await untilSettled(watch, formation, undoAt, { deadlineMs: rejoinDeadlineMs, signal }),
      );
    } catch (error) {
      const spot = watch.blindSpots.at(-1);
      if (!signal.aborted && spot && spot.to === undefined)
        record.settledUntold = `the monitor was not seen since ${wallClock(spot.from)}: ${spot.why}`;
      throw error;
    }
    if (faultAt !== undefined && record.proof !== undefined && ['none', 'outage'].includes(record.expected)) {
      const began = await this.strike.failoverBegins(faultAt + plan.watchMs);
      if (!began && entry.lasts === 'briefly') await this.strike.looksAtPrimary();
    }
    log.info(`rejoin: every node converged and healthy ${this.sinceUndo(undoAt)} after the undo`);
  }

  private noteSettled({ at, between }: Settled): void {
    const told = toldSince(this.course.faultAt ?? at, at, between);
    this.course.record.settledSeconds = told.seconds;
    this.course.record.settledBetween = told.between;
  }

  private sinceUndo(undoAt: Moment): string {
    return describeTold(
      rejoinOf({ ...this.course.record, undoSeconds: this.course.offset(undoAt) }) ?? { seconds: 0 },
    );
  }

  /** What the monitor does not see, such as a standby that has not connected again. */
  private async untilWhole(undoAt: Moment): Promise<void> {
    const { record, options } = this.course;
    if (!(await this.waitedForHealth(Math.max(5000, options.rejoinDeadlineMs - (now() - undoAt))))) return;
    // It was waited for in vain.
    if (record.settledSeconds === undefined || record.final?.outcome !== 'pass') return;
    const at = now();
    this.noteSettled({ at, between: { least: this.unwholeAt ?? at, most: at } });
    options.log.info(`rejoin: not before ${this.sinceUndo(undoAt)} was everything whole`);
  }

  /** Waits for the formation's health, and reads its final state. @returns whether that had to be waited for */
  private async waitedForHealth(waitMs: number): Promise<boolean> {
    const { record } = this.course;
    const { formation, incus } = this.course.scene;
    const { signal } = this.course.options;
    const judging = fitness(this.course.clients !== undefined, record.expected);
    const { verdict, unhealthyAt } = await untilHealthy(formation, incus, { waitMs, judging, signal });
    record.final = verdict;
    this.unwholeAt = unhealthyAt;
    return unhealthyAt !== undefined;
  }

  /** Each probe has as long as the formation to give a good answer, and is asked once in any case. */
  private async untilProbesHold(undoAt: Moment): Promise<void> {
    const { probes, options } = this.course;
    const leftMs = Math.max(0, options.rejoinDeadlineMs - (now() - undoAt));
    if (probes === undefined || (await probes.holdAgain(leftMs, options.signal))) return;
    options.log.warn(`probes do not hold again: ${probes.broken.join('; ')}`);
  }

  private async concludeClients(whole: Promise<void>): Promise<void> {
    const { record, clients, faultAt, scene } = this.course;
    if (clients === undefined || faultAt === undefined || record.proof === undefined) return;
    const { node: newPrimary } = record.promotion ?? { node: undefined };
    try {
      record.clients = await clients.conclude(
        {
          faultAt,
          oldPrimary: scene.primary.name,
          newPrimary,
          asynchronous: this.course.asynchronous,
        },
        whole,
        this.course.options.signal,
      );
    } catch (error) {
      record.clientsFailed = messageOf(error);
      throw error;
    }
  }

  /** The role goes back where it was, if that is wanted, or the new primary lets no client write. */
  private async handBackIfDue(): Promise<void> {
    const { record, options, scene } = this.course;
    const { promotion, clients, final } = record;
    if (promotion === undefined || final?.primary !== promotion.node) return;
    const lockedOut = clients !== undefined && isLockedOut(clients, promotion.node);
    if (!options.handBack && !lockedOut) return;
    const because = lockedOut ? `${promotion.node} let no client write` : 'that was asked for';
    try {
      const { at, between } = await handBack(
        scene,
        this.course.watch,
        options.rejoinDeadlineMs,
        options.signal,
      );
      record.handedBack = { ...toldSince(this.course.faultAt ?? at, at, between), because };
      options.log.info(`${scene.primary.name} is primary again: ${because}`);
    } catch (error) {
      record.handBackFailed = messageOf(error);
      // Whatever became of it, the state before it is not the final one.
      if (!options.signal.aborted) await this.waitedForHealth(options.rejoinDeadlineMs);
      throw error;
    }
    await this.waitedForHealth(options.rejoinDeadlineMs);
  }
}

/** They were refused, and nothing else kept them from writing. */
function isLockedOut({ ledger }: ClientsRecord, node: string): boolean {
  const { clientRtoSeconds, inconclusive, refusals } = ledger;
  return (
    clientRtoSeconds === undefined &&
    inconclusive.length === 0 &&
    refusals.some((refusal) => refusal.node === node)
  );
}
