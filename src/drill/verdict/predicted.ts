import { faultCatalogue } from '../../faults/catalogue.ts';
import type { FaultPrediction } from '../../prediction/record.ts';
import type { DrillRecord } from '../record.ts';

/** What was predicted for a drill's fault from the settings in force before it; undefined where nothing was. Pure. */
export function predictedFor({ fault, baseline }: DrillRecord): FaultPrediction | undefined {
  const { predictedAs } = faultCatalogue[fault];
  return predictedAs && baseline?.prediction?.[predictedAs];
}
