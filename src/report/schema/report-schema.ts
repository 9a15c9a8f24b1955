import * as v from 'valibot';
import { severities } from '../../check/check.ts';
import { outcomes } from '../../contract/outcome.ts';

/** What the JSON reports of several actions have in common, for the published schemas. */

export const text = (what: string) => v.pipe(v.string(), v.description(what));
export const number = (what: string) => v.pipe(v.number(), v.description(what));
export const seconds = (what: string) => number(`${what} Seconds, to the millisecond.`);

const count = v.pipe(v.number(), v.integer());

/** What every report begins with. */
export const reportHead = {
  action: text('The action that wrote it.'),
  outcome: v.pipe(v.picklist(outcomes), v.description('The verdict, by the worst that was found.')),
  exitCode: v.pipe(count, v.minValue(0), v.maxValue(3), v.description('The same as a number, 0 to 3.')),
  message: text('The verdict in one sentence.'),
};

const fault = v.object({
  subject: text("The container concerned, or the formation's name."),
  evidence: text('What was read.'),
  remedy: v.object({
    say: text('What to do.'),
    run: v.exactOptional(text('The command line that does it.')),
    look: v.exactOptional(text('A command line that changes nothing and shows more.')),
  }),
  severity: v.exactOptional(v.picklist(severities)),
  own: v.exactOptional(v.boolean()),
});

const finding = v.object({
  check: text('Id of the check, as in the documentation.'),
  severity: v.picklist(severities),
  meaning: text('What must hold.'),
  status: v.pipe(
    v.picklist(['pass', 'fail', 'follows', 'unknown']),
    v.description('`follows`: it failed, and what mends the checks named in `because` mends it.'),
  ),
  faults: v.array(fault),
  because: v.array(v.string()),
});

const span = v.nullable(v.object({ least: v.number(), most: v.number() }));

const faultPrediction = v.looseObject({
  fault: v.string(),
  promotion: span,
  notPromoted: v.nullable(v.string()),
  outage: span,
  parts: v.array(
    v.looseObject({
      name: v.string(),
      least: v.number(),
      most: v.number(),
      setting: v.nullable(v.string()),
    }),
  ),
});

export const verdict = v.object({
  outcome: v.picklist(outcomes),
  message: v.string(),
  findings: v.array(finding),
  primary: v.optional(text('The node that the monitor has settled as primary.')),
  standbys: v.array(v.string()),
  prediction: v.optional(
    v.pipe(
      v.record(v.string(), faultPrediction),
      v.description('What the settings in force lead to, by fault; intervals in seconds.'),
    ),
  ),
});

/** The formation file with every default filled in. */
export const formation = v.looseObject({ name: v.string() });
