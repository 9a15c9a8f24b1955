import type { Formation } from '../../formation/formation.ts';
import { isConverged, settledPrimary } from '../../monitor/nodes.ts';
import { monitorNodes } from '../catalogue/from-observation.ts';
import type { Asked, Remedy } from '../check.ts';
import type { Observation } from '../observation.ts';
import { Remedies } from './remedies.ts';

/**
 * A new start of a member's Postgres. The monitor takes that of a primary for its end, and fails over (3 times of 4 with
 * balanced, in the lab): a primary hands over in order, and its Postgres is started anew as that of a standby.
 */
export function restart(observation: Observation, formation: Formation, asked: Asked, name: string): Remedy {
  const remedies = new Remedies(formation, asked);
  if (name === formation.monitor.name) {
    return {
      say: 'restart its Postgres, which pg_autoctl starts again: for some seconds nobody can take over',
      run: remedies.restartPostgres(name),
    };
  }
  const nodes = monitorNodes(observation) ?? [];
  const row = nodes.find((each) => each.name === name);
  const read = observation.nodes[name];
  const isStandby = read?.ok === true && read.value.inRecovery;
  if (row && isStandby && isConverged(row) && row.goalState === 'secondary') {
    return {
      say: 'restart its Postgres, which its keeper starts again: there is no failover, but for some seconds there is one standby fewer, and writes may wait for it',
      run: remedies.restartPostgres(name),
    };
  }
  const heir = nodes.some(
    (each) =>
      each.name !== name &&
      each.candidatePriority > 0 &&
      each.health === 1 &&
      isConverged(each) &&
      each.goalState === 'secondary',
  );
  if (heir && settledPrimary(nodes)?.name === name) {
    return {
      say: 'the monitor may take a restart of the primary for its end and fail over, so switch over instead, once the standbys have been restarted: a standby takes over in order, writes pause for seconds, and its Postgres starts anew as a standby; what was set by ALTER SYSTEM on it alone may give way to what the new primary has',
      run: remedies.switchover(),
    };
  }
  return {
    say: 'first get the formation to one primary and a standby that can take over; a restart now would stop writes, or take away a standby that is needed',
    look: remedies.state(),
  };
}
