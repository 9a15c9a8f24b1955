import { monitorDatabase, numberSyncStandbys } from '../../formation/formation.ts';
import { isConverged } from '../../monitor/nodes.ts';
import type { Check, Problem } from '../check.ts';
import type { Observation } from '../observation.ts';
import { Remedies } from '../remedies/remedies.ts';
import { monitorNodes, writablePrimary } from './from-observation.ts';

/** Whether a commit waits for as many standbys as it should. */

export const syncStandbysPossible: Check = {
  id: 'sync-standbys-possible',
  meaning: 'the quorum has as many standbys as number_sync_standbys needs: with one fewer, writes stop',
  severity: 'error',
  problems(observation, formation, asked) {
    if (!observation.monitor.ok) return undefined;
    const { numberSyncStandbys: number, nodes } = observation.monitor.value;
    const quorum = nodes.filter((node) => node.replicationQuorum).length;
    // pg_auto_failover needs one more standby than it waits for; the removal of one leaves the number (#932).
    if (number <= 0 || quorum - 1 >= number + 1) return [];
    return [
      {
        subject: formation.name,
        evidence: `number_sync_standbys is ${number} and needs ${number + 1} standbys in the quorum, which has ${Math.max(0, quorum - 1)}`,
        remedy: new Remedies(formation, asked).provision(),
      },
    ];
  },
};

/** Whether the monitor has every node where it belongs, and healthy: nothing is under way that would change a setting. */
function areThere(observation: Observation, primary: string): boolean {
  const rows = monitorNodes(observation) ?? [];
  return rows.every(
    (row) =>
      isConverged(row) &&
      row.health === 1 &&
      row.goalState === (row.name === primary ? 'primary' : 'secondary'),
  );
}

export const synchronousReplication: Check = {
  id: 'synchronous-replication',
  meaning:
    'the primary waits for as many standbys as the policy asks for: with fewer, a failover can lose writes',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'keepers-report': 'any',
    'nodes-healthy': 'any',
    'no-stuck-transition': 'any',
    'states-converged': 'any',
    'no-maintenance': 'any',
    'standbys-streaming': 'any',
    'timelines-agree': 'any',
    'wal-agrees': 'any',
    'sync-standbys-possible': 'any',
    'nodes-registered': 'any',
  },
  problems(observation, formation, asked) {
    if (!observation.monitor.ok) return undefined;
    const remedies = new Remedies(formation, asked);
    const { syncStandbys } = formation.replication;
    const { numberSyncStandbys: found, nodes } = observation.monitor.value;
    const problems: Problem[] = [];
    const wanted = numberSyncStandbys(formation);
    // A formation that the monitor does not know has none, and is told by its nodes.
    if (found >= 0 && found !== wanted) {
      problems.push({
        subject: formation.name,
        evidence: `number_sync_standbys is ${found}, the formation file asks for ${wanted}`,
        remedy: remedies.provision(),
      });
    }
    const primary = writablePrimary(observation);
    if (!primary) return problems.length > 0 ? problems : undefined;
    const [name, node] = primary;
    const inForce = Number(/^\s*ANY\s+(\d+)/i.exec(node.synchronousStandbyNames)?.[1] ?? 0);
    const synchronous = node.standbys.filter(
      (standby) => standby.syncState === 'sync' || standby.syncState === 'quorum',
    ).length;
    if (inForce >= syncStandbys && synchronous >= syncStandbys) return problems;
    const leftOut = formation.nodes.filter(
      ({ name: each, quorum }) =>
        quorum && nodes.find((row) => row.name === each)?.replicationQuorum === false,
    );
    problems.push({
      subject: name,
      evidence: `synchronous_standby_names is '${node.synchronousStandbyNames}' and ${synchronous} standby(s) replicate synchronously; ${syncStandbys} asked for${leftOut.length === 0 ? '' : `; not in the quorum: ${leftOut.map((each) => each.name).join(', ')}`}`,
      remedy:
        leftOut.length > 0
          ? remedies.provision()
          : areThere(observation, name) && node.standbys.length >= syncStandbys
            ? {
                say: 'the standbys are there, and pg_auto_failover sets this only when a state changes: give the primary what the monitor would (ALTER SYSTEM SET synchronous_standby_names = …, then SELECT pg_reload_conf()); this shows it',
                look: remedies.sql(
                  remedies.monitor,
                  `SELECT pgautofailover.synchronous_standby_names('${formation.name}', 0)`,
                  monitorDatabase,
                ),
              }
            : {
                say: 'bring the standbys back; pg_auto_failover turns synchronous replication on again by itself',
              },
    });
    return problems;
  },
};
