import type { CampaignRecord, CampaignVerdict, JudgedDrill } from '../campaign/campaign-record.ts';
import { campaignPicture } from './campaign-picture.ts';
import { proofSentences, quantilesTable, roundsTable, singleDrill } from './campaign-tables.ts';
import { drillSections, plainSection } from './drill-report.ts';
import { type HtmlSection, htmlPage } from './html.ts';
import { drillTimeline } from './pictures/timeline.ts';

/** The campaign as one page that needs nothing else: every picture, figure and proof. Pure. */
export function campaignHtml(campaign: CampaignRecord, verdict: CampaignVerdict): string {
  const single = singleDrill(campaign);
  const proofs: HtmlSection = { heading: 'What the drills prove', lines: proofSentences(campaign) };
  const proof = proofs.lines?.length === 0 ? [] : [proofs];
  return htmlPage({
    title: `${single ? 'Failover drill' : 'Failover campaign'} of formation ${campaign.formation}`,
    outcome: verdict.outcome,
    message: verdict.message,
    picture: campaignPicture(campaign),
    sections: single
      ? [...sectionsOf(single), ...proof]
      : [...tables(campaign), ...proof, ...campaign.drills.map(oneOfSeveral)],
    footer: footer(campaign),
  });
}

function tables(campaign: CampaignRecord): HtmlSection[] {
  const quantiles = quantilesTable(campaign.proofs);
  return [
    ...(campaign.drills.length === 0 ? [] : [{ heading: 'Drills', table: roundsTable(campaign) }]),
    ...(quantiles.rows.length === 0 ? [] : [{ heading: 'By fault', table: quantiles }]),
  ];
}

function oneOfSeveral(drill: JudgedDrill, index: number): HtmlSection {
  const { record, verdict } = drill;
  return {
    heading: `${index + 1}: ${record.fault}: ${verdict.outcome}`,
    lines: [verdict.message],
    picture: drillTimeline(record, verdict),
    within: sectionsOf(drill).map((section) => ({ ...section, folded: true })),
  };
}

function sectionsOf({ record, verdict }: JudgedDrill): HtmlSection[] {
  const sections = drillSections(record, verdict);
  if (sections === undefined) return [];
  const { figures, waterfall, evidence, refusals, probes, events } = sections;
  return [figures, probes, waterfall, refusals, evidence, plainSection(events)].filter(
    (section) => section !== undefined,
  );
}

function footer({ drills }: CampaignRecord): string {
  const [first, last] = [drills[0]?.record, drills.at(-1)?.record];
  if (first === undefined || last === undefined) return 'pgha';
  const many = drills.length > 1 ? ` to ${last.id}, begun at ${last.startedAt}` : '';
  return `pgha, drill ${first.id}, begun at ${first.startedAt}${many}`;
}
