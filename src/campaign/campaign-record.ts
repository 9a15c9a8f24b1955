import type { Outcome } from '../contract/outcome.ts';
import type { DrillRecord } from '../drill/record.ts';
import type { DrillVerdict } from '../drill/verdict.ts';
import type { Proof } from './proof.ts';

/** One drill, and what it amounts to. */
export interface JudgedDrill {
  record: DrillRecord;
  verdict: DrillVerdict;
}

/** One or more drills in a row, and what they prove together. Plain data: all that reports are made of. */
export interface CampaignRecord {
  formation: string;
  /** How many drills were planned. */
  rounds: number;
  /** Decides the order of the faults and for how long each is held back; undefined for a single drill. */
  seed: number | undefined;
  /** Whether it was to show that the ledger finds writes that are lost. */
  selfTest: boolean;
  drills: JudgedDrill[];
  /** By fault; empty for the self-test. */
  proofs: Proof[];
  /** Why there were fewer drills than planned. */
  endedEarly: string | undefined;
  /** What went wrong besides the drills: a round that could not run, a history that could not be written. */
  trouble: string[];
}

export interface CampaignVerdict {
  outcome: Outcome;
  /** One sentence. */
  message: string;
}
