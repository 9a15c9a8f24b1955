import { dirname } from 'node:path';
import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { ApplicationAccess } from '../application/access.ts';
import { openRoute, type Route, type Via } from '../application/route.ts';
import type { UriAccess } from '../application/uri-access.ts';
import { openWritable, type WayIn } from '../application/way-in.ts';
import { type Moment, now } from '../clock/clock.ts';
import { StallWatch } from '../clock/stalls.ts';
import { DeadlineError, EnvironmentError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { ContainerRelay } from '../incus/relay/container-relay.ts';
import { openMemberSession } from '../postgres/member-session.ts';
import { type Session, sqlStateOf } from '../postgres/session.ts';
import { Journal } from './journal.ts';
import { type Lookout, noteBreaks, secondLookout } from './lookouts.ts';
import type { LedgerRead } from './record.ts';
import { requireJournalRoom } from './room.ts';
import { drillTable } from './table/drill-table.ts';
import { tellHolders } from './table/lock-holders.ts';
import { verifyTable } from './table/own-table.ts';
import { deleteRows, prepareTable } from './table/prepare.ts';
import { readRows } from './table/read-rows.ts';
import { UriClients } from './uri-clients.ts';
import { Witness } from './witness.ts';
import { type Ask, witnessesOn } from './witnesses.ts';
import { type Burst, clientName, Workload } from './workload.ts';
import { type Actor, isWitness, type WriteHistory } from './write-history.ts';

export interface EvidenceOptions {
  formation: Formation;
  incus: Incus;
  access: ApplicationAccess;
  /** The application's own connection string, for clients that go by it beside those that go straight to the nodes. */
  byUri?: UriAccess | undefined;
  /** Id of the run: the key of its rows. */
  run: string;
  /** The primary that the fault will hit: the witnesses stay on it. */
  primary: string;
  /** A file outside the formation that does not exist yet; it outlives this process. */
  journalPath: string;
  log: Log;
  signal: AbortSignal;
  via?: Via | 'auto';
  /** Whether publications may carry the drill's table to subscribers. */
  published?: boolean;
  /** Where clients stand that have no route of their own: the monitor's container, where nothing else is said. */
  vantage?: Member;
  sessions?: number;
  /** Of each session. */
  writesPerSecond?: number;
  /** How the application's clients begin, where they begin faster. */
  burst?: Burst | undefined;
  /** Ways into the containers that are open already, for what is done before anybody writes. */
  relayOf?: ((name: string) => ContainerRelay) | undefined;
  /** How the old primary is asked after where Incus may not tell of it. */
  ask?: Ask | undefined;
  statementDeadlineMs?: number;
  connectDeadlineMs?: number;
  /** The workload ends by itself after this time. */
  limitMs?: number;
}

/** Shorter ones are no more than a busy machine. */
const toldStallMs = 500;
/** Clients had a write acknowledged so shortly before the fault: it tells the timeline of then. */
const timelineMs = 2000;

const defaults = {
  via: 'auto',
  published: false,
  sessions: 4,
  writesPerSecond: 20,
  statementDeadlineMs: 2000,
  connectDeadlineMs: 1000,
  limitMs: 3_600_000,
} as const;

/** What is started for it, and ends with it. */
interface Running {
  lookouts: readonly Lookout[];
  way: WayIn;
  journal: Journal;
  workload: Workload;
  uriClients: UriClients | undefined;
  witnesses: Witness[];
}

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
  private readonly lookouts: readonly Lookout[];
  private readonly workload: Workload;
  /** Where they are asked for. */
  readonly uriClients: UriClients | undefined;
  private readonly witnesses: Witness[];
  private readonly stalls: IntervalHistogram;
  private readonly loopBefore: ReturnType<typeof performance.eventLoopUtilization>;
  private readonly stallWatch: StallWatch;
  private stopped: Promise<WriteHistory> | undefined;

  private constructor(options: EvidenceOptions, running: Running) {
    const { lookouts, way, journal, workload, witnesses } = running;
    this.uriClients = running.uriClients;
    this.options = options;
    this.way = way;
    this.lookouts = lookouts;
    const { via } = way.route;
    this.route = { via, addedMs: Math.max(...lookouts.map((each) => each.way.route.addedMs)) };
    this.journal = journal;
    this.workload = workload;
    this.witnesses = witnesses;
    this.stalls = monitorEventLoopDelay({ resolution: 20 });
    this.stalls.enable();
    this.loopBefore = performance.eventLoopUtilization();
    this.stallWatch = new StallWatch(toldStallMs, (from, at) => journal.record({ kind: 'slept', from, at }));
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
    const on = memberNamed(access, options.primary);
    const writers = options.sessions * (options.byUri === undefined ? 1 : 2);
    requireJournalRoom(dirname(options.journalPath), writers * options.writesPerSecond);
    // It comes to life while the application's way is opened.
    const localWay = new ContainerRelay(incus, on.name, 'root');
    const route = await openRoute({ incus, vantage, nodes, port, via, log, signal }).catch(
      (error: unknown) => {
        localWay.close();
        throw error;
      },
    );
    const way: WayIn = { access, route, connectDeadlineMs };
    const lookouts: Lookout[] = [{ number: 1, incus, way }];
    const witnesses: Witness[] = [];
    let journal: Journal | undefined;
    let workload: Workload | undefined;
    let uriClients: UriClients | undefined;
    try {
      const relay = options.relayOf?.(on.name);
      const openSuperuser = (node: Member) =>
        openDatabase(options, node, signal, node === on ? relay : undefined);
      await prepareTable(way, on, { ...options, openSuperuser });
      uriClients = await uriClientsOf(options, {
        nodes: route,
        vantage,
        openSuperuser: () => openSuperuser(on),
      });
      const opened = Journal.create(options.journalPath, options.run);
      journal = opened;
      const second = await secondLookout({ number: 1, incus, way }, options);
      if (second !== undefined) lookouts.push(second);
      noteBreaks(lookouts, opened, log);
      // The writers need not wait for the witnesses: what they write until the fault is at risk.
      workload = new Workload({
        ...options,
        journal: opened,
        entrances: lookouts.map(
          ({ way: { connectDeadlineMs: usualMs, ...each } }) =>
            (inner, connectDeadlineMs = usualMs) =>
              openWritable({ ...each, connectDeadlineMs }, inner),
        ),
      });
      uriClients?.write(
        lookouts.map((each) => each.way.route),
        opened,
        options,
      );
      const started = await Promise.allSettled(
        lookouts
          .flatMap((lookout) => witnessesOn(on, lookout, opened, { ...options, localWay }))
          .map((witness) => Witness.start(witness, signal)),
      );
      witnesses.push(...started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])));
      for (const each of started) if (each.status === 'rejected') throw keptOut(each.reason, on, access);
      return new Evidence(options, { lookouts, way, journal: opened, workload, uriClients, witnesses });
    } catch (error) {
      await Promise.all([
        workload?.stop(),
        uriClients?.stop(),
        ...witnesses.map((witness) => witness.stop()),
      ]);
      uriClients?.close();
      localWay.close();
      journal?.close();
      if (workload !== undefined) await takeAway(way, options);
      for (const each of lookouts) each.way.route.close();
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
    const { sightings } = this.journal;
    /** Of each connection, the first write that was sent since. */
    const sent = new Map<string, number>();
    return await this.journal.until(
      `a write acknowledged to the application${node === undefined ? '' : ` by ${node}`}`,
      { ...options, since },
      (event) => {
        if (event.kind === 'invoked' && event.at >= since && !sent.has(event.connection))
          sent.set(event.connection, event.seq);
        if (event.kind !== 'acknowledged') return undefined;
        if (event.seq < (sent.get(event.connection) ?? Number.POSITIVE_INFINITY)) return undefined;
        const writer = sightings.opener(event.connection);
        return writer?.actor === 'application' && (node === undefined || writer.node === node)
          ? event.at
          : undefined;
      },
    );
  }

  /**
   * Waits for the first write sent since `since` that was acknowledged to a client by the connection string; where
   * `promoted`, on a later timeline than the fault found.
   * @throws DeadlineError, or the signal's reason
   */
  async firstByUri(
    since: Moment,
    promoted: boolean,
    options: { deadlineMs: number; signal?: AbortSignal | undefined },
  ): Promise<Moment> {
    const { sightings } = this.journal;
    /** Of each connection, the first write that was sent since. */
    const sent = new Map<string, number>();
    let oldTimeline = 0;
    const from = promoted ? since - timelineMs : since;
    return await this.journal.until(
      'a write acknowledged by client-uri',
      { ...options, since: from },
      (event) => {
        if (event.kind === 'invoked' && event.at >= since && !sent.has(event.connection))
          sent.set(event.connection, event.seq);
        if (event.kind !== 'acknowledged') return undefined;
        if (event.at < since) oldTimeline = Math.max(oldTimeline, event.timeline);
        const isLater = !promoted || event.timeline > oldTimeline;
        const isSince = event.seq >= (sent.get(event.connection) ?? Number.POSITIVE_INFINITY);
        const isByUri = sightings.opener(event.connection)?.actor === 'uri-client';
        return isLater && isSince && isByUri ? event.at : undefined;
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
    return await this.journal.until(`${node} to refuse the application`, { ...options, since }, (event) =>
      event.kind === 'refused' &&
      event.final &&
      event.actor === 'application' &&
      event.node === node &&
      event.at >= since
        ? event.why
        : undefined,
    );
  }

  /**
   * Waits until each session of the application and every witness that writes had a write acknowledged.
   * @throws EnvironmentError with what the nodes said and who holds a lock, or the signal's reason
   */
  async everyKindAcknowledged(options: {
    deadlineMs: number;
    signal?: AbortSignal | undefined;
  }): Promise<void> {
    const since = now();
    const actorsOfClients = [
      'application',
      ...(this.uriClients === undefined ? [] : ['uri-client']),
    ] as Actor[];
    const sessions = Array.from({ length: this.options.sessions ?? defaults.sessions }, (_, index) =>
      actorsOfClients.map((actor) => clientName(index, actor)),
    ).flat();
    const missing = new Set<string>([...sessions, 'witness', 'local-witness']);
    const { sightings } = this.journal;
    try {
      await this.journal.until('the first writes of the clients to be acknowledged', options, (event) => {
        if (event.kind !== 'acknowledged') return undefined;
        const actor = sightings.opener(event.connection)?.actor;
        const isClient = actor !== undefined && !isWitness(actor);
        missing.delete(isClient ? (event.connection.split('.')[0] ?? '') : (actor ?? ''));
        return missing.size === 0 ? true : undefined;
      });
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      throw new EnvironmentError(await this.noFirstWrites([...missing], since, options.deadlineMs));
    }
  }

  /** Nothing was touched yet: why clients do not write, and what to do. */
  private async noFirstWrites(missing: string[], since: Moment, deadlineMs: number): Promise<string> {
    const { options } = this;
    const { access, primary, log, signal } = options;
    const open = () => openDatabase(options, memberNamed(access, primary), signal);
    const holders = await tellHolders(undefined, open, log.debug.bind(log));
    const words = [`not by now: ${missing.join(', ')}`, ...this.lastWords(since)];
    const advice = holders
      ? `${holders}; then run this again`
      : 'where that is silence, see whether that node, its standbys or this machine is overloaded';
    return `gave up after ${deadlineMs / 1000} s waiting for the first writes of the clients to be acknowledged by ${primary} (${words.join('; ')}): ${advice}`;
  }

  /** What the nodes answered last, since a moment, to those who wanted to write. */
  lastWords(since: Moment): string[] {
    return this.journal.sightings.answers.since(since);
  }

  /**
   * Waits until a node has acknowledged so many writes to clients, the superuser's left out.
   * @returns how many there were, fewer at the deadline
   * @throws the signal's reason
   */
  async acknowledgedTo(
    least: number,
    node: string,
    options: { deadlineMs: number; signal?: AbortSignal | undefined },
  ): Promise<number> {
    const { sightings } = this.journal;
    const counted = () => sightings.acknowledgedBy(node);
    if (counted() >= least) return counted();
    try {
      // Those of the past are counted.
      return await this.journal.until(
        `${least} acknowledged writes`,
        { ...options, since: Number.POSITIVE_INFINITY },
        () => (counted() >= least ? counted() : undefined),
      );
    } catch (error) {
      if (!(error instanceof DeadlineError) || options.signal?.aborted) throw error;
      return counted();
    }
  }

  /** The clients keep to their own pace from here on. */
  endBurst(): void {
    this.workload.slowDown();
    this.uriClients?.slowDown();
  }

  /** Reads the run's rows on a node, as its superuser. @throws EnvironmentError, DeadlineError */
  async read(node: string, signal?: AbortSignal): Promise<LedgerRead> {
    const { access, run } = this.options;
    const session = await openDatabase(this.options, memberNamed(access, node), signal);
    try {
      await verifyTable(session, access, signal);
      return await readRows(session, node, run, { signal });
    } finally {
      session.close();
    }
  }

  /** Stops writers and witnesses, closes the journal, and returns the history. The way in stays open. */
  async stop(): Promise<WriteHistory> {
    this.stopped ??= this.halt();
    return await this.stopped;
  }

  private async halt(): Promise<WriteHistory> {
    this.stallWatch.stop();
    this.journal.record({ kind: 'ending', at: now() });
    await Promise.all([
      this.workload.stop(),
      this.uriClients?.stop(),
      ...this.witnesses.map((witness) => witness.stop()),
    ]);
    this.stalls.disable();
    const { utilization } = performance.eventLoopUtilization(this.loopBefore);
    this.journal.record({
      kind: 'stalled',
      at: now(),
      longestMs: this.stalls.max / 1e6,
      busyShare: Math.round(utilization * 1000) / 1000,
    });
    this.journal.close();
    return this.journal.history();
  }

  /** Stops what still runs, deletes the run's rows as the application, and leaves. A clean-up that fails is told. */
  async end(): Promise<void> {
    await this.stop().catch((error: unknown) => this.options.log.warn(messageOf(error)));
    await takeAway(this.way, this.options);
    this.uriClients?.close();
    for (const { way } of this.lookouts) way.route.close();
  }
}

/** @throws as UriClients.open */
async function uriClientsOf(
  { byUri, access, formation, incus, log, signal }: EvidenceOptions,
  { openSuperuser, ...from }: { nodes: Route; vantage: Member; openSuperuser: () => Promise<Session> },
): Promise<UriClients | undefined> {
  if (byUri === undefined) return undefined;
  const systemIdentifier = async () => {
    const session = await openSuperuser();
    try {
      const [row] = await session.query(
        'SELECT system_identifier::text AS own FROM pg_control_system()',
        [],
        { signal },
      );
      return String(row?.['own']);
    } finally {
      session.close();
    }
  };
  const { user, database } = access;
  return await UriClients.open(
    byUri,
    { formation: formation.name, user, database, systemIdentifier },
    { ...from, incus, log, signal },
  );
}

/** Never throws: rows that stay are told. */
async function takeAway(way: WayIn, options: EvidenceOptions): Promise<void> {
  const { log, run } = options;
  const signal = options.signal.aborted ? undefined : options.signal;
  const openSuperuser = (node: Member) => openDatabase(options, node, signal);
  try {
    await deleteRows(way, run, { openSuperuser, log, signal });
  } catch (error) {
    log.warn(`the rows of this run stay in ${drillTable} for a few days: ${messageOf(error)}`);
  }
}

/** A superuser's session on the application's database. */
async function openDatabase(
  { formation, incus, access }: Pick<EvidenceOptions, 'formation' | 'incus' | 'access'>,
  node: Member,
  signal: AbortSignal | undefined,
  relay?: ContainerRelay,
): Promise<Session> {
  return await openMemberSession(incus, formation, node, { database: access.database, relay, signal });
}

/** What kept a witness from its node: neither the server's answer nor its silence is an error of ours. */
function keptOut(reason: unknown, { name }: Member, { user, database }: ApplicationAccess): unknown {
  if (reason instanceof DeadlineError)
    return new EnvironmentError(
      `a witness of the drill cannot log in to ${name}, database ${database}: ${messageOf(reason)}; see whether that node or this machine is overloaded, then run this again`,
    );
  if (sqlStateOf(reason) === undefined || reason instanceof EnvironmentError) return reason;
  return new EnvironmentError(
    `a witness of the drill cannot log in to ${name} as ${user}: ${messageOf(reason)}`,
  );
}

function memberNamed({ nodes }: ApplicationAccess, name: string): Member {
  const found = nodes.find((node) => node.name === name);
  if (!found) throw new Error(`the formation has no data node ${name}`);
  return found;
}
