import { type Opened, readOnlyAnswer } from '../application/way-in.ts';
import { onAbort } from '../clock/abort.ts';
import { now } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { DeadlineError, messageOf } from '../contract/errors.ts';
import type { Member } from '../formation/formation.ts';
import { RefusedWithinError } from '../postgres/member-session.ts';
import { sqlStateOf } from '../postgres/session.ts';
import type { Journal } from './journal.ts';
import { RefusalNotes } from './refusal-notes.ts';
import { Writer } from './write.ts';
import type { Actor } from './write-history.ts';

export interface WitnessOptions {
  /** The node that it stays on, whatever becomes of it. */
  node: Member;
  actor: Exclude<Actor, 'application' | 'uri-client'>;
  /** What it is looked upon as. */
  name: string;
  /** Where it goes one of two ways, which. */
  way?: number;
  /** What it does in turn. One whose write hangs for want of a standby reads no more, hence one for each. */
  does: { write: boolean; read: boolean };
  /** Looks whether the node takes writes and has a row: `probeRow`, or what stands for it. */
  probe: string;
  /** @param deadlineMs for the session to be there, where it may take longer than an application waits */
  open(signal: AbortSignal, deadlineMs?: number): Promise<Opened>;
  /**
   * Where the way to the node may itself be the trouble: whether that is open, asked when no session came of it and while
   * an answer takes long. Absent: a session that cannot be opened says something of the node.
   * @throws where it is not, so that nobody looked
   */
  ask?: (signal: AbortSignal) => Promise<void>;
  /** Pause before it opens another session. */
  reconnectEveryMs: number;
  /** Whether it opens none for as long as the one of the other way has just looked: a try that costs much is not made twice. */
  inReserve?: boolean;
  journal: Journal;
  writesPerSecond: number;
}

/** A node that refuses is asked less often, so as not to fill its log. */
const refusedEveryMs = 100;
const partingMs = 1000;
/** Before the fault nothing is at stake: a busy machine is waited for. */
const startDeadlineMs = 15_000;
const startConnectMs = 5000;
/** Who stands in reserve steps in when nobody has looked for so long. */
const reserveMs = 1500;
const reserveTurnMs = 250;
/** A session that is silent for so long may be one that nobody knows any more at its other end. */
const knockAfterMs = 1000;
const lookedEveryMs = 500;
/** A witness waits: what a frozen node does when it is thawed shows on the session that was kept. */
const patienceMs = 3_600_000;

/**
 * A client that knows one node only and keeps its session there: it shows whether the old primary still takes
 * writes, and whether its reads lack what the new one has acknowledged. When the session ends it opens another.
 */
export class Witness {
  private readonly options: WitnessOptions;
  private readonly notes: RefusalNotes;
  /** No further turns. */
  private readonly stopping = new AbortController();
  /** Nor is the turn under way waited for. */
  private readonly leaving = new AbortController();
  private readonly loop: Promise<void>;
  private opened = 0;
  private lookedAt = Number.NEGATIVE_INFINITY;
  /** A silent session that was kept while a fresh one took its place. */
  private kept: Promise<void> | undefined;

  private constructor(options: WitnessOptions, first: Opened) {
    this.options = options;
    this.notes = new RefusalNotes(options.journal);
    onAbort(options.journal.full, () => this.stopping.abort());
    this.loop = this.keepWatch(first);
  }

  /**
   * Silence on a busy machine is no answer, and is met with another try.
   * @throws what the server or the way to it answered: a witness has to be there before the fault
   */
  static async start(options: WitnessOptions, signal: AbortSignal): Promise<Witness> {
    for (const giveUpAt = now() + startDeadlineMs; ; ) {
      // However long a try took: that this process did not get to run tells nothing of the node.
      const isLast = now() > giveUpAt;
      try {
        return new Witness(options, await options.open(signal, startConnectMs));
      } catch (error) {
        if (signal.aborted || !(error instanceof DeadlineError) || isLast) throw error;
      }
    }
  }

  /** Gives what is under way a moment to end, and closes the session. */
  async stop(): Promise<void> {
    this.stopping.abort();
    const leave = setTimeout(() => this.leaving.abort(), partingMs);
    await this.loop;
    await this.kept;
    clearTimeout(leave);
  }

  private async keepWatch(first: Opened): Promise<void> {
    const { signal } = this.stopping;
    const { actor, node, ask, reconnectEveryMs } = this.options;
    let opened: Opened | undefined = first;
    while (!signal.aborted) {
      try {
        opened ??= await this.opens();
        this.look();
        opened = await this.watchOver(opened);
        // It hung, and another did not.
        if (opened !== undefined) continue;
      } catch (error) {
        if (signal.aborted) break;
        this.notes.note(actor, node.name, messageOf(error));
        const answered = sqlStateOf(error) !== undefined || error instanceof RefusedWithinError;
        if (ask === undefined || answered) this.look();
        else await this.knock();
      }
      await sleep(reconnectEveryMs, signal).catch(() => {});
      while (!signal.aborted && this.isSpared()) await sleep(reserveTurnMs, signal).catch(() => {});
    }
    opened?.session.close();
  }

