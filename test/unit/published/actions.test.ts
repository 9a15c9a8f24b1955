import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NoOperationTraceWriter } from '@actions/workflow-parser';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as acceptance from '../../../actions/acceptance/contract.ts';
import * as alert from '../../../actions/alert/contract.ts';
import * as check from '../../../actions/check-formation/contract.ts';
import * as drill from '../../../actions/failover-drill/contract.ts';
import * as provision from '../../../actions/provision-pgaf/contract.ts';
import { describeFault, faultCatalogue, faultNames } from '../../../src/faults/catalogue.ts';
import type { InputSpecs } from '../../../src/runner/inputs.ts';
import { commonOutputs } from '../../../src/runner/run-action.ts';

/** action.yml, the code, both published addresses and the READMEs say the same. */

interface ActionFile {
  inputs: Record<string, { description: string; default: string }>;
  outputs: Record<string, { description: string }>;
  runs: { using: string; main: string; post?: string };
}

const root = join(import.meta.dirname, '..', '..', '..');
const text = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const actionFile = (...path: string[]) => parse(text(...path, 'action.yml')) as ActionFile;

const contracts: [string, { inputs: InputSpecs; outputs: readonly string[] }][] = [
  ['provision-pgaf', provision],
  ['check-formation', check],
  ['failover-drill', drill],
];
const all: typeof contracts = [...contracts, ['alert', alert]];

describe.each(all)('%s', (name, { inputs, outputs }) => {
  const file = actionFile('actions', name);

  it('declares exactly the inputs that its code reads', () => {
    expect(Object.keys(file.inputs)).toEqual(Object.keys(inputs));
  });

  it('has a default for every input, and the code takes it', () => {
    for (const [input, { default: value }] of Object.entries(file.inputs)) {
      expect(typeof value, input).toBe('string');
      expect(() => inputs[input]?.parse(value), input).not.toThrow();
    }
  });

  it('declares exactly the outputs that its code writes', () => {
    expect(Object.keys(file.outputs)).toEqual([...commonOutputs, ...outputs]);
  });

  it('runs on node24 from entries that exist, at both addresses', () => {
    const published = actionFile(name);
    for (const [folder, { runs }] of [
      [join('actions', name), file],
      [name, published],
    ] as const) {
      expect(runs.using).toBe('node24');
      for (const entry of [runs.main, runs.post].filter((path) => path !== undefined)) {
        expect(existsSync(join(root, folder, entry)), `${folder}/${entry}`).toBe(true);
      }
    }
    const { runs: _, ...contract } = file;
    expect(published).toMatchObject(contract);
  });

  it('has a README with its tables', () => {
    const readme = text('actions', name, 'README.md');
    for (const key of [...Object.keys(file.inputs), ...Object.keys(file.outputs)])
      expect(readme).toContain(`| \`${key}\` |`);
  });
});

describe('the root action', () => {
  const file = actionFile();
  // An acceptance applies, and is of one formation; plans, adoptions, destructions and lists are the actions' own business.
  const own = ['mode', 'adopt', 'confirm', 'formations'];

  it('takes every input of its actions, with the same default, and reads it', () => {
    const wanted = contracts.flatMap(([name]) => Object.entries(actionFile('actions', name).inputs));
    const passedOn = new Map(wanted.filter(([input]) => !own.includes(input)));
    expect(Object.keys(file.inputs).sort()).toEqual([...passedOn.keys()].sort());
    expect(Object.keys(acceptance.inputs).sort()).toEqual([...passedOn.keys()].sort());
    for (const [input, { default: value }] of wanted)
      if (!own.includes(input)) expect(file.inputs[input]?.default, input).toBe(value);
  });

  it('leaves its callers no choice of what is not theirs', () => {
    expect(acceptance.applying.mode.parse('destroy')).toBe('apply');
    expect(acceptance.applying.adopt.parse('monitor: m')).toBe('');
    expect(acceptance.checking.formations.parse('monitor')).toBe('');
    expect(Object.keys(acceptance.applying)).toEqual(Object.keys(provision.inputs));
    expect(Object.keys(acceptance.checking)).toEqual(Object.keys(check.inputs));
  });

  it('declares exactly the outputs that it writes, all of them outputs of its actions', () => {
    expect(Object.keys(file.outputs)).toEqual([...commonOutputs, ...acceptance.outputs]);
    const written = contracts.flatMap(([, { outputs }]) => outputs);
    for (const output of acceptance.outputs) expect(written).toContain(output);
    for (const output of drill.outputs) expect(acceptance.outputs).toContain(output);
  });

  it("runs on node24 from an entry that exists, and undoes as the drill's own post does", () => {
    expect(file.runs.using).toBe('node24');
    expect(existsSync(join(root, file.runs.main))).toBe(true);
    expect(`../${file.runs.post}`).toBe(actionFile('failover-drill').runs.post);
  });
});

describe("the root action's page", () => {
  it('shows its inputs and outputs', () => {
    const page = text('actions', 'acceptance', 'README.md');
    const file = actionFile();
    for (const key of [...Object.keys(file.inputs), ...Object.keys(file.outputs)])
      expect(page).toContain(`| \`${key}\` |`);
  });
});

describe("the drill's faults", () => {
  const lines = [
    'What is done: one of these (the README has a table of them), or several, separated by commas, which are drilled in turn:',
  ];
  for (const name of faultNames) lines.push(`${name}: ${describeFault(name)}`);

  it.each([[['.']], [['actions', 'failover-drill']]])('stand in the input of %j, a sentence each', (path) => {
    expect(actionFile(...path).inputs['fault']?.description).toBe(lines.join('\n'));
  });

  it("stand in the action's README", () => {
    for (const name of faultNames)
      expect(text('actions', 'failover-drill', 'README.md')).toContain(
        `| \`${name}\` | ${faultCatalogue[name].does} |`,
      );
  });
});

describe('the README', () => {
  const readme = text('README.md');

  it('tells every exit code', () => {
    for (const code of [0, 1, 2, 3]) expect(readme).toMatch(new RegExp(`^\\| ${code} +\\|`, 'm'));
  });
});

describe.each(['.', 'nightly', 'nightly/github', ...all.flatMap(([name]) => [name, join('actions', name)])])(
  '%s/action.yml',
  (folder) => {
    it("passes the runner's own parser", async () => {
      const { parseAction } = await import('@actions/workflow-parser/actions/index');
      const result = parseAction(
        { name: 'action.yml', content: text(folder, 'action.yml') },
        new NoOperationTraceWriter(),
      );
      expect(result.context.errors.getErrors().map((error) => error.message)).toEqual([]);
    });
  },
);
