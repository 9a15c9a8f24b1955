import { type Moment, now } from '../clock/clock.ts';
import type { Incus } from './incus.ts';

/** A container may have another address when it is started again. Asking Incus costs a process. */
const askAgainMs = 5000;

/** Addresses of instances, which are asked for again as time goes by, for whoever has to connect anew. */
export class KnownAddresses {
  private readonly incus: Incus;
  private readonly known = new Map<string, { addresses: string[]; askedAt: Moment }>();

  private constructor(incus: Incus) {
    this.incus = incus;
  }

  /** @throws as Incus.state */
  static async ask(
    incus: Incus,
    instances: readonly string[],
    signal?: AbortSignal,
  ): Promise<KnownAddresses> {
    const found = new KnownAddresses(incus);
    const ask = async (instance: string) => {
      const { addresses } = await incus.state(instance, signal);
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
      this.incus.state(instance).then(
        ({ addresses }) => {
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
