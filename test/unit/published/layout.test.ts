import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The house: what the README says of its rooms, what biome.json holds them to, and what is on the disk. */

const root = join(import.meta.dirname, '../../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const layout = readme.slice(readme.indexOf('\n## Layout'));

/** Each room imports only those before it. */
const order = [
  ...(/^Rooms of `src\/`, lowest first: ([^.]+)\./m.exec(layout)?.[1] ?? '').matchAll(/[a-z]+/g),
].map(([name]) => name);

const folders = (path: string) =>
  readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

interface Restriction {
  includes: string[];
  linter?: {
    rules?: {
      style?: { noRestrictedImports?: { level: string; options: { patterns: { group: string[] }[] } } };
    };
  };
}

describe('the layout of the README', () => {
  it('puts every room of src in its order', () => {
    expect([...order].sort()).toEqual(folders('src').sort());
  });

  it('has a line for every folder that is committed', () => {
    const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0');
    const deep = new Set(['src', 'test']);
    const places = tracked.flatMap((path) => {
      const [first = '', second = '', ...rest] = path.split('/');
      if (second === '' || first === '.ci') return [];
      if (!deep.has(first)) return [first];
      return rest.length > 0 ? [`${first}/${second}`] : [];
    });
    const missing = [...new Set(places)].filter((place) => !layout.includes(`\`${place}/`));
    expect(missing).toEqual([]);
  });

  it('names no place that is not there', () => {
    const named = [...layout.matchAll(/^\| (`[^|]+`) +\|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path),
    );
    expect(named.length).toBeGreaterThan(20);
    for (const path of named) expect(() => readFileSync(join(root, path)), path).not.toThrow(/ENOENT/);
  });

  it('says of a room only what is in it', () => {
    const rooms = [...layout.matchAll(/^\| `(src\/\w+)\/` +\| (.+) \|$/gm)];
    expect(rooms.length).toBeGreaterThan(10);
    for (const [, room = '', said = ''] of rooms)
      for (const [, file = ''] of said.matchAll(/`([\w-]+\.ts)`/g))
        expect(() => readFileSync(join(root, room, file)), `${room}/${file}`).not.toThrow(/ENOENT/);
  });
});

describe('the sources', () => {
  it('export no name twice: one that stands for two things misleads', () => {
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
    const places = new Map<string, string[]>();
    for (const file of files.filter((each) => each.endsWith('.ts'))) {
      const declared = readFileSync(join(root, 'src', file), 'utf8').matchAll(
        /^export (?:async )?(?:abstract )?(?:const|function\*?|class|interface|type) (\w+)/gm,
      );
      const names = new Set([...declared].map(([, name = '']) => name));
      for (const name of names) places.set(name, [...(places.get(name) ?? []), file]);
    }
    expect(places.size).toBeGreaterThan(500);
    expect([...places].filter(([, where]) => where.length > 1)).toEqual([]);
  });
});

describe('biome.json', () => {
  const { overrides } = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as {
    overrides: Restriction[];
  };
  const restricted = (room: string) =>
    overrides.find(({ includes }) => includes.includes(`src/${room}/**`))?.linter?.rules?.style
      ?.noRestrictedImports;

  it.each(order.slice(0, -1))(
    'holds %s to the rooms before it, and away from what knows a runner',
    (room) => {
      const { level, options } = restricted(room) ?? {};
      expect(level).toBe('error');
      const after = order.slice(order.indexOf(room) + 1).map((each) => `**/${each}/**`);
      expect(options?.patterns.flatMap(({ group }) => group)).toEqual(['@actions/*', ...after]);
    },
  );
});

it('scripts for containers have folders of their own where one that is starting leaves them alone, which empties /tmp', () => {
  const scripts = execFileSync('git', ['ls-files', '-z', 'src/*.sh'], { cwd: root, encoding: 'utf8' })
    .split('\0')
    .filter(Boolean);
  const asked = scripts.flatMap((path) => [
    ...readFileSync(join(root, path), 'utf8').matchAll(/mktemp[^)\n]*/g),
  ]);
  expect(asked.length).toBeGreaterThan(0);
  for (const [call] of asked) expect(call).toBe('mktemp -d -p /var/tmp');
});
