import type { ConnectionOptions } from 'node:tls';
import { type Formation, type Member, membersOf, sslMode } from '../formation/formation.ts';
import type { Login } from '../postgres/session.ts';

/** The application's way in: what its own connection string and secrets say. */
export interface ApplicationAccess {
  database: string;
  user: string;
  /** Postgres' major version, as the formation's file says. */
  version: number;
  /** The nodes in the order of the connection string. */
  nodes: Member[];
  loginTo(node: Member): Login;
}

/** @param ca PEM of the CA that clients verify the servers by; with `tls: verify-ca` and `verify-full` */
export function applicationAccess(
  formation: Formation,
  { password, ca }: { password: string; ca?: string | undefined },
): { access: ApplicationAccess } | { missing: string } {
  if (password === '')
    return {
      missing: `the figures of clients are missing: the password of the application's user ${formation.postgres.user} was not given`,
    };
  const mode = sslMode(formation);
  if (mode !== 'require' && !ca?.trim())
    return {
      missing: `the figures of clients are missing: the formation says tls: ${mode}, and no CA was given to verify its servers by`,
    };
  const { database, user, port, version } = formation.postgres;
  const tls = tlsOf(mode, ca);
  return {
    access: {
      database,
      user,
      version,
      nodes: membersOf(formation).filter(({ role }) => role === 'data'),
      loginTo: ({ host }) => ({ user, password, host, port, tls }),
    },
  };
}

/** What libpq does for its sslmode. */
export function tlsOf(mode: ReturnType<typeof sslMode>, ca: string | undefined): ConnectionOptions {
  // undefined stands for no objection to the name.
  const anyName = { checkServerIdentity: () => undefined };
  if (mode === 'require') return { rejectUnauthorized: false, ...anyName };
  const verified = { rejectUnauthorized: true, ca: ca ?? '' };
  return mode === 'verify-ca' ? { ...verified, ...anyName } : verified;
}
