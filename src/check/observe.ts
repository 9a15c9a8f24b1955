import { now, wallClock } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { messageOf } from '../contract/errors.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import { ContainerRelay } from '../incus/container-relay.ts';
import type { Incus, Instance } from '../incus/incus.ts';
import { drillMarkKey } from '../incus/labels.ts';
import { databaseOf } from '../postgres/member-session.ts';
import { Session } from '../postgres/session.ts';
import { containerProbe, type ObservedContainer, parseContainer } from './container-probe.ts';
import { type Credentials, observeLogins } from './login.ts';
import type { Observation, ObservedInstance, ObservedNode, Read } from './observation.ts';
import { observeMonitor, observeNode } from './sql-probe.ts';

/** How long one container may take to answer. A healthy one takes a tenth of a second. */
export const memberDeadlineMs = 5000;

/** The probe bounds each file that it reads; all of them together are less than half of this. */
const probeBytes = 4 * 1024 * 1024;

export interface ObserveOptions {
  signal?: AbortSignal | undefined;
  /** The instances of the formation's remote and project, where they are read for several formations at once. */
  instances?: Promise<Map<string, Instance>>;
  /** With them every node is logged in on as the application does. */
  credentials?: Credentials | undefined;
  /** Ways into the members that are open already, or are opened; without them new ones are, and closed. */
  ways?: WaysIn | undefined;
}

/** How a member is read: each throws where its container does not let us in. */
export interface WaysIn {
  relay(member: Member): ContainerRelay;
  /** A superuser's session, on the monitor's own database there. */
  session(member: Member, signal: AbortSignal): Promise<Session>;
}

/**
 * Reads the whole formation at once, each container in parallel and under its own deadline.
 * @throws only what keeps us from Incus itself (EnvironmentError, InputError, DeadlineError) or a cancellation
 */
export async function observe(
  formation: Formation,
  incus: Incus,
  { signal, instances = incus.instances(signal), credentials, ways }: ObserveOptions = {},
): Promise<Observation> {
  const observedAt = wallClock(now());
  const own = new OwnWays(formation, incus);
  const reader = new Reader(formation, instances, ways ?? own, signal);
  const members = membersOf(formation);
  const [monitorMember, ...dataMembers] = members;
  const [found, monitor, nodes, containers, logins] = await Promise.all([
    instances,
    reader.sql(monitorMember, (session) => observeMonitor(session, formation.name)),
    Promise.all(
      dataMembers.map((member) => reader.sql(member, (session) => observeNode(session, formation))),
    ),
    Promise.all(members.map((member) => reader.container(member))),
    observeLogins(formation, incus, credentials, signal),
  ]).finally(() => own.close());
  const byName = <T>(of: readonly Member[], values: readonly T[]): Record<string, T> =>
    Object.fromEntries(of.map(({ name }, index) => [name, values[index] as T]));
  return {
    observedAt,
    instances: byName(
      members,
      members.map(({ name }) => observedInstance(found.get(name))),
    ),
    containers: byName<Read<ObservedContainer>>(members, containers),
    monitor,
    nodes: byName<Read<ObservedNode>>(dataMembers, nodes),
    logins,
  };
}

function observedInstance(instance: Instance | undefined): ObservedInstance {
  return {
    status: instance?.status ?? 'missing',
    drillMark: instance?.config[drillMarkKey],
    limits: {
      cpu: instance?.config['limits.cpu'],
      memory: instance?.config['limits.memory'],
      disk: instance?.devices['root']?.['size'],
    },
  };
}

/** Ways of one observation's own: one relay a container, for all that is read there. */
class OwnWays implements WaysIn {
  private readonly formation: Formation;
  private readonly incus: Incus;
  private readonly relays = new Map<string, ContainerRelay>();

  constructor(formation: Formation, incus: Incus) {
    this.formation = formation;
    this.incus = incus;
  }

  relay({ name }: Member): ContainerRelay {
    const relay = this.relays.get(name) ?? new ContainerRelay(this.incus, name, 'root');
    this.relays.set(name, relay);
    return relay;
  }

  async session(member: Member, signal: AbortSignal): Promise<Session> {
    const socket = this.relay(member).postgresSocket(this.formation.postgres.port);
    const database = databaseOf(member);
    return await Session.open(socket, { database, connectDeadlineMs: memberDeadlineMs, signal });
  }

  close(): void {
    for (const relay of this.relays.values()) relay.close();
  }
}

/** Reads single members. What cannot be read says why, and hides nothing else. */
class Reader {
  private readonly formation: Formation;
  private readonly instances: Promise<Map<string, Instance>>;
  private readonly ways: WaysIn;
  private readonly signal: AbortSignal | undefined;

  constructor(
    formation: Formation,
    instances: Promise<Map<string, Instance>>,
    ways: WaysIn,
    signal: AbortSignal | undefined,
  ) {
    this.formation = formation;
    this.instances = instances;
    this.ways = ways;
    this.signal = signal;
  }

  /** Reads a member over a session in its container. */
  async sql<T>(member: Member, work: (session: Session) => Promise<T>): Promise<Read<T>> {
    return await this.unlessStopped(member, `Postgres in ${member.name}`, async (signal) =>
      work(await this.ways.session(member, signal)),
    );
  }

  /** Has a member's container tell of itself. */
  async container(member: Member): Promise<Read<ObservedContainer>> {
    const hosts = membersOf(this.formation).map(({ host }) => host);
    return await this.unlessStopped(member, `the container ${member.name}`, async (signal) => {
      const fromMs = Date.now();
      const command = containerProbe(member, hosts);
      const options = { deadlineMs: memberDeadlineMs, maxBytes: probeBytes, signal };
      const output = await this.ways.relay(member).read(command, options);
      return parseContainer(output, { fromMs, toMs: Date.now() });
    });
  }

  /** A container that does not run need not be waited for: a frozen one would use up the deadline. */
  private async unlessStopped<T>(
    { name }: Member,
    what: string,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<Read<T>> {
    const given = new AbortController();
    const { signal } = this;
    const stop = () => given.abort(signal?.reason);
    signal?.addEventListener('abort', stop, { once: true });
    const reading = withDeadline(what, memberDeadlineMs, work, given.signal).then(
      (value): Read<T> => ({ ok: true, value }),
      (error: unknown): Read<T> => ({ ok: false, failed: messageOf(error) }),
    );
    try {
      const status = (await this.instances).get(name)?.status;
      if (status === undefined) return { ok: false, failed: `there is no container ${name}` };
      return status === 'Running' ? await reading : { ok: false, failed: `the container is ${status}` };
    } finally {
      given.abort();
      signal?.removeEventListener('abort', stop);
      signal?.throwIfAborted();
    }
  }
}
