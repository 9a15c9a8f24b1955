import * as v from 'valibot';
import { outcomes } from './outcome.ts';
import { maybe, text } from './shape.ts';

/** What the JSON reports of several actions have in common. */

/** What every report begins with. */
export const reportHead = {
  action: text('The action that wrote it.'),
  outcome: v.pipe(v.picklist(outcomes), v.description('The verdict, by the worst that was found.')),
  exitCode: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(0),
    v.maxValue(3),
    v.description('The same as a number, 0 to 3.'),
  ),
  message: text('The verdict in one sentence.'),
};

/** The formation file with every default filled in. */
export const formation = v.looseObject({ name: v.string() });

export const inputErrors = maybe(
  v.pipe(v.array(v.string()), v.description('Of bad input: every fault of it.')),
);
