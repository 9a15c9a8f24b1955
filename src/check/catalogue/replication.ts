import { numberSyncStandbys } from '../../formation/formation.ts';
import type { Check, Fault } from '../check.ts';
import { Remedies } from '../remedies.ts';
import {
  answeringNodes,
  isStuckOnItsWay,
  isUnderWay,
  monitorNodes,
  size,
  standbyName,
  writablePrimary,
} from './reading.ts';

/** Whether what is acknowledged is on another node, and stays. */

const syncStandbysPossible: Check = {
  id: 'sync-standbys-possible',
  meaning: 'as many standbys are in the quorum as number_sync_standbys needs: one fewer, and writes stop',
  severity: 'error',
  faults(observation, formation, asked) {
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

const synchronousReplication: Check = {
  id: 'synchronous-replication',
  meaning:
    'the primary waits for as many standbys as the policy asks for: fewer, and a failover can lose writes',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'keepers-report': 'any',
    'nodes-healthy': 'any',
    'no-stuck-transition': 'any',
    'states-converged': 'any',
    'standbys-streaming': 'any',
    'timelines-agree': 'any',
    'sync-standbys-possible': 'any',
    'nodes-registered': 'any',
  },
  faults(observation, formation, asked) {
    if (!observation.monitor.ok) return undefined;
    const remedies = new Remedies(formation, asked);
    const { syncStandbys } = formation.replication;
    const { numberSyncStandbys: found, nodes } = observation.monitor.value;
    const faults: Fault[] = [];
    const wanted = numberSyncStandbys(formation);
    // A formation that the monitor does not know has none, and is told by its nodes.
    if (found >= 0 && found !== wanted) {
      faults.push({
        subject: formation.name,
        evidence: `number_sync_standbys is ${found}, the formation file asks for ${wanted}`,
        remedy: remedies.provision(),
      });
    }
    const primary = writablePrimary(observation);
    if (!primary) return faults.length > 0 ? faults : undefined;
    const [name, node] = primary;
    const inForce = Number(/^\s*ANY\s+(\d+)/i.exec(node.synchronousStandbyNames)?.[1] ?? 0);
    const synchronous = node.standbys.filter(
      (standby) => standby.syncState === 'sync' || standby.syncState === 'quorum',
    ).length;
    if (inForce >= syncStandbys && synchronous >= syncStandbys) return faults;
    const leftOut = formation.nodes.filter(
      ({ name: each, quorum }) =>
        quorum && nodes.find((row) => row.name === each)?.replicationQuorum === false,
    );
    faults.push({
      subject: name,
      evidence: `synchronous_standby_names is '${node.synchronousStandbyNames}' and ${synchronous} standby(s) replicate synchronously; ${syncStandbys} asked for${leftOut.length === 0 ? '' : `; not in the quorum: ${leftOut.map((each) => each.name).join(', ')}`}`,
      remedy:
        leftOut.length > 0
          ? remedies.provision()
          : {
              say: 'bring the standbys back; pg_auto_failover turns synchronous replication on again by itself',
            },
    });
    return faults;
  },
};

const standbysStreaming: Check = {
  id: 'standbys-streaming',
  meaning: 'every standby receives the WAL of the primary',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'one-writable-primary': 'any',
    'timelines-agree': 'same',
    'disk-space': 'same',
  },
  faults(observation, formation, asked) {
    const nodes = answeringNodes(observation);
    if (nodes.length === 0) return undefined;
    const remedies = new Remedies(formation, asked);
    const primary = writablePrimary(observation);
    return nodes
      .filter(([, node]) => node.inRecovery)
      .flatMap(([name, node]): Fault[] => {
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
              `run provision-pgaf, which puts the standbys' password, certificates and rules right; where that changes nothing, read why with \`${remedies.journal(name).look}\``,
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
  faults(observation, formation, asked) {
    const nodes = answeringNodes(observation);
    if (nodes.length === 0) return undefined;
    const remedies = new Remedies(formation, asked);
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
        remedy: {
          say: 'delete the container, and have provision-pgaf make the node anew from the primary',
          run: `${remedies.incus('delete --force', name)}${asked.formationPath ? ` && ${remedies.provision().run}` : ''}`,
        },
      }));
  },
};

const replayRuns: Check = {
  id: 'replay-runs',
  meaning:
    'every standby replays what it receives: one that does not has that much to do before it takes over',
  severity: 'warning',
  faults: (observation, formation, asked) =>
    answeringNodes(observation).flatMap(([name, node]): Fault[] => {
      const remedies = new Remedies(formation, asked);
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
          remedy: {
            say: 'take the delay away',
            run: `${remedies.sql(name, 'ALTER SYSTEM RESET recovery_min_apply_delay')} && ${remedies.sql(name, 'SELECT pg_reload_conf()')}`,
          },
        },
      ];
    }),
};

/** WAL that takes a standby seconds to catch up with, and time that an application would notice. */
const lagLimits = { bytes: 64 * 1024 * 1024, seconds: 30 };

