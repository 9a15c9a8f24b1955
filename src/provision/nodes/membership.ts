import { retryUntil } from '../../clock/deadline.ts';
import { EnvironmentError, InputError } from '../../contract/errors.ts';
import { containerTarget } from '../../formation/command-line.ts';
import type { Member } from '../../formation/formation.ts';
import { isMonitorDisabled } from '../../member/keeper-config.ts';
import {
  describeNodes,
  type MonitorNode,
  readNodes,
  servingPrimary,
  settledPrimary,
} from '../../monitor/nodes.ts';
import { whyNotOurs } from '../containers/kinship.ts';
import type { Context } from '../context.ts';
import { disableMonitor, dropNode, enableMonitor } from '../members/autoctl.ts';
import type { Registration } from './registration.ts';

/** Which nodes the monitor has: a monitor that is gone is forgotten, nodes register again, and others are dropped. */

/**
 * The nodes of a formation whose monitor is gone forget it before a new one comes up: one that does not know
 * them would have them stop their Postgres ("as good as dropped", keeper.c).
 */
export async function forgetMonitor(ctx: Context, orphans: readonly string[]): Promise<void> {
  const nodes = ctx.dataNodes.filter(
    (node) => orphans.includes(node.name) && !isMonitorDisabled(ctx.factsOf(node).keeperConfig),
  );
  await Promise.all(
    nodes.map((node) => {
      const container = ctx.container(node);
      return container.take('forget the monitor that is gone', async () => {
        await disableMonitor(container);
        ctx.facts.set(node.name, await ctx.readFacts(node));
      });
    }),
  );
}

/** Nodes that forgot their monitor register at the new one: the primary first, so that it is the primary there. */
export async function registerAgain(ctx: Context, orphans: readonly Member[]): Promise<void> {
  if (orphans.length === 0) return;
  const { formation, steps, monitor } = ctx;
  const enable = async (node: Member) => {
    const container = ctx.container(node);
    const { keeperConfig } = ctx.factsOf(node);
    await container.take('register at the monitor again', () => enableMonitor(container, keeperConfig));
  };
  const registered = steps.planning ? [] : await readNodes(await ctx.answering(monitor), formation);
  const primaries: Member[] = [];
  for (const node of orphans) {
    const session = await ctx.answering(node);
    const [row] = await session.query('SELECT pg_is_in_recovery() AS standby');
    if (row?.['standby'] !== true) primaries.push(node);
  }
  if (registered.length === 0 && primaries.length !== 1) {
    const names = primaries.map(({ name }) => name).join(' and ');
    throw new InputError([
      `nodes: the monitor is new, and ${primaries.length === 0 ? 'no data node is a primary' : `${names} both take writes`}; which one's data counts is for you to say: ${primaries.length === 0 ? 'promote it (SELECT pg_promote())' : `save what you may need of the other (incus export ${containerTarget(formation, 'NAME')}), delete its container (incus delete --force ${containerTarget(formation, 'NAME')}), which is then made anew`}, and run this again`,
    ]);
  }
  for (const node of [...primaries, ...orphans.filter((each) => !primaries.includes(each))])
    await enable(node);
}

/** Nodes whose container is gone: dropped by the monitor, once another node is the primary. */
export async function dropGone(ctx: Context, { gone }: Registration): Promise<void> {
  const { formation, steps, signal, monitor } = ctx;
  for (const { name } of gone) {
    await steps.take(name, 'drop its old registration from the monitor', async () => {
      await retryUntil(
        `the formation to fail over from ${name}, whose container is gone`,
        { deadlineMs: 180_000, pauseMs: 300, signal },
        async () => {
          const nodes = await readNodes(await ctx.open(monitor), formation);
          if (servingPrimary(nodes.filter((node) => node.name !== name))) return true;
          throw new EnvironmentError(describeNodes(nodes));
        },
      );
      await dropNode(ctx.container(monitor), name);
      await untilDropped(ctx, name);
    });
  }
}

/** Nodes that the file does not name: dropped by the monitor, then their containers deleted, where they are theirs. */
export async function pruneStrays(ctx: Context, { strays }: Registration): Promise<void> {
  const { formation, incus, steps, signal, monitor } = ctx;
  if (strays.length > 0) await refuseToPrunePrimary(ctx, strays);
  const locked = async (container: string) => ctx.relay({ name: container });
  for (const { name } of strays) {
    const found = await incus.instance(name, signal);
    const kept = found && (await whyNotOurs({ formation, locked, signal }, found, true));
    const what = kept === undefined ? 'drop the node, and delete its container' : 'drop the node';
    await steps.take(name, what, async () => {
      await dropNode(ctx.container(monitor), name);
      await untilDropped(ctx, name);
      if (found && kept === undefined) await incus.delete(name, signal);
    });
    if (kept !== undefined) steps.warn(`the container ${name} stays, since ${kept}`);
  }
}

/** @throws InputError where one of those that stay is not, for certain, the primary */
async function refuseToPrunePrimary(ctx: Context, strays: readonly MonitorNode[]): Promise<void> {
  const nodes = await readNodes(await ctx.answering(ctx.monitor), ctx.formation);
  const primary = settledPrimary(nodes);
  if (primary && ctx.dataNodes.some(({ name }) => name === primary.name)) return;
  const names = strays.map(({ name }) => name).join(', ');
  throw new InputError([
    `input prune: it would delete ${names} with their data, and no node of the file is the primary (${describeNodes(nodes)}); wait until one is, or add what is missing to the file (check-formation says what is wrong)`,
  ]);
}

async function untilDropped(ctx: Context, name: string): Promise<void> {
  await retryUntil(
    `the monitor to drop ${name}`,
    { deadlineMs: 60_000, pauseMs: 200, signal: ctx.signal },
    async () => {
      const nodes = await readNodes(await ctx.open(ctx.monitor), ctx.formation);
      return nodes.some((node) => node.name === name) ? undefined : true;
    },
  );
}
