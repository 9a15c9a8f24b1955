import type { FaultName } from '../faults/catalogue.ts';
import type { FaultClass, FaultPrediction } from '../prediction/prediction.ts';
import type { DrillRecord } from './record.ts';

/** The faults that the prediction of check-formation speaks of, each held against measured drills (docs/prediction.md). */
const classes: Partial<Record<FaultName, FaultClass>> = {
  stop: 'crash-stop',
  freeze: 'freeze',
  'network-cut': 'full-cut',
  'monitor-cut': 'monitor-cut',
  'kill-postgres': 'postgres-crash',
  switchover: 'switchover',
};

/** What was predicted for a drill's fault from the settings in force before it; undefined where nothing was. Pure. */
export function predictedFor({ fault, baseline }: DrillRecord): FaultPrediction | undefined {
  const name = classes[fault];
  return name && baseline?.prediction?.[name];
}
