import { resolve } from 'node:path';
import { type AdoptionAsked, adoptionKeys, takeOver } from '../../src/adoption/asked.ts';
import { type Adopted, adopt } from '../../src/adoption/new-file.ts';
import { observe } from '../../src/check/observe.ts';
import { judge } from '../../src/check/verdict.ts';
import type { Judged } from '../../src/check/wait.ts';
import { InputError, messageOf } from '../../src/contract/errors.ts';
import type { Log } from '../../src/contract/log.ts';
import { nearest } from '../../src/contract/spelling.ts';
import { formationPath } from '../../src/formation/file/load.ts';
import { readTextMap } from '../../src/formation/file/yaml.ts';
import { formationUri } from '../../src/formation/formation.ts';
import { judgedLines } from '../../src/report/check-report.ts';
import { adoptionMarkdown } from '../../src/report/provision-report.ts';
import type { ActionContext, ActionResult } from '../../src/runner/run-action.ts';

/** `mode: adopt`: writes the formation file of a formation that is there already, and changes nothing. */

/**
 * @param given the inputs `formation`, the path of the file to be written, and `adopt`
 * @throws InputError, also where that file is there already; as `adopt` does
 */
export async function adopted(
  given: { formation: string; adopt: string },
  { log, signal, folder }: ActionContext,
): Promise<ActionResult> {
  const asked = parseAsked(given.adopt);
  const path = pathToWrite(given.formation);
  const file = { path: resolve(folder, path), given: path, by: 'input formation' };
  const found = await adopt(asked, { file, named: (key) => `adopt.${key}`, log, signal });
  const { formation, text, remarks } = found;
  const proof = await checked(found, log, signal);
  if (proof) for (const line of judgedLines(proof)) log.info(line);
  const about = `${path} describes formation ${formation.name}`;
  return {
    // What is wrong with the formation is for check-formation to judge.
    outcome: 'pass',
    message: `${about}; check-formation: ${proof?.verdict.message ?? 'it could not be checked'}`,
    outputs: {
      changed: 'false',
      primary: proof?.verdict.primary ?? '',
      standbys: proof?.verdict.standbys.join(',') ?? '',
      'formation-uri': formationUri(formation),
      'formation-file': file.path,
    },
    report: {
      name: `provision-pgaf-${formation.name}`,
      content: { formation, mode: 'adopt', changed: false, changes: [], remarks, ...proof },
    },
    summary: adoptionMarkdown({ about, text, proof }),
  };
}

/** @throws InputError where it is none */
function pathToWrite(given: string): string {
  const path = formationPath(given);
  if (path !== undefined && path !== '') return path;
  const found = path === '' ? 'nothing' : 'YAML';
  throw new InputError([
    `input formation: mode adopt writes this file, and needs its path, such as formation.yml (found ${found})`,
  ]);
}

/** @throws InputError with every error of the input `adopt` */
export function parseAsked(text: string): AdoptionAsked {
  const { entries, errors: unreadable } = readTextMap(text);
  const asked: AdoptionAsked = { containers: new Map() };
  const errors = unreadable.map((error) => `input adopt: ${error}`);
  for (const [name, { text: value, line }] of entries) {
    const key = adoptionKeys.find((each) => each === name);
    if (key === undefined) {
      const meant = nearest(name, adoptionKeys);
      const hint = meant === undefined ? '' : ` (is ${meant} meant?)`;
      errors.push(
        `input adopt: line ${line}: ${JSON.stringify(name.slice(0, 100))} is not known${hint}; there are ${adoptionKeys.join(', ')}`,
      );
    } else if (value.trim() === '') errors.push(`input adopt: line ${line}: ${key} needs a value`);
    else errors.push(...takeOver(asked, key, value.trim()).map((error) => `input adopt: ${key}: ${error}`));
  }
  if (errors.length > 0) throw new InputError(errors);
  return asked;
}

/** What check-formation says of it by its new file; undefined where it cannot. */
async function checked({ formation, incus }: Adopted, log: Log, signal: AbortSignal) {
  try {
    const observation = await observe(formation, incus, { signal });
    return { verdict: judge(observation, formation), observation } satisfies Judged;
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`the formation could not be checked: ${messageOf(error)}`);
    return undefined;
  }
}
