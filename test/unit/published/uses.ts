import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** What workflows say of the actions, against what the actions declare. */

export const root = join(import.meta.dirname, '..', '..', '..');

export interface WorkflowStep {
  id?: string;
  uses?: string;
  with?: Record<string, string>;
}

export interface Declared {
  inputs: Record<string, { default?: string }>;
  outputs: Record<string, unknown>;
}

/** What an action declares: '' for the root action, or the path of a folder. */
export function actionOf(path: string): Declared {
  return parse(readFileSync(join(root, path, 'action.yml'), 'utf8')) as Declared;
}

const address = /^(?:https:\/\/[\w.-]+\/)?veza\/pgha((?:\/[\w-]+)*)@(.+)$/;

/** The steps that use an action of ours. */
export function stepsWithin(steps: readonly WorkflowStep[]): WorkflowStep[] {
  return steps.filter(({ uses }) => uses !== undefined && address.test(uses));
}

/** Everything that steps say of our actions and that these do not know; `text` is what reads their outputs. */
export function errorsOfUse(steps: readonly WorkflowStep[], text: string): string[] {
  return stepsWithin(steps).flatMap(({ id, uses = '', with: given = {} }) => {
    const [, path = '', ref = ''] = address.exec(uses) ?? [];
    if (ref !== 'v1') return [`${uses}: the documents say v1`];
    if (!existsSync(join(root, path, 'action.yml'))) return [`${uses}: there is no such action`];
    const { inputs, outputs } = actionOf(path);
    const unknown = Object.keys(given).filter((name) => !(name in inputs));
    const read = [...text.matchAll(/steps\.([\w-]+)\.outputs\.([\w-]+)/g)]
      .filter(([, step, output = '']) => step === id && !(output in outputs))
      .map(([reference]) => reference);
    return [
      ...unknown.map((name) => `${uses}: no input ${name}`),
      ...read.map((name) => `${uses}: no output ${name}`),
    ];
  });
}
