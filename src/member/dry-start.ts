import type { Formation, Member } from '../formation/formation.ts';
import { describeLastWords, lastWords } from '../postgres/server-log.ts';
import { programsFolder } from './programs.ts';
import script from './scripts/dry-start.sh';
import readScript from './scripts/values-in-force.sh';

/**
 * argv that tells which values these settings, not computed ones, would have with a postgresql.auto.conf that comes on
 * standard input: those that no file names, and so are built in, among them. For the user postgres, whether Postgres runs
 * or not (`postgres -C`, "postgres" of its manual).
 */
export function valuesInForce(formation: Formation, member: Member, names: readonly string[]): string[] {
  const bin = programsFolder(formation.postgres.version);
  return ['sh', '-c', readScript, 'sh', member.pgdata, bin, ...names];
}

/** @returns the values, and whether the data directory is a standby's. */
export function parseValuesInForce(output: string): { isStandby: boolean; values: Record<string, string> } {
  const lines = output.split('\n').filter((line) => line !== '');
  return {
    isStandby: lines.includes('standby'),
    values: Object.fromEntries(
      lines.flatMap((line) => {
        const [, name, value = ''] = /^(\w+) (.*)$/.exec(line) ?? [];
        return name === undefined ? [] : [[name, value]];
      }),
    ),
  };
}

/** argv of a dry start, for the user postgres. @param auto whether another postgresql.auto.conf comes on standard input */
export function dryStart(formation: Formation, member: Member, auto: 'given' | 'own'): string[] {
  const bin = programsFolder(formation.postgres.version);
  return ['sh', '-c', script, 'sh', member.pgdata, bin, auto];
}

/**
 * Why Postgres would not start, in its own words; undefined where nothing speaks against it. It may still be short of
 * memory, or of an address.
 */
export function parseDryStart(output: string): string | undefined {
  const [verdict = '', ...said] = output.split('\n');
  if (verdict.trim() === 'works') return undefined;
  const words = lastWords(said.join('\n'), '');
  return words === undefined
    ? said.join(' ').trim().slice(0, 400) || 'it did not say why'
    : describeLastWords(words);
}
