import type { DrillRecord } from '../../drill/record.ts';
import { lookedOut, stayedQuiet } from '../../drill/verdict/failover.ts';
import { targetNames, targetsOf } from '../../drill/verdict/targets.ts';
import type { DrillVerdict } from '../../drill/verdict/verdict.ts';
import { faultCatalogue } from '../../faults/catalogue.ts';
import { axis, type Scale, scaleOf, type TimeRange } from './axis.ts';
import { clientGround, clientRows, type Outage, outageOf, rowNames, rowsHeight } from './client-rows.ts';
import { type Flag, flagsAbove, flagsBelow, heightOf, placed } from './flags.ts';
import { type Lane, lanesOf, type Segment } from './lanes.ts';
import { type LegendEntry, legend } from './legend.ts';
import { shortenedInside, shortenedToRoom, widthOf, wrapped } from './lettering.ts';
import {
  probeGround,
  probeLanes,
  probeLegend,
  probeNames,
  probesHeight,
  probesSettled,
} from './probe-lanes.ts';
import { type Ink, lettered, picture, rectangle } from './svg.ts';

const width = 960;
const edge = 20;
const right = width - 24;
const laneHeight = 32;
const laneGap = 12;

/**
 * A drill as a picture: a lane of states for each node and the clients' writes below them; the time to the
 * promotion and the clients' outage shaded, both RTOs and their target marked. Pure.
 *
 * @returns a self-contained SVG that follows the reader's light or dark scheme; '' when no fault was injected
 */
export function drillTimeline(record: DrillRecord, verdict: DrillVerdict): string {
  if (record.faultAt === undefined) return '';
  const range = rangeOf(record, verdict);
  const lanes = lanesOf(record, range);
  const left = leftOf([...lanes.map(({ node }) => node), ...rowNames(record), ...probeNames(record)]);
  const x = scaleOf(range, left, right);
  const outage = outageOf(record, verdict, range.end);

  const above = placed(figureFlags(record, verdict, x, range));
  const below = placed(momentFlags(record, x));
  const head = headOf(record, verdict);
  const top = head.bottom + heightOf(above) + 12;
  const clientsTop = top + lanes.length * (laneHeight + laneGap);
  const clients = { top: clientsTop, left, right };
  const probesTop = clientsTop + rowsHeight(record);
  const bottom = probesTop + probesHeight(record);
  const axisTop = bottom + heightOf(below) + 8;
  const explained = legend(legendOf(record, lanes, outage), edge, axisTop + 56, width - 2 * edge);

  return picture(width, axisTop + 56 + explained.height, `${head.title}. ${verdict.message}`, [
    ...head.parts,
    shade(record, verdict, x, { top, bottom: clientsTop - laneGap, end: range.end }),
    ...clientGround(record, outage, x, clients),
    ...probeGround(record, x, probesTop, range),
    ...flagsBelow(below, bottom, top),
    ...flagsAbove(above, top - 4, bottom),
    ...clientRows(record, outage, x, clients),
    ...probeLanes(record, x, { top: probesTop, left }, range),
    ...lanes.map((lane, index) => drawLane(lane, x, left, top + index * (laneHeight + laneGap))),
    twoPrimaries(bothOf(record, verdict), x, { top, bottom }),
    ...axis(x, range, axisTop, 'seconds since the fault'),
    ...explained.parts,
  ]);
}

function rangeOf(record: DrillRecord, verdict: DrillVerdict): TimeRange {
  const last = Math.max(
    1,
    record.settledSeconds ?? 0,
    record.undoSeconds ?? 0,
    record.handedBack?.seconds ?? 0,
    verdict.rtoSeconds ?? 0,
    verdict.clientRtoSeconds ?? 0,
    verdict.uriRtoSeconds ?? 0,
    stayedQuiet(record) ? record.watchSeconds : 0,
    probesSettled(record),
    ...record.announcements.map(({ seconds }) => seconds),
    ...(record.clients?.activity ?? []).map(({ acknowledged }) => acknowledged.at(-1) ?? 0),
  );
  return { start: -last * 0.05, end: last * 1.03 };
}

