import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { ApplicationAccess } from '../application/access.ts';
import { openRoute, type Route, type Via } from '../application/route.ts';
import type { WayIn } from '../application/way-in.ts';
import { type Moment, now } from '../clock/clock.ts';
import { messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import type { Actor, History } from './history.ts';
import { Journal } from './journal.ts';
import type { LedgerRead } from './ledger.ts';
import { deleteRows, prepareTable } from './prepare.ts';
import { readRows } from './read-rows.ts';
import { Witness } from './witness.ts';
import { witnessesOn } from './witnesses.ts';
import { Workload } from './workload.ts';

export interface EvidenceOptions {
  formation: Formation;
  incus: Incus;
  access: ApplicationAccess;
  /** Id of the run: the key of its rows. */
  run: string;
  /** The primary that the fault will hit: the witnesses stay on it. */
  primary: string;
  /** A file outside the formation that does not exist yet; it outlives this process. */
  journalPath: string;
  log: Log;
  signal: AbortSignal;
  via?: Via | 'auto';
  /** Where clients stand that have no route of their own: the monitor's container, where nothing else is said. */
  vantage?: Member;
  sessions?: number;
  /** Of each session. */
  writesPerSecond?: number;
  statementDeadlineMs?: number;
  connectDeadlineMs?: number;
  /** The workload ends by itself after this time. */
  limitMs?: number;
}

const defaults = {
  via: 'auto',
  sessions: 4,
  writesPerSecond: 20,
  statementDeadlineMs: 2000,
  connectDeadlineMs: 1000,
  limitMs: 3_600_000,
} as const;

/**
 * What clients see of a formation while something is done to it: writers that follow the primary, witnesses that
 * stay on the old one, and the journal of both. Use: start, wait for `everyKindAcknowledged`, do it,
 * wait for `firstAcknowledged` on the new one, `read` that, undo, `stop`, `read` again, `judgeLedger`, `end`.
 */
export class Evidence {
  readonly route: Pick<Route, 'via' | 'addedMs'>;
  readonly journal: Journal;
  private readonly options: EvidenceOptions;
  private readonly way: WayIn;
  private readonly workload: Workload;
  private readonly witnesses: Witness[];
  private readonly stalls: IntervalHistogram;
  private stopped: Promise<History> | undefined;

  private constructor(
    options: EvidenceOptions,
    way: WayIn,
    journal: Journal,
    workload: Workload,
    witnesses: Witness[],
  ) {
    this.options = options;
    this.way = way;
    this.route = { via: way.route.via, addedMs: way.route.addedMs };
    this.journal = journal;
    this.workload = workload;
    this.witnesses = witnesses;
    this.stalls = monitorEventLoopDelay({ resolution: 20 });
    this.stalls.enable();
  }

  /**
   * Makes the table, opens the witnesses' sessions and starts the writers.
   * @throws EnvironmentError that says what keeps the application out, in Postgres's words; nothing runs then
   */
  static async start(given: EvidenceOptions): Promise<Evidence> {
    const options = { ...defaults, ...given };
    const { formation, incus, access, log, signal, via, connectDeadlineMs } = options;
    const { vantage = membersOf(formation)[0] } = options;
    const { nodes } = access;
    const { port } = formation.postgres;
    const route = await openRoute({ incus, vantage, nodes, port, via, log, signal });
    const way: WayIn = { access, route, connectDeadlineMs };
    const witnesses: Witness[] = [];
    let journal: Journal | undefined;
    try {
      await prepareTable(way, signal);
      const opened = Journal.create(options.journalPath, options.run);
      journal = opened;
      // An outage of the way is none of the formation's.
      route.onBroken((why) => opened.record({ kind: 'failing', at: now(), why }));
      const on = memberNamed(access, options.primary);
      const started = await Promise.allSettled(
        witnessesOn(on, way, opened, options).map((witness) => Witness.start(witness, signal)),
      );
      witnesses.push(...started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])));
      for (const each of started) if (each.status === 'rejected') throw each.reason;
      const workload = new Workload({ ...options, way, journal: opened });
      return new Evidence(options, way, opened, workload, witnesses);
    } catch (error) {
      await Promise.all(witnesses.map((witness) => witness.stop()));
      journal?.close();
      route.close();
      throw error;
    }
  }

  /**
   * Waits for the first write sent since `since` that a node acknowledged to the application; of any node where none
   * is named.
   * @throws DeadlineError, or the signal's reason
   */
  async firstAcknowledged(
    since: Moment,
    node: string | undefined,
    options: { deadlineMs: number; signal?: AbortSignal | undefined },
  ): Promise<Moment> {
    const writers = new Map<string, string>();
    const sent = new Set<string>();
    return await this.journal.until(
      `a write acknowledged to the application${node === undefined ? '' : ` by ${node}`}`,
      options,
      (event) => {
        if (event.kind === 'connected' && event.actor === 'application')
          writers.set(event.connection, event.node);
        if (event.kind === 'invoked' && event.at >= since) sent.add(`${event.connection} ${event.seq}`);
        if (event.kind !== 'acknowledged' || !sent.has(`${event.connection} ${event.seq}`)) return undefined;
        const writer = writers.get(event.connection);
        return writer !== undefined && (node === undefined || writer === node) ? event.at : undefined;
      },
    );
  }

  /**
   * Waits until a node has refused the application since `since` for a reason that does not change by itself.
   * @returns what it said
   * @throws DeadlineError, or the signal's reason
   */
  async refusedForGood(
    since: Moment,
    node: string,
    options: { deadlineMs: number; signal?: AbortSignal | undefined },
  ): Promise<string> {
    return await this.journal.until(`${node} to refuse the application`, options, (event) =>
      event.kind === 'refused' &&
      event.final &&
      event.actor === 'application' &&
      event.node === node &&
      event.at >= since
        ? event.why
        : undefined,
    );
  }

  /** Waits until the application and every witness that writes had a write acknowledged. @throws as firstAcknowledged */
  async everyKindAcknowledged(options: {
    deadlineMs: number;
    signal?: AbortSignal | undefined;
  }): Promise<void> {
    const actors = new Map<string, Actor>();
    const missing = new Set<Actor>(['application', 'witness', 'local-witness']);
    await this.journal.until('the first writes of the clients to be acknowledged', options, (event) => {
      if (event.kind === 'connected') actors.set(event.connection, event.actor);
      if (event.kind === 'acknowledged') missing.delete(actors.get(event.connection) as Actor);
      return missing.size === 0 ? true : undefined;
    });
  }

  /** Reads the run's rows on a node, as its superuser. @throws EnvironmentError, DeadlineError */
  async read(node: string, signal?: AbortSignal): Promise<LedgerRead> {
    const { formation, incus, access, run } = this.options;
    const session = await openMemberSession(incus, formation, memberNamed(access, node), {
      database: access.database,
      signal,
    });
    try {
      return await readRows(session, node, run, { signal });
    } finally {
      session.close();
    }
  }

  /** Stops writers and witnesses, closes the journal, and returns the history. The way in stays open. */
  async stop(): Promise<History> {
    this.stopped ??= this.halt();
    return await this.stopped;
  }

  private async halt(): Promise<History> {
    await Promise.all([this.workload.stop(), ...this.witnesses.map((witness) => witness.stop())]);
    this.stalls.disable();
    this.journal.record({ kind: 'stalled', at: now(), longestMs: this.stalls.max / 1e6 });
    this.journal.close();
    return this.journal.history();
  }

  /** Stops what still runs, deletes the run's rows as the application, and leaves. A clean-up that fails is told. */
  async end(): Promise<void> {
    const { log, run, signal } = this.options;
    try {
      await this.stop();
      await deleteRows(this.way, run, signal.aborted ? undefined : signal);
    } catch (error) {
      log.warn(`the rows of this run stay in public.pgha_drill for a few days: ${messageOf(error)}`);
    } finally {
      this.way.route.close();
    }
  }
}

function memberNamed({ nodes }: ApplicationAccess, name: string): Member {
  const found = nodes.find((node) => node.name === name);
  if (!found) throw new Error(`the formation has no data node ${name}`);
  return found;
}
