import { describeMark } from '../faults/mark.ts';
import { clientRules, type Formation, membersOf, numberSyncStandbys } from '../formation/formation.ts';
import { isConverged, type MonitorNode } from '../monitor/nodes.ts';
import { decidingRule } from '../postgres/hba.ts';
import type { Check, Fault } from './check.ts';
import type { Observation, ObservedNode } from './observation.ts';

/** How an operator runs a command in a container of this formation. */
const inside = (formation: Formation, container: string, command: string) =>
  `incus exec ${formation.incus.remote === 'local' ? '' : `${formation.incus.remote}:`}${container} --project ${formation.incus.project} -- ${command}`;

const journalOf = (formation: Formation, container: string) =>
  `read why: ${inside(formation, container, 'journalctl -u pg_autoctl -n 50')}`;

function answeringNodes(observation: Observation): [string, ObservedNode][] {
  return Object.entries(observation.nodes).flatMap(([name, read]) =>
    read.ok ? [[name, read.value] as [string, ObservedNode]] : [],
  );
}

function monitorNodes(observation: Observation): MonitorNode[] | undefined {
  return observation.monitor.ok ? observation.monitor.value.nodes : undefined;
}

/** Why a member's Postgres could not be read, with the remedy that fits the state of its container. */
function unreachable(
  observation: Observation,
  formation: Formation,
  container: string,
  failed: string,
): Fault {
  const { remote, project } = formation.incus;
  const target = `${remote === 'local' ? '' : `${remote}:`}${container} --project ${project}`;
  const remedies: Record<string, string> = {
    missing: 'run provision-pgaf with this formation',
    Stopped: `incus start ${target}`,
    Frozen: `incus resume ${target}`,
  };
  const status = observation.instances[container]?.status ?? 'missing';
  return {
    subject: container,
    evidence: failed,
    remedy: remedies[status] ?? journalOf(formation, container),
  };
}

const monitorReachable: Check = {
  id: 'monitor-reachable',
  meaning: 'without its monitor the formation keeps serving but cannot fail over',
  severity: 'error',
  faults: ({ monitor, ...rest }, formation) =>
    monitor.ok ? [] : [unreachable({ monitor, ...rest }, formation, formation.monitor.name, monitor.failed)],
};

const nodesReachable: Check = {
  id: 'nodes-reachable',
  meaning: 'every data node runs a Postgres that answers',
  severity: 'error',
  faults: (observation, formation) =>
    Object.entries(observation.nodes).flatMap(([name, read]) =>
      read.ok ? [] : [unreachable(observation, formation, name, read.failed)],
    ),
};

const nodesRegistered: Check = {
  id: 'nodes-registered',
  meaning: 'the monitor knows the nodes of the formation file, and no others',
  severity: 'error',
  faults(observation, formation) {
    const known = monitorNodes(observation)?.map((node) => node.name);
    if (!known) return undefined;
    const wanted = formation.nodes.map((node) => node.name);
    return [
      ...wanted
        .filter((name) => !known.includes(name))
        .map((name) => ({
          subject: name,
          evidence: 'the monitor does not know it',
          remedy: 'run provision-pgaf with this formation',
        })),
      ...known
        .filter((name) => !wanted.includes(name))
        .map((name) => ({
          subject: name,
          evidence: 'the monitor knows it, the formation file does not',
          remedy: `add it to the file, or have provision-pgaf drop it with prune: true, or do it by hand: ${inside(formation, formation.monitor.name, `runuser -u postgres -- pg_autoctl drop node --pgdata ${membersOf(formation)[0]?.pgdata} --formation ${formation.name} --name ${name}`)}`,
        })),
    ];
  },
};

