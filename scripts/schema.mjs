// Makes the published JSON Schemas, that of the formation file from the valibot schema that the actions check it by,
// and tables of its keys for the documentation. Draft 7: what yaml-language-server knows best.
import { toJsonSchema } from '@valibot/to-json-schema';

const config = {
  target: 'draft-07',
  // A map is a custom check and a strict object behind it; the object is what can be published.
  typeMode: 'output',
  errorMode: 'throw',
  overrideAction: ({ valibotAction, jsonSchema }) => {
    switch (valibotAction.type) {
      case 'regex': {
        const pattern = {
          pattern: valibotAction.requirement.source.replaceAll('\\/', '/'),
          // Not of the standard; editors show it instead of the pattern.
          patternErrorMessage: valibotAction.message,
        };
        if (jsonSchema.patternErrorMessage === undefined) return { ...jsonSchema, ...pattern };
        return { ...jsonSchema, allOf: [...(jsonSchema.allOf ?? []), pattern] };
      }
      case 'check_items':
        return { ...jsonSchema, uniqueItems: true };
      case 'check': // only the action can tell
      case 'guard':
      case 'transform': // what a reader makes of it
      case 'finite': // JSON knows no other numbers
        return jsonSchema;
      default:
        return undefined;
    }
  },
  // A word or a map (see wordOrMap in src/formation/file/words.ts), which the library would take for the word alone.
  overrideSchema: ({ valibotSchema }) =>
    valibotSchema.type === 'lazy'
      ? { anyOf: ['', {}].map((example) => convert(valibotSchema.getter(example))) }
      : undefined,
};

function convert(schema) {
  const { $schema, $defs, ...converted } = toJsonSchema(schema, config);
  return converted;
}

const isEmpty = (value) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;

/** Without what says nothing: `required` of no key, an empty default. */
function tidy(value) {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => !((key === 'required' || key === 'default') && isEmpty(item)))
      .map(([key, item]) => [key, tidy(item)]),
  );
}

const formationFile = {
  name: 'formation',
  title: 'pgha formation file',
  description: 'A Postgres HA formation: see docs/formation.md of pgha.',
};

export function publishedSchema(schema, { name, title, description } = formationFile) {
  const published = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: `urn:veza:pgha:${name}`,
    title,
    description,
    ...tidy(convert(schema)),
  };
  const text = JSON.stringify(published, null, 2);
  if (text.includes('"$ref"'))
    throw new Error('the published schema refers to definitions that it does not have');
  return `${text}\n`;
}

const code = (value) => `\`${typeof value === 'object' ? JSON.stringify(value) : value}\``;
const orList = (items) =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} or ${items.at(-1)}`;

/** What a value may be, in words. */
function allowed(schema) {
  if (schema.anyOf) return orList(schema.anyOf.map(allowed));
  if (schema.enum) return orList(schema.enum.map(code));
  if (schema.type === 'boolean') return '`true` or `false`';
  if (schema.type === 'integer' || schema.type === 'number') {
    const kind = schema.type === 'integer' ? '' : 'number, ';
    return schema.minimum === undefined ? 'number' : `${kind}${schema.minimum} to ${schema.maximum}`;
  }
  if (schema.type === 'array') {
    const item = schema.items.type === 'object' ? 'maps' : allowed(schema.items);
    return `list of ${schema.minItems} to ${schema.maxItems}: ${item}`;
  }
  if (schema.type === 'object')
    return schema.properties ? 'map' : `map of names and values: ${allowed(schema.additionalProperties)}`;
  if (schema.type === 'null') return code(null);
  return (schema.patternErrorMessage ?? 'text').replace(/^must be (?:the |an? )?/, '');
}

/** The map that the keys of `path` lead to; lists and choices are looked through. */
function mapAt(schema, path) {
  let map = mapOf(schema);
  for (const step of path) map = mapOf(map?.properties[step]);
  return map;
}

function mapOf(schema) {
  if (!schema) return undefined;
  if (schema.properties) return schema;
  if (schema.items) return mapOf(schema.items);
  return schema.anyOf?.map(mapOf).find(Boolean);
}

/** Every map of the file by its path, the file itself as ''. */
export function mapsOf(schema, path = []) {
  const map = mapAt(schema, path);
  if (!map) return [];
  return [path.join('.'), ...Object.keys(map.properties).flatMap((key) => mapsOf(schema, [...path, key]))];
}

/** Rows of key, meaning, what is allowed and default, for the map at `path` (`postgres.packages`, or `file`). */
export function keyRows(schema, path) {
  const map = mapAt(schema, path === 'file' ? [] : path.split('.'));
  if (!map) throw new Error(`the formation file has no map ${path}`);
  return Object.entries(map.properties).map(([name, key]) => [
    code(name),
    key.description ?? '',
    allowed(key),
    key.default !== undefined ? code(key.default) : map.required?.includes(name) ? 'required' : '',
  ]);
}
