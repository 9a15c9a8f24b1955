import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messageOf } from '../../../src/contract/errors.ts';
import { shortened, shortenedMarkdown } from '../../../src/contract/size.ts';
import { escapeMarkdown, htmlTable, markdownTable, textTable } from '../../../src/report/table.ts';
import { escapeXml } from '../../../src/report/xml.ts';

const huge = 'ERROR: &<|x'.repeat(150_000);

/** No half of a character. */
const isWhole = (text: string) => Buffer.from(text).toString() === text;

describe('a text of any size', () => {
  it('is left alone where it fits, and never longer than it may be', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 200 }),
        fc.integer({ min: 40, max: 150 }),
        (text, most) => {
          const told = shortened(text, most);
          expect(told.length).toBeLessThanOrEqual(most + 40);
          if (text.length <= most + 40) expect(told).toBe(text);
          else expect(told).toMatch(/^[\s\S]*… \(\d+ more characters\)$/);
          if (isWhole(text)) expect(isWhole(told)).toBe(true);
        },
      ),
    );
  });

  it('has an end in an error, a table, Markdown, HTML and XML', () => {
    expect(messageOf(new Error(huge)).length).toBeLessThanOrEqual(4040);
    expect(messageOf(`${huge}\n${huge}`).length).toBeLessThanOrEqual(4040);
    const table = {
      headings: ['node', 'why'],
      rows: [
        ['beta', huge],
        ['alpha', 'no'],
        [huge, 'no'],
      ],
    };
    for (const line of textTable(table)) expect(line.length).toBeLessThan(1000);
    for (const told of [escapeMarkdown(huge), escapeXml(huge), markdownTable(table), htmlTable(table)])
      expect(told.length).toBeLessThan(40_000);
  });
});

describe('Markdown of any size', () => {
  const lines = Array.from({ length: 5000 }, (_, index) => `| ${index} | é |`);
  const folded = ['### Head', '<details><summary>one</summary>', ...lines, '</details>', 'end'].join('\n');

  it('is cut after a line, with what was open closed, and says where the rest is', () => {
    const told = shortenedMarkdown(folded, 10_000, 'The rest is in the report');
    expect(Buffer.byteLength(told)).toBeLessThanOrEqual(10_000);
    expect(Buffer.byteLength(told)).toBeGreaterThan(9000);
    const [, kept = ''] =
      /<\/summary>\n([\s\S]*)\n<\/details>\n\n_The rest is in the report_\n$/.exec(told) ?? [];
    expect(kept.split('\n')).toEqual(lines.slice(0, kept.split('\n').length));
  });

  it('is left alone where it fits', () => {
    expect(shortenedMarkdown(folded, 1_000_000, 'note')).toBe(folded);
  });

  it('of one endless line is the note alone', () => {
    expect(shortenedMarkdown('x'.repeat(2_000_000), 10_000, 'The rest is in the report').trim()).toBe(
      '_The rest is in the report_',
    );
  });
});
