import { isConverged, type MonitorNode } from '../../monitor/nodes.ts';
import { canFollow } from '../../monitor/transitions.ts';
import type { Check, Fault, Remedy } from '../check.ts';
import { Remedies, word } from '../remedies.ts';
import {
  answeringNodes,
  hostsLetIn,
  isSilent,
  isStuckOnItsWay,
  monitorNodes,
  stuckFactor,
} from './reading.ts';

/** What the monitor knows and wants of its nodes. */

const nodesRegistered: Check = {
  id: 'nodes-registered',
  meaning: 'the monitor knows the nodes of the formation file, and no others',
  severity: 'error',
  faults(observation, formation, asked) {
    const known = monitorNodes(observation)?.map((node) => node.name);
    if (!known) return undefined;
    const remedies = new Remedies(formation, asked);
    const wanted = formation.nodes.map((node) => node.name);
    const drop = (name: string) =>
      `${remedies.autoctl(remedies.monitor, 'drop node')} --formation ${word(formation.name)} --name ${word(name)}`;
    return [
      ...wanted
        .filter((name) => !known.includes(name))
        .map((name) => ({
          subject: name,
          evidence: 'the monitor does not know it',
          remedy: remedies.provision(),
        })),
      ...known
        .filter((name) => !wanted.includes(name))
        .map((name) => ({
          subject: name,
          evidence: 'the monitor knows it, the formation file does not',
          remedy: {
            say: 'add it to the file, have provision-pgaf drop it with prune: true, or drop it by hand',
            run: drop(name),
          },
        })),
    ];
  },
};

const keepersReport: Check = {
  id: 'keepers-report',
  meaning: "every node's keeper reports to the monitor: one that is silent takes no order",
  severity: 'error',
  follows: {
    'no-interrupted-drill': 'same',
    'nodes-reachable': 'same',
    'services-run': 'same',
    'monitor-reachable': 'any',
    'nodes-registered': 'same',
    'timelines-agree': 'same',
  },
  faults(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    return monitorNodes(observation)
      ?.filter((node) => isSilent(observation, node))
      .map((node) => {
        const evidence = `its last report is ${node.secondsSinceReport.toFixed(1)} s old`;
        const hosts = hostsLetIn(observation);
        return hosts !== undefined && !hosts.includes(node.host)
          ? {
              subject: node.name,
              evidence: `${evidence}, and pg_hba.conf of ${remedies.monitor} does not let it in`,
              remedy: remedies.provision(),
            }
          : {
              subject: node.name,
              evidence,
              // A restart of pg_autoctl would wait 90 s for a keeper that hangs, and take Postgres along.
              remedy: {
                say: "where its network is whole, end its keeper's process: pg_autoctl starts it again, and Postgres goes on",
                run: remedies.inside(node.name, "pkill -KILL -f '^pg_autoctl: node active'"),
              },
            };
      });
  },
};

const noStuckTransition: Check = {
  id: 'no-stuck-transition',
  meaning: 'a node that has been on its way for longer than any transition takes does not arrive by itself',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'keepers-report': 'any',
    'nodes-registered': 'same',
    'timelines-agree': 'same',
  },
  faults(observation, formation, asked) {
    const nodes = monitorNodes(observation);
    if (!nodes) return undefined;
    const remedies = new Remedies(formation, asked);
    return nodes
      .filter((node) => isStuckOnItsWay(observation, node))
      .map(
        (node): Fault => ({
          subject: node.name,
          evidence: `${described(node)} for ${node.secondsSinceStateChange.toFixed(0)} s, more than ${stuckFactor} × primary_demote_timeout`,
          remedy: unstick(
            node,
            nodes,
            observation.monitor.ok ? observation.monitor.value.numberSyncStandbys : 0,
          ),
        }),
      );

    /** Ways out that upstream's users have found (#1025, #774, #1113), tried in the lab. */
    function unstick(node: MonitorNode, all: readonly MonitorNode[], numberSyncStandbys: number): Remedy {
      const candidates = all.filter(
        (each) => each.candidatePriority > 0 && each.health === 1 && each.reportedState === 'report_lsn',
      ).length;
      if (node.goalState === 'report_lsn' && candidates < numberSyncStandbys + 1) {
        return {
          say: `an election needs ${numberSyncStandbys + 1} candidates and has ${candidates}: bring the missing standby back, or ask for fewer`,
          run: `${remedies.autoctl(remedies.monitor, 'set formation number-sync-standbys')} --formation ${word(formation.name)} ${Math.max(0, candidates - 1)}`,
        };
      }
      if (!canFollow(node)) return remedies.takeOrderBack(node);
      return {
        say: 'restart its pg_autoctl, which takes its orders anew',
        run: remedies.inside(node.name, 'systemctl restart pg_autoctl'),
      };
    }
  },
};

const described = ({ reportedState, goalState }: MonitorNode) =>
  `reported ${reportedState}, goal ${goalState}`;

