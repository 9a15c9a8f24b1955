import { now } from '../clock/clock.ts';
import { retryUntil, sleep } from '../clock/deadline.ts';
import { EnvironmentError, InputError, NotConvergedError } from '../contract/errors.ts';
import type { Member } from '../formation/formation.ts';
import { formationKey } from '../incus/labels.ts';
import { hasTls, isMonitorDisabled } from '../member/keeper-config.ts';
import { replicationRole } from '../member/roles.ts';
import { describeNodes, type MonitorNode, readNodes, settledPrimary } from '../monitor/nodes.ts';
import { performFailover } from '../monitor/switchover.ts';
import { disableMonitor, dropNode, enableMonitor } from './autoctl.ts';
import type { Context } from './context.ts';
import { readFacts } from './facts.ts';
import { changeSettings, createDataNode, dataNodeUp, ensureFencing, settingsToChange } from './members.ts';
import type { Registration } from './registration.ts';
import { ensureRolePassword } from './secrets.ts';
import type { SettingsDifference } from './settings.ts';
import type { Steps } from './steps.ts';

/** The data nodes together: which are put right, registered again, dropped, made anew, restarted, and in what order. */

/**
 * The nodes of a formation whose monitor is gone forget it before a new one comes up: one that does not know
 * them would have them stop their Postgres ("as good as dropped", keeper.c).
 */
export async function forgetMonitor(ctx: Context, orphans: readonly string[]): Promise<void> {
  const { formation, incus, steps, signal } = ctx;
  const nodes = ctx.dataNodes.filter(
    (node) => orphans.includes(node.name) && !isMonitorDisabled(ctx.factsOf(node).keeperConfig),
  );
  await Promise.all(
    nodes.map((node) =>
      steps.take(node.name, 'forget the monitor that is gone', async () => {
        await disableMonitor(incus, formation, node, signal);
        ctx.facts.set(node.name, await readFacts(ctx.relay(node), node, signal));
      }),
    ),
  );
}

/** The settled primary. @throws NotConvergedError when the monitor names none within `deadlineMs` */
export async function primaryOf(ctx: Context, deadlineMs: number): Promise<Member> {
  const session = await ctx.answering(ctx.monitor);
  const until = now() + deadlineMs;
  for (;;) {
    const registered = await readNodes(session, ctx.formation.name);
    const primary = settledPrimary(registered);
    const member = ctx.dataNodes.find((node) => node.name === primary?.name);
    if (member) return member;
    if (now() > until)
      throw new NotConvergedError(
        `formation ${ctx.formation.name} has no settled primary: ${describeNodes(registered)}`,
      );
    await sleep(200, ctx.signal);
  }
}

/** The data node that takes writes, for want of a monitor that would name it; undefined where there is none. */
export async function writableNode(ctx: Context): Promise<Member | undefined> {
  for (const node of ctx.dataNodes) {
    if (!ctx.factsOf(node).created) continue;
    const session = await ctx.openIfAnswers(node);
    const [row] = (await session?.query('SELECT pg_is_in_recovery() AS standby')) ?? [];
    if (row?.['standby'] === false) return node;
  }
  return undefined;
}

/** The primary that the monitor names, where its Postgres answers; a deleted one is named for a while. */
export async function namedPrimary(ctx: Context): Promise<Member | undefined> {
  const session = await ctx.openIfAnswers(ctx.monitor);
  if (session === undefined) return undefined;
  const name = settledPrimary(await readNodes(session, ctx.formation.name))?.name;
  const member = ctx.dataNodes.find((node) => node.name === name && ctx.facts.has(node.name));
  return member && (await ctx.openIfAnswers(member)) ? member : undefined;
}

export interface NodesOptions {
  prune: boolean;
  convergeDeadlineMs: number;
  /** Waits until the monitor has every node where it wants it. */
  settled: () => Promise<void>;
  /** Waits until the container of a node is there, with all that it takes to create the node. */
  prepared: (node: Member) => Promise<void>;
}

