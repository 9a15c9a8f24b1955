import type { DrillRecord } from '../../drill/record.ts';
import { probeOutages } from '../../probes/outages.ts';
import type { ProbeRecord, Stretch } from '../../probes/record.ts';
import type { Scale, TimeRange } from './axis.ts';
import type { LegendEntry } from './legend.ts';
import { shortenedInside, widthOf } from './lettering.ts';
import { type Ink, lettered, rectangle } from './svg.ts';

const rowHeight = 15;
const rowGap = 6;
const captionHeight = 22;
const size = 12;
const caption = 'probes, by what their services answered';

/** Names at the left of the lanes, for the room that they take. */
export const probeNames = ({ probes = [] }: DrillRecord): string[] => probes.map(({ name }) => name);

export const probesHeight = ({ probes = [] }: DrillRecord): number =>
  probes.length === 0 ? 0 : captionHeight + probes.length * (rowHeight + rowGap);

/** When the last of the probes began to be what it was in the end. Seconds since the fault. */
export const probesSettled = ({ probes = [] }: DrillRecord): number =>
  Math.max(0, ...probes.map(({ stretches }) => stretches.at(-1)?.toldSeconds ?? 0));

/** How much of a lane's height, so that it does not take a colour to tell them apart. */
const looks: Readonly<Record<Stretch['state'], { ink: Ink; height: number; label: string }>> = {
  good: { ink: 'holds', height: 5, label: 'good answers' },
  broken: { ink: 'bad', height: rowHeight, label: 'broken' },
  unknown: { ink: 'doubt', height: 9, label: 'unknown: this runner itself did not run' },
};

interface Place {
  top: number;
  left: number;
}

/** What lies under the poles that cross the lanes. */
export function probeGround(
  { probes = [] }: DrillRecord,
  x: Scale,
  top: number,
  { start, end }: TimeRange,
): string[] {
  return probes.map((_, index) =>
    rectangle('track', { x: x(start), y: laneTop(top, index), width: x(end) - x(start), height: rowHeight }),
  );
}

const laneTop = (top: number, index: number) => top + captionHeight + index * (rowHeight + rowGap);

/** A lane for each probe: from one look to the next that came to something else there is nothing, as nothing is known. */
export function probeLanes(record: DrillRecord, x: Scale, { top, left }: Place, range: TimeRange): string[] {
  const { probes = [] } = record;
  if (probes.length === 0) return [];
  const room = widthOf(caption, size) + 4;
  return [
    rectangle('paper', { x: left, y: top + 1, width: room, height: 14 }),
    lettered('faint', [left, top + 12], caption, { size }),
    ...probes.map((probe, index) => lane(probe, x, { left, top: laneTop(top, index) }, range)),
  ];
}

function lane(probe: ProbeRecord, x: Scale, { left, top }: Place, { start, end }: TimeRange): string {
  const shown = shortenedInside(probe.name, left - 24, size);
  const seen = probe.stretches.filter(
    ({ askedSeconds, lastToldSeconds }) => lastToldSeconds >= start && askedSeconds <= end,
  );
  return [
    lettered('faint', [left - 12, top + 12], shown, {
      size,
      anchor: 'end',
      title: shown === probe.name ? '' : probe.name,
    }),
    ...seen.map((stretch) => bar(stretch, x, top)),
    ...lengths(probe, x, top, { start, end }),
  ].join('');
}

function bar(
  { state, askedSeconds, toldSeconds, lastToldSeconds, why }: Stretch,
  x: Scale,
  top: number,
): string {
  const { ink, height, label } = looks[state];
  // A good answer that was long in coming says nothing of the time before it.
  const begin = state === 'good' ? toldSeconds : askedSeconds;
  const about = `${label}, ${begin.toFixed(3)} s to ${lastToldSeconds.toFixed(3)} s${why === undefined ? '' : `: ${why}`}`;
  const from = x(begin);
  return rectangle(
    ink,
    { x: from, y: top + (rowHeight - height) / 2, width: Math.max(1.5, x(lastToldSeconds) - from), height },
    about,
  );
}

/** How long each outage was, on what is red of it, where there is room. */
function lengths(probe: ProbeRecord, x: Scale, top: number, { end }: TimeRange): string[] {
  return probeOutages(probe).flatMap(({ from = 0, to = end, seconds }) => {
    if (seconds === undefined) return [];
    const label = `${seconds.toFixed(3)} s`;
    const broken = probe.stretches.find(
      ({ state, askedSeconds, lastToldSeconds }) =>
        state === 'broken' &&
        askedSeconds >= from &&
        lastToldSeconds <= to &&
        x(lastToldSeconds) - x(askedSeconds) > widthOf(label, 11) + 8,
    );
    return broken === undefined
      ? []
      : [lettered('onBad', [x(broken.askedSeconds) + 4, top + 11], label, { size: 11 })];
  });
}

/** What the lanes' colours mean, as far as they are there. */
export function probeLegend({ probes = [] }: DrillRecord): LegendEntry[] {
  const states = new Set(probes.flatMap(({ stretches }) => stretches.map(({ state }) => state)));
  return (['good', 'broken', 'unknown'] as const)
    .filter((state) => states.has(state))
    .map((state) => ({
      ink: looks[state].ink,
      label: `probe: ${looks[state].label}`,
    }));
}