const statesConverged: Check = {
  id: 'states-converged',
  meaning: 'every node is in the state that the monitor wants of it, primary or secondary',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'keepers-report': 'any',
    'no-stuck-transition': 'any',
    'standbys-streaming': 'any',
    'timelines-agree': 'any',
    'nodes-healthy': 'any',
    'nodes-registered': 'same',
  },
  faults(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    const astray = monitorNodes(observation)?.filter(
      (node) => !isConverged(node) || !['primary', 'secondary'].includes(node.goalState),
    );
    // A primary waits for the others, and does so no longer once they have arrived.
    const isWaiting = (node: MonitorNode) => isConverged(node) && node.goalState === 'wait_primary';
    return astray
      ?.filter((node) => !isWaiting(node) || astray.every(isWaiting))
      .map((node): Fault => {
        const journal = remedies.journal(node.name);
        const evidence = `${described(node)}, for ${node.secondsSinceStateChange.toFixed(1)} s; last report ${node.secondsSinceReport.toFixed(1)} s ago`;
        if (/^maintenance$/.test(node.goalState) && isConverged(node)) {
          return {
            subject: node.name,
            evidence,
            remedy: { say: 'end its maintenance', run: remedies.autoctl(node.name, 'disable maintenance') },
            // Nothing else explains it: somebody has asked for it.
            own: true,
          };
        }
        return {
          subject: node.name,
          evidence,
          remedy: { ...journal, say: 'wait for it to converge; if it does not, read why' },
        };
      });
  },
};

const nodesHealthy: Check = {
  id: 'nodes-healthy',
  meaning: "the monitor's health checks reach every node",
  severity: 'error',
  follows: {
    'nodes-reachable': 'same',
    'services-run': 'same',
    'keepers-report': 'same',
    'nodes-registered': 'same',
    'timelines-agree': 'same',
  },
  faults: (observation, formation, asked) =>
    monitorNodes(observation)?.flatMap((node): Fault[] => {
      const remedies = new Remedies(formation, asked);
      const read = observation.nodes[node.name];
      if (node.health !== 1) {
        const lacksRule = read?.ok && !read.value.hbaText.includes('pgautofailover_monitor');
        return [
          {
            subject: node.name,
            evidence: `health ${node.health === 0 ? 'bad' : 'not known yet'}${lacksRule ? ', and its pg_hba.conf does not let the monitor in' : ''}`,
            remedy: lacksRule
              ? remedies.provision()
              : {
                  say: `let ${remedies.monitor} reach ${node.host}:${node.port} (firewall, network); this tells whether it does`,
                  look: remedies.inside(
                    remedies.monitor,
                    `runuser -u postgres -- pg_isready --host ${node.host} --port ${node.port} --timeout 5`,
                  ),
                },
          },
        ];
      }
      // What the monitor knew before the node's Postgres started says nothing about it. Ages, not clocks.
      const age = read?.ok ? read.value.secondsSinceStart : Number.POSITIVE_INFINITY;
      if (Math.max(node.secondsSinceReport, node.secondsSinceHealthCheck) < age) return [];
      return [
        {
          subject: node.name,
          evidence: `its Postgres started ${age.toFixed(1)} s ago, and the monitor has not heard of it and checked it since`,
          remedy: {
            ...remedies.journal(node.name),
            say: 'check again in a few seconds; if it stays so, read why',
          },
        },
      ];
    }),
};

const oneWritablePrimary: Check = {
  id: 'one-writable-primary',
  meaning: 'exactly one node takes writes, and it is the one the monitor names',
  severity: 'error',
  follows: {
    'monitor-reachable': 'any',
    'nodes-reachable': 'any',
    'services-run': 'any',
    'keepers-report': 'any',
    'no-stuck-transition': 'any',
    'nodes-registered': 'any',
  },
  faults(observation, formation, asked) {
    const nodes = monitorNodes(observation);
    if (!nodes) return undefined;
    const named = nodes
      .filter((node) => ['primary', 'wait_primary', 'single'].includes(node.goalState) && isConverged(node))
      .map((node) => node.name);
    const writable = answeringNodes(observation).flatMap(([name, node]) =>
      node.inRecovery || node.readOnly ? [] : [name],
    );
    if (named.length === 1 && writable.length === 1 && named[0] === writable[0]) return [];
    const remedies = new Remedies(formation, asked);
    const list = (names: string[]) => (names.length === 0 ? 'none' : names.join(' and '));
    const stray = writable.find((name) => !named.includes(name));
    const evidence = `the monitor names ${list(named)} as primary; writes are taken by ${list(writable)}`;
    if (writable.length > 1 && stray !== undefined) {
      return [
        {
          subject: formation.name,
          evidence,
          remedy: {
            say: 'stop the node that the monitor does not name',
            run: remedies.inside(stray, 'systemctl stop pg_autoctl'),
          },
          own: true,
        },
      ];
    }
    const readOnly = answeringNodes(observation).find(([, node]) => !node.inRecovery && node.readOnly)?.[0];
    return [
      {
        subject: formation.name,
        evidence: readOnly === undefined ? evidence : `${evidence}; ${readOnly} is set read-only`,
        remedy:
          readOnly === undefined
            ? {
                say: "see the monitor's events",
                look: `${remedies.autoctl(remedies.monitor, 'show events')} --formation ${word(formation.name)}`,
              }
            : remedies.provision(
                'where no failover is under way, run provision-pgaf, which ends a read-only state that pg_auto_failover left behind',
              ),
      },
    ];
  },
};

export const stateChecks: readonly Check[] = [
  nodesRegistered,
  keepersReport,
  noStuckTransition,
  statesConverged,
  nodesHealthy,
  oneWritablePrimary,
];
