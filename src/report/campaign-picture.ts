import type { CampaignRecord } from '../campaign/campaign-record.ts';
import { singleDrill } from './campaign-tables.ts';
import { stripChart } from './pictures/strip-chart.ts';
import { drillTimeline } from './pictures/timeline.ts';

/**
 * The campaign as a picture: of one drill its timeline, of several all RTOs against their target.
 * @returns a self-contained SVG; '' where no fault was injected
 */
export function campaignPicture(campaign: CampaignRecord): string {
  const single = singleDrill(campaign);
  if (single) return drillTimeline(single.record, single.verdict);
  const drilled = campaign.drills.filter(({ record }) => record.faultAt !== undefined);
  if (drilled.length === 0) return '';
  const passed = campaign.drills.filter(({ verdict }) => verdict.outcome === 'pass').length;
  return stripChart(campaign, `${passed} of ${campaign.drills.length} drills passed`);
}