const statesConverged: Check = {
  id: 'states-converged',
  meaning: 'every node is in the state that the monitor wants of it',
  severity: 'error',
  faults: (observation, formation) =>
    monitorNodes(observation)
      ?.filter((node) => !isConverged(node) || !['primary', 'secondary'].includes(node.goalState))
      .map((node) => ({
        subject: node.name,
        evidence: `reported ${node.reportedState}, goal ${node.goalState}, for ${node.secondsSinceStateChange.toFixed(1)} s; last report ${node.secondsSinceReport.toFixed(1)} s ago`,
        remedy: `wait for it to converge; if it does not, ${journalOf(formation, node.name)}`,
      })),
};

const nodesHealthy: Check = {
  id: 'nodes-healthy',
  meaning: "the monitor's health checks reach every node",
  severity: 'error',
  faults: (observation, formation) =>
    monitorNodes(observation)?.flatMap((node): Fault[] => {
      if (node.health !== 1) {
        return [
          {
            subject: node.name,
            evidence: `health ${node.health === 0 ? 'bad' : 'not known yet'}`,
            remedy: journalOf(formation, node.name),
          },
        ];
      }
      // What the monitor knew before the node's Postgres started says nothing about it. Ages, not clocks.
      const read = observation.nodes[node.name];
      const age = read?.ok ? read.value.secondsSinceStart : Number.POSITIVE_INFINITY;
      if (Math.max(node.secondsSinceReport, node.secondsSinceHealthCheck) < age) return [];
      return [
        {
          subject: node.name,
          evidence: `its Postgres started ${age.toFixed(1)} s ago, and the monitor has not heard of it and checked it since`,
          remedy: `check again in a few seconds; if it stays so, ${journalOf(formation, node.name)}`,
        },
      ];
    }),
};

const oneWritablePrimary: Check = {
  id: 'one-writable-primary',
  meaning: 'exactly one node takes writes, and it is the one the monitor names',
  severity: 'error',
  faults(observation, formation) {
    const nodes = monitorNodes(observation);
    if (!nodes) return undefined;
    const named = nodes
      .filter((node) => node.goalState === 'primary' && isConverged(node))
      .map((node) => node.name);
    const writable = answeringNodes(observation).flatMap(([name, node]) =>
      node.inRecovery || node.readOnly ? [] : [name],
    );
    if (named.length === 1 && writable.length === 1 && named[0] === writable[0]) return [];
    const list = (names: string[]) => (names.length === 0 ? 'none' : names.join(' and '));
    return [
      {
        subject: formation.name,
        evidence: `the monitor names ${list(named)} as primary; writes are taken by ${list(writable)}`,
        remedy:
          writable.length > 1
            ? `stop the node that the monitor does not name: ${inside(formation, writable.find((name) => !named.includes(name)) ?? '', 'systemctl stop pg_autoctl')}`
            : `run provision-pgaf with this formation, which ends a read-only state that pg_auto_failover left behind; else see the monitor's events: ${inside(formation, formation.monitor.name, `runuser -u postgres -- pg_autoctl show events --pgdata ${membersOf(formation)[0]?.pgdata}`)}`,
      },
    ];
  },
};

const synchronousReplication: Check = {
  id: 'synchronous-replication',
  meaning:
    'the primary waits for as many standbys as the policy asks for: fewer, and a failover can lose writes',
  severity: 'error',
  faults(observation, formation) {
    if (!observation.monitor.ok) return undefined;
    const { syncStandbys } = formation.replication;
    const faults: Fault[] = [];
    const wanted = numberSyncStandbys(formation);
    const found = observation.monitor.value.numberSyncStandbys;
    if (found !== wanted) {
      faults.push({
        subject: formation.name,
        evidence: `number_sync_standbys is ${found}, the formation file asks for ${wanted}`,
        remedy: 'run provision-pgaf with this formation',
      });
    }
    const primary = answeringNodes(observation).find(([, node]) => !node.inRecovery);
    if (!primary) return faults.length > 0 ? faults : undefined;
    const [name, node] = primary;
    const inForce = Number(/^\s*ANY\s+(\d+)/i.exec(node.synchronousStandbyNames)?.[1] ?? 0);
    const synchronous = node.standbys.filter(
      (standby) => standby.syncState === 'sync' || standby.syncState === 'quorum',
    ).length;
    if (inForce < syncStandbys || synchronous < syncStandbys) {
      faults.push({
        subject: name,
        evidence: `synchronous_standby_names is '${node.synchronousStandbyNames}' and ${synchronous} standby(s) replicate synchronously; ${syncStandbys} asked for`,
        remedy: 'bring the standbys back; pg_auto_failover turns synchronous replication on again by itself',
      });
    }
    return faults;
  },
};

