import { widthOf } from './lettering.ts';
import { type Ink, lettered, rectangle } from './svg.ts';

export interface LegendEntry {
  ink: Ink;
  label: string;
  /** Drawn in the place of the patch of colour, around that point. */
  sign?: (x: number, y: number) => string;
}

const size = 12;
const lineHeight = 20;

/** What the colours mean, in as many lines as it takes. */
export function legend(entries: readonly LegendEntry[], left: number, top: number, room: number) {
  let [x, row] = [0, 0];
  const parts = entries.map(({ ink, label, sign }) => {
    const taken = 18 + widthOf(label, size) + 22;
    if (x > 0 && x + taken > room) [x, row] = [0, row + 1];
    const y = top + row * lineHeight;
    const patch =
      sign?.(left + x + 6, y - 4) ?? rectangle(ink, { x: left + x, y: y - 10, width: 12, height: 12 });
    const drawn = `${patch}${lettered('faint', [left + x + 18, y], label, { size })}`;
    x += taken;
    return drawn;
  });
  return { parts, height: entries.length === 0 ? 0 : (row + 1) * lineHeight };
}
