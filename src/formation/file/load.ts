import { isAbsolute, resolve } from 'node:path';
import { LineCounter, parseDocument, type YAMLError } from 'yaml';
import { InputError, messageOf } from '../../contract/errors.ts';
import { readText } from '../../disk/file.ts';
import type { Formation } from '../formation.ts';
import { toFormation } from './convert.ts';
import { describeIssue, lineOfKey, notExpanded, pathOf } from './issues.ts';
import { readable } from './readable.ts';
import { crossErrors } from './rules.ts';
import { maxBytes, unfitYaml } from './yaml.ts';

/** The formation when none is given: every default (a monitor and two data nodes), in a lab. */
const builtIn = 'formation: default\nenvironment: lab\n';

/**
 * The formation that an action's `formation` input describes.
 *
 * @param input a path, inline YAML, or empty for the built-in formation
 * @param folder what a relative path is relative to
 * @throws InputError with every error of the file, each with its key and line
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

/** For people, what `loadFormation` was given: a path as it stands, or that it was none. Pure. */
export function formationSource(input: string): string {
  const text = input.trim();
  if (text === '') return 'the built-in one (the input formation is empty)';
  return isInlineYaml(text) ? 'YAML in the input formation' : shownPath(text);
}

/** Several lines, a flow map, or `key:` at the start: none of these is a sensible path. */
function isInlineYaml(text: string): boolean {
  return text.includes('\n') || text.startsWith('{') || /^[\w-]+:(?:\s|$)/.test(text);
}

function readFormationFile(path: string, given: string): string {
  const hint = 'give the path of a YAML file relative to the workspace, or the YAML itself';
  try {
    return readText(path, maxBytes);
  } catch (error) {
    throw new InputError([`formation: cannot read ${shownPath(given)}: ${messageOf(error)}; ${hint}`]);
  }
}

function shownPath(given: string): string {
  return (given.length > 200 ? `${given.slice(0, 200)}…` : given).replace(/\p{Cc}/gu, '?');
}

/**
 * @param source what to call the text in messages
 * @throws InputError with every error found
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
  const errors = [
    ...issues.map((issue) => ({ path: pathOf(issue), text: describeIssue(issue) })),
    ...(file === undefined
      ? []
      : crossErrors(file, unknown).map(({ path, text: error }) => ({
          path,
          text: `${path.join('.')}: ${error}`,
        }))),
  ].map((error) => ({ ...error, line: lineOfKey(document, error.path, lineAt) }));
  if (errors.length > 0 || file === undefined) {
    errors.sort((a, b) => a.line - b.line);
    throw new InputError(errors.map((error) => `${source}:${error.line}: ${error.text}`));
  }
  return toFormation(file);
}

function describeProblem(problem: YAMLError): string {
  if (problem.code === 'MULTIPLE_DOCS') return 'holds more than one document; a formation is one';
  return `not valid YAML: ${messageOf(problem)}`;
}
