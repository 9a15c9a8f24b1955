import { type Moment, now, toSeconds, wallClock } from '../clock/clock.ts';
import { sleep, withDeadline } from '../clock/deadline.ts';
import { DeadlineError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { containerOf, type KnownFormation } from '../formation/formation.ts';
import type { Session } from '../postgres/session.ts';
import { type Announcement, AnotherMonitorError, Chronicle, type NodeView } from './chronicle.ts';
import { clockSetBy } from './dating.ts';
import { readEvents } from './events.ts';
import { describeNodes, readNodes } from './nodes.ts';
import { parseStateNotification } from './notification.ts';

/** A time in which nobody saw what the monitor did. */
export interface BlindSpot {
  /** The last moment before it at which the monitor answered, and the first after it; undefined: it never did again. */
  from: Moment;
  to: Moment | undefined;
  why: string;
}

/** The tables are read this often besides, so that a lost notification or a dead session is noticed. */
const lookEveryMs = 500;
const lookDeadlineMs = 2000;
const reconnectPauseMs = 500;
/** A busy machine may take so long between two readings; more is a blind spot. */
const blindAfterMs = 2500;

/**
 * Watches a formation by the monitor's notifications. A lost session is opened again; the monitor's tables of nodes and
 * events tell what came meanwhile, and when. Everything is kept in order in `announcements`.
 */
export class MonitorWatch {
  private readonly chronicle = new Chronicle();
  private readonly blind: BlindSpot[] = [];
  private session: Session | undefined;
  /** Why it sees nothing just now. */
  private trouble: string | undefined;
  /** Why it will see nothing any more. */
  private over: AnotherMonitorError | undefined;
  private looking: Promise<void> = Promise.resolve();
  private readonly stopped = new AbortController();
  private readonly waiting = new Set<() => void>();
  private loop: Promise<void> = Promise.resolve();

  private readonly formation: KnownFormation;
  private readonly openSession: (signal: AbortSignal) => Promise<Session>;
  private readonly log: Log;

  private constructor(
    formation: KnownFormation,
    openSession: (signal: AbortSignal) => Promise<Session>,
    log: Log,
  ) {
    this.formation = formation;
    this.openSession = openSession;
    this.log = log;
  }

  /**
   * Opens the first session and listens. @throws when that fails
   * @param openSession opens a session on the monitor's database, under a deadline of its own
   */
  static async start(
    formation: KnownFormation,
    openSession: (signal: AbortSignal) => Promise<Session>,
    log: Log,
  ): Promise<MonitorWatch> {
    const watch = new MonitorWatch(formation, openSession, log);
    await watch.listen();
    watch.loop = watch.keepWatching();
    return watch;
  }

  get announcements(): readonly Announcement[] {
    return this.chronicle.announcements;
  }

  /** The nodes as last heard of. */
  get current(): NodeView[] {
    return this.chronicle.nodes;
  }

  /** When nobody saw what the monitor did, in order; the last may not have ended. */
  get blindSpots(): BlindSpot[] {
    const from = this.chronicle.lastLook?.answered ?? now();
    const isBlind = this.trouble !== undefined || now() - from > blindAfterMs;
    const why = this.trouble ?? lateReading;
    return isBlind ? [...this.blind, { from, to: undefined, why }] : [...this.blind];
  }

  /**
   * Reads the monitor's tables now, so that what was announced last has its time.
   * @returns whether they could be read
   */
  async look(): Promise<boolean> {
    const { session } = this;
    if (session === undefined || session.lost !== undefined) return false;
    try {
      await this.read(session, true);
      return true;
    } catch (error) {
      this.lose(session, messageOf(error));
      return false;
    }
  }

  /**
   * Waits until `condition` holds of the announcements and the nodes, and returns what it returned.
   * @throws DeadlineError that tells the last known state; AnotherMonitorError at once where that can never be told
   */
  async until<T>(
    what: string,
    { deadlineMs, signal }: { deadlineMs: number; signal?: AbortSignal | undefined },
    condition: (nodes: NodeView[], announcements: readonly Announcement[]) => T | undefined,
  ): Promise<T> {
    let recheck = () => {};
    try {
      return await withDeadline(
        what,
        deadlineMs,
        () =>
          new Promise<T>((resolve, reject) => {
            recheck = () => {
              const found = condition(this.current, this.announcements);
              if (found !== undefined) resolve(found);
              else if (this.over !== undefined) reject(this.over);
            };
            this.waiting.add(recheck);
            recheck();
          }),
        signal,
      );
    } catch (error) {
      if (error instanceof DeadlineError) {
        const spot = this.blindSpots.at(-1);
        const unseen =
          spot && spot.to === undefined ? ` (not seen since ${wallClock(spot.from)}: ${spot.why})` : '';
        error.message += `; the monitor's last word: ${describeNodes(this.current)}${unseen}`;
      }
      throw error;
    } finally {
      this.waiting.delete(recheck);
    }
  }

  async stop(): Promise<void> {
    const spot = this.blindSpots.at(-1);
    if (spot && spot.to === undefined)
      this.log.info(`the watch on the monitor is blind since ${wallClock(spot.from)}: ${spot.why}`);
    this.stopped.abort();
    this.session?.close();
    await this.loop;
  }

  private async listen(): Promise<void> {
    const session = await this.openSession(this.stopped.signal);
    try {
      await session.listen('state', (payload) => {
        const at = now();
        const heard = parseStateNotification(payload);
        if (heard?.formation !== this.formation.name) return;
        this.chronicle.notified({ ...heard, name: containerOf(this.formation, heard.name) }, at);
        this.recheckAll();
      });
      await this.read(session, false);
      this.session = session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /** Readings take turns: each is a transaction, whose queries see one state and have no notification between them. */
  private async read(session: Session, listened: boolean): Promise<void> {
    const turn = this.looking.then(async () => await this.readInTurn(session, listened));
    this.looking = turn.catch(() => {});
    await turn;
  }

  private async readInTurn(session: Session, listened: boolean): Promise<void> {
    const { chronicle } = this;
    const before = chronicle.lastLook;
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', [], {
      deadlineMs: lookDeadlineMs,
    });
    // What these do not show was committed since.
    const asked = now();
    const nodes = await readNodes(session, this.formation, lookDeadlineMs);
    const eventsAfter = (last: number | undefined) =>
      readEvents(session, this.formation, last, lookDeadlineMs);
    const found = await eventsAfter(chronicle.lastEvent);
    const anew = chronicle.beginsAnew(found);
    const events = anew ? await eventsAfter(0) : found;
    const answered = now();
    await session.query('COMMIT', [], { deadlineMs: lookDeadlineMs });
    chronicle.read(nodes, events, { asked, answered }, listened);
    if (anew)
      this.log.info(
        "the monitor's events were deleted and their numbers begin anew; what it announced was heard all the same, or stands in its table of nodes",
      );
    const setMs = before && clockSetBy({ before, after: { asked, answered, clock: events.clock } });
    if (setMs)
      this.log.info(
        `the monitor's clock was set ${setMs > 0 ? 'forward' : 'back'} by ${toSeconds(Math.abs(setMs)).toFixed(3)} s`,
      );
    this.sees(before?.answered ?? answered, answered);
    this.recheckAll();
  }

  /** A reading came to its end; it tells of a blind spot that ends with it. */
  private sees(from: Moment, to: Moment): void {
    const why = this.trouble ?? (to - from > blindAfterMs ? lateReading : undefined);
    this.trouble = undefined;
    if (why === undefined) return;
    this.blind.push({ from, to, why });
    this.log.info(
      `the watch on the monitor was blind from ${wallClock(from)} to ${wallClock(to)}, for ${toSeconds(to - from).toFixed(3)} s: ${why}; what the monitor wrote down meanwhile was read`,
    );
  }

  private lose(session: Session, why: string): void {
    this.trouble ??= why;
    session.close();
  }

  private recheckAll(): void {
    for (const recheck of this.waiting) recheck();
  }

  private async keepWatching(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      const { session } = this;
      try {
        if (session?.lost !== undefined) this.trouble ??= session.lost;
        await sleep(session?.lost === undefined ? lookEveryMs : reconnectPauseMs, signal);
        if (session === undefined || session.lost !== undefined) await this.listen();
        else await this.read(session, true);
      } catch (error) {
        if (signal.aborted) return;
        if (session) this.lose(session, messageOf(error));
        if (error instanceof AnotherMonitorError) {
          this.over = error;
          this.trouble = error.message;
          this.recheckAll();
          return;
        }
        this.log.debug(`the watch on the monitor was interrupted and goes on: ${messageOf(error)}`);
      }
    }
  }
}

const lateReading = 'the monitor answered late, or this process did not get to run';
