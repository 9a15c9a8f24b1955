import type { Observation } from '../check/observation.ts';
import { observe } from '../check/observe.ts';
import { judge, type Verdict } from '../check/verdict.ts';
import { now } from '../clock/clock.ts';
import { retryUntil, sleep } from '../clock/deadline.ts';
import { EnvironmentError, InputError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { lockWithoutMonitor } from '../faults/monitor-away.ts';
import type { Formation, Member } from '../formation/formation.ts';
import { timingsFaults } from '../formation/timings.ts';
import { type ContainerLock, lockInContainer } from '../incus/container-lock.ts';
import type { Incus, Instance } from '../incus/incus.ts';
import { drillMarkKey } from '../incus/labels.ts';
import { hbaAddress, hostsInMonitorHba } from '../member/hba.ts';
import { lockFormation, ownerReturnsMs } from '../monitor/lock.ts';
import { type MonitorNode, readNodes, readOtherHosts } from '../monitor/nodes.ts';
import type { Session } from '../postgres/session.ts';
import { ensureApplication } from './application.ts';
import { bakeContainersIn, ensureBaseImage, removeBakeContainers } from './base-image.ts';
import { ensureRunning, foreignFaults, settledInstance } from './containers.ts';
import { Context } from './context.ts';
import { noFacts, readFacts } from './facts.ts';
import { installMember, monitorUp, prepareDataNode } from './members.ts';
import { dataNodesUp, forgetMonitor, namedPrimary, primaryOf, writableNode } from './nodes.ts';
import type { AccountPasswords } from './passwords.ts';
import { ensureReplicationPolicy, ensureWritable } from './policy.ts';
import { pruneFaults, type Registration, registrationOf } from './registration.ts';
import { secretsOf } from './secrets.ts';
import { settle } from './settle.ts';
import { type Change, type Mode, Steps } from './steps.ts';
import type { MemberCertificate } from './tls.ts';

export interface Provisioned {
  mode: Mode;
  /** Whether anything was changed, or would be. */
  changed: boolean;
  changes: Change[];
  /** The proof: what check-formation says of the formation now. A plan has none. */
  proof: { verdict: Verdict; observation: Observation } | undefined;
}

export interface ProvisionOptions {
  mode: Mode;
  /** Nodes that the monitor knows and the file does not name are dropped, and their containers deleted. */
  prune: boolean;
  /** The users' passwords, by name. Never logged. */
  passwords: ReadonlyMap<string, string>;
  /** The caller's own passwords for pg_auto_failover's accounts. Never logged. */
  secrets: AccountPasswords;
  /** The caller's own certificates, by member. Keys are never logged. */
  certificates: ReadonlyMap<string, MemberCertificate>;
  /** How long the nodes may take to converge once all of them run. */
  convergeDeadlineMs: number;
  log: Log;
  signal: AbortSignal;
}

const proofDeadlineMs = 15_000;
const retakeMs = 10_000;

/**
 * Brings a formation to what its file says: containers, packages, monitor, data nodes in order of
 * registration, clocks, replication policy, the application's role, database and way in. What is right
 * already is left alone, so a second run changes nothing and a run that was killed is finished by the next.
 * With mode `plan` it only tells what it would do.
 *
 * @throws InputError, EnvironmentError, CommandError, DeadlineError when it cannot go on; NotConvergedError
 *   when the formation does not settle in time
 */
export async function provision(
  formation: Formation,
  incus: Incus,
  options: ProvisionOptions,
): Promise<Provisioned> {
  // Explicit timings with such a fault are refused; upstream's own are a choice that one may make.
  for (const fault of timingsFaults(formation.timings))
    options.log.warn(`timings ${formation.timingsName}: ${fault}`);
  for (const { user, database, clients, method } of formation.postgres.access)
    if (method === 'trust')
      options.log.warn(
        `postgres.access: whoever is in ${clients.join(', ')} gets into ${database} as ${user} without a password (method: trust)`,
      );
  const run = new Provisioning(formation, incus, options);
  try {
    return await run.all();
  } finally {
    run.close();
  }
}

class Provisioning {
  private readonly ctx: Context;
  private readonly options: ProvisionOptions;
  private lock: ContainerLock | undefined;
  /** The session that holds the lock on the monitor: one that was opened in its place does not. */
  private lockedOn: Session | undefined;
  private mayHaveBaked = false;

  constructor(formation: Formation, incus: Incus, options: ProvisionOptions) {
    const steps = new Steps(options.log, options.mode);
    this.ctx = new Context(formation, incus, steps, options.certificates, options.signal);
    this.options = options;
  }

  async all(): Promise<Provisioned> {
    const { ctx, options } = this;
    const { steps, monitor, dataNodes, members } = ctx;
    const instances = await this.surveyed();
    const registered = await this.registered();
    const before = this.refuseLosses(instances, registered);

    const image = await this.image(instances);
    const strays = options.prune ? [] : before.strays;
    const addresses = strays.map(({ host }) => hbaAddress(host));
    const hosts = [...dataNodes.map(({ host }) => host), ...addresses.filter((each) => each !== undefined)];
    for (const [index, { name, host }] of strays.entries())
      options.log.warn(
        addresses[index] === undefined
          ? `${name} is registered and not in the file, with a host that is none (${JSON.stringify(host)}); it is not let in (prune: true drops it)`
          : `${name} is registered and not in the file; it is left alone (prune: true drops it)`,
      );
    // The monitor's container first, since the lock is in it, and the monitor while the others are made ready.
    await this.containerUp(monitor, instances, image);
    if (!steps.planning) await this.lockContainer();
    // Before a new monitor comes up, and not before it is known to be new: one that was stopped knows its nodes.
    const monitorIsNew = ctx.isOpen(monitor) && !ctx.factsOf(monitor).created;
    if (monitorIsNew || registered?.length === 0) await this.forgetLostMonitor(instances, image);
    const besides = await this.hostsOfOtherFormations(instances.get(monitor.name)?.status !== 'Running');
    ctx.secrets = secretsOf(
      options.secrets,
      members.map((member) => ctx.factsOf(member)),
    );
    const containers = this.dataContainersUp(instances, image);
    await Promise.all([
      this.install(monitor, instances).then(() =>
        ctx.isOpen(monitor) ? monitorUp(ctx, [...new Set([...hosts, ...besides])]) : undefined,
      ),
      ...dataNodes.filter(({ name }) => steps.planning || instances.has(name)).map(containers),
    ]);
    // What could not be read before it ran may hold what must not be lost.
    const registration = steps.planning ? before : await this.registeredNow(instances);
    await dataNodesUp(ctx, hosts, registration, {
      prune: options.prune,
      convergeDeadlineMs: options.convergeDeadlineMs,
      settled: () => this.settle(),
      prepared: containers,
    });
    const hasBaked = !steps.planning && (this.mayHaveBaked || bakeContainersIn(instances));
    await Promise.all([
      this.policyAndApplication(registered),
      hasBaked &&
        removeBakeContainers(ctx.incus, ctx.signal).catch((error: unknown) => {
          ctx.signal.throwIfAborted();
          options.log.warn(
            `the container that the base image was made in could not be removed: ${messageOf(error)}`,
          );
        }),
    ]);

    const { changes } = steps;
    const changed = changes.length > 0;
    if (steps.planning) {
      for (const name of ctx.closed)
        options.log.info(`${name} does not run: what else would change in it can be told once it does`);
      return { mode: 'plan', changed, changes, proof: undefined };
    }
    return { mode: 'apply', changed, changes, proof: await this.proof(changed ? undefined : instances) };
  }

  /**
   * What check-formation says now. What was changed on the primary takes a moment to reach its standbys.
   * @param unchanged the instances, where this run changed nothing
   */
  private async proof(
    unchanged: Map<string, Instance> | undefined,
  ): Promise<NonNullable<Provisioned['proof']>> {
    const { ctx } = this;
    const { formation, incus, signal } = ctx;
    const until = now() + (unchanged ? 0 : proofDeadlineMs);
    for (;;) {
      const observation = await observe(formation, incus, {
        signal,
        ...(unchanged && { instances: Promise.resolve(unchanged) }),
        ways: { relay: (member) => ctx.relay(member), session: (member) => ctx.open(member) },
      });
      const verdict = judge(observation, formation);
      if (verdict.outcome === 'pass' || now() > until) return { verdict, observation };
      await sleep(200, signal);
    }
  }

  /** Every node with data forgets the monitor that is gone, those that do not run yet included. */
  private async forgetLostMonitor(instances: ReadonlyMap<string, Instance>, image: string): Promise<void> {
    const { ctx } = this;
    const unread = ctx.dataNodes.filter(({ name }) => instances.has(name) && !ctx.facts.has(name));
    await Promise.all(unread.map((node) => this.containerUp(node, instances, image)));
    await forgetMonitor(ctx, this.refuseLosses(instances, undefined).orphans);
  }

  /** The registration once the monitor is up and answers. */
  private async registeredNow(before: ReadonlyMap<string, Instance>): Promise<Registration> {
    const { ctx } = this;
    await this.lockOnMonitor();
    const session = await ctx.answering(ctx.monitor);
    const unchanged = ctx.steps.changedAt === undefined;
    return this.refuseLosses(
      unchanged ? before : await ctx.incus.instances(ctx.signal),
      await readNodes(session, ctx.formation.name),
    );
  }

  close(): void {
    this.ctx.close();
    this.lock?.release();
  }

  /** Reads what runs, once nobody else is at work on it. */
  private async surveyed(): Promise<Map<string, Instance>> {
    const { ctx } = this;
    const { formation, incus, signal, members, monitor, dataNodes } = ctx;
    const instances = await incus.instances(signal);
    const faults = foreignFaults(formation, members, instances);
    if (faults.length > 0) throw new InputError(faults);
    const running = members.filter(({ name }) => instances.get(name)?.status === 'Running');
    // A drill that runs holds the lock, and another one while it has stopped the monitor: nothing it stopped is
    // started under its hands.
    const isMarked = ({ name }: Member) => instances.get(name)?.config[drillMarkKey] !== undefined;
    const interrupted = members.some(isMarked);
    const isMonitorAway = isMarked(monitor) || (interrupted && !running.includes(monitor));
    if (isMonitorAway && !ctx.steps.planning && running.some((member) => member === dataNodes[0]))
      (await lockWithoutMonitor(formation, incus, signal)).release();
    const locked =
      running.includes(monitor) && !ctx.steps.planning ? this.lockWhatRuns(interrupted) : undefined;
    if (interrupted) await locked;
    // Sessions take their time to open, and are needed later: meanwhile.
    await Promise.all([locked, this.read(running), ...running.map((member) => ctx.openIfAnswers(member))]);
    return instances;
  }

  /** @param interrupted a container bears a drill's mark: its drill may be alive and about to retake a lost lock */
  private async lockWhatRuns(interrupted: boolean): Promise<void> {
    const { ctx } = this;
    await this.lockContainer();
    if (interrupted) await sleep(ownerReturnsMs, ctx.signal);
    const session = await (interrupted ? this.patiently() : ctx.openIfAnswers(ctx.monitor));
    if (session) await this.lockOnMonitor();
  }

  /** The monitor of a formation under a drill may be starting again. */
  private async patiently(): Promise<Session | undefined> {
    try {
      return await this.ctx.answering(this.ctx.monitor);
    } catch {
      this.ctx.signal.throwIfAborted();
      return undefined;
    }
  }

  private async read(members: readonly { name: string }[]): Promise<void> {
    const { ctx } = this;
    await Promise.all(
      ctx.members
        .filter((member) => members.includes(member))
        .map(async (member) => {
          ctx.facts.set(member.name, await readFacts(ctx.relay(member), member, ctx.signal));
        }),
    );
  }

  /** The formation's nodes on the monitor; undefined when there is no monitor to ask. */
  private async registered(): Promise<MonitorNode[] | undefined> {
    const { ctx } = this;
    const facts = ctx.facts.get(ctx.monitor.name);
    if (!facts?.created || !facts.serviceActive) return undefined;
    const session = await ctx.openIfAnswers(ctx.monitor);
    return session && (await readNodes(session, ctx.formation.name));
  }

  /**
   * Nodes of the monitor's other formations, which its pg_hba.conf must go on letting in.
   * @param isStarting whether the monitor was started just now
   */
  private async hostsOfOtherFormations(isStarting: boolean): Promise<string[]> {
    const { ctx } = this;
    const facts = ctx.facts.get(ctx.monitor.name);
    if (!facts?.created) return [];
    const ask = () => (isStarting ? this.patiently() : ctx.openIfAnswers(ctx.monitor));
    const session = facts.serviceActive ? await ask() : undefined;
    // One that does not answer lets in whom it let in before.
    const hosts = session ? await readOtherHosts(session, ctx.formation.name) : hostsInMonitorHba(facts.hba);
    return hosts.map(hbaAddress).filter((each) => each !== undefined);
  }

  private refuseLosses(
    instances: ReadonlyMap<string, Instance>,
    registered: readonly MonitorNode[] | undefined,
  ): Registration {
    const { formation, facts } = this.ctx;
    const found = { containers: new Set(instances.keys()), facts, registered };
    const registration = registrationOf(formation, found);
    const { faults } = registration;
    if (this.options.prune && faults.length === 0)
      faults.push(...pruneFaults(registration, registered ?? []));
    if (faults.length > 0) throw new InputError(faults);
    return registration;
  }

  /** What new containers are launched from. */
  private async image(instances: ReadonlyMap<string, Instance>): Promise<string> {
    const { formation, incus, steps, signal, members } = this.ctx;
    if (members.every(({ name }) => instances.has(name))) return formation.image;
    this.mayHaveBaked = formation.baseImage;
    return await ensureBaseImage(incus, formation, steps, this.options.log, signal);
  }

  /** The container there and running, and read. */
  private async containerUp(
    member: Member,
    instances: ReadonlyMap<string, Instance>,
    image: string,
  ): Promise<void> {
    const { ctx } = this;
    let instance = instances.get(member.name);
    if (instance !== undefined && instance.status !== 'Running' && !ctx.steps.planning)
      instance = await settledInstance(ctx.incus, member.name, ctx.signal);
    await ensureRunning(ctx.incus, ctx.formation, member, instance, image, ctx.steps, ctx.signal);
    if (instance?.status === 'Running') return;
    if (!ctx.steps.planning) await this.read([member]);
    else if (instance !== undefined) ctx.closed.add(member.name);
  }

  /**
   * The containers of the data nodes there, running, read, and with their packages.
   *
   * New ones are launched one after the other, in the order in which their nodes are created, which takes longer: several
   * at once would only hold up the first.
   * @returns what to await for each of them
   */
  private dataContainersUp(
    instances: ReadonlyMap<string, Instance>,
    image: string,
  ): (node: Member) => Promise<void> {
    const { ctx } = this;
    const ready = new Map<string, Promise<void>>();
    let launched: Promise<void> = Promise.resolve();
    for (const node of ctx.dataNodes) {
      const isNew = !instances.has(node.name);
      // Known without a look, for whoever does not wait for it.
      if (isNew && !ctx.steps.planning) ctx.facts.set(node.name, noFacts);
      const up = isNew
        ? launched.then(() => this.containerUp(node, instances, image))
        : this.containerUp(node, instances, image);
      if (isNew) launched = up;
      const done = up.then(async () => {
        await this.install(node, instances);
        if (ctx.isOpen(node)) await prepareDataNode(ctx, node);
      });
      // It is told to whoever awaits it.
      done.catch(() => {});
      ready.set(node.name, done);
    }
    return async ({ name }) => await ready.get(name);
  }

  private async install(member: Member, instances: ReadonlyMap<string, Instance>): Promise<void> {
    const { ctx } = this;
    // A plan takes it that the base image has what a new container needs.
    const isBaked = ctx.steps.planning && ctx.formation.baseImage && !instances.has(member.name);
    if (ctx.isOpen(member) && !isBaked) await installMember(ctx, member);
  }

  private async lockContainer(): Promise<void> {
    const { formation, incus, monitor } = this.ctx;
    this.lock ??= await lockInContainer(incus, monitor.name, formation.name);
    if (this.lock === undefined) {
      throw new EnvironmentError(
        `another provisioning run is at work on formation ${formation.name}; wait for it to end and start this one again`,
      );
    }
  }

  private async lockOnMonitor(): Promise<void> {
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

  private async settle(): Promise<void> {
    const { ctx, options } = this;
    await this.lockOnMonitor();
    const session = await ctx.answering(ctx.monitor);
    const deadlineMs = options.convergeDeadlineMs;
    await settle(session, ctx.formation, ctx.steps, { deadlineMs, signal: ctx.signal });
  }

  private async policyAndApplication(registered: readonly MonitorNode[] | undefined): Promise<void> {
    const { ctx, options } = this;
    const { formation, steps, monitor } = ctx;
    if (steps.planning && !registered?.length) return await this.application(await writableNode(ctx));
    if (!steps.planning) await this.settle();
    const session = await ctx.answering(monitor);
    await ensureReplicationPolicy(session, formation, steps, () => this.settle());
    const primary = steps.planning
      ? await namedPrimary(ctx)
      : await primaryOf(ctx, options.convergeDeadlineMs);
    if (primary === undefined) return;
    await ensureWritable(await ctx.answering(primary), primary.name, steps);
    await this.application(primary);
  }

  /** Users, databases and extensions. @param primary undefined in the plan of a formation that is not there */
  private async application(primary: Member | undefined): Promise<void> {
    const { ctx, options } = this;
    const { formation, steps } = ctx;
    const open = primary && (async (database: string) => await ctx.open(primary, database));
    await ensureApplication(open, formation, options.passwords, steps);
  }
}
