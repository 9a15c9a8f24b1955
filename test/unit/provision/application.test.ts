import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Formation } from '../../../src/formation/formation.ts';
import { matchesVerifier, scramVerifier } from '../../../src/postgres/scram.ts';
import {
  applicationSteps,
  ensureApplication,
  type FoundApplication,
  type FoundDatabase,
  type FoundRole,
  nothingFound,
  type OpenDatabase,
  readApplication,
} from '../../../src/provision/application/application.ts';
import { createExtension, type Strangers } from '../../../src/provision/application/extensions.ts';
import { Steps } from '../../../src/provision/steps.ts';
import { builtInFormation, formationOf } from '../builders.ts';
import { errorsOf, expectSentences } from '../refusal.ts';

const formation = formationOf(`environment: lab
postgres:
  extensions: [pgcrypto, uuid-ossp]
  databases: [{ name: reports, owner: etl, extensions: [cube] }, { name: scratch }]
  users: [{ name: reporter, databases: [reports] }, { name: etl, databases: [veza, reports] }]
  access: [{ user: reporter, database: scratch, clients: [10.1.0.0/16], method: trust }]
`);
const passwords = new Map([
  ['veza', `O'Brien "x" \\ $1 100%`],
  ['reporter', 'of-the-reporter'],
  ['etl', 'Übermäßig'],
]);
/** One each, since making them takes its time. */
const verifiers = new Map([...passwords].map(([user, password]) => [user, scramVerifier(password)]));

type Changeable = {
  roles: Map<string, FoundRole>;
  databases: Map<string, FoundDatabase & { connect: Set<string>; extensions: Set<string> }>;
  available: Set<string>;
};

/** The formation's primary as it should be. */
function allRight({ postgres }: Formation = formation): Changeable {
  return {
    roles: new Map(
      postgres.users.map(({ name }) => [name, { login: true, verifier: verifiers.get(name) ?? '' }]),
    ),
    databases: new Map(
      postgres.databases.map(({ name, owner, extensions }) => [
        name,
        {
          owner,
          publicConnect: true,
          connect: new Set(postgres.users.map((user) => user.name)),
          extensions: new Set(['plpgsql', ...extensions]),
        },
      ]),
    ),
    available: new Set(['plpgsql', 'pgcrypto', 'uuid-ossp', 'cube']),
  };
}

const stepsOf = (found: FoundApplication) => applicationSteps(found, formation, passwords);
const words = (found: FoundApplication) => stepsOf(found).map(({ what }) => what);
const drift = (change: (found: Changeable) => void): Changeable => {
  const found = allRight();
  change(found);
  return found;
};
const roleOf = (found: Changeable, name: string) => found.roles.get(name) as FoundRole;
const databaseOf = (found: Changeable, name: string) =>
  found.databases.get(name) as FoundDatabase & { connect: Set<string>; extensions: Set<string> };

describe('the steps of a new formation', () => {
  it('make every role, database and extension, and nothing else', () => {
    expect(stepsOf(nothingFound).map(({ what, database }) => [database, what])).toEqual([
      ['postgres', 'create role veza'],
      ['postgres', 'create role reporter'],
      ['postgres', 'create role etl'],
      ['postgres', 'create database veza'],
      ['postgres', 'create database reports'],
      ['postgres', 'create database scratch'],
      ['veza', 'create extension pgcrypto in veza'],
      ['veza', 'create extension uuid-ossp in veza'],
      ['reports', 'create extension cube in reports'],
    ]);
  });

  it('are two where nothing is declared', () => {
    const steps = applicationSteps(nothingFound, builtInFormation(), passwords);
    expect(steps.map(({ what }) => what)).toEqual(['create role veza', 'create database veza']);
  });

  it('are the same once the server says what it has', () => {
    expect(words({ ...nothingFound, available: allRight().available })).toEqual(words(nothingFound));
  });

  it('hold no password and no verifier until they are run, and no password then', () => {
    const steps = stepsOf(nothingFound);
    expect(JSON.stringify(steps)).not.toMatch(/SCRAM|Brien|of-the-reporter/);
    for (const step of steps) {
      for (const password of passwords.values()) expect(step.sql()).not.toContain(password);
    }
  });

  it('set a verifier that fits the password', () => {
    for (const [index, user] of ['veza', 'reporter', 'etl'].entries()) {
      const sql = stepsOf(nothingFound)[index]?.sql() ?? '';
      const [, role, verifier = ''] = /^CREATE ROLE "(\w+)" LOGIN PASSWORD '(SCRAM[^']+)'$/.exec(sql) ?? [];
      expect(role).toBe(user);
      expect(matchesVerifier(passwords.get(user) ?? '', verifier)).toBe(true);
    }
  });

  it('need a password for every user', () => {
    expect(() => applicationSteps(nothingFound, formation, new Map())).toThrow(
      /no password for the user veza/,
    );
  });
});

