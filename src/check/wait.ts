import { now } from '../clock/clock.ts';
import { sleep } from '../clock/deadline.ts';
import type { Formation } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { observe } from './observe.ts';
import { judge, type Verdict } from './verdict.ts';

/** Reads the formation until it is healthy or the deadline has passed; returns the last verdict. */
export async function healthy(
  formation: Formation,
  incus: Incus,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<Verdict> {
  const until = now() + deadlineMs;
  for (;;) {
    const verdict = judge(await observe(formation, incus, signal), formation);
    if (verdict.outcome === 'pass' || now() > until) return verdict;
    await sleep(300, signal);
  }
}