const standbysStreaming: Check = {
  id: 'standbys-streaming',
  meaning: 'every standby receives the WAL of the primary',
  severity: 'error',
  faults(observation, formation) {
    const nodes = answeringNodes(observation);
    if (nodes.length === 0) return undefined;
    return nodes
      .filter(([, node]) => node.inRecovery && node.walReceiver !== 'streaming')
      .map(([name, node]) => ({
        subject: name,
        evidence: `its WAL receiver is ${node.walReceiver === '' ? 'not running' : node.walReceiver}`,
        remedy: journalOf(formation, name),
      }));
  },
};

const timelinesAgree: Check = {
  id: 'timelines-agree',
  meaning: 'all nodes are on one timeline: a node on another one cannot follow',
  severity: 'error',
  faults(observation, formation) {
    const nodes = answeringNodes(observation);
    if (nodes.length === 0) return undefined;
    const newest = Math.max(...nodes.map(([, node]) => node.timeline));
    return nodes
      .filter(([, node]) => node.timeline !== newest)
      .map(([name, node]) => ({
        subject: name,
        evidence: `timeline ${node.timeline}, the formation is on ${newest}`,
        remedy: journalOf(formation, name),
      }));
  },
};

const applicationLogin: Check = {
  id: 'application-login',
  meaning: 'every node lets the application in, so that its clients can follow a failover',
  severity: 'error',
  faults(observation, formation) {
    const { users, databases } = formation.postgres;
    const nodes = answeringNodes(observation);
    if (nodes.length === 0) return undefined;
    return nodes.flatMap(([name, node]): Fault[] => {
      const missing = [
        ...users
          .filter((user) => !node.roles.includes(user.name))
          .map((user) => `no role ${user.name} that may log in`),
        ...databases
          .filter((each) => !node.databases.includes(each.name))
          .map((each) => `no database ${each.name}`),
      ];
      const broken = node.hbaRules.find((rule) => rule.error !== null);
      if (broken) missing.push(`pg_hba.conf does not load: ${broken.error}`);
      for (const { user, database, clients } of clientRules(formation)) {
        for (const network of clients) {
          const rule = decidingRule(node.hbaRules, { user, database, network });
          if (rule === undefined)
            missing.push(`no pg_hba.conf entry for ${user} on ${database} from ${network}`);
          else if (rule.method === 'reject')
            missing.push(`pg_hba.conf rejects ${user} on ${database} from ${network}`);
        }
      }
      if (missing.length === 0) return [];
      return [
        { subject: name, evidence: missing.join('; '), remedy: 'run provision-pgaf with this formation' },
      ];
    });
  },
};

const noInterruptedDrill: Check = {
  id: 'no-interrupted-drill',
  meaning: 'a drill that was killed left its mark on a container',
  severity: 'warning',
  faults: (observation) =>
    Object.entries(observation.instances)
      .filter(([, instance]) => instance.drillMark !== undefined)
      .map(([name, instance]) => ({
        subject: name,
        evidence: `marked by ${describeMark(instance.drillMark ?? '')}`,
        remedy:
          'wait for the drill that runs, or run failover-drill or provision-pgaf: each undoes what was left behind',
      })),
};

/** Every check, in the order in which a person would look. */
export const catalogue: readonly Check[] = [
  monitorReachable,
  nodesReachable,
  nodesRegistered,
  statesConverged,
  nodesHealthy,
  oneWritablePrimary,
  synchronousReplication,
  standbysStreaming,
  timelinesAgree,
  applicationLogin,
  noInterruptedDrill,
];
