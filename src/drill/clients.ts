import { resolve } from 'node:path';
import type { ApplicationAccess } from '../application/access.ts';
import { connectTold } from '../application/by-uri.ts';
import type { UriAccess } from '../application/uri-access.ts';
import { type Moment, now, toSeconds } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { DeadlineError, EnvironmentError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { Evidence } from '../evidence/evidence.ts';
import { judgedInTurns } from '../evidence/ledger/ledger.ts';
import type { LedgerRead, Roles, Throughput } from '../evidence/record.ts';
import type { Burst } from '../evidence/workload.ts';
import type { Scene } from '../faults/fault.ts';
import type { Member } from '../formation/formation.ts';
import type { ContainerRelay } from '../incus/relay/container-relay.ts';
import type { ClientsRecord, DrillRecord } from './record.ts';
import { shortfall } from './shortfall.ts';
import { askWithoutPower } from './without-power.ts';

/** How the application's clients are watched. */
export interface ClientsOptions {
  /**
   * The application's way in, or why there is none. `assumed` where nobody gave its password: then the drill goes on
   * without clients where it does not fit.
   */
  access: { access: ApplicationAccess; assumed: boolean } | { missing: string };
  /** The application's own connection string, for clients that go by it beside these. */
  byUri: UriAccess | undefined;
  /** Whether there must be clients, whoever assumed their password. */
  required: boolean;
  /** Whether publications may carry the drill's table to subscribers. */
  published: boolean;
  sessions: number;
  /** Of each session, at most. */
  writesPerSecond: number;
  /** How many writes the primary must have acknowledged to them when the fault comes. */
  leastAtRisk: number;
  /** Where the journal goes: the folder of the reports. */
  folder: string;
}

const readyDeadlineMs = 15_000;
/** To log in, where many do. */
const perSessionMs = 300;
/** The fault waits for the writes at risk for this many times as long as they should take, and a little more. */
const preludePatience = 2;
/** By how much clients write more often while they begin, up to what may be asked of them for good, and for how long. */
const burstFactor = 10;
const mostOfBurst = 200;
const burstMs = 2000;
/** Where a node refuses clients for a reason that does not change by itself. */
const lastChanceMs = 2000;
/** Clients that have not found the formation again by then are told as such. */
const backDeadlineMs = 10_000;
/** What stands between may look for a server again only after some time: PgBouncer, by its defaults, after 15 s. */
const uriBackDeadlineMs = 30_000;

/** How long clients take to write so much, the witness among them, at the rate that they keep to. Seconds. */
export function preludeSeconds(writes: number, sessions: number, writesPerSecond: number): number {
  return writes / ((sessions + 1) * writesPerSecond);
}

type Asked = Pick<ClientsOptions, 'leastAtRisk' | 'sessions' | 'writesPerSecond'>;

/** For how long the fault waits at most for the writes at risk. */
export function preludePatienceMs({ leastAtRisk, sessions, writesPerSecond }: Asked): number {
  return readyDeadlineMs + preludePatience * preludeSeconds(leastAtRisk, sessions, writesPerSecond) * 1000;
}

/**
 * Clients begin at a faster pace, so that the writes that must be at risk are there when everything else is ready. They
 * are back at their own pace when these are there, and after a moment in any case: nobody asked for more.
 * @returns undefined where nothing need be at risk, or no faster pace is allowed
 */
export function openingBurst({ leastAtRisk, writesPerSecond }: Omit<Asked, 'sessions'>): Burst | undefined {
  const fast = Math.min(burstFactor * writesPerSecond, mostOfBurst);
  if (leastAtRisk === 0 || fast <= writesPerSecond) return undefined;
  return { writesPerSecond: fast, writes: leastAtRisk, limitMs: burstMs };
}

/** The drill's view of the application's clients: they write from before the fault until after the rejoin. */
export class WatchedClients {
  private readonly evidence: Evidence;
  private readonly log: Log;
  private readonly about: Pick<
    ClientsRecord,
    'vantage' | 'journal' | 'sessions' | 'writesPerSecond' | 'leastWritesAtRisk' | 'byUri'
  >;
  private readonly reads: LedgerRead[] = [];
  private readonly unread: string[] = [];

  private constructor(evidence: Evidence, log: Log, about: WatchedClients['about']) {
    this.evidence = evidence;
    this.log = log;
    this.about = about;
  }

  /**
   * Starts the clients and waits until each kind of them has written on the primary.
   * @param options.drill id of the drill
   * @param options.vantage where clients stand that have no route of their own
   * @param options.relayOf ways into the containers that are open already
   * @throws EnvironmentError, DeadlineError: then nothing was touched
   */
  static async start(
    scene: Scene,
    options: Omit<ClientsOptions, 'access' | 'required'> & {
      drill: string;
      access: ApplicationAccess;
      vantage: Member;
      limitMs: number;
      relayOf: (name: string) => ContainerRelay;
      log: Log;
      signal: AbortSignal;
    },
  ): Promise<WatchedClients> {
    const { drill, access, vantage, limitMs, relayOf, log, signal } = options;
    const { published, sessions, writesPerSecond, leastAtRisk, folder, byUri } = options;
    const burst = openingBurst({ leastAtRisk, writesPerSecond });
    const journal = `failover-drill-${scene.formation.name}-${drill}.journal.jsonl`;
    const evidence = await Evidence.start({
      formation: scene.formation,
      incus: scene.incus,
      access,
      byUri,
      run: drill,
      primary: scene.primary.name,
      vantage,
      journalPath: resolve(folder, journal),
      log,
      signal,
      published,
      sessions,
      writesPerSecond,
      burst,
      limitMs,
      relayOf,
      ask: await askWithoutPower(scene, vantage, signal),
    });
    try {
      const deadlineMs = readyDeadlineMs + sessions * perSessionMs;
      await evidence.everyKindAcknowledged({ deadlineMs, signal });
    } catch (error) {
      await evidence.end();
      throw error;
    }
    log.info(
      `clients: ${sessions} sessions of ${access.user} write to ${access.database}, up to ${writesPerSecond} times a second each${burst === undefined ? '' : `, and up to ${burst.writesPerSecond} at first`}`,
    );
    const { uriClients } = evidence;
    if (byUri !== undefined && uriClients !== undefined) {
      log.info(
        `clients: as many more go by client-uri (${uriClients.hosts.join(', ')}), which leads to ${uriClients.end.address ?? 'a server on its own host'}`,
      );
      for (const told of connectTold(byUri.uri)) log.info(`client-uri: ${told}`);
    }
    const { via } = evidence.route;
    return new WatchedClients(evidence, log, {
      vantage: via === 'vantage' ? vantage.name : undefined,
      journal,
      sessions,
      writesPerSecond,
      leastWritesAtRisk: leastAtRisk,
      byUri:
        byUri && uriClients
          ? {
              hosts: uriClients.hosts,
              ledTo: uriClients.end.address,
              via: uriClients.reach.via,
              addedMs: uriClients.reach.addedMs,
              notes: connectTold(byUri.uri),
            }
          : undefined,
    });
  }

  /** What they ask of the formation, and from where. */
  get load(): NonNullable<DrillRecord['load']> {
    const { sessions, writesPerSecond, byUri } = this.about;
    return {
      sessions,
      writesPerSecond,
      via: this.evidence.route.via,
      ...(byUri !== undefined && { byUri: byUri.hosts }),
    };
  }

  /**
   * Waits until the primary has acknowledged as many writes as must be at risk when the fault comes: it tells little
   * that none of a few is lost.
   * @throws EnvironmentError with how many there were in time, or the signal's reason
   */
  async enoughAtRisk(primary: string, signal: AbortSignal): Promise<void> {
    const { leastWritesAtRisk: least = 0, sessions, writesPerSecond } = this.about;
    const deadlineMs = preludePatienceMs({ leastAtRisk: least, sessions, writesPerSecond });
    const counted = await this.evidence.acknowledgedTo(least, primary, { deadlineMs, signal });
    // The fault meets them at the pace that they were given.
    this.evidence.endBurst();
    if (counted < least)
      throw new EnvironmentError(
        `${primary} acknowledged ${counted} writes of clients in ${Math.round(deadlineMs / 1000)} s, and ${least} must be at risk when the fault comes; ask for fewer (least-writes-at-risk), or see why commits take so long there`,
      );
  }

  /**
   * Waits for the first write that a node acknowledged to the application since the fault, and reads the rows that
   * stand there then. It does not wait for what cannot come: the outage would last as long.
   * @throws the signal's reason
   */
  async follow(node: string, faultAt: Moment, deadlineMs: number, signal: AbortSignal): Promise<void> {
    const [at] = await Promise.all([
      this.firstWrite(node, faultAt, deadlineMs, signal),
      this.followByUri(faultAt, deadlineMs, signal),
    ]);
    if (at === undefined)
      this.log.warn(
        [`clients: no write on ${node} was acknowledged by now`, ...this.evidence.lastWords(faultAt)].join(
          '; ',
        ),
      );
    else
      this.log.info(
        `clients: the first write on ${node} was acknowledged after ${toSeconds(at - faultAt).toFixed(3)} s`,
      );
    await this.read(node, signal);
  }

  /** The fault stays until clients by the connection string write too: what that way takes is seen to its end. */
  private async followByUri(faultAt: Moment, deadlineMs: number, signal: AbortSignal): Promise<void> {
    if (this.evidence.uriClients === undefined) return;
    const at = await this.firstByUri(faultAt, true, { deadlineMs, signal });
    const told =
      at === undefined
        ? 'no write by client-uri was acknowledged by now'
        : `the first write by client-uri was acknowledged after ${toSeconds(at - faultAt).toFixed(3)} s`;
    this.log.info(`clients: ${told}`);
  }

  /** Undefined where none came in time. @throws the signal's reason */
  private async firstByUri(
    since: Moment,
    promoted: boolean,
    options: { deadlineMs: number; signal: AbortSignal },
  ): Promise<Moment | undefined> {
    try {
      return await this.evidence.firstByUri(since, promoted, options);
    } catch (error) {
      const isOver = error instanceof DeadlineError || this.evidence.journal.full.aborted;
      if (!isOver || options.signal.aborted) throw error;
      return undefined;
    }
  }

  /** When a write sent since a moment was acknowledged by a node; undefined where none is in time. @throws the signal's reason */
  private async firstWrite(
    node: string,
    since: Moment,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<Moment | undefined> {
    const stop = new AbortController();
    const options = { deadlineMs, signal: AbortSignal.any([signal, stop.signal]) };
    const refusal = this.evidence
      .refusedForGood(now(), node, options)
      .then((why) => this.log.warn(`clients: ${node} refuses them: ${why}`))
      .then(() => sleep(lastChanceMs, options.signal));
    try {
      const acknowledged = this.evidence.firstAcknowledged(since, node, options);
      return (await Promise.race([acknowledged, refusal])) ?? undefined;
    } catch (error) {
      const isOver = error instanceof DeadlineError || this.evidence.journal.full.aborted;
      if (!isOver || signal.aborted) throw error;
      return undefined;
    } finally {
      stop.abort();
      await refusal.catch(() => {});
    }
  }

  /**
   * Sees the clients write once more, stops them, reads their rows for the last time and judges them all.
   * @param whole resolves once the formation is whole again, or is not waited for any more: a standby that has yet to
   *   connect keeps their commits waiting, and they have as long again where that comes later than their time
   * @throws the signal's reason
   */
  async conclude(roles: Roles, whole: Promise<void>, signal: AbortSignal): Promise<ClientsRecord> {
    const primary = roles.newPrimary ?? roles.oldPrimary;
    const since = now();
    const isSeen = async () => (await this.firstWrite(primary, since, backDeadlineMs, signal)) !== undefined;
    let isWhole = false;
    void whole.then(() => {
      isWhole = true;
    });
    const byUri = this.about.byUri && this.writeAtEndByUri(since, whole, signal);
    byUri?.catch(() => {});
    const writeAtEnd = (await isSeen()) || (!isWhole && (await whole.then(isSeen)));
    const writeAtEndByUri = await byUri;
    if (!writeAtEnd)
      this.log.warn(
        [
          `clients: they do not write on ${primary}, although it is the primary`,
          ...this.evidence.lastWords(since),
        ].join('; '),
      );
    const history = await this.evidence.stop();
    await this.read(primary, signal);
    const judged = await judgedInTurns(history, this.reads, roles, signal);
    this.tellShortfall(judged.throughput, roles.oldPrimary);
    const { via, addedMs } = this.evidence.route;
    return {
      via,
      addedMs,
      ...this.about,
      journalDigest: this.evidence.journal.digest,
      scene: roles,
      reads: this.reads,
      writeAtEnd,
      writeAtEndByUri,
      unread: this.unread,
      ...judged,
    };
  }

  private async writeAtEndByUri(since: Moment, whole: Promise<void>, signal: AbortSignal): Promise<boolean> {
    const options = { deadlineMs: uriBackDeadlineMs, signal };
    if ((await this.firstByUri(since, false, options)) !== undefined) return true;
    await whole;
    const isBack =
      (await this.firstByUri(since, false, { deadlineMs: backDeadlineMs, signal })) !== undefined;
    if (!isBack)
      this.log.warn(
        ['clients: they do not write by client-uri', ...this.evidence.lastWords(since)].join('; '),
      );
    return isBack;
  }

  /** What the primary could not follow, clients did not ask of it. */
  private tellShortfall(throughput: Throughput, primary: string): void {
    const { sessions, writesPerSecond } = this.about;
    const told = shortfall({ sessions, writesPerSecond, throughput }, primary);
    if (told !== undefined) this.log.warn(`clients: ${told}`);
  }

  private async read(node: string, signal: AbortSignal): Promise<void> {
    try {
      this.reads.push(await this.evidence.read(node, signal));
    } catch (error) {
      signal.throwIfAborted();
      this.unread.push(`the rows on ${node} could not be read: ${messageOf(error)}`);
      this.log.warn(this.unread.at(-1) ?? '');
    }
  }

  /** Stops what still runs and takes the rows away. Never throws. */
  async end(): Promise<void> {
    try {
      await this.evidence.end();
    } catch (error) {
      this.log.warn(`the clients did not end as they should: ${messageOf(error)}`);
    }
  }
}