  private isSpared(): boolean {
    const { inReserve = false, journal, name, way } = this.options;
    return inReserve && journal.sightings.hasLooked(name, way, now() - reserveMs);
  }

  private look(): void {
    const { journal, name, way } = this.options;
    const at = now();
    if (at - this.lookedAt < lookedEveryMs) return;
    this.lookedAt = at;
    journal.record({ kind: 'looked', at, witness: name, ...(way !== undefined && { way }) });
  }

  /** @throws as `open` */
  private async opens(): Promise<Opened> {
    const { open, ask } = this.options;
    const opening = open(this.stopping.signal);
    if (ask === undefined) return await opening;
    const { done } = await this.patiently(opening);
    return done ?? (await opening);
  }

  /**
   * Waits for what is under way, and looks meanwhile as well as it can: a connection that its other end has forgotten
   * is as silent as a node that is frozen.
   * @returns a fresh session instead where one can be had that takes writes
   */
  private async patiently<T>(work: Promise<T>): Promise<{ done?: T; fresh?: Opened }> {
    const done = work.then((value) => ({ done: value }));
    done.catch(() => {});
    for (;;) {
      const soon = await within(knockAfterMs, done);
      if (soon !== undefined) return soon;
      if (this.stopping.signal.aborted) return await done;
      const fresh = await this.knock();
      const ended = await within(0, done);
      if (ended !== undefined) {
        fresh?.session.close();
        return ended;
      }
      if (fresh !== undefined) return { fresh };
    }
  }

  /** Looks in another way than by the session. @returns a session that may take the place of one that is silent */
  private async knock(): Promise<Opened | undefined> {
    const { ask, open } = this.options;
    const { signal } = this.stopping;
    try {
      const opened = ask === undefined ? await open(signal) : await ask(signal);
      this.look();
      if (!opened) return undefined;
      if (this.kept === undefined && !opened.readOnly) return opened;
      opened.session.close();
    } catch {
      if (!signal.aborted && ask === undefined) this.look();
    }
    return undefined;
  }

  /**
   * Takes turns over one session until that is over. Never throws.
   * @returns the session that took its place where it fell silent
   */
  private async watchOver(opened: Opened): Promise<Opened | undefined> {
    const { actor, name, way, journal, node, writesPerSecond } = this.options;
    const { signal } = this.stopping;
    const writer = new Writer(journal, actor, `${witnessName(name, way)}.${++this.opened}`, opened);
    let taking = true;
    try {
      for (;;) {
        const turning = this.turn(writer);
        const { done: turn, fresh } = await this.patiently(turning);
        if (fresh !== undefined) this.keep(turning, writer);
        if (turn === undefined) return fresh;
        this.look();
        if (signal.aborted) break;
        if (turn !== 'taken') this.notes.note(actor, node.name, turn.why, { turned: taking });
        if (turn !== 'taken' && turn.over) break;
        taking = turn === 'taken';
        await sleep(taking ? 1000 / writesPerSecond : refusedEveryMs, signal);
      }
    } catch (error) {
      if (!signal.aborted) this.notes.note(actor, node.name, messageOf(error), { turned: taking });
    }
    opened.session.close();
    return undefined;
  }

  /** What it was asked for it may still do: the answer is waited for. */
  private keep(turning: Promise<unknown>, { session }: Writer): void {
    const over = () => {
      session.close();
      this.kept = undefined;
    };
    this.kept = turning.then(over, over);
  }

  /** Reads, and writes where that is its task and the node says that it takes writes. @throws as Session.query */
  private async turn(writer: Writer): Promise<'taken' | { why: string; over: boolean }> {
    const { does, journal, node, probe } = this.options;
    const { signal } = this.leaving;
    const row = does.read ? journal.sightings.latestElsewhere(node.name) : undefined;
    const invokedAt = now();
    const values = [journal.run, row?.connection ?? '', row?.seq ?? 0];
    const [seen] = await writer.session.query(probe, values, { deadlineMs: patienceMs, signal });
    if (seen?.['read_only'] === true) return { why: readOnlyAnswer, over: false };
    const { connection } = writer;
    if (row)
      journal.record({
        kind: 'probed',
        invokedAt,
        at: now(),
        connection,
        row,
        present: seen?.['present'] === true,
      });
    if (!does.write) return 'taken';
    const written = await writer.write(patienceMs, signal);
    if (written.outcome === 'acknowledged') return 'taken';
    return { why: written.why, over: written.outcome === 'unknown' };
  }
}

/** First part of its connections' ids. */
export const witnessName = (name: string, way = 1): string => (way === 1 ? name : `${name}-${way}`);

/** What comes of `work` if it does so in time. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
