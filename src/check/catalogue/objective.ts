import type { Check } from '../check.ts';
import { Remedies } from '../remedies.ts';
import { answeringContainers, onContainers } from './reading.ts';

/** Whether the formation, as it is set, can do what is asked of it when something fails. */

const keepersFence: Check = {
  id: 'keepers-fence',
  meaning:
    'a primary that is cut off from everything stops itself: one whose keeper never saw a standby does not',
  severity: 'warning',
  faults: (observation, formation, asked) =>
    answeringContainers(observation)
      .filter(([name, { standbyMemory }]) => name !== formation.monitor.name && standbyMemory === 'no')
      .map(([name]) => ({
        subject: name,
        evidence: 'its keeper does not remember a standby (last_secondary_contact is 0)',
        remedy: new Remedies(formation, asked).provision(),
      })),
};

export const objectiveChecks: readonly Check[] = [onContainers(keepersFence)];