/** @param hosts of every data node that may connect: those of the file, and those left alone */
export async function dataNodesUp(
  ctx: Context,
  hosts: readonly string[],
  registration: Registration,
  options: NodesOptions,
): Promise<void> {
  const { steps } = ctx;
  const known = ctx.dataNodes.filter((node) => ctx.isOpen(node));
  const existing = known.filter((node) => ctx.factsOf(node).created);
  const fresh = known.filter((node) => !ctx.factsOf(node).created);
  const isTlsChanged = existing.some((node) => !hasTls(ctx.formation, ctx.factsOf(node).keeperConfig));
  await passwordBeforeTls(ctx);
  await Promise.all(
    existing.map((node) =>
      dataNodeUp(ctx, node, ctx.factsOf(node), hosts, steps, registration.orphans.includes(node.name)),
    ),
  );
  const isWhole = fresh.length + registration.orphans.length + registration.gone.length === 0;
  // Standbys were restarted for it.
  if (isTlsChanged && isWhole && !steps.planning) await options.settled();
  await registerAgain(
    ctx,
    existing.filter(({ name }) => registration.orphans.includes(name)),
  );
  await Promise.all(existing.map((node) => fences(ctx, node, registration)));
  await dropGone(ctx, registration);
  if (existing.length > 0) await passwordOfStandbys(ctx, options);
  if (options.prune) await pruneStrays(ctx, registration);
  // Before new nodes are made: they take the settings of the primary with its data.
  await settingsInTurn(ctx, existing, options);
  for (const [index, node] of fresh.entries()) {
    const isFirst = index === 0 && existing.length === 0;
    await options.prepared(node);
    const source = existing.length > 0 ? await writableNode(ctx) : fresh[0];
    await createDataNode(ctx, node, hosts, steps.planning || isFirst ? undefined : source);
    if (isFirst && !steps.planning) await passwordOfStandbys(ctx, { ...options, quietly: true });
  }
}

/** One that has registered again begins with a new state. */
async function fences(ctx: Context, node: Member, { orphans }: Registration): Promise<void> {
  const isNew = orphans.includes(node.name) && !ctx.steps.planning;
  const facts = isNew ? await readFacts(ctx.relay(node), node, ctx.signal) : ctx.factsOf(node);
  await ensureFencing(ctx, node, facts);
}

/**
 * The keeper of a standby takes another TLS mode once it has logged in on the primary with it, and with the password that
 * its file has by then (pg_setup_standby_mode, pgctl.c; seen in the lab: where the primary had yet to get that
 * password, the standby stayed with the old mode for good). A primary that is not there yet gets it later.
 */
async function passwordBeforeTls(ctx: Context): Promise<void> {
  const primary = ctx.steps.planning ? undefined : await namedPrimary(ctx);
  if (primary) await setPasswordOfStandbys(ctx, primary, ctx.steps);
}

/** The replicator's password, set on the primary: on a standby it arrives by replication. */
async function passwordOfStandbys(
  ctx: Context,
  { convergeDeadlineMs, quietly }: NodesOptions & { quietly?: boolean },
): Promise<void> {
  const { steps } = ctx;
  const primary = steps.planning ? await namedPrimary(ctx) : await primaryOf(ctx, convergeDeadlineMs);
  if (primary) await setPasswordOfStandbys(ctx, primary, quietly ? steps.within : steps);
}

async function setPasswordOfStandbys(ctx: Context, primary: Member, steps: Steps): Promise<void> {
  const session = await ctx.answering(primary);
  await ensureRolePassword(session, primary.name, replicationRole, ctx.secrets.replication, steps);
}

/** Nodes that forgot their monitor register at the new one: the primary first, so that it is the primary there. */
async function registerAgain(ctx: Context, orphans: readonly Member[]): Promise<void> {
  if (orphans.length === 0) return;
  const { formation, incus, steps, signal, monitor } = ctx;
  const enable = (node: Member) =>
    steps.take(node.name, 'register at the monitor again', () =>
      enableMonitor(incus, formation, node, monitor, signal),
    );
  const registered = steps.planning ? [] : await readNodes(await ctx.answering(monitor), formation.name);
  const primaries: Member[] = [];
  for (const node of orphans) {
    const session = await ctx.answering(node);
    const [row] = await session.query('SELECT pg_is_in_recovery() AS standby');
    if (row?.['standby'] !== true) primaries.push(node);
  }
  if (registered.length === 0 && primaries.length !== 1) {
    const names = primaries.map(({ name }) => name).join(' and ');
    throw new InputError([
      `nodes: the monitor is new, and ${primaries.length === 0 ? 'no data node is a primary' : `${names} both take writes`}; which one's data counts is for you to say: ${primaries.length === 0 ? 'promote it (SELECT pg_promote())' : 'save what you may need of the other (incus export NAME), delete its container (incus delete --force NAME), which is then made anew'}, and run this again`,
    ]);
  }
  for (const node of [...primaries, ...orphans.filter((each) => !primaries.includes(each))])
    await enable(node);
}

