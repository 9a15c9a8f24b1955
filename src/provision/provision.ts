import type { Observation } from '../check/observation.ts';
import { observe } from '../check/observe.ts';
import { judge, type Verdict } from '../check/verdict.ts';
import { now } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { DeadlineError, messageOf, NotConvergedError } from '../contract/errors.ts';
import { type Formation, isLab, type Member } from '../formation/formation.ts';
import { timingsErrors } from '../formation/safe-timings.ts';
import type { Instance } from '../incus/answers.ts';
import { rememberedEnvironment } from '../incus/environment.ts';
import type { Incus } from '../incus/incus.ts';
import { hbaAddress } from '../member/pg-hba.ts';
import { onceFree } from '../monitor/lock-wait.ts';
import { readNodes } from '../monitor/nodes.ts';
import { rememberEnvironment } from './containers/environment.ts';
import { Context } from './context.ts';
import { findOrBakeImage } from './image/base-image.ts';
import { bakeContainersIn, removeBakeContainers } from './image/leftovers.ts';
import { findingsInWords } from './in-vain.ts';
import { Launches } from './launches.ts';
import { givePasswordsFirst } from './members/groundwork.ts';
import { checkedRegistration } from './nodes/losses.ts';
import { forgetMonitor } from './nodes/membership.ts';
import { bringDataNodesUp } from './nodes/nodes.ts';
import { writableNode } from './nodes/primary.ts';
import type { Registration } from './nodes/registration.ts';
import { startMonitorAnew } from './nodes/settings-in-turn.ts';
import { settle } from './nodes/settle.ts';
import { wakeSilent, wakeSilentQuietly } from './nodes/silent-keepers.ts';
import { startForsakenAnew } from './nodes/standbys.ts';
import type { ProvisionOptions } from './options.ts';
import { refusePlaceholder } from './passwords/placeholder.ts';
import { secretsOf } from './passwords/secrets.ts';
import { moveInTurn } from './placement/move.ts';
import { planHosts } from './placement/placement.ts';
import { ensurePolicyAndApplication } from './policy-and-application.ts';
import { bringSharedMonitorUp } from './shared-monitor.ts';
import { type Change, type Mode, Steps } from './steps.ts';
import { Survey } from './survey.ts';

export interface Provisioned {
  mode: Mode;
  /** Whether anything was changed, or would be. */
  changed: boolean;
  changes: Change[];
  /** The proof: what check-formation says of the formation now. A plan has none. */
  proof: { verdict: Verdict; observation: Observation } | undefined;
}

const proofDeadlineMs = 15_000;

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
  // Explicit timings with such an error are refused; upstream's own are a choice that one may make.
  for (const error of timingsErrors(formation.timings))
    options.log.warn(`timings ${formation.timingsName}: ${error}`);
  for (const { user, database, clients, method } of formation.postgres.access)
    if (method === 'trust')
      options.log.warn(
        `postgres.access: whoever is in ${clients.join(', ')} gets into ${database} as ${user} without a password (method: trust)`,
      );
  let isUnderWay = false;
  const once = async () => {
    const run = new Provisioning(formation, incus, options);
    try {
      return await run.toEnd();
    } finally {
      isUnderWay = run.isUnderWay;
      run.close();
    }
  };
  // One that loses its locks later has come to its end.
  const wait = { waitMs: options.lockWaitMs, log: options.log, signal: options.signal };
  return await onceFree(wait, once, () => !isUnderWay);
}

class Provisioning {
  /** Whether it has its locks, and may have changed something. */
  isUnderWay = false;
  private readonly ctx: Context;
  private readonly options: ProvisionOptions;
  private readonly survey: Survey;

  constructor(formation: Formation, incus: Incus, options: ProvisionOptions) {
    const steps = new Steps(options.log, options.mode);
    this.ctx = new Context({ formation, incus, steps, signal: options.signal }, options.certificates);
    this.options = options;
    this.survey = new Survey(this.ctx);
  }

  /** @throws what keeps it from going on; where it waited in vain, with what check-formation finds by then */
  async toEnd(): Promise<Provisioned> {
    try {
      return await this.inOrder();
    } catch (error) {
      const { ctx } = this;
      const inVain = error instanceof NotConvergedError || error instanceof DeadlineError;
      if (inVain && !ctx.signal.aborted && !ctx.steps.planning) await this.addFindings(error);
      throw error;
    }
  }

  /** Adds what check-formation finds to the message of a wait that was in vain. */
  private async addFindings(error: Error): Promise<void> {
    const { formation, incus, signal } = this.ctx;
    try {
      const verdict = judge(await observe(formation, incus, { signal }), formation);
      const found = findingsInWords(verdict);
      if (found.length > 0) error.message += `; check-formation finds: ${found.join('; ')}`;
    } catch (failed) {
      signal.throwIfAborted();
      this.options.log.debug(`the formation could not be examined: ${messageOf(failed)}`);
    }
  }

