import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { actionOf, errorsOfUse, root, type WorkflowStep } from './uses.ts';

/** The documents say what is there: commands, flags, inputs, outputs, files. */

const documents = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter(Boolean);
const textOf = (path: string) => readFileSync(join(root, path), 'utf8');
const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, block = '']) => block,
  );

const actions = ['provision-pgaf', 'check-formation', 'failover-drill', 'alert'];
const terminal = ['outputs', 'summary', 'debug', 'help'];
/** What `pgha` and `lab/lab` take, and the kinds of tests. */
const commands = [...textOf('pgha').matchAll(/^ {2}(\w[\w-]*)\) /gm)].map(([, name = '']) => name);
const kinds = /\[(static[\w|]*)\]/.exec(textOf('test/run'))?.[1]?.split('|') ?? [];
const labCommands = ['up', 'down', 'exec', 'env', 'status', 'host', '--help'];
const scripts = Object.keys((parse(textOf('package.json')) as { scripts: object }).scripts);

function errorOfCommand([command = '', first = '', ...rest]: string[]): string | undefined {
  if (actions.includes(command)) {
    const known = Object.keys(actionOf(command).inputs).flatMap((name) => [name, `${name}-file`]);
    const flags = [first, ...rest]
      .filter((word) => word.startsWith('--'))
      .map((word) => word.slice(2).replace(/=.*/, ''));
    return flags.find((flag) => ![...known, ...terminal].includes(flag));
  }
  if (!commands.includes(command)) return command;
  if (command === 'test' && first !== '' && !kinds.includes(first)) return `test ${first}`;
  return command === 'lab' && !labCommands.includes(first) ? `lab ${first}` : undefined;
}

describe.each(documents)('%s', (path) => {
  const text = textOf(path);

  it('names commands that exist, with flags that they take', () => {
    const code = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
    const lines = [...blocks(text, 'sh'), ...code].join('\n').split('\n');
    const calls = lines.flatMap((line) => [...line.matchAll(/(?:^(?:\.\/)?|[\s("]\.\/)pgha ([^#|;)"]+)/g)]);
    const errors = calls
      .filter(([, words = '']) => /^[a-z]/.test(words))
      .map(([, words = '']) => errorOfCommand(words.trim().split(/\s+/)))
      .filter((error) => error !== undefined);
    expect(errors).toEqual([]);
    const runs = lines.flatMap((line) =>
      [...line.matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name),
    );
    expect(scripts).toEqual(expect.arrayContaining(runs));
  });

  it('shows steps that give and read only what is declared', () => {
    for (const block of blocks(text, 'yaml').filter((candidate) => candidate.includes('uses:'))) {
      const content = parse(block) as WorkflowStep[] | { jobs: Record<string, { steps?: WorkflowStep[] }> };
      const steps = Array.isArray(content)
        ? content
        : Object.values(content.jobs).flatMap((job) => job.steps ?? []);
      expect(errorsOfUse(steps, block)).toEqual([]);
    }
  });

  it('links to files that are there', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)].map(
      ([, link = '']) => link,
    );
    for (const link of links) expect(existsSync(join(root, dirname(path), link)), link).toBe(true);
  });
});
