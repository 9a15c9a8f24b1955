import { parseTrouble, troubleProbe } from '../check/trouble-probe.ts';
import { now } from '../clock/clock.ts';
import { retryUntil } from '../clock/deadline.ts';
import { DeadlineError, EnvironmentError } from '../contract/errors.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { ContainerRelay } from '../incus/relay/container-relay.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import { describeLastWords } from '../postgres/server-log.ts';
import { type Session, sqlStateOf } from '../postgres/session.ts';
import type { MemberCertificate } from './certificates/certificates.ts';
import { type Facts, readFacts } from './facts.ts';
import { MemberContainer, type Run } from './member-container.ts';
import type { Secrets } from './passwords/secrets.ts';
import type { Steps } from './steps.ts';

/** How often a Postgres that does not answer is asked why. */
const lookMs = 3000;
const troubleBytes = 2 * 1024 * 1024;

/** What every part of one provisioning run works with. */
export class Context implements Run {
  readonly formation: Formation;
  readonly incus: Incus;
  readonly steps: Steps;
  readonly signal: AbortSignal;
  readonly monitor: Member;
  readonly dataNodes: readonly Member[];
  /** By member; empty where certificates are self-signed. */
  readonly certificates: ReadonlyMap<string, MemberCertificate>;
  /** What was found in each container; nothing (noFacts) of one that does not exist, and no entry of one that was not read. */
  readonly facts = new Map<string, Facts>();
  /** Data nodes whose container has all that stands outside the data directory. */
  readonly prepared = new Set<string>();
  /** Containers that exist and do not run, or whose files postgres cannot read: a plan cannot look into them. */
  readonly closed = new Set<string>();
  /** Passwords of pg_auto_failover's accounts; known once the containers were read. */
  secrets: Secrets = { autoctl: '', replication: '' };
  private readonly relays = new Map<string, ContainerRelay>();
  private readonly sessions = new Map<string, Session>();
  private readonly opening = new Map<string, Promise<Session>>();

  constructor(
    { formation, incus, steps, signal }: Run,
    certificates: ReadonlyMap<string, MemberCertificate>,
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

  /** @throws EnvironmentError where nobody has looked: that is no container without data */
  factsOf({ name }: Member): Facts {
    const facts = this.facts.get(name);
    if (facts === undefined)
      throw new EnvironmentError(`what ${name} holds was not read, so nothing can be done to it`);
    return facts;
  }

  /** A member's container to work in. @param steps of which its changes are, where those are not the run's own */
  container(member: Member, steps: Steps = this.steps): MemberContainer {
    return new MemberContainer(this, member, { steps });
  }

  /** What a member's container, which must run, holds now. Throws as readFacts does. */
  async readFacts(member: Member): Promise<Facts> {
    return await readFacts(this.relay(member), member, this.signal);
  }

  /** The way into a member's container, which must run: opened where there is none. */
  relay({ name }: Pick<Member, 'name'>): ContainerRelay {
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
    let lookAt = now() + lookMs;
    let said: string | undefined;
    return await retryUntil(
      `Postgres in ${member.name} to answer`,
      { deadlineMs: 60_000, pauseMs: 100, signal: this.signal },
      async () => {
        try {
          return await this.open(member);
        } catch (error) {
          if (now() > lookAt) {
            said = await this.lastWords(member);
            lookAt = now() + lookMs;
          }
          // The last of these is what the deadline tells.
          throw said === undefined ? error : new EnvironmentError(said);
        }
      },
    );
  }

  /** Why a member's Postgres is down, in its own words; undefined where it does not say. */
  private async lastWords(member: Member): Promise<string | undefined> {
    try {
      const output = await this.relay(member).read(troubleProbe(member), {
        deadlineMs: 5000,
        maxBytes: troubleBytes,
        signal: this.signal,
      });
      const { lastWords } = parseTrouble(output).postgres;
      return lastWords && `Postgres does not start: ${describeLastWords(lastWords)}`;
    } catch {
      this.signal.throwIfAborted();
      return undefined;
    }
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
