import type { DrillRecord } from '../../drill/record.ts';
import type { DrillVerdict } from '../../drill/verdict/verdict.ts';
import type { Activity } from '../../evidence/record.ts';
import type { Scale } from './axis.ts';
import { shortenedInside, widthOf } from './lettering.ts';
import { type Ink, lettered, rectangle, ticks } from './svg.ts';

/** A time without an acknowledged write, in seconds since the fault, and what it is called. */
export interface Outage {
  from: number;
  to: number;
  label: string;
}

/**
 * The clients' outage: from the last acknowledged write before the new primary's first to that one; without it, the
 * longest time from the last write before the fault on in which none was acknowledged. Pure.
 */
export function outageOf({ clients }: DrillRecord, verdict: DrillVerdict, end: number): Outage | undefined {
  if (clients === undefined) return undefined;
  const { clientRtoSeconds: first, writeOutageSeconds: lasted } = verdict;
  if (first !== undefined && lasted !== undefined)
    return { from: first - lasted, to: first, label: `no write acknowledged for ${lasted.toFixed(3)} s` };
  const all = clients.activity.flatMap(({ acknowledged }) => acknowledged).sort((one, other) => one - other);
  const before = Math.max(
    0,
    all.findLastIndex((at) => at < 0),
  );
  const [pause] = all
    .slice(before)
    .map((from, index, rest) => ({ from, to: rest[index + 1] ?? Math.max(from, lastTry(clients.activity)) }))
    .sort((one, other) => other.to - other.from - (one.to - one.from));
  if (pause === undefined || pause.to <= pause.from) return undefined;
  if (pause.from === all.at(-1)) return { ...pause, to: end, label: 'no write acknowledged any more' };
  const { longestPauseSeconds: longest = pause.to - pause.from } = clients.ledger;
  return { ...pause, label: `longest pause between acknowledged writes: ${longest.toFixed(3)} s` };
}

const lastTry = (activity: readonly Activity[]) =>
  activity
    .flatMap(({ acknowledged, unknown, failed }) => [acknowledged.at(-1), unknown.at(-1), failed.at(-1)])
    .reduce<number>((last, at = last) => Math.max(last, at), Number.NEGATIVE_INFINITY);

interface Row {
  name: string;
  ink: Ink;
  at: number[];
  /** Of one tick, and by how much it is lower than the row. */
  thickness: number;
  inset: number;
}

const rowHeight = 15;
const rowGap = 5;
const captionHeight = 20;
const size = 12;

/** A row for each node that acknowledged writes, then those that were not. */
function rowsOf({ clients, primary }: DrillRecord): Row[] {
  const activity = clients?.activity ?? [];
  const acknowledged = activity
    .filter((each) => each.acknowledged.length > 0)
    .map(({ node, acknowledged: at }): Row => {
      const ink = node === (clients?.scene.oldPrimary ?? primary) ? 'primary' : 'successor';
      return { name: node, ink, at, thickness: 1, inset: 0 };
    });
  const others = (
    [
      ['unknown', 'doubt'],
      ['failed', 'bad'],
    ] as const
  ).map(
    ([kind, ink]): Row => ({
      name: kind === 'unknown' ? 'outcome unknown' : 'not committed',
      ink,
      at: activity.flatMap((each) => each[kind]),
      thickness: 2,
      inset: 3,
    }),
  );
  return [...acknowledged, ...others.filter(({ at }) => at.length > 0), ...uriRowsOf(clients)];
}

/** Of those who went by the application's own connection string: what was acknowledged, and what was not. */
function uriRowsOf(clients: DrillRecord['clients']): Row[] {
  const activity = clients?.ledger.byUri?.activity;
  if (activity === undefined) return [];
  const { acknowledged, unknown, failed } = activity;
  const rows: Row[] = [
    { name: 'by client-uri', ink: 'successor', at: acknowledged, thickness: 1, inset: 0 },
    { name: 'and unanswered', ink: 'doubt', at: unknown, thickness: 2, inset: 3 },
    { name: 'and not committed', ink: 'bad', at: failed, thickness: 2, inset: 3 },
  ];
  return rows.filter(({ at }) => at.length > 0);
}

/** Names at the left of the rows, for the room that they take. */
export const rowNames = (record: DrillRecord) => rowsOf(record).map(({ name }) => name);

export const rowsHeight = (record: DrillRecord) =>
  record.clients === undefined ? 0 : captionHeight + rowsOf(record).length * (rowHeight + rowGap);

interface Place {
  top: number;
  left: number;
  right: number;
}

/** What lies under the poles that cross the rows: their ground, and the outage on it. */
export function clientGround(
  record: DrillRecord,
  outage: Outage | undefined,
  x: Scale,
  place: Place,
): string[] {
  const { top, left, right } = place;
  const height = rowsHeight(record) - captionHeight;
  if (height <= 0) return [];
  const y = top + captionHeight - 2;
  return [
    rectangle('track', { x: left, y, width: right - left, height }),
    outage === undefined
      ? ''
      : rectangle(
          'outage',
          { x: x(outage.from), y, width: Math.max(2, x(outage.to) - x(outage.from)), height },
          outage.label,
        ),
  ];
}

/** The clients' writes as ticks: by the node that acknowledged them, and those that none did. */
export function clientRows(
  record: DrillRecord,
  outage: Outage | undefined,
  x: Scale,
  place: Place,
): string[] {
  if (record.clients === undefined) return [];
  const { top, left, right } = place;
  const rows = rowsOf(record).map(({ name, ink, at, thickness, inset }, index) => {
    const y = top + captionHeight + index * (rowHeight + rowGap);
    const shown = shortenedInside(name, left - 24, size);
    return [
      lettered('faint', [left - 12, y + 12], shown, {
        size,
        anchor: 'end',
        title: shown === name ? '' : name,
      }),
      ticks(ink, at.map(x), thickness, { y: y + inset, height: rowHeight - inset }),
    ].join('');
  });
  const caption = 'client writes, by the node that acknowledged them';
  return [
    ...covering('faint', caption, left, top + 12),
    ...(outage === undefined ? [] : covering(tone(outage), outage.label, right, top + 12)),
    ...rows,
  ];
}

/** A pause that nobody notices is no alarm. */
const tone = ({ from, to }: Outage): Ink => (to - from < 1 ? 'text' : 'bad');

/** Text on paper of its own, so that no pole runs through it: a caption begins at x, anything else ends there. */
function covering(ink: Ink, text: string, x: number, y: number): string[] {
  const bold = ink !== 'faint';
  const room = widthOf(text, size, bold) + 4;
  return [
    rectangle('paper', { x: bold ? x - room : x, y: y - 11, width: room, height: 14 }),
    lettered(ink, [x, y], text, { size, bold, anchor: bold ? 'end' : 'start' }),
  ];
}
