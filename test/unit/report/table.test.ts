import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeMarkdown, markdownTable, textTable } from '../../../src/report/table.ts';

/** The cells of a Markdown row as a reader of GitHub's dialect splits them: at every unescaped bar. */
function cellsOf(row: string): string[] {
  const cells = [''];
  for (let at = 1; at < row.length - 1; at++) {
    if (row[at] === '|') cells.push('');
    else {
      const piece = row[at] === '\\' ? row.slice(at, ++at + 1) : row[at];
      cells[cells.length - 1] += piece ?? '';
    }
  }
  return cells.map((cell) => cell.trim());
}

/** What a cell shows: escapes and entities resolved. */
const shown = (cell: string) =>
  cell
    .replace(/\\([\\`*_[\]|~])/g, '$1')
    .replaceAll('&lt;', '<')
    .replaceAll('&amp;', '&');

const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '|',
        '\\',
        '`',
        '*',
        '_',
        '<script>',
        '<!--',
        '&lt;',
        '\n',
        '\r\n',
        '\r',
        '~~',
        '[a](b)',
        '---',
      ),
      fc.string({ maxLength: 4 }),
    ),
    { maxLength: 6 },
  )
  .map((pieces) => pieces.join(''));
const tables = fc.integer({ min: 1, max: 4 }).chain((width) => {
  const row = fc.array(hostile, { minLength: width, maxLength: width });
  return fc.record({ headings: row, rows: fc.array(row, { maxLength: 4 }) });
});
const onOneLine = (text: string) => text.replace(/\s*[\r\n]\s*/g, ' ').trim();

describe('a Markdown table', () => {
  it('is a line for the headings, one below, and one for each row', () => {
    expect(
      markdownTable({
        headings: ['node', 'state'],
        rows: [
          ['a', 'primary'],
          ['b', ''],
        ],
      }),
    ).toBe('| node | state |\n| --- | --- |\n| a | primary |\n| b |  |');
  });

  it('keeps its shape and shows its cells literally, whatever they hold', () => {
    fc.assert(
      fc.property(tables, ({ headings, rows }) => {
        const lines = markdownTable({ headings, rows }).split(/\r\n|\r|\n/);
        expect(lines).toHaveLength(rows.length + 2);
        for (const [index, row] of rows.entries()) {
          const cells = cellsOf(lines[index + 2] ?? '');
          expect(cells).toHaveLength(headings.length);
          expect(cells.map(shown).map(onOneLine)).toEqual(row.map(onOneLine));
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['a bar', 'a|b', 'a\\|b'],
    ['a bar behind a backslash', 'a\\|b', 'a\\\\\\|b'],
    ['markup of the page', '<script>alert(1)</script>', '&lt;script>alert(1)&lt;/script>'],
    ['an entity', '&lt;', '&amp;lt;'],
    ['code', '`rm -rf`', '\\`rm -rf\\`'],
    ['a link', '[x](http://y)', '\\[x\\](http://y)'],
    ['bold', '**x**', '\\*\\*x\\*\\*'],
    ['lines', 'a\r\n  b\nc', 'a b c'],
    ['a carriage return alone, which ends a line in Markdown as well', 'a\rb', 'a b'],
  ])('escapes %s', (_, text, escaped) => {
    expect(escapeMarkdown(text)).toBe(escaped);
  });
});

describe('a table in the log', () => {
  it('has aligned columns and no blanks at the end', () => {
    expect(
      textTable({
        headings: ['node', 'state'],
        rows: [
          ['pgaf-primary', 'primary'],
          ['b', ''],
        ],
      }),
    ).toEqual(['node          state', '------------  -------', 'pgaf-primary  primary', 'b']);
  });

  it('has its headings where it has no rows', () => {
    expect(textTable({ headings: ['a', 'b'], rows: [] })).toEqual(['a  b', '-  -']);
  });

  it('is one line a row, whatever the cells hold: no cell starts a line of its own, or a command of the runner', () => {
    fc.assert(
      fc.property(tables, (table) => {
        const lines = textTable(table);
        expect(lines).toHaveLength(table.rows.length + 2);
        for (const line of lines) expect(line).not.toMatch(/[\r\n]/);
      }),
    );
  });
});
