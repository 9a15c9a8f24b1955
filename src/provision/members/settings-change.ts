import { InputError, messageOf } from '../../contract/errors.ts';
import type { Member } from '../../formation/formation.ts';
import { dataNodeSettings } from '../../member/settings.ts';
import type { Context } from '../context.ts';
import type { MemberContainer } from '../member-container.ts';
import { altered, readAltered, wouldNotStart, writeAltered } from './altered.ts';
import { restartPostgres } from './service.ts';
import { applySettings, type SettingsDifference, settingsDifference } from './settings.ts';

/** Another setting of a node that runs, with the restart that it may take. */

/** What is to be changed of a node's settings; undefined where nothing is. */
export async function settingsToChange(ctx: Context, node: Member): Promise<SettingsDifference | undefined> {
  const session = await ctx.answering(node);
  const wanted = dataNodeSettings(ctx.formation);
  const found = await settingsDifference(session, wanted, ctx.factsOf(node).managedSettings);
  return found.needed ? found : undefined;
}

/** Changes a node's settings, and restarts its Postgres where one of them takes that. */
export async function changeSettings(
  ctx: Context,
  container: MemberContainer,
  difference: SettingsDifference,
): Promise<void> {
  const { member: node, steps, signal } = container;
  const { restart } = difference;
  await refuseUnstartable(container, difference);
  const before = restart.length === 0 || steps.planning ? '' : await readAltered(container);
  const session = await ctx.answering(node);
  await applySettings(container, session, difference);
  if (restart.length === 0) return;
  await container.take(`restart Postgres for ${restart.join(', ')}`, async () => {
    ctx.closeSession(node);
    await restartPostgres(container);
    try {
      await ctx.answering(node);
    } catch (error) {
      signal.throwIfAborted();
      await writeAltered(container, before);
      await ctx.answering(node);
      throw new InputError([
        `postgres.settings: ${node.name} did not start with ${restart.join(', ')} as asked for, and has its previous settings again: ${messageOf(error)}`,
      ]);
    }
  });
}

/**
 * Tries what is to be restarted for: a setting that Postgres takes need not be one that it starts with.
 * @throws InputError with Postgres' own words, before anything was changed
 */
export async function refuseUnstartable(
  container: MemberContainer,
  { set, reset, restart }: SettingsDifference,
): Promise<void> {
  if (restart.length === 0) return;
  const text = altered(await readAltered(container), Object.fromEntries(set), reset);
  const why = await wouldNotStart(container, text);
  if (why === undefined) return;
  throw new InputError([
    `postgres.settings: Postgres in ${container.name} would not start with ${restart.join(', ')} as asked for: ${why}; that was tried beforehand, and no setting was changed`,
  ]);
}
