import type { Log } from '../contract/log.ts';
import { type Formation, membersOf } from '../formation/formation.ts';
import type { Incus } from '../incus/incus.ts';
import { drillMarkKey } from '../incus/labels.ts';
import { markedBy, readMark } from './mark.ts';
import { uncertainHoldMs, undoDeadlineMs, undoFault } from './undo.ts';

/**
 * Undoes what interrupted drills left behind: every container of the formation that bears a mark, or only
 * those of the drill `onlyDrill`.
 * @returns the names of the containers it brought back
 */
export async function repair(
  formation: Formation,
  incus: Incus,
  log: Log,
  onlyDrill?: string,
): Promise<string[]> {
  const instances = await incus.instances();
  const marked = membersOf(formation).filter(({ name }) => {
    const mark = instances.get(name)?.config[drillMarkKey];
    return mark !== undefined && (onlyDrill === undefined || markedBy(mark) === onlyDrill);
  });
  for (const { name } of marked) {
    // What another drill has marked since is let stand.
    const known = readMark(instances.get(name)?.config[drillMarkKey] ?? '');
    const did = await undoFault(incus, name, { deadlineMs: undoDeadlineMs, holdMs: uncertainHoldMs, known });
    log.warn(
      `${name} bore the mark of an interrupted drill; it was brought back (${did}) and the mark removed`,
    );
  }
  return marked.map(({ name }) => name);
}
