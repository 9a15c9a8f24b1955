import { InputError } from '../../contract/errors.ts';
import { isLab, type Member } from '../../formation/formation.ts';
import type { Remembered } from '../../incus/environment.ts';
import { environmentKey } from '../../incus/labels.ts';
import { isPlaceholder, placeholderPassword } from '../../postgres/placeholder.ts';
import type { Session } from '../../postgres/session.ts';
import type { Context } from '../context.ts';
import type { ProvisionOptions } from '../options.ts';
import type { AccountPasswords } from './passwords.ts';

/** Keeps the placeholder from taking the place of another password in silence. */

/** What Postgres stores of each role's password, by role; '' where it has none. */
export type Verifiers = ReadonlyMap<string, string>;

/** Of those users of the formation that have a role. */
export async function readVerifiers(
  session: Pick<Session, 'query'>,
  users: readonly string[],
): Promise<Verifiers> {
  const rows = await session.query(
    "SELECT rolname, coalesce(rolpassword, '') AS verifier FROM pg_authid WHERE rolname = ANY($1)",
    [users],
  );
  return new Map(rows.map((row) => [String(row['rolname']), String(row['verifier'])]));
}

/** The roles with a password other than the placeholder, or with none, by which nobody gets in. Pure. */
export function otherPasswords(found: Verifiers): string[] {
  return [...found].filter(([role, stored]) => !isPlaceholder(role, stored)).map(([role]) => role);
}

/**
 * Why no placeholder may be set: it would open a formation of which nobody knows whether it is a lab, and whose roles
 * have other passwords, as in production. Pure.
 * @param passwords by user, the application's own first
 */
export function placeholderErrors(
  found: Verifiers,
  passwords: ReadonlyMap<string, string>,
  accounts: AccountPasswords,
  remembered: Remembered,
): string[] {
  const others = otherPasswords(found);
  if (remembered === 'lab' || remembered === 'new' || others.length === 0) return [];
  const why = `${others.join(', ')} ${others.length === 1 ? 'has a password' : 'have passwords'} other than the placeholder, and nothing on the formation's containers says that it is a lab (\`incus config set CONTAINER ${environmentKey}=lab --project PROJECT\` on each of them would)`;
  const [application] = passwords.keys();
  const isDue = (password: string | undefined) => password === placeholderPassword;
  return [
    ...[...passwords].flatMap(([user, password]) =>
      isDue(password)
        ? [
            `input ${user === application ? 'app-password' : `user-passwords: ${user}`}: would be the placeholder; ${why}; pass the password of ${user}, and say environment: production where it is no lab`,
          ]
        : [],
    ),
    ...(['autoctl', 'replication'] as const).flatMap((name) =>
      isDue(accounts[name])
        ? [`input ${name}-password: is the placeholder; ${why}; leave it out, and the one in force stays`]
        : [],
    ),
  ];
}

/**
 * @returns the roles that have other passwords than the placeholder
 * @throws InputError where it would take their place, and nobody knows whether the formation is a lab
 */
export async function refusePlaceholder(
  ctx: Context,
  { passwords, secrets }: Pick<ProvisionOptions, 'passwords' | 'secrets'>,
  primary: Member | undefined,
  remembered: Remembered,
): Promise<string[]> {
  if (primary === undefined || !isLab(ctx.formation) || remembered === 'new') return [];
  const found = await readVerifiers(await ctx.open(primary), [...passwords.keys()]);
  const errors = placeholderErrors(found, passwords, secrets, remembered);
  if (errors.length > 0) throw new InputError(errors);
  return otherPasswords(found);
}
