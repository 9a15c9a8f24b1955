import { type Moment, now, wallClock } from '../clock/clock.ts';
import type { Incus } from '../incus/incus.ts';
import { drillMarkKey } from '../incus/labels.ts';
import type { FaultName } from './record.ts';

/**
 * The mark on a container while a drill's fault is in force. It lives in Incus, so it survives the runner,
 * its folders and every process of ours; whoever finds it later knows that the container wants undoing.
 */
export interface DrillMark {
  drill: string;
  fault: FaultName;
  since: string;
}

export async function setMark(
  incus: Incus,
  container: string,
  mark: Omit<DrillMark, 'since'>,
  at: Moment = now(),
): Promise<void> {
  await incus.setLabel(container, drillMarkKey, JSON.stringify({ ...mark, since: wallClock(at) }));
}

export async function clearMark(incus: Incus, container: string): Promise<void> {
  await incus.removeLabel(container, drillMarkKey);
}

/** The drill that left a mark, or the mark's text where it is not ours to read. */
export function markedBy(mark: string): string {
  try {
    const { drill } = JSON.parse(mark) as Partial<DrillMark>;
    return typeof drill === 'string' ? drill : mark;
  } catch {
    return mark;
  }
}
