import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formationSource, loadFormation } from '../../../src/formation/file/load.ts';
import { errorsOf, expectSentences } from '../refusal.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-unit-'));
  writeFileSync(join(folder, 'formation.yaml'), 'formation: from-file\n');
  writeFileSync(join(folder, 'with space.yaml'), 'formation: spaced\n');
  symlinkSync('formation.yaml', join(folder, 'link.yaml'));
  symlinkSync('nowhere', join(folder, 'link'));
  symlinkSync('pipe', join(folder, 'piped'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  writeFileSync(join(folder, 'bad.yaml'), 'environment: lab\npostgres:\n  verion: 16\n');
  writeFileSync(join(folder, 'binary.yaml'), Buffer.from([0xff, 0xfe, 0x00, 0x9f, 0x92, 0x96]));
  writeFileSync(join(folder, 'huge.yaml'), `# ${'x'.repeat(256 * 1024)}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the formation input is inline YAML', () => {
  it.each([
    ['one line of block style', 'formation: inline'],
    ['several lines', 'environment: lab\nformation: inline\n'],
    ['a flow map', '{ formation: inline }'],
    ['surrounded by blanks, as a workflow file leaves it', '\n  formation: inline\n'],
    ['with a document marker', '---\nformation: inline'],
    ['with Windows line ends', 'environment: lab\r\nformation: inline\r\n'],
    ['with a byte order mark', '\ufeffenvironment: lab\nformation: inline'],
  ])('when it is %s', (_, input) => {
    expect(loadFormation(input, folder).name).toBe('inline');
  });

  it('and its errors say so', () => {
    expect(errorsOf(() => loadFormation('environment: lab\nverion: 16', folder))).toEqual([
      expect.stringMatching(/^the inline formation:2: verion: unknown key/),
    ]);
  });
});

describe('the formation input is a path', () => {
  it.each(['formation.yaml', './formation.yaml', '  formation.yaml  ', 'link.yaml'])(
    'relative to the workspace: %j',
    (input) => {
      expect(loadFormation(input, folder).name).toBe('from-file');
    },
  );

  it('absolute, wherever the workspace is', () => {
    expect(loadFormation(join(folder, 'formation.yaml'), '/nowhere').name).toBe('from-file');
  });

  it('that holds a blank', () => {
    expect(loadFormation('with space.yaml', folder).name).toBe('spaced');
  });

  it('and the errors of the file carry its name and line', () => {
    expect(errorsOf(() => loadFormation('bad.yaml', folder))).toEqual([
      expect.stringMatching(/^bad\.yaml:3: postgres\.verion: unknown key; allowed here: version, port/),
    ]);
  });
});

describe('a path that cannot be read is told with what to give instead', () => {
  it.each([
    ['a missing file', 'absent.yaml', /absent\.yaml: no such file/],
    ['a missing folder', 'no/such/folder/f.yaml', /no such file/],
    ['a folder', '.', /it is a folder, not a file/],
    ['a device', '/dev/null', /it is a device, not a file/],
    ['a pipe', 'pipe', /it is a pipe, not a file/],
    ['a link that leads nowhere', 'link', /it is a link that leads nowhere/],
    ['a link to a pipe', 'piped', /it is a pipe, not a file/],
    ['a file as a folder', 'formation.yaml/x.yaml', /cannot read formation\.yaml\/x\.yaml/],
    ['a file of more than 256 KiB', 'huge.yaml', /has 262\d+ bytes; at most 262144 are read/],
    ['a Windows path', 'C:\\formation.yaml', /C:\\formation\.yaml: no such file/],
    ['a sentence', 'the default one please', /no such file/],
    ['a list on one line', '- formation', /or the YAML itself/],
    ['a path with NUL', 'form\0ation.yaml', /or the YAML itself/],
    ['a path that no file system takes', 'x'.repeat(5000), /or the YAML itself/],
  ])('%s', (_, input, expected) => {
    const errors = errorsOf(() => loadFormation(input, folder));
    expectSentences(errors);
    expect(errors).toEqual([expect.stringMatching(expected)]);
    expect(errors[0]).toMatch(/^formation: /);
  });

  it('binary content', () => {
    const errors = errorsOf(() => loadFormation('binary.yaml', folder));
    expectSentences(errors);
    expect(errors[0]).toMatch(/^binary\.yaml:1: the file: must be a map of keys/);
  });

  // Root may open anything, but not even root reads page zero of a process.
  it.runIf(process.platform === 'linux')('content that the system refuses to hand out', () => {
    const errors = errorsOf(() => loadFormation('/proc/self/mem', folder));
    expectSentences(errors);
    expect(errors[0]).toMatch(/^formation: cannot read \/proc\/self\/mem: /);
  });

  it('inline YAML of more than 256 KiB', () => {
    const errors = errorsOf(() => loadFormation(`formation: default\n# ${'x'.repeat(256 * 1024)}`, folder));
    expect(errors).toEqual([
      expect.stringMatching(/^the inline formation: 262\d+ bytes; at most 262144 are read/),
    ]);
  });
});

describe('what was given is told', () => {
  it.each([
    ['', 'the built-in one (the input formation is empty)'],
    [' \n', 'the built-in one (the input formation is empty)'],
    ['formation.yml', 'formation.yml'],
    [' ops/formation.yml\n', 'ops/formation.yml'],
    ['formation: inline', 'YAML in the input formation'],
    ['a\u001b[31mb', 'a?[31mb'],
  ])('%j', (input, told) => expect(formationSource(input)).toBe(told));
});
