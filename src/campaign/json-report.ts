import * as v from 'valibot';
import { formation, inputErrors, reportHead } from '../contract/report-head.ts';
import { maybe } from '../contract/shape.ts';
import { type CampaignRecord, campaignRecord } from './campaign-record.ts';

/** The JSON report of failover-drill. Offsets named `…Seconds` are from the fault, where nothing else is said. */
export const drillReport = v.object({
  ...reportHead,
  formation: maybe(v.pipe(formation, v.description('The formation file with every default filled in.'))),
  campaign: maybe(
    v.pipe(campaignRecord, v.description('The drills: enough to judge and to draw them again.')),
  ),
  faults: inputErrors,
});

/**
 * Reads a report of failover-drill, so that its drills can be judged and drawn again.
 *
 * @param json what JSON.parse made of the file
 * @returns the formation as the report has it, and the campaign; or every error of the report, with its path
 */
export function readDrillReport(
  json: unknown,
): { formation: unknown; campaign: CampaignRecord } | { errors: string[] } {
  const parsed = v.safeParse(drillReport, json);
  if (!parsed.success) return { errors: parsed.issues.map(told) };
  const { output } = parsed;
  if (output.campaign === undefined) return { errors: ['campaign: the report holds no drill'] };
  return { formation: output.formation, campaign: output.campaign };
}

function told(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  // What a file is that holds something else may be a secret.
  return path === null ? 'it is no report of failover-drill' : `${path}: ${issue.message}`;
}