  private async inOrder(): Promise<Provisioned> {
    const { ctx, options, survey } = this;
    const { steps, monitor, dataNodes, members } = ctx;
    const instances = await survey.lockAndRead();
    this.isUnderWay = true;
    const registered = await survey.readRegistered();
    const before = checkedRegistration(ctx, options.prune, instances, registered);
    const remembered = rememberedEnvironment(ctx.formation, instances);
    await refusePlaceholder(ctx, options, await writableNode(ctx), remembered);

    // Before anything is made or moved.
    const hostPlan = await planHosts(ctx, instances);
    const isComplete = members.every(({ name }) => instances.has(name));
    const image = isComplete ? ctx.formation.image : await findOrBakeImage(ctx, options.log);
    const mayHaveBaked = !isComplete && ctx.formation.baseImage;
    const launches = new Launches(ctx, survey, instances, { image, hosts: hostPlan.launches });
    const strays = options.prune ? [] : before.strays;
    const addresses = strays.map(({ host }) => hbaAddress(host));
    const hosts = [...dataNodes.map(({ host }) => host), ...addresses.filter((each) => each !== undefined)];
    for (const [index, { name, host }] of strays.entries())
      options.log.warn(
        addresses[index] === undefined
          ? `${name} is registered but not in the file, and its host ${JSON.stringify(host)} is no host name or address; it is not let in (prune: true drops it)`
          : `${name} is registered but not in the file; it is left alone (prune: true drops it)`,
      );
    // All that is there runs, is locked and read, before anything else is changed: what was stopped is not new.
    await survey.startStopped(instances, registered);
    const isStarting = instances.has(monitor.name) && instances.get(monitor.name)?.status !== 'Running';
    const known = isStarting && !steps.planning ? await survey.readRegistered(true) : registered;
    if (known !== registered) checkedRegistration(ctx, options.prune, instances, known);
    // The monitor's container first, and the monitor while the others are made ready.
    await launches.bringUp(monitor);
    // A lab is known as one once its passwords were found to be a lab's.
    if (!isLab(ctx.formation)) await this.rememberEnvironment(instances);
    // Before a new monitor comes up: who knows nobody, for certain.
    if (known.kind === 'none' || (known.kind === 'asked' && known.nodes.length === 0))
      await forgetMonitor(ctx, checkedRegistration(ctx, options.prune, instances, { kind: 'none' }).orphans);
    ctx.secrets = secretsOf(
      options.secrets,
      members.flatMap((member) => (ctx.isOpen(member) ? [ctx.factsOf(member)] : [])),
      ctx.formation,
    );
    await givePasswordsFirst(ctx);
    const untilPrepared = launches.startDataNodes();
    await Promise.all([
      launches
        .install(monitor)
        .then(() => (ctx.isOpen(monitor) ? bringSharedMonitorUp(ctx, survey, hosts, isStarting) : undefined)),
      ...dataNodes.filter(({ name }) => steps.planning || instances.has(name)).map(untilPrepared),
    ]);
    // What could not be read before it ran may hold what must not be lost.
    const registration = steps.planning ? before : await this.registrationNow(instances);
    await bringDataNodesUp(ctx, hosts, registration, {
      prune: options.prune,
      convergeDeadlineMs: options.convergeDeadlineMs,
      settle: (among) => this.settle(among),
      untilPrepared,
    });
    await wakeSilent(ctx);
    await startMonitorAnew(ctx, () => this.settle());
    await moveInTurn(ctx, hostPlan.moves, {
      ...{ survey, settle: () => this.settle(), convergeDeadlineMs: options.convergeDeadlineMs },
    });
    const hasBaked = !steps.planning && (mayHaveBaked || bakeContainersIn(instances));
    await Promise.all([
      ensurePolicyAndApplication(ctx, options, { registered: known, remembered }, () => this.settle()),
      hasBaked &&
        removeBakeContainers(ctx.incus, ctx.signal).catch((error: unknown) => {
          ctx.signal.throwIfAborted();
          options.log.warn(
            `the container that the base image was made in could not be removed: ${messageOf(error)}`,
          );
        }),
    ]);

    if (isLab(ctx.formation)) await this.rememberEnvironment(instances);
    const { changes } = steps;
    const changed = changes.length > 0;
    if (steps.planning) {
      for (const name of ctx.closed)
        options.log.info(
          `${name} cannot be read yet: the plan can say what else would change in it once it can`,
        );
      if (ctx.isOpen(monitor) && known.kind === 'unread')
        options.log.info(
          `the monitor in ${monitor.name} does not answer: the plan can say what else would change once it does`,
        );
      return { mode: 'plan', changed, changes, proof: undefined };
    }
    return {
      mode: 'apply',
      changed,
      changes,
      proof: await this.prove(survey.isStill ? instances : undefined),
    };
  }

  /**
   * What check-formation says now. What was changed on the primary takes a moment to reach its standbys.
   * @param unchanged the instances, where they are still as they were listed
   */
  private async prove(
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

  /** The registration once the monitor is up and answers. */
  private async registrationNow(before: ReadonlyMap<string, Instance>): Promise<Registration> {
    const { ctx } = this;
    await this.survey.lockOnMonitor();
    const session = await ctx.answering(ctx.monitor);
    const instances = this.survey.isStill ? before : await ctx.incus.instances(ctx.signal);
    return checkedRegistration(ctx, this.options.prune, instances, {
      kind: 'asked',
      nodes: await readNodes(session, ctx.formation),
    });
  }

  close(): void {
    this.survey.release();
    this.ctx.close();
  }

  private async settle(among: readonly Member[] = this.ctx.dataNodes): Promise<void> {
    const { ctx, options } = this;
    await this.survey.lockOnMonitor();
    const session = await ctx.answering(ctx.monitor);
    const deadlineMs = options.convergeDeadlineMs;
    // A walreceiver may have ended only just after its Postgres was looked at.
    const helpAlong = async () => {
      await wakeSilentQuietly(ctx, session);
      await startForsakenAnew(ctx);
    };
    await settle(session, ctx.formation, ctx.steps, { among, deadlineMs, signal: ctx.signal, helpAlong });
  }

  private async rememberEnvironment(instances: ReadonlyMap<string, Instance>): Promise<void> {
    const { incus, signal } = this.ctx;
    const left = this.options.prune ? await incus.instances(signal) : instances;
    await rememberEnvironment(this.ctx, left);
  }
}
