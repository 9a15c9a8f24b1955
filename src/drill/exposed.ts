import { untilHealthy } from '../check/wait.ts';
import { type Moment, now, seconds, wallClock } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { DeadlineError, messageOf } from '../contract/errors.ts';
import { catalogue, type FaultEntry } from '../faults/catalogue.ts';
import type { Blow, Scene } from '../faults/fault.ts';
import { prepare } from '../faults/inflict.ts';
import { setMark } from '../faults/mark.ts';
import { lockWithoutMonitor } from '../faults/monitor-away.ts';
import { steadyHoldMs, uncertainHoldMs, undoDeadlineMs, undoFault } from '../faults/undo.ts';
import { isAsynchronous, type Member } from '../formation/formation.ts';
import type { ContainerLock } from '../incus/container-lock.ts';
import type { MonitorWatch } from '../monitor/watch.ts';
import type { Clients } from './clients.ts';
import type { DrillOptions } from './drill.ts';
import { failoverSign, promotedSince, promotion } from './failover.ts';
import { fitness } from './fitness.ts';
import type { Guard } from './guard.ts';
import { handBack } from './hand-back.ts';
import type { Plan } from './plan.ts';
import type { ClientsRecord, DrillRecord } from './record.ts';
import { takesWrites } from './serving.ts';
import { settled } from './settled.ts';

/** From the last look at a brief freeze until its undo has thawed the container, so that it is not longer than meant. */
const undoLeadMs = 250;

/** Clients have so long to find the new primary once it is announced, where the target does not give them more. */
const followMs = 30_000;
/** Behind a cut the old primary lives: its witnesses have this long to show that it takes writes beside the new one. */
const besideMs = 1000;

/** All that stands ready when the fault is due. */
export interface Stage {
  scene: Scene;
  watch: MonitorWatch;
  clients: Clients | undefined;
  guard: Guard;
  record: DrillRecord;
  plan: Plan;
  options: DrillOptions;
}

/** The part of a drill in which a container is hurt. Never throws: what happens goes into the record. */
export async function exposed(stage: Stage): Promise<void> {
  await new Exposure(stage).run();
}

/** After how long the guard undoes a fault whose drill still lives. */
export function overrunMs(
  plan: Plan,
  { promotionDeadlineMs, rejoinDeadlineMs, holdBackMs }: DrillOptions,
): number {
  const waitsMs = promotionDeadlineMs + rejoinDeadlineMs + holdBackMs + plan.holdMs + plan.watchMs;
  return waitsMs + 2 * followMs + 2 * undoDeadlineMs;
}

class Exposure {
  private readonly scene: Scene;
  private readonly watch: MonitorWatch;
  private readonly clients: Clients | undefined;
  private readonly guard: Guard;
  private readonly record: DrillRecord;
  private readonly plan: Plan;
  private readonly options: DrillOptions;
  private readonly entry: FaultEntry;
  private readonly target: Member;
  private faultAt: Moment | undefined;

  constructor({ scene, watch, clients, guard, record, plan, options }: Stage) {
    this.scene = scene;
    this.watch = watch;
    this.clients = clients;
    this.guard = guard;
    this.record = record;
    this.plan = plan;
    this.options = options;
    this.entry = catalogue[options.fault];
    this.target = targetOf(this.entry, scene);
    record.primary = scene.primary.name;
    record.target = this.target.name;
  }

  async run(): Promise<void> {
    const blow = await this.prepared();
    if (blow === undefined) return;
    const { record, scene, options } = this;
    let lock: ContainerLock | undefined;
    try {
      if (this.entry.hits === 'monitor')
        lock = await lockWithoutMonitor(scene.formation, scene.incus, options.signal);
      await this.underGuard(blow);
    } catch (error) {
      record.interrupted ??= messageOf(error);
    } finally {
      lock?.release();
    }
  }

  private async prepared(): Promise<Blow | undefined> {
    const { record, options } = this;
    try {
      return await prepare[options.fault](this.scene, this.target, options.signal);
    } catch (error) {
      if (options.signal.aborted) record.interrupted = messageOf(error);
      else record.impossible = messageOf(error);
      return undefined;
    }
  }

