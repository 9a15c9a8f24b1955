import type { Formation } from '../../formation/formation.ts';
import { isConverged, writableStates } from '../../monitor/nodes.ts';
import type { Check, Problem } from '../check.ts';
import type { Observation } from '../observation.ts';
import { Remedies, word } from '../remedies/remedies.ts';
import { answeringNodes, lifeSign, monitorNodes } from './from-observation.ts';

/** Who takes writes. */

export const oneWritablePrimary: Check = {
  id: 'one-writable-primary',
  meaning: 'exactly one node takes writes, and it is the one the monitor names',
  severity: 'error',
  follows: {
    'hosts-online': 'any',
    'monitor-reachable': 'any',
    'nodes-reachable': 'any',
    'services-run': 'any',
    'keepers-report': 'any',
    'no-maintenance': 'any',
    'no-stuck-transition': 'any',
    'nodes-registered': 'any',
  },
  problems(observation, formation, asked) {
    const nodes = monitorNodes(observation);
    if (!nodes) return nobodyLeft(observation, formation, new Remedies(formation, asked));
    const named = nodes
      .filter((node) => writableStates.includes(node.goalState) && isConverged(node))
      .map((node) => node.name);
    const writable = answeringNodes(observation).flatMap(([name, node]) =>
      node.inRecovery || node.readOnly ? [] : [name],
    );
    if (named.length === 1 && writable.length === 1 && named[0] === writable[0]) return [];
    const isUnasked = (name: string) => lifeSign(observation, formation, name) !== undefined;
    if (named.some(isUnasked) && writable.every((name) => named.includes(name))) return undefined;
    const remedies = new Remedies(formation, asked);
    const list = (names: string[]) => (names.length === 0 ? 'none' : names.join(' and '));
    const stray = writable.find((name) => !named.includes(name));
    const evidence = `the monitor names ${list(named)} as primary; writes are taken by ${list(writable)}`;
    const events = `${remedies.autoctl(remedies.monitor, 'show events')} --formation ${word(formation.name)}`;
    if (writable.length > 1 && stray !== undefined) {
      // Which of them is to stay is known only where the monitor names one that takes writes.
      // Not where the other is on a later timeline: a monitor that was set back, or a node promoted by hand.
      const timelineOf = (name: string) =>
        answeringNodes(observation).find(([each]) => each === name)?.[1].timeline ?? 0;
      const [known = ''] = named;
      const isKnown =
        named.length === 1 && writable.includes(known) && timelineOf(known) >= timelineOf(stray);
      return [
        {
          subject: formation.name,
          evidence,
          remedy: isKnown
            ? {
                say: 'stop the node that the monitor does not name; what was written only there stays on it',
                run: remedies.service(stray, 'stop'),
              }
            : { say: "you have to decide whose data counts: see the monitor's events", look: events },
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
            ? { say: "see the monitor's events", look: events }
            : remedies.provision(
                'if no failover is under way, run provision-pgaf, which ends a read-only state that pg_auto_failover left behind',
              ),
      },
    ];
  },
};

/** Without a monitor: no node that answers takes writes, and the others went with their hosts, by all that can be asked. */
function nobodyLeft(
  observation: Observation,
  formation: Formation,
  remedies: Remedies,
): Problem[] | undefined {
  const answering = answeringNodes(observation);
  const lost = formation.nodes
    .map(({ name }) => name)
    .filter(
      (name) =>
        observation.instances[name]?.unheard !== undefined &&
        lifeSign(observation, formation, name) === undefined,
    );
  const isTold = answering.length + lost.length === formation.nodes.length;
  if (lost.length === 0 || !isTold || answering.some(([, { inRecovery }]) => !inRecovery)) return undefined;
  return [
    {
      subject: formation.name,
      evidence: `no node that can be asked takes writes, and ${lost.join(' and ')} cannot be asked`,
      remedy: { say: 'bring back the host, which this shows', look: remedies.hosts() },
    },
  ];
}
