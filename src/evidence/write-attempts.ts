import type { Moment } from '../clock/clock.ts';
import type { RowKey } from './rows.ts';
import type { Actor, HistoryEvent, WriteHistory } from './write-history.ts';

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

/** The writes of a history, by `keyOf`, and what in it cannot be. */
export interface WriteAttempts {
  byKey: Map<string, WriteAttempt>;
  contradictions: string[];
}

/** A connection's id holds no space. */
export function rowIdOf({ connection, seq }: RowKey): string {
  return `${connection} ${seq}`;
}

/** Puts a history's writes together. The order of the events does not matter, nor does an event told twice. */
export function writeAttemptsOf({ events }: WriteHistory): WriteAttempts {
  const all = <K extends HistoryEvent['kind']>(kind: K) =>
    events.filter((event): event is HistoryEvent & { kind: K } => event.kind === kind);
  const contradictions = new Set<string>();
  const byKey = new Map<string, WriteAttempt>();

  const connections = new Map(all('connected').map((event) => [event.connection, event]));
  for (const event of all('connected')) {
    const { actor, node } = connections.get(event.connection) ?? event;
    if (actor !== event.actor || node !== event.node)
      contradictions.add(`connection ${event.connection} was opened twice`);
  }
  for (const { connection, seq, at } of all('invoked')) {
    const opened = connections.get(connection);
    const known = byKey.get(rowIdOf({ connection, seq }));
    if (known && known.invokedAt !== at)
      contradictions.add(`write ${seq} of connection ${connection} was sent twice`);
    if (!opened) contradictions.add(`connection ${connection} wrote and was never opened`);
    else {
      const { actor, node } = opened;
      const unended = { outcome: 'unknown' as const, endedAt: undefined, timeline: undefined };
      byKey.set(rowIdOf({ connection, seq }), { connection, seq, actor, node, invokedAt: at, ...unended });
    }
  }
  for (const event of [...all('acknowledged'), ...all('failed'), ...all('unknown')]) {
    const attempt = byKey.get(rowIdOf(event));
    const told = `write ${event.seq} of connection ${event.connection}`;
    if (!attempt) contradictions.add(`${told} ended and was never sent`);
    else if (
      attempt.endedAt !== undefined &&
      (attempt.endedAt !== event.at || attempt.outcome !== event.kind)
    )
      contradictions.add(`${told} ended twice`);
    else {
      if (event.at < attempt.invokedAt) contradictions.add(`${told} ended before it was sent`);
      attempt.outcome = event.kind;
      attempt.endedAt = event.at;
      attempt.timeline = event.kind === 'acknowledged' ? event.timeline : undefined;
    }
  }
  return { byKey, contradictions: [...contradictions].sort() };
}
