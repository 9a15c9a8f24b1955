import { CommandError, EnvironmentError, InputError, lastLines } from '../../contract/errors.ts';
import { giveBackCommand } from '../../formation/command-line.ts';
import type { Formation, Member } from '../../formation/formation.ts';
import { keeperConfigPath } from '../../member/keeper-config.ts';
import { dataNodeSettings, monitorSettings, type Settings } from '../../member/settings.ts';
import { shortUnitOf, unitOf } from '../../member/unit.ts';
import type { Context } from '../context.ts';
import type { Facts, UnreadFilesError } from '../facts.ts';
import type { MemberContainer } from '../member-container.ts';
import {
  altered,
  alteredIn,
  boundedInForce,
  readAltered,
  readControlData,
  settingsOfPrimary,
  wouldNotStart,
  writeAltered,
} from './altered.ts';
import giveBack from './scripts/give-back.sh';
import makeFolders from './scripts/make-folders.sh';
import makeParent from './scripts/make-parent.sh';
import missingFolders from './scripts/missing-folders.sh';
import ownedByRoot from './scripts/owned-by-root.sh';
import strayFiles from './scripts/stray-files.sh';
import { endService, type Standstill } from './service.ts';
import { managedSettingsPath, noted } from './settings.ts';
import { stillMs, watchWhatBecomes } from './unanswering.ts';

/**
 * What keeps the Postgres of a member down, put right as far as no data is touched: owners and modes of its files, the
 * folders of tablespaces, and settings, which ALTER SYSTEM cannot mend while Postgres is down.
 * @param standstill of a data node: is told when Postgres is found to be down
 */
export async function repairStopped(
  ctx: Context,
  container: MemberContainer,
  facts: Facts,
  standstill?: Standstill,
): Promise<void> {
  if (!facts.created) return;
  const { member } = container;
  if (facts.postgresRuns) {
    const becomes = await watchWhatBecomes(ctx, member);
    if (becomes === 'waits') return await startAnew(container);
    if (becomes !== 'down') return;
    if (standstill) standstill.isDown = facts.serviceActive;
  }
  await giveFilesBack(container);
  if (member.role !== 'monitor') await makeTablespaceFolders(ctx, container);
  await mendSettings(container, facts);
}

const homeOfPostgres = '/var/lib/postgresql';

/**
 * Gives a data directory that postgres cannot read, so that nobody knows what it holds, back to it: where it is root's, as
 * a copy is that root has made, and pg_autoctl has set it up. In a plan it is only told.
 * @throws EnvironmentError where that is not so, with the reason and the command line that gives it back
 */
export async function takeBackFromRoot(
  ctx: Context,
  member: Member,
  unread: UnreadFilesError,
): Promise<void> {
  const { formation } = ctx;
  const container = ctx.container(member);
  const paths = [member.pgdata, homeOfPostgres, keeperConfigPath(member)];
  const script = (verb: string) => ['sh', '-c', ownedByRoot, 'sh', verb, ...paths];
  const options = { deadlineMs: 60_000 };
  try {
    await container.exec(script('look'), options);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new EnvironmentError(givenBackByHand(formation, member, unread, lastLines(error.stderr, 1)));
  }
  await container.take('give the data directory, which is of root, back to postgres', async () => {
    // For the same reason as a Standstill; it is started with what else is put right.
    if (member.role !== 'monitor')
      await container.exec(['systemctl', 'stop', unitOf(member)], { deadlineMs: 60_000 });
    await container.exec(script('act'), options);
  });
}

/** @param why it is not for provisioning to do. Pure. */
export function givenBackByHand(
  formation: Formation,
  { name, unit }: Member,
  { what }: UnreadFilesError,
  why: string,
): string {
  const command = giveBackCommand(formation, name, shortUnitOf({ unit }));
  return `${what}; what it holds is not known then, and nothing is changed; they are not given back by themselves: ${why}. Where nobody else is at work on them, do it (${command}), and run this again`;
}

/**
 * Upstream's Postgres was seen to end its walreceiver just after that had begun, and to start no other (15.18, in the
 * lab). It serves nobody, so that it can be ended at once; its keeper would wait for it for a minute.
 */
async function startAnew(container: MemberContainer): Promise<void> {
  const what = `start Postgres anew, which has waited for WAL for ${stillMs / 1000} s while nothing brought it any`;
  await container.take(what, () => endService(container));
}

