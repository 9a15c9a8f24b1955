import { askEnd, openOnHost, type UriEnd } from '../application/by-uri.ts';
import { shownHost } from '../application/client-uri.ts';
import { openRoute } from '../application/route.ts';
import type { UriAccess } from '../application/uri-access.ts';
import { reachFor } from '../application/uri-reach.ts';
import { describeRefusals } from '../application/way-in.ts';
import { withDeadline } from '../clock/deadline.ts';
import { messageOf } from '../contract/errors.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import type { ObservedUri, Read } from './observation.ts';

/** A host that is silent for longer is of no use to an application either. */
const hostDeadlineMs = 5000;
const wholeDeadlineMs = 20_000;
const silent = { info: () => {}, warn: () => {}, debug: () => {} };

/**
 * Goes by the application's own connection string, by each of its hosts, and asks the server at the end who it is; from
 * where the application logs in on the nodes as well (login.ts).
 * @param own the system identifier of the formation's own cluster
 */
export async function observeUri(
  formation: Formation,
  incus: Incus,
  access: UriAccess,
  { own, signal }: { own: Promise<Read<string>>; signal?: AbortSignal | undefined },
): Promise<ObservedUri> {
  const { hosts } = access.uri;
  const every = (failed: string) => hosts.map(() => ({ ok: false as const, failed }));
  const [vantage, ...nodes] = membersOf(formation);
  const { port } = formation.postgres;
  const ends = await withDeadline(
    'client-uri to lead anywhere',
    wholeDeadlineMs,
    async (inner) => {
      const route = await openRoute({
        ...{ incus, vantage, nodes, port, via: 'auto', log: silent, signal: inner },
      });
      try {
        const { reach, isOwn } = await reachFor(access.uri, {
          ...{ nodes: route, incus, vantage, log: silent, signal: inner },
        });
        try {
          return await Promise.all(hosts.map((_, index) => endOf({ ...access, reach }, index, inner)));
        } finally {
          if (isOwn) reach.close();
        }
      } finally {
        route.close();
      }
    },
    signal,
  ).catch((error: unknown) => {
    signal?.throwIfAborted();
    return every(messageOf(error).replace(/^input client-uri: /, ''));
  });
  return { own: await own, ends };
}

async function endOf(
  way: Parameters<typeof openOnHost>[0],
  index: number,
  signal: AbortSignal,
): Promise<Read<UriEnd>> {
  const host = way.uri.hosts[index];
  if (host === undefined) throw new Error('there is such a host');
  try {
    return await withDeadline(
      `${shownHost(host)} to say who answers there`,
      hostDeadlineMs,
      async (inner) => {
        const found = await openOnHost(way, host, inner, 'any');
        if (!('opened' in found)) return { ok: false, failed: describeRefusals(found.refusals) };
        const { session } = found.opened;
        try {
          return { ok: true, value: await askEnd(session, hostDeadlineMs, inner) };
        } finally {
          session.close();
        }
      },
      signal,
    );
  } catch (error) {
    signal.throwIfAborted();
    return { ok: false, failed: messageOf(error) };
  }
}
