import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { messageOf } from '../contract/errors.ts';
import { type Row, Session, sqlStateOf } from '../postgres/session.ts';
import { tlsOf } from './access.ts';
import { type ClientUri, shownHost, type UriHost } from './client-uri.ts';
import type { Reach } from './route.ts';
import { firstThatOpens, greeted, readOnlyAnswer, type Tried } from './way-in.ts';

/** How an application connects by its own connection string. */
export interface UriWay {
  uri: ClientUri;
  /** Whom it logs in as, with what the string leaves out filled in. */
  user: string;
  password: string;
  database: string;
  /** PEM, where the string has the server verified by one. */
  ca: string | undefined;
  reach: Reach;
}

/** A host of the connection string stands for the node: which one is at its other end may change from one statement to the next. */
type TriedByUri = Tried<{ name: string }>;

/** Without a connect_timeout libpq waits for as long as the kernel tries: with Linux' defaults (tcp_syn_retries 6) 127 s. */
const kernelPatienceMs = 130_000;

/**
 * Tries the hosts of the string as libpq does: in its order, or in any where it says so; each address of each, TLS as
 * sslmode has it, and on to the next where the server is not what target_session_attrs asks for. Nothing is asked of a
 * server where it asks for nothing.
 * @returns a session on the first that does, or what each of them answered
 * @throws the signal's reason
 */
export async function openByUri(way: UriWay, signal?: AbortSignal): Promise<TriedByUri> {
  const hosts = inOrder(way.uri);
  return await firstThatOpens(hosts, { nameOf: shownHost, signal }, (host) => openOnHost(way, host, signal));
}

/** One host of it. @throws where it has no address, and the signal's reason */
export async function openOnHost(
  way: UriWay,
  host: UriHost,
  signal?: AbortSignal,
  target: ClientUri['target'] = way.uri.target,
): Promise<TriedByUri> {
  const node = { name: shownHost(host) };
  const addresses = await addressesOf(way, host, signal);
  return await firstThatOpens(addresses, { nameOf: () => node.name, signal }, async (address) => {
    const session = await openOnAddress(way, host, address, signal);
    if (target === 'any')
      return { opened: { session, node, server: '', backend: session.backend ?? 0, readOnly: false } };
    const opened = await greeted(session, node, connectDeadlineMs(way.uri), signal);
    // A node that is being promoted is a primary already, and read-only for a moment more.
    const isWanted = target === 'primary' ? !(await inRecovery(session, way, signal)) : !opened.readOnly;
    if (isWanted) return { opened };
    opened.session.close();
    return { refusals: [{ node: node.name, why: readOnlyAnswer, error: undefined }] };
  });
}

async function inRecovery(
  session: Session,
  { uri }: UriWay,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const options = { deadlineMs: connectDeadlineMs(uri), signal };
    const [row] = await session.query('SELECT pg_is_in_recovery() AS recovers', [], options);
    return row?.['recovers'] === true;
  } catch (error) {
    session.close();
    throw error;
  }
}

export async function addressesOf(
  { reach }: Pick<UriWay, 'reach'>,
  { host, address }: UriHost,
  signal?: AbortSignal,
): Promise<string[]> {
  const known = address ?? host;
  if (isIP(known) !== 0) return [known];
  const found = await reach.addressesOf(known, signal);
  if (found.length === 0) throw new Error(`no address of ${known} is known`);
  return found;
}

/** What is to be known of clients by this string, one sentence each. */
export function connectTold({ connectTimeoutSeconds, ignored, unknown, hosts }: ClientUri): string[] {
  return [
    ...(connectTimeoutSeconds === undefined
      ? [
          `it has no connect_timeout, so that a client waits up to ${kernelPatienceMs / 1000} s for a host that is silent${hosts.length > 1 ? ', before it tries the next' : ''}`,
        ]
      : []),
    ...(ignored.length > 0 ? [`the drill's clients do nothing of ${ignored.join(', ')}`] : []),
    ...(unknown.length > 0
      ? [
          `the drill's clients leave out its parameter${unknown.length > 1 ? 's' : ''} ${unknown.join(', ')}, which libpq does not know`,
        ]
      : []),
  ];
}

