import { keeps } from '../../formation/formation.ts';
import { monitorHba, monitorIdent } from '../../member/pg-hba.ts';
import { autoctlRole } from '../../member/roles.ts';
import { monitorSettings } from '../../member/settings.ts';
import type { Session } from '../../postgres/session.ts';
import type { Context } from '../context.ts';
import type { Facts } from '../facts.ts';
import { ensureFormation } from '../nodes/policy.ts';
import { ensureRolePassword } from '../passwords/secrets.ts';
import type { Steps } from '../steps.ts';
import { create } from './creation.ts';
import { ensureFile, layGround } from './groundwork.ts';
import { repairStopped } from './repair.ts';
import { ensureRunning } from './running.ts';
import { applySettings, settingsDifference } from './settings.ts';

/** The monitor: created or put right, answering, with its accounts, clocks and the formation. */
export async function bringMonitorUp(ctx: Context, hosts: readonly string[]): Promise<void> {
  const { formation, steps, monitor } = ctx;
  if (keeps(formation, 'monitor'))
    return await ensureFormation(await ctx.answering(monitor), formation, steps);
  const facts = ctx.factsOf(monitor);
  if (facts.created) return await converge(steps, facts);
  await steps.take(monitor.name, 'create the monitor', async () => {
    const container = ctx.container(monitor, steps.within);
    await layGround(ctx, container, facts);
    await create(container);
    await converge(steps.within, await ctx.readFacts(monitor));
  });

  async function converge(taking: Steps, now: Facts): Promise<void> {
    const container = ctx.container(monitor, taking);
    const certificate = await layGround(ctx, container, now);
    await repairStopped(ctx, container, now);
    const isAccessKept = keeps(formation, 'access');
    const setPassword = (session: Session) =>
      ensureRolePassword(container, session, autoctlRole, ctx.secrets.autoctl);
    // Before a rule asks for it.
    const early = isAccessKept || !now.serviceActive ? undefined : await ctx.openIfAnswers(monitor);
    if (early) await setPassword(early);
    const rules = !isAccessKept && (await ensureFile(container, 'pg_hba.conf', now.hba, monitorHba(hosts)));
    const names = !isAccessKept && (await ensureFile(container, 'pg_ident.conf', now.ident, monitorIdent()));
    const session = await ensureRunning(ctx, container, now, certificate || rules || names);
    if (session === undefined) return;
    if (!isAccessKept && early === undefined) await setPassword(session);
    const settings = monitorSettings(formation.timings);
    const difference = await settingsDifference(session, settings, now.managedSettings);
    if (difference.needed) await applySettings(container, session, difference);
    await ensureFormation(session, formation, taking);
  }
}
