import { nodeNameOf } from '../../formation/formation.ts';
import { isConverged, type MonitorNode } from '../../monitor/nodes.ts';
import { canFollow } from '../../monitor/transitions.ts';
import { mayLetIn } from '../../postgres/hba-rules.ts';
import type { Check, Problem, Remedy } from '../check.ts';
import { makeAnew, otherPrimary } from '../remedies/anew.ts';
import { Remedies, word } from '../remedies/remedies.ts';
import { isStuckOnItsWay, monitorNodes, stuckFactor } from './from-observation.ts';
import { keepersReport } from './keepers.ts';
import { oneWritablePrimary } from './one-primary.ts';

/** What the monitor knows and wants of its nodes. */

const nodesRegistered: Check = {
  id: 'nodes-registered',
  meaning: 'the monitor knows the nodes of the formation file, and no others',
  severity: 'error',
  problems(observation, formation, asked) {
    const known = monitorNodes(observation)?.map((node) => node.name);
    if (!known) return undefined;
    const remedies = new Remedies(formation, asked);
    const wanted = formation.nodes.map((node) => node.name);
    const drop = (name: string) =>
      `${remedies.autoctl(remedies.monitor, 'drop node')} --formation ${word(formation.name)} --name ${word(nodeNameOf(formation, name))}`;
    return [
      ...wanted
        .filter((name) => !known.includes(name))
        .map((name) => {
          const container = observation.containers[name];
          // Provisioning deletes no data: it makes a node of a container that has none.
          // One whose configuration cannot be read may hold data.
          const holdsData = container?.ok === true && container.value.keeperConfig !== '';
          return {
            subject: name,
            evidence: `the monitor does not know it${holdsData ? ', and its container holds its data' : ''}`,
            remedy: holdsData ? makeAnew(observation, formation, asked, name) : remedies.provision(),
          };
        }),
      ...known
        .filter((name) => !wanted.includes(name))
        .map((name) => ({
          subject: name,
          evidence: 'the monitor knows it, the formation file does not',
          remedy:
            otherPrimary(observation, name) === undefined
              ? {
                  say: 'it may be the primary, so do not drop it: add it to the file, or switch over first; this shows which node is the primary',
                  look: remedies.state(),
                }
              : {
                  say: `see first whether it is meant to be there (this file may be an older one): then add it to the file. Only where nobody wants it, have provision-pgaf drop it with prune: true, or drop it by hand: \`${drop(name)}\``,
                  look: remedies.state(),
                },
        })),
    ];
  },
};

const noStuckTransition: Check = {
  id: 'no-stuck-transition',
  meaning:
    'no node is stuck between two states: one that takes longer than any transition does not arrive by itself',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'keepers-report': 'any',
    'nodes-registered': 'same',
    'timelines-agree': 'same',
    'wal-agrees': 'same',
    'standbys-streaming': 'same',
    'replay-runs': 'same',
  },
  problems(observation, formation, asked) {
    const nodes = monitorNodes(observation);
    if (!nodes) return undefined;
    const remedies = new Remedies(formation, asked);
    return nodes
      .filter((node) => isStuckOnItsWay(observation, node))
      .map(
        (node): Problem => ({
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
        const needs = `an election needs ${numberSyncStandbys + 1} candidate${numberSyncStandbys === 0 ? '' : 's'} and has ${candidates}: bring the missing standby back`;
        const fewer = `${remedies.autoctl(remedies.monitor, 'set formation number-sync-standbys')} --formation ${word(formation.name)} ${Math.max(0, candidates - 1)}`;
        // With fewer, one may be chosen that lacks what the missing one has acknowledged.
        return {
          say:
            candidates > 0
              ? `${needs}; only where it is lost for good ask for fewer, which loses what it alone has: \`${fewer}\``
              : needs,
          look: remedies.state(),
        };
      }
      if (!canFollow(node)) return remedies.takeOrderBack(node);
      const read = observation.nodes[node.name];
      // A restart would take writes away, and what it waits for is mostly another node.
      if (!read?.ok || !read.value.inRecovery)
        return {
          ...remedies.journal(node.name),
          say: `${read?.ok ? 'it takes writes' : 'whether it takes writes could not be read'}, so leave it running, and find out what it waits for`,
        };
      return {
        say: 'restart its pg_autoctl, which then asks for its orders again',
        run: remedies.service(node.name, 'restart'),
      };
    }
  },
};

const described = ({ reportedState, goalState }: MonitorNode) =>
  `reported ${reportedState}, goal ${goalState}`;

const isInMaintenance = (node: MonitorNode) => isConverged(node) && node.goalState === 'maintenance';

