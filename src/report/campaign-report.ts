import type { CampaignRecord, CampaignVerdict, JudgedDrill } from '../campaign/campaign-record.ts';
import { onOneLine } from '../contract/errors.ts';
import { proofSentences, quantilesTable, roundsTable, singleDrill } from './campaign-tables.ts';
import { drillBody, drillLines } from './drill-report.ts';
import { escapeHtml, escapeMarkdown, markdownTable, textTable } from './table.ts';

export { campaignHtml } from './campaign-html.ts';
export { campaignPicture } from './campaign-picture.ts';
export { campaignJunit } from './junit/campaign-junit.ts';

/**
 * The campaign for the log.
 * @returns no lines where no fault was injected: the verdict, which the runner logs, says it all
 */
export function campaignLines(campaign: CampaignRecord, _verdict: CampaignVerdict): string[] {
  const single = singleDrill(campaign);
  const sentences = proofSentences(campaign).map((line) => onOneLine(line, ' '));
  if (single) {
    const lines = drillLines(single.record, single.verdict);
    return lines.length === 0 || sentences.length === 0
      ? [...lines, ...sentences]
      : [...lines, '', ...sentences];
  }
  if (campaign.drills.length === 0) return sentences;
  const quantiles = quantilesTable(campaign.proofs);
  return [
    ...textTable(roundsTable(campaign)),
    ...(quantiles.rows.length === 0 ? [] : ['', ...textTable(quantiles)]),
    ...(sentences.length === 0 ? [] : ['', ...sentences]),
  ];
}

/** Runners take a summary of 1 MiB (GitHub) and no more. */
const mostCharacters = 600_000;

/** The campaign for the job summary: one drill as its report, several as tables, each drill folded below them. */
export function campaignMarkdown(campaign: CampaignRecord, verdict: CampaignVerdict): string {
  const single = singleDrill(campaign);
  const what = single
    ? 'Failover drill'
    : `Failover campaign, ${campaign.drills.length} of ${campaign.rounds} drills`;
  const heading = `### ${verdict.outcome === 'pass' ? '✅' : '❌'} ${what}: ${escapeMarkdown(verdict.message)}\n`;
  const sentences = proofSentences(campaign)
    .map((line) => `- ${escapeMarkdown(line)}\n`)
    .join('');
  if (single)
    return [heading, drillBody(single.record, single.verdict), sentences]
      .filter((part) => part !== '')
      .join('\n');
  const quantiles = quantilesTable(campaign.proofs);
  const parts = [
    heading,
    campaign.drills.length === 0 ? '' : `${markdownTable(roundsTable(campaign))}\n`,
    quantiles.rows.length === 0 ? '' : `${markdownTable(quantiles)}\n`,
    sentences,
    ...foldedDrills(campaign.drills),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function foldedDrills(drills: readonly JudgedDrill[]): string[] {
  const folded: string[] = [];
  let length = 0;
  for (const [index, { record, verdict }] of drills.entries()) {
    const title = `${verdict.outcome === 'pass' ? '✅' : '❌'} ${index + 1}: ${record.fault}: ${verdict.message}`;
    const body = drillBody(record, verdict);
    const drill = `<details><summary>${inSummary(title)}</summary>\n\n${body}\n</details>\n`;
    length += drill.length;
    if (length > mostCharacters)
      return [...folded, `The other ${drills.length - index} drills are in the report.\n`];
    folded.push(drill);
  }
  return folded;
}

/** A summary is HTML, in which Markdown means nothing until an empty line. */
const inSummary = (text: string) => escapeHtml(onOneLine(text, ' '));
