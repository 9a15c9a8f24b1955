import { retryUntil } from '../clock/deadline.ts';
import { DeadlineError } from '../contract/errors.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import { ContainerRelay } from '../incus/container-relay.ts';
import type { Incus } from '../incus/incus.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import { type Session, sqlStateOf } from '../postgres/session.ts';
import { type Facts, noFacts } from './facts.ts';
import type { Secrets } from './secrets.ts';
import type { Steps } from './steps.ts';
import type { MemberCertificate } from './tls.ts';

/** What every part of one provisioning run works with. */
export class Context {
  readonly formation: Formation;
  readonly incus: Incus;
  readonly steps: Steps;
  readonly signal: AbortSignal;
  readonly monitor: Member;
  readonly dataNodes: readonly Member[];
  /** By member; empty where certificates are self-signed. */
  readonly certificates: ReadonlyMap<string, MemberCertificate>;
  /** What was found in each container that runs. */
  readonly facts = new Map<string, Facts>();
  /** Data nodes whose container has all that stands outside the data directory. */
  readonly prepared = new Set<string>();
  /** Containers that exist and do not run: a plan cannot look into them. */
  readonly closed = new Set<string>();
  /** Passwords of pg_auto_failover's accounts; known once the containers were read. */
  secrets: Secrets = { autoctl: '', replication: '' };
  private readonly relays = new Map<string, ContainerRelay>();
  private readonly sessions = new Map<string, Session>();
  private readonly opening = new Map<string, Promise<Session>>();

  constructor(
    formation: Formation,
    incus: Incus,
    steps: Steps,
    certificates: ReadonlyMap<string, MemberCertificate>,
    signal: AbortSignal,
  ) {
    this.formation = formation;
    this.incus = incus;
    this.steps = steps;
    this.certificates = certificates;
    this.signal = signal;
    [this.monitor, ...this.dataNodes] = membersOf(formation);
  }

  /** Whether a plan can tell what the member holds. Always, once a run has started what did not run. */
  isOpen({ name }: Member): boolean {
    return !this.closed.has(name);
  }

  get members(): readonly Member[] {
    return [this.monitor, ...this.dataNodes];
  }

  factsOf({ name }: Member): Facts {
    return this.facts.get(name) ?? noFacts;
  }

  /** The way into a member's container, which must run: opened where there is none. */
  relay({ name }: Member): ContainerRelay {
    const open = this.relays.get(name);
    if (open && open.lost === undefined) return open;
    const relay = new ContainerRelay(this.incus, name, 'root');
    this.relays.set(name, relay);
    return relay;
  }

  /** The session on a member (and one of its databases), opened where there is none. */
  async open(member: Member, database?: string): Promise<Session> {
    const key = [member.name, database ?? ''].join('/');
    const open = this.sessions.get(key);
    if (open && open.lost === undefined) return open;
    // Two that ask at once get the same one.
    const opening =
      this.opening.get(key) ??
      openMemberSession(this.incus, this.formation, member, {
        ...(database !== undefined && { database }),
        relay: this.relay(member),
        signal: this.signal,
      }).finally(() => this.opening.delete(key));
    this.opening.set(key, opening);
    const session = await opening;
    this.sessions.set(key, session);
    return session;
  }

  /** The same for a Postgres that may only just be starting. */
  async answering(member: Member): Promise<Session> {
    return await retryUntil(
      `Postgres in ${member.name} to answer`,
      { deadlineMs: 60_000, pauseMs: 100, signal: this.signal },
      () => this.open(member),
    );
  }

  /** The session, or undefined where no Postgres answers. */
  async openIfAnswers(member: Member): Promise<Session | undefined> {
    try {
      return await this.open(member);
    } catch {
      this.signal.throwIfAborted();
      return undefined;
    }
  }

  /**
   * Work over a member's session that is begun anew, twice at most, where Postgres ends the session in the midst of it: a
   * keeper restarts the Postgres of a standby that joins.
   */
  async despiteRestart<T>(member: Member, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const session = await this.answering(member);
      try {
        return await work();
      } catch (error) {
        this.signal.throwIfAborted();
        const ended = session.lost !== undefined || sqlStateOf(error)?.startsWith('57P');
        if (!ended || error instanceof DeadlineError || attempt === 3) throw error;
        this.closeSession(member);
      }
    }
  }

  /** Ends a member's sessions, which must not outlive what comes next, such as a restart of its Postgres. */
  closeSession({ name }: Member): void {
    for (const [key, session] of this.sessions) {
      if (!key.startsWith(`${name}/`)) continue;
      session.close();
      this.sessions.delete(key);
    }
  }

  close(): void {
    for (const session of this.sessions.values()) session.close();
    for (const relay of this.relays.values()) relay.close();
  }
}
