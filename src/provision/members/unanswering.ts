import {
  didNothing,
  type ObservedStartup,
  type ObservedTrouble,
  parseTrouble,
  troubleProbe,
} from '../../check/trouble-probe.ts';
import { now } from '../../clock/clock.ts';
import { sleep } from '../../clock/deadline.ts';
import type { Member } from '../../formation/formation.ts';
import type { Context } from '../context.ts';

/** What becomes of a Postgres that runs and takes no sessions. */
export type Becomes =
  /** It takes sessions. */
  | 'answers'
  /** It ended: pg_autoctl starts it every ten seconds, and it is up for a moment each time. */
  | 'down'
  /** A standby that waits for WAL, and nothing brings it any. */
  | 'waits'
  /** It is at work, or nobody could tell: it is left alone. */
  | 'works';

/** For so long one is watched that does nothing. pg_autoctl and Postgres try everything again within ten seconds. */
export const stillMs = 30_000;
/** And for so long one that does something: time enough for a start that fails to have failed. */
const workMs = 15_000;
const pauseMs = 500;
const lookBytes = 2 * 1024 * 1024;

/** Watches one for as long as it takes to tell, a minute at most. */
export async function watchWhatBecomes(ctx: Context, member: Member): Promise<Becomes> {
  const startedAt = now();
  let stillSince: { at: number; startup: ObservedStartup } | undefined;
  for (;;) {
    if (await ctx.openIfAnswers(member)) return 'answers';
    const { runs, startup } = (await look(ctx, member)).postgres;
    if (!runs) return 'down';
    if (startup === undefined || !waitsForNothing(startup)) stillSince = undefined;
    else if (
      stillSince === undefined ||
      !didNothing(stillSince.startup, startup) ||
      startup.failure !== stillSince.startup.failure
    )
      stillSince = { at: now(), startup };
    if (stillSince !== undefined && now() - stillSince.at > stillMs) return 'waits';
    if (now() - startedAt > (stillSince === undefined ? workMs : 2 * stillMs)) return 'works';
    await sleep(pauseMs, ctx.signal);
  }
}

/** A standby that is still, and has nobody who would bring it WAL. */
export function waitsForNothing({ isStill, receives }: ObservedStartup): boolean {
  return isStill && !receives;
}

/**
 * Whether a standby that takes sessions has stopped asking for WAL: no walreceiver, nothing replayed and nothing said of a
 * failure for as long as it is watched, whether or not it has a primary_conninfo. One that fails tries again, and says so,
 * within ten seconds.
 */
export async function isSeenToAskForNothing(ctx: Context, standby: Member): Promise<boolean> {
  const startedAt = now();
  let first: string | undefined;
  for (;;) {
    const session = await ctx.openIfAnswers(standby);
    const [row] = (await session?.query(waiting)) ?? [];
    if (row === undefined || row['waits'] !== true) return false;
    const { startup } = (await look(ctx, standby)).postgres;
    if (startup === undefined || startup.receives) return false;
    const told = `${row['replayed']} ${startup.pid} ${startup.failure}`;
    first ??= told;
    if (told !== first) return false;
    if (now() - startedAt > stillMs) return true;
    await sleep(pauseMs, ctx.signal);
  }
}

const waiting = `SELECT pg_is_in_recovery() AND NOT pg_is_wal_replay_paused()
    AND NOT EXISTS (SELECT FROM pg_stat_wal_receiver) AS waits, pg_last_wal_replay_lsn()::text AS replayed`;

async function look(ctx: Context, member: Member): Promise<ObservedTrouble> {
  const options = { deadlineMs: 10_000, maxBytes: lookBytes, signal: ctx.signal };
  return parseTrouble(await ctx.relay(member).read(troubleProbe(member), options));
}
