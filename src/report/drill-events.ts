import type { DrillRecord, RecordedAnnouncement } from '../drill/record.ts';
import { targetNames, targetsOf } from '../drill/verdict/targets.ts';
import type { DrillVerdict } from '../drill/verdict/verdict.ts';
import { faultCatalogue } from '../faults/catalogue.ts';
import type { Table } from './table.ts';

const signed = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)} s`;

function state({ reportedState, goalState, health }: RecordedAnnouncement): string {
  const states = reportedState === goalState ? reportedState : `${reportedState} → ${goalState}`;
  return health === 1 ? states : `${states} (${health === 0 ? 'not healthy' : 'health unknown'})`;
}

/** Where nobody heard it as it happened. */
const unseen = ({ between }: RecordedAnnouncement) =>
  between ? `, between ${signed(between.least)} and ${signed(between.most)}` : '';

/** `**` is ours: it marks the drill's own deeds, in the data and in the Markdown. */
const unmarked = (text: string) => text.replaceAll('**', '');

/** The table without our marks, for where they mean nothing. */
export const plainEvents = ({ headings, rows }: Table): Table => ({
  headings,
  rows: rows.map((row) => row.map(unmarked)),
});

/** What happened, in order: the drill's own deeds and what clients saw among what the monitor announced. */
export function eventsTable(record: DrillRecord, verdict?: DrillVerdict): Table {
  const { fault, primary = '', formation, undoSeconds, settledSeconds, handedBack } = record;
  const target = targetNames(record);
  const events: [number, string, string][] = record.announcements
    .filter(({ seconds }) => seconds > 0)
    .map((heard) => [heard.seconds, heard.node, unmarked(`${state(heard)}${unseen(heard)}`)]);
  for (const { from, to, why } of record.blind ?? []) {
    events.push([from, formation, `**the watch on the monitor was blind from here on**: ${unmarked(why)}`]);
    if (to !== undefined) events.push([to, formation, '**the monitor was seen again**']);
  }
  if (record.faultAt !== undefined) events.push([0, target, `**fault**: ${fault}`]);
  for (const { container, fellSeconds } of targetsOf(record))
    if (fellSeconds !== undefined) events.push([fellSeconds, container, '**fell**']);
  if (undoSeconds !== undefined && faultCatalogue[fault].lasts !== 'a-moment')
    events.push([undoSeconds, target, '**undo**']);
  if (settledSeconds !== undefined)
    events.push([
      settledSeconds,
      formation,
      record.final?.outcome === 'pass' ? '**every node converged and healthy**' : '**every node converged**',
    ]);
  if (handedBack !== undefined)
    events.push([handedBack.seconds, primary, `**role handed back**: ${unmarked(handedBack.because)}`]);
  events.push(...clientEvents(record, verdict));
  events.sort((a, b) => a[0] - b[0]);
  return {
    headings: ['since the fault', 'where', 'what'],
    rows: events.map(([at, where, what]) => [signed(at), unmarked(where), what]),
  };
}

function clientEvents(
  { clients, promotion }: DrillRecord,
  verdict?: DrillVerdict,
): [number, string, string][] {
  const { clientRtoSeconds: first, writeOutageSeconds: lasted } = verdict ?? {};
  if (clients === undefined || first === undefined) return [];
  const successor = clients.scene.newPrimary ?? promotion?.node ?? '';
  const events: [number, string, string][] = [[first, successor, '**first write acknowledged to a client**']];
  if (lasted !== undefined)
    events.push([first - lasted, clients.scene.oldPrimary, '**last write acknowledged to a client before**']);
  return events;
}
