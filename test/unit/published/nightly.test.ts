import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { inputs as provisioning } from '../../../actions/provision-pgaf/contract.ts';
import { actionOf, root } from './uses.ts';

/** The composite action against what it calls: its siblings' inputs, outputs and the tag that runs. */

interface Step {
  id?: string;
  if?: string;
  uses: string;
  with: Record<string, string>;
}
interface Script {
  if: string;
  shell: string;
  run: string;
}
interface Composite {
  name: string;
  inputs: Record<string, { description: string; default: string }>;
  outputs: Record<string, { description: string; value: string }>;
  runs: { using: string; steps: [...Step[], Script] };
}

const textOf = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const { version } = JSON.parse(textOf('package.json')) as { version: string };
const ownInputs = ['provision', 'artifact-name', 'webhook', 'webhook-format'];
const rootAction = parse(textOf('action.yml')) as Composite;
const siblings = { provision: 'provision-pgaf', check: 'check-formation', drill: 'failover-drill' };
const everyInput = Object.assign(
  {},
  ...Object.values(siblings).map((action) => actionOf(action).inputs),
) as object;
/** The last step is for runners that take its outputs for those of the whole. */
const partsOf = ({ runs }: Composite) => ({
  steps: runs.steps.slice(0, -1) as Step[],
  last: runs.steps.at(-1) as Script,
});
const nameOf = (uses: string) => /^veza\/pgha\/([\w-]+)@/.exec(uses)?.[1];

describe.each([
  ['nightly', 'v3'],
  ['nightly/github', 'v4'],
])('%s', (folder, artifacts) => {
  const file = parse(textOf(folder, 'action.yml')) as Composite;
  const { steps, last } = partsOf(file);
  const ofSiblings = steps.filter(({ uses }) => nameOf(uses) !== undefined);

  it("takes the root action's inputs as that has them, and its own", () => {
    const { inputs } = file;
    expect(Object.keys(inputs)).toEqual([...Object.keys(rootAction.inputs), ...ownInputs]);
    expect(inputs).toMatchObject(rootAction.inputs);
    for (const { default: value } of Object.values(inputs)) expect(typeof value).toBe('string');
  });

  it("has the root action's outputs, each from the last step that writes it", () => {
    const described = Object.entries(file.outputs).map(([name, { description }]) => [name, { description }]);
    expect(Object.fromEntries(described)).toEqual(rootAction.outputs);
    for (const [name, { value }] of Object.entries(file.outputs)) {
      const writers = Object.entries(siblings).filter(([, action]) => name in actionOf(action).outputs);
      const read = writers.reverse().map(([id]) => `steps.${id}.outputs.${name}`);
      expect(value, name).toBe(`\${{ ${read.join(' || ')} }}`);
    }
  });

  it('names its siblings by the exact tag of this version, and the artifact action of its server', () => {
    expect(file.runs.using).toBe('composite');
    expect(steps.map(({ uses }) => uses)).toEqual([
      ...Object.values(siblings).map((action) => `veza/pgha/${action}@v${version}`),
      `actions/upload-artifact@${artifacts}`,
      `veza/pgha/alert@v${version}`,
    ]);
    for (const [id, action] of Object.entries(siblings))
      expect(steps.find((step) => step.id === id)?.uses).toContain(`/${action}@`);
  });

  it('gives its siblings what they have, and loses nothing that it was given', () => {
    const left = ofSiblings.flatMap(({ uses, with: given }) => {
      const { inputs } = actionOf(nameOf(uses) ?? '');
      expect(Object.keys(inputs), uses).toEqual(expect.arrayContaining(Object.keys(given)));
      return Object.keys(inputs).filter((name) => !(name in given));
    });
    // What is left out is what the root action's callers are left no choice of either.
    expect(left).toContain('adopt');
    expect(left.filter((name) => name in file.inputs || !(name in everyInput))).toEqual([]);
    for (const { uses, with: given } of ofSiblings.filter(({ uses }) => nameOf(uses) !== 'alert'))
      for (const [name, value] of Object.entries(given).filter(([each]) => each !== 'mode'))
        expect(value, `${uses}: ${name}`).toBe(`\${{ inputs.${name} }}`);
    const all = JSON.stringify(steps);
    for (const name of Object.keys(file.inputs)) expect(all, name).toMatch(new RegExp(`inputs\\.${name}\\b`));
  });

  it('reads only what is there', () => {
    const references = [
      ...JSON.stringify(file).matchAll(/\b(inputs|steps)\.([\w-]+)(?:\.outputs\.([\w-]+))?/g),
    ];
    expect(references.length).toBeGreaterThan(60);
    for (const [reference, kind, name = '', output] of references) {
      if (kind === 'inputs') expect(file.inputs, reference).toHaveProperty([name]);
      else
        expect(
          steps.map(({ id }) => id),
          reference,
        ).toContain(name);
      if (output) {
        const { uses = '' } = steps.find(({ id }) => id === name) ?? {};
        expect(actionOf(nameOf(uses) ?? '').outputs, reference).toHaveProperty([output]);
      }
    }
  });

  it('provisions only if asked, keeps the reports always, and tells of what did not pass', () => {
    expect(steps.map((step) => step.if)).toEqual([
      "inputs.provision != 'false' && inputs.replay == ''",
      // A report that is judged again touches no formation.
      "inputs.replay == ''",
      undefined,
      'always()',
      "(failure() || cancelled()) && inputs.webhook != ''",
    ]);
    expect(last).toEqual({ if: 'always()', shell: 'sh', run: ':' });
    expect(file.inputs['provision']?.default).toBe('false');
    // One of its own that a sibling had as well would reach that on runners that pass all of them on.
    for (const action of [...Object.values(siblings), 'alert'])
      for (const name of ownInputs.filter((each) => each !== 'webhook'))
        expect(Object.keys(actionOf(action).inputs), action).not.toContain(name);
  });
});

