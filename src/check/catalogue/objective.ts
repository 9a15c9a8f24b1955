import { predict } from '../../prediction/prediction.ts';
import { meetsTarget } from '../../prediction/target.ts';
import type { Check, Fault } from '../check.ts';
import { liveSettings } from '../live-settings.ts';
import { Remedies } from '../remedies.ts';
import { answeringContainers, onContainers } from './reading.ts';

/** Whether the formation, as it is set, can do what is asked of it when something fails. */

const rtoTarget: Check = {
  id: 'rto-target',
  meaning: 'the settings let a standby take over within the target, whatever fails',
  severity: 'error',
  faults(observation, formation, { rtoTargetSeconds }) {
    const live = liveSettings(observation, formation);
    if (rtoTargetSeconds === undefined || live === undefined) return [];
    const { meets, sentence } = meetsTarget(predict(live), rtoTargetSeconds);
    if (meets === 'yes') return [];
    return [
      {
        subject: formation.name,
        evidence: sentence,
        remedy: {
          say: 'take a quicker profile (timings: balanced or fast) in the formation file, and run provision-pgaf',
        },
        severity: meets === 'no' ? 'error' : 'warning',
      },
    ];
  },
  // What another node's loss brings is not to be told twice.
  follows: { 'failover-possible': 'any', 'sync-standbys-possible': 'any', 'keepers-fence': 'any' },
};

const oneWriterInCuts: Check = {
  id: 'one-writer-in-cuts',
  meaning: 'a primary that is cut off stops taking writes before another one starts',
  severity: 'warning',
  follows: { 'keepers-fence': 'any', 'matches-file': 'any' },
  faults(observation, formation, asked) {
    const live = liveSettings(observation, formation);
    if (live === undefined) return [];
    const predicted = predict(live);
    return (['full-cut', 'monitor-cut'] as const).flatMap((cut): Fault[] => {
      const { fencing } = predicted[cut];
      if (fencing === null || fencing.overlapSeconds === 0) return [];
      const howLong =
        fencing.overlapSeconds === null ? 'as long as it is cut off' : `up to ${fencing.overlapSeconds} s`;
      return [
        {
          subject: formation.name,
          evidence: `after a ${cut} two nodes may take writes for ${howLong}: ${fencing.reason}`,
          remedy: new Remedies(formation, asked).provision(
            'take the profile balanced or fast (docs/timings.md), and run provision-pgaf',
          ),
        },
      ];
    });
  },
};

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

export const objectiveChecks: readonly Check[] = [rtoTarget, oneWriterInCuts, onContainers(keepersFence)];
