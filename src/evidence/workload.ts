import { isLastWord, openWritable, type WayIn } from '../application/way-in.ts';
import { now } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { messageOf } from '../contract/errors.ts';
import type { Journal } from './journal.ts';
import { RefusalNotes } from './refusal-notes.ts';
import { Writer } from './write.ts';

export interface WorkloadOptions {
  way: WayIn;
  journal: Journal;
  /** Clients, each with one connection and one write under way at a time. */
  sessions: number;
  /** Of each session, at most: an answer that takes longer delays the next write. */
  writesPerSecond: number;
  /** A write without an answer for this long is given up as unknown, and its connection with it. */
  statementDeadlineMs: number;
  /** The workload ends by itself after this time, so that whoever forgets it does not fill a database. */
  limitMs: number;
}

/** Between two rounds over the nodes, and after a connection was lost; give or take half. */
const backoffMs = 200;

/** Clients of the application that write until they are stopped, wherever the primary is. */
export class Workload {
  private readonly options: WorkloadOptions;
  private readonly notes: RefusalNotes;
  /** No further writes; those under way may end. */
  private readonly stopping = new AbortController();
  private readonly loops: Promise<void>[];

  constructor(options: WorkloadOptions) {
    this.options = options;
    this.notes = new RefusalNotes(options.journal);
    const limit = setTimeout(() => this.overrun(), options.limitMs);
    this.stopping.signal.addEventListener('abort', () => clearTimeout(limit), { once: true });
    this.loops = Array.from({ length: options.sessions }, (_, index) => this.keepClient(`app${index + 1}`));
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

  private async keepClient(name: string): Promise<void> {
    const { signal } = this.stopping;
    for (let opened = 0; !signal.aborted; ) {
      try {
        const found = await openWritable(this.options.way, signal);
        if ('opened' in found) {
          const writer = new Writer(this.options.journal, 'application', `${name}.${++opened}`, found.opened);
          const why = await this.keepWriting(writer);
          if (why !== undefined)
            this.notes.note('application', found.opened.node.name, why, { turned: true });
        } else {
          for (const refusal of found.refusals)
            this.notes.note('application', refusal.node, refusal.why, { final: isLastWord(refusal) });
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
    const { writesPerSecond, statementDeadlineMs } = this.options;
    const { signal } = this.stopping;
    const everyMs = 1000 / writesPerSecond;
    // The clients' first writes are spread over the interval.
    let due = now() + Math.random() * everyMs;
    try {
      while (!signal.aborted) {
        await sleep(Math.max(0, due - now()), signal);
        if (writer.session.lost !== undefined) return writer.session.lost;
        const written = await writer.write(statementDeadlineMs);
        if (written.outcome !== 'acknowledged') return written.why;
        due = Math.max(due + everyMs, now());
      }
      return undefined;
    } finally {
      writer.session.close();
    }
  }
}
