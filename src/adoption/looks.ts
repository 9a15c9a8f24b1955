import pLimit from 'p-limit';
import type { Incus } from '../incus/incus.ts';
import { ContainerRelay } from '../incus/relay/container-relay.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import type { Session } from '../postgres/session.ts';
import type { FoundMember } from './found.ts';
import { type Look, lookInto } from './look.ts';

/** So many containers are looked into at once: each takes a process of the client's. */
const atOnce = 4;

/** The ways into containers that an adoption reads: one to each, which is kept until it is done. */
export class Looks {
  private readonly incus: Incus;
  private readonly signal: AbortSignal;
  private readonly relays = new Map<string, ContainerRelay>();
  private readonly looks = new Map<string, Promise<Look>>();
  private readonly limit = pLimit(atOnce);

  constructor(incus: Incus, signal: AbortSignal) {
    this.incus = incus;
    this.signal = signal;
  }

  close(): void {
    for (const relay of this.relays.values()) relay.close();
  }

  /** What a container says of the members in it; it is asked once. Throws as lookInto does. */
  into(container: string): Promise<Look> {
    const known = this.looks.get(container);
    if (known) return known;
    const looking = this.limit(() => lookInto(this.relay(container), [], this.signal));
    this.looks.set(container, looking);
    return looking;
  }

  /** The addresses of hosts, as a container resolves them. Throws as lookInto does. */
  async resolve(container: string, hosts: readonly string[]): Promise<Look['hosts']> {
    return (await lookInto(this.relay(container), hosts, this.signal)).hosts;
  }

  /** Reads over a session in the container, as the superuser. */
  async session<T>(
    { container, port, postgresVersion }: FoundMember,
    role: 'monitor' | 'data',
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const session = await openMemberSession(
      this.incus,
      { postgres: { port, version: postgresVersion } },
      { name: container, role },
      { relay: this.relay(container), signal: this.signal },
    );
    try {
      return await work(session);
    } finally {
      session.close();
    }
  }

  private relay(container: string): ContainerRelay {
    const relay = this.relays.get(container) ?? new ContainerRelay(this.incus, container, 'root');
    this.relays.set(container, relay);
    return relay;
  }
}
