import { isLastWord, type Opened, type Refusal } from '../application/way-in.ts';
import { onAbort } from '../clock/abort.ts';
import { type Moment, now } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { messageOf } from '../contract/errors.ts';
import type { Journal } from './journal.ts';
import { RefusalNotes } from './refusal-notes.ts';
import { Writer } from './write.ts';
import type { Actor } from './write-history.ts';

/** Opens a session that takes writes, or tells who refused it. @throws the signal's reason */
export type Entrance = (
  signal: AbortSignal,
  /** For a session to be there, where it may take longer than an application waits. */
  connectDeadlineMs?: number,
) => Promise<{ opened: Opened<{ name: string }> } | { refusals: Refusal[] }>;

export interface WorkloadOptions {
  /** The clients are shared out among them. */
  entrances: readonly Entrance[];
  /** Whose clients they are; the application's straight to the nodes where nothing else is said. */
  actor?: 'application' | 'uri-client';
  journal: Journal;
  /** Clients, each with one connection and one write under way at a time. */
  sessions: number;
  /** Of each session, at most: an answer that takes longer delays the next write. */
  writesPerSecond: number;
  /** How they begin, where they begin faster. */
  burst?: Burst | undefined;
  /** A write without an answer for this long is given up as unknown, and its connection with it. */
  statementDeadlineMs: number;
  /** The workload ends by itself after this time, so that whoever forgets it does not fill a database. */
  limitMs: number;
}

/** Faster writes at the beginning, so that nobody has to wait long for some. */
export interface Burst {
  /** Of each session, at most. */
  writesPerSecond: number;
  /** It ends when so many were acknowledged to them all. */
  writes: number;
  /** And after this time at the latest: a database that takes them slowly is not pressed for long. */
  limitMs: number;
}

/** Between two rounds over the nodes, and after a connection was lost; give or take half. */
const backoffMs = 200;

/** Clients that open their first connection at the same time. */
const mostOpening = 16;
/** Nothing is at stake yet: a busy machine is waited for. */
const firstConnectMs = 5000;

/** First part of the ids of a client's connections. */
export const clientName = (index: number, actor: Actor = 'application') =>
  `${actor === 'uri-client' ? 'uri' : 'app'}${index + 1}`;

/** Clients of the application that write until they are stopped, wherever the primary is. */
export class Workload {
  private readonly options: WorkloadOptions;
  private readonly notes: RefusalNotes;
  /** No further writes; those under way may end. */
  private readonly stopping = new AbortController();
  private readonly loops: Promise<void>[];
  private readonly actor: 'application' | 'uri-client';
  /** Of each session, at most, as of now. */
  private writesPerSecond: number;
  private acknowledged = 0;
  /** Clients that have yet to open their first connection; the rest wait for their turn. */
  private opening = 0;
  private readonly turns: (() => void)[] = [];
  /** Between two writes; a change of pace ends them. */
  private readonly pauses = new Set<AbortController>();

  constructor(options: WorkloadOptions) {
    this.options = options;
    this.notes = new RefusalNotes(options.journal);
    const limit = setTimeout(() => this.overrun(), options.limitMs);
    onAbort(this.stopping.signal, () => clearTimeout(limit));
    onAbort(options.journal.full, () => this.stopping.abort());
    onAbort(this.stopping.signal, () => this.endPauses());
    onAbort(this.stopping.signal, () => {
      for (const turn of this.turns.splice(0)) turn();
    });
    this.writesPerSecond = options.writesPerSecond;
    if (options.burst !== undefined) this.hurry(options.burst);
    const { entrances, actor = 'application' } = options;
    this.actor = actor;
    this.loops = Array.from({ length: options.sessions }, (_, index) =>
      this.keepClient(clientName(index, actor), entrances[index % entrances.length] as Entrance),
    );
  }

