import { type Formation, sslMode } from '../formation/formation.ts';

/**
 * Key and certificate of a member in one file, so that a run that is killed leaves the old pair or the new.
 * Outside the data directory: a base backup would bring the primary's to the standby.
 */
export const serverPem = '/etc/pgha/server.pem';
export const caPem = '/etc/pgha/ca.pem';

/** Self-signed certificates are made for a year and renewed when less than this is left. */
export const renewBeforeSeconds = 30 * 24 * 3600;

/** What ssl_ca_file of a member's Postgres must be, where pgha makes the certificates: '' without a CA. */
export function authorityFile(formation: Formation): string {
  return formation.tls === 'self-signed' ? '' : caPem;
}

/** Files of a member's TLS, as pg_autoctl's configuration names them; '' for none. */
export interface TlsFiles {
  certificate: string;
  key: string;
  authority: string;
}

/** Those that pgha makes. */
export function ownTlsFiles({ tls }: Pick<Formation, 'tls'>): TlsFiles {
  return { certificate: serverPem, key: serverPem, authority: tls === 'self-signed' ? '' : caPem };
}

/** pg_autoctl's options for it, on `create` and on `enable ssl`. */
export function tlsOptions(formation: Formation, files: TlsFiles = ownTlsFiles(formation)): string[] {
  return [
    ...['--ssl-mode', sslMode(formation)],
    ...(files.authority === '' ? [] : ['--ssl-ca-file', files.authority]),
    ...['--server-cert', files.certificate, '--server-key', files.key],
  ];
}

/** The same as parameters of a connection string. @param authority the file of the CA, where there is one */
export function tlsParameters(formation: Formation, authority: string): string {
  return formation.tls === 'self-signed'
    ? 'sslmode=require'
    : `sslmode=${formation.tls}&sslrootcert=${authority}`;
}
