import { notBelowPrimary } from '../../member/settings.ts';
import { writableStates } from '../../monitor/nodes.ts';
import type { Check, Problem } from '../check.ts';
import { makeAnew } from '../remedies/anew.ts';
import { Remedies } from '../remedies/remedies.ts';
import { restart } from '../remedies/restart.ts';
import { setBack } from '../remedies/set-back.ts';
import { commitsFinish, durableCommits } from './commits.ts';
import {
  answeringNodes,
  isStuckOnItsWay,
  isUnderWay,
  monitorNodes,
  shownBytes,
  standbyName,
  writablePrimary,
} from './from-observation.ts';
import { synchronousReplication, syncStandbysPossible } from './synchrony.ts';

/** Whether what is acknowledged is on another node, and stays. */

const standbysStreaming: Check = {
  id: 'standbys-streaming',
  meaning: 'every standby receives the WAL of the primary',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'one-writable-primary': 'any',
    'timelines-agree': 'same',
    'wal-agrees': 'same',
    'disk-space': 'same',
    'no-maintenance': 'same',
    'replay-runs': 'same',
  },
  problems(observation, formation, asked) {
    const nodes = answeringNodes(observation);
    if (nodes.length === 0) return undefined;
    const remedies = new Remedies(formation, asked);
    const primary = writablePrimary(observation);
    return nodes
      .filter(([, node]) => node.inRecovery)
      .flatMap(([name, node]): Problem[] => {
        const row = monitorNodes(observation)?.find((each) => each.name === name);
        const seen = primary?.[1].standbys.find(
          (each) => row !== undefined && each.applicationName === standbyName(row.nodeId),
        );
        if (node.walReceiver === 'streaming' && (seen !== undefined || !primary || !row)) return [];
        const receiver = `its WAL receiver is ${node.walReceiver === '' ? 'not running' : node.walReceiver}`;
        return [
          {
            subject: name,
            evidence:
              node.walReceiver === 'streaming'
                ? `${receiver}, and ${primary?.[0]} does not know of it`
                : receiver,
            remedy: remedies.provision(
              `run provision-pgaf, which puts the standbys' password, certificates and rules right, and starts pg_autoctl and Postgres anew where Postgres has asked for no WAL for half a minute; where that changes nothing, read why with \`${remedies.journal(name).look}\``,
            ),
          },
        ];
      });
  },
};

const timelinesAgree: Check = {
  id: 'timelines-agree',
  meaning: 'all nodes are on one timeline: a node on another one cannot follow',
  severity: 'error',
  follows: { 'one-writable-primary': 'any' },
  problems(observation, formation, asked) {
    const nodes = answeringNodes(observation);
    if (nodes.length === 0) return undefined;
    const newest = Math.max(...nodes.map(([, node]) => node.timeline));
    return nodes
      .filter(([name, node]) => {
        const row = monitorNodes(observation)?.find((each) => each.name === name);
        // In a failover every other node is on the old timeline for a while.
        const mayArrive = row !== undefined && isUnderWay(row) && !isStuckOnItsWay(observation, row);
        return node.timeline !== newest && !mayArrive;
      })
      .map(([name, node]) => ({
        subject: name,
        evidence: `timeline ${node.timeline}, the formation is on ${newest}`,
        remedy: makeAnew(observation, formation, asked, name),
      }));
  },
};

