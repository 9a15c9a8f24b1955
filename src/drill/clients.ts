import { resolve } from 'node:path';
import type { ApplicationAccess } from '../application/access.ts';
import { type Moment, now, seconds } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { DeadlineError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { activityOf } from '../evidence/activity.ts';
import { Evidence } from '../evidence/evidence.ts';
import { judgeLedger, type LedgerRead } from '../evidence/ledger.ts';
import type { Scene as Roles } from '../evidence/times.ts';
import type { Scene } from '../faults/fault.ts';
import type { Member } from '../formation/formation.ts';
import type { ClientsRecord } from './record.ts';

/** How the application's clients are watched. */
export interface ClientsOptions {
  /**
   * The application's way in, or why there is none. `assumed` where nobody gave its password: then the drill goes on
   * without clients where it does not fit.
   */
  access: { access: ApplicationAccess; assumed: boolean } | { missing: string };
  /** Whether there must be clients, whoever assumed their password. */
  required: boolean;
  sessions: number;
  /** Of each session, at most. */
  writesPerSecond: number;
  /** Where the journal goes: the folder of the reports. */
  folder: string;
}

const readyDeadlineMs = 15_000;
/** Where a node refuses clients for a reason that does not change by itself. */
const lastChanceMs = 2000;
/** Clients that have not found the formation again by then are told as such. */
const backDeadlineMs = 10_000;

/** The drill's view of the application's clients: they write from before the fault until after the rejoin. */
export class Clients {
  private readonly evidence: Evidence;
  private readonly log: Log;
  private readonly about: Pick<ClientsRecord, 'vantage' | 'journal' | 'sessions' | 'writesPerSecond'>;
  private readonly reads: LedgerRead[] = [];
  private readonly unread: string[] = [];

  private constructor(evidence: Evidence, log: Log, about: Clients['about']) {
    this.evidence = evidence;
    this.log = log;
    this.about = about;
  }

  /**
   * Starts the clients and waits until each kind of them has written on the primary.
   * @param drill id of the drill
   * @param vantage where clients stand that have no route of their own
   * @throws EnvironmentError, DeadlineError: then nothing was touched
   */
  static async start(
    scene: Scene,
    drill: string,
    access: ApplicationAccess,
    vantage: Member,
    options: Omit<ClientsOptions, 'access' | 'required'> & {
      limitMs: number;
      log: Log;
      signal: AbortSignal;
    },
  ): Promise<Clients> {
    const { sessions, writesPerSecond, folder, limitMs, log, signal } = options;
    const journal = `failover-drill-${scene.formation.name}-${drill}.journal.jsonl`;
    const evidence = await Evidence.start({
      formation: scene.formation,
      incus: scene.incus,
      access,
      run: drill,
      primary: scene.primary.name,
      vantage,
      journalPath: resolve(folder, journal),
      log,
      signal,
      sessions,
      writesPerSecond,
      limitMs,
    });
    try {
      await evidence.everyKindAcknowledged({ deadlineMs: readyDeadlineMs, signal });
    } catch (error) {
      await evidence.end();
      throw error;
    }
    log.info(
      `clients: ${sessions} sessions of ${access.user} write to ${access.database}, up to ${writesPerSecond} times a second each`,
    );
    const { via } = evidence.route;
    return new Clients(evidence, log, {
      vantage: via === 'vantage' ? vantage.name : undefined,
      journal,
      sessions,
      writesPerSecond,
    });
  }

  /**
   * Waits for the first write that a node acknowledged to the application since the fault, and reads the rows that
   * stand there then. It does not wait for what cannot come: the outage would last as long.
   * @throws the signal's reason
   */
  async follow(node: string, faultAt: Moment, deadlineMs: number, signal: AbortSignal): Promise<void> {
    const at = await this.firstWrite(node, faultAt, deadlineMs, signal);
    if (at === undefined) this.log.warn(`clients: no write on ${node} was acknowledged by now`);
    else
      this.log.info(
        `clients: the first write on ${node} was acknowledged after ${seconds(at - faultAt).toFixed(3)} s`,
      );
    await this.read(node, signal);
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
      if (!(error instanceof DeadlineError) || signal.aborted) throw error;
      return undefined;
    } finally {
      stop.abort();
      await refusal.catch(() => {});
    }
  }

  /**
   * Sees the clients write once more, stops them, reads their rows for the last time and judges them all.
   * @throws the signal's reason
   */
  async conclude(scene: Roles, signal: AbortSignal): Promise<ClientsRecord> {
    const primary = scene.newPrimary ?? scene.oldPrimary;
    const writeAtEnd = (await this.firstWrite(primary, now(), backDeadlineMs, signal)) !== undefined;
    if (!writeAtEnd) this.log.warn(`clients: they do not write on ${primary}, although it is the primary`);
    const history = await this.evidence.stop();
    await this.read(primary, signal);
    const { via, addedMs } = this.evidence.route;
    return {
      via,
      addedMs,
      ...this.about,
      scene,
      reads: this.reads,
      ledger: judgeLedger(history, this.reads, scene),
      writeAtEnd,
      unread: this.unread,
      activity: activityOf(history, scene),
    };
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
