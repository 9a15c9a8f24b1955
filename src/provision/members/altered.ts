import { dryStart, parseDryStart, parseValuesInForce, valuesInForce } from '../../member/dry-start.ts';
import { controlData } from '../../member/lineage.ts';
import { asPostgres } from '../../member/programs.ts';
import { notBelowPrimary, type Settings } from '../../member/settings.ts';
import type { MemberContainer } from '../member-container.ts';
import { asFiled } from './settings.ts';

/** postgresql.auto.conf of a Postgres that is down, or is to be tried before it is restarted. */

const maxBytes = 1024 * 1024;

/** Its text. @throws CommandError where it cannot be read */
export async function readAltered(container: MemberContainer): Promise<string> {
  const command = asPostgres('head', '-c', String(maxBytes), pathIn(container));
  return await container.read(command, { deadlineMs: 20_000 });
}

export async function writeAltered(container: MemberContainer, text: string): Promise<void> {
  const placement = { owner: 'postgres', mode: '0600', folderOf: 'postgres' } as const;
  await container.write(pathIn(container), text, placement);
}

const pathIn = ({ member }: MemberContainer) => `${member.pgdata}/postgresql.auto.conf`;

const nameOf = (line: string) => /^\s*([\w.]+)\s*=/.exec(line)?.[1];

/** Names and values that the file sets, comments and all else left out. */
export function alteredIn(text: string): Settings {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [, name, value = ''] = /^\s*([\w.]+)\s*=\s*'(.*)'\s*$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, value.replaceAll(/(['\\])\1/g, '$1')]];
    }),
  );
}

/** The text with these set, as ALTER SYSTEM writes them, and those reset. Pure. */
export function altered(text: string, set: Settings, reset: readonly string[]): string {
  const kept = text
    .split('\n')
    .filter(
      (line) => line !== '' && set[nameOf(line) ?? ''] === undefined && !reset.includes(nameOf(line) ?? ''),
    );
  const made = Object.entries(set).map(
    ([name, value]) => `${name} = '${asFiled(name, value).replaceAll(/(['\\])/g, '$1$1')}'`,
  );
  return `${[...kept, ...made].join('\n')}\n`;
}

/** What pg_controldata tells of the primary's settings that a standby must not be below. */
export function settingsOfPrimary(controlData: string): Settings {
  return Object.fromEntries(
    [...controlData.matchAll(/^(\w+) setting: +(\d+)$/gm)]
      .map(([, name = '', value = '']) => [
        name === 'max_locks_per_xact' ? 'max_locks_per_transaction' : name,
        value,
      ])
      .map(([name = '', value = '']) => [
        name === 'max_prepared_xacts' ? 'max_prepared_transactions' : name,
        value,
      ])
      .filter(([name = '']) => notBelowPrimary.includes(name)),
  ) as Settings;
}

/** @throws CommandError */
export async function readControlData(container: MemberContainer): Promise<string> {
  const command = asPostgres(...controlData(container.formation, container.member));
  return await container.read(command, { deadlineMs: 20_000 });
}

/**
 * What a standby would have, with that postgresql.auto.conf, of the settings that it must not have less of than its primary.
 * @returns undefined of what is no standby
 * @throws CommandError, DeadlineError where Postgres does not read its files
 */
export async function boundedInForce(
  container: MemberContainer,
  text: string,
): Promise<Settings | undefined> {
  const { formation, member } = container;
  const command = asPostgres(...valuesInForce(formation, member, notBelowPrimary));
  const told = await container.read(command, { deadlineMs: 40_000, stdin: text });
  const { isStandby, values } = parseValuesInForce(told);
  return isStandby ? values : undefined;
}

/**
 * Why Postgres would not start with that postgresql.auto.conf, in its own words; undefined where nothing speaks against
 * it.
 * @throws CommandError, DeadlineError where it could not be tried
 */
export async function wouldNotStart(container: MemberContainer, text: string): Promise<string | undefined> {
  const { formation, member } = container;
  const command = asPostgres(...dryStart(formation, member, 'given'));
  return parseDryStart(await container.read(command, { deadlineMs: 40_000, stdin: text }));
}