  private async underGuard(blow: Blow): Promise<void> {
    const { record, plan, options, target, guard } = this;
    const { incus } = this.scene;
    const mark = {
      drill: record.id,
      fault: options.fault,
      ...(blow.fill !== undefined && { fill: blow.fill }),
    };
    await guard.arm({
      remote: incus.remote,
      project: incus.project,
      container: target.name,
      mark,
      overrunMs: overrunMs(plan, options),
    });
    this.tellExposed(record.id);
    try {
      await setMark(incus, target.name, mark);
      await blow.arm?.();
      await sleep(options.holdBackMs, options.signal);
      await blow.moment?.();
      options.signal.throwIfAborted();
      await this.strike(blow);
    } catch (error) {
      this.heard(error);
    }
    await this.stillInForce(blow);
    const undoAt = now();
    try {
      options.log.info(`${wallClock(undoAt)} undo: bringing ${target.name} back`);
      await undoFault(incus, target.name, {
        deadlineMs: undoDeadlineMs,
        holdMs: record.injectedSeconds === undefined ? uncertainHoldMs : steadyHoldMs,
        known: mark,
      });
      if (this.faultAt !== undefined) record.undoSeconds = this.offset(undoAt);
      guard.disarm();
      this.tellExposed(undefined);
    } catch (error) {
      record.undoFailed = messageOf(error);
      // The guard stays armed: it goes on trying when this process has ended.
    }
    await this.afterwards(undoAt);
    const before = record.promotion;
    this.noticePromotion();
    if (record.promotion !== before)
      record.disturbed ??= `${record.promotion?.node} was promoted when all had been judged`;
    record.announcements = this.watch.announcements.map(({ at, name, reportedState, goalState, health }) => ({
      seconds: this.offset(at),
      node: name,
      reportedState,
      goalState,
      health,
    }));
  }

  /** For the post step, which is not the only one that undoes: without it the drill goes on. */
  private tellExposed(drill: string | undefined): void {
    try {
      this.options.onExposed(drill);
    } catch (error) {
      this.options.log.warn(`the post step will not know of this drill: ${messageOf(error)}`);
    }
  }

  private offset(moment: Moment): number {
    return seconds(moment - (this.faultAt ?? moment));
  }

  private heard(error: unknown): void {
    const { signal, log } = this.options;
    if (!(error instanceof DeadlineError) || signal.aborted) this.record.interrupted ??= messageOf(error);
    else log.warn(error.message);
  }

  /** The fault, its proof, and what should come of it. */
  private async strike(blow: Blow): Promise<void> {
    const { record, entry, plan, target } = this;
    const { log } = this.options;
    const faultAt = now();
    this.faultAt = faultAt;
    record.faultAt = wallClock(faultAt);
    log.info(`${record.faultAt} fault: ${this.options.fault} on ${target.name}`);
    await blow.inject();
    const injectedAt = now();
    record.injectedSeconds = this.offset(injectedAt);
    record.proof = await blow.proof();
    if (record.proof === undefined) return;
    log.info(`proof: ${record.proof}`);
    const isLasting = entry.lasts !== 'a-moment';
    if (entry.expected === 'failover') {
      await this.promotion(faultAt);
      await this.pause(injectedAt + plan.holdMs);
      return;
    }
    const holdMs = entry.lasts === 'briefly' ? plan.holdMs - undoLeadMs : plan.holdMs;
    const began = await this.failoverBegins(injectedAt + (isLasting ? holdMs : plan.watchMs));
    if (began && entry.expected === 'either') await this.promotion(faultAt);
    else if (!began && entry.lasts !== 'briefly') await this.looksAtPrimary();
  }

  private async promotion(faultAt: Moment): Promise<void> {
    const { record, watch, scene } = this;
    const { promotionDeadlineMs, signal, log } = this.options;
    const options = { deadlineMs: promotionDeadlineMs, signal };
    const promoted = await promotion(watch, faultAt, scene.primary.name, options);
    record.promotion = promoted;
    log.info(`${promoted.at} promotion: ${promoted.node} took over after ${promoted.seconds.toFixed(3)} s`);
    if (this.clients === undefined) return;
    const until = Math.max(now() + followMs, faultAt + this.options.rtoTargetMs);
    await this.clients.follow(promoted.node, faultAt, until - now(), signal);
    if (this.entry.leaves === 'filter') await sleep(besideMs, signal);
  }

  /** Where none was waited for, one may have come all the same. */
  private noticePromotion(): void {
    if (this.faultAt !== undefined && this.entry.expected !== 'failover')
      this.record.promotion ??= promotedSince(this.watch, this.faultAt, this.scene.primary.name);
  }

  /** Looks out for a failover since the fault, until the given moment. @returns whether one began */
  private async failoverBegins(until: Moment): Promise<boolean> {
    const { watch, scene, faultAt = now() } = this;
    const { signal, log } = this.options;
    const options = { deadlineMs: Math.max(1, until - now()), signal };
    const began = await failoverSign(watch, faultAt, scene.primary.name, options);
    if (began) log.info(`${wallClock(began.at)} a failover began: ${began.name} is to be ${began.goalState}`);
    return began !== undefined;
  }

  private async looksAtPrimary(): Promise<void> {
    const { formation, incus, primary } = this.scene;
    this.record.serving = await takesWrites(incus, formation, primary, this.options.signal);
  }

  private async pause(until: Moment): Promise<void> {
    const leftMs = until - now();
    if (leftMs > 0) await sleep(leftMs, this.options.signal);
  }

