import type { Interval } from '../clock/interval.ts';
import type { LiveNode, LiveSettings } from './basis.ts';
import {
  announced,
  chosen,
  commanded,
  demotedAfterCrash,
  demotionAwaited,
  type FailoverStep,
  givenUp,
  handedOver,
  nextReport,
  onTheWayMs,
  opened,
} from './failover-steps.ts';

/** Which steps lead to a promotion, by what brings it about; the announcement is the last. */

/** @param checks how long the health checks of this fault take to fail */
export function failoverCourse({ monitor, nodes }: LiveSettings, checks: Interval): FailoverStep[] {
  const wayMs = onTheWayMs(nodes);
  return [
    givenUp(monitor, checks, wayMs),
    nextReport('a standby reports, and the failover begins', wayMs),
    chosen(nodes.length, wayMs),
    demotionAwaited(monitor.primaryDemoteTimeoutMs),
    nextReport('the standby reports, and may take writes', wayMs),
    opened,
    announced(nodes.length, wayMs),
  ];
}

export function switchoverCourse(live: LiveSettings, primary: LiveNode): FailoverStep[] {
  const { length } = live.nodes;
  const wayMs = onTheWayMs(live.nodes);
  return [
    commanded,
    chosen(length, wayMs),
    handedOver(length, slowestRetryMs(live, primary), wayMs),
    opened,
    announced(length, wayMs),
  ];
}

/**
 * A failover that the keeper itself asks for: it hides a Postgres that is down only once it has tried to start it
 * (keeper.c, ReportPgIsRunning), so one that looks before that gives its node up.
 */
export function crashCourse(live: LiveSettings, primary: LiveNode): FailoverStep[] {
  const { monitor, nodes } = live;
  const wayMs = onTheWayMs(nodes);
  return [
    nextReport('its keeper reports that Postgres does not run', wayMs),
    nextReport('a standby reports, and the failover begins', wayMs),
    chosen(nodes.length, wayMs),
    demotedAfterCrash(nodes.length, monitor.primaryDemoteTimeoutMs, slowestRetryMs(live, primary)),
    nextReport('the standby reports, and may take writes', wayMs),
    opened,
    announced(nodes.length, wayMs),
  ];
}

/** Any of the standbys may be the one that is promoted. */
function slowestRetryMs({ nodes }: LiveSettings, primary: LiveNode): number {
  const standbys = nodes.filter((node) => node !== primary);
  return Math.max(0, ...standbys.map(({ walRetrieveRetryIntervalMs }) => walRetrieveRetryIntervalMs));
}

/** Why no standby can be promoted whatever happens, or null. */
export function noSuccessor({ nodes, numberSyncStandbys }: LiveSettings, primary: LiveNode): string | null {
  const standbys = nodes.filter((node) => node !== primary);
  if (standbys.length === 0) return 'there is no other data node';
  if (standbys.every(({ candidatePriority }) => candidatePriority === 0))
    return 'every other data node has candidate priority 0; give one of them a higher one';
  // Of two nodes the standby needs no quorum; of more, number_sync_standbys + 1 of them must report their position
  // (group_state_machine.c, ProceedGroupStateForMSFailover; `quorum-holds-elections-back` of formation/releases.ts).
  const quorum = standbys.filter(({ replicationQuorum }) => replicationQuorum).length;
  if (standbys.length > 1 && numberSyncStandbys > 0 && quorum < numberSyncStandbys + 1)
    return (
      `number_sync_standbys ${numberSyncStandbys} asks for ${numberSyncStandbys + 1} standbys of the replication quorum, and ` +
      `there are ${quorum}; lower it, or add a standby`
    );
  return null;
}
