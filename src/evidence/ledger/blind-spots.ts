import { type Moment, toSeconds } from '../../clock/clock.ts';
import type { Roles } from '../record.ts';
import { type HistoryEvent, isWitness, type WriteHistory } from '../write-history.ts';
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
export function blindSpots({ events }: WriteHistory, roles: Roles): BlindSpots {
  // Whoever notes its end notes its looks: a history with the one and none of the other is of witnesses that never looked.
  if (!events.some(({ kind }) => kind === 'looked' || kind === 'ending')) return recordedBefore(events);
  const window = { from: roles.faultAt, to: endOf(events) };
  const stalls = events
    .flatMap((event) => (event.kind === 'slept' ? [within({ from: event.from, to: event.at }, window)] : []))
    .filter((spot) => lasted(spot) >= longestStallMs);
  const after = (spot: Spot) =>
    `${shown(spot)}, from ${toSeconds(spot.from - roles.faultAt)} s after the fault on`;
  const told = stalls.map(
    (spot) => `the drill itself did not run for ${after(spot)}: nobody looked meanwhile`,
  );
  let ofSecondPrimary = stalls.length > 0;
  const breaks = breaksOf(events);
  // Without a new primary there is none to be the second.
  for (const [name, [who, what]] of Object.entries(roles.newPrimary === undefined ? {} : witnesses)) {
    for (const gap of gapsOf(events, breaks, name, window)) {
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
function recordedBefore(events: readonly HistoryEvent[]): BlindSpots {
  const longestMs = events.reduce(
    (most, event) => (event.kind === 'stalled' ? Math.max(most, event.longestMs) : most),
    0,
  );
  if (longestMs < longestStallMs) return { told: [], ofSecondPrimary: false };
  const told = `the drill itself did not run for ${shown({ from: 0, to: longestMs })}, and when is not recorded: nobody looked meanwhile`;
  return { told: [told], ofSecondPrimary: true };
}

/**
 * When the witnesses were told to stop; of a journal that was cut off, its last event. The clients stop with them: an end
 * that is told while they still send writes is none.
 */
function endOf(events: readonly HistoryEvent[]): Moment {
  const wasEnded = events.some(({ kind }) => kind === 'ending');
  const witnessing = new Set(
    events.flatMap((event) =>
      event.kind === 'connected' && isWitness(event.actor) ? [event.connection] : [],
    ),
  );
  return events.reduce((last, event) => {
    const isSent = event.kind === 'invoked' && !witnessing.has(event.connection);
    return !wasEnded || event.kind === 'ending' || isSent ? Math.max(last, event.at) : last;
  }, 0);
}

function gapsOf(
  events: readonly HistoryEvent[],
  breaks: readonly Break[],
  name: string,
  window: Spot,
): Spot[] {
  // Those who go two ways look for each other. What one learnt by a broken way, it learnt of that alone.
  const looks = events
    .flatMap((event) =>
      event.kind === 'looked' && event.witness === name && !wasBroken(breaks, event.way, event.at)
        ? [event.at]
        : [],
    )
    .sort((one, other) => one - other);
  const moments = [window.from, ...looks.filter((at) => at > window.from && at < window.to), window.to];
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
