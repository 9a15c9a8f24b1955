import type { ConnectionOptions } from 'node:tls';

/** The ways of libpq's sslmode that a probe goes. */
const sslModes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
type SslMode = (typeof sslModes)[number];

/** Which of several hosts will do (target_session_attrs). */
const targets = ['any', 'read-write', 'primary'] as const;

/** A connection string, read. */
export interface SqlTarget {
  hosts: readonly { host: string; port: number }[];
  user: string;
  password: string;
  database: string;
  sslMode: SslMode;
  target: (typeof targets)[number];
  applicationName: string;
  /** For each host; undefined where the string does not say it. */
  connectTimeoutMs: number | undefined;
}

/** What a connection string may say besides hosts, user and database. */
const parametersKnown = ['sslmode', 'target_session_attrs', 'application_name', 'connect_timeout'];

/**
 * Reads a connection string as libpq does (conninfo_uri_parse, fe-connect.c), with several hosts where it has them.
 * @throws Error that says what is wrong, and nothing of what the string holds
 */
export function parseSqlUri(text: string): SqlTarget {
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^@/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(text.trim());
  if (match === null)
    throw new Error('is no postgres:// URI; an @ or / within a password is written %40 or %2F');
  const [, credentials = '', places = '', database = '', query = ''] = match;
  const parameters = new URLSearchParams(query);
  const lastOf = (name: string) => parameters.getAll(name).at(-1);
  const strange = [...new Set(parameters.keys())].filter((name) => !parametersKnown.includes(name));
  if (strange.length > 0)
    throw new Error(
      `has ${strange.length === 1 ? 'a parameter' : 'parameters'} besides ${parametersKnown.join(', ')}`,
    );
  const [user = '', ...rest] = credentials.split(':');
  const hosts = places.split(',').map(hostAndPort);
  const named = decoded(user);
  if (named === '') throw new Error('names no user');
  return {
    hosts,
    user: named,
    password: decoded(rest.join(':')),
    database: decoded(database) || named,
    sslMode: oneOf(sslModes, 'sslmode', lastOf('sslmode') ?? 'prefer'),
    target: oneOf(targets, 'target_session_attrs', lastOf('target_session_attrs') ?? 'any'),
    applicationName: lastOf('application_name') ?? 'pgha-probe',
    connectTimeoutMs: timeoutIn(lastOf('connect_timeout')),
  };
}

function hostAndPort(text: string): { host: string; port: number } {
  const [, bracketed, plain = '', port = '5432'] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? decoded(plain);
  if (host === '' || host.startsWith('/') || Number(port) < 1 || Number(port) > 65535)
    throw new Error('names a host that is none, or a socket; a probe goes by TCP');
  return { host, port: Number(port) };
}

/** As libpq has it: seconds, and 0 or less for none. */
function timeoutIn(given: string | undefined): number | undefined {
  if (given !== undefined && !/^-?\d{1,6}$/.test(given))
    throw new Error('has a connect_timeout that is no number');
  return given === undefined || Number(given) <= 0 ? undefined : Number(given) * 1000;
}

function oneOf<const T extends string>(known: readonly T[], name: string, given: string): T {
  const found = known.find((each) => each === given);
  if (found === undefined) throw new Error(`has a ${name} that is none of ${known.join(', ')}`);
  return found;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('is not percent-encoded: a % is written %25');
  }
}

/** What TLS means by sslmode; undefined for none. @param ca PEM */
export function tlsBy(sslMode: SslMode, ca: string | undefined): ConnectionOptions | undefined {
  const anyName = { checkServerIdentity: () => undefined };
  if (sslMode === 'disable') return undefined;
  if (sslMode === 'prefer' || sslMode === 'require') return { rejectUnauthorized: false, ...anyName };
  const verified = { rejectUnauthorized: true, ...(ca !== undefined && { ca }) };
  return sslMode === 'verify-ca' ? { ...verified, ...anyName } : verified;
}