describe.each(['nightly', 'nightly/github'])('%s', (folder) => {
  const { steps } = partsOf(parse(textOf(folder, 'action.yml')) as Composite);
  const stepOf = (id: string) => steps.find((step) => step.id === id);

  it('refuses a `provision` that is no word for yes or no, and does not leave it out in silence', () => {
    const mode = stepOf('provision')?.with['mode'] ?? '';
    const [, otherwise = ''] =
      /^\$\{\{ inputs\.provision == 'true' && 'apply' \|\| '([^']+)' \}\}$/.exec(mode) ?? [];
    expect(otherwise).toContain('provision');
    expect(() => provisioning.mode.parse(otherwise)).toThrow('must be apply');
    expect(provisioning.mode.parse('apply')).toBe('apply');
  });

  it.each([
    ['', 'pgha-reports/'],
    ['/', '//'],
    ['.', './'],
    ['reports', 'reports/'],
  ])('uploads reports alone, also where the folder is %j', (given, where) => {
    const path = stepOf('upload')?.with['path'] ?? '';
    // The action trims each line; of a folder it takes all, hidden files too (v3).
    const lines = path
      .replaceAll(`\${{ inputs.report-folder || 'pgha-reports' }}`, given || 'pgha-reports')
      .trim()
      .split('\n')
      .map((line) => line.trim());
    expect(lines.join()).not.toContain('${{');
    const taken = (file: string) =>
      lines.some((line) => {
        const parts = line.split('*').map((part) => part.replace(/[.]/g, '\\.'));
        return new RegExp(`^${parts.join('[^/]*')}$`).test(file);
      });
    for (const report of [
      'provision-pgaf-default.json',
      'check-formation-default.junit.xml',
      'check-formation.json',
      'failover-drill-default-0123abcd.svg',
      'failover-drill-default-0123abcd.html',
      'failover-drill-default-0123abcd.journal.jsonl',
    ])
      expect(taken(`${where}${report}`), report).toBe(true);
    for (const other of ['', 'etc', '.git', '.git/config', 'id_rsa', 'formation.yml', 'check-formation'])
      expect(taken(`${where}${other}`), other).toBe(false);
  });
});

describe("the composite action's page", () => {
  const page = textOf('nightly', 'README.md');
  const file = parse(textOf('nightly', 'action.yml')) as Composite;
  const { inputs, outputs } = file;
  const { steps } = partsOf(file);

  it('has its tables', () => {
    for (const key of [...Object.keys(inputs), ...Object.keys(outputs)])
      expect(page).toContain(`| \`${key}\` |`);
  });

  it('has the same steps to copy, with full addresses, for servers that need them', () => {
    const [, block = ''] = /```yaml\n(- id: provision\n[\s\S]*?)```/.exec(page) ?? [];
    const copied = parse(block) as Step[];
    const bare = (uses: string) => uses.replace('https://your.gitea/', '').replace(/@v.*/, '');
    expect(copied.map(({ uses }) => bare(uses))).toEqual(steps.map(({ uses }) => bare(uses)));
    expect(copied.map(({ id }) => id)).toEqual(steps.map(({ id }) => id));
    for (const { uses } of copied.filter(({ uses }) => uses.includes('veza/pgha')))
      expect(uses).toMatch(/^https:\/\/your\.gitea\/veza\/pgha\/[\w-]+@v1$/);
    const [upload, alert] = copied.slice(-2);
    expect([upload?.if, alert?.if]).toEqual(['!cancelled()', 'failure() || cancelled()']);
    const told = steps.at(-1)?.with ?? {};
    for (const name of ['results', 'outcome', 'message', 'rto-seconds'])
      expect(alert?.with[name], name).toBe(told[name]);
  });
});

describe('an example with nightly for Gitea', () => {
  const examples = readdirSync(join(root, 'examples')).filter((name) =>
    textOf('examples', name).includes('veza/pgha/nightly@'),
  );

  it('is there', () => expect(examples).toContain('nightly.yml'));

  // A cancel ends the steps within nightly, and Gitea starts nothing because of a run that a schedule started.
  it.each(examples)('tells of a cancel by a step of its own: %s', (name) => {
    const { jobs } = parse(textOf('examples', name)) as { jobs: Record<string, { steps: Step[] }> };
    for (const { steps } of Object.values(jobs)) {
      const at = steps.findIndex(({ uses }) => uses.startsWith('veza/pgha/nightly@'));
      if (at < 0) continue;
      const [, next] = steps.slice(at);
      expect(next).toMatchObject({ if: 'cancelled()', uses: 'veza/pgha/alert@v1' });
      expect(next?.with['webhook']).toBe(steps[at]?.with['webhook']);
    }
  });
});