const replayRuns: Check = {
  id: 'replay-runs',
  meaning: 'every standby replays what it receives: otherwise it has to catch up before it takes over',
  severity: 'warning',
  problems: (observation, formation, asked) =>
    answeringNodes(observation).flatMap(([name, node]): Problem[] => {
      const remedies = new Remedies(formation, asked);
      const primary = writablePrimary(observation)?.[1];
      const low = notBelowPrimary.filter(
        (each) => node.inRecovery && Number(node.settings[each]) < Number(primary?.settings[each]),
      );
      // Postgres pauses for these itself, and ends where it is told to go on.
      if (low.length > 0)
        return [
          {
            subject: name,
            evidence: `${low.map((each) => `${each} is ${node.settings[each]}, the primary has ${primary?.settings[each]}`).join('; ')}${node.replayPaused ? ': replay is paused for it' : ': it will not start again'}`,
            remedy: {
              say: 'give it what the primary has, and restart its Postgres; if it is resumed before that, it stops',
              run: [
                ...low.map((each) =>
                  remedies.sql(name, `ALTER SYSTEM SET ${each} = '${primary?.settings[each]}'`),
                ),
                remedies.restartPostgres(name),
              ].join(' && '),
            },
            severity: 'error',
          },
        ];
      if (node.replayPaused)
        return [
          {
            subject: name,
            evidence: 'replay is paused',
            remedy: { say: 'let it go on', run: remedies.sql(name, 'SELECT pg_wal_replay_resume()') },
          },
        ];
      const delay = node.settings['recovery_min_apply_delay'] ?? '0';
      if (!node.inRecovery || delay === '0') return [];
      return [
        {
          subject: name,
          evidence: `recovery_min_apply_delay is ${delay}`,
          remedy: setBack(name, node, 'recovery_min_apply_delay', { formation, remedies }),
        },
      ];
    }),
};

/** WAL that takes a standby seconds to catch up with, and time that an application would notice. */
const lagLimits = { bytes: 64 * 1024 * 1024, seconds: 30 };

const replicationLag: Check = {
  id: 'replication-lag',
  meaning: 'standbys keep up with the primary: one that is behind has to catch up before it takes over',
  severity: 'warning',
  follows: { 'replay-runs': 'any', 'standbys-streaming': 'any' },
  problems(observation, formation, asked) {
    const primary = writablePrimary(observation);
    if (!primary) return undefined;
    const rows = monitorNodes(observation) ?? [];
    return primary[1].standbys.flatMap((standby): Problem[] => {
      const { lagBytes, replayLagBytes, replayLagSeconds = 0 } = standby;
      const isBehind = Math.max(lagBytes, replayLagBytes) > lagLimits.bytes;
      if (!isBehind && replayLagSeconds <= lagLimits.seconds) return [];
      const name = rows.find((row) => standbyName(row.nodeId) === standby.applicationName)?.name;
      const what = 'find out what holds it up (its disk, its network, a long query on it)';
      const again = name === undefined ? undefined : restart(observation, formation, asked, name);
      const remedy = {
        ...again,
        say: again?.run === undefined ? what : `${what}; one that is stuck catches up after a restart`,
      };
      return [
        {
          subject: name ?? standby.applicationName,
          evidence: `${shownBytes(lagBytes)} to flush, ${shownBytes(replayLagBytes)} to replay, ${replayLagSeconds.toFixed(1)} s behind`,
          remedy,
        },
      ];
    });
  },
};

const failoverPossible: Check = {
  id: 'failover-possible',
  meaning: 'if the primary is lost, another node may and can take over',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'keepers-report': 'any',
    'nodes-healthy': 'any',
    'states-converged': 'any',
    'no-maintenance': 'any',
    'no-stuck-transition': 'any',
    'nodes-registered': 'any',
  },
  problems(observation, formation, asked) {
    const nodes = monitorNodes(observation);
    if (!nodes) return undefined;
    const standbys = nodes.filter((node) => !writableStates.includes(node.goalState));
    const may = standbys.filter((node) => node.candidatePriority > 0);
    const can = may.filter((node) => node.health === 1 && node.reportedState === 'secondary');
    if (can.length > 0) return [];
    const remedies = new Remedies(formation, asked);
    const why =
      standbys.length === 0
        ? 'there is none'
        : may.length === 0
          ? `candidate priority 0 on ${standbys.map((node) => node.name).join(', ')}`
          : may
              .map(
                (node) => `${node.name} is ${node.reportedState}${node.health === 1 ? '' : ', not healthy'}`,
              )
              .join('; ');
    return [
      {
        subject: formation.name,
        evidence: `no standby can be promoted: ${why}`,
        remedy: may.length === 0 ? remedies.provision() : { say: 'bring the standbys back, and check again' },
      },
    ];
  },
};

export const replicationChecks: readonly Check[] = [
  syncStandbysPossible,
  synchronousReplication,
  standbysStreaming,
  timelinesAgree,
  replayRuns,
  replicationLag,
  commitsFinish,
  durableCommits,
  failoverPossible,
];
