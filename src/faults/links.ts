import { EnvironmentError } from '../contract/errors.ts';
import type { Member } from '../formation/formation.ts';
import { attemptConnections, attemptThrough, type ConnectionAttempts } from './connection-attempts.ts';
import type { Scene } from './fault.ts';
import { type Filter, setFilter } from './packet-filter.ts';

/** Faults of the network, inflicted inside the primary's container and seen from both ends of each link. */

/** Long enough for a second SYN to be lost, too: the kernel sends it after a second. */
export const silenceMs = 1500;

/** One direction of a link: attempts from a container at the addresses of another. */
export interface Direction {
  from: string;
  to: string;
  addresses: string[];
}

export interface Cut {
  /** Where packets are dropped. */
  target: Member;
  /** Those that it is cut off from. */
  peers: readonly Member[];
  /** What to drop, given the addresses of the peers. */
  filterFor: (addresses: string[]) => Filter;
}

/** Drops packets in the target. */
export async function cut(scene: Scene, { target, peers, filterFor }: Cut, signal: AbortSignal) {
  const { incus } = scene;
  const own = (await incus.state(target.name, signal)).addresses;
  const theirs = await Promise.all(peers.map(async ({ name }) => await incus.state(name, signal)));
  const directions = peers.flatMap(({ name }, index): Direction[] => [
    { from: target.name, to: name, addresses: theirs[index]?.addresses ?? [] },
    { from: name, to: target.name, addresses: own },
  ]);
  const open = await answeringBefore('the cut', scene, directions, signal);
  const filter = filterFor(theirs.flatMap(({ addresses }) => addresses));
  return {
    inject: () => setFilter(incus, target.name, filter),
    async proof() {
      const found = (await Promise.all(open.map((direction) => tried(scene, direction)))).flat();
      return cutProof(
        target.name,
        peers.map(({ name }) => name),
        found,
      );
    },
  };
}

/**
 * The directions with the addresses that answer: silence proves something only where there was an answer before.
 * @param what is to come, for people
 * @throws EnvironmentError where none of one answers
 */
export async function answeringBefore(
  what: string,
  scene: Scene,
  directions: readonly Direction[],
  signal: AbortSignal,
): Promise<Direction[]> {
  return await Promise.all(
    directions.map(async (direction) => {
      const answering = (await tried(scene, direction, signal)).filter(({ answered }) => answered > 0);
      if (answering.length === 0)
        throw new EnvironmentError(
          `no address of ${direction.to} answers ${direction.from} even before ${what} (${direction.addresses.join(', ') || 'it has none'})`,
        );
      return { ...direction, addresses: answering.map(({ address }) => address) };
    }),
  );
}

/** Attempts at each address of a direction, each for silenceMs. Throws as attemptConnections. */
export async function tried(
  { incus, formation }: Scene,
  { from, addresses }: Direction,
  signal?: AbortSignal,
): Promise<ConnectionAttempts[]> {
  if (addresses.length === 0) return [];
  return await attemptConnections(incus, from, addresses, {
    port: formation.postgres.port,
    times: 1,
    waitMs: silenceMs,
    signal,
  });
}

/** The same from who is left when a host is lost, by the way that is open there. Throws as attemptConnections. */
export async function triedByThoseLeft(
  { incus, formation, relayOf }: Scene,
  { from, addresses }: Direction,
): Promise<ConnectionAttempts[]> {
  const { port } = formation.postgres;
  return await attemptThrough(relayOf?.(from), incus, from, { addresses, port, times: 1, waitMs: silenceMs });
}

/** Pure: what shows the cut, or undefined when anything got through or was told at once that it cannot. */
export function cutProof(
  target: string,
  peers: readonly string[],
  found: readonly ConnectionAttempts[],
): string | undefined {
  if (found.length === 0 || found.some(({ answered, failed }) => answered + failed > 0)) return undefined;
  return `${found.length} TCP connections between ${target} and ${peers.join(', ')}, tried both ways, met silence for ${silenceMs / 1000} s`;
}