/** Names take what they need, as far as the lanes can spare it. */
function leftOf(names: readonly string[]): number {
  const widest = Math.max(...names.map((name) => widthOf(name, 13)));
  return Math.round(Math.min(Math.max(widest + 24 + edge / 2, 150), 250));
}

function headOf(record: DrillRecord, verdict: DrillVerdict) {
  const title = `${record.fault} on ${targetNames(record) || '?'}, formation ${record.formation}`;
  const room = width - 2 * edge;
  const titles = wrapped(title, { room, size: 16, bold: true }, 2);
  const messages = wrapped(verdict.message, { room, size: 12 }, 4);
  const messagesTop = 30 + titles.length * 20;
  const ink = verdict.outcome === 'pass' ? 'faint' : 'bad';
  return {
    title,
    bottom: messagesTop + messages.length * 16,
    parts: [
      ...titles.map((text, index) =>
        lettered('text', [edge, 30 + index * 20], text, { size: 16, bold: true }),
      ),
      ...messages.map((text, index) => lettered(ink, [edge, messagesTop + index * 16], text, { size: 12 })),
    ],
  };
}

/** What is held against the target, above the lanes. */
function figureFlags(record: DrillRecord, verdict: DrillVerdict, x: Scale, { end }: TimeRange): Flag[] {
  const { rtoSeconds, clientRtoSeconds } = verdict;
  const { rtoTargetSeconds, expected } = record;
  const flags: Flag[] = [];
  if (rtoSeconds !== undefined)
    flags.push({ x: x(rtoSeconds), label: `RTO ${rtoSeconds.toFixed(3)} s`, ink: 'text', pole: 'solid' });
  if (clientRtoSeconds !== undefined)
    flags.push({
      x: x(clientRtoSeconds),
      label: `client RTO ${clientRtoSeconds.toFixed(3)} s`,
      ink: 'successor',
      pole: 'solid',
    });
  if (verdict.uriRtoSeconds !== undefined)
    flags.push({
      x: x(verdict.uriRtoSeconds),
      label: `by client-uri ${verdict.uriRtoSeconds.toFixed(3)} s`,
      ink: 'successor',
      pole: 'dashed',
    });
  const both = bothOf(record, verdict);
  if (both !== undefined) flags.push({ x: x(both.to), label: both.label, ink: both.ink, pole: 'solid' });
  if (stayedQuiet(record))
    flags.push({
      x: x(record.watchSeconds),
      label: `no promotion in the ${record.watchSeconds} s watched`,
      ink: 'text',
      pole: 'solid',
    });
  else if (rtoSeconds === undefined && expected === 'failover' && lookedOut(record))
    flags.push({ x: x(end), label: 'no promotion', ink: 'bad', pole: 'none' });
  if (expected !== 'none' && expected !== 'outage' && !stayedQuiet(record)) {
    const inside = rtoTargetSeconds <= end;
    flags.push({
      x: x(rtoTargetSeconds),
      label: inside ? `target ${rtoTargetSeconds} s` : `target ${rtoTargetSeconds} s →`,
      ink: 'bad',
      pole: inside ? 'solid' : 'none',
    });
  }
  return flags;
}

/** What was done and came of it, below the lanes. */
function momentFlags(record: DrillRecord, x: Scale): Flag[] {
  const { fault, undoSeconds, settledSeconds, handedBack, primary, final } = record;
  const { end } = faultCatalogue[fault];
  const moments: [number | undefined, string][] = [
    [0, 'fault'],
    [end === '' ? undefined : undoSeconds, end],
    [handedBack?.seconds, shortenedToRoom(`role back at ${primary ?? 'the old primary'}`, 240, 12)],
    [settledSeconds, final?.outcome === 'pass' ? 'all healthy' : 'all converged'],
  ];
  return moments.flatMap(([at, label]) =>
    at === undefined ? [] : [{ x: x(at), label, ink: 'text', pole: 'dashed' } as const],
  );
}

interface Stretch {
  top: number;
  bottom: number;
}

/** Whether a promotion was due, and waited for. */
const waitedInVain = ({ expected, proof }: DrillRecord) => expected === 'failover' && proof !== undefined;

