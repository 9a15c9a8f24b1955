import { now } from '../../clock/clock.ts';
import { sleep } from '../../clock/deadline.ts';
import { NotConvergedError } from '../../contract/errors.ts';
import type { Member } from '../../formation/formation.ts';
import { describeNodes, readNodes, settledPrimary } from '../../monitor/nodes.ts';
import type { Context } from '../context.ts';

/** Which node is the primary. */

/** Waits for the settled primary. @throws NotConvergedError when the monitor names none within `deadlineMs` */
export async function untilPrimary(ctx: Context, deadlineMs: number): Promise<Member> {
  const session = await ctx.answering(ctx.monitor);
  const until = now() + deadlineMs;
  for (;;) {
    // The last look begins after the deadline, however long this process did not get to run.
    const isLast = now() > until;
    const registered = await readNodes(session, ctx.formation);
    const primary = settledPrimary(registered);
    const member = ctx.dataNodes.find((node) => node.name === primary?.name);
    if (member) return member;
    if (isLast)
      throw new NotConvergedError(
        `formation ${ctx.formation.name} has no settled primary: ${describeNodes(registered)}`,
      );
    await sleep(200, ctx.signal);
  }
}

/** The data node that takes writes, for want of a monitor that would name it; undefined where there is none. */
export async function writableNode(ctx: Context): Promise<Member | undefined> {
  for (const node of ctx.dataNodes) {
    // One that was not read, as in a plan, is none that is known to take writes.
    if (!ctx.facts.get(node.name)?.created) continue;
    if ((await ctx.openIfAnswers(node)) === undefined) continue;
    const [row] = await ctx.despiteRestart(node, async () =>
      (await ctx.open(node)).query('SELECT pg_is_in_recovery() AS standby'),
    );
    if (row?.['standby'] === false) return node;
  }
  return undefined;
}

/** The primary that the monitor names, where its Postgres answers; a deleted one is named for a while. */
export async function namedPrimary(ctx: Context): Promise<Member | undefined> {
  const session = await ctx.openIfAnswers(ctx.monitor);
  if (session === undefined) return undefined;
  const name = settledPrimary(await readNodes(session, ctx.formation))?.name;
  const member = ctx.dataNodes.find((node) => node.name === name && ctx.facts.has(node.name));
  return member && (await ctx.openIfAnswers(member)) ? member : undefined;
}
