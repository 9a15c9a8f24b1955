import type { Moment } from '../clock/clock.ts';
import type { Interval } from '../clock/interval.ts';

/** One reading of the monitor: its own clock (milliseconds since 1970) was read between two moments of ours. */
export interface ClockReading {
  asked: Moment;
  answered: Moment;
  clock: number;
}

/** Two readings in a row: what the second showed first was committed between them. */
export interface Between {
  before: ClockReading;
  after: ClockReading;
}

/** When something happened: the likeliest moment, and the two between which it lies for certain. */
export interface Dated {
  at: Moment;
  between: Interval;
}

/**
 * When the monitor announced what it wrote down at `time` on its own clock. That clock is tied to ours by the readings
 * on both sides, each good to its round trip; one that was set meanwhile may have been so at any moment between them,
 * so that the time lies anywhere between what either says. Pure.
 *
 * @param time when the event's transaction began
 * @param heard when its notification came; undefined where none did
 * @param transactionMs how long such a transaction may take until it is committed
 */
export function dated(
  time: number,
  { before, after }: Between,
  heard: Moment | undefined,
  transactionMs: number,
): Dated {
  const offsets = [before.asked, after.asked].map((asked, index) => ({
    least: asked - (index === 0 ? before : after).clock,
    most: (index === 0 ? before : after).answered - (index === 0 ? before : after).clock,
  }));
  const least = Math.min(...offsets.map((offset) => offset.least));
  const most = Math.max(...offsets.map((offset) => offset.most));
  const latestSeen = Math.min(heard ?? after.answered, after.answered);
  const seen = { least: before.asked, most: Math.max(latestSeen, before.asked) };
  const written = {
    least: Math.max(seen.least, time + least),
    most: Math.min(seen.most, time + most + transactionMs),
  };
  // It waited longer than such a transaction may, or the clock was set there and back: then only we know.
  const between = written.least <= written.most ? written : seen;
  // A notification that came no later than the transaction may have taken came as that was committed.
  const isPrompt = heard !== undefined && heard <= time + most + transactionMs;
  if (between === seen || isPrompt) return { at: between.most, between };
  const likeliest = time + (least + most) / 2;
  return { at: Math.min(Math.max(likeliest, between.least), between.most), between };
}

/** Clocks of two machines drift apart by no more (NTP slews by 500 ppm at most), and a reading is no better than this. */
const driftShare = 0.001;
const readingMs = 5;

/** By how many milliseconds the monitor's clock was set between two readings; 0 where nothing shows that it was. Pure. */
export function clockSetBy({ before, after }: Between): number {
  const allowed = (after.answered - before.asked) * driftShare + readingMs;
  // What the clock has gone more than ours did, at the least and at the most.
  const gained = {
    least: after.clock - before.clock - (after.answered - before.asked),
    most: after.clock - before.clock - (after.asked - before.answered),
  };
  if (gained.least > allowed) return gained.least;
  return gained.most < -allowed ? gained.most : 0;
}
