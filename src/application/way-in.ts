import { EnvironmentError, messageOf } from '../contract/errors.ts';
import type { Member } from '../formation/formation.ts';
import { openSession, type Session, sqlStateOf } from '../postgres/session.ts';
import type { ApplicationAccess } from './access.ts';
import type { Route } from './route.ts';

/** What a client learns of the server on a new connection, in one round trip. */
const greet = `
  SELECT current_setting('transaction_read_only') = 'on' AS read_only,
         host(inet_server_addr()) AS address,
         pg_backend_pid() AS backend`;

/** How an application connects: its login, and the route that its sockets take. */
export interface WayIn {
  access: ApplicationAccess;
  route: Route;
  /** For the connection to one node, login included: libpq's connect_timeout. */
  connectDeadlineMs: number;
}

/** A session, and the server at its other end. */
export interface Opened<Node extends { name: string } = Member> {
  session: Session;
  node: Node;
  server: string;
  backend: number;
  readOnly: boolean;
}

/** What a node, or the way to it, answered to a client that wanted to write. */
export interface Refusal {
  node: string;
  why: string;
  error: unknown;
}

export const readOnlyAnswer = 'the session is read-only';

/** Opens a session on one node as the application. @throws what the server or the way to it answered */
export async function openOn(way: WayIn, node: Member, signal?: AbortSignal): Promise<Opened> {
  const { access, route, connectDeadlineMs } = way;
  const { database, version } = access;
  const login = access.loginTo(node);
  const options = { database, version, connectDeadlineMs, login, signal };
  const session = await openSession(() => route.socketTo(node, signal), options);
  return await greeted(session, node, connectDeadlineMs, signal);
}

/** Asks the server of a fresh session who it is. @throws as Session.query, with the session closed */
export async function greeted<Node extends { name: string }>(
  session: Session,
  node: Node,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<Opened<Node>> {
  try {
    const [row] = await session.query(greet, [], { deadlineMs, signal });
    return {
      session,
      node,
      server: String(row?.['address'] ?? 'its own socket'),
      backend: Number(row?.['backend']),
      readOnly: row?.['read_only'] === true,
    };
  } catch (error) {
    session.close();
    throw error;
  }
}

/**
 * Tries the nodes in the order of the connection string for one that takes writes, once each, as libpq does with
 * target_session_attrs=read-write.
 * @returns a session on the first that does, or what each of them answered
 * @throws the signal's reason
 */
export async function openWritable(way: WayIn, signal?: AbortSignal): Promise<Tried> {
  return await firstThatOpens(way.access.nodes, { nameOf: ({ name }) => name, signal }, async (node) => {
    const opened = await openOn(way, node, signal);
    if (!opened.readOnly) return { opened };
    opened.session.close();
    return { refusals: [{ node: node.name, why: readOnlyAnswer, error: undefined }] };
  });
}

/** A session, or what each place that was tried answered. */
export type Tried<Node extends { name: string } = Member> =
  | { opened: Opened<Node> }
  | { refusals: Refusal[] };

/**
 * Goes from place to place until one gives a session: what keeps it from one does not keep it from the next.
 * @param nameOf how a refusal calls a place
 * @throws the signal's reason
 */
export async function firstThatOpens<Place, Node extends { name: string }>(
  places: readonly Place[],
  { nameOf, signal }: { nameOf(place: Place): string; signal: AbortSignal | undefined },
  attempt: (place: Place) => Promise<Tried<Node>>,
): Promise<Tried<Node>> {
  const refusals: Refusal[] = [];
  for (const place of places) {
    try {
      const tried = await attempt(place);
      if ('opened' in tried) return tried;
      refusals.push(...tried.refusals);
    } catch (error) {
      signal?.throwIfAborted();
      refusals.push({ node: nameOf(place), why: messageOf(error), error });
    }
  }
  return { refusals };
}

/** Every node refuses the application for good: its password, a rule, a certificate. */
export class AccessRefusedError extends EnvironmentError {}

export function describeRefusals(refusals: readonly Refusal[]): string {
  return refusals.map(({ node, why }) => `${node}: ${why}`).join('; ');
}

/** Whether a node will go on refusing: not authorized (28), no such database (3D), no privilege (42), or a certificate that does not hold. */
export function isLastWord({ error }: Refusal): boolean {
  if (/^(?:28|3D|42)/.test(sqlStateOf(error) ?? '')) return true;
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && /CERT|SIGNATURE|ERR_TLS/.test(code);
}