  /**
   * A fault that somebody else ended early proves nothing of one that lasts. An interrupted drill proves nothing
   * either, and the container comes first.
   */
  private async stillInForce(blow: Blow): Promise<void> {
    const { record, target } = this;
    if (record.interrupted !== undefined || record.proof === undefined) return;
    if (this.entry.lasts === 'a-moment') return;
    try {
      record.proofAtUndo = await blow.proof();
      if (record.proofAtUndo === undefined)
        record.disturbed = `${target.name} was back before the drill undid the fault`;
    } catch (error) {
      record.disturbed = `whether the fault was still in force on ${target.name} could not be told: ${messageOf(error)}`;
    }
  }

  /** Health again, no failover as a late consequence, and what the clients saw of it all. */
  private async afterwards(undoAt: Moment): Promise<void> {
    const { record } = this;
    if (record.interrupted !== undefined || record.undoFailed !== undefined) return;
    await this.without(async () => await this.rejoined(undoAt));
    this.noticePromotion();
    await Promise.all([
      this.without(async () => await this.isWhole(undoAt)),
      this.without(async () => await this.concluded()),
    ]);
    await this.without(async () => await this.handedBack());
  }

  /** What keeps one part from being told keeps no other: only an interruption does. */
  private async without(part: () => Promise<void>): Promise<void> {
    const { record, options } = this;
    if (record.interrupted !== undefined) return;
    try {
      await part();
    } catch (error) {
      if (options.signal.aborted) record.interrupted = messageOf(error);
      else options.log.warn(messageOf(error));
    }
  }

  private async rejoined(undoAt: Moment): Promise<void> {
    const { record, watch, entry, plan, faultAt } = this;
    const { formation } = this.scene;
    const { rejoinDeadlineMs, signal, log } = this.options;
    record.settledSeconds = this.offset(await settled(watch, formation, undoAt, rejoinDeadlineMs, signal));
    if (faultAt !== undefined && record.proof !== undefined && entry.expected === 'none') {
      const began = await this.failoverBegins(faultAt + plan.watchMs);
      if (!began && entry.lasts === 'briefly') await this.looksAtPrimary();
    }
    log.info(
      `rejoin: every node converged and healthy ${(record.settledSeconds - this.offset(undoAt)).toFixed(3)} s after the undo`,
    );
  }

  /** What the monitor does not see, such as a standby that has not connected again. */
  private async isWhole(undoAt: Moment): Promise<void> {
    const { record, options } = this;
    if (!(await this.isHealthy(Math.max(5000, options.rejoinDeadlineMs - (now() - undoAt))))) return;
    if (record.settledSeconds === undefined) return;
    record.settledSeconds = this.offset(now());
    options.log.info(
      `rejoin: not before ${(record.settledSeconds - this.offset(undoAt)).toFixed(3)} s was everything whole`,
    );
  }

  /** Reads the formation's final state. @returns whether that had to be waited for */
  private async isHealthy(waitMs: number): Promise<boolean> {
    const { record } = this;
    const { formation, incus } = this.scene;
    const { signal } = this.options;
    const judging = fitness(this.clients !== undefined, this.entry.expected);
    const { verdict, hadToWait } = await untilHealthy(formation, incus, { waitMs, judging, signal });
    record.final = verdict;
    return hadToWait;
  }

  private async concluded(): Promise<void> {
    const { record, clients, faultAt, scene } = this;
    if (clients === undefined || faultAt === undefined || record.proof === undefined) return;
    const { node: newPrimary } = record.promotion ?? { node: undefined };
    try {
      record.clients = await clients.conclude(
        {
          faultAt,
          oldPrimary: scene.primary.name,
          newPrimary,
          asynchronous: isAsynchronous(scene.formation),
        },
        this.options.signal,
      );
    } catch (error) {
      record.clientsFailed = messageOf(error);
      throw error;
    }
  }

  /** The role goes back where it was, if that is wanted, or the new primary lets no client write. */
  private async handedBack(): Promise<void> {
    const { record, options, scene } = this;
    const { promotion, clients, final } = record;
    if (promotion === undefined || final?.primary !== promotion.node) return;
    const lockedOut = clients !== undefined && isLockedOut(clients, promotion.node);
    if (!options.handBack && !lockedOut) return;
    const because = lockedOut ? `${promotion.node} let no client write` : 'that was asked for';
    try {
      const at = await handBack(scene, this.watch, options.rejoinDeadlineMs, options.signal);
      record.handedBack = { seconds: this.offset(at), because };
      options.log.info(`${scene.primary.name} is primary again: ${because}`);
    } catch (error) {
      record.handBackFailed = messageOf(error);
      // Whatever became of it, the state before it is not the final one.
      if (!options.signal.aborted) await this.isHealthy(options.rejoinDeadlineMs);
      throw error;
    }
    await this.isHealthy(options.rejoinDeadlineMs);
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

function targetOf({ hits }: FaultEntry, { primary, standbys, monitor }: Scene): Member {
  if (hits === 'monitor') return monitor;
  // The first standby of the file, where there are several.
  return hits === 'primary' ? primary : (standbys[0] as Member);
}
