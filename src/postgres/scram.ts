import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import saslprep from '@mongodb-js/saslprep';

/**
 * SCRAM-SHA-256 verifiers as Postgres stores them (RFC 5802, RFC 7677; src/common/scram-common.c):
 * `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`. Sent in place of the password, they keep it out of
 * the server's log and statistics.
 */

const iterationsByDefault = 4096;
/** Whoever owns a role may store any number, and 2^31 of them take half an hour: beyond a second's worth it is not tried. */
const mostIterations = 2_000_000;

/** A verifier for `password`, with a fresh salt. */
export function scramVerifier(password: string): string {
  return buildVerifier(password, randomBytes(16), iterationsByDefault);
}

/** Whether `password` is the one behind a stored verifier; false for any other kind, and where it takes too long to tell. */
export function matchesVerifier(password: string, stored: string): boolean {
  const parts = /^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$/.exec(stored);
  if (!parts || !(Number(parts[1]) >= 1 && Number(parts[1]) <= mostIterations)) return false;
  const built = Buffer.from(buildVerifier(password, Buffer.from(parts[2] ?? '', 'base64'), Number(parts[1])));
  const given = Buffer.from(stored);
  return built.length === given.length && timingSafeEqual(built, given);
}

function buildVerifier(password: string, salt: Buffer, iterations: number): string {
  const salted = pbkdf2Sync(prepared(password), salt, iterations, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${hmac('Server Key').toString('base64')}`;
}

/** SASLprep (RFC 4013), or the password as it is where that prohibits it: as Postgres does (saslprep.c). */
function prepared(password: string): string {
  if (/^[\x20-\x7e]*$/.test(password)) return password;
  try {
    return saslprep(password, { allowUnassigned: false });
  } catch {
    return password;
  }
}
