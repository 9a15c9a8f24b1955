import type { Formation } from '../formation/formation.ts';
import type { Observation } from './observation.ts';

/** In order of weight. */
export const severities = ['warning', 'error'] as const;
export type Severity = (typeof severities)[number];

/** What the caller asks besides the formation's file. */
export interface Asked {
  /** How soon a standby must take over. */
  rtoTargetSeconds?: number | undefined;
  /** The connection string that the application uses, to be held against the formation. May hold a password. */
  clientUri?: string | undefined;
  /** How a command line names the formation's file; undefined where it was given inline. */
  formationPath?: string | undefined;
  /** The formation was read off its monitor: there is no file to hold it against. */
  withoutFile?: boolean | undefined;
}

/** One thing that must hold of a healthy formation. Pure: it judges what was read, and reads nothing. */
export interface Check {
  /** Stable, for reports and filters. */
  id: string;
  /** What it means when it fails, for people. */
  meaning: string;
  severity: Severity;
  /**
   * Checks whose faults bring faults of this one with them: on the `same` subject, or on `any`. Such a fault is
   * told as a consequence, since what mends the cause mends it.
   */
  follows?: Readonly<Partial<Record<string, 'same' | 'any'>>>;
  /** The faults found; none when the check passes. `undefined` when what it needs could not be read. */
  faults(observation: Observation, formation: Formation, asked: Asked): Fault[] | undefined;
}

export interface Fault {
  /** The container concerned, or the formation's name. */
  subject: string;
  /** What was read, in a sentence. */
  evidence: string;
  remedy: Remedy;
  /** Where it weighs otherwise than its check. */
  severity?: Severity;
  /** Never told as a consequence, whatever else failed. */
  own?: boolean;
}

/** What to do, in words, with at most one command line: one that does it, or one that only shows more. */
export interface Remedy {
  say: string;
  /** Mends it, as it stands. Safe to run twice. */
  run?: string;
  /** Changes nothing: for what takes a person's judgement, or hands. */
  look?: string;
}

/** A check's verdict. */
export interface Finding {
  check: string;
  /** That of its gravest fault. */
  severity: Severity;
  meaning: string;
  /** `follows`: it failed, and all of it follows from other checks that did. */
  status: 'pass' | 'fail' | 'follows' | 'unknown';
  faults: Fault[];
  /** Of `follows`: ids of the checks that it follows from. */
  because: string[];
}

/** A remedy in one line. */
export function told({ say, run, look }: Remedy): string {
  const line = run ?? look;
  return line === undefined ? say : `${say}: ${line}`;
}
