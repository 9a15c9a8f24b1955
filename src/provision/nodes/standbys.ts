import type { Member } from '../../formation/formation.ts';
import { dataNodeSettings, notBelowPrimary } from '../../member/settings.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/identifier.ts';
import type { Context } from '../context.ts';
import { endService, restartPostgres } from '../members/service.ts';
import { isSeenToAskForNothing, stillMs } from '../members/unanswering.ts';

/**
 * Standbys that take sessions and do not follow, for what is wrong with their Postgres alone: settings below those of the
 * primary, for which it pauses replay, and a startup process that asks for no WAL any more. Both need a new start of a
 * standby that serves nobody who wants the newest data.
 */
export async function ensureStandbysFollow(
  ctx: Context,
  primary: Member,
  existing: readonly Member[],
): Promise<void> {
  const bounds = await boundedOf(ctx, primary);
  await Promise.all(
    existing.filter((node) => node !== primary).map((node) => ensureFollows(ctx, node, bounds)),
  );
}

async function ensureFollows(ctx: Context, node: Member, bounds: ReadonlyMap<string, number>): Promise<void> {
  if ((await ctx.openIfAnswers(node)) === undefined) return;
  await ctx.despiteRestart(node, () => ensureAnsweringFollows(ctx, node, bounds));
}

async function ensureAnsweringFollows(
  ctx: Context,
  node: Member,
  bounds: ReadonlyMap<string, number>,
): Promise<void> {
  const { formation, steps } = ctx;
  const session = await ctx.open(node);
  const [row] = await session.query('SELECT pg_is_in_recovery() AS standby');
  if (row?.['standby'] !== true) return;
  const own = await boundedOf(ctx, node);
  const wanted = dataNodeSettings(formation);
  const low = [...bounds].flatMap(([name, least]): [string, number][] =>
    (own.get(name) ?? least) < least ? [[name, Math.max(least, Number(wanted[name] ?? 0))]] : [],
  );
  if (low.length > 0) {
    const what = low.map(([name, value]) => `set ${name} to ${value}`).join(', ');
    await steps.take(
      node.name,
      `${what}, below which it cannot follow its primary, and restart Postgres`,
      async () => {
        for (const [name, value] of low)
          await session.query(`ALTER SYSTEM SET ${quoteIdentifier(name)} = ${quoteLiteral(String(value))}`);
        ctx.closeSession(node);
        await restartPostgres(ctx.container(node));
        await ctx.answering(node);
      },
    );
  } else if (await isSeenToAskForNothing(ctx, node)) await startAnew(ctx, node);
}

/**
 * Starts pg_autoctl and Postgres anew on each standby that has no walreceiver for half a minute and does not say why.
 * pg_autoctl of 2.0 was seen to leave one with an empty primary_conninfo, which a start of pg_autoctl writes again; a
 * start of Postgres alone does not. What cannot be looked at is left alone.
 */
export async function startForsakenAnew(ctx: Context): Promise<void> {
  await Promise.all(
    ctx.dataNodes.map(async (node) => {
      const isForsaken = await isSeenToAskForNothing(ctx, node).catch(() => {
        ctx.signal.throwIfAborted();
        return false;
      });
      if (isForsaken) await startAnew(ctx, node);
    }),
  );
}

async function startAnew(ctx: Context, node: Member): Promise<void> {
  const what = `start pg_autoctl and Postgres anew, which has asked for no WAL for ${stillMs / 1000} s`;
  await ctx.steps.take(node.name, what, async () => {
    ctx.closeSession(node);
    await endService(ctx.container(node));
    await ctx.answering(node);
  });
}

/** What a node has in force of the settings that a standby must not have less of than its primary. */
async function boundedOf(ctx: Context, node: Member): Promise<Map<string, number>> {
  const session = await ctx.answering(node);
  const sql = 'SELECT name, setting FROM pg_settings WHERE name = ANY($1)';
  const rows = await session.query(sql, [[...notBelowPrimary]]);
  return new Map(rows.map((row) => [String(row['name']), Number(row['setting'])]));
}
