import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readTextMap } from '../../../src/formation/file/yaml.ts';
import { expectSentences } from '../refusal.ts';

const textsOf = (yaml: string) =>
  Object.fromEntries([...readTextMap(yaml).entries].map(([name, { text }]) => [name, text]));

describe('a map of texts', () => {
  it('is read with its lines', () => {
    const { entries, errors } = readTextMap('# by hand\na: one\n"b c": |\n  two\n  lines\n');
    expect(errors).toEqual([]);
    expect([...entries]).toEqual([
      ['a', { text: 'one', line: 2 }],
      ['b c', { text: 'two\nlines\n', line: 3 }],
    ]);
  });

  it('holds texts as they stand, whatever YAML could take them for', () => {
    expect(textsOf('a: 00123\nb: true\nc: 1e3\nd: ~\ne: 2024-01-01\nf:\n<<: x\n')).toEqual({
      a: '00123',
      b: 'true',
      c: '1e3',
      d: '~',
      e: '2024-01-01',
      f: '',
      '<<': 'x',
    });
  });

  it.each([
    ['an empty text', ''],
    ['comments alone', '# nothing yet\n'],
    ['an empty map', '{}'],
  ])('may be empty: %s', (_, yaml) => {
    expect(readTextMap(yaml)).toEqual({ entries: new Map(), errors: [] });
  });

  it.each([
    ['a word', 'hunter2', /^must be a map of names$/],
    ['a list', '- hunter2', /^must be a map of names$/],
    ['a map in it', 'a: x\nb:\n  c: hunter2', /^line 2: must be a text; put a text that holds/],
    ['a list in it', 'b: [hunter2]', /^line 1: must be a text/],
    ['an alias', 'a: x\nb: *hunter2', /^line 2: must be a text/],
    ['an anchor in the way', 'b: &hunter2', /^line 1: holds a YAML comment or anchor; .* in quotes/],
    ['a comment in the way', 'b: some #hunter2', /^line 1: holds a YAML comment or anchor; .* in quotes/],
    ['a tag in the way', 'b: !hunter2 x', /^line 1: not valid YAML/],
    ['a reserved character', 'a: x\nb: @hunter2', /^line 2: not valid YAML; .* in quotes/],
    ['a colon in the way', 'b: hunter2: x', /^line 1: not valid YAML/],
    ['quotes that do not end', 'b: "hunter2', /^line 1: not valid YAML/],
    ['a name twice', 'hunter2: x\nb: y\nhunter2: z', /^line 3: repeats a name/],
    ['a name that is a map', '? {hunter2: x}\n: y', /^line 1: must be a map of names/],
    ['two documents', 'a: hunter2\n---\nb: hunter2', /^line 2: not valid YAML/],
    ['a deep nest', `hunter2: ${'['.repeat(10_000)}`, /^is nested too deeply; at most 50 levels/],
    ['a large text', `a: ${'hunter2'.repeat(40_000)}`, /^280003 bytes; at most 262144 are read/],
  ])('is refused with the line, and without its text: %s', (_, yaml, expected) => {
    const { errors } = readTextMap(yaml);
    expectSentences(errors);
    expect(errors.join('\n')).toMatch(expected);
    expect(errors.join('\n')).not.toContain('hunter2');
  });

  it('is read beside what cannot be read', () => {
    const { entries, errors } = readTextMap('a: one\nb: [x]\nc: three\n');
    expect([...entries.keys()]).toEqual(['a', 'c']);
    expect(errors).toHaveLength(1);
  });

  it('gives back every text, quoted', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), fc.string({ unit: 'grapheme' })),
        (map) => {
          expect(textsOf(JSON.stringify(map))).toEqual(map);
          expect(textsOf(stringify(map, { defaultStringType: 'QUOTE_DOUBLE' }))).toEqual(map);
        },
      ),
    );
  });

  it('never fails otherwise, and never repeats what it was given', () => {
    const piece = fc.constantFrom(
      'k',
      ': ',
      '\n',
      ' ',
      '*',
      '&',
      '!',
      '"',
      "'",
      '|',
      '>',
      '{',
      '[',
      '#',
      '%',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const { errors } = readTextMap(`Qx${pieces.join('')}Qx`);
        if (errors.length > 0) expectSentences(errors);
        expect(errors.join('\n')).not.toContain('Qx');
      }),
    );
  });
});
