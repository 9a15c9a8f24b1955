import * as v from 'valibot';
import { incusName, instanceName } from '../../src/formation/file/words.ts';
import { type Formation, membersOf } from '../../src/formation/formation.ts';

/**
 * What main leaves to post while a fault is in force: all that it takes to undo it. The formation's file may be another by
 * then, or gone: a later step has checked something else out, or the runner has taken the folder away.
 */
const exposed = v.object({
  drill: v.string(),
  remote: incusName,
  project: incusName,
  containers: v.array(instanceName),
});

export type Exposed = v.InferOutput<typeof exposed>;

export function exposedText(drill: string, formation: Formation): string {
  const { remote, project } = formation.incus;
  const told: Exposed = { drill, remote, project, containers: membersOf(formation).map(({ name }) => name) };
  return JSON.stringify(told);
}

/** Undefined for a text of another kind, as an earlier release left: the drill's id alone. Never throws. */
export function readExposed(text: string): Exposed | undefined {
  try {
    const read = v.safeParse(exposed, JSON.parse(text));
    return read.success ? read.output : undefined;
  } catch {
    return undefined;
  }
}