const noMaintenance: Check = {
  id: 'no-maintenance',
  meaning: 'no node is in maintenance: such a node cannot take over',
  severity: 'error',
  problems(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    return monitorNodes(observation)
      ?.filter(isInMaintenance)
      .map((node) => {
        const status = observation.instances[node.name]?.status ?? 'Running';
        const end = remedies.endMaintenance(node);
        // Nothing can be run in a container that does not run itself.
        const first = { Stopped: 'start', Frozen: 'resume' }[status];
        const isAway = status !== 'Running' && first === undefined;
        const evidence = `in maintenance for ${node.secondsSinceStateChange.toFixed(0)} s, because somebody asked for it`;
        return {
          subject: node.name,
          evidence: status === 'Running' ? evidence : `${evidence}; its container is ${status}`,
          remedy: isAway
            ? { say: `once that work is done and its container runs again, end its maintenance: \`${end}\`` }
            : first === undefined
              ? { say: 'once that work is done, end its maintenance', run: end }
              : {
                  say: `once that work is done, ${first} its container, and when it is up end its maintenance (\`${end}\`)`,
                  run: remedies.incus(first, node.name),
                },
        };
      });
  },
};

const statesConverged: Check = {
  id: 'states-converged',
  meaning: 'every node is in the state that the monitor has assigned it, primary or secondary',
  severity: 'error',
  follows: {
    'nodes-reachable': 'any',
    'services-run': 'any',
    'keepers-report': 'any',
    'no-stuck-transition': 'any',
    'standbys-streaming': 'any',
    'timelines-agree': 'any',
    'wal-agrees': 'any',
    'nodes-healthy': 'any',
    'nodes-registered': 'same',
    'no-maintenance': 'any',
  },
  problems(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    const astray = monitorNodes(observation)?.filter(
      (node) =>
        !isInMaintenance(node) && (!isConverged(node) || !['primary', 'secondary'].includes(node.goalState)),
    );
    // A primary waits for the others, and does so no longer once they have arrived.
    const isWaiting = (node: MonitorNode) => isConverged(node) && node.goalState === 'wait_primary';
    return astray
      ?.filter((node) => !isWaiting(node) || astray.every(isWaiting))
      .map((node): Problem => {
        const journal = remedies.journal(node.name);
        const evidence = `${described(node)}, for ${node.secondsSinceStateChange.toFixed(1)} s; last report ${node.secondsSinceReport.toFixed(1)} s ago`;
        return {
          subject: node.name,
          evidence,
          remedy: { ...journal, say: 'wait for it to converge; if it does not, read why' },
        };
      });
  },
};

/** As whom the monitor's health checks log in (health_check_worker.c). */
const healthCheck = { user: 'pgautofailover_monitor', database: 'postgres' };

const nodesHealthy: Check = {
  id: 'nodes-healthy',
  meaning: "the monitor's health checks reach every node",
  severity: 'error',
  follows: {
    'nodes-reachable': 'same',
    'services-run': 'same',
    'keepers-report': 'same',
    'nodes-registered': 'same',
    'no-maintenance': 'same',
    'timelines-agree': 'same',
    'wal-agrees': 'same',
  },
  problems: (observation, formation, asked) =>
    monitorNodes(observation)?.flatMap((node): Problem[] => {
      const remedies = new Remedies(formation, asked);
      const read = observation.nodes[node.name];
      if (node.health !== 1) {
        // From 2.1 on the monitor takes a refused login for a failed check; that of 2.0 does not (health_check_worker.c).
        const lacksRule = read?.ok && !mayLetIn(read.value.hbaRules, healthCheck);
        return [
          {
            subject: node.name,
            evidence: `health ${node.health === 0 ? 'bad' : 'not known yet'}${lacksRule ? ', and its pg_hba.conf does not let the monitor in' : ''}`,
            remedy: lacksRule
              ? remedies.admit(
                  node.name,
                  `${healthCheck.user} from ${remedies.monitorHost} to ${healthCheck.database}`,
                )
              : {
                  say: `let ${remedies.monitor} reach ${node.host}:${node.port} (firewall, network); this shows whether it does`,
                  look: remedies.inside(
                    remedies.monitor,
                    `runuser -u postgres -- pg_isready --host ${word(node.host)} --port ${node.port} --timeout 5`,
                  ),
                },
          },
        ];
      }
      // What the monitor knew before the node's Postgres started says nothing about it. Ages, not clocks.
      const age = read?.ok ? read.value.secondsSinceStart : Number.POSITIVE_INFINITY;
      const isOld = Math.max(node.secondsSinceReport, node.secondsSinceHealthCheck) >= age;
      if (node.postgresRuns && !isOld) return [];
      return [
        {
          subject: node.name,
          evidence: node.postgresRuns
            ? `its Postgres started ${age.toFixed(1)} s ago, and the monitor has not heard of it and checked it since`
            : `its keeper reported ${node.secondsSinceReport.toFixed(1)} s ago that its Postgres does not run`,
          remedy: {
            ...remedies.journal(node.name),
            say: 'check again in a few seconds; if it stays like this, read why',
          },
        },
      ];
    }),
};

export const stateChecks: readonly Check[] = [
  nodesRegistered,
  noMaintenance,
  keepersReport,
  noStuckTransition,
  statesConverged,
  nodesHealthy,
  oneWritablePrimary,
];
