import type * as v from 'valibot';
import { type Document, isMap, isNode } from 'yaml';
import { nearest } from '../../contract/spelling.ts';
import { formationFile } from './schema.ts';

/** The keys and indexes that lead to a value. */
export type Path = (string | number)[];

export function pathOf(issue: v.BaseIssue<unknown>): Path {
  return (issue.path ?? []).map((item) => item.key as string | number);
}

export const isUnknownKey = (issue: v.BaseIssue<unknown>): boolean =>
  issue.type === 'strict_object' && issue.expected === 'never';

export const isMissingKey = (issue: v.BaseIssue<unknown>): boolean =>
  issue.type === 'strict_object' && issue.expected?.startsWith('"') === true;

/** An error that the schema found, as a sentence with the key and what is allowed. */
export function describeIssue(issue: v.BaseIssue<unknown>): string {
  const path = pathOf(issue);
  const key = path.length === 0 ? 'the file' : JSON.stringify(path.join('.')).slice(1, -1) || '""';
  if (isUnknownKey(issue)) {
    return `${key}: unknown key; allowed here: ${allowedKeys(path.slice(0, -1)).join(', ')}${placeOf(path)}`;
  }
  if (isMissingKey(issue)) return `${key}: is required`;
  // A file that is none for a formation may be one with a password.
  const found = path.length === 0 ? kindOf(issue.input) : describeValue(issue.input);
  return `${key}: ${issue.message} (found ${found})${notExpanded(issue.input)}`;
}

/** Where the writer of an unknown key may have wanted it: a key of that place that is spelt nearly so, or another place. */
function placeOf(path: Path): string {
  const key = String(path.at(-1));
  const meant = nearest(key, allowedKeys(path.slice(0, -1)));
  if (meant !== undefined) return `; is ${meant} meant?`;
  const places = keyPlaces();
  const known = [...new Set(places.map((place) => place.at(-1) ?? ''))];
  const name = known.includes(key) ? key : nearest(key, known);
  const fitting = places.filter((place) => place.at(-1) === name).map((place) => place.join('.'));
  if (name === undefined || fitting.length === 0) return '';
  const shown = fitting.length > 3 ? [...fitting.slice(0, 3), '…'] : fitting;
  const all = fitting.some((place) => place.startsWith('timings.'))
    ? ', a map of all clocks in place of the name of a profile'
    : '';
  return `; it belongs ${shown.length === 1 ? 'at' : 'at one of'} ${shown.join(', ')}${all}`;
}

/** Every key of the schema by its place; `nodes[]` stands for each item of a list. */
function keyPlaces(schema: unknown = formationFile, around: string[] = []): string[][] {
  const entries = child(schema, 'entries') as Record<string, unknown> | undefined;
  if (entries !== undefined)
    return Object.entries(entries).flatMap(([key, inner]) => [
      [...around, key],
      ...keyPlaces(inner, [...around, key]),
    ]);
  const item = child(schema, 'item');
  const last = around.at(-1);
  return item === undefined || last === undefined
    ? []
    : keyPlaces(item, [...around.slice(0, -1), `${last}[]`]);
}

/** A hint for those who expect a shell or a workflow behind the file. */
export function notExpanded(value: unknown): string {
  const found = typeof value === 'string' ? /\$\{[^}]{0,60}\}{0,2}/.exec(value)?.[0] : undefined;
  if (found === undefined) return '';
  return `; ${JSON.stringify(found).slice(1, -1)} is not expanded in this file: write the value itself, or have the workflow write the file`;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'a map';
  return typeof value === 'string' ? 'a text' : `a ${typeof value}`;
}

function describeValue(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'object') return kindOf(value);
  const text = typeof value === 'number' ? String(value) : withoutUserOf(JSON.stringify(value));
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** Of a URL whoever it names, and the password: where that ends cannot be told of one that is not right. */
const withoutUserOf = (text: string) => text.replace(/(:\/\/)[^"\s]*@/g, '$1***@');

/** The keys that the schema allows in the map at `path`. */
function allowedKeys(path: Path): string[] {
  let schema: unknown = formationFile;
  for (const step of path) {
    schema =
      typeof step === 'number'
        ? child(schema, 'item')
        : (child(schema, 'entries') as Record<string, unknown> | undefined)?.[step];
  }
  return Object.keys((child(schema, 'entries') as object | undefined) ?? {});
}

/** Looks through valibot's wrappers (optional, pipe, lazy) for a schema that has `property`. */
function child(schema: unknown, property: 'entries' | 'item'): unknown {
  const node = schema as
    | {
        wrapped?: unknown;
        pipe?: unknown[];
        getter?: (input: unknown) => unknown;
        entries?: unknown;
        item?: unknown;
      }
    | undefined;
  if (!node) return undefined;
  return (
    node[property] ??
    node.pipe?.map((step) => (step === node ? undefined : child(step, property))).find(Boolean) ??
    child(node.wrapped ?? node.getter?.({}), property)
  );
}

/** The line of the key at `path`, or of its closest parent that the file holds. */
export function lineOfKey(document: Document, path: Path, lineAt: (offset: number) => number): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find(
        (item) => isNode(item.key) && 'value' in item.key && String(item.key.value) === String(last),
      );
      if (pair && isNode(pair.key) && pair.key.range) return lineAt(pair.key.range[0]);
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lineAt(node.range[0]);
  }
  return lineAt(0);
}
