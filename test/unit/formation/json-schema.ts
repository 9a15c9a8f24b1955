import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';

export const root = join(import.meta.dirname, '..', '..', '..');
export const committed = readFileSync(join(root, 'formation.schema.json'), 'utf8');

const ajv = new Ajv({ allErrors: true });
ajv.addKeyword('patternErrorMessage');
const validate = ajv.compile(JSON.parse(committed) as object);

/** What an editor marks by the published JSON Schema. */
export function schemaErrors(yaml: string): string[] {
  // An empty file is no map yet; editors do not mark it.
  if (validate(parse(yaml) ?? {})) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
