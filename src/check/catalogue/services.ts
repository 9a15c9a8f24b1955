import { keeps, membersOf } from '../../formation/formation.ts';
import { openFileLimit, unitOf, unitText } from '../../member/unit.ts';
import type { Check, Problem } from '../check.ts';
import { Remedies } from '../remedies/remedies.ts';
import { restart } from '../remedies/restart.ts';
import { answeringContainers } from './from-observation.ts';

/** Whether pg_autoctl runs by the service that it should. */

export const servicesRun: Check = {
  id: 'services-run',
  meaning: 'pg_autoctl runs in every container, and would start again after a reboot',
  severity: 'error',
  // It gives up on a Postgres that does not start, and is not to be started on a node that was dropped.
  follows: {
    'postgres-starts': 'same',
    'nodes-registered': 'same',
    'no-maintenance': 'same',
    'versions-equal': 'any',
  },
  problems(observation, formation, asked) {
    const remedies = new Remedies(formation, asked);
    return answeringContainers(observation).flatMap(([name, { service }]): Problem[] => {
      const { active, enabled, restarts } = service;
      const unit = unitOf(membersOf(formation).find((member) => member.name === name) ?? {});
      if (service.unit === '' && active !== 'active')
        return [{ subject: name, evidence: `there is no ${unit}`, remedy: remedies.provision() }];
      if (active !== 'active') {
        const again = restarts > 0 ? `, after ${restarts} restart${restarts === 1 ? '' : 's'}` : '';
        return [
          {
            subject: name,
            evidence: `${unit} is ${active}${again}`,
            remedy:
              active === 'activating'
                ? remedies.journal(name)
                : { say: 'start it', run: remedies.service(name, 'start') },
          },
        ];
      }
      if (enabled === 'enabled') return [];
      return [
        {
          subject: name,
          evidence: `${unit} is ${enabled || 'not enabled'}: it would not start after a reboot`,
          remedy: { say: 'enable it', run: remedies.service(name, 'enable') },
          severity: 'warning',
        },
      ];
    });
  },
};

/** Then there is nothing to hold a formation against. */
export const readOffMonitor = 'it was read off its monitor, without a file';

export const unitFile: Check = {
  id: 'unit-file',
  meaning: 'pg_autoctl.service is as provision-pgaf writes it: restarts, limits, quick name look-ups',
  severity: 'warning',
  follows: { 'services-run': 'same' },
  unasked: (_, { withoutFile }) => (withoutFile ? readOffMonitor : undefined),
  problems(observation, formation, asked) {
    if (asked.withoutFile) return [];
    const found = new Map(answeringContainers(observation));
    return membersOf(formation).flatMap((member): Problem[] => {
      if (member.role === 'monitor' && keeps(formation, 'monitor')) return [];
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

export const openFiles: Check = {
  id: 'open-files',
  meaning: 'Postgres may open as many files as the unit grants, or as its host allows',
  severity: 'warning',
  problems: (observation, formation, asked) =>
    answeringContainers(observation).flatMap(([name, { openFiles: files }]) => {
      if (files === undefined || files.limit >= Math.min(openFileLimit, files.possible)) return [];
      return [
        {
          subject: name,
          evidence: `Postgres may open ${files.limit} files; the unit grants ${openFileLimit}, and the container can give ${files.possible}`,
          remedy: restart(observation, formation, asked, name),
        },
      ];
    }),
};
