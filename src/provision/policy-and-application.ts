import type { Member } from '../formation/formation.ts';
import type { Remembered } from '../incus/environment.ts';
import { placeholderPassword } from '../postgres/placeholder.ts';
import { clearObstacles, ensureApplication } from './application/application.ts';
import type { Context } from './context.ts';
import { isBlank } from './facts.ts';
import { ensureReplicationPolicy, ensureWritable } from './nodes/policy.ts';
import { namedPrimary, untilPrimary, writableNode } from './nodes/primary.ts';
import { nodesOf, type Registered } from './nodes/registration.ts';
import type { ProvisionOptions } from './options.ts';
import { refusePlaceholder } from './passwords/placeholder.ts';

/** What was known before the nodes were brought up. */
export interface Known {
  registered: Registered;
  remembered: Remembered;
}

/**
 * What a formation takes once its nodes are there: replication policy, users, databases and extensions.
 * @param settle waits until the monitor has every node where it wants it
 */
export async function ensurePolicyAndApplication(
  ctx: Context,
  options: ProvisionOptions,
  { registered, remembered }: Known,
  settle: () => Promise<void>,
): Promise<void> {
  const { formation, steps, monitor } = ctx;
  if (steps.planning && nodesOf(registered).length === 0) {
    const writable = await writableNode(ctx);
    // Users and databases are not new where no node that may have them could be asked.
    const isUnread = ctx.dataNodes.some((node) => !ctx.isOpen(node) || !isBlank(ctx.factsOf(node)));
    return writable || !isUnread ? await bringApplicationIn(ctx, options, writable, remembered) : undefined;
  }
  if (!steps.planning) await settle();
  const session = await ctx.answering(monitor);
  await ensureReplicationPolicy(session, formation, steps, settle);
  const primary = steps.planning
    ? await namedPrimary(ctx)
    : await untilPrimary(ctx, options.convergeDeadlineMs);
  if (primary === undefined) return;
  await ensureWritable(await ctx.answering(primary), primary.name, steps);
  await bringApplicationIn(ctx, options, primary, remembered);
}

/** Users, databases and extensions. @param primary undefined in the plan of a formation that is not there */
async function bringApplicationIn(
  ctx: Context,
  options: ProvisionOptions,
  primary: Member | undefined,
  remembered: Remembered,
): Promise<void> {
  const { formation, steps } = ctx;
  // What could not be read before it ran may have other passwords.
  for (const role of await refusePlaceholder(ctx, options, primary, remembered))
    if (options.passwords.get(role) === placeholderPassword)
      options.log.warn(`the placeholder takes the place of another password of ${role}`);
  const open = primary && (async (database: string) => await ctx.open(primary, database));
  const closed = open ? await clearObstacles(open, formation, steps) : [];
  await ensureApplication(open, ctx, options.passwords, closed);
}
