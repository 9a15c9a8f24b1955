import { randomBytes } from 'node:crypto';
import { EnvironmentError } from '../../contract/errors.ts';
import { type Formation, isLab, keeps } from '../../formation/formation.ts';
import { configured } from '../../member/keeper-config.ts';
import { autoctlRole, passwordFile, replicationRole } from '../../member/roles.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/identifier.ts';
import { placeholderPassword } from '../../postgres/placeholder.ts';
import { matchesVerifier, scramVerifier } from '../../postgres/scram.ts';
import type { Session } from '../../postgres/session.ts';
import type { Facts } from '../facts.ts';
import type { MemberContainer } from '../member-container.ts';
import type { AccountPasswords } from './passwords.ts';

/** Passwords of pg_auto_failover's own accounts. */
export interface Secrets {
  /** Keepers at the monitor: `autoctl_node`. */
  autoctl: string;
  /** Standbys at the primary: `pgautofailover_replicator`, a superuser. */
  replication: string;
}

const unreadPasswords = `the passwords of pg_auto_failover's accounts may stand in ${passwordFile} of a container whose user postgres cannot read it, and stand nowhere else; nothing was changed: give the file back (chown postgres: ${passwordFile} in the container), or pass them (inputs autoctl-password and replication-password), and run this again`;

const escaped = (text: string) => text.replace(/[\\:]/g, '\\$&');

/** The password file's text (PostgreSQL documentation, "The Password File"). */
export function passwordFileText(secrets: Secrets): string {
  return [
    '# Written by pgha; provision-pgaf puts changes by hand back.',
    `*:*:*:${autoctlRole}:${escaped(secrets.autoctl)}`,
    `*:*:*:${replicationRole}:${escaped(secrets.replication)}`,
    '',
  ].join('\n');
}

/** A line's fields: host, port, database, role and password. */
function fieldsOf(line: string): string[] {
  const fields = [''];
  for (const [piece = ''] of line.matchAll(/\\?[\s\S]/g)) {
    if (piece === ':') fields.push('');
    else fields[fields.length - 1] += piece.length > 1 ? piece.slice(1) : piece;
  }
  return fields;
}

/** That file with another password of the standbys, and all else as it is. Pure. */
export function withReplication(text: string, password: string): string {
  const isOther = (line: string) =>
    line !== '' && (line.startsWith('#') || fieldsOf(line)[3] !== replicationRole);
  return [...text.split('\n').filter(isOther), `*:*:*:${replicationRole}:${escaped(password)}`, ''].join(
    '\n',
  );
}

/** Of a URI, as libpq reads it; one that is encoded wrongly is left as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What a container says of the accounts' passwords, wherever pg_auto_failover finds them. */
function secretsIn({ passwordFile: text = '', keeperConfig }: Facts): Partial<Secrets> {
  const of = (role: string) =>
    text
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .map(fieldsOf)
      .find((fields) => fields[3] === role)?.[4];
  const [, inUri = ''] = /^[^:]+:\/\/[^:@/]+:([^@/]+)@/.exec(configured(keeperConfig, 'monitor')) ?? [];
  const autoctl = of(autoctlRole) || decoded(inUri);
  const replication = of(replicationRole) || configured(keeperConfig, 'password');
  return { ...(autoctl && { autoctl }), ...(replication && { replication }) };
}

/**
 * The formation's secrets: those the caller gives, else those that a container has (the monitor's first), else
 * new ones of 256 bits. What cannot be read may hold them. The placeholder that a lab was given goes when it is one no longer.
 * @throws EnvironmentError where they may stand in a file that cannot be read, and stand nowhere else
 */
export function secretsOf(
  given: AccountPasswords,
  facts: readonly Facts[],
  formation: Pick<Formation, 'environment'>,
): Secrets {
  const found = facts.map(secretsIn);
  const isUnread = facts.some((each) => each.passwordFile === undefined);
  const made = () => {
    // A new one in place of one that is in use elsewhere would shut out who has that.
    if (isUnread) throw new EnvironmentError(unreadPasswords);
    return randomBytes(32).toString('base64url');
  };
  const fits = (password: string | undefined) =>
    password !== undefined && (isLab(formation) || password !== placeholderPassword);
  const pick = (name: keyof Secrets) =>
    given[name] || found.find((each) => fits(each[name]))?.[name] || made();
  return { autoctl: pick('autoctl'), replication: pick('replication') };
}

/** What the password file of a member must hold; undefined where it stays as it is. */
export function wantedPasswordFile(
  { formation }: Pick<MemberContainer, 'formation'>,
  secrets: Secrets,
  facts: Facts,
): string | undefined {
  if (keeps(formation, 'access')) return undefined;
  if (!keeps(formation, 'monitor')) return passwordFileText(secrets);
  if (facts.passwordFile === undefined) throw new EnvironmentError(unreadPasswords);
  return withReplication(facts.passwordFile, secrets.replication);
}

/** @throws EnvironmentError where what it holds must stay, and cannot be read */
export async function ensurePasswordFile(
  container: MemberContainer,
  secrets: Secrets,
  facts: Facts,
): Promise<void> {
  const wanted = wantedPasswordFile(container, secrets, facts);
  if (wanted === undefined) return;
  if (facts.passwordFile === wanted && facts.passwordFileMode === 'postgres 600') return;
  await container.take('write the password file of pg_auto_failover', () =>
    container.write(passwordFile, wanted, { owner: 'postgres', mode: '0600', folderOf: 'postgres' }),
  );
}

/** Sets an account's password where it differs. The server gets its SCRAM verifier, never the password. */
export async function ensureRolePassword(
  container: MemberContainer,
  session: Session,
  role: string,
  password: string,
): Promise<void> {
  const [row] = await session.query('SELECT rolpassword FROM pg_authid WHERE rolname = $1', [role]);
  if (row && matchesVerifier(password, String(row['rolpassword'] ?? ''))) return;
  await container.take(`set the password of ${role}`, async () => {
    // A standby that cannot log in yet must not hold up what lets it in.
    await session.query("SET synchronous_commit = 'local'");
    await session.query(
      `ALTER ROLE ${quoteIdentifier(role)} PASSWORD ${quoteLiteral(scramVerifier(password))}`,
    );
    await session.query('RESET synchronous_commit');
  });
}
