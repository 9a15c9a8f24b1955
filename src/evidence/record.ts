import * as v from 'valibot';
import { count, list, maybe, number, seconds, text } from '../contract/shape.ts';

/** What is recorded of the application's clients besides their journal. Moments are on the journal's clock. */

/**
 * Rows of the drill's table by connection, as ranges of seq from and to, both included. Every connection counts
 * its writes from 1, so a table of thousands of rows is a few ranges. What reads them works on the ranges: how many
 * rows one holds is for a server to say, and it may say ten million.
 */
const rowRanges = v.pipe(
  v.record(v.string(), v.array(v.strictTuple([v.number(), v.number()]))),
  v.description('Rows by connection: ranges of seq from and to, both included.'),
);

export type RowRanges = v.InferOutput<typeof rowRanges>;

/** Who was who in the fault. Reports have it as `scene`, its published name. */
export const roles = v.object({
  faultAt: v.number(),
  oldPrimary: v.string(),
  /** Undefined without a promotion, as where Postgres came back by itself. */
  newPrimary: maybe(v.string()),
  /** Whether commits wait for no standby: what a witness could write, a client there would have had acknowledged. */
  asynchronous: maybe(v.boolean()),
});

export type Roles = v.InferOutput<typeof roles>;

/** For how long clients wrote faster than they were to. */
export const burst = v.object({
  writesPerSecond: number('Of each session, at most.'),
  from: number('When it began. Seconds since the fault.'),
  to: number('When they were back at their own pace. Seconds since the fault.'),
});

export type BurstRecord = v.InferOutput<typeof burst>;

const rate = v.object({
  writesPerSecond: number('Acknowledged to the application, per second.'),
  seconds: seconds('For how long that was looked at.'),
});

/** What became of the pace that clients were to keep, and what of it may be due to the drill itself. */
export const throughput = v.object({
  before: maybe(
    v.pipe(rate, v.description('By the old primary, from the end of a faster beginning until the fault.')),
  ),
  after: maybe(
    v.pipe(
      rate,
      v.description(
        'By the primary after the fault, from its first of them; without a promotion from the fault on.',
      ),
    ),
  ),
  stalls: v.pipe(
    v.object({
      count: count('How many of half a second or more.'),
      seconds: seconds('All of them together.'),
      longest: seconds('The longest.'),
    }),
    v.description('When the process that wrote and listened did not get to run.'),
  ),
  busyShare: maybe(number('For which part of its time that process was at work, between 0 and 1.')),
});

export type Throughput = Required<v.InferOutput<typeof throughput>>;

/** The rows of a run that stood on a node, read between two moments. */
export const ledgerRead = v.object({
  node: v.string(),
  startedAt: v.number(),
  endedAt: v.number(),
  /** A standby may lag behind, so what it lacks is not lost. */
  inRecovery: v.boolean(),
  rows: rowRanges,
});

export type LedgerRead = v.InferOutput<typeof ledgerRead>;

/** What was found wrong: how many rows, and which; of those that are in more ranges than a report can hold, the first. */
const wrongRows = v.object({ count: count('How many.'), rows: rowRanges });

export type WrongRows = v.InferOutput<typeof wrongRows>;

/** Undefined where it did not happen. */
const times = v.object({
  clientRtoSeconds: maybe(seconds('Fault to the first write that the new primary acknowledged to a client.')),
  writeOutageSeconds: maybe(seconds('Last acknowledged write before that one, until that one.')),
  /**
   * From the last before the fault to the last that the application tried. Where nothing was promoted, this is the
   * outage.
   */
  longestPauseSeconds: maybe(seconds('The longest time without an acknowledged write.')),
  /**
   * From the new primary's first acknowledgement to the last write that the old one took on its old timeline and
   * that was sent after it, the witnesses' included. Undefined where no witness wrote before the fault and nothing was
   * seen, and where the new primary took no write.
   */
  dualPrimarySeconds: maybe(seconds('For how long both primaries took writes, 0 for never.')),
  /** Clients wait for a standby where the formation has them wait. */
  overlapSeconds: maybe(seconds('The same of writes acknowledged to clients alone.')),
  lastAcknowledgedSeconds: maybe(seconds("The old primary's last write of a client, since the fault.")),
  lastTakenSeconds: maybe(seconds("The old primary's last write of anybody, since the fault.")),
  refusedSeconds: maybe(seconds('When it first took none after that, since the fault.')),
  refusedBecause: maybe(text('And why.')),
  staleReads: count('Reads on the old primary that lacked what the new one had acknowledged.'),
  lastStaleReadSeconds: maybe(seconds('The last of them, since the fault.')),
  refusals: list(
    v.object({ node: v.string(), why: v.string(), seconds: seconds('Since the fault.') }),
    'What each node last said to a client that it did not let write.',
  ),
});

