import { createHash } from 'node:crypto';
import type { DrillRecord } from '../drill/record.ts';
import { predictedFor } from '../drill/verdict/predicted.ts';
import { type Formation, keeps } from '../formation/formation.ts';

/** What runs, as far as a failover depends on it. */
export interface Versions {
  /** server_version_num of the data nodes. */
  postgres: number;
  /** Of the monitor's extension. */
  autoFailover: string;
}

/** What a drill was held under, besides the formation. */
export interface Conditions {
  /** For how long the fault is held at least, and for how long no failover is looked out for; seconds. */
  holdSeconds: number | null;
  watchSeconds: number;
  /** What clients ask of the formation, and from where; null where none were watched. */
  load: { sessions: number; writesPerSecond: number; via: string; byUri?: string[] } | null;
  /** The member of the cluster that each container was on. */
  locations: Record<string, string>;
  /** What a host had that was lost, where one was. */
  lost?: string[];
  /** Where the formation was not what its file says: what was read of it. */
  drift?: string[] | undefined;
  /** When a failover of it comes, by the clocks in force: those of a monitor that is kept are not in the file. */
  inForce?: unknown;
}

export function conditionsOf(record: DrillRecord): Conditions {
  const { holdSeconds = null, watchSeconds, load, clients, locations = {}, baseline } = record;
  const drift = (baseline?.findings ?? [])
    .filter(({ check }) => check === 'matches-file')
    .flatMap(({ faults }) => faults.map(({ subject, evidence }) => `${subject}: ${evidence}`));
  const { sessions, writesPerSecond, via } = load ?? clients ?? {};
  const byUri = load?.byUri ?? clients?.byUri?.hosts;
  const isLoaded = sessions !== undefined && writesPerSecond !== undefined && via !== undefined;
  return {
    holdSeconds,
    watchSeconds,
    load: isLoaded ? { sessions, writesPerSecond, via, ...(byUri !== undefined && { byUri }) } : null,
    locations,
    ...(record.host !== undefined && { lost: (record.targets ?? []).map(({ role }) => role).sort() }),
    ...(drift.length > 0 && { drift }),
    inForce: predictedFor(record)?.promotion ?? undefined,
  };
}

/**
 * Names a configuration: drills of one fingerprint are alike, and may be pooled. Whatever bears on how a failover
 * goes is in it; who may log in, and where from, is not.
 * @returns 16 hexadecimal digits
 */
export function fingerprint(
  formation: Formation,
  fault: string,
  versions: Versions,
  { inForce, ...conditions }: Conditions,
): string {
  const { name, environment, image, incus, postgres, tls, replication, timings, monitor, nodes } = formation;
  const what = {
    name,
    environment,
    image,
    // What the usual profile says is Incus's own, and was never named here.
    incus: {
      remote: incus.remote,
      project: incus.project,
      ...(incus.profiles.join() !== 'default' && { profiles: incus.profiles }),
      ...(incus.network !== undefined && { network: incus.network }),
    },
    postgres: { version: postgres.version, settings: postgres.settings },
    tls,
    replication,
    timings,
    monitor: { limits: monitor.limits, target: monitor.target },
    nodes: nodes.map(({ name: node, limits, target, candidatePriority, quorum }) => ({
      node,
      limits,
      target,
      candidatePriority,
      quorum,
    })),
    versions,
    fault,
    conditions,
    ...(keeps(formation, 'monitor') && { inForce }),
  };
  return createHash('sha256').update(canonical(what)).digest('hex').slice(0, 16);
}

/** JSON with the keys of every map in order, so that the order in a file does not matter. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
