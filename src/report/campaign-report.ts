import type { CampaignRecord, CampaignVerdict } from '../campaign/campaign-record.ts';
import { drillLines, drillMarkdown } from './drill-report.ts';
import { drillTimeline } from './timeline.ts';

export const campaignLines = ({ drills }: CampaignRecord, _: CampaignVerdict): string[] =>
  drills.flatMap(({ record, verdict }) => drillLines(record, verdict));
export const campaignMarkdown = ({ drills }: CampaignRecord, _: CampaignVerdict): string =>
  drills.map(({ record, verdict }) => drillMarkdown(record, verdict)).join('\n');
export const campaignPicture = ({ drills }: CampaignRecord): string =>
  drills.map(({ record, verdict }) => drillTimeline(record, verdict))[0] ?? '';
export const campaignJunit = (_: CampaignRecord, __: CampaignVerdict): string => '';
export const campaignHtml = (_: CampaignRecord, __: CampaignVerdict): string => '';
