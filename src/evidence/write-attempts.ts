import type { Moment } from '../clock/clock.ts';
import { type RowKey, RowTally } from './rows.ts';
import type { Actor, HistoryEvent } from './write-history.ts';

/** One write from its sending to what became of it. */
export interface WriteAttempt extends RowKey {
  actor: Actor;
  node: string;
  invokedAt: Moment;
  /** `unknown` also where the history ends before the write does. */
  outcome: 'acknowledged' | 'failed' | 'unknown';
  /** Undefined where the history ends before the write does. */
  endedAt: Moment | undefined;
  timeline: number | undefined;
}

/** Who writes by a connection, and where to. */
export type Opener = Pick<WriteAttempt, 'actor' | 'node'>;

/** A connection's id holds no space. */
export function rowIdOf({ connection, seq }: RowKey): string {
  return `${connection} ${seq}`;
}

type Ended = HistoryEvent & { kind: WriteAttempt['outcome'] };

/** More of what cannot be says nothing more. */
const mostContradictions = 100;

/**
 * Puts a history's writes together, each as soon as it has ended: held are those under way alone, and of the others
 * which there were.
 */
export class WriteAttempts {
  private readonly openers: ReadonlyMap<string, Opener>;
  private readonly underWay = new Map<string, WriteAttempt>();
  /** Ended before they were sent, if they ever were. */
  private readonly early = new Map<string, Ended>();
  private readonly over = new RowTally();
  private readonly told = new Set<string>();

  /** @param openers of all connections of the history */
  constructor(openers: ReadonlyMap<string, Opener>) {
    this.openers = openers;
  }

  /** @returns the write that ended by it */
  take(event: HistoryEvent): WriteAttempt | undefined {
    switch (event.kind) {
      case 'invoked':
        return this.send(event);
      case 'acknowledged':
      case 'failed':
      case 'unknown':
        return this.end(event);
      default:
        return undefined;
    }
  }

  /** Once the history is over: those that it did not see end. */
  left(): WriteAttempt[] {
    for (const event of this.early.values()) this.contradict(`${named(event)} ended and was never sent`);
    return [...this.underWay.values()];
  }

  /** What cannot be. */
  get contradictions(): string[] {
    return [...this.told].sort();
  }

  private send(event: HistoryEvent & { kind: 'invoked' }): WriteAttempt | undefined {
    const { connection, seq, at } = event;
    const id = rowIdOf(event);
    const opened = this.openers.get(connection);
    if (opened === undefined) {
      this.contradict(`connection ${connection} wrote and was never opened`);
      return undefined;
    }
    if (this.underWay.has(id) || this.over.has(event)) {
      this.contradict(`${named(event)} was sent twice`);
      return undefined;
    }
    const { actor, node } = opened;
    const unended = { outcome: 'unknown' as const, endedAt: undefined, timeline: undefined };
    this.underWay.set(id, { connection, seq, actor, node, invokedAt: at, ...unended });
    const early = this.early.get(id);
    if (early === undefined) return undefined;
    this.early.delete(id);
    return this.end(early);
  }

  private end(event: Ended): WriteAttempt | undefined {
    const id = rowIdOf(event);
    const attempt = this.underWay.get(id);
    if (attempt === undefined) {
      if (this.over.has(event)) this.contradict(`${named(event)} ended twice`);
      else this.early.set(id, event);
      return undefined;
    }
    if (event.at < attempt.invokedAt) this.contradict(`${named(event)} ended before it was sent`);
    this.underWay.delete(id);
    this.over.add(event);
    attempt.outcome = event.kind;
    attempt.endedAt = event.at;
    attempt.timeline = event.kind === 'acknowledged' ? event.timeline : undefined;
    return attempt;
  }

  private contradict(what: string): void {
    if (this.told.size < mostContradictions) this.told.add(what);
  }
}

const named = ({ connection, seq }: RowKey) => `write ${seq} of connection ${connection}`;