async function giveFilesBack(container: MemberContainer): Promise<void> {
  const { member } = container;
  const options = { deadlineMs: 60_000 };
  const look = ['sh', '-c', strayFiles, 'sh', member.pgdata];
  const lines = (await container.read(look, options)).split('\n');
  const mode = lines.find((line) => line.startsWith('mode '))?.slice(5);
  const stray = lines
    .filter((line) => line.startsWith('stray '))
    .map((line) => line.slice(6) || 'the folder itself');
  const isOpen = mode !== undefined && !['700', '750'].includes(mode);
  if (stray.length === 0 && !isOpen) return;
  const found = [
    ...(isOpen ? [`mode 0${mode}`] : []),
    ...(stray.length > 0
      ? [
          `${stray.length === 1000 ? 'a thousand files or more' : stray.length === 1 ? 'one file' : `${stray.length} files`} not its own, such as ${stray[0]}`,
        ]
      : []),
  ];
  await container.take(`give the data directory back to postgres (${found.join('; ')})`, () =>
    container.exec(['sh', '-c', giveBack, 'sh', member.pgdata], options),
  );
}

/**
 * The folders of the tablespaces that another node has: one that lacks them can neither be made nor replay (Postgres:
 * "Create this directory for the tablespace before restarting the server").
 */
export async function makeTablespaceFolders(ctx: Context, container: MemberContainer): Promise<void> {
  const options = { deadlineMs: 20_000 };
  for (const other of ctx.dataNodes) {
    if (other.name === container.name || !ctx.factsOf(other).created) continue;
    if ((await ctx.openIfAnswers(other)) === undefined) continue;
    const rows = await ctx.despiteRestart(other, async () =>
      (await ctx.open(other)).query(
        "SELECT pg_tablespace_location(oid) AS path FROM pg_tablespace WHERE pg_tablespace_location(oid) LIKE '/%' ORDER BY 1",
      ),
    );
    const paths = rows.map(({ path }) => String(path));
    if (paths.length === 0) return;
    const look = ['sh', '-c', missingFolders, 'sh', ...paths];
    const missing = (await container.read(look, options)).split('\n').filter(Boolean);
    if (missing.length === 0) return;
    await container.take(`make the folders of tablespaces: ${missing.join(', ')}`, () =>
      container.exec(['sh', '-c', `${makeParent}${makeFolders}`, 'sh', ...missing], options),
    );
    return;
  }
}

/** @throws InputError where Postgres would not start with the file's settings either */
async function mendSettings(container: MemberContainer, facts: Facts): Promise<void> {
  const { formation, member } = container;
  const wanted = member.role === 'monitor' ? monitorSettings(formation.timings) : dataNodeSettings(formation);
  const before = await readAltered(container);
  const managed = facts.managedSettings.split('\n').filter(Boolean);
  const reset = managed.filter((name) => wanted[name] === undefined);
  const found = alteredIn(before);
  const differing = Object.entries(wanted).filter(([name, value]) => found[name] !== value);
  const gone = reset.filter((name) => found[name] !== undefined);
  const candidate = altered(before, Object.fromEntries(differing), gone);
  const why = await wouldNotStart(container, candidate);
  const culprit = why === undefined ? undefined : await culpritOf(container, candidate);
  if (why !== undefined && (culprit === undefined || wanted[culprit] !== undefined)) {
    const key = culprit === undefined ? 'postgres.settings' : `postgres.settings.${culprit}`;
    throw new InputError([
      `${key}: Postgres in ${member.name} is down, and would not start with ${culprit === undefined ? 'what its files say' : `this value`} either: ${why}; mend the formation file, and run this again`,
    ]);
  }
  const resets = culprit === undefined ? gone : [...gone, culprit];
  const startable = altered(before, Object.fromEntries(differing), resets);
  const least = member.role === 'monitor' ? {} : await raised(container, startable);
  const differs = Object.entries({ ...Object.fromEntries(differing), ...least });
  if (differs.length === 0 && resets.length === 0) return;
  const what = [
    ...differs.map(([name, value]) => `set ${name} to ${value}`),
    ...gone.map((name) => `reset ${name}`),
    ...(culprit === undefined ? [] : [`reset ${culprit}, with which it does not start (${why})`]),
  ];
  await container.take(`while Postgres is down: ${what.join(', ')}`, async () => {
    const names = noted([...managed, ...Object.keys(wanted)]);
    await container.write(managedSettingsPath, names);
    await writeAltered(container, altered(before, Object.fromEntries(differs), resets));
  });
}

/**
 * What a standby would have less of, with that postgresql.auto.conf, than its primary had (pg_control keeps that): of what
 * any file says, and of what is built in, which no file names.
 */
async function raised(container: MemberContainer, text: string): Promise<Settings> {
  const would = await boundedInForce(container, text);
  if (would === undefined) return {};
  const known = settingsOfPrimary(await readControlData(container));
  return Object.fromEntries(
    Object.entries(known).filter(([name, least]) => Number(would[name]) < Number(least)),
  );
}

/** The one setting without which Postgres would start; undefined where there is none, or more than a few to try. */
async function culpritOf(container: MemberContainer, text: string): Promise<string | undefined> {
  for (const name of Object.keys(alteredIn(text)).reverse().slice(0, 50)) {
    const without = altered(text, {}, [name]);
    if ((await wouldNotStart(container, without)) === undefined) return name;
  }
  return undefined;
}
