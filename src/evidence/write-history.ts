import * as v from 'valibot';
import { rowKey } from './rows.ts';

/**
 * What happened to every write, as plain data: the journal on disk holds it line by line, the ledger judges it.
 * Moments are milliseconds on the one monotonic clock of the process that wrote.
 */
export interface WriteHistory {
  run: string;
  /** They may be gone through as often as need be. In the order of their moments where they are no array. */
  events: Iterable<HistoryEvent>;
}

/** A journal may come from anywhere, and be of any version: each event is held to its schema when it is read. */

const moment = v.pipe(v.number(), v.finite());

const actor = v.picklist(['application', 'uri-client', 'witness', 'local-witness']);

/**
 * Who wrote. Only `application`, `uri-client` and `witness` are an application's own eyes: `local-witness` is a superuser
 * whose commits wait for no standby, so its writes may be lost by right and count as acknowledged to nobody.
 * `application` goes straight to the nodes, `uri-client` by the application's own connection string: its `node` is a host
 * of that, and which node takes a write may change behind it from one to the next.
 */
export type Actor = v.InferOutput<typeof actor>;

/** Who stays on the old primary, whatever becomes of it. */
export const isWitness = (who: Actor): boolean => who === 'witness' || who === 'local-witness';

/** A connection was opened on a node. Its id belongs to no other. */
const connected = v.object({
  kind: v.literal('connected'),
  at: moment,
  connection: v.string(),
  actor,
  node: v.string(),
  /** The server's own address and process for this connection, for whoever looks into its log: nobody else reads them. */
  server: v.optional(v.unknown()),
  backend: v.optional(v.unknown()),
});

/** A write is about to be sent. */
const invoked = v.object({ kind: v.literal('invoked'), ...rowKey.entries, at: moment });

/** The server answered that it is committed, without a warning. */
const acknowledged = v.object({
  kind: v.literal('acknowledged'),
  ...rowKey.entries,
  at: moment,
  /** Of the server when it took the write: a promotion begins a new one. */
  timeline: moment,
});

const notAcknowledged = { ...rowKey.entries, at: moment, why: v.string() };

/** Certainly not committed: never sent, read-only, constraint. */
const failed = v.object({ kind: v.literal('failed'), ...notAcknowledged });

/** Anything else: a lost connection, silence until the deadline, or a commit with a warning. */
const unknown = v.object({ kind: v.literal('unknown'), ...notAcknowledged });

/**
 * A node let a client in not at all, or took no writes from it; in the words of whoever said so. Told once for
 * as long as they stay the same, and again every second.
 */
const refused = v.object({
  kind: v.literal('refused'),
  at: moment,
  actor,
  node: v.string(),
  why: v.string(),
  /** It does not change by itself: a rule, a password, a certificate. */
  final: v.exactOptional(v.literal(true)),
});

/** A witness looked on its node for a row that another node had acknowledged before. */
const probed = v.object({
  kind: v.literal('probed'),
  invokedAt: moment,
  at: moment,
  connection: v.string(),
  row: rowKey,
  present: v.boolean(),
});

/**
 * A witness learnt something of its node: it was answered or turned away, or was not and still waits, with its way
 * there open. Told no more often than every half second.
 */
const looked = v.object({
  kind: v.literal('looked'),
  at: moment,
  witness: v.string(),
  /** Which of two ways it goes. */
  way: v.exactOptional(v.number()),
});

/** One of two ways of the clients broke: who goes it saw nothing since it was whole for certain. */
const broken = v.object({
  kind: v.literal('broken'),
  at: moment,
  way: v.number(),
  wholeUntil: moment,
  why: v.string(),
});

/** And can be gone again. */
const mended = v.object({ kind: v.literal('mended'), at: moment, way: v.number() });

/** From here on each client of the application writes so often, at most. Without one they kept to one pace. */
const paced = v.object({ kind: v.literal('paced'), at: moment, writesPerSecond: moment });

/** From here on nobody need look any more. */
const ending = v.object({ kind: v.literal('ending'), at: moment });

/** The process that kept the history did not get to run from one moment to the other. */
const slept = v.object({ kind: v.literal('slept'), from: moment, at: moment });

/** The longest time for which the process that kept the history did not get to run, told at its end. */
const stalled = v.object({
  kind: v.literal('stalled'),
  at: moment,
  longestMs: moment,
  /** For which part of its time it was at work. */
  busyShare: v.exactOptional(moment),
});

/** The evidence itself is not whole: the reason makes every verdict inconclusive. */
const failing = v.object({ kind: v.literal('failing'), at: moment, why: v.string() });

const kinds = [
  connected,
  invoked,
  acknowledged,
  failed,
  unknown,
  refused,
  probed,
  looked,
  broken,
  mended,
  paced,
  ending,
  slept,
  stalled,
  failing,
];

export type HistoryEvent = v.InferOutput<(typeof kinds)[number]>;

/** For a journal of hundreds of thousands of lines: v.variant would try one after the other. */
const byKind = new Map<unknown, (typeof kinds)[number]>(
  kinds.map((schema) => [schema.entries.kind.literal, schema]),
);

/** Whether it is an event of ours, with all that is read of one. A kind that is not known is none: nobody could judge it. */
export function isHistoryEvent(value: unknown): value is HistoryEvent {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  const schema = byKind.get(kind);
  return schema !== undefined && v.is(schema, value);
}

/** One history of several that were kept at once, in any order. @throws Error when they are not of one run */
export function mergeHistories(first: WriteHistory, ...others: WriteHistory[]): WriteHistory {
  const stranger = others.find(({ run }) => run !== first.run);
  if (stranger) throw new Error(`histories of two runs: ${first.run} and ${stranger.run}`);
  return { run: first.run, events: [first, ...others].flatMap(({ events }) => [...events]) };
}

/** What comes first of what was noted at one moment. */
const ranks: Partial<Record<HistoryEvent['kind'], number>> = { connected: 0, invoked: 1 };

/** Each event once, in the order of their moments; connections first, wherever they are told of. */
export function inOrder(events: Iterable<HistoryEvent>): Iterable<HistoryEvent> {
  if (!Array.isArray(events)) return events;
  const rank = ({ kind }: HistoryEvent) => ranks[kind] ?? 2;
  const moment = (event: HistoryEvent) => (event.kind === 'connected' ? Number.NEGATIVE_INFINITY : event.at);
  const seen = new Set<string>();
  return (events as HistoryEvent[])
    .filter((event) => {
      const text = JSON.stringify(event);
      return !seen.has(text) && seen.add(text);
    })
    .sort((one, other) => {
      const [first, second] = [moment(one), moment(other)];
      return first === second ? rank(one) - rank(other) : first - second;
    });
}
