import { createHash } from 'node:crypto';
import type { Formation } from '../formation/formation.ts';

/** What runs, as far as a failover depends on it. */
export interface Versions {
  /** server_version_num of the data nodes. */
  postgres: number;
  /** Of the monitor's extension. */
  autoFailover: string;
}

/**
 * Names a configuration: drills of one fingerprint are alike, and may be pooled. Whatever bears on how a failover
 * goes is in it; who may log in, and where from, is not.
 * @returns 16 hexadecimal digits
 */
export function fingerprint(formation: Formation, fault: string, versions: Versions): string {
  const { name, environment, image, incus, postgres, tls, replication, timings, monitor, nodes } = formation;
  const what = {
    name,
    environment,
    image,
    incus: { remote: incus.remote, project: incus.project },
    postgres: { version: postgres.version, settings: postgres.settings },
    tls,
    replication,
    timings,
    monitor: monitor.limits,
    nodes: nodes.map(({ name: node, limits, candidatePriority, quorum }) => ({
      node,
      limits,
      candidatePriority,
      quorum,
    })),
    versions,
    fault,
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
