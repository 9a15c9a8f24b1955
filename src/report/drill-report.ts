import type { DrillRecord, RecordedAnnouncement } from '../drill/record.ts';
import type { DrillVerdict } from '../drill/verdict.ts';
import { catalogue } from '../faults/catalogue.ts';
import { escapeMarkdown, markdownTable, type Table, textTable } from './table.ts';

const signed = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)} s`;

function state({ reportedState, goalState, health }: RecordedAnnouncement): string {
  const states = reportedState === goalState ? reportedState : `${reportedState} → ${goalState}`;
  return health === 1 ? states : `${states} (${health === 0 ? 'not healthy' : 'health unknown'})`;
}

/** `**` is ours: it marks the drill's own deeds, in the data and in the Markdown. */
const unmarked = (text: string) => text.replaceAll('**', '');

/** What happened, in order: the drill's own deeds among what the monitor announced. */
export function eventsTable(record: DrillRecord): Table {
  const events: [number, string, string][] = record.announcements
    .filter(({ seconds }) => seconds > 0)
    .map((heard) => [heard.seconds, unmarked(heard.node), unmarked(state(heard))]);
  if (record.faultAt !== undefined) events.push([0, record.target ?? '', `**fault**: ${record.fault}`]);
  if (record.undoSeconds !== undefined && catalogue[record.fault].lasts !== 'a-moment')
    events.push([record.undoSeconds, record.target ?? '', '**undo**']);
  if (record.settledSeconds !== undefined)
    events.push([record.settledSeconds, record.formation, '**every node converged and healthy**']);
  events.sort((a, b) => a[0] - b[0]);
  return {
    headings: ['since the fault', 'where', 'what'],
    rows: events.map(([at, where, what]) => [signed(at), where, what]),
  };
}

function figuresTable(record: DrillRecord, verdict: DrillVerdict): Table {
  const figure = (value: number | undefined) => (value === undefined ? '–' : `${value.toFixed(3)} s`);
  return {
    headings: ['figure', 'measured', 'target'],
    rows: [
      record.expected === 'none'
        ? ['watched, without a failover to be seen', figure(record.watchSeconds), '']
        : [
            'RTO: fault to promotion as the monitor announced it',
            figure(verdict.rtoSeconds),
            figure(record.rtoTargetSeconds),
          ],
      ['rejoin: undo to every node converged and healthy', figure(verdict.rejoinSeconds), ''],
      ['whole drill', figure(record.tookSeconds), ''],
    ],
  };
}

/** What showed that the fault was in force; the drill's own words. */
function proofs({ proof, proofAtUndo }: DrillRecord): string[] {
  return [
    ...(proof === undefined ? [] : [`proof of the fault: ${proof}`]),
    ...(proofAtUndo === undefined ? [] : [`and just before the undo: ${proofAtUndo}`]),
  ];
}

export function drillLines(record: DrillRecord, verdict: DrillVerdict): string[] {
  if (record.faultAt === undefined) return [];
  const events = eventsTable(record);
  const plain = { ...events, rows: events.rows.map((row) => row.map((cell) => cell.replaceAll('**', ''))) };
  return [...textTable(plain), '', ...textTable(figuresTable(record, verdict)), '', ...proofs(record)];
}

export function drillMarkdown(record: DrillRecord, verdict: DrillVerdict): string {
  const heading = `### ${verdict.outcome === 'pass' ? '✅' : '❌'} Failover drill: ${escapeMarkdown(verdict.message)}`;
  if (record.faultAt === undefined) return `${heading}\n`;
  const events = markdownTable(eventsTable(record)).replaceAll('\\*\\*', '**');
  return [
    heading,
    '',
    markdownTable(figuresTable(record, verdict)),
    '',
    '<details><summary>Events</summary>',
    '',
    events,
    '',
    ...proofs(record).map((line) => `- ${escapeMarkdown(line)}`),
    '',
    '</details>',
    '',
  ].join('\n');
}
