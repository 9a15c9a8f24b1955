import { onOneLine } from '../contract/errors.ts';
import type { DrillRecord } from '../drill/record.ts';
import type { DrillVerdict } from '../drill/verdict/verdict.ts';
import { describeRows } from '../evidence/rows.ts';
import { eventsTable, plainEvents } from './drill-events.ts';
import { clientsLine, figuresTable, shownSeconds, uriLines, waterfallTable } from './drill-figures.ts';
import { probesLines, probesTable } from './probes-report.ts';
import { escapeMarkdown, markdownTable, type Table, textTable } from './table.ts';

/** A part of a drill's report: a table, sentences, or both. */
export interface Section {
  heading: string;
  table: Table | undefined;
  lines: string[];
}

/** All that there is to tell of a drill whose fault was injected, for every format. Pure. */
export interface DrillSections {
  figures: Section;
  waterfall: Section | undefined;
  /** What is wrong with the writes, or with what is known of them. */
  evidence: Section | undefined;
  /** What clients were told, where they could not write. */
  refusals: Section | undefined;
  /** What became of the user's own probes. */
  probes: Section | undefined;
  /** The drill's own deeds are marked with `**`. */
  events: Section;
}

/** The events for formats that mark nothing. */
export const plainSection = (events: Section): Section => ({
  ...events,
  table: events.table && plainEvents(events.table),
});

/** @returns undefined where no fault was injected: the verdict says it all */
export function drillSections(record: DrillRecord, verdict: DrillVerdict): DrillSections | undefined {
  if (record.faultAt === undefined) return undefined;
  const waterfall = waterfallTable(record, verdict);
  const evidence = evidenceLines(record);
  const probes = probesTable(record);
  return {
    figures: { heading: 'Figures', table: figuresTable(record, verdict), lines: circumstances(record) },
    waterfall: waterfall && {
      heading: 'Where the time went',
      table: waterfall.table,
      lines: waterfall.costs === undefined ? [] : [waterfall.costs],
    },
    evidence:
      evidence.length === 0
        ? undefined
        : { heading: 'Writes and evidence', table: undefined, lines: evidence },
    refusals: refusals(record, verdict),
    probes: probes && { heading: 'Probes', table: probes, lines: probesLines(record) },
    events: { heading: 'Events', table: eventsTable(record, verdict), lines: proofs(record) },
  };
}

function circumstances({
  overridden,
  clients,
  clientsMissing,
  versions,
  holdBackSeconds,
}: DrillRecord): string[] {
  const lines: string[] = [];
  if (overridden !== undefined) lines.push(`drills were held, and this one overrode that: ${overridden}`);
  if (clients !== undefined) lines.push(clientsLine(clients), ...uriLines(clients));
  else if (clientsMissing !== undefined) lines.push(`no figures of clients: ${clientsMissing}`);
  if (versions !== undefined) {
    const { postgres, autoFailover } = versions;
    const held = holdBackSeconds > 0 ? `; the fault was held back for ${shownSeconds(holdBackSeconds)}` : '';
    lines.push(
      `Postgres ${Math.floor(postgres / 10_000)}.${postgres % 10_000}, pg_auto_failover ${autoFailover}${held}`,
    );
  }
  return lines;
}

const mostCharacters = 400;

function evidenceLines({ clients }: DrillRecord): string[] {
  if (clients === undefined) return [];
  const { lost, phantoms, vanished, overlap, inconclusive } = clients.ledger;
  const wrong = { lost, phantoms, vanished, 'acknowledged by both primaries': overlap };
  const found = Object.entries(wrong).flatMap(([what, { count, rows }]) => {
    return count === 0 ? [] : [`${what}: ${count} (${describeRows(rows, mostCharacters)})`];
  });
  return [
    ...found,
    ...inconclusive.map((why) => `inconclusive: ${why}`),
    ...clients.unread.map((why) => `rows not read: ${why}`),
  ];
}

function refusals({ clients, promotion }: DrillRecord, verdict: DrillVerdict): Section | undefined {
  const told = [...(clients?.ledger.refusals ?? []), ...(clients?.ledger.byUri?.refusals ?? [])];
  const wrote =
    verdict.outcome === 'pass' && (promotion === undefined || verdict.clientRtoSeconds !== undefined);
  if (told.length === 0 || wrote) return undefined;
  return {
    heading: 'What clients were told last',
    table: {
      headings: ['since the fault', 'node', 'why it let no client write'],
      rows: told.map(({ node, why, seconds }) => [shownSeconds(seconds), node, why]),
    },
    lines: [],
  };
}

/** What showed that the fault was in force; the drill's own words. */
function proofs({ proof, proofAtUndo }: DrillRecord): string[] {
  return [
    ...(proof === undefined ? [] : [`proof of the fault: ${proof}`]),
    ...(proofAtUndo === undefined ? [] : [`and just before the undo: ${proofAtUndo}`]),
  ];
}

/** One drill for the log, the figures last; none where no fault was injected. */
export function drillLines(record: DrillRecord, verdict: DrillVerdict): string[] {
  const sections = drillSections(record, verdict);
  if (sections === undefined) return [];
  const { figures, waterfall, evidence, refusals: told, probes, events } = sections;
  return [plainSection(events), waterfall, told, evidence, probes, figures]
    .filter((section) => section !== undefined)
    .flatMap((section, index) => [...(index === 0 ? [] : ['']), ...sectionLines(section)]);
}

/** A section for the log, without its heading: what a server said must not start a line of its own. */
function sectionLines({ table, lines }: Section): string[] {
  return [...(table === undefined ? [] : textTable(table)), ...lines.map((line) => onOneLine(line, ' '))];
}

/** One drill for the job summary, without its heading; '' where no fault was injected. */
export function drillBody(record: DrillRecord, verdict: DrillVerdict): string {
  const sections = drillSections(record, verdict);
  if (sections === undefined) return '';
  const { figures, waterfall, evidence, refusals: told, probes, events } = sections;
  const unfolded = [probes, waterfall, told, evidence].filter((section) => section !== undefined);
  return [
    sectionMarkdown(figures),
    ...unfolded.map((section) => `**${section.heading}**\n\n${sectionMarkdown(section)}`),
    `<details><summary>${events.heading}</summary>\n`,
    sectionMarkdown(events, markedTable),
    '</details>\n',
  ].join('\n');
}

/** The marks are ours alone: eventsTable takes them out of whatever was read. */
const markedTable = (table: Table) => markdownTable(table).replaceAll('\\*\\*', '**');

/** A section in Markdown, without its heading. */
function sectionMarkdown({ table, lines }: Section, write = markdownTable): string {
  const parts = [
    ...(table === undefined ? [] : [`${write(table)}\n`]),
    ...(lines.length === 0 ? [] : [`${lines.map((line) => `- ${escapeMarkdown(line)}`).join('\n')}\n`]),
  ];
  return parts.join('\n');
}