const replicationLag: Check = {
  id: 'replication-lag',
  meaning:
    'standbys keep up with the primary: what one is behind, it has to catch up with before it takes over',
  severity: 'warning',
  follows: { 'replay-runs': 'any', 'standbys-streaming': 'any' },
  faults(observation, formation, asked) {
    const primary = writablePrimary(observation);
    if (!primary) return undefined;
    const remedies = new Remedies(formation, asked);
    const rows = monitorNodes(observation) ?? [];
    return primary[1].standbys.flatMap((standby): Fault[] => {
      const { lagBytes, replayLagBytes, replayLagSeconds = 0 } = standby;
      const isBehind = Math.max(lagBytes, replayLagBytes) > lagLimits.bytes;
      if (!isBehind && replayLagSeconds <= lagLimits.seconds) return [];
      const name = rows.find((row) => standbyName(row.nodeId) === standby.applicationName)?.name;
      const remedy = {
        say: 'see what holds it up (its disk, its network, a long query on it); a standby that is stuck catches up after a restart',
        ...(name !== undefined && { run: remedies.incus('restart --force', name) }),
      };
      return [
        {
          subject: name ?? standby.applicationName,
          evidence: `${size(lagBytes)} to flush, ${size(replayLagBytes)} to replay, ${replayLagSeconds.toFixed(1)} s behind`,
          remedy,
        },
      ];
    });
  },
};

/** A commit that waits longer has lost its standby; a healthy one answers in milliseconds. */
const waitLimitSeconds = 5;

const commitsFinish: Check = {
  id: 'commits-finish',
  meaning: 'no commit hangs for want of its synchronous standby (upstream #997, #554)',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'standbys-streaming': 'any',
    'replay-runs': 'any',
    'sync-standbys-possible': 'any',
  },
  faults(observation, formation, asked) {
    const primary = writablePrimary(observation);
    if (!primary) return undefined;
    const [name, node] = primary;
    const { count, longestSeconds } = node.waitingCommits;
    if (longestSeconds <= waitLimitSeconds) return [];
    const standby = monitorNodes(observation)?.find(
      (row) => row.name !== name && row.replicationQuorum,
    )?.name;
    const remedies = new Remedies(formation, asked);
    return [
      {
        subject: name,
        evidence: `${count} commit${count === 1 ? '' : 's'} wait${count === 1 ? 's' : ''} for a standby, the longest for ${longestSeconds.toFixed(1)} s (synchronous_standby_names '${node.synchronousStandbyNames}')`,
        remedy: {
          say: 'restart the standby that does not confirm: the primary goes on without it, and it catches up',
          ...(standby !== undefined && { run: remedies.incus('restart --force', standby) }),
        },
      },
    ];
  },
};

const durableCommits: Check = {
  id: 'durable-commits',
  meaning: 'what is acknowledged is on disk and on a standby: no setting gives that up',
  severity: 'error',
  faults(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    const faults = answeringNodes(observation).flatMap(([name, node]): Fault[] => {
      const { settings } = node;
      const reset = (setting: string) =>
        `${remedies.sql(name, `ALTER SYSTEM RESET ${setting}`)} && ${remedies.sql(name, 'SELECT pg_reload_conf()')}`;
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
        remedy: { say: 'set it back', run: reset(setting) },
      }));
    });
    const primary = writablePrimary(observation);
    const overrides = formation.replication.syncStandbys > 0 ? (primary?.[1].commitOverrides ?? []) : [];
    if (primary && overrides.length > 0) {
      faults.push({
        subject: primary[0],
        evidence: `synchronous_commit is set otherwise for ${overrides.join(', ')}`,
        remedy: {
          say: 'where that is not meant, reset it (ALTER ROLE … RESET, ALTER DATABASE … RESET); this lists it',
          look: remedies.sql(primary[0], '\\drds'),
        },
        // Somebody has decided so for some of the writes.
        severity: 'warning',
      });
    }
    return faults;
  },
};

const durable: ReadonlySet<string> = new Set(['on', 'remote_apply']);

const failoverPossible: Check = {
  id: 'failover-possible',
  meaning: 'when the primary is lost, another node may and can take over',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'keepers-report': 'any',
    'nodes-healthy': 'any',
    'states-converged': 'any',
    'no-stuck-transition': 'any',
    'nodes-registered': 'any',
  },
  faults(observation, formation, asked) {
    const nodes = monitorNodes(observation);
    if (!nodes) return undefined;
    const standbys = nodes.filter((node) => !['primary', 'wait_primary', 'single'].includes(node.goalState));
    const may = standbys.filter((node) => node.candidatePriority > 0);
    const can = may.filter((node) => node.health === 1 && node.reportedState === 'secondary');
    if (can.length > 0) return [];
    const remedies = new Remedies(formation, asked);
    const why =
      may.length === 0
        ? `candidate priority 0 on ${standbys.map((node) => node.name).join(', ') || 'every standby'}`
        : may
            .map((node) => `${node.name} is ${node.reportedState}${node.health === 1 ? '' : ', not healthy'}`)
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