describe('what stands already', () => {
  it('is left alone where it is right', () => {
    expect(words(allRight())).toEqual([]);
  });

  it.each<[string, (found: Changeable) => void, string, RegExp]>([
    [
      'a role that is gone',
      (found) => found.roles.delete('reporter'),
      'create role reporter',
      /^CREATE ROLE "reporter" LOGIN PASSWORD 'SCRAM/,
    ],
    [
      'a role that may not log in',
      (found) => found.roles.set('etl', { ...roleOf(found, 'etl'), login: false }),
      'let etl log in',
      /^ALTER ROLE "etl" LOGIN$/,
    ],
    [
      'another password',
      (found) => found.roles.set('etl', { login: true, verifier: verifiers.get('veza') ?? '' }),
      'set the password of etl',
      /^ALTER ROLE "etl" PASSWORD 'SCRAM/,
    ],
    [
      'no password',
      (found) => found.roles.set('veza', { login: true, verifier: '' }),
      'set the password of veza',
      /^ALTER ROLE "veza" PASSWORD 'SCRAM/,
    ],
    [
      'an MD5 password',
      (found) => found.roles.set('veza', { login: true, verifier: `md5${'0'.repeat(32)}` }),
      'set the password of veza',
      /^ALTER ROLE "veza" PASSWORD 'SCRAM/,
    ],
    [
      'a database that has another owner',
      (found) => found.databases.set('reports', { ...databaseOf(found, 'reports'), owner: 'postgres' }),
      'make etl the owner of database reports',
      /^ALTER DATABASE "reports" OWNER TO "etl"$/,
    ],
    [
      'an extension that is gone',
      (found) => databaseOf(found, 'veza').extensions.delete('uuid-ossp'),
      'create extension uuid-ossp in veza',
      /; CREATE EXTENSION IF NOT EXISTS "uuid-ossp" CASCADE$/,
    ],
    [
      'the right to connect, taken from everybody but one',
      (found) =>
        found.databases.set('reports', {
          ...databaseOf(found, 'reports'),
          publicConnect: false,
          connect: new Set(['etl']),
        }),
      'let reporter connect to reports',
      /^GRANT CONNECT ON DATABASE "reports" TO "reporter"$/,
    ],
  ])('is put right where it drifted, by one step: %s', (_, change, what, sql) => {
    const steps = stepsOf(drift(change));
    expect(steps.map((step) => step.what)).toEqual([what]);
    expect(steps[0]?.sql()).toMatch(sql);
  });

  it('gets all of a database that is gone', () => {
    expect(words(drift((found) => found.databases.delete('reports')))).toEqual([
      'create database reports',
      'create extension cube in reports',
    ]);
  });

  it('lets those connect who have a rule of their own, and nobody else', () => {
    const found = drift(({ databases }) => {
      for (const [name, database] of databases)
        databases.set(name, { ...database, publicConnect: false, connect: new Set() });
    });
    expect(words(found)).toEqual([
      'let reporter connect to scratch',
      'let veza connect to veza',
      'let reporter connect to reports',
      'let etl connect to veza',
      'let etl connect to reports',
    ]);
  });

  it('keeps the way in of an owner that stops being it', () => {
    const found = drift(({ databases }) => {
      const reports = databases.get('reports');
      if (reports) databases.set('reports', { ...reports, owner: 'reporter', publicConnect: false });
    });
    expect(words(found)).toEqual([
      'make etl the owner of database reports',
      'let reporter connect to reports',
    ]);
  });

  it('may be more than is declared', () => {
    const found = drift(({ roles, databases }) => {
      roles.set('by_hand', { login: true, verifier: '' });
      databases.get('veza')?.extensions.add('hstore');
      databases.set('by_hand', {
        owner: 'by_hand',
        publicConnect: false,
        connect: new Set(),
        extensions: new Set(),
      });
    });
    expect(words(found)).toEqual([]);
  });

  it('is refused, all of it, where the server lacks an extension', () => {
    const errors = errorsOf(() =>
      stepsOf(
        drift((found) => {
          for (const name of ['cube', 'pgcrypto']) found.available.delete(name);
          for (const { extensions } of found.databases.values()) extensions.clear();
          found.roles.clear();
        }),
      ),
    );
    expectSentences(errors);
    expect(errors).toEqual([
      expect.stringMatching(
        /^postgres: database veza .* pgcrypto, .* Postgres 16 .* postgres\.packages\.extra$/,
      ),
      expect.stringMatching(/^postgres: database reports .* cube, .* postgres\.packages\.extra$/),
    ]);
  });

  it('is refused where a superuser would run what is another’s to create an extension', () => {
    const drifted = (named: string[], footholds: Strangers['footholds'] = []) =>
      drift((found) => {
        const veza = databaseOf(found, 'veza');
        veza.extensions.delete('uuid-ossp');
        veza.strangers = { named, footholds };
      });
    expect(words(drifted([]))).toEqual(['create extension uuid-ossp in veza']);
    const errors = errorsOf(() => stepsOf(drifted(['function lower(text, VARIADIC integer[])'])));
    expectSentences(errors);
    expect(errors).toEqual([
      expect.stringMatching(
        /^postgres: database veza is to have the extension uuid-ossp, whose script a superuser runs, .*: function lower\(text, VARIADIC integer\[\]\); drop or rename it/,
      ),
    ]);
    // Schemas that the script sees besides public: a sentence each.
    const evil = { schema: 'evil', extension: 'cube' };
    const remedy = 'make a superuser its owner (ALTER SCHEMA evil OWNER TO postgres)';
    const held = errorsOf(() =>
      stepsOf(
        drifted(
          [],
          [
            { ...evil, reason: 'it belongs to veza', remedy },
            { ...evil, reason: 'it holds function evil.lower(integer) of veza', remedy: 'drop it' },
            { schema: 'topology', extension: 'postgis_topology', reason: 'it belongs to etl', remedy },
          ],
        ),
      ),
    );
    expectSentences(held);
    expect(held).toEqual([
      `postgres: database veza is to have the extension uuid-ossp, whose script a superuser runs with schema evil in its path, for cube, and might run what is not a superuser's there: it belongs to veza, it holds function evil.lower(integer) of veza; ${remedy}, drop it, or create the extension by hand`,
      expect.stringMatching(
        / with schema topology in its path, for postgis_topology, .*: it belongs to etl; /,
      ),
    ]);
    // Where all extensions are there, none is created.
    const there = drift((found) =>
      Object.assign(databaseOf(found, 'veza'), { strangers: { named: ['x'], footholds: [] } }),
    );
    expect(words(there)).toEqual([]);
  });

  it.each([
    ['none', [], []],
    ['a function in public', ['function lower(integer)'], []],
    [
      'a schema of another',
      [],
      [{ schema: 'evil', extension: 'cube', reason: 'it belongs to veza', remedy: 'have its owner changed' }],
    ],
  ])(
    'is created only where nothing of another is in its path, looked for under locks: %s',
    async (_, named, held) => {
      const asked: { sql: string; values: readonly unknown[] }[] = [];
      const session = {
        query: (sql: string, values: readonly unknown[] = []) => {
          asked.push({ sql, values });
          const rows = sql.includes(' AS stranger') ? named.map((stranger) => ({ stranger })) : [];
          return Promise.resolve(sql.includes(' AS remedy') ? held : rows) as never;
        },
      };
      const harmless = named.length + held.length === 0;
      const created = createExtension(session, 'veza', 'earthdistance');
      if (harmless) await created;
      else
        await expect(created).rejects.toThrow(
          /^postgres: database veza is to have the extension earthdistance, /,
        );
      expect(asked[0]?.sql).toMatch(
        /LOCK TABLE pg_catalog\.pg_namespace, pg_catalog\.pg_extension, .*pg_proc/,
      );
      expect(asked.find(({ sql }) => sql.includes(' AS remedy'))?.values).toEqual([['earthdistance']]);
      expect(asked.some(({ sql }) => sql.includes('CREATE EXTENSION'))).toBe(harmless);
      expect(asked.at(-1)?.sql).toBe(harmless ? 'COMMIT' : 'ROLLBACK');
    },
  );

  it('is never dropped, whatever was found', () => {
    const name = fc.constantFrom('veza', 'reporter', 'etl', 'reports', 'scratch', 'other');
    const names = fc.uniqueArray(name).map((all) => new Set(all));
    const anything: fc.Arbitrary<FoundApplication> = fc.record({
      roles: fc
        .array(fc.tuple(name, fc.record({ login: fc.boolean(), verifier: fc.constant('') })))
        .map((all) => new Map(all)),
      databases: fc
        .array(
          fc.tuple(
            name,
            fc.record({ owner: name, publicConnect: fc.boolean(), connect: names, extensions: names }),
          ),
        )
        .map((all) => new Map(all)),
      available: fc.constant(undefined),
    });
    fc.assert(
      fc.property(anything, (found) => {
        const steps = stepsOf(found);
        expect(new Set(steps.map(({ what }) => what)).size).toBe(steps.length);
        for (const { sql } of steps.filter(({ what }) => !/role|password/.test(what)))
          expect(sql()).not.toMatch(/DROP|REVOKE|NOLOGIN|DELETE|TRUNCATE/);
      }),
    );
  });
});

