import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFileCommands, parseWorkflowLine, withoutCommands } from '../../../src/runner/file-commands.ts';

/** As @actions/core writes to GITHUB_OUTPUT and GITHUB_STATE. */
const written = (name: string, value: string) =>
  `${name}<<ghadelimiter_0b1c2d3e\n${value}\nghadelimiter_0b1c2d3e\n`;

/** As @actions/core escapes the text of a workflow command. */
const escaped = (text: string) => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

describe("the files behind a runner's outputs and state", () => {
  it('hold values of several lines, empty ones, and ones with signs of the format itself', () => {
    const text =
      written('report', '/tmp/x.json') +
      written('message', 'line 1\nline 2') +
      written('rto-seconds', '') +
      written('formation-uri', 'postgres://a/b?x=y&z<<w');
    expect([...parseFileCommands(text)]).toEqual([
      ['report', '/tmp/x.json'],
      ['message', 'line 1\nline 2'],
      ['rto-seconds', ''],
      ['formation-uri', 'postgres://a/b?x=y&z<<w'],
    ]);
  });

  it('may be written as name=value, split at the first sign', () => {
    expect(parseFileCommands('a=1\nb=x=y<<z\n\nnothing\n')).toEqual(
      new Map([
        ['a', '1'],
        ['b', 'x=y<<z'],
      ]),
    );
  });

  it('forget an earlier value: the post step sees the last word', () => {
    expect(parseFileCommands(written('exposed', 'abc') + written('exposed', '')).get('exposed')).toBe('');
  });

  it('are read back as they were written, whatever the values', () => {
    const values = fc.array(fc.tuple(fc.stringMatching(/^[a-z][a-z-]{0,8}$/), fc.string({ unit: 'binary' })));
    fc.assert(
      fc.property(values, (some) => {
        const text = some.map(([name, value]) => written(name, value)).join('');
        expect(parseFileCommands(text)).toEqual(new Map(some));
      }),
    );
  });
});

describe('a line of a step in a terminal', () => {
  it.each([
    ['plain text', { kind: 'text', text: 'plain text' }],
    ['', { kind: 'text', text: '' }],
    ['::warning::look%0Aout', { kind: 'warning', text: 'look\nout' }],
    ['::error file=a.ts,line=1::bad', { kind: 'error', text: 'bad' }],
    ['::debug::detail', { kind: 'debug', text: 'detail' }],
    ['::add-mask::secret', { kind: 'mask', text: 'secret' }],
    ['::save-state name=x::y', { kind: 'command', text: 'y' }],
    ['a ::warning:: in the middle', { kind: 'text', text: 'a ::warning:: in the middle' }],
    ['::error title=disk-space%3A alpha::full', { kind: 'annotation', text: 'full' }],
    ['::error file=a.ts::title=b', { kind: 'error', text: 'title=b' }],
    ['::not a command', { kind: 'text', text: '::not a command' }],
  ])('%j', (line, expected) => {
    expect(parseWorkflowLine(line)).toEqual(expected);
  });

  it('shows what was said, whatever had to be escaped', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('%', '2', '5', '0', 'A', 'D', '\n', '\r', ':', 'x') }),
        (said) => {
          expect(parseWorkflowLine(`::warning::${escaped(said)}`)).toEqual({ kind: 'warning', text: said });
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a text of which a runner must take no orders', () => {
  it.each([
    ['::add-mask::a', ': :add-mask::a'],
    ['node x\n::error::a', 'node x\n: :error::a'],
    ['node x\r  ::stop-commands::a', 'node x\r  : :stop-commands::a'],
    ['\n\n\t::warning::a\n::warning::b', '\n\n\t: :warning::a\n: :warning::b'],
    ['see ##[error]a', 'see ## [error]a'],
  ])('%j becomes %j', (text, shown) => {
    expect(withoutCommands(text)).toBe(shown);
    for (const line of shown.split(/[\r\n]/)) expect(parseWorkflowLine(line.trim()).kind).toBe('text');
  });

  it.each(['fd00::1 and ::1', 'a: b', '', '[ 1.0 s] x  launch', '#[a]'])('%j stays as it is', (text) => {
    expect(withoutCommands(text)).toBe(text);
  });
});
