import type { Check, Problem } from '../check.ts';
import { Remedies } from '../remedies/remedies.ts';

/** What an Incus cluster does by itself with the containers of a formation. */

/**
 * Values of `cluster.evacuate` that take CRIU of a container. Seen on Incus 6.0 without it: the evacuation ends with "Unable to
 * perform live container migration", and the host stays in use.
 */
const takesCriu = ['live-migrate', 'stateful-stop'];

export const clusterSettings: Check = {
  id: 'cluster-settings',
  meaning:
    'no host is evacuated by Incus itself, and those of the formation can be evacuated when it is told to',
  severity: 'warning',
  unasked({ instances, healing }) {
    if (Object.values(instances).every(({ location }) => location === undefined)) return undefined;
    if (healing === undefined || !healing.ok) return "the cluster's settings could not be read";
    return healing.value === undefined ? "this user may not read the cluster's settings" : undefined;
  },
  problems({ instances, healing }, formation, asked) {
    const remedies = new Remedies(formation, asked);
    const seconds = healing?.ok ? (healing.value ?? 0) : 0;
    const problems: Problem[] = [];
    // The key of Incus' servers, and what it does: its api-extensions.md, cluster_healing.
    if (seconds > 0)
      problems.push({
        subject: formation.name,
        evidence: `cluster.healing_threshold is ${seconds}: Incus evacuates a host that was away for that long; it then starts its containers elsewhere where their storage is shared, though they may still run, and where it is not, what stops on that host cannot be started`,
        remedy: {
          say: "have the cluster's administrator turn it off: the monitor sees to a failover",
          run: remedies.setServer('cluster.healing_threshold=0'),
        },
      });
    for (const [name, { evacuation }] of Object.entries(instances))
      if (evacuation !== undefined && takesCriu.includes(evacuation))
        problems.push({
          subject: name,
          evidence: `its cluster.evacuate is ${evacuation}, which containers cannot do without CRIU: its host cannot be evacuated`,
          remedy: {
            say: 'have it stop there meanwhile, and another node take over',
            run: remedies.setOn(name, 'cluster.evacuate=stop'),
          },
        });
    return problems;
  },
};
