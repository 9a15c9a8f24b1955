import * as v from 'valibot';
import type { Outcome } from '../contract/outcome.ts';
import { count, list, maybe, number, seconds, text } from '../contract/shape.ts';
import { drillRecord } from '../drill/record.ts';
import { drillVerdict } from '../drill/verdict/verdict.ts';

/** One or more drills in a row, and what they prove together. Plain data: all that reports are made of. */

/** Order statistics of a sample. */
const quantiles = v.object({
  n: count('How many were measured.'),
  least: seconds('The least.'),
  median: seconds('The median.'),
  p90: seconds('What 90 % did not exceed.'),
  p95: seconds('What 95 % did not exceed.'),
  greatest: seconds('The greatest.'),
});

export type Quantiles = v.InferOutput<typeof quantiles>;

const lossSample = v.object({
  drills: count('Drills that had enough writes at risk, or lost one.'),
  losses: count('Drills that lost a write.'),
  lossAtMost: number('At 95 % confidence, no greater share of all drills loses one; 0 to 1.'),
  leastWritesAtRisk: number('So many are enough.'),
});

export type LossSample = v.InferOutput<typeof lossSample>;

/** Infinite for more than anybody runs: JSON has null for that. */
const needed = (share: string) =>
  v.pipe(
    v.nullable(v.number()),
    v.description(
      `Drills within the target that would prove it for ${share}; null for more than anybody runs.`,
    ),
    v.transform((drills) => drills ?? Number.POSITIVE_INFINITY),
  );

const sample = v.object({
  drills: count('Drills that tell something of the target.'),
  leftOut: maybe(count('Drills that do not: they could not be judged, or measured nothing of it.')),
  breaches: count('Drills that breached their target.'),
  breachAtMost: number('At 95 % confidence, no greater share of all drills breaches the target; 0 to 1.'),
  /** Besides those that there are. */
  stillNeeded: v.object({ p95: needed('95 %'), p99: needed('99 %') }),
  rto: maybe(quantiles),
  clientRto: maybe(quantiles),
  writeOutage: maybe(quantiles),
  rejoin: maybe(quantiles),
  /** Not every drill proves something of these. */
  loss: maybe(v.pipe(lossSample, v.description('What they prove of lost writes.'))),
});

export type Sample = v.InferOutput<typeof sample>;

const regression = v.object({
  nowSeconds: seconds('Median RTO of this run.'),
  beforeSeconds: seconds('Median RTO of the history before it.'),
  allowedPercent: number('How much slower it may be. Per cent.'),
  failed: v.boolean(),
});

export type Regression = v.InferOutput<typeof regression>;

/** What the drills of one configuration and fault prove, those of this run and of earlier ones. */
const proof = v.object({
  fault: v.string(),
  fingerprint: text('Of the configuration: only its drills are pooled.'),
  now: v.pipe(sample, v.description('Of this run.')),
  pooled: v.pipe(sample, v.description('Of this run and the history.')),
  /** Undefined where no gate was asked for, or there is nothing to compare. */
  regression: maybe(regression),
  noRegression: maybe(text('Why a gate that was asked for compared nothing.')),
  notes: maybe(list(v.string(), 'What else is to be known of the history.')),
});

export type Proof = v.InferOutput<typeof proof>;

/** One drill, and what it amounts to. */
const judgedDrill = v.object({ record: drillRecord, verdict: drillVerdict });

export type JudgedDrill = v.InferOutput<typeof judgedDrill>;

export const campaignRecord = v.object({
  formation: text("The formation's name."),
  rounds: count('How many drills were planned.'),
  /** Decides the order of the faults and for how long each is held back. */
  seed: maybe(number('Gives the same faults at the same moments again; absent for a single drill.')),
  selfTest: v.pipe(
    v.boolean(),
    v.description('Whether writes were made to be lost, to show that they are found.'),
  ),
  drills: list(judgedDrill, 'What each drill saw, and what it amounts to.'),
  /** Empty for the self-test. */
  proofs: list(proof, 'What the drills prove, by fault.'),
  endedEarly: maybe(text('Why there were fewer drills than planned.')),
  /** A round that could not run, a history that could not be written. */
  trouble: list(v.string(), 'What went wrong besides the drills.'),
});

export type CampaignRecord = v.InferOutput<typeof campaignRecord>;

export interface CampaignVerdict {
  outcome: Outcome;
  /** One sentence. */
  message: string;
}
