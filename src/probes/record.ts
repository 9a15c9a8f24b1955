import * as v from 'valibot';
import { count, list, maybe, seconds, text } from '../contract/shape.ts';

/** What is recorded of a probe. Moments are seconds since the fault; a look lasts from when it asked until it was told. */

/** Looks in a row that came to the same. */
const stretch = v.object({
  state: v.pipe(
    v.picklist(['good', 'broken', 'unknown']),
    v.description(
      '`unknown`: this runner itself did not run, so that nothing is known of whom it would have asked.',
    ),
  ),
  askedSeconds: seconds('When its first look asked. Since the fault.'),
  toldSeconds: seconds('When that look was told.'),
  lastAskedSeconds: seconds('When its last look asked.'),
  lastToldSeconds: seconds('When that look was told.'),
  looks: count('How many looks it has.'),
  why: maybe(text('What its first look came to in place of a good answer.')),
});

export type Stretch = v.InferOutput<typeof stretch>;

export const probeRecord = v.object({
  name: v.string(),
  asks: text('What it asks, without secrets.'),
  intervalSeconds: seconds('From one look to the next.'),
  timeoutSeconds: seconds('How long one look may take.'),
  abortSeconds: maybe(seconds('How long it may stay broken during the fault.')),
  stretches: list(stretch, 'Its looks in order.'),
  unrecordedLooks: maybe(count('Looks after these that are not told one by one: it changed too often.')),
  slowestSeconds: maybe(seconds('The longest that a good answer took.')),
});

export type ProbeRecord = v.InferOutput<typeof probeRecord>;

/** Why a drill undid its fault before its time. */
export const tripRecord = v.object({
  probe: v.string(),
  seconds: seconds('When it was noticed. Since the fault.'),
  brokenSeconds: seconds('For how long there had been no good answer.'),
  allowedSeconds: seconds('For how long there need not be one.'),
  why: text('What the last look came to.'),
});

export type TripRecord = v.InferOutput<typeof tripRecord>;
