import { EnvironmentError } from '../contract/errors.ts';
import type { Member } from '../formation/formation.ts';
import { type Attempts, attempt } from './attempts.ts';
import type { Prepare, Scene } from './fault.ts';
import { type Filter, setFilter } from './packet-filter.ts';

/** Faults of the network, inflicted inside the primary's container and seen from both ends of each link. */

/** Long enough for a second SYN to be lost, too: the kernel sends it after a second. */
const silenceMs = 1500;

/** A port that nobody listens on, so that an attempt costs no Postgres session. */
const closedPort = 1;
const lossAttempts = 200;
const lossWaitMs = 500;
/**
 * One packet in twenty each way loses a tenth of the attempts: fewer than 3 of 200 once in 1,000,000. With one in ten,
 * the timings fast were seen to fail over: each report takes name look-ups and a new connection.
 */
export const loseOneIn = 20;
const leastLost = 3;

/** One direction of a link: attempts from a container at the addresses of another. */
interface Direction {
  from: string;
  to: string;
  addresses: string[];
}

export const networkCut: Prepare = (scene, target, signal) =>
  cut(scene, target, [scene.monitor, ...scene.standbys], () => 'isolate', signal);

export const monitorCut: Prepare = (scene, target, signal) =>
  cut(scene, target, [scene.monitor], (block) => ({ block }), signal);

export const standbyCut: Prepare = (scene, target, signal) =>
  cut(scene, target, scene.standbys, (block) => ({ block }), signal);

async function cut(
  scene: Scene,
  target: Member,
  peers: readonly Member[],
  filterFor: (addresses: string[]) => Filter,
  signal: AbortSignal,
) {
  const { incus } = scene;
  const own = (await incus.state(target.name, signal)).addresses;
  const theirs = await Promise.all(peers.map(async ({ name }) => await incus.state(name, signal)));
  const directions = peers.flatMap(({ name }, index): Direction[] => [
    { from: target.name, to: name, addresses: theirs[index]?.addresses ?? [] },
    { from: name, to: target.name, addresses: own },
  ]);
  // Silence proves something only where there was an answer before.
  const open = await Promise.all(
    directions.map(async (direction) => {
      const answering = (await tried(scene, direction, signal)).filter(({ answered }) => answered > 0);
      if (answering.length === 0)
        throw new EnvironmentError(
          `no address of ${direction.to} answers ${direction.from} even before the cut (${direction.addresses.join(', ') || 'it has none'})`,
        );
      return { ...direction, addresses: answering.map(({ address }) => address) };
    }),
  );
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

async function tried(
  { incus, formation }: Scene,
  { from, addresses }: Direction,
  signal?: AbortSignal,
): Promise<Attempts[]> {
  if (addresses.length === 0) return [];
  return await attempt(incus, from, addresses, {
    port: formation.postgres.port,
    times: 1,
    waitMs: silenceMs,
    signal,
  });
}

/** Pure: what shows the cut, or undefined when anything got through or was told at once that it cannot. */
export function cutProof(
  target: string,
  peers: readonly string[],
  found: readonly Attempts[],
): string | undefined {
  if (found.length === 0 || found.some(({ answered, failed }) => answered + failed > 0)) return undefined;
  return `${found.length} TCP connections between ${target} and ${peers.join(', ')}, tried both ways, met silence for ${silenceMs / 1000} s`;
}

export const packetLoss: Prepare = async (scene, target, signal) => {
  const { incus, monitor } = scene;
  const { addresses } = await incus.state(monitor.name, signal);
  const options = { port: closedPort, times: lossAttempts, waitMs: lossWaitMs };
  const before = await attempt(incus, target.name, addresses, { ...options, signal });
  const answering = before.filter(({ times, answered }) => times - answered < leastLost);
  const [address] = answering.map((each) => each.address);
  if (address === undefined)
    throw new EnvironmentError(
      `${monitor.name} does not answer ${target.name} reliably even without packet loss, so that it could not be shown`,
    );
  return {
    inject: () => setFilter(incus, target.name, { loseOneIn }),
    proof: async () => lossProof(await attempt(incus, target.name, [address], options)),
  };
};

/** Pure: what shows the loss, or undefined when too little is lost, or everything. */
export function lossProof(found: readonly Attempts[]): string | undefined {
  const times = found.reduce((sum, each) => sum + each.times, 0);
  const answered = found.reduce((sum, each) => sum + each.answered, 0);
  if (times - answered < leastLost || answered === 0) return undefined;
  return `${times - answered} of ${times} attempts to connect were not answered within ${lossWaitMs / 1000} s`;
}
