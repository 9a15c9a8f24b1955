import type { CampaignRecord } from '../../campaign/campaign-record.ts';

export function readDrillReport(
  json: unknown,
): { formation: unknown; campaign: CampaignRecord } | { faults: string[] } {
  return json as { formation: unknown; campaign: CampaignRecord };
}
