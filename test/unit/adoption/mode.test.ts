import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { adopted, parseAsked } from '../../../actions/provision-pgaf/adoption.ts';
import { refuseMeaningless } from '../../../actions/provision-pgaf/main.ts';
import { InputError } from '../../../src/contract/errors.ts';
import { adoptionMarkdown } from '../../../src/report/provision-report.ts';
import { errorsOf } from '../refusal.ts';

/** provision-pgaf's mode adopt, as far as it goes without an Incus. */

const folder = mkdtempSync(join(tmpdir(), 'pgha-adopt-mode-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const nowhere = () => expect.unreachable('nothing is looked at');
const context = {
  log: { info: nowhere, warn: nowhere, debug: nowhere },
  signal: new AbortController().signal,
  folder,
};
const refusal = async (formation: string, adopt = '') =>
  await adopted({ formation, adopt }, context).then(
    () => [],
    (error: unknown) => (error instanceof InputError ? error.errors : [String(error)]),
  );

describe('the input adopt', () => {
  it('is a map of what the terminal takes as flags', () => {
    expect(parseAsked('')).toEqual({ containers: new Map() });
    expect(parseAsked('monitor: m\nnodes: node_1=db1, node_2=db2\nproject: "007"\n')).toEqual({
      monitor: 'm',
      project: '007',
      containers: new Map([
        ['node_1', 'db1'],
        ['node_2', 'db2'],
      ]),
    });
    expect(parseAsked('{ monitor: m, nodes: node_1=db1 }').containers.get('node_1')).toBe('db1');
  });

  it('is refused with all that is wrong with it', () => {
    expect(errorsOf(() => parseAsked('monitr: m\nnodes: a\nuser:\n'))).toEqual([
      'input adopt: line 1: "monitr" is not known (is monitor meant?); there are monitor, formation, nodes, database, user, remote, project',
      'input adopt: nodes: "a" must be NODE=CONTAINER, such as node_1=db1',
      'input adopt: line 3: user needs a value',
    ]);
    expect(errorsOf(() => parseAsked('pgaf-monitor'))).toEqual(['input adopt: must be a map of names']);
  });
});

describe('an input of another mode', () => {
  it.each([
    [
      'apply',
      'monitor: m',
      '',
      ['input adopt: has no meaning with mode: apply; say mode: adopt, or leave it out'],
    ],
    [
      'apply',
      '',
      'default',
      ['input confirm: has no meaning with mode: apply; say mode: destroy, or leave it out'],
    ],
    [
      'destroy',
      'monitor: m',
      'default',
      ['input adopt: has no meaning with mode: destroy; say mode: adopt, or leave it out'],
    ],
    ['adopt', 'monitor: m', '', []],
    ['destroy', '', 'default', []],
    ['plan', '', '', []],
  ] as const)('with mode %s, adopt %j and confirm %j', (mode, adopt, confirm, errors) => {
    const refused = () => refuseMeaningless({ mode, adopt, confirm });
    if (errors.length === 0) expect(refused).not.toThrow();
    else expect(errorsOf(refused)).toEqual(errors);
  });
});

describe('the file to write', () => {
  it('must have a path', async () => {
    for (const [given, found] of [
      ['', 'nothing'],
      ['formation: default\nnodes: []', 'YAML'],
    ] as const)
      expect(await refusal(given)).toEqual([
        `input formation: mode adopt writes this file, and needs its path, such as formation.yml (found ${found})`,
      ]);
  });

  it('is refused, and left as it is, where it is there: before anything is looked at', async () => {
    writeFileSync(join(folder, 'mine.yml'), 'mine');
    expect(await refusal('mine.yml')).toEqual([
      'input formation: mine.yml is there already, and is left as it is; name another with input formation',
    ]);
    expect(readFileSync(join(folder, 'mine.yml'), 'utf8')).toBe('mine');
  });
});

describe('its job summary', () => {
  it('holds the whole file, whatever names stand in it', () => {
    const text = 'formation: default\n# ```\n# ```` <b>\n';
    const shown = adoptionMarkdown({ about: 'f<b>.yml describes it', text, proof: undefined });
    expect(shown).toContain('### f&lt;b>.yml');
    expect(shown).toContain(`\n\`\`\`\`\`yaml\n${text}\`\`\`\`\`\n`);
  });
});
