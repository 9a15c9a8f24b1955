import { InputError, messageOf } from '../contract/errors.ts';
import { readText } from '../disk/file.ts';
import type { Formation } from '../formation/formation.ts';
import type { UriWay } from './by-uri.ts';
import { type ClientUri, writableTargets } from './client-uri.ts';

/** All that a client needs of its connection string but the way there. */
export type UriAccess = Omit<UriWay, 'reach'>;

const mostOfCertificates = 1024 * 1024;

/**
 * Fills in what the string leaves out: its password may come by itself, and its user is the application's. libpq names the
 * database after the user.
 * @param given.password for one without a password of its own
 * @param given.ca PEM of the CA, in place of the file that the string names
 * @returns everything that keeps a client from going by it
 */
export function uriAccess(
  uri: ClientUri,
  formation: Pick<Formation, 'postgres'>,
  given: { password: string; ca: string },
): { access: UriAccess } | { errors: string[] } {
  const user = uri.user ?? formation.postgres.user;
  const errors: string[] = [];
  const password = uri.password ?? given.password;
  if (password === '') errors.push('it has no password, and app-password was not given');
  if (uri.target !== 'any' && !writableTargets.includes(uri.target))
    errors.push(`its target_session_attrs asks for ${uri.target}, where nobody can write`);
  const isVerifying = uri.sslMode === 'verify-ca' || uri.sslMode === 'verify-full';
  let ca: string | undefined;
  if (uri.sslRootCert === 'system') {
    if (uri.sslMode !== 'verify-full') errors.push('sslrootcert=system goes with sslmode=verify-full alone');
  } else if (isVerifying || uri.sslRootCert !== undefined) {
    ca = given.ca.trim() === '' ? certificatesIn(uri.sslRootCert, errors) : given.ca;
  }
  return errors.length > 0
    ? { errors }
    : { access: { uri, user, password, database: uri.database ?? user, ca } };
}

function certificatesIn(path: string | undefined, errors: string[]): string | undefined {
  if (path === undefined) {
    errors.push('its sslmode has servers verified by a CA: give that as tls-ca');
    return undefined;
  }
  try {
    return readText(path, mostOfCertificates);
  } catch (error) {
    errors.push(
      `its sslrootcert cannot be read on this machine (${messageOf(error)}): give the CA as tls-ca`,
    );
    return undefined;
  }
}

/** As errors of the input. */
export const ofClientUri = (errors: readonly string[]): InputError =>
  new InputError(errors.map((each) => `input client-uri: ${each}`));
