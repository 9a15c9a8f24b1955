import type { Formation } from '../formation/formation.ts';
import { unknownRelease } from '../formation/releases.ts';
import { isImpatient, partitionTimeoutOf } from '../member/keeper-config.ts';
import { quickNameLookups } from '../member/unit.ts';
import { settledPrimary } from '../monitor/nodes.ts';
import type { LiveNode, LiveSettings } from '../prediction/basis.ts';
import type { Observation } from './observation.ts';

/**
 * What a prediction is made from, as an observation holds it; undefined where the monitor, its primary or a part of a
 * node could not be read, and where the release is none whose clocks are known. Pure.
 */
export function liveSettings(observation: Observation, formation: Formation): LiveSettings | undefined {
  const { monitor } = observation;
  if (!monitor.ok || unpredictable(observation) !== undefined) return undefined;
  const primary = settledPrimary(monitor.value.nodes)?.name;
  const { clocks, numberSyncStandbys } = monitor.value;
  const clock = (name: string) => clocks[name] ?? Number.NaN;
  const settings = {
    healthCheckPeriodMs: clock('health_check_period'),
    healthCheckTimeoutMs: clock('health_check_timeout'),
    healthCheckRetryDelayMs: clock('health_check_retry_delay'),
    healthCheckMaxRetries: clock('health_check_max_retries'),
    nodeConsideredUnhealthyTimeoutMs: clock('node_considered_unhealthy_timeout'),
    primaryDemoteTimeoutMs: clock('primary_demote_timeout'),
  };
  const nodes = formation.nodes.map(({ name }) => liveNode(observation, name));
  const isWhole = nodes.every((node) => node !== undefined) && !Object.values(settings).some(Number.isNaN);
  if (primary === undefined || !isWhole || !nodes.some((node) => node.name === primary)) return undefined;
  return { monitor: settings, numberSyncStandbys, nodes, primary };
}

/** Why a failover of the release that runs is not predicted, as a sentence; undefined where it is known. Pure. */
export function unpredictable({ monitor }: Observation): string | undefined {
  if (!monitor.ok || monitor.value.extensionVersion === '') return undefined;
  return unknownRelease(monitor.value.extensionVersion);
}

function liveNode({ monitor, nodes, containers }: Observation, name: string): LiveNode | undefined {
  const row = monitor.ok ? monitor.value.nodes.find((each) => each.name === name) : undefined;
  const [node, container] = [nodes[name], containers[name]];
  if (!row || !node?.ok || !container?.ok) return undefined;
  const { keeperConfig, monitorRoundTripMs, service, standbyMemory } = container.value;
  const { settings } = node.value;
  if (keeperConfig === undefined) return undefined;
  return {
    name,
    candidatePriority: row.candidatePriority,
    replicationQuorum: row.replicationQuorum,
    networkPartitionTimeoutSeconds: partitionTimeoutOf(keeperConfig),
    walSenderTimeoutMs: milliseconds(settings['wal_sender_timeout']),
    walReceiverStatusIntervalMs: milliseconds(settings['wal_receiver_status_interval']),
    walRetrieveRetryIntervalMs: milliseconds(settings['wal_retrieve_retry_interval']),
    monitorRoundTripMs,
    helpers: {
      quickNameLookups: service.unit.includes(quickNameLookups),
      monitorKeepalives: isImpatient(keeperConfig),
      remembersStandby: standbyMemory === 'yes',
    },
  };
}

const units: Record<string, number> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time as Postgres shows a setting: `6s`, `500ms`, `1min`, `0`. */
function milliseconds(shown = ''): number {
  const [, number = 'NaN', unit = 'ms'] = /^(\d+)(\w*)$/.exec(shown) ?? [];
  return Number(number) * (units[unit || 'ms'] ?? Number.NaN);
}
