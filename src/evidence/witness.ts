import { type Opened, readOnlyAnswer } from '../application/way-in.ts';
import { now } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import { messageOf } from '../contract/errors.ts';
import type { Member } from '../formation/formation.ts';
import type { Actor } from './history.ts';
import type { Journal } from './journal.ts';
import { RefusalNotes } from './refusal-notes.ts';
import type { RowKey } from './rows.ts';
import { probeRow } from './table.ts';
import { Writer } from './write.ts';

export interface WitnessOptions {
  /** The node that it stays on, whatever becomes of it. */
  node: Member;
  actor: Exclude<Actor, 'application'>;
  /** First part of its connections' ids. */
  name: string;
  /** What it does in turn. One whose write hangs for want of a standby reads no more, hence one for each. */
  does: { write: boolean; read: boolean };
  open(signal: AbortSignal): Promise<Opened>;
  /** Pause before it opens another session. */
  reconnectEveryMs: number;
  journal: Journal;
  writesPerSecond: number;
}

/** A node that refuses is asked less often, so as not to fill its log. */
const refusedEveryMs = 100;
const partingMs = 1000;
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
  private readonly elsewhere: Elsewhere;

  private constructor(options: WitnessOptions, first: Opened) {
    this.options = options;
    this.notes = new RefusalNotes(options.journal);
    this.elsewhere = new Elsewhere(options.journal, options.node.name);
    this.loop = this.keepWatch(first);
  }

  /** @throws what the server or the way to it answered: a witness has to be there before the fault */
  static async start(options: WitnessOptions, signal: AbortSignal): Promise<Witness> {
    return new Witness(options, await options.open(signal));
  }

  /** Gives what is under way a moment to end, and closes the session. */
  async stop(): Promise<void> {
    this.stopping.abort();
    const leave = setTimeout(() => this.leaving.abort(), partingMs);
    await this.loop;
    clearTimeout(leave);
  }

  private async keepWatch(first: Opened): Promise<void> {
    const { signal } = this.stopping;
    const { actor, node, open, reconnectEveryMs } = this.options;
    let opened: Opened | undefined = first;
    while (!signal.aborted) {
      try {
        opened ??= await open(signal);
        await this.watchOver(opened);
      } catch (error) {
        if (!signal.aborted) this.notes.note(actor, node.name, messageOf(error));
      }
      opened?.session.close();
      opened = undefined;
      await sleep(reconnectEveryMs, signal).catch(() => {});
    }
  }

  /** Takes turns over one session until that is over. Never throws. */
  private async watchOver(opened: Opened): Promise<void> {
    const { actor, name, journal, node, writesPerSecond } = this.options;
    const { signal } = this.stopping;
    const writer = new Writer(journal, actor, `${name}.${++this.opened}`, opened);
    let taking = true;
    try {
      for (;;) {
        const turn = await this.turn(writer);
        if (signal.aborted) return;
        if (turn !== 'taken') this.notes.note(actor, node.name, turn.why, { turned: taking });
        if (turn !== 'taken' && turn.over) return;
        taking = turn === 'taken';
        await sleep(taking ? 1000 / writesPerSecond : refusedEveryMs, signal);
      }
    } catch (error) {
      if (!signal.aborted) this.notes.note(actor, node.name, messageOf(error), { turned: taking });
    }
  }

  /** Reads, and writes where that is its task and the node says that it takes writes. @throws as Session.query */
  private async turn(writer: Writer): Promise<'taken' | { why: string; over: boolean }> {
    const { does, journal } = this.options;
    const { signal } = this.leaving;
    const row = does.read ? this.elsewhere.latest() : undefined;
    const invokedAt = now();
    const values = [journal.run, row?.connection ?? '', row?.seq ?? 0];
    const [seen] = await writer.session.query(probeRow, values, { deadlineMs: patienceMs, signal });
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

/** The row that another node acknowledged last, for a witness to look for on its own. */
class Elsewhere {
  private readonly journal: Journal;
  private readonly node: string;
  private readonly nodes = new Map<string, string>();
  private looked = 0;
  private found: RowKey | undefined;

  constructor(journal: Journal, node: string) {
    this.journal = journal;
    this.node = node;
  }

  latest(): RowKey | undefined {
    const { events } = this.journal;
    for (; this.looked < events.length; this.looked++) {
      const event = events[this.looked];
      if (event?.kind === 'connected') this.nodes.set(event.connection, event.node);
      if (event?.kind === 'acknowledged' && this.nodes.get(event.connection) !== this.node)
        this.found = { connection: event.connection, seq: event.seq };
    }
    return this.found;
  }
}
