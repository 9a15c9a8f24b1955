import { retryUntil, sleep } from '../clock/deadline.ts';
import { EnvironmentError, InputError } from '../contract/errors.ts';
import { MemberLocks, markedOf } from '../faults/member-locks.ts';
import type { Member } from '../formation/formation.ts';
import type { Instance } from '../incus/answers.ts';
import { environmentErrors } from '../incus/environment.ts';
import { lockFormation, ownerReturnsMs } from '../monitor/lock.ts';
import { isSucceeded, readNodes } from '../monitor/nodes.ts';
import type { Session } from '../postgres/session.ts';
import { ensureStarted, foreignErrors } from './containers/containers.ts';
import type { Context } from './context.ts';
import { isBlank, noFacts, UnreadFilesError } from './facts.ts';
import { takeBackFromRoot } from './members/repair.ts';
import type { Registered } from './nodes/registration.ts';

const retakeMs = 10_000;

/** Why a frozen node may not simply go on. */
function whyNotOn(name: string, registered: Registered): string | undefined {
  const succeeded = registered.kind === 'asked' ? isSucceeded(name, registered.nodes) : undefined;
  if (succeeded === false) return undefined;
  return succeeded ? 'another node has taken over' : 'no monitor says that no other node has taken over';
}

/** What there is of a formation: a run locks it, starts what does not run, and reads it before it changes anything. */
export class Survey {
  private readonly ctx: Context;
  /** Undefined in a plan, which changes nothing. */
  private held: MemberLocks | undefined;
  /** The session that holds the lock on the monitor: one that was opened in its place does not. */
  private lockedOn: Session | undefined;
  /** Members that a listing of this run had as anything but running. */
  private readonly foundStopped = new Set<string>();

  constructor(ctx: Context) {
    this.ctx = ctx;
  }

  /** The locks on the members; undefined in a plan, which changes nothing. */
  get locks(): MemberLocks | undefined {
    return this.held;
  }

  /** Whether this run changed nothing, and nothing that was listed as stopped was started by another meanwhile. */
  get isStill(): boolean {
    return this.ctx.steps.changes.length === 0 && this.foundStopped.size === 0;
  }

  release(): void {
    this.held?.release();
  }

  /**
   * Locks what is there, and reads what runs, once nobody else is at work on it: what a run changes, it has locked before.
   * @returns the instances that there are
   */
  async lockAndRead(): Promise<Map<string, Instance>> {
    const { ctx } = this;
    const { formation, incus, signal, members, monitor } = ctx;
    const listed = await incus.instances(signal);
    this.refuseForeign(listed);
    const interrupted = markedOf(members, listed).length > 0;
    if (!ctx.steps.planning) {
      // The drill whose mark this is may be alive and about to take locks again that it lost.
      if (interrupted) await sleep(ownerReturnsMs, signal);
      const relayOf = (name: string) => ctx.relay({ name });
      const locks = await MemberLocks.take({ formation, incus, relayOf, signal }, listed);
      this.held = locks;
      ctx.steps.permit = () => locks.stand();
    }
    this.noteStopped(listed);
    // What was listed before may have changed until the locks were ours. Sessions take their time to open: meanwhile.
    const [instances] = await Promise.all([
      this.held ? incus.instances(signal) : listed,
      this.readRunning(listed),
    ]);
    this.refuseForeign(instances);
    this.noteStopped(instances);
    await this.held?.add(instances);
    await this.readRunning(instances);
    for (const { name } of members) if (!instances.has(name)) ctx.facts.set(name, noFacts);
    if (this.held && instances.get(monitor.name)?.status === 'Running') {
      const session = await (interrupted ? this.waitForMonitor() : ctx.openIfAnswers(monitor));
      if (session) await this.lockOnMonitor();
    }
    return instances;
  }

  private noteStopped(instances: ReadonlyMap<string, Instance>): void {
    for (const { name } of this.ctx.members)
      if (instances.get(name)?.status !== 'Running') this.foundStopped.add(name);
  }

  private refuseForeign(instances: ReadonlyMap<string, Instance>): void {
    const { formation, members } = this.ctx;
    const errors = [
      ...foreignErrors(formation, members, instances),
      ...environmentErrors(formation, instances),
    ];
    if (errors.length > 0) throw new InputError(errors);
  }

  /** Those that run and have not been read yet. */
  private async readRunning(instances: ReadonlyMap<string, Instance>): Promise<void> {
    const { ctx } = this;
    const running = ctx.members.filter(
      ({ name }) =>
        instances.get(name)?.status === 'Running' && !ctx.facts.has(name) && !ctx.closed.has(name),
    );
    await Promise.all([this.read(running), ...running.map((member) => ctx.openIfAnswers(member))]);
  }

