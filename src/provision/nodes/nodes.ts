import { keeps, type Member } from '../../formation/formation.ts';
import { hasTls } from '../../member/keeper-config.ts';
import { replicationRole } from '../../member/roles.ts';
import type { Context } from '../context.ts';
import { bringDataNodeUp, createDataNode, ensureFencing } from '../members/data-node.ts';
import { ensureRolePassword } from '../passwords/secrets.ts';
import type { Steps } from '../steps.ts';
import { dropGone, pruneStrays, registerAgain } from './membership.ts';
import { namedPrimary, untilPrimary, writableNode } from './primary.ts';
import type { Registration } from './registration.ts';
import { changeSettingsInTurn } from './settings-in-turn.ts';
import { ensureStandbysFollow } from './standbys.ts';

/** The data nodes together: which are put right, registered again, dropped, made anew, restarted, and in what order. */

export interface NodesOptions {
  prune: boolean;
  convergeDeadlineMs: number;
  /** Waits until the monitor has every node where it wants it; `among` where not all are there yet. */
  settle: (among?: readonly Member[]) => Promise<void>;
  /** Waits until the container of a node is there, with all that it takes to create the node. */
  untilPrepared: (node: Member) => Promise<void>;
}

/** @param hosts of every data node that may connect: those of the file, and those left alone */
export async function bringDataNodesUp(
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
  await setPasswordBeforeTls(ctx);
  const first = isTlsChanged && existing.length > 2 ? await namedPrimary(ctx) : undefined;
  const up = (node: Member) =>
    bringDataNodeUp(ctx, ctx.container(node), ctx.factsOf(node), {
      hosts,
      registers: registration.orphans.includes(node.name),
    });
  // All but those that are still to be made.
  const there = ctx.dataNodes.filter((node) => !fresh.includes(node));
  const registered = there.filter(({ name }) => !registration.orphans.includes(name));
  // A standby is restarted for another TLS mode. Of several one always stays that can take over.
  if (first !== undefined) {
    for (const node of [first, ...existing.filter((each) => each !== first)]) {
      await up(node);
      if (!steps.planning) await options.settle(registered);
    }
  } else await Promise.all(existing.map(up));
  const primary = existing.length > 1 ? await namedPrimary(ctx) : undefined;
  if (primary) await ensureStandbysFollow(ctx, primary, existing);
  const isWhole = fresh.length + registration.orphans.length + registration.gone.length === 0;
  // Standbys were restarted for it.
  if (isTlsChanged && isWhole && !steps.planning) await options.settle();
  await registerAgain(
    ctx,
    existing.filter(({ name }) => registration.orphans.includes(name)),
  );
  await Promise.all(existing.map((node) => ensureFences(ctx, node, registration)));
  await dropGone(ctx, registration);
  if (existing.length > 0) await setPasswordOfStandbys(ctx, options);
  if (options.prune) await pruneStrays(ctx, registration);
  // Before new nodes are made: they take the settings of the primary with its data.
  await changeSettingsInTurn(ctx, existing, { ...options, hosts, settle: () => options.settle(there) });
  for (const [index, node] of fresh.entries()) {
    const isFirst = index === 0 && existing.length === 0;
    await options.untilPrepared(node);
    const source = existing.length > 0 ? await writableNode(ctx) : fresh[0];
    await createDataNode(ctx, node, hosts, steps.planning || isFirst ? undefined : source);
    if (isFirst && !steps.planning) await setPasswordOfStandbys(ctx, { ...options, quietly: true });
  }
}

/** One that has registered again begins with a new state. */
async function ensureFences(ctx: Context, node: Member, { orphans }: Registration): Promise<void> {
  const isNew = orphans.includes(node.name) && !ctx.steps.planning;
  const facts = isNew ? await ctx.readFacts(node) : ctx.factsOf(node);
  await ensureFencing(ctx, node, facts);
}

/**
 * The keeper of a standby takes another TLS mode once it has logged in on the primary with it, and with the password that
 * its file has by then (pg_setup_standby_mode, pgctl.c; seen in the lab: where the primary had yet to get that
 * password, the standby stayed with the old mode for good). A primary that is not there yet gets it later.
 */
async function setPasswordBeforeTls(ctx: Context): Promise<void> {
  const primary = ctx.steps.planning ? undefined : await namedPrimary(ctx);
  if (primary) await setPasswordOn(ctx, primary, ctx.steps);
}

/** The replicator's password, set on the primary: on a standby it arrives by replication. */
async function setPasswordOfStandbys(
  ctx: Context,
  { convergeDeadlineMs, quietly }: NodesOptions & { quietly?: boolean },
): Promise<void> {
  const { steps } = ctx;
  const primary = steps.planning ? await namedPrimary(ctx) : await untilPrimary(ctx, convergeDeadlineMs);
  if (primary) await setPasswordOn(ctx, primary, quietly ? steps.within : steps);
}

async function setPasswordOn(ctx: Context, primary: Member, steps: Steps): Promise<void> {
  if (keeps(ctx.formation, 'access')) return;
  const session = await ctx.answering(primary);
  await ensureRolePassword(ctx.container(primary, steps), session, replicationRole, ctx.secrets.replication);
}
