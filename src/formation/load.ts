import { readFileSync, statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { LineCounter, parseDocument, type YAMLError } from 'yaml';
import { InputError, messageOf } from '../contract/errors.ts';
import { toFormation } from './convert.ts';
import { describeIssue, lineOf, notExpanded, pathOf } from './faults.ts';
import type { Formation } from './formation.ts';
import { readable } from './readable.ts';
import { crossFaults } from './rules.ts';
import { maxBytes, unfitYaml } from './yaml.ts';

/** What stands when no formation is given: the topology of the roadmap item, in a lab. */
const builtIn = 'formation: default\nenvironment: lab\n';

/**
 * The formation that an action's `formation` input describes.
 *
 * @param input a path, inline YAML, or empty for the built-in formation
 * @param folder what a relative path is relative to
 * @throws InputError with every fault of the file, each with its key and line
 */
export function loadFormation(input: string, folder: string): Formation {
  const text = input.trim();
  if (text === '') return parseFormation(builtIn, 'the built-in formation');
  if (isInlineYaml(text)) return parseFormation(input, 'the inline formation');
  return parseFormation(readFormationFile(isAbsolute(text) ? text : resolve(folder, text), text), text);
}

/** How a command line names what `loadFormation` was given; undefined for YAML, which is no word of one. */
export function formationPath(input: string): string | undefined {
  return isInlineYaml(input.trim()) ? undefined : input.trim();
}

/** Several lines, a flow map, or `key:` at the start: none of these is a sensible path. */
function isInlineYaml(text: string): boolean {
  return text.includes('\n') || text.startsWith('{') || /^[\w-]+:(?:\s|$)/.test(text);
}

function readFormationFile(path: string, given: string): string {
  const hint = 'give the path of a YAML file relative to the workspace, or the YAML itself';
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new InputError([`formation: ${given} is not a file; ${hint}`]);
    if (stat.size > maxBytes)
      throw new InputError([`formation: ${given} has ${stat.size} bytes; at most ${maxBytes} are read`]);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof InputError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOENT'
        ? 'no such file'
        : code === 'EACCES'
          ? 'no permission to read it'
          : code === undefined || code.startsWith('ERR_')
            ? 'it is no path'
            : code;
    const name = (given.length > 200 ? `${given.slice(0, 200)}…` : given).replace(/\p{Cc}/gu, '?');
    throw new InputError([`formation: cannot read ${name}: ${why}; ${hint}`]);
  }
}

/**
 * @param source what to call the text in messages
 * @throws InputError with every fault found
 */
export function parseFormation(text: string, source: string): Formation {
  const unfit = unfitYaml(text);
  if (unfit !== undefined) throw new InputError([`${source}: ${unfit}`]);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const lineAt = (offset: number) => lines.linePos(offset).line;
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    const texts = text.split('\n');
    throw new InputError(
      problems.map((problem) => {
        const line = lineAt(problem.pos[0]);
        return `${source}:${line}: ${describeProblem(problem)}${notExpanded(texts[line - 1])}`;
      }),
    );
  }
  let value: unknown;
  try {
    // A formation repeats nothing often; a low limit stops alias bombs.
    value = document.toJS({ maxAliasCount: 50 }) ?? {};
  } catch (error) {
    throw new InputError([`${source}: not valid YAML: ${messageOf(error)}`]);
  }
  const { issues, file, unknown } = readable(value);
  const faults = [
    ...issues.map((issue) => ({ path: pathOf(issue), text: describeIssue(issue) })),
    ...(file === undefined
      ? []
      : crossFaults(file, unknown).map(({ path, text: fault }) => ({
          path,
          text: `${path.join('.')}: ${fault}`,
        }))),
  ].map((fault) => ({ ...fault, line: lineOf(document, fault.path, lineAt) }));
  if (faults.length > 0 || file === undefined) {
    faults.sort((a, b) => a.line - b.line);
    throw new InputError(faults.map((fault) => `${source}:${fault.line}: ${fault.text}`));
  }
  return toFormation(file);
}

function describeProblem(problem: YAMLError): string {
  if (problem.code === 'MULTIPLE_DOCS') return 'holds more than one document; a formation is one';
  return `not valid YAML: ${messageOf(problem)}`;
}
