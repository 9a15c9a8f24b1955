import type { Check, Problem } from '../check.ts';
import type { Observation, ObservedNode } from '../observation.ts';
import { Remedies } from '../remedies/remedies.ts';
import { restart } from '../remedies/restart.ts';
import { setBack } from '../remedies/set-back.ts';
import { waitLimitSeconds } from '../waiting-commits.ts';
import { answeringNodes, monitorNodes, standbyName, writablePrimary } from './from-observation.ts';

/** Whether commits come to their end, and are safe then. */

export const commitsFinish: Check = {
  id: 'commits-finish',
  meaning: 'no commit hangs because its synchronous standby is missing (upstream #997, #554)',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'standbys-streaming': 'any',
    'replay-runs': 'any',
    'sync-standbys-possible': 'any',
    'no-maintenance': 'any',
  },
  problems(observation, formation, asked) {
    const primary = writablePrimary(observation);
    if (!primary) return undefined;
    const [name, node] = primary;
    const { count, longestSeconds } = node.waitingCommits;
    if (longestSeconds <= waitLimitSeconds) return [];
    const standby = unconfirming(observation, primary);
    const again = standby === undefined ? undefined : restart(observation, formation, asked, standby);
    return [
      {
        subject: name,
        evidence: `${count} commit${count === 1 ? '' : 's'} wait${count === 1 ? 's' : ''} for a standby, the longest for ${longestSeconds.toFixed(1)} s (synchronous_standby_names '${node.synchronousStandbyNames}')`,
        remedy:
          again === undefined || again.run === undefined
            ? (again ?? {
                say: 'bring a standby back that is in the quorum, or see which of them does not confirm, and restart its Postgres; this shows them',
                look: new Remedies(formation, asked).sql(
                  name,
                  'SELECT application_name, state, sync_state, flush_lsn, pg_current_wal_flush_lsn() FROM pg_stat_replication',
                ),
              })
            : {
                ...again,
                say: 'restart the Postgres of the standby that does not confirm: the primary goes on without it, and it catches up',
              },
      },
    ];
  },
};

/**
 * The standby of the quorum that commits wait for: the only one, or of several the one that is not there or has flushed
 * least. Undefined where none is behind: a restart of one that confirms would take it away from those that wait.
 */
function unconfirming(
  observation: Observation,
  [name, { standbys }]: [string, ObservedNode],
): string | undefined {
  const behind = (monitorNodes(observation) ?? [])
    .filter((row) => row.name !== name && row.replicationQuorum)
    .map((row) => {
      const { lagBytes = -1 } =
        standbys.find((each) => each.applicationName === standbyName(row.nodeId)) ?? {};
      // One that has not answered yet is behind as well.
      return { name: row.name, lagBytes: lagBytes < 0 ? Number.POSITIVE_INFINITY : lagBytes };
    })
    .sort((one, other) => (other.lagBytes > one.lagBytes ? 1 : -1));
  const [most, ...others] = behind;
  return most !== undefined && (others.length === 0 || most.lagBytes > 0) ? most.name : undefined;
}

export const durableCommits: Check = {
  id: 'durable-commits',
  meaning: 'what is acknowledged is on disk and on a standby: no setting weakens that',
  severity: 'error',
  problems(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    const problems = answeringNodes(observation).flatMap(([name, node]): Problem[] => {
      const { settings } = node;
      const wrong = [
        ['fsync', 'on'],
        ['full_page_writes', 'on'],
      ].filter(([setting = '', wanted]) => settings[setting] !== undefined && settings[setting] !== wanted);
      const commit = settings['synchronous_commit'];
      if (formation.replication.syncStandbys > 0 && commit !== undefined && !durable.has(commit))
        wrong.push(['synchronous_commit', 'on or remote_apply']);
      return wrong.map(([setting = '', wanted]) => ({
        subject: name,
        evidence: `${setting} is ${settings[setting]}, not ${wanted}`,
        remedy: setBack(name, node, setting, { formation, remedies }),
      }));
    });
    const primary = writablePrimary(observation);
    const overrides = formation.replication.syncStandbys > 0 ? (primary?.[1].commitOverrides ?? []) : [];
    if (primary && overrides.length > 0) {
      problems.push({
        subject: primary[0],
        evidence: `synchronous_commit is set otherwise for ${overrides.join(', ')}`,
        remedy: {
          say: 'if that is not intended, reset it (ALTER ROLE … RESET, ALTER DATABASE … RESET); this lists it',
          look: remedies.sql(primary[0], '\\drds'),
        },
        // Somebody has decided so for some of the writes.
        severity: 'warning',
      });
    }
    return problems;
  },
};

const durable: ReadonlySet<string> = new Set(['on', 'remote_apply']);
