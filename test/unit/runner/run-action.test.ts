import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseFileCommands } from '../../../src/runner/file-commands.ts';
import { type Compiled, compileSources } from '../../compiled.ts';

/** The way every action runs, in a process of its own as on a runner. */

let compiled: Compiled;
let folder = '';
beforeAll(() => {
  compiled = compileSources();
});
afterAll(() => compiled.remove());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-run-'));
  return () => rmSync(folder, { recursive: true });
});

const secrets = {
  'app-password': `S3cret|*_"<&'%/@tail`,
  'client-uri': 'postgres://veza:hunter2S3cret%40tailS3cret@a,b/veza',
  'user-passwords': 'reporter: S3cretOfReporter\nauditor: "S3cret \\"quoted\\""\n',
};

/** Two actions, the first of which says all that it was given in every way there is. */
function run(work: string, env: Record<string, string> = {}) {
  const script = `
    const { runInOrder } = await import(${JSON.stringify(compiled.url('runner/run-action'))});
    const { connectionString, password, secretOrMap, secondsInput } = await import(${JSON.stringify(compiled.url('runner/inputs'))});
    const { InputError } = await import(${JSON.stringify(compiled.url('contract/errors'))});
    const inputs = { 'app-password': password, 'client-uri': connectionString, 'user-passwords': secretOrMap };
    const second = { 'rto-target-seconds': secondsInput(1, 100) };
    const told = (text) => ({
      outcome: 'pass', message: text, outputs: { told: text }, summary: '### ' + text,
      report: { name: 'told', content: { deep: [{ text }], number: 60 } },
      picture: '<svg><text x="1">' + text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;') + '</text></svg>',
      files: [{ output: 'junit', extension: '.xml', content: '<a b="' + encodeURIComponent(text) + '"/>' }],
      annotations: [{ severity: 'warning', title: 't', text }],
    });
    const one = { name: 'one', inputs, outputs: ['told', 'junit'], async run(given, { log }) {
      console.log('one is at work');
      const text = Object.values(given).map((each) => each.password ?? each).join(' ') + ' S3cretOfReporter and S3cret "quoted"';
      ${work}
    } };
    const two = { name: 'two', inputs: second, outputs: [], async run() { return told('nothing'); } };
    const { exitCodeOf } = await import(${JSON.stringify(compiled.url('contract/outcome'))});
    process.exitCode = exitCodeOf(await runInOrder([(run) => run(one), (run) => run(two)], { ...inputs, ...second }));`;
  const files = Object.fromEntries(
    ['GITHUB_OUTPUT', 'GITHUB_STATE', 'GITHUB_STEP_SUMMARY'].map((name) => [name, join(folder, name)]),
  );
  for (const path of Object.values(files)) writeFileSync(path, '', { flag: 'a' });
  const given = Object.entries({ ...secrets, 'rto-target-seconds': '60' });
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: {
      ...files,
      GITHUB_WORKSPACE: folder,
      ...Object.fromEntries(given.map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
      ...env,
    },
    encoding: 'utf8',
    timeout: 20_000,
  });
  const log = `${stdout}${stderr}`;
  return { status, log, unmasked: log.replaceAll(/^::add-mask::.*$/gm, '') };
}

const outputs = () => parseFileCommands(readFileSync(join(folder, 'GITHUB_OUTPUT'), 'utf8'));

/** Everything that was written to disk. */
function everything(): string {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  return names.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8')).join('\n');
}

describe('nothing of a secret is written anywhere', () => {
  it.each([
    ['a result that holds it in every part', 'return told(text);', 0],
    ['a log', 'log.info(text); log.warn(text); log.debug(text); return told("x");', 0],
    ['an error of ours', 'throw new InputError([text]);', 3],
    ['a bug', 'const error = new Error(text); error.stack = text; throw error;', 3],
    ['a bug that nobody waits for', 'setTimeout(() => { throw new Error(text); }); return told("x");', 3],
  ])('%s', (_, work, code) => {
    const { status, unmasked } = run(work);
    expect(status, unmasked).toBe(code);
    expect(outputs().get('exit-code')).toBe(String(code));
    for (const text of [unmasked, everything()]) expect(text).not.toMatch(/S3cret|tail|quoted/);
    if (code === 0) expect(readFileSync(join(folder, 'pgha-reports', 'told.json'), 'utf8')).toContain('60');
  });
});

describe('before the first of several actions does anything', () => {
  it('what is wrong with the inputs of any is told', () => {
    const { status, log } = run('return told("x");', {
      'INPUT_RTO-TARGET-SECONDS': 'soon',
      'INPUT_APP-PASSWORD': 'hunter2-hunter2\n',
      'INPUT_RTO-TARGET': '30',
    });
    expect(status).toBe(3);
    expect(log).not.toContain('one is at work');
    const message = outputs().get('message') ?? '';
    expect(message).toContain('input rto-target: there is no such input; is rto-target-seconds meant?');
    expect(message).toContain('input rto-target-seconds: must be seconds from 1 to 100');
    expect(message).toContain('input app-password: ends in a line break');
  });

  it.each(['GITHUB_OUTPUT', 'GITHUB_STATE', 'GITHUB_STEP_SUMMARY'])(
    '%s is no pipe that nobody reads',
    (name) => {
      const pipe = join(folder, 'pipe');
      execFileSync('mkfifo', [pipe]);
      const { status, log } = run('return told("x");', { [name]: pipe });
      expect(status).toBe(3);
      expect(log).toContain(`${name}: a pipe that nobody reads`);
      expect(log).not.toContain('one is at work');
    },
  );

  it('a report that is a pipe is told, and the verdict stands', () => {
    mkdirSync(join(folder, 'pgha-reports'));
    execFileSync('mkfifo', [join(folder, 'pgha-reports', 'told.json')]);
    const { status, log } = run('return told("x");');
    expect(status).toBe(0);
    expect(log).toContain('the report could not be written to');
    expect(log).toContain('it is a pipe, not a file');
  });
});
