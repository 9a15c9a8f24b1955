import { keeps } from '../formation/formation.ts';
import { hbaAddress, hostsInMonitorHba, monitorHba } from '../member/pg-hba.ts';
import { readOtherHosts } from '../monitor/nodes.ts';
import type { Context } from './context.ts';
import { isBlank } from './facts.ts';
import { bringMonitorUp } from './members/monitor.ts';
import type { Survey } from './survey.ts';

/** A monitor may serve several formations, and their runs may be at work on it at once. */

/**
 * The monitor up, letting in our nodes and those of its other formations. What is to be changed of that is read anew and
 * written while no other formation's run does so; and while one is under way, its nodes may have yet to register, so that
 * whom pg_hba.conf lets in already stays.
 * @param isStarting whether the monitor was started just now
 */
export async function bringSharedMonitorUp(
  ctx: Context,
  survey: Survey,
  hosts: readonly string[],
  isStarting: boolean,
): Promise<void> {
  const { monitor, steps } = ctx;
  if (keeps(ctx.formation, 'monitor')) return await bringMonitorUp(ctx, hosts);
  const facts = ctx.factsOf(monitor);
  const besides = await hostsOfOtherFormations(ctx, survey, isStarting);
  const letIn = [...new Set([...hosts, ...besides.hosts])];
  const isRight = facts.created && facts.hba === monitorHba(letIn) && besides.asked;
  // A new one serves nobody yet.
  if (isRight || isBlank(facts) || steps.planning || survey.locks === undefined)
    return await bringMonitorUp(ctx, letIn);
  await survey.locks.aloneOnMonitor(async (others) => {
    await survey.read([monitor]);
    const latest = await hostsOfOtherFormations(ctx, survey, isStarting);
    const kept = others ? addressesOf(hostsInMonitorHba(ctx.factsOf(monitor).hba ?? '')) : [];
    const all = [...new Set([...hosts, ...latest.hosts, ...kept])];
    await bringMonitorUp(ctx, all);
    if (latest.asked) return;
    // Now it can tell.
    const { hosts: told } = await hostsOfOtherFormations(ctx, survey, true);
    if (told.every((host) => all.includes(host))) return;
    await survey.read([monitor]);
    await bringMonitorUp(ctx, [...new Set([...all, ...told])]);
  });
}

/**
 * Nodes of the monitor's other formations, which its pg_hba.conf must go on letting in.
 * @param isStarting whether the monitor was started just now
 */
async function hostsOfOtherFormations(
  ctx: Context,
  survey: Survey,
  isStarting: boolean,
): Promise<{ hosts: string[]; asked: boolean }> {
  const facts = ctx.facts.get(ctx.monitor.name);
  if (facts !== undefined && isBlank(facts)) return { hosts: [], asked: true };
  const session = await survey.openMonitor(isStarting);
  // One that does not answer lets in whom it let in before; whom that leaves out, it tells once it is up.
  const hosts = session
    ? await readOtherHosts(session, ctx.formation.name)
    : hostsInMonitorHba(facts?.hba ?? '');
  return {
    hosts: hosts.map(hbaAddress).filter((each) => each !== undefined),
    asked: session !== undefined,
  };
}

const addressesOf = (hosts: readonly string[]) => hosts.map(hbaAddress).filter((each) => each !== undefined);
