import type { Formation } from '../formation/formation.ts';

/**
 * Key and certificate of a member in one file, so that a run that is killed leaves the old pair or the new.
 * Outside the data directory: a base backup would bring the primary's to the standby.
 */
export const serverPem = '/etc/pgha/server.pem';
export const caPem = '/etc/pgha/ca.pem';

/** Self-signed certificates are made for a year and renewed when less than this is left. */
export const renewBeforeSeconds = 30 * 24 * 3600;

/** What ssl_ca_file of a member's Postgres must be: '' without a CA. */
export function authorityFile(formation: Formation): string {
  return formation.tls === 'self-signed' ? '' : caPem;
}

/** pg_autoctl's options for it, on `create` and on `enable ssl`. */
export function tlsOptions(formation: Formation): string[] {
  const own = ['--server-cert', serverPem, '--server-key', serverPem];
  if (formation.tls === 'self-signed') return ['--ssl-mode', 'require', ...own];
  return ['--ssl-mode', formation.tls, '--ssl-ca-file', authorityFile(formation), ...own];
}

/** The same as parameters of a connection string. */
export function tlsParameters(formation: Formation): string {
  return formation.tls === 'self-signed'
    ? 'sslmode=require'
    : `sslmode=${formation.tls}&sslrootcert=${caPem}`;
}