  /** Lets the writes under way end, which takes a statement's deadline at most, and closes the connections. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.loops);
  }

  private overrun(): void {
    const { journal, limitMs } = this.options;
    const why = `the workload stopped by itself after its limit of ${limitMs / 1000} s`;
    journal.record({ kind: 'failing', at: now(), why });
    this.stopping.abort();
  }

  private hurry({ writesPerSecond, limitMs }: Burst): void {
    this.setPace(writesPerSecond);
    const limit = setTimeout(() => this.slowDown(), limitMs);
    onAbort(this.stopping.signal, () => clearTimeout(limit));
  }

  /** From here on at its own pace. */
  slowDown(): void {
    const { writesPerSecond } = this.options;
    if (this.writesPerSecond !== writesPerSecond) this.setPace(writesPerSecond);
  }

  private setPace(writesPerSecond: number): void {
    this.writesPerSecond = writesPerSecond;
    this.options.journal.record({ kind: 'paced', at: now(), writesPerSecond });
    this.endPauses();
  }

  private noteAcknowledged(): void {
    if (++this.acknowledged === this.options.burst?.writes) this.slowDown();
  }

  /** Until a write is due at the pace of then. */
  private async pauseSince(last: Moment): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const leftMs = last + this.everyMs - now();
      if (leftMs <= 0) return;
      const pause = new AbortController();
      this.pauses.add(pause);
      await sleep(leftMs, pause.signal).catch(() => {});
      this.pauses.delete(pause);
    }
  }

  private endPauses(): void {
    for (const pause of this.pauses) pause.abort();
  }

  private get everyMs(): number {
    return 1000 / this.writesPerSecond;
  }

  /** Lets so many in at once at the beginning: two hundred that log in at one moment would all be too late. */
  private async firstTurn(): Promise<void> {
    if (this.opening++ < mostOpening) return;
    await new Promise<void>((turn) => this.turns.push(turn));
  }

  private endFirstTurn(): void {
    this.turns.shift()?.();
  }

  private async keepClient(name: string, open: Entrance): Promise<void> {
    const { signal } = this.stopping;
    await this.firstTurn();
    for (let opened = 0, isFirst = true; !signal.aborted; isFirst = false) {
      try {
        const found = await open(signal, isFirst ? firstConnectMs : undefined).finally(
          () => isFirst && this.endFirstTurn(),
        );
        if ('opened' in found) {
          const writer = new Writer(this.options.journal, this.actor, `${name}.${++opened}`, found.opened);
          const why = await this.keepWriting(writer);
          // One that took no write at all refuses as it did before.
          const turned = writer.acknowledged > 0;
          if (why !== undefined) this.notes.note(this.actor, found.opened.node.name, why, { turned });
        } else {
          for (const refusal of found.refusals)
            this.notes.note(this.actor, refusal.node, refusal.why, { final: isLastWord(refusal) });
        }
        await sleep(backoffMs * (0.5 + Math.random()), signal);
      } catch (error) {
        if (signal.aborted) return;
        const { journal } = this.options;
        journal.record({
          kind: 'failing',
          at: now(),
          why: `a client of the workload ended: ${messageOf(error)}`,
        });
        return;
      }
    }
  }

  /** Writes at the given rate until the connection is no good any more, closes it, and tells why. */
  private async keepWriting(writer: Writer): Promise<string | undefined> {
    const { statementDeadlineMs } = this.options;
    const { signal } = this.stopping;
    // The clients' first writes are spread over the interval.
    let last = now() - Math.random() * this.everyMs;
    try {
      for (;;) {
        await this.pauseSince(last);
        if (signal.aborted) return undefined;
        last = Math.max(last + this.everyMs, now() - this.everyMs);
        if (writer.session.lost !== undefined) return writer.session.lost;
        const written = await writer.write(statementDeadlineMs);
        if (written.outcome !== 'acknowledged') return written.why;
        this.noteAcknowledged();
      }
    } finally {
      writer.session.close();
    }
  }
}
