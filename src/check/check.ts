import type { Formation } from '../formation/formation.ts';
import type { Observation } from './observation.ts';

export type Severity = 'error' | 'warning';

/** One thing that must hold of a healthy formation. Pure: it judges what was read, and reads nothing. */
export interface Check {
  /** Stable, for reports and filters. */
  id: string;
  /** What it means when it fails, for people. */
  meaning: string;
  severity: Severity;
  /** The faults found; none when the check passes. `undefined` when what it needs could not be read. */
  faults(observation: Observation, formation: Formation): Fault[] | undefined;
}

export interface Fault {
  /** The container concerned, or the formation's name. */
  subject: string;
  /** What was read, in a sentence. */
  evidence: string;
  /** What to do about it, with the command where there is one. */
  remedy: string;
}

/** A check's verdict. */
export interface Finding {
  check: string;
  severity: Severity;
  meaning: string;
  status: 'pass' | 'fail' | 'unknown';
  faults: Fault[];
}
