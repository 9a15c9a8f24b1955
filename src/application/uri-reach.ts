import { messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import type { Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { addressesOf } from './by-uri.ts';
import { type ClientUri, shownHost, type UriHost } from './client-uri.ts';
import { answerToSsl, openReach, type Reach } from './route.ts';
import { ofClientUri } from './uri-access.ts';

const answerDeadlineMs = 2000;

export interface UriReachOptions {
  /** How the clients go who go straight to the nodes: tried first. */
  nodes: Reach;
  incus: Incus;
  /** Whose container they start from otherwise, where this machine has no way there. */
  vantage: Member;
  log: Log;
  signal?: AbortSignal | undefined;
}

/**
 * From where the hosts of a connection string are reached: as the nodes are, or else from this machine, or from the
 * vantage. One of them must answer as a Postgres does, or a pooler.
 * @returns `isOwn` where it is to be closed
 * @throws InputError that says what each host answered, from both places
 */
export async function reachFor(
  uri: ClientUri,
  options: UriReachOptions,
): Promise<{ reach: Reach; isOwn: boolean }> {
  const { nodes, vantage, log, signal } = options;
  const said: string[] = [];
  const place = ({ via }: Pick<Reach, 'via'>) => (via === 'direct' ? 'this machine' : vantage.name);
  const leads = async (reach: Reach) => {
    const refusals = await Promise.all(uri.hosts.map((host) => refusalOf(host, reach, signal)));
    if (refusals.includes(undefined)) return true;
    said.push(`from ${place(reach)}: ${refusals.join('; ')}`);
    return false;
  };
  if (await leads(nodes)) return { reach: nodes, isOwn: false };
  const via = nodes.via === 'direct' ? 'vantage' : 'direct';
  const other = await openReach({ ...options, via });
  try {
    if (await leads(other)) {
      log.debug(`clients by client-uri connect from ${place(other)}`);
      return { reach: other, isOwn: true };
    }
  } catch (error) {
    other.close();
    throw error;
  }
  other.close();
  throw ofClientUri([`it leads nowhere; ${said.join('; ')}`]);
}

/** Why a host is of no use; undefined where it answers as Postgres, or a pooler, does. */
async function refusalOf(
  host: UriHost,
  reach: Reach,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const name = shownHost(host);
  try {
    for (const address of await addressesOf({ reach }, host, signal)) {
      const socket = await reach.socketToAddress(address, signal);
      socket.on('error', () => {});
      const answer = await answerToSsl(socket, host.port, answerDeadlineMs, signal);
      if (answer === 'S' || answer === 'N') return undefined;
    }
    return `${name}: nothing answers as a Postgres does`;
  } catch (error) {
    signal?.throwIfAborted();
    return `${name}: ${messageOf(error)}`;
  }
}