/** Answers as a primary does, and keeps what it was asked. */
function primary(row: Record<string, unknown>, extensions: Record<string, string[]> = {}) {
  const asked: { database: string; sql: string; values: readonly unknown[] }[] = [];
  const open: OpenDatabase = (database) =>
    Promise.resolve({
      query: (sql: string, values: readonly unknown[] = []) => {
        asked.push({ database, sql, values });
        if (sql === 'SELECT extname FROM pg_extension')
          return Promise.resolve((extensions[database] ?? []).map((extname) => ({ extname }))) as never;
        return Promise.resolve(sql.startsWith('SELECT') ? [row] : []) as never;
      },
    });
  return { open, asked };
}

describe('a primary', () => {
  const row = {
    roles: [{ name: 'veza', login: true, verifier: 'x' }],
    databases: [
      { name: 'veza', owner: 'veza', publicConnect: true, connect: ['veza'] },
      { name: 'scratch', owner: 'etl', publicConnect: false, connect: [] },
    ],
    available: ['pgcrypto'],
  };

  it('is asked for what is declared, in the databases that stand and are to have extensions', async () => {
    const { open, asked } = primary(row, { veza: ['plpgsql', 'pgcrypto'] });
    expect(await readApplication(open, formation)).toEqual({
      roles: new Map([['veza', { login: true, verifier: 'x' }]]),
      databases: new Map([
        [
          'veza',
          {
            owner: 'veza',
            publicConnect: true,
            connect: new Set(['veza']),
            extensions: new Set(['plpgsql', 'pgcrypto']),
            strangers: { named: [], footholds: [] },
          },
        ],
        ['scratch', { owner: 'etl', publicConnect: false, connect: new Set(), extensions: new Set() }],
      ]),
      available: new Set(['pgcrypto']),
    });
    expect(asked.map(({ database }) => database)).toEqual(['postgres', 'veza', 'veza', 'veza', 'veza']);
    for (const each of asked.slice(3)) expect(each.values).toEqual([['uuid-ossp']]);
    expect(asked[0]?.values).toEqual([
      ['veza', 'reporter', 'etl'],
      ['veza', 'reports', 'scratch'],
      ['pgcrypto', 'uuid-ossp', 'cube'],
    ]);
    for (const { sql } of asked) expect(sql).toMatch(/^\s*(?:SELECT|WITH)\b/);
  });

  it('is told each step in the database that it is of, in order', async () => {
    const { open, asked } = primary({
      roles: [],
      databases: [],
      available: ['pgcrypto', 'uuid-ossp', 'cube'],
    });
    expect(await ensured(open)).toEqual(words(nothingFound));
    const told = asked.slice(1).filter(({ sql }) => /^CREATE|CREATE EXTENSION/.test(sql));
    expect(told.map(({ database }) => database)).toEqual(
      stepsOf(nothingFound).map(({ database }) => database),
    );
    // An extension is a transaction of its own, in which nobody else makes functions.
    expect(asked.filter(({ sql }) => sql.includes('LOCK TABLE'))).toHaveLength(3);
    expect(asked.filter(({ sql }) => sql === 'COMMIT')).toHaveLength(3);
  });

  it('is told nothing where one step is impossible', async () => {
    const { open, asked } = primary({ roles: [], databases: [], available: [] });
    await expect(ensured(open)).rejects.toThrow(/postgres\.packages\.extra/);
    expect(asked).toHaveLength(1);
  });

  it('is told nothing where all is right', async () => {
    const right = allRight();
    const { open, asked } = primary(
      {
        roles: [...right.roles].map(([name, role]) => ({ name, ...role })),
        databases: [...right.databases].map(([name, { owner, connect }]) => ({
          name,
          owner,
          publicConnect: true,
          connect: [...connect],
        })),
        available: [...right.available],
      },
      { veza: ['pgcrypto', 'uuid-ossp'], reports: ['cube'] },
    );
    expect(await ensured(open)).toEqual([]);
    for (const { sql } of asked) expect(sql).toMatch(/^\s*(?:SELECT|WITH)\b/);
  });
});

/** The steps taken, in their words. */
async function ensured(open: OpenDatabase): Promise<string[]> {
  const silent = { info: () => {}, warn: () => {}, debug: () => {} };
  const steps = new Steps(silent, 'apply');
  await ensureApplication(open, { formation, steps }, passwords);
  return steps.changes.map(({ what }) => what);
}
