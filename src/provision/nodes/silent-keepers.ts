import { now } from '../../clock/clock.ts';
import { sleep } from '../../clock/deadline.ts';
import type { Member } from '../../formation/formation.ts';
import { readNodes } from '../../monitor/nodes.ts';
import type { Session } from '../../postgres/session.ts';
import type { Context } from '../context.ts';
import { reloadService } from '../members/service.ts';

/**
 * Keepers that run and do not report. A reload is forgotten that is asked for while one is under way, or while the file is
 * being written (keeper_call_reload_hooks, keeper.c of 2.0 to 2.2): in CI one went on verifying the monitor as it was told
 * before, and never reached it again. To read their configuration once more harms none, whatever else keeps them silent.
 */

/** So long a keeper says nothing that reports every second. */
const silentSeconds = 10;
const reloadMs = 10_000;
const answerMs = 30_000;

/**
 * Has the keepers read their configuration again that were silent before, and are so for as long as they are watched here:
 * one whose monitor has only just come up has not had its turn. One that stays silent is told of; check-formation has its
 * cause. Those for which this run has done something, or would, are none of these.
 */
export async function wakeSilent(ctx: Context): Promise<void> {
  const { steps, signal, monitor } = ctx;
  const session = steps.planning ? await ctx.openIfAnswers(monitor) : await ctx.answering(monitor);
  if (session === undefined) return;
  const startedAt = now();
  const isLeftAlone = ({ name }: Member) => steps.changes.some(({ container }) => container === name);
  for (;;) {
    const silent = (await silentOf(ctx, session)).filter((node) => !isLeftAlone(node));
    if (silent.length === 0) return;
    if (now() - startedAt > silentSeconds * 1000) {
      await Promise.all(silent.map((node) => wake(ctx, session, node)));
      return;
    }
    await sleep(500, signal);
  }
}

async function wake(ctx: Context, session: Session, node: Member): Promise<void> {
  const what = `have pg_autoctl read its configuration again, which runs and has not reported for ${silentSeconds} s`;
  await ctx.steps.take(node.name, what, async () => {
    await tellToRead(ctx, node);
    const until = now() + answerMs;
    while ((await silentOf(ctx, session)).includes(node)) {
      if (now() > until) {
        ctx.steps.warn(`${node.name}: its pg_autoctl has not reported after that either`);
        return;
      }
      await sleep(500, ctx.signal);
    }
  });
}

/** The same while the formation converges, of which a silent keeper is part: at once, and no step of its own. */
export async function wakeSilentQuietly(ctx: Context, monitor: Session): Promise<void> {
  await Promise.all(
    (await silentOf(ctx, monitor)).map(async (node) => {
      ctx.steps.note(
        `${node.name} has been silent for ${silentSeconds} s: its pg_autoctl is told to read its configuration again`,
      );
      await tellToRead(ctx, node);
    }),
  );
}

/** Who cannot be told is passed over. */
async function tellToRead(ctx: Context, node: Member): Promise<void> {
  const either = AbortSignal.any([ctx.signal, AbortSignal.timeout(reloadMs)]);
  await reloadService(ctx.container(node).endingWith(either)).catch(() => ctx.signal.throwIfAborted());
}

/** Data nodes whose containers were read, which the monitor has not heard of for too long. */
async function silentOf(ctx: Context, monitor: Session): Promise<Member[]> {
  const silent = (await readNodes(monitor, ctx.formation)).filter(
    ({ secondsSinceReport }) => secondsSinceReport > silentSeconds,
  );
  return ctx.dataNodes.filter((node) => ctx.isOpen(node) && silent.some((row) => row.name === node.name));
}
