import { type ApplicationAccess, applicationAccess } from '../application/access.ts';
import { openRoute } from '../application/route.ts';
import { openOn } from '../application/way-in.ts';
import { withDeadline } from '../clock/deadline.ts';
import { CancelledError, messageOf } from '../contract/errors.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import type { Instance } from '../incus/answers.ts';
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
 * where it has a route to the nodes, else from the monitor's container. What is on a host that does not answer is not tried,
 * and nothing where that is the monitor, which has the way to the others.
 * @returns by node; empty where no password was given
 */
export async function observeLogins(
  formation: Formation,
  incus: Incus,
  credentials: Credentials | undefined,
  { instances, signal }: { instances: Promise<Map<string, Instance>>; signal?: AbortSignal | undefined },
): Promise<Record<string, Read<ObservedLogin>>> {
  if (credentials === undefined || credentials.password === '') return {};
  const found = applicationAccess(formation, credentials);
  const [monitor, ...nodes] = membersOf(formation);
  const given = new AbortController();
  const either = AbortSignal.any(signal === undefined ? [given.signal] : [signal, given.signal]);
  const trying = tryAll({ formation, incus, found }, nodes, either);
  trying.catch(() => {});
  const listed = await instances;
  const unheardOf = ({ name }: Member) => listed.get(name)?.unheard;
  if ([monitor, ...nodes].every((member) => unheardOf(member) === undefined)) {
    signal?.throwIfAborted();
    return await trying;
  }
  // The way to all waits for every one of them.
  given.abort(new CancelledError('a host does not answer'));
  const unread = (member: Member): Record<string, Read<ObservedLogin>> => ({
    [member.name]: { ok: false, failed: unheardOf(member) ?? unheardOf(monitor) ?? '' },
  });
  const away = nodes.filter((node) => unheardOf(node) !== undefined || unheardOf(monitor) !== undefined);
  const heard = nodes.filter((node) => !away.includes(node));
  const reads = heard.length === 0 ? {} : await tryAll({ formation, incus, found }, heard, signal);
  return Object.assign({}, ...away.map(unread), reads) as Record<string, Read<ObservedLogin>>;
}

async function tryAll(
  {
    formation,
    incus,
    found,
  }: { formation: Formation; incus: Incus; found: ReturnType<typeof applicationAccess> },
  nodes: readonly Member[],
  signal: AbortSignal | undefined,
): Promise<Record<string, Read<ObservedLogin>>> {
  const [monitor] = membersOf(formation);
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
