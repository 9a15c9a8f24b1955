import type { DrillRecord, RecordedAnnouncement } from '../../drill/record.ts';
import { targetsOf } from '../../drill/verdict/targets.ts';
import { faultCatalogue } from '../../faults/catalogue.ts';
import type { TimeRange } from './axis.ts';

/** A stretch of time in which a node was in one state. */
export interface Segment {
  /** Seconds since the fault. */
  from: number;
  to: number;
  kind: 'primary' | 'standby' | 'changing' | 'down';
  label: string;
}

export interface Lane {
  node: string;
  segments: Segment[];
}

/** What each node was in from start to end, as the monitor announced it; the fault's targets first. Pure. */
export function lanesOf(record: DrillRecord, range: TimeRange): Lane[] {
  const { announcements, baseline, primary, promotion } = record;
  const targets = targetsOf(record).map(({ container }) => container);
  const known = [
    ...announcements.map(({ node }) => node),
    ...targets,
    ...[primary, promotion?.node].filter((node) => node !== undefined),
    ...(baseline?.standbys ?? []),
  ];
  return [...new Set(known)]
    .sort((one, other) => Number(targets.includes(other)) - Number(targets.includes(one)))
    .map((node) => ({ node, segments: segmentsOf(node, record, range) }));
}

function segmentsOf(node: string, record: DrillRecord, { start, end }: TimeRange): Segment[] {
  const { state } = faultCatalogue[record.fault];
  const target = targetsOf(record).find(({ container }) => container === node);
  if (target?.role === 'monitor') return monitorsOwn(state, record, { start, end });
  const heard = record.announcements.filter((announced) => announced.node === node);
  const looks = heard.map((announced, index) => ({
    from: index === 0 && announced.seconds <= 0 ? start : announced.seconds,
    ...look(announced),
  }));
  if ((looks[0]?.from ?? 1) > start) looks.unshift({ from: start, ...atFirst(node, record) });
  const segments: Segment[] = [];
  for (const [index, each] of looks.entries()) {
    const to = looks[index + 1]?.from ?? end;
    const previous = segments.at(-1);
    if (previous?.kind === each.kind && previous.label === each.label) previous.to = to;
    else if (to > start) segments.push({ ...each, from: Math.max(each.from, start), to });
  }
  return target !== undefined && state !== '' ? withFault(segments, state, heard, record) : segments;
}

/** Nothing was announced of it before the fault: it was what the baseline says. */
function atFirst(node: string, { primary, baseline }: DrillRecord): Pick<Segment, 'kind' | 'label'> {
  if (node === primary) return { kind: 'primary', label: 'primary' };
  if (baseline?.standbys.includes(node)) return { kind: 'standby', label: 'secondary' };
  return { kind: 'changing', label: 'not heard of' };
}

/** The monitor announces nothing of itself. */
function monitorsOwn(
  state: string,
  { undoSeconds, settledSeconds }: DrillRecord,
  { start, end }: TimeRange,
): Segment[] {
  const back = undoSeconds ?? end;
  const well = settledSeconds ?? end;
  const all: Segment[] = [
    { from: start, to: 0, kind: 'standby', label: 'running' },
    { from: 0, to: back, kind: 'down', label: state },
    { from: back, to: well, kind: 'changing', label: 'coming back' },
    { from: well, to: end, kind: 'standby', label: 'running' },
  ];
  return all.filter(({ from, to }) => to > from);
}

/** While its fault lasts the monitor may keep the target's last report: what the drill did to it is what holds. */
function withFault(
  segments: readonly Segment[],
  state: string,
  heard: readonly RecordedAnnouncement[],
  { undoSeconds = Number.POSITIVE_INFINITY }: DrillRecord,
): Segment[] {
  const end = segments.at(-1)?.to ?? 0;
  const back = heard.find(({ seconds }) => seconds > undoSeconds)?.seconds ?? undoSeconds;
  const down: Segment = { from: 0, to: Math.min(back, end), kind: 'down', label: state };
  const before = segments
    .filter(({ from }) => from < 0)
    .map((segment) => ({ ...segment, to: Math.min(segment.to, 0) }));
  const after = segments
    .filter(({ to }) => to > down.to)
    .map((segment) => ({ ...segment, from: Math.max(segment.from, down.to) }));
  return [...before, down, ...after];
}

function look({ reportedState, goalState }: RecordedAnnouncement): Pick<Segment, 'kind' | 'label'> {
  if (reportedState !== goalState) return { kind: 'changing', label: `→ ${goalState}` };
  if (['primary', 'wait_primary', 'single'].includes(reportedState))
    return { kind: 'primary', label: reportedState };
  if (reportedState === 'secondary') return { kind: 'standby', label: reportedState };
  return { kind: 'changing', label: reportedState };
}
