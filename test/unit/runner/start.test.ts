import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseFileCommands } from '../../../src/runner/file-commands.ts';

/** What every entry begins with, before a bundle that would do something; the runner tests have Nodes that are old. */

const actions = join(import.meta.dirname, '..', '..', '..', 'actions');
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-start-'));
  for (const name of ['start.cjs', 'load.cjs']) copyFileSync(join(actions, name), join(folder, name));
  writeFileSync(
    join(folder, 'pgha.mjs'),
    `export const works = async () => console.log('it works');
     export const misses = async () => 2;
     export const throws = async () => { throw new Error('no such thing'); };
     export const never = () => new Promise(() => {});`,
  );
  mkdirSync(join(folder, 'broken'));
  for (const name of ['start.cjs', 'load.cjs'])
    copyFileSync(join(actions, name), join(folder, 'broken', name));
  writeFileSync(join(folder, 'broken', 'pgha.mjs'), "import './absent.mjs';\n");
  writeFileSync(
    join(folder, 'old.cjs'),
    "Object.defineProperty(process.versions, 'node', { value: '18.19.0' });\n",
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function start(
  name: string,
  kind: string,
  { old = false, at = '.', env = {} }: { old?: boolean; at?: string; env?: Record<string, string> } = {},
) {
  const entry = join(folder, at, `${kind}.js`);
  writeFileSync(entry, `require('./start.cjs')('${name}', '${kind}');\n`);
  const files = { GITHUB_OUTPUT: join(folder, 'output'), GITHUB_STEP_SUMMARY: join(folder, 'summary') };
  for (const path of Object.values(files)) writeFileSync(path, '');
  const preload = old ? ['-r', join(folder, 'old.cjs')] : [];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...preload, entry], {
    env: { ...files, ...env },
    encoding: 'utf8',
    timeout: 20_000,
  });
  const outputs = Object.fromEntries(parseFileCommands(readFileSync(files.GITHUB_OUTPUT, 'utf8')));
  return { status, stdout, stderr, outputs, summary: readFileSync(files.GITHUB_STEP_SUMMARY, 'utf8') };
}

const said = /Node 20 or newer is needed, and this is Node 18\.19\.0 \(\/.+\): nothing was done/;

describe('on a Node that is too old', () => {
  it('an action does nothing, ends with 3 and says which Node is needed, in its outputs too', () => {
    const { status, stdout, stderr, outputs, summary } = start('works', 'main', { old: true });
    expect(status).toBe(3);
    expect(stdout).toMatch(new RegExp(`^::error::${said.source}.*\n$`));
    expect(stderr).toBe('');
    expect(outputs).toMatchObject({ 'exit-code': '3', outcome: 'error', report: '' });
    expect(outputs['message']).toMatch(said);
    expect(summary).toMatch(said);
  });

  it.each(['/dev/full', '/nowhere/output'])('outputs that cannot be written (%s) change nothing', (path) => {
    const { status, stdout } = start('works', 'main', { old: true, env: { GITHUB_OUTPUT: path } });
    expect(status).toBe(3);
    expect(stdout).toMatch(said);
  });

  it.each(['terminal', 'guard'])('so does the %s, without a word for a runner', (kind) => {
    const { status, stdout, stderr } = start('works', kind, { old: true });
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
    expect(stderr).toMatch(said);
  });

  it('a post step is silent where there is nothing to undo, and fails where there is', () => {
    expect(start('works', 'post', { old: true })).toMatchObject({ status: 0, stdout: '' });
    const { status, stdout } = start('works', 'post', { old: true, env: { STATE_exposed: 'abc' } });
    expect(status).toBe(3);
    expect(stdout).toMatch(said);
  });

  it('can read what says so: nothing in it is newer than the language of 2009', () => {
    const text = readFileSync(join(actions, 'start.cjs'), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
    expect(text).not.toMatch(/=>|`|\b(?:const|let|class|async|await|import)\b|\?\.|\?\?|\.\.\.|node:|,\s*\)/);
  });
});

describe('on a Node that is new enough', () => {
  it('an entry does its work, and its exit code is its own', () => {
    expect(start('works', 'main')).toMatchObject({ status: 0, stdout: 'it works\n' });
    expect(start('misses', 'main')).toMatchObject({ status: 2, outputs: {} });
  });

  it.each([
    ['that throws', 'throws', '.', /internal error of pgha.*: no such thing/],
    [
      'whose work never ends, with nothing left that could end it',
      'never',
      '.',
      /ended before its work was done/,
    ],
    ['whose bundle cannot be loaded', 'works', 'broken', /internal error of pgha.*absent\.mjs/],
  ])('one %s ends with 3, not with the 1 that means unhealthy nor with 0', (_, name, at, expected) => {
    const { status, stdout, stderr, outputs } = start(name, 'main', { at });
    expect(status).toBe(3);
    expect(stdout).toMatch(expected);
    expect(stderr).toBe('');
    expect(outputs).toMatchObject({ 'exit-code': '3', outcome: 'error' });
  });
});
