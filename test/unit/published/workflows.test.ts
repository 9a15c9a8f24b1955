import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from '@actions/workflow-parser';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { faultNames } from '../../../src/faults/catalogue.ts';
import { actionOf, errorsOfUse, root, stepsWithin, type WorkflowStep } from './uses.ts';

/** The workflows that pgha ships, shows and tests with use only what its actions declare. */

const folders = ['.gitea/workflows', 'examples', 'test/runner/workflows'];
const files = folders.flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)));

interface Workflow {
  on: Record<string, { inputs?: Record<string, { default: string; options?: string[] }> }>;
  jobs: Record<string, { if?: string; uses?: string; with?: Record<string, string>; steps?: WorkflowStep[] }>;
}

const textOf = (path: string) => readFileSync(join(root, path), 'utf8');
const workflowOf = (path: string) => parse(textOf(path)) as Workflow;

describe.each(files)('%s', (path) => {
  it("passes the runner's own parser", async () => {
    const { context, value } = parseWorkflow(
      { name: path, content: textOf(path) },
      new NoOperationTraceWriter(),
    );
    if (value) await convertWorkflowTemplate(context, value);
    expect(context.errors.getErrors().map((error) => error.message)).toEqual([]);
  });

  it('gives and reads only inputs and outputs that are declared', () => {
    const text = textOf(path);
    const jobs = Object.values(workflowOf(path).jobs);
    expect(jobs.flatMap(({ steps = [] }) => errorsOfUse(steps, text))).toEqual([]);
  });
});

describe('the drill that pgha ships', () => {
  const shipped = workflowOf('.gitea/workflows/failover-drill.yml');
  const nightly = workflowOf('.gitea/workflows/nightly-drill.yml');
  const { workflow_call: called } = shipped.on;
  const { workflow_dispatch: byHand } = nightly.on;
  const declared = actionOf('failover-drill').inputs;

  it('offers every fault there is', () => {
    expect(byHand?.inputs?.['fault']?.options).toEqual([...faultNames]);
  });

  it("has the action's own defaults, by hand and called alike, and for a schedule", () => {
    expect(Object.keys(byHand?.inputs ?? {})).toEqual(Object.keys(called?.inputs ?? {}));
    const given = nightly.jobs['drill']?.with ?? {};
    const taken = stepsWithin(shipped.jobs['drill']?.steps ?? [])[0]?.with ?? {};
    for (const [name, { default: value }] of Object.entries(called?.inputs ?? {})) {
      expect(value, name).toBe(declared[name]?.default);
      expect(byHand?.inputs?.[name]?.default, name).toBe(value);
      const passedOn = value ? `\${{ inputs.${name} || '${value}' }}` : `\${{ inputs.${name} }}`;
      expect(given[name]).toBe(passedOn);
      expect(taken[name]).toBe(passedOn);
    }
  });

  // Gitea's runner takes the defaults of a called file's workflow_dispatch over what its caller gives.
  it('is called, and started by hand, by files of their own', () => {
    for (const path of files) {
      const { on } = workflowOf(path);
      if (typeof on === 'object' && 'workflow_call' in on)
        expect(Object.keys(on), path).toEqual(['workflow_call']);
    }
  });

  it.each(['examples/called-drill.yml', 'test/runner/workflows/called.yml'])(
    'is called by %s as it is declared',
    (path) => {
      const call = Object.values(workflowOf(path).jobs).find(({ uses }) =>
        uses?.includes('failover-drill.yml'),
      );
      expect(Object.keys(called?.inputs ?? {})).toEqual(
        expect.arrayContaining(Object.keys(call?.with ?? {})),
      );
    },
  );
});

describe('a copy of this repository', () => {
  it.each(readdirSync(join(root, '.gitea/workflows')))(
    'runs nothing of %s until somebody says so',
    (name) => {
      const { on, jobs } = workflowOf(join('.gitea/workflows', name));
      // What is only called runs for who calls it.
      if ('workflow_call' in on) return;
      for (const job of Object.values(jobs)) expect(job.if).toBe("vars.PGHA_WORKFLOWS == 'on'");
    },
  );
});