  /**
   * Starts what is there and does not run, takes its lock, and reads it. What was frozen goes on once the monitor was asked
   * whether it may: a primary that another node has taken over from would take writes until its keeper hears of that, and
   * where nobody knows, it is started anew, so that its keeper asks first.
   */
  async startStopped(instances: ReadonlyMap<string, Instance>, registered: Registered): Promise<void> {
    const { ctx } = this;
    const { steps, monitor } = ctx;
    const isFrozen = ({ name, role }: Member) => role === 'data' && instances.get(name)?.status === 'Frozen';
    const stopped = ctx.members.filter(
      ({ name }) => instances.has(name) && instances.get(name)?.status !== 'Running',
    );
    const frozen = stopped.filter(isFrozen);
    const start = (members: readonly Member[], known: Registered) =>
      Promise.all(members.map((member) => this.start(member, instances, known)));
    await start(
      stopped.filter((member) => !isFrozen(member)),
      registered,
    );
    let known = registered;
    if (frozen.length > 0 && stopped.includes(monitor) && !steps.planning) {
      await this.held?.add(await ctx.incus.instances(ctx.signal));
      await this.read([monitor]);
      known = await this.readRegistered(true);
    }
    await start(frozen, known);
    if (steps.planning || stopped.length === 0) return;
    await this.held?.add(await ctx.incus.instances(ctx.signal));
    await this.read(stopped);
  }

  private async start(
    member: Member,
    instances: ReadonlyMap<string, Instance>,
    registered: Registered,
  ): Promise<void> {
    const { incus, steps, signal, closed } = this.ctx;
    const { name, role } = member;
    if (steps.planning) closed.add(name);
    const found = steps.planning ? instances.get(name) : await incus.settledInstance(name, signal);
    if (found === undefined)
      throw new EnvironmentError(`${name} was deleted meanwhile by someone else; run this again`);
    const mayNotGoOn = role === 'data' ? whyNotOn(name, registered) : undefined;
    await ensureStarted(this.ctx.container(member), found, mayNotGoOn);
  }

  /** The monitor of a formation under a drill may be starting again. */
  private async waitForMonitor(): Promise<Session | undefined> {
    try {
      return await this.ctx.answering(this.ctx.monitor);
    } catch {
      this.ctx.signal.throwIfAborted();
      return undefined;
    }
  }

  /** Reads those of them that are members. */
  async read(members: readonly { name: string }[]): Promise<void> {
    const { ctx } = this;
    await Promise.all(
      ctx.members.filter((member) => members.includes(member)).map((member) => this.readOne(member)),
    );
  }

  private async readOne(member: Member): Promise<void> {
    const { ctx } = this;
    const read = async () => ctx.facts.set(member.name, await ctx.readFacts(member));
    try {
      await read();
    } catch (error) {
      if (!(error instanceof UnreadFilesError)) throw error;
      await takeBackFromRoot(ctx, member, error);
      if (ctx.steps.planning) ctx.closed.add(member.name);
      else await read();
    }
  }

  /**
   * The formation's nodes on the monitor.
   * @param isStarting whether the monitor was started just now, and is waited for
   */
  async readRegistered(isStarting = false): Promise<Registered> {
    const { ctx } = this;
    const facts = ctx.facts.get(ctx.monitor.name);
    if (facts === undefined) return { kind: 'unread' };
    if (isBlank(facts)) return { kind: 'none' };
    const session = await this.openMonitor(isStarting);
    return session ? { kind: 'asked', nodes: await readNodes(session, ctx.formation) } : { kind: 'unread' };
  }

  /** A session on the monitor; undefined where it does not answer. */
  async openMonitor(isStarting: boolean): Promise<Session | undefined> {
    const { ctx } = this;
    const facts = ctx.facts.get(ctx.monitor.name);
    if (!facts?.created || !facts.serviceActive) return undefined;
    return await (isStarting ? this.waitForMonitor() : ctx.openIfAnswers(ctx.monitor));
  }

  /** Takes the formation's lock on the monitor, unless it is held. */
  async lockOnMonitor(): Promise<void> {
    const { formation, monitor } = this.ctx;
    const session = await this.ctx.answering(monitor);
    if (session === this.lockedOn) return;
    const lock = async () => {
      await lockFormation(session, formation.name);
      return true;
    };
    // The server may take a moment to see that our own session is over.
    const again = { deadlineMs: retakeMs, pauseMs: 300, signal: this.ctx.signal };
    await (this.lockedOn ? retryUntil('the lock on the monitor, which was lost', again, lock) : lock());
    this.lockedOn = session;
  }
}
