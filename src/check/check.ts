import * as v from 'valibot';
import type { ClientUri } from '../application/client-uri.ts';
import { text } from '../contract/shape.ts';
import type { Formation } from '../formation/formation.ts';
import type { Observation } from './observation.ts';

/** In order of weight. */
export const severities = ['warning', 'error'] as const;
export type Severity = (typeof severities)[number];

/** What to do, in words, with at most one command line: one that does it, or one that only shows more. */
const remedy = v.object({
  say: text('What to do.'),
  /** Mends it, as it stands. Safe to run twice. */
  run: v.exactOptional(text('The command line that does it.')),
  /** For what takes a person's judgement, or hands. */
  look: v.exactOptional(text('A command line that changes nothing and shows more.')),
});

export type Remedy = v.InferOutput<typeof remedy>;

const problem = v.object({
  subject: text("The container concerned, or the formation's name."),
  /** In a sentence. */
  evidence: text('What was read.'),
  remedy,
  /** Where it weighs otherwise than its check. */
  severity: v.exactOptional(v.picklist(severities)),
  /** Never told as a consequence, whatever else failed. */
  own: v.exactOptional(v.boolean()),
});

export type Problem = v.InferOutput<typeof problem>;

/** A check's verdict. */
export const finding = v.object({
  check: text('Id of the check, as in the documentation.'),
  /** That of its gravest problem. */
  severity: v.picklist(severities),
  meaning: text('What must hold.'),
  status: v.pipe(
    v.picklist(['pass', 'fail', 'follows', 'unknown']),
    v.description('`follows`: it failed, and what mends the checks named in `because` mends it.'),
  ),
  /** Its problems, by the name that was published first. */
  faults: v.array(problem),
  because: v.array(v.string()),
  /** It passes then, for want of anything to judge. */
  unasked: v.exactOptional(text('Why it judged nothing: what it needs was not given.')),
});

export type Finding = v.InferOutput<typeof finding>;

/** What the caller asks besides the formation's file. */
export interface Asked {
  /** How soon a standby must take over. */
  rtoTargetSeconds?: number | undefined;
  /** The connection string that the application uses, to be held against the formation. May hold a password. */
  clientUri?: ClientUri | undefined;
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
   * Checks whose problems bring problems of this one with them: on the `same` subject, or on `any`. Such a problem is
   * told as a consequence, since what mends the cause mends it.
   */
  follows?: Readonly<Partial<Record<string, 'same' | 'any'>>>;
  /** Why it judges nothing, where it takes something that the caller need not give. */
  unasked?(observation: Observation, asked: Asked): string | undefined;
  /** The problems found; none when the check passes. `undefined` when what it needs could not be read. */
  problems(observation: Observation, formation: Formation, asked: Asked): Problem[] | undefined;
}

/** A remedy in one line. */
export function describeRemedy({ say, run, look }: Remedy): string {
  const line = run ?? look;
  return line === undefined ? say : `${say}: ${line}`;
}