/** Nodes whose container is gone: dropped by the monitor, once another node is the primary. */
async function dropGone(ctx: Context, { gone }: Registration): Promise<void> {
  const { formation, incus, steps, signal, monitor } = ctx;
  for (const { name } of gone) {
    await steps.take(name, 'drop its old registration from the monitor', async () => {
      await retryUntil(
        `the formation to fail over from ${name}, whose container is gone`,
        { deadlineMs: 180_000, pauseMs: 300, signal },
        async () => {
          const nodes = await readNodes(await ctx.open(monitor), formation.name);
          const primary = settledPrimary(nodes.filter((node) => node.name !== name));
          if (primary) return true;
          throw new EnvironmentError(describeNodes(nodes));
        },
      );
      await dropNode(incus, formation, monitor, name, signal);
      await untilDropped(ctx, name);
    });
  }
}

/** Nodes that the file does not name: dropped by the monitor, then their containers deleted. */
async function pruneStrays(ctx: Context, { strays }: Registration): Promise<void> {
  const { formation, incus, steps, signal, monitor } = ctx;
  if (strays.length > 0) await refuseToPrunePrimary(ctx, strays);
  for (const { name } of strays) {
    await steps.take(name, 'drop the node, and delete its container', async () => {
      await dropNode(incus, formation, monitor, name, signal);
      await untilDropped(ctx, name);
      const instance = await incus.instance(name, signal);
      if (instance?.config[formationKey] === formation.name) await incus.delete(name, signal);
    });
  }
}

/** @throws InputError where one of those that stay is not, for certain, the primary */
async function refuseToPrunePrimary(ctx: Context, strays: readonly MonitorNode[]): Promise<void> {
  const nodes = await readNodes(await ctx.answering(ctx.monitor), ctx.formation.name);
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
      const nodes = await readNodes(await ctx.open(ctx.monitor), ctx.formation.name);
      return nodes.some((node) => node.name === name) ? undefined : true;
    },
  );
}

/**
 * Settings, and the restarts that some need: one node at a time, standbys first, each back in the formation
 * before the next. A primary is not restarted: the monitor may take that for its end and fail over (seen in
 * the lab), so it hands over first, in order.
 */
async function settingsInTurn(
  ctx: Context,
  existing: readonly Member[],
  { settled, convergeDeadlineMs }: NodesOptions,
): Promise<void> {
  const { formation, steps } = ctx;
  const found = await Promise.all(
    existing.map(async (node): Promise<[Member, SettingsDifference | undefined]> => {
      if (steps.planning && (await ctx.openIfAnswers(node)) === undefined) return [node, undefined];
      return [node, await ctx.despiteRestart(node, () => settingsToChange(ctx, node))];
    }),
  );
  const due = found.filter((entry): entry is [Member, SettingsDifference] => entry[1] !== undefined);
  refuseLower(due);
  if (due.every(([, { restart }]) => restart.length === 0)) {
    for (const [node, difference] of due) await changeSettings(ctx, node, difference, steps);
    return;
  }
  const primary = steps.planning ? await namedPrimary(ctx) : await primaryOf(ctx, convergeDeadlineMs);
  const inTurn = [...due.filter(([node]) => node !== primary), ...due.filter(([node]) => node === primary)];
  for (const [node, difference] of inTurn) {
    if (!steps.planning) await settled();
    if (node === primary && difference.restart.length > 0) {
      await steps.take(
        formation.name,
        `switch over from ${node.name} (writes pause for seconds)`,
        async () => {
          await performFailover(await ctx.answering(ctx.monitor), ctx.formation.name, ctx.signal);
          await settled();
        },
      );
    }
    await changeSettings(ctx, node, difference, steps);
  }
  if (!steps.planning) await settled();
}

/** @throws InputError: a standby with less of these than its primary does not start, in whatever order they go */
function refuseLower(due: readonly [Member, SettingsDifference][]): void {
  const lowered = [...new Set(due.flatMap(([, difference]) => difference.lowered))];
  if (lowered.length === 0) return;
  throw new InputError([
    `postgres.settings: ${lowered.join(', ')}: a running formation cannot take less of it one node after the other; in a maintenance window stop pg_autoctl on the standbys, ALTER SYSTEM and restart Postgres on the primary, start pg_autoctl on the standbys, then run this again for the rest`,
  ]);
}
