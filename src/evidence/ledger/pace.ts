import { type Moment, toSeconds } from '../../clock/clock.ts';
import type { BurstRecord } from '../record.ts';
import type { WriteHistory } from '../write-history.ts';

/** Undefined where they kept to one pace. Pure. */
export function burstOf({ events }: WriteHistory, faultAt: Moment): BurstRecord | undefined {
  const [fast, slow] = events.filter((event) => event.kind === 'paced');
  if (fast === undefined || slow === undefined) return undefined;
  const { writesPerSecond } = fast;
  return { writesPerSecond, from: toSeconds(fast.at - faultAt), to: toSeconds(slow.at - faultAt) };
}
