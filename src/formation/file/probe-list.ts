import * as v from 'valibot';
import { parse } from 'yaml';
import { InputError } from '../../contract/errors.ts';
import type { Probe } from '../probes.ts';
import { describeIssue, pathOf } from './issues.ts';
import { probeErrors, probeList, toProbe } from './probe-schema.ts';
import { map } from './words.ts';
import { unfitYaml } from './yaml.ts';

const wrapped = map({ probes: probeList }, 'must be a list of probes');

/**
 * Probes that an input gives in place of those of the formation file.
 * @returns undefined where it is empty: then those of the file stand
 * @throws InputError with every error
 */
export function parseProbes(text: string): readonly Probe[] | undefined {
  if (text.trim() === '') return undefined;
  const value = yamlIn(text);
  if (!Array.isArray(value))
    throw new InputError(['input probes: must be a list of probes in YAML, as in the formation file']);
  const read = v.safeParse(wrapped, { probes: value as unknown });
  if (!read.success)
    throw new InputError(
      read.issues
        .filter((issue) => pathOf(issue).length > 0)
        .map((issue) => `input probes: ${describeIssue(issue)}`),
    );
  const { probes } = read.output;
  const errors = probeErrors(probes);
  if (errors.length > 0)
    throw new InputError(
      errors.map(({ path, text: error }) => `input probes: ${['probes', ...path].join('.')}: ${error}`),
    );
  return probes.map(toProbe);
}

function yamlIn(text: string): unknown {
  const unfit = unfitYaml(text);
  if (unfit !== undefined) throw new InputError([`input probes: ${unfit}`]);
  try {
    return parse(text, { maxAliasCount: 50, prettyErrors: false, logLevel: 'silent' });
  } catch {
    // The parser quotes the text, in which somebody may have put a secret.
    throw new InputError(['input probes: is no valid YAML']);
  }
}
