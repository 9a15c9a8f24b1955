import * as v from 'valibot';
import { CommandError } from '../../contract/errors.ts';
import { devicesOfProfiles } from '../../incus/profiles.ts';
import type { Context } from '../context.ts';

/**
 * A managed bridge is a network of each host's own, unless it has a card of the host in it or a tunnel to the others (Incus'
 * network_bridge: `bridge.external_interfaces`, `tunnel.NAME.protocol`): containers on two hosts do not reach each other by it.
 */

const networkShape = {
  is: 'a network',
  schema: v.object({
    type: v.string(),
    managed: v.boolean(),
    config: v.nullish(v.record(v.string(), v.string())),
  }),
};

/**
 * The managed bridge by which the containers would not reach each other; undefined where there is none, or none that may be
 * read: then those that are launched show it.
 * @param hosts those that the containers are on, or will be
 */
export async function ownBridge(ctx: Context, hosts: readonly string[]): Promise<string | undefined> {
  if (hosts.length < 2) return undefined;
  const network = await networkOf(ctx);
  if (network === undefined) return undefined;
  const joined = await Promise.all(hosts.map((host) => isOwn(ctx, network, host)));
  return joined.every(Boolean) ? network : undefined;
}

/** The network that new containers get: the file's, or that of the profiles' card, the last of which counts. */
async function networkOf({ formation, incus, signal }: Context): Promise<string | undefined> {
  const { network, profiles } = formation.incus;
  if (network !== undefined) return network;
  const devices = await devicesOfProfiles(incus, profiles, signal);
  const cards = Object.values(devices).filter((device) => device?.['type'] === 'nic');
  return cards.length === 1 ? cards[0]?.['network'] : undefined;
}

async function isOwn({ incus, signal }: Context, network: string, host: string): Promise<boolean> {
  try {
    const url = `/1.0/networks/${encodeURIComponent(network)}?target=${encodeURIComponent(host)}`;
    const { type, managed, config } = await incus.ask(url, networkShape, signal);
    const isJoined = Object.entries(config ?? {}).some(
      ([key, value]) => value !== '' && /^(?:bridge\.external_interfaces$|tunnel\.)/.test(key),
    );
    return managed && type === 'bridge' && !isJoined;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CommandError) return false;
    throw error;
  }
}
