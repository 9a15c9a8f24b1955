import { InputError } from '../../contract/errors.ts';
import { keeps, type Member } from '../../formation/formation.ts';
import { writesHba } from '../../member/keeper-config.ts';
import { nodeHba } from '../../member/pg-hba.ts';
import { isUnitOfOthers } from '../../member/unit.ts';
import type { Context } from '../context.ts';
import { restartService } from '../members/service.ts';
import type { SettingsDifference } from '../members/settings.ts';
import { changeSettings, refuseUnstartable, settingsToChange } from '../members/settings-change.ts';
import { namedPrimary, untilPrimary } from './primary.ts';
import { switchOver } from './switch-over.ts';

/** What is to be done to one node. */
interface Due {
  node: Member;
  difference: SettingsDifference | undefined;
  /** Whether its pg_autoctl must start anew. */
  isServiceDue: boolean;
}

const restartsPostgres = ({ difference, isServiceDue }: Due) =>
  isServiceDue || (difference?.restart.length ?? 0) > 0;

/**
 * Settings, and the restarts that some need: one node at a time, standbys first, each back in the formation
 * before the next. A primary is not restarted: the monitor may take that for its end and fail over (seen in
 * the lab), so it hands over first, in order.
 * @param options.hosts of every data node that may connect
 */
export async function changeSettingsInTurn(
  ctx: Context,
  existing: readonly Member[],
  {
    hosts,
    settle,
    convergeDeadlineMs,
  }: { hosts: readonly string[]; settle: () => Promise<void>; convergeDeadlineMs: number },
): Promise<void> {
  const { steps } = ctx;
  const found = await Promise.all(
    existing.map(async (node): Promise<Due> => {
      const isServiceDue = mustStartAnew(ctx, node);
      if (steps.planning && (await ctx.openIfAnswers(node)) === undefined)
        return { node, difference: undefined, isServiceDue };
      const difference = await ctx.despiteRestart(node, () => settingsToChange(ctx, node));
      return { node, difference, isServiceDue };
    }),
  );
  // As was found, and planned: a former primary has the new one's files by then, and is restarted all the same.
  const change = async (node: Member, difference: SettingsDifference) =>
    await ctx.despiteRestart(node, () => changeSettings(ctx, ctx.container(node), difference));
  const due = found.filter(({ difference, isServiceDue }) => difference !== undefined || isServiceDue);
  refuseLower(due);
  // All of them, before one is changed.
  for (const { node, difference } of due)
    if (difference) await refuseUnstartable(ctx.container(node), difference);
  if (!due.some(restartsPostgres)) {
    for (const { node, difference } of due) if (difference) await change(node, difference);
    return;
  }
  const primary = steps.planning ? await namedPrimary(ctx) : await untilPrimary(ctx, convergeDeadlineMs);
  const inTurn = [
    ...due.filter(({ node }) => node !== primary),
    ...due.filter(({ node }) => node === primary),
  ];
  for (const each of inTurn) {
    const { node, difference, isServiceDue } = each;
    if (!steps.planning) await settle();
    // One that is alone has nobody to hand over to.
    if (node === primary && restartsPostgres(each) && existing.length > 1)
      await switchOver(ctx, node, settle);
    if (difference) await change(node, difference);
    if (isServiceDue) await startServiceAnew(ctx, node, hosts);
  }
  if (!steps.planning) await settle();
}

/** Whether its pg_autoctl runs by a service file of others', or would go on writing rules of its own. */
function mustStartAnew(ctx: Context, node: Member): boolean {
  const { keeperConfig, serviceActive, unit } = ctx.factsOf(node);
  const isRuling = !keeps(ctx.formation, 'access') && writesHba(keeperConfig);
  return serviceActive && (isUnitOfOthers(unit) || isRuling);
}

/** A standby's pg_autoctl: the node is back with its Postgres when this returns. */
async function startServiceAnew(ctx: Context, node: Member, hosts: readonly string[]): Promise<void> {
  const container = ctx.container(node);
  const isAccessKept = keeps(ctx.formation, 'access');
  const what = `start pg_autoctl anew, by its new service file${isAccessKept ? '' : ', which leaves pg_hba.conf alone from then on'}; writes may wait for seconds`;
  await container.take(
    what,
    async () => {
      ctx.closeSession(node);
      await restartService(
        container,
        isAccessKept ? undefined : nodeHba(ctx.formation, ctx.monitor.host, hosts),
      );
      await ctx.answering(node);
    },
    'pg_autoctl and Postgres',
  );
}

/** The monitor's pg_autoctl, where it runs by a service file of others'. */
export async function startMonitorAnew(ctx: Context, settle: () => Promise<void>): Promise<void> {
  const { formation, monitor, steps } = ctx;
  if (!ctx.isOpen(monitor) || keeps(formation, 'monitor')) return;
  const { created, serviceActive, unit } = ctx.factsOf(monitor);
  if (!created || !serviceActive || !isUnitOfOthers(unit)) return;
  const container = ctx.container(monitor);
  const what = 'start pg_autoctl anew, by its new service file; nobody can fail over for seconds';
  await container.take(
    what,
    async () => {
      ctx.closeSession(monitor);
      await restartService(container);
      await ctx.answering(monitor);
    },
    'pg_autoctl and Postgres',
  );
  if (!steps.planning) await settle();
}

/** @throws InputError: a standby with less of these than its primary does not start, in whatever order they go */
function refuseLower(due: readonly Due[]): void {
  const lowered = [...new Set(due.flatMap(({ difference }) => difference?.lowered ?? []))];
  if (lowered.length === 0) return;
  throw new InputError([
    `postgres.settings: ${lowered.join(', ')}: a running formation cannot take less of it one node after the other; in a maintenance window stop pg_autoctl on the standbys, ALTER SYSTEM and restart Postgres on the primary, start pg_autoctl on the standbys, then run this again for the rest`,
  ]);
}
