import { type Moment, now, wallClock } from '../clock/clock.ts';
import type { Incus } from '../incus/incus.ts';
import { drillMarkKey } from '../incus/labels.ts';
import { type FaultName, isFaultName, traces } from './catalogue.ts';

/**
 * The mark on a container while a drill's fault is in force. It lives in Incus, so it survives the runner,
 * its folders, every process of ours and a restart of the host; whoever finds it later knows that the
 * container wants undoing, and how. Its first release had neither a place nor `locks`.
 */
export interface DrillMark {
  drill: string;
  fault: FaultName;
  since: string;
  /** Where the fault's trace is, where that depends on the formation; in Incus it is called `fill`, after the first. */
  place?: string;
  /** The containers in which the drill holds its locks: who finds the mark asks there whether the drill is alive. */
  locks?: readonly string[];
}

/** What a mark tells: whatever cannot be read of it is left out, and an undo then does everything. */
export type ReadMark = Partial<DrillMark>;

export async function setMark(
  incus: Incus,
  container: string,
  mark: Omit<DrillMark, 'since'>,
  at: Moment = now(),
): Promise<void> {
  await incus.setLabel(container, drillMarkKey, markText(mark, at));
}

export function markText(mark: Omit<DrillMark, 'since'>, at: Moment): string {
  const { place, ...rest } = mark;
  return JSON.stringify({ ...rest, fill: place, since: wallClock(at) });
}

export async function clearMark(incus: Incus, container: string): Promise<void> {
  await incus.removeLabel(container, drillMarkKey);
}

/** Never throws: a mark may be by hand, of another release, or broken. */
export function readMark(text: string): ReadMark {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return {};
  }
  if (typeof value !== 'object' || value === null) return {};
  const { drill, fault, since, fill, locks } = value as Record<string, unknown>;
  return {
    ...(typeof drill === 'string' && { drill }),
    ...(isFaultName(fault) && { fault }),
    ...(typeof since === 'string' && { since }),
    ...(typeof fill === 'string' && traces.some((trace) => trace.isPlace?.(fill)) && { place: fill }),
    ...(areNames(locks) && { locks }),
  };
}

/** Names of instances, in a number that a formation may have. */
const areNames = (value: unknown): value is string[] =>
  Array.isArray(value) &&
  value.length <= 64 &&
  value.every((each) => typeof each === 'string' && /^[A-Za-z][A-Za-z0-9-]{0,62}$/.test(each));

/** The drill that left a mark, or the mark's text where it is not ours to read. */
export function markedBy(mark: string): string {
  return readMark(mark).drill ?? mark;
}

/** A mark for people, to follow "marked by". */
export function describeMark(text: string): string {
  const { drill, fault, since } = readMark(text);
  if (drill === undefined || fault === undefined || since === undefined) return `a drill: ${text}`;
  return `drill ${drill}: ${fault}, since ${since}`;
}
