import { onOneLine } from '../contract/errors.ts';
import { mostOfText, shortened } from '../contract/size.ts';

/** A table as data: every row has as many cells as there are headings. */
export interface Table {
  headings: string[];
  rows: string[][];
}

/** The table without the columns in which no row has anything. */
export function withoutEmptyColumns({ headings, rows }: Table): Table {
  const kept = headings.map((_, column) => rows.some((row) => (row[column] ?? '') !== ''));
  const only = (cells: string[]) => cells.filter((_, column) => kept[column]);
  return { headings: only(headings), rows: rows.map(only) };
}

/** Every cell of a log's column is as wide as its widest. */
const mostOfCell = 400;

/** Aligned columns for a log, one line a row, the last column unpadded. */
export function textTable(table: Table): string[] {
  const headings = table.headings.map(shown);
  const rows = table.rows.map((row) => row.map(shown));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(headings), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}

/** What was read from a server must not start a line of the log: runners take `::` there for a command. */
const shown = (cell: string) => onOneLine(shortened(cell, mostOfCell), ' ');

/** The same table in Markdown; cells are escaped, so that nothing read from a server becomes markup. */
export function markdownTable({ headings, rows }: Table): string {
  const line = (cells: string[]) => `| ${cells.map(escapeMarkdown).join(' | ')} |`;
  return [line(headings), `|${headings.map(() => ' --- |').join('')}`, ...rows.map(line)].join('\n');
}

/** Plain text as Markdown that shows it literally on one line. */
export function escapeMarkdown(text: string): string {
  const escaped = shortened(text, mostOfText)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\\`*_[\]|~]/g, '\\$&');
  return onOneLine(escaped, ' ');
}

/** What stays on one line in HTML: figures, states, names. */
const shortCell = 18;

/** The same table in HTML; cells are escaped. */
export function htmlTable({ headings, rows }: Table): string {
  const cell = (text: string) =>
    `<td${text.length > shortCell ? '' : ' class="short"'}>${escapeHtml(text)}</td>`;
  const head = headings.map((heading) => `<th>${escapeHtml(heading)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n');
  return `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}

/** Plain text as HTML or XML that shows it literally, in text and in attributes. */
export function escapeHtml(text: string, most = mostOfText): string {
  return shortened(text, most)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
