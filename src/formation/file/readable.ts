import * as v from 'valibot';
import { isMissingKey, isUnknownKey, type Path, pathOf } from './issues.ts';
import { type FormationFile, formationFile } from './schema.ts';

/** A file as far as it can be read. */
export interface Readable {
  /** What is wrong with single keys, one issue each. */
  issues: v.BaseIssue<unknown>[];
  /** The file, defaults in place of what could not be read; undefined when too little could. */
  file: FormationFile | undefined;
  /** Where the defaults are in place of something unreadable. */
  unknown: Path[];
}

/** Rounds of leaving out what is wrong; a missing key costs a second one for what should hold it. */
const maxRounds = 4;
/** Of several unknown keys in one map, valibot tells the first: each costs a round, and so many are told. */
const maxUnknownKeys = 100;

/**
 * Checks a file's keys one by one. What is wrong is left out, so that errors that only several keys together
 * show can be told at once with those of single keys.
 */
export function readable(value: unknown): Readable {
  const first = v.safeParse(formationFile, value);
  if (first.success) return { issues: [], file: first.output, unknown: [] };
  const issues = onePerKey(first.issues);
  const rest = unshared(value);
  const unknown: Path[] = [];
  let left: v.BaseIssue<unknown>[] = [...issues];
  for (let [round, unknownKeys] = [0, 0]; round < maxRounds && unknownKeys < maxUnknownKeys; ) {
    if (left.some(isUnknownKey)) unknownKeys++;
    else round++;
    for (const issue of left) {
      const path = pathOf(issue);
      if (path.length === 0) return { issues, file: undefined, unknown };
      if (isUnknownKey(issue)) leaveOut(rest, path);
      else unknown.push(isMissingKey(issue) ? fillIn(rest, path) : replace(rest, path));
    }
    const parsed = v.safeParse(formationFile, rest);
    if (parsed.success) return { issues, file: parsed.output, unknown };
    left = onePerKey(parsed.issues);
    issues.push(...left.filter(isUnknownKey));
  }
  return { issues, file: undefined, unknown };
}

function onePerKey(issues: v.BaseIssue<unknown>[]): v.BaseIssue<unknown>[] {
  const seen = new Set<string>();
  return issues.filter((issue) => {
    const key = JSON.stringify(pathOf(issue));
    return seen.size < seen.add(key).size;
  });
}

/** Leaves out the value at `path`, or stands a node of no special kind in for it. @returns what is unknown now */
function replace(root: unknown, path: Path): Path {
  const [first, index, ...deeper] = path;
  if (first === 'nodes' && typeof index === 'number' && deeper.length === 0) {
    put(root, path, { name: standInName(index) });
    return path;
  }
  // The place of an item tells which one it is: a list loses all of them or none.
  const whole = typeof path.at(-1) === 'number' ? path.slice(0, -1) : path;
  leaveOut(root, whole);
  return whole;
}

/** Fills in a missing name of a container, or leaves out what lacks its key. @returns what is unknown now */
function fillIn(root: unknown, path: Path): Path {
  const [first, index] = path;
  if (path.at(-1) === 'name' && (first === 'nodes' || first === 'monitor')) {
    put(root, path, standInName(typeof index === 'number' ? index : 'monitor'));
    return path;
  }
  return replace(root, path.slice(0, -1));
}

/** A name that no other container of a file has, as long as it is not looked for. */
const standInName = (index: number | string) => `pgha-unreadable-${index}`;

/** A copy whose parts are each its own, where aliases of YAML share them; nothing in place of an endless one. */
function unshared(value: unknown, around: readonly unknown[] = []): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (around.includes(value)) return null;
  const inner = [...around, value];
  if (Array.isArray(value)) return value.map((item) => unshared(item, inner));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unshared(item, inner)]));
}

function parentOf(root: unknown, path: Path): Record<string | number, unknown> | undefined {
  let parent = root;
  for (const step of path.slice(0, -1))
    parent = (parent as Record<string | number, unknown> | undefined)?.[step];
  return typeof parent === 'object' && parent !== null
    ? (parent as Record<string | number, unknown>)
    : undefined;
}

function put(root: unknown, path: Path, value: unknown): void {
  const parent = parentOf(root, path);
  if (parent) parent[path.at(-1) as string | number] = value;
}

function leaveOut(root: unknown, path: Path): void {
  const parent = parentOf(root, path);
  if (parent) delete parent[path.at(-1) as string | number];
}
