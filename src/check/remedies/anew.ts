import type { Formation } from '../../formation/formation.ts';
import { settledPrimary } from '../../monitor/nodes.ts';
import { answeringNodes, monitorNodes } from '../catalogue/from-observation.ts';
import type { Asked, Remedy } from '../check.ts';
import type { Observation } from '../observation.ts';
import { Remedies } from './remedies.ts';

/**
 * The primary that a node can be made anew from, for certain: another one, which the monitor has settled, which alone
 * takes writes, and which nobody is ahead of. Undefined where its data may be the only copy.
 */
export function otherPrimary(observation: Observation, container: string): string | undefined {
  const nodes = answeringNodes(observation);
  const primary = settledPrimary(monitorNodes(observation) ?? [])?.name;
  const writable = nodes.filter(([, node]) => !node.inRecovery && !node.readOnly).map(([name]) => name);
  const newest = Math.max(...nodes.map(([, node]) => node.timeline));
  const isNewest = nodes.some(([name, node]) => name === primary && node.timeline === newest);
  return primary !== container && writable.length === 1 && writable[0] === primary && isNewest
    ? primary
    : undefined;
}

/** Deletes a node and has it made anew, where that is safe; where it is not, says why, and looks. */
export function makeAnew(
  observation: Observation,
  formation: Formation,
  asked: Asked,
  container: string,
): Remedy {
  const remedies = new Remedies(formation, asked);
  const primary = otherPrimary(observation, container);
  if (primary === undefined) {
    return {
      say: 'no other node is the settled primary, so this may be the only copy of the data: delete nothing, save it first (incus export), and decide by the states of all nodes',
      look: remedies.state(),
    };
  }
  const provision = remedies.provision().run;
  return {
    say: `delete the container (whatever only it has is lost), and have provision-pgaf make the node anew from ${primary}, the primary`,
    run: `${remedies.incus('delete --force', container)}${provision === undefined ? '' : ` && ${provision}`}`,
  };
}
