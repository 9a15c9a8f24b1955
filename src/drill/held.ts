import { holdingOf } from '../check/holds.ts';
import type { Observation } from '../check/observation.ts';
import { EnvironmentError } from '../contract/errors.ts';
import type { Formation } from '../formation/formation.ts';
import { holdKey } from '../incus/labels.ts';

/** A drill may not begin. Its message says why, and what ends it. */
export class HeldError extends Error {
  override readonly name = 'HeldError';
}

/**
 * Whether a drill may begin now. What nobody could read may be a hold.
 * @returns what speaks against it and is overridden, '' where nothing does
 * @throws HeldError where it may not; EnvironmentError where that cannot be told
 */
export function requireLeave(
  formation: Formation,
  observed: Pick<Observation, 'holds'>,
  { overrideHold }: { overrideHold: boolean },
): string {
  const { reasons, unread } = holdingOf(formation, observed, new Date());
  const untold =
    unread === undefined ? [] : [`whether drills are held (${holdKey}) cannot be read: ${unread}`];
  if (overrideHold) return [...reasons, ...untold].join('; ');
  if (reasons.length > 0)
    throw new HeldError(`${reasons.join('; ')}; \`override-hold: true\` drills all the same`);
  if (untold.length > 0)
    throw new EnvironmentError(
      `${untold.join('; ')}; nothing was touched. \`override-hold: true\` drills all the same`,
    );
  return '';
}
