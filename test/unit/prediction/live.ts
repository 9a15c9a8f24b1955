import { type Timings, timingsProfiles } from '../../../src/formation/timings.ts';
import type { LiveNode, LiveSettings } from '../../../src/prediction/basis.ts';

/** What check-formation would read from a formation that provision-pgaf made. */
export function liveOf(
  timings: Timings = timingsProfiles.balanced,
  nodes = 2,
  node: Partial<LiveNode> = {},
): LiveSettings {
  const { networkPartitionTimeoutSeconds, walSenderTimeoutMs, ...monitor } = timings;
  return {
    monitor,
    numberSyncStandbys: nodes > 2 ? 1 : 0,
    nodes: Array.from({ length: nodes }, (_, index) => ({
      name: `node-${index + 1}`,
      candidatePriority: 50,
      replicationQuorum: true,
      networkPartitionTimeoutSeconds,
      walSenderTimeoutMs,
      walReceiverStatusIntervalMs: 1000,
      walRetrieveRetryIntervalMs: 5000,
      helpers: { quickNameLookups: true, monitorKeepalives: true, remembersStandby: true },
      ...node,
    })),
    primary: 'node-1',
  };
}
