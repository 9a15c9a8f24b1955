import type { Formation } from '../../formation/formation.ts';
import { membersOf } from '../../formation/formation.ts';
import { openFileLimit, unitText } from '../../member/unit.ts';
import type { MonitorNode } from '../../monitor/nodes.ts';
import { canFollow } from '../../monitor/transitions.ts';
import type { Asked, Check, Fault, Remedy } from '../check.ts';
import type { Observation } from '../observation.ts';
import { Remedies } from '../remedies.ts';
import { answeringContainers, isSilent, monitorNodes, onContainers } from './reading.ts';

/** Whether the members run and answer. */

/** What Postgres, and our way to it, say of one that is not there yet. */
const recovering = /is starting up|not yet accepting connections|recovers it from a crash/;

/** Why a member's Postgres could not be read, with the remedy that fits the state of its container. */
function unreachable(
  observation: Observation,
  formation: Formation,
  asked: Asked,
  container: string,
  failed: string,
): Fault {
  const remedies = new Remedies(formation, asked);
  const known: Record<string, Remedy> = {
    missing: remedies.provision(),
    Stopped: { say: 'start it', run: remedies.incus('start', container) },
    Frozen: { say: 'resume it', run: remedies.incus('resume', container) },
  };
  const status = observation.instances[container]?.status ?? 'missing';
  const row = monitorNodes(observation)?.find((node) => node.name === container);
  // A keeper that was restarted with an order that it cannot follow leaves its Postgres down.
  if (status === 'Running' && row !== undefined && !canFollow(row))
    return { subject: container, evidence: failed, remedy: remedies.takeOrderBack(row) };
  if (status === 'Running' && row !== undefined && isHung(observation, row) && !recovering.test(failed))
    return { subject: container, evidence: failed, remedy: remedies.endService(container) };
  const why = remedies.journal(container);
  const otherwise = recovering.test(failed)
    ? { ...why, say: 'it recovers from a crash: check again in a while; if it stays so, read why' }
    : why;
  return {
    subject: container,
    evidence: failed,
    remedy: known[status] ?? otherwise,
  };
}

/**
 * A pg_autoctl that waits for a Postgres which is gone, for ever (one that ended while it was starting, seen in the
 * lab). A keeper that copies or rewinds its data is silent as well, and is in none of these states.
 */
function isHung(observation: Observation, node: MonitorNode): boolean {
  return (
    isSilent(observation, node) &&
    ['primary', 'wait_primary', 'single', 'secondary'].includes(node.reportedState)
  );
}

const monitorReachable: Check = {
  id: 'monitor-reachable',
  meaning: 'without its monitor the formation keeps serving but cannot fail over',
  severity: 'error',
  follows: { 'no-interrupted-drill': 'same', 'services-run': 'same', 'disk-space': 'same' },
  faults: (observation, formation, asked) =>
    observation.monitor.ok
      ? []
      : [unreachable(observation, formation, asked, formation.monitor.name, observation.monitor.failed)],
};

const nodesReachable: Check = {
  id: 'nodes-reachable',
  meaning: 'every data node runs a Postgres that answers',
  severity: 'error',
  follows: { 'no-interrupted-drill': 'same', 'services-run': 'same', 'disk-space': 'same' },
  faults: (observation, formation, asked) =>
    Object.entries(observation.nodes).flatMap(([name, read]) =>
      read.ok ? [] : [unreachable(observation, formation, asked, name, read.failed)],
    ),
};

const servicesRun: Check = {
  id: 'services-run',
  meaning: 'pg_autoctl runs in every container, and would again after a reboot',
  severity: 'error',
  faults(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    return answeringContainers(observation).flatMap(([name, { service }]): Fault[] => {
      const { active, enabled, restarts } = service;
      if (service.unit === '' && active !== 'active')
        return [{ subject: name, evidence: 'there is no pg_autoctl.service', remedy: remedies.provision() }];
      if (active !== 'active') {
        const again = restarts > 0 ? `, after ${restarts} restart${restarts === 1 ? '' : 's'}` : '';
        return [
          {
            subject: name,
            evidence: `pg_autoctl.service is ${active}${again}`,
            remedy:
              active === 'activating'
                ? remedies.journal(name)
                : { say: 'start it', run: remedies.inside(name, 'systemctl start pg_autoctl') },
          },
        ];
      }
      if (enabled === 'enabled') return [];
      return [
        {
          subject: name,
          evidence: `pg_autoctl.service is ${enabled || 'not enabled'}: it would not start after a reboot`,
          remedy: { say: 'enable it', run: remedies.inside(name, 'systemctl enable pg_autoctl') },
          severity: 'warning',
        },
      ];
    });
  },
};

const unitFile: Check = {
  id: 'unit-file',
  meaning: 'pg_autoctl.service is the one that provisioning writes: restarts, limits, quick name look-ups',
  severity: 'warning',
  follows: { 'services-run': 'same' },
  faults(observation, formation, asked) {
    if (asked.withoutFile) return [];
    const found = new Map(answeringContainers(observation));
    return membersOf(formation).flatMap((member): Fault[] => {
      const unit = found.get(member.name)?.service.unit;
      const wanted = unitText(member, formation.postgres.version);
      if (unit === undefined || unit === wanted) return [];
      return [
        {
          subject: member.name,
          evidence: `the unit file says ${differences(unit, wanted)}`,
          remedy: new Remedies(formation, asked).provision(),
        },
      ];
    });
  },
};

/** The first lines that stand in one text and not in the other, for people. */
export function differences(found: string, wanted: string): string {
  const lines = (text: string) => text.split('\n').filter((line) => line.trim() !== '');
  const [has, needs] = [lines(found), lines(wanted)];
  const extra = has.filter((line) => !needs.includes(line));
  const missing = needs.filter((line) => !has.includes(line));
  const shown = (some: string[]) => {
    const first = some.slice(0, 3).map((line) => `'${line}'`);
    return some.length > 3 ? `${first.join(', ')} and ${some.length - 3} more` : first.join(', ');
  };
  if (extra.length === 0 && missing.length === 0) return 'the same in another order';
  if (missing.length === 0) return `${shown(extra)} besides`;
  return extra.length === 0
    ? `nothing of ${shown(missing)}`
    : `${shown(extra)} in place of ${shown(missing)}`;
}

const openFiles: Check = {
  id: 'open-files',
  meaning: 'Postgres may open as many files as the unit grants, or as its host allows',
  severity: 'warning',
  faults: (observation, formation, asked) =>
    answeringContainers(observation).flatMap(([name, { openFiles: files }]) => {
      if (files === undefined || files.limit >= Math.min(openFileLimit, files.possible)) return [];
      const remedies = new Remedies(formation, asked);
      return [
        {
          subject: name,
          evidence: `Postgres may open ${files.limit} files; the unit grants ${openFileLimit}, and the container can give ${files.possible}`,
          remedy: {
            say: 'restart Postgres, which the keeper starts again with its own limit (a second without it)',
            run: remedies.restartPostgres(name),
          },
        },
      ];
    }),
};

export const reachChecks: readonly Check[] = [
  monitorReachable,
  nodesReachable,
  ...[servicesRun, unitFile, openFiles].map(onContainers),
];
