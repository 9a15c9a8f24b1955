import { retryUntil } from '../../clock/deadline.ts';
import { DeadlineError, NotConvergedError } from '../../contract/errors.ts';
import { keeps, type Member, sslMode } from '../../formation/formation.ts';
import { hasTls } from '../../member/keeper-config.ts';
import { authorityFile } from '../../member/tls.ts';
import { unitOf } from '../../member/unit.ts';
import type { Session } from '../../postgres/session.ts';
import type { Context } from '../context.ts';
import type { Facts } from '../facts.ts';
import type { MemberContainer } from '../member-container.ts';
import { enableTls } from './autoctl.ts';
import { ensureService, reloadService } from './service.ts';

/**
 * The service runs, with the formation's TLS mode, and has read what changed.
 * @returns its session; undefined in a plan where the service does not run
 */
export async function ensureRunning(
  ctx: Context,
  container: MemberContainer,
  facts: Facts,
  changed: boolean,
): Promise<Session | undefined> {
  const { formation, member, steps } = container;
  // What was read of it may be minutes old, and one that has come to itself is left alone.
  const isDoubtful = facts.mistakenPostmaster && !steps.planning;
  const latest = isDoubtful ? await ctx.readFacts(member) : facts;
  const started = await ensureService(container, latest);
  const enabled = hasTls(formation, facts.keeperConfig);
  // `enable ssl` reloads it as well, and a second reload is lost while the first is under way (below).
  if (changed && enabled && !started && !steps.planning) await reloadService(container);
  if (steps.planning && started) return undefined;
  const before = await ctx.despiteRestart(member, () => tlsState(ctx, member));
  if (enabled && before.hasAuthority && before.hasMode) return await ctx.answering(member);
  const what = enabled ? 'reload pg_autoctl, which has not taken' : 'enable';
  await container.take(
    `${what} tls: ${formation.tls}`,
    async () => {
      if (enabled) await reloadService(container);
      else await enableTls(container, facts.keeperConfig);
      await untilTlsTaken(ctx, container, before);
    },
    // Its keeper does that for the way to its primary.
    before.isStandby ? 'Postgres' : undefined,
  );
  return await ctx.answering(member);
}

interface TlsState {
  isStandby: boolean;
  startedAt: string;
  /** Whether Postgres has the formation's CA, or none where there is none. */
  hasAuthority: boolean;
  /** Whether a standby follows its primary by the formation's mode; true of what follows nobody. */
  hasMode: boolean;
}

async function tlsState(ctx: Context, member: Member): Promise<TlsState> {
  const session = await ctx.open(member);
  const [row] = await session.query(
    `SELECT pg_is_in_recovery() AS standby, pg_postmaster_start_time()::text AS started,
            $1::text IS NULL OR current_setting('ssl_ca_file') = $1 AS authority,
            NOT pg_is_in_recovery() OR current_setting('primary_conninfo') !~ 'sslmode='
              OR current_setting('primary_conninfo') ~ $2 AS mode`,
    [
      keeps(ctx.formation, 'certificates') ? null : authorityFile(ctx.formation),
      `sslmode=${sslMode(ctx.formation)}( |$)`,
    ],
  );
  return {
    isStandby: row?.['standby'] === true,
    startedAt: String(row?.['started']),
    hasAuthority: row?.['authority'] === true,
    hasMode: row?.['mode'] === true,
  };
}

const tlsDeadlineMs = 10_000;
const tlsReloads = 5;

/**
 * Waits until Postgres has taken what `pg_autoctl enable ssl` left to the keeper, which restarts a standby for it
 * (seen in the lab): what follows would come upon a formation that is about to lose its standby. It is told again
 * where it does not: a reload that is asked for while one is under way is forgotten (asked_to_reload is cleared at
 * the end of keeper_call_reload_hooks, pg_auto_failover 2.0 to 2.2, keeper.c; seen in CI).
 * @throws NotConvergedError
 */
async function untilTlsTaken(ctx: Context, container: MemberContainer, before: TlsState): Promise<void> {
  const { formation, member, signal } = container;
  for (let reloads = 0; ; reloads++) {
    try {
      await retryUntil(
        `Postgres in ${member.name} to take tls: ${formation.tls}`,
        { deadlineMs: tlsDeadlineMs, pauseMs: 200, signal },
        async () => {
          const now = await tlsState(ctx, member);
          // It is restarted for a change of its file alone, which an earlier reload may have made.
          const isRestarted = before.hasMode || now.startedAt !== before.startedAt || reloads > 0;
          return (now.hasAuthority && now.hasMode && (!now.isStandby || isRestarted)) || undefined;
        },
      );
      return;
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      if (reloads === tlsReloads) {
        throw new NotConvergedError(
          `Postgres in ${member.name} has not taken tls: ${formation.tls} in ${((reloads + 1) * tlsDeadlineMs) / 1000} s, though pg_autoctl was told to ${reloads + 1} times; \`journalctl -u ${unitOf(member)}\` in the container says why`,
        );
      }
      await reloadService(container);
    }
  }
}
