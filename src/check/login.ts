import { type ApplicationAccess, applicationAccess } from '../application/access.ts';
import { openRoute } from '../application/route.ts';
import { openOn } from '../application/way-in.ts';
import { withDeadline } from '../clock/deadline.ts';
import { messageOf } from '../contract/errors.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import type { ObservedLogin, Read } from './observation.ts';

/** What the application logs in with. */
export interface Credentials {
  password: string;
  /** PEM; with `tls: verify-ca` and `verify-full`. */
  ca: string;
}

const loginDeadlineMs = 5000;
const silent = { info: () => {}, warn: () => {}, debug: () => {} };

/**
 * Logs in on every data node as the application does: TCP, TLS, its password, through pg_hba.conf; from this machine
 * where it has a route to the nodes, else from the monitor's container.
 * @returns by node; empty where no password was given
 */
export async function observeLogins(
  formation: Formation,
  incus: Incus,
  credentials: Credentials | undefined,
  signal?: AbortSignal,
): Promise<Record<string, Read<ObservedLogin>>> {
  if (credentials === undefined || credentials.password === '') return {};
  const found = applicationAccess(formation, credentials);
  const [monitor, ...nodes] = membersOf(formation);
  const all = (read: Read<ObservedLogin>) => Object.fromEntries(nodes.map(({ name }) => [name, read]));
  if ('missing' in found) return all({ ok: false, failed: found.missing });
  const { port } = formation.postgres;
  try {
    return await withDeadline(
      'the application to log in',
      2 * loginDeadlineMs,
      async (inner) => {
        const route = await openRoute({
          incus,
          vantage: monitor,
          nodes,
          port,
          via: 'auto',
          log: silent,
          signal: inner,
        });
        try {
          const reads = nodes.map(async (node) => [node.name, await login(found.access, node, route, inner)]);
          return Object.fromEntries(await Promise.all(reads)) as Record<string, Read<ObservedLogin>>;
        } finally {
          route.close();
        }
      },
      signal,
    );
  } catch (error) {
    signal?.throwIfAborted();
    return all({ ok: false, failed: messageOf(error) });
  }
}

async function login(
  access: ApplicationAccess,
  node: ApplicationAccess['nodes'][number],
  route: Awaited<ReturnType<typeof openRoute>>,
  signal: AbortSignal,
): Promise<Read<ObservedLogin>> {
  try {
    const way = { access, route, connectDeadlineMs: loginDeadlineMs };
    const { session } = await openOn(way, node, signal);
    session.close();
    return { ok: true, value: { user: access.user, database: access.database, via: route.via } };
  } catch (error) {
    signal.throwIfAborted();
    return { ok: false, failed: messageOf(error) };
  }
}