/** As they are told at first: each of them, undefined or not. */
export type Times = Required<v.InferOutput<typeof times>>;

const moments = (what: string) => list(v.number(), `${what} Seconds since the fault, to the hundredth.`);

/** When writes ended. */
const ended = {
  acknowledged: moments('Acknowledged.'),
  /** Not answered, or answered with a doubt. */
  unknown: moments('Outcome unknown.'),
  failed: moments('Certainly not committed.'),
};

/** Of the clients that went by the application's own connection string: theirs alone. Times undefined where it did not happen. */
const uriTimes = v.object({
  clientRtoSeconds: maybe(
    seconds('Fault to the first write that the new primary acknowledged to a client by client-uri.'),
  ),
  writeOutageSeconds: maybe(seconds('Last acknowledged write before that one, until that one.')),
  longestPauseSeconds: maybe(seconds('The longest time without an acknowledged write.')),
  acknowledgedWrites: count('Writes acknowledged to them.'),
  failedWrites: count('Certainly not committed.'),
  unknownWrites: count('Neither acknowledged nor certainly not committed.'),
  refusals: list(
    v.object({ node: v.string(), why: v.string(), seconds: seconds('Since the fault.') }),
    'What each host of the connection string last said to one that it did not let write.',
  ),
  activity: v.pipe(v.object(ended), v.description('When their writes ended.')),
});

export type UriTimes = v.InferOutput<typeof uriTimes>;

/** What the writes prove. */
export const ledger = v.object({
  /** By the application's way in. Those of the local witness, which wait for no standby, do not count. */
  acknowledgedWrites: count('Writes acknowledged to clients.'),
  failedWrites: count('Certainly not committed.'),
  unknownWrites: count('Neither acknowledged nor certainly not committed.'),
  /** Of these alone does it say something that none is lost. */
  writesAtRisk: maybe(
    count(
      'Acknowledged to clients by the old primary before the new one took its first, or before the fault without a promotion. Absent in older reports.',
    ),
  ),
  /** They may be there or not. Absent in older reports. */
  writesInFlight: maybe(count('Asked of the old primary as long, and left without an answer.')),
  unknownPresent: count('Unknown writes that stood in the last read.'),
  /** The read is of the primary after the fault. */
  lost: v.pipe(wrongRows, v.description('Acknowledged, and absent from a later read of the primary.')),
  /** Those sent only after such a read among them. */
  phantoms: v.pipe(wrongRows, v.description('Read, and never sent, or certainly not committed.')),
  /** Clients saw what then was not. */
  vanished: v.pipe(wrongRows, v.description('Read, not acknowledged, and absent from a later read.')),
  /**
   * On its old timeline, and sent after the new primary's first acknowledgement: two primaries took the application's
   * writes.
   */
  overlap: v.pipe(
    wrongRows,
    v.description('Acknowledged by the old primary after the new one had begun to.'),
  ),
  /** Nothing tells whether they are lost. */
  unverifiedWrites: count('Acknowledged since the last read.'),
  /**
   * The longest time for which the process that wrote and listened did not get to run. A late first acknowledgement of
   * the new primary makes for a longer RTO, and a shorter overlap.
   */
  lateBySeconds: maybe(seconds('By how much a moment may be late.')),
  /** One sentence each; none of this may pass. */
  inconclusive: list(v.string(), 'Why the verdict is not the whole truth.'),
  ...times.entries,
  /** Their writes count above as well: in all, at risk, lost. Undefined where there were none, and in older reports. */
  byUri: maybe(v.pipe(uriTimes, v.description("By the application's own connection string alone."))),
});

export type LedgerVerdict = v.InferOutput<typeof ledger>;

/** When the application's writes on one node ended: what a picture shows of a history. */
export const activity = v.object({
  node: v.string(),
  ...ended,
});

export type Activity = v.InferOutput<typeof activity>;
