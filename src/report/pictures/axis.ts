import { lettered, line } from './svg.ts';

/** Seconds to the picture's units. */
export type Scale = (seconds: number) => number;

export interface TimeRange {
  start: number;
  end: number;
}

/** Seconds from start to end on a stretch of the picture; what lies beyond is drawn at its edge. */
export function scaleOf({ start, end }: TimeRange, left: number, right: number): Scale {
  return (seconds) =>
    left + ((Math.min(Math.max(seconds, start), end) - start) / (end - start)) * (right - left);
}

/** Marks at round seconds, at most a dozen, under a line; 40 units high. */
export function axis(x: Scale, { start, end }: TimeRange, y: number, what: string): string[] {
  const step =
    [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200].find(
      (candidate) => (end - start) / candidate <= 12,
    ) ?? 86_400 * Math.ceil((end - start) / 12 / 86_400);
  const marks: string[] = [];
  for (let index = Math.ceil(start / step); index * step <= end; index++) {
    const at = Number((index * step).toFixed(1));
    marks.push(
      line('faint', [x(at), y], [x(at), y + 6]),
      lettered('faint', [x(at), y + 20], String(at), { size: 12, anchor: 'middle' }),
    );
  }
  return [
    line('faint', [x(start), y], [x(end), y]),
    ...marks,
    lettered('faint', [x(end), y + 38], what, { size: 12, anchor: 'end' }),
  ];
}
