import type { Member } from '../../formation/formation.ts';
import { performFailover } from '../../monitor/switchover.ts';
import type { Context } from '../context.ts';

/** Has a primary hand over, as a step of the run. @param settle waits until the monitor has every node where it wants it */
export async function switchOver(ctx: Context, from: Member, settle: () => Promise<void>): Promise<void> {
  const { formation, steps, signal } = ctx;
  await steps.take(formation.name, `switch over from ${from.name} (writes pause for seconds)`, async () => {
    await performFailover(await ctx.answering(ctx.monitor), formation.name, signal);
    await settle();
  });
}
