import { keeps, type Member } from '../formation/formation.ts';
import type { Instance } from '../incus/answers.ts';
import { ensureContainer } from './containers/containers.ts';
import { ensureQuietResolver, warnOfResolver } from './containers/resolver.ts';
import type { Context } from './context.ts';
import { noFacts } from './facts.ts';
import { prepareDataNode } from './members/data-node.ts';
import { installMember } from './members/install.ts';
import { requireReach } from './placement/reach.ts';
import type { Survey } from './survey.ts';

/** Brings the members' containers up: there, as the file wants them, and with their packages. */
export class Launches {
  private readonly ctx: Context;
  private readonly survey: Survey;
  private readonly instances: ReadonlyMap<string, Instance>;
  private readonly image: string;
  private readonly hosts: ReadonlyMap<string, string>;

  /**
   * @param instances those that are there
   * @param news what new ones are launched from, and the host of each by name, where Incus does not choose it
   */
  constructor(
    ctx: Context,
    survey: Survey,
    instances: ReadonlyMap<string, Instance>,
    news: { image: string; hosts: ReadonlyMap<string, string> },
  ) {
    this.ctx = ctx;
    this.survey = survey;
    this.instances = instances;
    this.image = news.image;
    this.hosts = news.hosts;
  }

  /** The container there, as the file wants it, locked and read. What was there runs already. */
  async bringUp(member: Member): Promise<void> {
    const { ctx, survey } = this;
    if (this.isLeft(member)) return;
    const instance = this.instances.get(member.name);
    const target = this.hosts.get(member.name);
    await ensureContainer(ctx.container(member), instance, { image: this.image, target });
    if (instance !== undefined || ctx.steps.planning) return;
    await survey.locks?.addNew(member.name);
    // In a cluster, where its host was chosen.
    if (target !== undefined) await requireReach(ctx, member, this.running());
    await survey.read([member]);
    // A part of its launch: an image may have what a plan cannot know.
    const facts = ctx.factsOf(member);
    if (facts.multicast.length === 0) return;
    await ensureQuietResolver(ctx.container(member, ctx.steps.within), facts);
    await survey.read([member]);
  }

  /**
   * Starts to bring the containers of the data nodes up, running, read, and with their packages.
   *
   * New ones are launched one after the other, in the order in which their nodes are created, which takes longer: several
   * at once would only hold up the first.
   * @returns what to await for each of them
   */
  startDataNodes(): (node: Member) => Promise<void> {
    const { ctx } = this;
    const ready = new Map<string, Promise<void>>();
    let launched: Promise<void> = Promise.resolve();
    for (const node of ctx.dataNodes) {
      const isNew = !this.instances.has(node.name);
      const up = isNew ? launched.then(() => this.bringUp(node)) : this.bringUp(node);
      if (isNew) launched = up;
      const done = up.then(async () => {
        await this.install(node);
        if (ctx.isOpen(node)) await prepareDataNode(ctx, node);
      });
      // It is told to whoever awaits it.
      done.catch(() => {});
      ready.set(node.name, done);
    }
    return async ({ name }) => await ready.get(name);
  }

  /** Members whose containers run, and were read. */
  private running(): Member[] {
    return this.ctx.members.filter(({ name }) => (this.ctx.facts.get(name) ?? noFacts) !== noFacts);
  }

  /** A monitor that is not ours to change. */
  private isLeft({ role }: Member): boolean {
    return role === 'monitor' && keeps(this.ctx.formation, 'monitor');
  }

  async install(member: Member): Promise<void> {
    const { ctx } = this;
    if (this.isLeft(member)) {
      if (ctx.isOpen(member)) warnOfResolver(ctx.steps, member.name, ctx.factsOf(member));
      return;
    }
    // A plan takes it that the base image has what a new container needs.
    const isBaked = ctx.steps.planning && ctx.formation.baseImage && !this.instances.has(member.name);
    if (ctx.isOpen(member) && !isBaked) await installMember(ctx, member);
  }
}
