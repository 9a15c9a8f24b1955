import { faultCatalogue } from '../../faults/catalogue.ts';
import type { FaultPrediction } from '../../prediction/record.ts';
import type { DrillRecord } from '../record.ts';

/** What was predicted for a drill's fault from the settings in force before it; undefined where nothing was. Pure. */
export function predictedFor({ fault, expected, baseline }: DrillRecord): FaultPrediction | undefined {
  const { predictedAs, expected: always } = faultCatalogue[fault];
  // What takes the monitor or a standby is no such fault.
  if (always === 'by-placement' && expected !== 'failover') return undefined;
  return predictedAs && baseline?.prediction?.[predictedAs];
}
