import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NoOperationTraceWriter } from '@actions/workflow-parser';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as check from '../../actions/check-formation/contract.ts';
import * as drill from '../../actions/failover-drill/contract.ts';
import * as provision from '../../actions/provision-pgaf/contract.ts';
import { catalogue, faultNames, told } from '../../src/faults/catalogue.ts';
import type { InputSpecs } from '../../src/runner/inputs.ts';
import { commonOutputs } from '../../src/runner/run-action.ts';

/** action.yml, the code, both published addresses and the READMEs say the same. */

interface ActionFile {
  inputs: Record<string, { description: string; default: string }>;
  outputs: Record<string, { description: string; value?: string }>;
  runs: {
    using: string;
    main: string;
    post?: string;
    steps: { id: string; env: Record<string, string>; run: string }[];
  };
}

const root = join(import.meta.dirname, '..', '..');
const text = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const actionFile = (...path: string[]) => parse(text(...path, 'action.yml')) as ActionFile;

const contracts: [string, { inputs: InputSpecs; outputs: readonly string[] }][] = [
  ['provision-pgaf', provision],
  ['check-formation', check],
  ['failover-drill', drill],
];

describe.each(contracts)('%s', (name, { inputs, outputs }) => {
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

describe('the composite root action', () => {
  const file = actionFile();
  const step = (id: string) => file.runs.steps.find((candidate) => candidate.id === id);
  const steps: [string, string, InputSpecs, readonly string[]][] = [
    ['provision', 'provision-pgaf', provision.inputs, provision.outputs],
    ['check', 'check-formation', check.inputs, check.outputs],
    ['drill', 'failover-drill', drill.inputs, drill.outputs],
  ];

  it('takes every input of its steps, with the same default, and passes it on', () => {
    // An acceptance applies, and is of one formation; plans, destructions and lists are the actions' own business.
    const own = ['mode', 'confirm', 'formations'];
    const passedOn = (inputs: InputSpecs) => Object.keys(inputs).filter((name) => !own.includes(name));
    const all = new Set(steps.flatMap(([, , inputs]) => passedOn(inputs)));
    expect(Object.keys(file.inputs).sort()).toEqual([...all].sort());
    for (const [id, action, inputs] of steps) {
      const wanted = passedOn(inputs).map((name) => [
        `INPUT_${name.toUpperCase().replaceAll('-', '_')}`,
        `\${{ inputs.${name} }}`,
      ]);
      expect(step(id)?.env, id).toEqual(Object.fromEntries(wanted));
      expect(step(id)?.run).toBe(`exec node "$GITHUB_ACTION_PATH/dist/${action}/main.js"`);
      for (const name of passedOn(inputs)) {
        expect(file.inputs[name]?.default, name).toBe(actionFile('actions', action).inputs[name]?.default);
      }
    }
  });

  it('passes on only outputs that its steps write', () => {
    for (const [name, { value = '' }] of Object.entries(file.outputs)) {
      const sources = [...value.matchAll(/steps\.(\w+)\.outputs\.([\w-]+)/g)];
      expect(sources.length, name).toBeGreaterThan(0);
      for (const [, id, output] of sources) {
        const [, , , outputs = []] = steps.find(([candidate]) => candidate === id) ?? [];
        expect([...commonOutputs, ...outputs], `${name} from ${id}`).toContain(output);
      }
    }
  });
});

describe("the drill's faults", () => {
  const lines = ['What is done, one of these (the README has them as a table):'];
  for (const name of faultNames) lines.push(`${name}: ${told(name)}`);

  it.each([[['.']], [['actions', 'failover-drill']]])('stand in the input of %j, a sentence each', (path) => {
    expect(actionFile(...path).inputs['fault']?.description).toBe(lines.join('\n'));
  });

  it("stand in the action's README", () => {
    for (const name of faultNames)
      expect(text('actions', 'failover-drill', 'README.md')).toContain(
        `| \`${name}\` | ${catalogue[name].does} |`,
      );
  });
});

describe('the README', () => {
  it('shows the inputs and outputs of the root action, and every exit code', () => {
    const readme = text('README.md');
    const file = actionFile();
    for (const key of [...Object.keys(file.inputs), ...Object.keys(file.outputs)])
      expect(readme).toContain(`| \`${key}\` |`);
    for (const code of [0, 1, 2, 3]) expect(readme).toMatch(new RegExp(`^\\| ${code} +\\|`, 'm'));
  });

  it('names every folder of the house in its layout table', () => {
    const readme = text('README.md');
    const folders = [
      'actions/',
      'src/formation/',
      'src/incus/',
      'src/postgres/',
      'src/monitor/',
      'src/member/',
      'src/provision/',
      'src/check/',
      'src/faults/',
      'src/drill/',
      'src/report/',
      'src/runner/',
      'src/clock/',
      'src/contract/',
      'dist/',
      'lab/',
      'test/unit/',
      'test/lab/',
      'scripts/',
    ];
    for (const folder of folders) {
      expect(readme, folder).toContain(`\`${folder}`);
      expect(existsSync(join(root, folder)), folder).toBe(true);
    }
  });
});

describe.each(['.', ...contracts.flatMap(([name]) => [name, join('actions', name)])])(
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
