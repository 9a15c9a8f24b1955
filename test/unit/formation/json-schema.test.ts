import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keyRows, mapsOf, publishedSchema } from '../../../scripts/schema.mjs';
import { formationFile } from '../../../src/formation/file/schema.ts';
import { unknownKeys } from '../../corpus/keys.ts';
import { badTopologies } from '../../corpus/topologies.ts';
import { badValues } from '../../corpus/values.ts';
import { badRoots } from '../../corpus/yaml.ts';
import { formationOf } from '../builders.ts';
import { committed, root, schemaErrors } from './json-schema.ts';

/** The published JSON Schema, as an editor takes it, and the documentation made from it. */

const text = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const schema = JSON.parse(committed) as object;
const maps = mapsOf(schema).map((path) => path || 'file');

it('is what the schema of the actions makes', () => {
  expect(committed).toBe(publishedSchema(formationFile));
});

it('documents every key', () => {
  expect(maps).toContain('postgres.packages');
  for (const map of maps)
    for (const [key, meaning, allowed] of keyRows(schema, map)) {
      expect(meaning, `${map} ${key}`).toMatch(/^[`A-Z].{8,}\.$/);
      expect(allowed, `${map} ${key}`).not.toBe('');
    }
});

describe('takes every formation that is one', () => {
  const labs = readdirSync(join(root, 'lab', 'formations'));
  it.each(labs)('lab/formations/%s', (name) => {
    expect(schemaErrors(text('lab', 'formations', name))).toEqual([]);
    formationOf(text('lab', 'formations', name));
  });

  it.each(['README.md', 'docs/formation.md'])('the examples of %s', (path) => {
    const blocks = [...text(path).matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
    const examples = blocks.filter((block) => /^(?:#.*\n)*formation: /.test(block));
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) {
      expect(schemaErrors(example)).toEqual([]);
      formationOf(example);
    }
  });
});

describe('marks every value and key that the actions refuse by themselves', () => {
  it.each([...badValues, ...unknownKeys, ...badTopologies])('%s', (_, bad) => {
    expect(schemaErrors(bad)).not.toEqual([]);
  });

  it.each(badRoots)('%s', (_, bad) => {
    expect(schemaErrors(bad)).not.toEqual([]);
  });
});

describe('docs/formation.md', () => {
  const docs = text('docs', 'formation.md');

  // A node's limits are those of the file.
  it.each(maps.filter((map) => !map.endsWith('.limits')))('has a table of %s', (map) => {
    const [, table = ''] = docs.split(`<!-- keys: ${map} -->`);
    for (const [key] of keyRows(schema, map)) expect(table).toContain(`\n| ${key} |`);
  });
});
