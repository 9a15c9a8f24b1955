import * as v from 'valibot';
import { seconds } from '../contract/shape.ts';

/** What is recorded of a prediction. Times are seconds with millisecond precision. */

export const faultClasses = [
  /** The primary's container or machine is gone. */
  'crash-stop',
  /** It stands still; its sockets look alive. */
  'freeze',
  /** Nothing arrives at it, nor from it. */
  'full-cut',
  /** Nothing arrives between it and the monitor. */
  'monitor-cut',
  /** Only its Postgres was killed: its keeper starts it again, and as a rule nothing is promoted. */
  'postgres-crash',
  /** An operator has the role handed over. */
  'switchover',
] as const;

export type FaultClass = (typeof faultClasses)[number];

export const span = v.object({ least: v.number(), most: v.number() });

export type Span = v.InferOutput<typeof span>;

const describedSpan = v.nullable(v.object({ least: seconds('At least.'), most: seconds('At most.') }));

/** One step on the way: what takes the time, and the setting that causes it, where one does. */
export const part = v.object({
  ...span.entries,
  name: v.string(),
  setting: v.nullable(v.string()),
  /** How much of the most the setting makes, and how much lowering it alone can gain. */
  costSeconds: v.number(),
  gainSeconds: v.number(),
});

export type Part = v.InferOutput<typeof part>;

/** As Fence, in seconds: null for times that are not to be relied upon, or have no end. */
const fencing = v.object({
  fenced: describedSpan,
  /** New primary writable minus old primary fenced. */
  margin: describedSpan,
  /** How long two primaries may take writes where keepers run on time: what the formation file refuses. */
  overlapSeconds: v.nullable(v.number()),
  /** How much later it may be fenced where the cut falls amid a report, or the machine is too busy. */
  lateSeconds: v.number(),
  /** How long two primaries may take writes then. */
  overlapWhenLateSeconds: v.nullable(v.number()),
  reason: v.string(),
});

export type Fencing = v.InferOutput<typeof fencing>;

export const faultPrediction = v.object({
  fault: v.picklist(faultClasses),
  /** From the fault to the monitor's announcement of the promotion; null where nothing is promoted. */
  promotion: describedSpan,
  /** Why nothing is promoted. */
  notPromoted: v.nullable(v.string()),
  /** How long writes are out, for a client that finds the new primary at once; null where they never come back. */
  outage: describedSpan,
  /** They add up to the promotion, or to the outage where nothing is promoted; empty where neither comes. */
  parts: v.array(part),
  /** The part whose setting costs most. */
  costliest: v.nullable(part),
  /** A failover that need not come, but may; null where there is no such doubt. */
  mayFailOver: v.nullable(v.object({ why: v.string(), promotion: span, outage: span, parts: v.array(part) })),
  /** Null where the fault leaves no old primary that could take writes. */
  fencing: v.nullable(fencing),
});

export type FaultPrediction = v.InferOutput<typeof faultPrediction>;

export type Prediction = Record<FaultClass, FaultPrediction>;

export const predictionMeans = 'What the settings in force lead to, by fault; intervals in seconds.';

/** One schema for every fault: six would make the published file six times as long. */
export const prediction = v.pipe(
  v.record(v.string(), faultPrediction),
  v.guard(
    (given): given is Prediction => faultClasses.every((name) => Object.hasOwn(given, name)),
    () => `needs each of ${faultClasses.join(', ')}`,
  ),
  v.description(predictionMeans),
);
