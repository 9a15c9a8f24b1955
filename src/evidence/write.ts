import type { Opened } from '../application/way-in.ts';
import { now } from '../clock/clock.ts';
import { messageOf } from '../contract/errors.ts';
import { type Session, sqlStateOf } from '../postgres/session.ts';
import type { Journal } from './journal.ts';
import type { RowKey } from './rows.ts';
import { insertRow } from './table/drill-table.ts';
import type { Actor } from './write-history.ts';

/** What became of a write, and why where it was not acknowledged. */
export type Written = { outcome: 'acknowledged' } | { outcome: 'failed' | 'unknown'; why: string };

/** One connection of the drill's: its writes are counted from 1, and one is under way at a time. */
export class Writer {
  readonly connection: string;
  readonly session: Session;
  private readonly journal: Journal;
  /** How many of its writes were acknowledged. */
  acknowledged = 0;
  private seq = 0;
  private warning: string | undefined;

  /** @param connection an id that no other connection of the run has */
  constructor(
    journal: Journal,
    actor: Actor,
    connection: string,
    { session, node, server, backend }: Opened<{ name: string }>,
  ) {
    this.journal = journal;
    this.connection = connection;
    this.session = session;
    session.onWarning((text) => {
      this.warning ??= text;
    });
    journal.record({ kind: 'connected', at: now(), connection, actor, node: node.name, server, backend });
  }

  /**
   * Writes one row in a transaction of its own. After `unknown` the connection is done with: what the server
   * still does with the write cannot be known.
   */
  async write(deadlineMs: number, signal?: AbortSignal): Promise<Written> {
    const key: RowKey = { connection: this.connection, seq: ++this.seq };
    const values = [this.journal.run, key.connection, key.seq];
    this.warning = undefined;
    // What the journal does not know of must not be found in the table.
    if (!this.journal.record({ kind: 'invoked', ...key, at: now() }))
      return { outcome: 'failed', why: 'the journal takes no more' };
    try {
      const [row] = await this.session.query(insertRow, values, { deadlineMs, signal });
      const at = now();
      // A wait for the standby that was cancelled leaves the commit local, with a warning (syncrep.c).
      const why = this.warning ?? (row ? undefined : 'no row was inserted');
      if (why === undefined) {
        this.acknowledged++;
        this.journal.record({ kind: 'acknowledged', ...key, at, timeline: Number(row?.['timeline']) });
        return { outcome: 'acknowledged' };
      }
      this.journal.record({ kind: 'unknown', ...key, at, why });
      return { outcome: 'unknown', why };
    } catch (error) {
      const [outcome, why] = [writeOutcomeOf(error), messageOf(error)];
      this.journal.record({ kind: outcome, ...key, at: now(), why });
      return { outcome, why };
    }
  }
}

const readOnlyTransaction = '25006';
const constraintViolations = '23';

/** What is known of a write that ended in an error: it certainly did not happen, or that cannot be told. */
export function writeOutcomeOf(error: unknown): 'failed' | 'unknown' {
  const state = sqlStateOf(error) ?? '';
  return state === readOnlyTransaction || state.startsWith(constraintViolations) ? 'failed' : 'unknown';
}
