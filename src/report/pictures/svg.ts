import { escapeXml } from '../xml.ts';

/**
 * The parts of our pictures. Colours are attributes, so that a page that forbids styles still shows them; the one
 * style sheet only has what the dark scheme changes.
 */

/** Light and dark. */
const inks = {
  paper: ['#ffffff', '#0d1117'],
  track: ['#f0f2f5', '#1c2128'],
  text: ['#1f2328', '#e6edf3'],
  faint: ['#59636e', '#9198a1'],
  inside: ['#ffffff', '#ffffff'],
  primary: ['#1a7f37', '#238636'],
  standby: ['#0969da', '#1f6feb'],
  changing: ['#9a6700', '#9e6a03'],
  down: ['#57606a', '#6e7681'],
  /** The writes that another node than the old primary acknowledged. */
  successor: ['#0a7ea4', '#39c5cf'],
  doubt: ['#bc4c00', '#f0883e'],
  bad: ['#b3261e', '#ff7b72'],
  /** Upon `bad`, which is light in the dark. */
  onBad: ['#ffffff', '#0d1117'],
  /** A probe with good answers. */
  holds: ['#4c9a6a', '#3fb976'],
  shade: ['#f4d9d7', '#43211f'],
  outage: ['#fbe3c4', '#4a3312'],
  calm: ['#dcebfb', '#16304f'],
  alarm: ['#d1007a', '#ff4fb0'],
} as const satisfies Record<string, readonly [string, string]>;

export type Ink = keyof typeof inks;

const fill = (ink: Ink) => `class="pgha-${ink}" fill="${inks[ink][0]}"`;
const stroke = (ink: Ink) => `class="pgha-${ink}-line" stroke="${inks[ink][0]}"`;

const style = `<style>@media (prefers-color-scheme:dark){${Object.entries(inks)
  .filter(([, [light, dark]]) => light !== dark)
  .map(([ink, [, dark]]) => `.pgha-${ink}{fill:${dark}}.pgha-${ink}-line{stroke:${dark}}`)
  .join('')}}</style>`;

/** A tenth of a unit is finer than any screen. */
const n = (value: number) => String(Math.round(value * 10) / 10);

const tip = (text: string) => (text === '' ? '' : `<title>${escapeXml(text)}</title>`);

export function rectangle(
  ink: Ink,
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
  title = '',
): string {
  const shape = `<rect ${fill(ink)} x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}"`;
  return title === '' ? `${shape}/>` : `${shape}>${tip(title)}</rect>`;
}

/** Across, and down from the top. */
export type Point = readonly [x: number, y: number];

export interface Lettering {
  size: number;
  bold?: boolean;
  anchor?: 'start' | 'middle' | 'end';
  title?: string;
}

export function lettered(
  ink: Ink,
  [x, y]: Point,
  content: string,
  { size, bold = false, anchor = 'start', title = '' }: Lettering,
): string {
  const weight = bold ? ' font-weight="600"' : '';
  const anchored = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text ${fill(ink)} x="${n(x)}" y="${n(y)}" font-size="${size}"${weight}${anchored}>${tip(title)}${escapeXml(content)}</text>`;
}

export function line(
  ink: Ink,
  from: Point,
  to: Point,
  { width = 1, dashed = false }: { width?: number; dashed?: boolean } = {},
): string {
  const dashes = dashed ? ' stroke-dasharray="3 3"' : '';
  return `<line ${stroke(ink)} stroke-width="${width}"${dashes} x1="${n(from[0])}" y1="${n(from[1])}" x2="${n(to[0])}" y2="${n(to[1])}"/>`;
}

/** @param outline whether the path is drawn as a line, and how wide */
export function path(
  ink: Ink,
  d: string,
  { outline, title = '' }: { outline?: number; title?: string } = {},
) {
  const how = outline === undefined ? fill(ink) : `${stroke(ink)} stroke-width="${outline}" fill="none"`;
  return `<path ${how} d="${d}"${title === '' ? '/>' : `>${tip(title)}</path>`}`;
}

export function disc(ink: Ink, [x, y]: Point, radius: number, title: string): string {
  return `<circle ${fill(ink)} cx="${n(x)}" cy="${n(y)}" r="${n(radius)}">${tip(title)}</circle>`;
}

/** Many narrow marks in a row as one path: those that touch are drawn as one. */
export function ticks(
  ink: Ink,
  at: readonly number[],
  thickness: number,
  { y, height }: { y: number; height: number },
): string {
  const places = [...new Set(at.map((x) => Math.round(x * 2) / 2))].sort((one, other) => one - other);
  const runs: [from: number, to: number][] = [];
  for (const place of places) {
    const last = runs.at(-1);
    if (last && place <= last[1]) last[1] = place + thickness;
    else runs.push([place, place + thickness]);
  }
  if (runs.length === 0) return '';
  const drawn = runs.map(([from, to]) => `M${from} ${n(y)}h${n(to - from)}v${n(height)}h${n(from - to)}z`);
  return path(ink, drawn.join(''));
}

/** The whole picture, self-contained, on its own paper. @param about what it says, for who cannot see it */
export function picture(width: number, height: number, about: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${n(height)}" role="img" font-family="ui-sans-serif, system-ui, sans-serif">`,
    tip(about),
    style,
    rectangle('paper', { x: 0, y: 0, width, height }),
    ...parts.filter((part) => part !== ''),
    '</svg>\n',
  ].join('\n');
}
