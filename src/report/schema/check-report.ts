import * as v from 'valibot';
import { formation, reportHead, text, verdict } from './report-schema.ts';

const read = v.pipe(
  v.looseObject({ ok: v.boolean() }),
  v.description('`value` where it could be read, `failed` with the reason where not.'),
);

const observation = v.looseObject({
  observedAt: text('ISO 8601.'),
  instances: v.record(v.string(), v.looseObject({ status: v.string() })),
  containers: v.record(v.string(), read),
  monitor: read,
  nodes: v.record(v.string(), read),
  logins: v.record(v.string(), read),
});

const judged = v.object({
  formation,
  judged: v.literal(true),
  observation: v.pipe(observation, v.description('Everything that was read: what the checks judged.')),
  verdict,
});

const notJudged = v.object({
  formation,
  judged: v.literal(false),
  failed: text('Why it could not be judged.'),
});

/** The JSON report of check-formation. */
export const checkReport = v.object({
  ...reportHead,
  formations: v.optional(
    v.pipe(v.array(v.union([judged, notJudged])), v.description('One entry a formation.')),
  ),
  faults: v.optional(v.pipe(v.array(v.string()), v.description('Of bad input: every fault of it.'))),
});
