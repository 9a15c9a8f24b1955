/** Bounds of what is told: a server's text may be of any size, and what we make of it has an end all the same. */

/** Of one text in a report, a table or a log: more than any sentence of ours has. */
export const mostOfText = 4000;
/** Of a verdict, in one output: 1000 with what tells of the rest. */
export const mostOfMessage = 960;
/** Of a reason that is kept for each write of a run. */
export const mostOfReason = 1000;

/** Of each of so many verdicts in one output. */
export const mostOfEach = (count: number) =>
  Math.max(100, Math.min(mostOfMessage, Math.floor(100_000 / Math.max(1, count))));

/** What tells of the rest takes no more characters than that; a rest that is shorter is told itself. */
const note = 40;

/** The text, or its first `most` characters and how many more there are. Never half of a pair. */
export function shortened(text: string, most: number): string {
  if (text.length <= most + note) return text;
  const head = text.slice(0, most).replace(/[\ud800-\udbff]$/, '');
  return `${head}… (${text.length - head.length} more characters)`;
}

const unfolded = '</details>';
/** Sections of ours are folded in one another no deeper. */
const deepest = 10;

/**
 * Markdown of no more than `mostBytes` bytes (UTF-8), cut after a line: with what was folded in it closed, and a note on
 * where the rest is.
 */
export function shortenedMarkdown(text: string, mostBytes: number, where: string): string {
  if (Buffer.byteLength(text) <= mostBytes) return text;
  const room = mostBytes - Buffer.byteLength(where) - deepest * (unfolded.length + 1) - 10;
  const kept: string[] = [];
  let bytes = 0;
  let open = 0;
  for (const line of text.split('\n')) {
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > room) break;
    open += line.split('<details').length - line.split(unfolded).length;
    kept.push(line);
  }
  const closing = Array<string>(Math.min(Math.max(0, open), deepest)).fill(unfolded);
  return [...kept, ...closing, '', `_${where}_`, ''].join('\n');
}
