import type { Formation, Member } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { ContainerRelay } from '../incus/relay/container-relay.ts';
import { databaseOf } from '../postgres/member-session.ts';
import { openSession, type Session } from '../postgres/session.ts';

/** The ways into the members, by which an observation reads them. */

/** How long one container may take to answer. A healthy one takes a tenth of a second. */
export const memberDeadlineMs = 5000;

/** How a member is read: each throws where its container does not let us in. */
export interface WaysIn {
  relay(member: Member): ContainerRelay;
  /** A superuser's session, on the monitor's own database there. */
  session(member: Member, signal: AbortSignal): Promise<Session>;
}

/** Ways through relays that somebody else opens and closes. */
export class WaysThrough implements WaysIn {
  private readonly formation: Formation;
  private readonly relayOf: (name: string) => ContainerRelay;
  private readonly sessions: Session[] = [];

  constructor(formation: Formation, relayOf: (name: string) => ContainerRelay) {
    this.formation = formation;
    this.relayOf = relayOf;
  }

  relay({ name }: Member): ContainerRelay {
    return this.relayOf(name);
  }

  async session(member: Member, signal: AbortSignal): Promise<Session> {
    const { port, version } = this.formation.postgres;
    const session = await openSession(() => this.relay(member).postgresSocket(port), {
      database: databaseOf(member),
      connectDeadlineMs: memberDeadlineMs,
      signal,
      version,
    });
    this.sessions.push(session);
    return session;
  }

  /** Ends the sessions, and leaves the relays to their owner. */
  close(): void {
    for (const session of this.sessions.splice(0)) session.close();
  }
}

/** Relays of one observation's own: one a container, for all that is read there. */
export class OwnRelays {
  private readonly incus: Incus;
  private readonly relays = new Map<string, { remote: string; relay: ContainerRelay }>();

  constructor(incus: Incus) {
    this.incus = incus;
  }

  of(name: string): ContainerRelay {
    const { remote } = this.incus;
    const open = this.relays.get(name);
    if (open?.remote === remote) return open.relay;
    // The server that it goes through was left.
    open?.relay.close();
    const relay = new ContainerRelay(this.incus, name, 'root');
    this.relays.set(name, { remote, relay });
    return relay;
  }

  close(): void {
    for (const { relay } of this.relays.values()) relay.close();
  }
}
