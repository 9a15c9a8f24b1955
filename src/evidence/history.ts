import type { Moment } from '../clock/clock.ts';
import type { RowKey } from './rows.ts';

/**
 * What happened to every write, as plain data: the journal on disk holds it line by line, the ledger judges it.
 * Moments are milliseconds on the one monotonic clock of the process that wrote.
 */
export interface History {
  run: string;
  events: HistoryEvent[];
}

/**
 * Who wrote. Only `application` and `witness` are an application's own eyes: `local-witness` is a superuser whose
 * commits wait for no standby, so its writes may be lost by right and count as acknowledged to nobody.
 */
export type Actor = 'application' | 'witness' | 'local-witness';

export type HistoryEvent =
  | Connected
  | Invoked
  | Acknowledged
  | NotAcknowledged
  | Refused
  | Probed
  | Stalled
  | Failing;

/** A connection was opened on a node. Its id belongs to no other. */
export interface Connected {
  kind: 'connected';
  at: Moment;
  connection: string;
  actor: Actor;
  node: string;
  /** The server's own address and process for this connection, for whoever looks into its log. */
  server: string;
  backend: number;
}

/** A write is about to be sent. */
export interface Invoked extends RowKey {
  kind: 'invoked';
  at: Moment;
}

/** The server answered that it is committed, without a warning. */
export interface Acknowledged extends RowKey {
  kind: 'acknowledged';
  at: Moment;
  /** Of the server when it took the write: a promotion begins a new one. */
  timeline: number;
}

/**
 * `failed`: certainly not committed (never sent, read-only, constraint). `unknown`: anything else, as a lost
 * connection, silence until the deadline, or a commit with a warning.
 */
export interface NotAcknowledged extends RowKey {
  kind: 'failed' | 'unknown';
  at: Moment;
  why: string;
}

/**
 * A node let a client in not at all, or took no writes from it; in the words of whoever said so. Told once for
 * as long as they stay the same, and again every second.
 */
export interface Refused {
  kind: 'refused';
  at: Moment;
  actor: Actor;
  node: string;
  why: string;
  /** It does not change by itself: a rule, a password, a certificate. */
  final?: true;
}

/** A witness looked on its node for a row that another node had acknowledged before. */
export interface Probed {
  kind: 'probed';
  invokedAt: Moment;
  at: Moment;
  connection: string;
  row: RowKey;
  present: boolean;
}

/** The longest time for which the process that kept the history did not get to run, told at its end. */
export interface Stalled {
  kind: 'stalled';
  at: Moment;
  longestMs: number;
}

/** The evidence itself is not whole: the reason makes every verdict inconclusive. */
export interface Failing {
  kind: 'failing';
  at: Moment;
  why: string;
}

/** One history of several that were kept at once, in any order. @throws Error when they are not of one run */
export function mergeHistories(first: History, ...others: History[]): History {
  const stranger = others.find(({ run }) => run !== first.run);
  if (stranger) throw new Error(`histories of two runs: ${first.run} and ${stranger.run}`);
  return { run: first.run, events: [first, ...others].flatMap(({ events }) => events) };
}