/** From the fault to what the drill waited for: the promotion, or the end of its watch. */
function shade(
  record: DrillRecord,
  verdict: DrillVerdict,
  x: Scale,
  { top, bottom, end }: Stretch & Pick<TimeRange, 'end'>,
) {
  const watched = stayedQuiet(record);
  if (verdict.rtoSeconds === undefined && !watched && !waitedInVain(record)) return '';
  const to = verdict.rtoSeconds ?? (watched ? record.watchSeconds : (record.undoSeconds ?? end));
  const y = top - 5;
  return rectangle(watched ? 'calm' : 'shade', {
    x: x(0),
    y,
    width: Math.max(1, x(to) - x(0)),
    height: bottom - y,
  });
}

interface Both {
  from: number;
  to: number;
  label: string;
  ink: Ink;
}

/** When both primaries took writes: an alarm where clients had them acknowledged, a doubt where only a witness wrote. */
function bothOf({ clients }: DrillRecord, verdict: DrillVerdict): Both | undefined {
  const { clientRtoSeconds: from, dualPrimarySeconds = 0 } = verdict;
  const lasted = Math.max(dualPrimarySeconds, clients?.ledger.overlapSeconds ?? 0);
  if (from === undefined || lasted <= 0) return undefined;
  const forClients = (clients?.ledger.overlap.count ?? 0) > 0;
  return {
    from,
    to: from + lasted,
    label: `${forClients ? 'two primaries' : 'old primary writable'} for ${lasted.toFixed(3)} s`,
    ink: forClients ? 'alarm' : 'doubt',
  };
}

function twoPrimaries(both: Both | undefined, x: Scale, { top, bottom }: Stretch): string {
  if (both === undefined) return '';
  const { from, to, label, ink } = both;
  const size = Math.max(3, x(to) - x(from));
  const bar = (y: number, height: number) => rectangle(ink, { x: x(from), y, width: size, height }, label);
  const veil = bar(top - 8, bottom - top + 8).replace('<rect ', '<rect fill-opacity="0.35" ');
  return `${veil}${bar(top - 8, 5)}${bar(bottom - 5, 5)}`;
}

function drawLane({ node, segments }: Lane, x: Scale, left: number, y: number): string {
  const name = shortenedInside(node, left - 24, 13);
  const title = name === node ? '' : node;
  return [
    lettered('text', [left - 12, y + laneHeight / 2 + 5], name, { size: 13, anchor: 'end', title }),
    ...segments.map((segment) => drawSegment(segment, x, y)),
  ].join('');
}

function drawSegment({ from, to, kind, label }: Segment, x: Scale, y: number): string {
  const size = Math.max(1, x(to) - x(from));
  const about = `${label}, ${from.toFixed(3)} s to ${to.toFixed(3)} s`;
  const text =
    size > widthOf(label, 12) + 14
      ? lettered('inside', [x(from) + 7, y + laneHeight / 2 + 4], label, { size: 12 })
      : '';
  return `${rectangle(kind, { x: x(from), y, width: size, height: laneHeight }, about)}${text}`;
}

function legendOf(record: DrillRecord, lanes: readonly Lane[], outage: Outage | undefined): LegendEntry[] {
  const kinds = new Set(lanes.flatMap(({ segments }) => segments.map(({ kind }) => kind)));
  const states = [
    ['primary', 'primary'],
    [
      'standby',
      targetsOf(record).some(({ role }) => role === 'monitor') ? 'standby, or in order' : 'standby',
    ],
    ['changing', 'changing its state'],
    ['down', `under the fault: ${faultCatalogue[record.fault].state}`],
  ] as const;
  const entries: LegendEntry[] = states
    .filter(([kind]) => kinds.has(kind))
    .map(([ink, label]) => ({ ink, label }));
  if (stayedQuiet(record)) entries.push({ ink: 'calm', label: 'watched' });
  else if (record.promotion !== undefined) entries.push({ ink: 'shade', label: 'fault to promotion' });
  else if (waitedInVain(record)) entries.push({ ink: 'shade', label: 'waited for a promotion' });
  if (outage !== undefined) entries.push({ ink: 'outage', label: 'no acknowledged write' });
  return [...entries, ...probeLegend(record)];
}