export const connectDeadlineMs = ({ connectTimeoutSeconds }: ClientUri): number =>
  connectTimeoutSeconds === undefined ? kernelPatienceMs : connectTimeoutSeconds * 1000;

async function openOnAddress(
  way: UriWay,
  { host, port }: UriHost,
  address: string,
  signal: AbortSignal | undefined,
): Promise<Session> {
  const { uri, user, password, database, reach } = way;
  const [first, second] = tlsTries(way);
  const open = async (tls: ConnectionOptions | false) =>
    await Session.open(await reach.socketToAddress(address, signal), {
      database,
      connectDeadlineMs: connectDeadlineMs(uri),
      login: { user, password, host, port, tls },
      asGiven: { options: uri.options, applicationName: uri.applicationName },
      server: shownHost({ host, port, address: undefined }),
      signal,
    });
  try {
    return await open(first);
  } catch (error) {
    if (second === undefined || signal?.aborted || !mayDoOtherwise(error)) throw error;
    return await open(second);
  }
}

/** With what TLS libpq tries for its sslmode. A CA that is given is used, whatever the mode (require then is verify-ca). */
function tlsTries({ uri, ca }: UriWay): [ConnectionOptions | false, (ConnectionOptions | false)?] {
  const { sslMode, sslRootCert } = uri;
  if (sslRootCert === 'system') return [{ rejectUnauthorized: true }];
  const anyway = tlsOf('require', undefined);
  switch (sslMode) {
    case 'disable':
      return [false];
    case 'allow':
      return [false, anyway];
    case 'prefer':
      return [anyway, false];
    case 'require':
      return [sslRootCert === undefined ? anyway : tlsOf('verify-ca', ca)];
    default:
      return [tlsOf(sslMode, ca)];
  }
}

const notAuthorized = '28000';

/** A server without TLS, or whose rules are for connections with it, or without. */
function mayDoOtherwise(error: unknown): boolean {
  return (
    sqlStateOf(error) === notAuthorized ||
    /does not support SSL|SSL connection|TLS|SSL/.test(messageOf(error))
  );
}

function inOrder({ hosts, isBalanced }: ClientUri): readonly UriHost[] {
  if (!isBalanced) return hosts;
  return hosts
    .map((host) => ({ host, at: Math.random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ host }) => host);
}

/** The server that a session ends at, as that says itself. */
export interface UriEnd {
  inRecovery: boolean;
  readOnly: boolean;
  /** Undefined where it is by a socket of that server's own machine. */
  address: string | undefined;
  database: string;
  user: string;
  /** As pg_controldata has it: every node of a formation has the same. Undefined where that may not be asked. */
  systemIdentifier: string | undefined;
}

const askWho = (system: string) => `
  SELECT pg_is_in_recovery() AS in_recovery,
         current_setting('transaction_read_only') = 'on' AS read_only,
         host(inet_server_addr()) AS address, current_database()::text AS database, current_user::text AS role,
         ${system} AS system`;
const insufficientPrivilege = '42501';

/** @throws as Session.query: DeadlineError also where a pooler has no server for it, and queues it */
export async function askEnd(session: Session, deadlineMs: number, signal?: AbortSignal): Promise<UriEnd> {
  const options = { deadlineMs, signal };
  const [row] = await session
    .query<Row>(askWho('(SELECT system_identifier::text FROM pg_control_system())'), [], options)
    .catch(async (error: unknown) => {
      if (sqlStateOf(error) !== insufficientPrivilege) throw error;
      return await session.query<Row>(askWho('NULL::text'), [], options);
    });
  const text = (name: string) => (typeof row?.[name] === 'string' ? row[name] : undefined);
  return {
    inRecovery: row?.['in_recovery'] === true,
    readOnly: row?.['read_only'] === true,
    address: text('address'),
    database: text('database') ?? '',
    user: text('role') ?? '',
    systemIdentifier: text('system'),
  };
}
