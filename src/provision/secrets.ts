import { randomBytes } from 'node:crypto';
import type { Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { autoctlRole, replicationRole } from '../member/roles.ts';
import { quoteIdentifier, quoteLiteral } from '../postgres/identifier.ts';
import { matchesVerifier, scramVerifier } from '../postgres/scram.ts';
import type { Session } from '../postgres/session.ts';
import type { Facts } from './facts.ts';
import { writeFile } from './files.ts';
import type { AccountPasswords } from './passwords.ts';
import type { Steps } from './steps.ts';

/** Passwords of pg_auto_failover's own accounts. */
export interface Secrets {
  /** Keepers at the monitor: `autoctl_node`. */
  autoctl: string;
  /** Standbys at the primary: `pgautofailover_replicator`, a superuser. */
  replication: string;
}

/**
 * libpq's password file of the user postgres. pg_autoctl and Postgres find both passwords there by
 * themselves, so neither stands in a command line, in pg_autoctl.cfg (which everybody in the container may
 * read), in primary_conninfo or in the monitor's URI.
 */
export const passwordFile = '/var/lib/postgresql/.pgpass';

/** The password file's text (PostgreSQL documentation, "The Password File"). */
export function passwordFileText(secrets: Secrets): string {
  const escaped = (text: string) => text.replace(/[\\:]/g, '\\$&');
  return [
    '# Written by pgha; provision-pgaf puts changes by hand back.',
    `*:*:*:${autoctlRole}:${escaped(secrets.autoctl)}`,
    `*:*:*:${replicationRole}:${escaped(secrets.replication)}`,
    '',
  ].join('\n');
}

function parsePasswordFile(text: string): Partial<Secrets> {
  const of = (role: string) => {
    const line = text.split('\n').find((each) => each.startsWith(`*:*:*:${role}:`));
    const password = line?.slice(`*:*:*:${role}:`.length).replace(/\\(.)/g, '$1');
    return password === '' ? undefined : password;
  };
  const [autoctl, replication] = [of(autoctlRole), of(replicationRole)];
  return { ...(autoctl && { autoctl }), ...(replication && { replication }) };
}

/**
 * The formation's secrets: those the caller gives, else those that a container has (the monitor's first), else
 * new ones of 256 bits.
 */
export function secretsOf(given: AccountPasswords, facts: readonly Facts[]): Secrets {
  const found = facts.map((each) => parsePasswordFile(each.passwordFile));
  const pick = (name: keyof Secrets) =>
    given[name] || found.find((each) => each[name])?.[name] || randomBytes(32).toString('base64url');
  return { autoctl: pick('autoctl'), replication: pick('replication') };
}

export async function ensurePasswordFile(
  incus: Incus,
  member: Member,
  secrets: Secrets,
  facts: Facts,
  steps: Steps,
  signal?: AbortSignal,
): Promise<void> {
  const wanted = passwordFileText(secrets);
  if (facts.passwordFile === wanted && facts.passwordFileMode === 'postgres 600') return;
  await steps.take(member.name, 'write the password file of pg_auto_failover', () =>
    writeFile(
      incus,
      member.name,
      passwordFile,
      wanted,
      { owner: 'postgres', mode: '0600', folderOf: 'postgres' },
      signal,
    ),
  );
}

/** Sets an account's password where it differs. The server gets its SCRAM verifier, never the password. */
export async function ensureRolePassword(
  session: Session,
  container: string,
  role: string,
  password: string,
  steps: Steps,
): Promise<void> {
  const [row] = await session.query('SELECT rolpassword FROM pg_authid WHERE rolname = $1', [role]);
  if (row && matchesVerifier(password, String(row['rolpassword'] ?? ''))) return;
  await steps.take(container, `set the password of ${role}`, async () => {
    // A standby that cannot log in yet must not hold up what lets it in.
    await session.query("SET synchronous_commit = 'local'");
    await session.query(
      `ALTER ROLE ${quoteIdentifier(role)} PASSWORD ${quoteLiteral(scramVerifier(password))}`,
    );
    await session.query('RESET synchronous_commit');
  });
}
