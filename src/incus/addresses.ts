import { type Moment, now } from '../clock/clock.ts';
import type { Incus } from './incus.ts';

interface RawState {
  network: Record<string, { addresses: { address: string; scope: string }[] | null }> | null;
}

/** The addresses that others reach an instance by, as Incus sees them: none while it is stopped. Throws as Incus.query does. */
export async function addressesOf(incus: Incus, instance: string, signal?: AbortSignal): Promise<string[]> {
  const path = `/1.0/instances/${encodeURIComponent(instance)}/state`;
  const { network } = (await incus.query(path, signal)) as RawState;
  return Object.values(network ?? {})
    .flatMap(({ addresses }) => addresses ?? [])
    .filter(({ scope }) => scope === 'global')
    .map(({ address }) => address);
}

/** A container may have another address when it is started again. Asking Incus costs a process. */
const askAgainMs = 5000;

/** Addresses of instances, which are asked for again as time goes by, for whoever has to connect anew. */
export class KnownAddresses {
  private readonly incus: Incus;
  private readonly known = new Map<string, { addresses: string[]; askedAt: Moment }>();

  private constructor(incus: Incus) {
    this.incus = incus;
  }

  /** @throws as Incus.query */
  static async ask(
    incus: Incus,
    instances: readonly string[],
    signal?: AbortSignal,
  ): Promise<KnownAddresses> {
    const found = new KnownAddresses(incus);
    const ask = async (instance: string) => {
      const addresses = await addressesOf(incus, instance, signal);
      found.known.set(instance, { addresses, askedAt: now() });
    };
    await Promise.all(instances.map(ask));
    return found;
  }

  /** As last heard; what is new by now shows in a later call. A stopped instance keeps what it had. */
  of(instance: string): readonly string[] {
    const entry = this.known.get(instance);
    if (entry && now() - entry.askedAt > askAgainMs) {
      entry.askedAt = now();
      addressesOf(this.incus, instance).then(
        (addresses) => {
          const same = addresses.includes(entry.addresses[0] ?? '');
          if (!same && addresses.length > 0) entry.addresses = addresses;
        },
        () => {},
      );
    }
    return entry?.addresses ?? [];
  }

  /** Puts the address first that was found to answer. */
  prefer(instance: string, address: string): void {
    const entry = this.known.get(instance);
    if (entry) entry.addresses = [address, ...entry.addresses.filter((other) => other !== address)];
  }
}
