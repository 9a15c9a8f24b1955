import * as v from 'valibot';
import { outcomes } from '../contract/outcome.ts';
import { formation, inputErrors, reportHead } from '../contract/report-head.ts';
import { list, maybe, text } from '../contract/shape.ts';
import { faultPrediction, part, predictionMeans, span } from '../prediction/record.ts';
import { verdict } from './verdict.ts';

const { notPromoted } = faultPrediction.entries;
const { name, setting } = part.entries;

/** What readers may count on: a prediction holds more, and may come to hold other things. */
const promisedPrediction = v.looseObject({
  fault: v.string(),
  promotion: v.nullable(span),
  notPromoted,
  outage: v.nullable(span),
  parts: v.array(v.looseObject({ name, ...span.entries, setting })),
});

const promisedVerdict = v.object({
  ...verdict.entries,
  outcome: v.picklist(outcomes),
  prediction: maybe(v.pipe(v.record(v.string(), promisedPrediction), v.description(predictionMeans))),
});

const read = v.pipe(
  v.looseObject({ ok: v.boolean() }),
  v.description('`value` where it could be read, `failed` with the reason where not.'),
);

const observation = v.looseObject({
  observedAt: text('ISO 8601.'),
  instances: v.record(
    v.string(),
    v.looseObject({
      status: v.string(),
      location: maybe(text('The member of the Incus cluster that it is on.')),
      unheard: maybe(text('Why nothing else is known of it: its host does not answer.')),
    }),
  ),
  hosts: maybe(v.pipe(read, v.description('The members of the Incus cluster, by name.'))),
  holds: maybe(
    v.pipe(read, v.description('What persons hold drills with: on what, its name, and the reason.')),
  ),
  containers: v.record(v.string(), read),
  monitor: read,
  nodes: v.record(v.string(), read),
  logins: v.record(v.string(), read),
});

const judged = v.object({
  formation,
  judged: v.literal(true),
  observation: v.pipe(observation, v.description('Everything that was read: what the checks judged.')),
  verdict: promisedVerdict,
});

const notJudged = v.object({
  formation,
  judged: v.literal(false),
  failed: text('Why it could not be judged.'),
});

/** The JSON report of check-formation. */
export const checkReport = v.object({
  ...reportHead,
  formations: maybe(list(v.union([judged, notJudged]), 'One entry a formation.')),
  faults: inputErrors,
});
