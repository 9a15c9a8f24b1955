import { type Moment, toSeconds } from '../../clock/clock.ts';
import type { HistorySurvey } from './survey.ts';
import { type Break, breaksOf, wasBroken } from './ways.ts';

/**
 * Who did not look at the moment that matters saw nothing. It matters from the fault until the clients are stopped:
 * the old primary may take writes beside the new one at its last breath, at its undo, and until it has rejoined.
 */

/** What does not get to run for longer misses a primary that is thawed and takes writes until it fences itself. */
export const longestStallMs = 2000;
/** Between two looks of one witness: a session that is not let in takes its deadline, and the pause before the next. */
export const longestGapMs = 5000;

/** Each witness by its name, and what nobody else would have seen. */
const witnesses = {
  writer: ['the witness that writes as a client', 'a second primary'],
  reader: ['the witness that reads as a client', 'stale reads'],
  local: ['the witness in the container', 'a second primary'],
} as const;

/** A time in which nobody, or one of the witnesses, looked. */
interface Spot {
  from: Moment;
  to: Moment;
}

export interface BlindSpots {
  /** One sentence each. */
  told: string[];
  /** Whether a second primary may have been missed. */
  ofSecondPrimary: boolean;
}

/** When nobody looked at the old primary though it mattered. Pure. */
export function blindSpots(survey: HistorySurvey): BlindSpots {
  const { roles } = survey;
  // Whoever notes its end notes its looks: a history with the one and none of the other is of witnesses that never looked.
  if (!survey.hasLooks) return recordedBefore(survey);
  const window = { from: roles.faultAt, to: survey.end };
  const stalls = survey
    .all('slept')
    .map((event) => within({ from: event.from, to: event.at }, window))
    .filter((spot) => lasted(spot) >= longestStallMs);
  const after = (spot: Spot) =>
    `${shown(spot)}, from ${toSeconds(spot.from - roles.faultAt)} s after the fault on`;
  const told = stalls.map(
    (spot) => `the drill itself did not run for ${after(spot)}: nobody looked meanwhile`,
  );
  let ofSecondPrimary = stalls.length > 0;
  const breaks = breaksOf(survey.notable);
  // Without a new primary there is none to be the second.
  for (const [name, [who, what]] of Object.entries(roles.newPrimary === undefined ? {} : witnesses)) {
    for (const gap of gapsOf(survey, breaks, name, window)) {
      if (stalls.some((stall) => lasted(gap) - lasted(within(stall, gap)) <= longestGapMs)) continue;
      told.push(
        `${who} saw nothing of ${roles.oldPrimary} for ${after(gap)}, so nothing tells of ${what} meanwhile`,
      );
      ofSecondPrimary ||= name !== 'reader';
    }
  }
  return { told, ofSecondPrimary };
}

/** What was recorded before looks were knows only how long the longest stall was, and not when. */
function recordedBefore(survey: HistorySurvey): BlindSpots {
  const longestMs = Math.max(0, ...survey.all('stalled').map((event) => event.longestMs));
  if (longestMs < longestStallMs) return { told: [], ofSecondPrimary: false };
  const told = `the drill itself did not run for ${shown({ from: 0, to: longestMs })}, and when is not recorded: nobody looked meanwhile`;
  return { told: [told], ofSecondPrimary: true };
}

function gapsOf({ looks }: HistorySurvey, breaks: readonly Break[], name: string, window: Spot): Spot[] {
  // Those who go two ways look for each other. What one learnt by a broken way, it learnt of that alone.
  const seen = looks
    .filter(({ witness }) => witness === name)
    .flatMap(({ way, at }) => at.filter((moment) => !wasBroken(breaks, way, moment)))
    .sort((one, other) => one - other);
  const moments = [window.from, ...seen.filter((at) => at > window.from && at < window.to), window.to];
  return moments
    .slice(1)
    .map((to, index) => ({ from: moments[index] ?? to, to }))
    .filter((gap) => lasted(gap) > longestGapMs);
}

const within = (spot: Spot, window: Spot): Spot => ({
  from: Math.max(spot.from, window.from),
  to: Math.min(spot.to, window.to),
});
const lasted = ({ from, to }: Spot) => Math.max(0, to - from);
const shown = (spot: Spot) => `${(lasted(spot) / 1000).toFixed(1)} s`;
