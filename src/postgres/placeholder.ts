import { createHash } from 'node:crypto';
import { matchesVerifier } from './scram.ts';

/** Everybody knows it: it may open a lab, never anything else. */
export const placeholderPassword = 'changeme-DEV-ONLY';

/** Whether what Postgres stores of a role's password (pg_authid.rolpassword) is that of the placeholder. */
export function isPlaceholder(role: string, stored: string): boolean {
  const md5 = createHash('md5').update(`${placeholderPassword}${role}`).digest('hex');
  return stored === `md5${md5}` || matchesVerifier(placeholderPassword, stored);
}
