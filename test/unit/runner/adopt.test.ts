import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createText, isThere } from '../../../src/disk/file.ts';
import { parseAdoptionArguments } from '../../../src/runner/adopt.ts';
import { errorsOf } from '../refusal.ts';

it('the command line says where to look, and which container is which node', () => {
  const line = '--monitor m --nodes node_1=db1 --nodes=node_2=db2 --output=x.yml --project p --debug';
  expect(parseAdoptionArguments(line.split(' '))).toEqual({
    monitor: 'm',
    output: 'x.yml',
    project: 'p',
    containers: new Map([
      ['node_1', 'db1'],
      ['node_2', 'db2'],
    ]),
    debug: true,
    help: false,
  });
});

it('without arguments, everything is to be found out, and formation.yml is written', () => {
  expect(parseAdoptionArguments([])).toEqual({
    output: 'formation.yml',
    containers: new Map(),
    debug: false,
    help: false,
  });
  for (const flag of ['-h', '--help']) expect(parseAdoptionArguments([flag]).help).toBe(true);
});

it('all that is wrong with it is told at once', () => {
  expect(errorsOf(() => parseAdoptionArguments(['--monitr', 'm', '--nodes', 'a,b=', '--output']))).toEqual([
    expect.stringContaining('--monitr is not known (is --monitor meant?)'),
    expect.stringContaining('m is not known'),
    '--output needs a value',
    '--nodes: "a" must be NODE=CONTAINER, such as node_1=db1',
    '--nodes: "b=" must be NODE=CONTAINER, such as node_1=db1',
  ]);
});

const folder = mkdtempSync(join(tmpdir(), 'pgha-adopt-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a file that is there is never written over, be it a link that leads nowhere', () => {
  const path = join(folder, 'formation.yml');
  writeFileSync(path, 'mine');
  symlinkSync(join(folder, 'nowhere'), join(folder, 'link'));
  expect([path, join(folder, 'link'), join(folder, 'new')].map(isThere)).toEqual([true, true, false]);
  for (const each of [path, join(folder, 'link')])
    expect(() => createText(each, 'theirs')).toThrow('it is there already');
  createText(join(folder, 'new'), 'made');
  expect([readFileSync(path, 'utf8'), readFileSync(join(folder, 'new'), 'utf8')]).toEqual(['mine', 'made']);
});
