/**
 * How much room text takes in a picture. A picture names no font of its own, so widths are those of DejaVu Sans, the
 * widest that readers are likely to have: what fits by it fits anywhere.
 */

const narrow = /[ijlI.,:;'|! ]/;
const slim = /[ftr()[\]{}/\-"`]/;
const wide = /[mMW@%]/;
const broad = /[wA-Z&_+=<>~#]/;

/** In hundredths of the font's size: whole numbers add up to the same in any order. */
function advance(character: string): number {
  if (narrow.test(character)) return 34;
  if (slim.test(character)) return 44;
  if (wide.test(character)) return 99;
  if (broad.test(character)) return 82;
  return character <= '\u024f' ? 64 : 105;
}

/**
 * @param size of the font, in the picture's units
 * @returns the width of one line, in the same
 */
export function widthOf(text: string, size: number, bold = false): number {
  let sum = 0;
  for (const character of text) sum += advance(character);
  return scaled(sum, size, bold);
}

const scaled = (hundredths: number, size: number, bold: boolean) =>
  (hundredths * size * (bold ? 1.12 : 1)) / 100;

/** The text as it is where it fits, or with its middle left out: names differ at their ends. */
export function shortenedInside(text: string, room: number, size: number): string {
  if (widthOf(text, size) <= room) return text;
  const characters = [...text];
  for (let kept = characters.length - 1; kept > 1; kept--) {
    const head = Math.ceil(kept / 2);
    const short = `${characters.slice(0, head).join('')}…${characters.slice(characters.length - (kept - head)).join('')}`;
    if (widthOf(short, size) <= room) return short;
  }
  return '…';
}

/** The text as it is where it fits, or as much of its beginning as does. */
export function shortenedToRoom(text: string, room: number, size: number, bold = false): string {
  if (widthOf(text, size, bold) <= room) return text;
  const characters = [...text];
  let sum = advance('…');
  let kept = 0;
  for (const character of characters) {
    sum += advance(character);
    if (scaled(sum, size, bold) > room) break;
    kept++;
  }
  return `${characters.slice(0, kept).join('').trimEnd()}…`;
}

/** Lines that fit, at most so many: the last is shortened where the text goes on. */
export function wrapped(
  text: string,
  { room, size, bold = false }: { room: number; size: number; bold?: boolean },
  most: number,
): string[] {
  const lines: string[] = [];
  let rest = text.trim().replaceAll(/\s+/g, ' ');
  while (rest !== '' && lines.length < most) {
    if (lines.length === most - 1 || widthOf(rest, size, bold) <= room) {
      lines.push(shortenedToRoom(rest, room, size, bold));
      break;
    }
    const line = fitting(rest, room, size, bold);
    lines.push(line);
    rest = rest.slice(line.length).trimStart();
  }
  return lines;
}

/** As many whole words as fit; of a word that is too long by itself, as many characters. */
function fitting(text: string, room: number, size: number, bold: boolean): string {
  let [end, width, atWord] = [0, 0, 0];
  for (const character of text) {
    if (character === ' ') atWord = end;
    width += widthOf(character, size, bold);
    if (width > room) break;
    end += character.length;
  }
  return text.slice(0, atWord > 0 ? atWord : Math.max(end, 1));
}
